//! One run of a session to a checkpoint.
//!
//! Stop, set the checkpoint, make a change on every brick, let the changelogs that hold it reach
//! the disk, start, wait for the verdict, stop. The changelogs come before the start because a
//! worker's history crawl reads what is on disk when it starts, and finishes within seconds; its
//! live crawl may get stuck, on 10.3 most of the time where a host has several bricks.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::nudge::nudge;
use crate::{
    Advice, Baseline, Error, Gluster, MountTools, Patience, Session, SessionStatus, Verdict,
    VolumeInfo, WorkerStatus, verdict,
};

/// How long a wait may go on before it looks whether it should end.
const SLICE: Duration = Duration::from_millis(100);

/// How long trouble that passes (a lock, a glusterd that restarts) may take to do so.
const TROUBLE_PASSES_WITHIN: Duration = Duration::from_secs(180);

/// The longest pause between two tries of the same command.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A changelog is on disk a moment after it is closed.
const CHANGELOG_SETTLES: Duration = Duration::from_secs(1);

/// What can be asked of a run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The longest wait between two checks.
    pub interval: Duration,
    /// Give up so long after the run began; `None` waits on.
    pub timeout: Option<Duration>,
    /// Shorten the volume's `changelog.rollover-time` to this for the run, and put it back.
    pub rollover: Option<Duration>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            timeout: None,
            rollover: None,
        }
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
        let rests = |status: &WorkerStatus| {
            matches!(
                status,
                WorkerStatus::Created | WorkerStatus::Paused | WorkerStatus::Stopped
            )
        };
        if status.workers.iter().all(|worker| rests(&worker.status)) {
            Self::Stopped
        } else {
            Self::Running
        }
    }
}

/// What happens during a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The session exists, and was in this state.
    Found(SessionState),
    /// The session was stopped.
    Stopped,
    /// The checkpoint was set to this second.
    CheckpointSet(Timestamp),
    /// A change was made on every brick.
    Nudged,
    /// Waiting so long for the bricks to close their changelogs.
    Settling(Duration),
    /// The session was started.
    Started,
    /// The session was checked for the `turn`th time.
    Checked {
        /// Counted from 1.
        turn: u32,
        /// How far it is.
        verdict: &'a Verdict,
        /// What gluster said.
        status: &'a SessionStatus,
    },
    /// A command failed in a way that passes; it is tried again.
    Retrying(&'a Error),
    /// The session was stopped and started again, as it was stuck.
    Restarted,
    /// The checkpoint is complete; the session is about to be stopped.
    Stopping,
    /// The run has ended and left the session in this state.
    Left(SessionState),
}

/// Who is told what happens, and may end the run.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, _event: &Event<'_>) {}

    /// Whether the run should end now. Asked ten times a second.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// Nobody.
impl Observer for () {}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every set has reached the checkpoint. The session is stopped.
    Complete,
    /// The time is up. The session is stopped.
    TimedOut,
    /// The session was not at work for so long that it will not be by itself. It is stopped.
    Hopeless,
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
/// [`Outcome::Hopeless`]), and as it was before where the run was interrupted or failed.
///
/// # Errors
/// Where the volume or the session does not exist, where a command fails, or goes on failing for
/// three minutes in a way that passes. [`Error::NotRestored`] where what was changed could not be
/// put back either.
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
        found_rollover: None,
        baseline: Baseline::default(),
        checkpoint: None,
        verdict: None,
    };
    let volume = match run.look() {
        Ok(volume) => volume,
        Err(End::Failed(error)) => return Err(error),
        Err(End::Outcome(outcome)) => return Ok(run.report(outcome)),
    };
    let result = run.go(&volume);
    run.finish(result)
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
    /// The volume's rollover option as it was, once this run has changed it.
    found_rollover: Option<Option<Duration>>,
    baseline: Baseline,
    checkpoint: Option<Timestamp>,
    verdict: Option<Verdict>,
}

