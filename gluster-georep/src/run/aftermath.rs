//! The way out: whatever happened, everything is put back.

use super::{End, Outcome, Report, Run, SessionState};
use crate::volume::ROLLOVER_OPTION;
use crate::{Error, Event};

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
            Ok(Outcome::Complete | Outcome::TimedOut | Outcome::Hopeless(_)) => {
                SessionState::Stopped
            }
            Ok(Outcome::Interrupted) | Err(_) => self.before,
        };
        // Both are tried, whether or not the first succeeds.
        let put_back = [self.leave(wanted), self.put_back_rollover()];
        self.tell(&Event::Left(self.now));
        let reasons = put_back.into_iter().filter_map(Result::err).collect();
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
        let runs = self.now == SessionState::Running || self.may_run;
        match wanted {
            SessionState::Stopped if runs => {
                // Until it is stopped, say that it runs.
                self.now = SessionState::Running;
                // Without force it needs all peers up; the checkpoint is as complete with one down.
                self.insist(|run| {
                    run.gluster.stop(run.session).or_else(|_| run.gluster.stop_force(run.session))
                })?;
            }
            SessionState::Running if self.now == SessionState::Stopped => {
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
            Some(None) => {
                self.insist(|run| run.gluster.reset_volume_option(volume, ROLLOVER_OPTION))
            }
            Some(Some(found)) => {
                self.insist(|run| run.gluster.set_volume_option(volume, ROLLOVER_OPTION, &found))
            }
        }
    }
}
