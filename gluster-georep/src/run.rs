//! One run of a session to a checkpoint.
//!
//! Stop, set the checkpoint, make a change on every brick, let the changelogs that hold it reach
//! the disk, start, wait for the verdict, stop. The changelogs come before the start because a
//! worker's history crawl reads what is on disk when it starts, and finishes within seconds; its
//! live crawl may get stuck, on 10.3 most of the time where a host has several bricks.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tool_command::Stop;

use crate::turns::Turns;
use crate::{
    Baseline, BrickSet, Error, Event, Gluster, Hopeless, MountTools, Observer, Session,
    SessionState, Verdict,
};

mod aftermath;
mod course;
mod note;
mod pace;
mod planned;

pub use note::{ChangedRollover, Note};
pub use planned::{Planned, planned_look, planned_run};

/// What can be asked of a run. The default asks for nothing beyond the checkpoint.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The longest wait between two checks, 10 s by default. They are more frequent while things
    /// move; each takes the volume's lock for a moment.
    pub interval: Duration,
    /// Give up so long after the run began; by default never. A command that runs then is killed,
    /// and what has to be put back is put back after that.
    pub timeout: Option<Duration>,
    /// Where the volume's `changelog.rollover-time` is longer than this, do not wait for the bricks
    /// to close their changelogs, but have them do so: the option is changed, and put back moments
    /// later. That is done in a second in which no brick closes its changelog by itself, as then
    /// GlusterFS loses one of the two; where no such second is known the run waits all the same
    /// ([`Event::TurnsUnknown`]). By default the option is left alone.
    pub rollover: Option<Duration>,
    /// Leave the session as it was found also where the run came to its end.
    pub restore_session: bool,
    /// Where to write down what is to be put back, for the run after one that is killed. One file
    /// a session, on a file system that is kept over a boot; missing directories are made, and the
    /// file is removed when all is put back. Without it a changed rollover time outlives a run that
    /// is killed.
    pub note: Option<PathBuf>,
    /// Ends the run when it is requested, within a second.
    pub stop: Stop,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            timeout: None,
            rollover: None,
            restore_session: false,
            note: None,
            stop: Stop::default(),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every set has reached the checkpoint. The session is stopped.
    Complete,
    /// The time is up. The session is stopped.
    TimedOut,
    /// The checkpoint will not be reached. The session is stopped.
    Hopeless(Hopeless),
    /// [`RunOptions::stop`] was requested. The session is as it was before.
    Interrupted,
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The checkpoint, where it came to be set: a second of the clock of this node.
    pub checkpoint: Option<Timestamp>,
    /// The state of the session before.
    pub before: SessionState,
    /// The state of the session after.
    pub after: SessionState,
    /// The last verdict, where there came to be one.
    pub verdict: Option<Verdict>,
    /// When the checkpoint was complete.
    pub completion: Option<Completion>,
    /// How long the whole run took.
    pub duration: Duration,
}

/// When a checkpoint was complete, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// When the last worker reached it, by the clock of its node, in whole seconds.
    pub reached: Timestamp,
    /// When this run saw it, by the clock of this node.
    pub seen: Timestamp,
}