impl Run<'_> {
    /// Looks at what is there. Changes nothing.
    fn look(&mut self) -> Result<VolumeInfo, End> {
        let volume = self.retry(|run| run.gluster.started_volume(&run.session.primary))?;
        let status = self.retry(|run| run.gluster.status(run.session))?;
        self.baseline.learn(&status.workers);
        self.before = SessionState::of(&status);
        self.now = self.before;
        self.observer.event(&Event::Found(self.before));
        Ok(volume)
    }

    fn go(&mut self, volume: &VolumeInfo) -> Result<(), End> {
        self.retry(|run| run.gluster.stop_force(run.session))?;
        self.now = SessionState::Stopped;
        self.observer.event(&Event::Stopped);
        let rollover = self.shorten_rollover(volume)?;

        let checkpoint = self.retry(|run| run.gluster.set_checkpoint_now(run.session))?;
        self.checkpoint = Some(checkpoint);
        self.observer.event(&Event::CheckpointSet(checkpoint));
        self.wait_past(checkpoint)?;
        self.nudge()?;
        self.observer
            .event(&Event::Settling(rollover + CHANGELOG_SETTLES));
        self.wait(rollover + CHANGELOG_SETTLES)?;

        self.start()?;
        self.observer.event(&Event::Started);
        self.watch(checkpoint, rollover)
    }

    fn shorten_rollover(&mut self, volume: &VolumeInfo) -> Result<Duration, End> {
        let Some(short) = self.options.rollover else {
            return Ok(volume.rollover_time());
        };
        self.found_rollover = Some(volume.rollover_option());
        self.retry(|run| run.gluster.set_rollover_time(&run.session.primary, short))?;
        Ok(short)
    }

    /// A change in the very second of the checkpoint could count as before it.
    fn wait_past(&mut self, checkpoint: Timestamp) -> Result<(), End> {
        let past = checkpoint.as_second() + 1;
        while Timestamp::now().as_second() < past {
            self.wait(SLICE)?;
        }
        Ok(())
    }

    fn nudge(&mut self) -> Result<(), End> {
        self.retry(|run| nudge(run.mounts, &run.session.primary))?;
        self.observer.event(&Event::Nudged);
        Ok(())
    }

    fn start(&mut self) -> Result<(), End> {
        self.retry(|run| run.gluster.start(run.session))?;
        self.now = SessionState::Running;
        Ok(())
    }

    /// Waits until the checkpoint is complete, and helps where nothing moves.
    fn watch(&mut self, checkpoint: Timestamp, rollover: Duration) -> Result<(), End> {
        let mut patience = Patience::new(self.options.interval, rollover);
        let started = Instant::now();
        for turn in 1_u32.. {
            // The layout may change during a long sync; asking for it takes no lock.
            let volume = self.retry(|run| run.gluster.volume_info(&run.session.primary))?;
            let status = self.retry(|run| run.gluster.status(run.session))?;
            self.baseline.learn(&status.workers);
            let verdict = verdict(&volume.sets, &status.workers, checkpoint, &self.baseline);
            self.observer.event(&Event::Checked {
                turn,
                verdict: &verdict,
                status: &status,
            });
            let complete = verdict.is_complete();
            let advice = patience.advise(started.elapsed(), &status, &verdict);
            self.verdict = Some(verdict);
            if complete {
                break;
            }
            match advice {
                Advice::Wait(time) => self.wait(time)?,
                Advice::Nudge => self.nudge()?,
                Advice::Restart => self.restart()?,
                Advice::GiveUp => return Err(End::Outcome(Outcome::Hopeless)),
            }
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), End> {
        self.retry(|run| run.gluster.stop_force(run.session))?;
        self.now = SessionState::Stopped;
        self.start()?;
        self.observer.event(&Event::Restarted);
        Ok(())
    }

    /// Puts everything back, whatever the result, and turns the result into a report.
    fn finish(mut self, result: Result<(), End>) -> Result<Report, Error> {
        let wanted = match result {
            Err(End::Failed(_) | End::Outcome(Outcome::Interrupted)) => self.before,
            Ok(()) | Err(End::Outcome(_)) => SessionState::Stopped,
        };
        if result.is_ok() {
            self.observer.event(&Event::Stopping);
        }
        // Both are tried, whether or not the first succeeds.
        let session = self.leave(wanted);
        let rollover = self.put_back_rollover();
        self.observer.event(&Event::Left(self.now));
        let outcome = match result {
            Ok(()) => Ok(Outcome::Complete),
            Err(End::Outcome(outcome)) => Ok(outcome),
            Err(End::Failed(error)) => Err(error),
        };
        match (outcome, session.and(rollover)) {
            (Ok(outcome), Ok(())) => Ok(self.report(outcome)),
            (Err(error), Ok(())) => Err(error),
            (outcome, Err(not_restored)) => Err(Error::NotRestored {
                wanted: format!(
                    "session {} {wanted:?}, rollover time as before",
                    self.session
                ),
                reason: Box::new(not_restored),
                after: outcome.err().map(Box::new),
            }),
        }
    }

    fn leave(&mut self, wanted: SessionState) -> Result<(), Error> {
        match (self.now, wanted) {
            (SessionState::Running, SessionState::Stopped) => {
                // Without force it needs all peers up; the checkpoint is as complete with one down.
                let stop = |run: &Self| {
                    run.gluster
                        .stop(run.session)
                        .or_else(|_| run.gluster.stop_force(run.session))
                };
                self.insist(stop)?;
            }
            (SessionState::Stopped, SessionState::Running) => {
                self.insist(|run| run.gluster.start(run.session))?;
            }
            _ => {}
        }
        self.now = wanted;
        Ok(())
    }

    fn put_back_rollover(&mut self) -> Result<(), Error> {
        let volume = &self.session.primary;
        match self.found_rollover.take() {
            None => Ok(()),
            Some(None) => self.insist(|run| run.gluster.reset_rollover_time(volume)),
            Some(Some(time)) => self.insist(|run| run.gluster.set_rollover_time(volume, time)),
        }
    }

    /// Repeats a command while it fails in a way that passes, and the run may go on.
    fn retry<T>(&mut self, command: impl Fn(&Self) -> Result<T, Error>) -> Result<T, End> {
        self.may_go_on()?;
        self.repeat(command, Self::wait)
    }

    /// The same on the way out, when nothing but its success matters.
    fn insist<T>(&mut self, command: impl Fn(&Self) -> Result<T, Error>) -> Result<T, Error> {
        self.repeat(command, |_, pause| {
            std::thread::sleep(pause);
            Ok(())
        })
    }

    fn repeat<T, E: From<Error>>(
        &mut self,
        command: impl Fn(&Self) -> Result<T, Error>,
        wait: impl Fn(&mut Self, Duration) -> Result<(), E>,
    ) -> Result<T, E> {
        let until = Instant::now() + TROUBLE_PASSES_WITHIN;
        let mut pause = Duration::from_secs(1);
        let mut told = false;
        loop {
            match command(self) {
                Err(error) if error.is_transient() && Instant::now() < until => {
                    if !std::mem::replace(&mut told, true) {
                        self.observer.event(&Event::Retrying(&error));
                    }
                }
                result => return result.map_err(E::from),
            }
            wait(self, pause)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn wait(&mut self, time: Duration) -> Result<(), End> {
        let until = Instant::now() + time;
        loop {
            self.may_go_on()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }

    fn may_go_on(&self) -> Result<(), End> {
        if self.observer.stop_requested() {
            return Err(End::Outcome(Outcome::Interrupted));
        }
        match self.options.timeout {
            Some(timeout) if self.began.elapsed() >= timeout => {
                Err(End::Outcome(Outcome::TimedOut))
            }
            _ => Ok(()),
        }
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
