//! The way out: whatever happened, everything is put back.

use std::time::Duration;

use jiff::Timestamp;

use super::{ChangedRollover, End, Outcome, Report, Run, note};
use crate::volume::ROLLOVER_OPTION;
use crate::{Error, Event, SessionState};

/// How long it is worth to wait for a second in which an option may be changed.
const CALM_WITHIN: Duration = Duration::from_secs(30);

impl Run<'_> {
    /// Puts everything back, and turns the result into a report or an error that says what is left.
    pub(super) fn finish(mut self, result: Result<(), End>) -> Result<Report, Error> {
        if result.is_ok() {
            self.tell(&Event::Stopping);
        }
        let result = match result {
            Ok(()) => Ok(Outcome::Complete),
            Err(End::Outcome(outcome)) => Ok(outcome),
            Err(End::Failed(error)) => Err(error),
        };
        let wanted = match &result {
            Ok(Outcome::Complete | Outcome::TimedOut | Outcome::Hopeless(_))
                if !self.options.restore_session =>
            {
                SessionState::Stopped
            }
            _ => self.before,
        };
        // Both are tried, whether or not the first succeeds.
        let put_back = [self.leave(wanted), self.put_back_rollover()];
        self.tell(&Event::Left(self.now));
        let mut reasons: Vec<_> = put_back.into_iter().filter_map(Result::err).collect();
        // What could not be put back, the next run tries again.
        if reasons.is_empty() {
            reasons.extend(self.remove_note().err());
        }
        self.conclude(result, reasons)
    }

    fn conclude(
        self,
        result: Result<Outcome, Error>,
        reasons: Vec<Error>,
    ) -> Result<Report, Error> {
        let (session, after) = (self.session.to_string(), self.now);
        match result {
            result if !reasons.is_empty() => {
                let run = result.err().map(Box::new);
                Err(Error::NotRestored { session, after, reasons, run })
            }
            Ok(outcome) => Ok(self.report(outcome)),
            Err(error) => Err(Error::Run { source: Box::new(error), session, after }),
        }
    }

    fn leave(&mut self, wanted: SessionState) -> Result<(), Error> {
        if self.is_certain && self.now == wanted {
            return Ok(());
        }
        match wanted {
            SessionState::Stopped => self.leave_stopped(),
            SessionState::Running => self.leave_running(),
            SessionState::Paused => {
                // A session that is paused already would not start.
                self.leave_stopped()?;
                self.leave_running()?;
                self.insist(|run| run.gluster.pause(run.session))
            }
        }?;
        self.now = wanted;
        Ok(())
    }

    fn leave_stopped(&mut self) -> Result<(), Error> {
        // Until it is stopped, say that it runs.
        self.now = SessionState::Running;
        // Without force it needs all peers up; the checkpoint is as complete with one down.
        self.insist(|run| {
            run.gluster.stop(run.session).or_else(|_| run.gluster.stop_force(run.session))
        })?;
        self.now = SessionState::Stopped;
        Ok(())
    }

    fn leave_running(&mut self) -> Result<(), Error> {
        self.insist(|run| run.gluster.start(run.session))?;
        self.now = SessionState::Running;
        Ok(())
    }

    fn put_back_rollover(&mut self) -> Result<(), Error> {
        match self.changed_rollover() {
            None => Ok(()),
            Some(changed) => self.insist(|run| run.put_back(&changed)),
        }
    }

    pub(super) fn changed_rollover(&self) -> Option<ChangedRollover> {
        self.note.as_ref().and_then(|note| note.rollover.clone())
    }

    /// Gives the volume's rollover option the value it had before a run changed it.
    pub(super) fn put_back(&self, changed: &ChangedRollover) -> Result<(), Error> {
        let calm = self.turns.as_ref().and_then(|t| t.calm_in(Timestamp::now(), CALM_WITHIN));
        std::thread::sleep(calm.unwrap_or_default());
        let volume = &self.session.primary;
        match &changed.found {
            None => self.gluster.reset_volume_option(volume, ROLLOVER_OPTION),
            Some(found) => self.gluster.set_volume_option(volume, ROLLOVER_OPTION, found),
        }
    }

    fn remove_note(&self) -> Result<(), Error> {
        self.options.note.as_deref().map_or(Ok(()), note::remove)
    }
}
