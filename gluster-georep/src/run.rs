//! One run of a session to a checkpoint.
//!
//! Stop, set the checkpoint, make a change on every brick, let the changelogs that hold it reach
//! the disk, start, wait for the verdict, stop. The changelogs come before the start because a
//! worker's history crawl reads what is on disk when it starts, and finishes within seconds; its
//! live crawl may get stuck, on 10.3 most of the time where a host has several bricks.

use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::{
    Baseline, BrickSet, Error, Event, Gluster, Hopeless, MountTools, Observer, Session,
    SessionStatus, Verdict,
};

mod aftermath;
mod course;
mod pace;

/// What can be asked of a run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The longest wait between two checks.
    pub interval: Duration,
    /// Give up so long after the run began; `None` waits on.
    pub timeout: Option<Duration>,
    /// Shorten the volume's `changelog.rollover-time` to this for the run, and put it back. Whole
    /// seconds; not used where the volume's own is as short.
    pub rollover: Option<Duration>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), timeout: None, rollover: None }
    }
}

/// Whether a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Its workers run, or try to.
    Running,
    /// It is stopped, paused or was never started.
    Stopped,
}

impl SessionState {
    fn of(status: &SessionStatus) -> Self {
        if status.workers.iter().all(|worker| worker.status.is_at_rest()) {
            Self::Stopped
        } else {
            Self::Running
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        })
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
    /// The observer asked to stop. The session is as it was before.
    Interrupted,
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The checkpoint, where it came to be set.
    pub checkpoint: Option<Timestamp>,
    /// The state of the session before.
    pub before: SessionState,
    /// The state of the session after.
    pub after: SessionState,
    /// The last verdict.
    pub verdict: Option<Verdict>,
    /// How long it took.
    pub duration: Duration,
}

/// Runs `session` to a checkpoint that is set now.
///
/// On every way out the temporary mount is gone and the rollover time is what it was. The session
/// is stopped where the run came to its end ([`Outcome::Complete`], [`Outcome::TimedOut`],
/// [`Outcome::Hopeless`]), and as it was before where the run was interrupted or failed; one that
/// was paused is stopped then. A run that is killed leaves the session as it is at that moment, and
/// a shortened rollover time too.
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
    let mut run = Run {
        gluster,
        mounts,
        session,
        options,
        observer,
        began: Instant::now(),
        before: SessionState::Stopped,
        now: SessionState::Stopped,
        may_run: false,
        sets: Vec::new(),
        found_rollover: None,
        baseline: Baseline::default(),
        checkpoint: None,
        verdict: None,
    };
    match run.look() {
        Ok(volume) => {
            let result = run.go(&volume);
            run.finish(result)
        }
        Err(End::Failed(error)) => Err(error),
        Err(End::Outcome(outcome)) => Ok(run.report(outcome)),
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
    gluster: &'a Gluster,
    mounts: &'a MountTools,
    session: &'a Session,
    options: &'a RunOptions,
    observer: &'a mut dyn Observer,
    began: Instant,
    before: SessionState,
    now: SessionState,
    /// Whether it may run though a start has not succeeded.
    may_run: bool,
    /// The layout of the volume when it was last read.
    sets: Vec<BrickSet>,
    /// What the volume's rollover option was, if it was set, once this run has changed it.
    found_rollover: Option<Option<String>>,
    baseline: Baseline,
    checkpoint: Option<Timestamp>,
    verdict: Option<Verdict>,
}

impl Run<'_> {
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
            duration: self.began.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests;