/// Runs `session` to a checkpoint that is set now, and returns when it is over: that may take as
/// long as the sync.
///
/// `gluster` and `mounts` are of a node of the primary cluster. The caller sees to it that no other
/// run of the same session goes on meanwhile.
///
/// On every way out the temporary mount is gone and the rollover time is what it was. The session
/// is stopped where the run came to its end ([`Outcome::Complete`], [`Outcome::TimedOut`],
/// [`Outcome::Hopeless`]) and [`RunOptions::restore_session`] does not ask for more; it is as it
/// was before where the run was interrupted or failed.
///
/// A run that is killed can put nothing back. The next one with the same [`RunOptions::note`] does,
/// and takes the state the killed one had found for the state before.
///
/// # Errors
/// Where the volume or the session does not exist; then nothing was touched. [`Error::Run`] where a
/// command fails, or goes on failing for three minutes in a way that passes. [`Error::NotRestored`]
/// where something could not be put back. Both say in which state the session was left.
pub fn run_to_checkpoint(
    gluster: &Gluster,
    mounts: &MountTools,
    session: &Session,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<Report, Error> {
    let mut run = Run::new(gluster, mounts, session, options, observer);
    match run.look() {
        Ok(volume) => {
            let result = run.go(&volume);
            // From here on nothing is cut off.
            run.gluster = gluster.clone();
            run.finish(result)
        }
        Err(End::Failed(error)) => Err(error),
        Err(End::Outcome(outcome)) => Ok(run.report(outcome)),
    }
}

/// Puts back what a run of `session` that was killed has left, without another run: its mounts, the
/// rollover time, and the session, which is left in the state that run had found it in. Returns
/// that state; `None` where no run has left a note at `note`.
///
/// The caller sees to it that no run of the session goes on meanwhile.
///
/// # Errors
/// Where the note cannot be read, or gluster not be asked; [`Error::NotRestored`] where something
/// could not be put back. The note is still there then.
pub fn recover(
    gluster: &Gluster,
    mounts: &MountTools,
    session: &Session,
    note: &Path,
    observer: &mut dyn Observer,
) -> Result<Option<SessionState>, Error> {
    let options = RunOptions { note: Some(note.to_owned()), ..RunOptions::default() };
    let mut run = Run::new(gluster, mounts, session, &options, observer);
    if Note::read(note)?.is_none() {
        run.clear_mounts();
        return Ok(None);
    }
    match run.look() {
        Ok(_) => {
            // What a command that was killed has done is not known.
            run.is_certain = false;
            let report = run.finish(Err(End::Outcome(Outcome::Interrupted)))?;
            Ok(Some(report.after))
        }
        Err(End::Failed(error)) => Err(error),
        Err(End::Outcome(_)) => Ok(None),
    }
}

/// Why a run goes no further.
enum End {
    Outcome(Outcome),
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

struct Run<'a> {
    /// Its commands are cut off when `stop` is due.
    gluster: Gluster,
    mounts: MountTools,
    session: &'a Session,
    options: &'a RunOptions,
    observer: &'a mut dyn Observer,
    stop: Stop,
    began: Instant,
    before: SessionState,
    now: SessionState,
    /// Whether `now` is known: a command that failed, or was cut off, may have worked.
    is_certain: bool,
    /// The layout of the volume when it was last read.
    sets: Vec<BrickSet>,
    /// What is to be put back, once this run has begun to change things.
    note: Option<Note>,
    /// When the bricks close their changelogs by themselves, where that is known.
    turns: Option<Turns>,
    baseline: Baseline,
    checkpoint: Option<Timestamp>,
    verdict: Option<Verdict>,
    completion: Option<Completion>,
}

impl<'a> Run<'a> {
    /// A run that has not looked at anything yet.
    fn new(
        gluster: &Gluster,
        mounts: &MountTools,
        session: &'a Session,
        options: &'a RunOptions,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let began = Instant::now();
        // A time-out that no clock reaches is none.
        let deadline = options.timeout.and_then(|timeout| began.checked_add(timeout));
        let stop = deadline.map_or_else(|| options.stop.clone(), |at| options.stop.or_at(at));
        Self {
            gluster: gluster.stopped_by(&stop),
            mounts: MountTools { mount: mounts.mount.stopped_by(&stop), ..mounts.clone() },
            session,
            options,
            observer,
            stop,
            began,
            before: SessionState::Stopped,
            now: SessionState::Stopped,
            is_certain: true,
            sets: Vec::new(),
            note: None,
            turns: None,
            baseline: Baseline::default(),
            checkpoint: None,
            verdict: None,
            completion: None,
        }
    }

    fn tell(&mut self, event: &Event<'_>) {
        self.observer.event(event);
    }

    fn report(self, outcome: Outcome) -> Report {
        Report {
            outcome,
            checkpoint: self.checkpoint,
            before: self.before,
            after: self.now,
            verdict: self.verdict,
            completion: self.completion,
            duration: self.began.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests;
