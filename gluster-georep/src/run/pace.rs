//! Waiting and trying again, with an ear for those who want the run to end.

use std::time::{Duration, Instant};

use super::{End, Outcome, Run};
use crate::{Error, Event};

/// How long a wait may go on before it looks whether it should end.
pub(super) const SLICE: Duration = Duration::from_millis(100);

/// How long trouble that passes (a lock, a glusterd that restarts) may take to do so.
const TROUBLE_PASSES_WITHIN: Duration = Duration::from_secs(180);

/// The longest pause between two tries of the same command. Where others ask gluster without
/// pause, a lock is free for moments only: with 8 s a run took four times as long.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Longer than any node is up; no clock overflows.
const DECADES: Duration = Duration::from_secs(20 * 365 * 86400);

impl Run<'_> {
    /// Repeats a command while it fails in a way that passes, and the run may go on.
    pub(super) fn retry<T>(
        &mut self,
        command: impl Fn(&Self) -> Result<T, Error>,
    ) -> Result<T, End> {
        self.may_go_on()?;
        self.repeat(command, Self::wait).map_err(|end| match self.may_go_on() {
            // What failed was cut off.
            Err(outcome) => outcome,
            Ok(()) => end,
        })
    }

    /// The same on the way out, when nothing but its success matters.
    pub(super) fn insist<T>(
        &mut self,
        command: impl Fn(&Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
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
        let began = Instant::now();
        let mut pause = Duration::from_secs(1);
        let mut told = false;
        loop {
            match command(self) {
                Err(error) if error.is_transient() && began.elapsed() < TROUBLE_PASSES_WITHIN => {
                    if !std::mem::replace(&mut told, true) {
                        self.tell(&Event::Retrying(&error));
                    }
                }
                result => return result.map_err(E::from),
            }
            wait(self, pause)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    pub(super) fn wait(&mut self, time: Duration) -> Result<(), End> {
        self.wait_until(from_now(time))
    }

    pub(super) fn wait_until(&mut self, end: Instant) -> Result<(), End> {
        loop {
            self.may_go_on()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }

    pub(super) fn may_go_on(&self) -> Result<(), End> {
        if self.stop.is_requested() {
            Err(End::Outcome(Outcome::Interrupted))
        } else if self.stop.is_due() {
            Err(End::Outcome(Outcome::TimedOut))
        } else {
            Ok(())
        }
    }
}

/// The moment `time` from now. Decades are for ever.
pub(super) fn from_now(time: Duration) -> Instant {
    Instant::now() + time.min(DECADES)
}
