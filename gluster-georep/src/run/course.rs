//! The way forward: from the first look to the verdict.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::pace::SLICE;
use super::{End, Run, SessionState};
use crate::nudge::nudge;
use crate::volume::ROLLOVER_OPTION;
use crate::{
    Advice, Baseline, Event, Outcome, Patience, SessionStatus, Verdict, VolumeInfo, verdict,
};

/// A changelog is on disk a moment after it is closed.
const CHANGELOG_SETTLES: Duration = Duration::from_secs(1);

/// The layout is read again every so many checks: it may change during a long sync.
const LAYOUT_EVERY: u32 = 5;

impl Run<'_> {
    /// Looks at what is there. Changes nothing.
    pub(super) fn look(&mut self) -> Result<VolumeInfo, End> {
        let volume = self.retry(|run| run.gluster.started_volume(&run.session.primary))?;
        let status = self.retry(|run| run.gluster.status(run.session))?;
        self.sets.clone_from(&volume.sets);
        self.baseline = Baseline::before(&status.workers);
        self.before = SessionState::of(&status);
        self.now = self.before;
        self.tell(&Event::Found(self.before));
        Ok(volume)
    }

    pub(super) fn go(&mut self, volume: &VolumeInfo) -> Result<(), End> {
        self.stop()?;
        self.tell(&Event::Stopped);
        let rollover = self.shorten_rollover(volume)?;

        let checkpoint = self.retry(|run| run.gluster.set_checkpoint_now(run.session))?;
        self.checkpoint = Some(checkpoint);
        self.tell(&Event::CheckpointSet(checkpoint));
        self.wait_past(checkpoint)?;
        self.nudge()?;
        let settling = rollover + CHANGELOG_SETTLES;
        self.tell(&Event::Settling(settling));
        self.wait(settling)?;

        self.start()?;
        self.tell(&Event::Started);
        self.watch(checkpoint, rollover)
    }

    fn stop(&mut self) -> Result<(), End> {
        self.retry(|run| run.gluster.stop_force(run.session))?;
        self.now = SessionState::Stopped;
        self.may_run = false;
        Ok(())
    }

    fn start(&mut self) -> Result<(), End> {
        // A start that fails, or is given up, may have started some of the workers.
        self.may_run = true;
        self.retry(|run| run.gluster.start(run.session))?;
        self.now = SessionState::Running;
        Ok(())
    }

    fn shorten_rollover(&mut self, volume: &VolumeInfo) -> Result<Duration, End> {
        let found = volume.rollover_time();
        let Some(short) = self.options.rollover.filter(|&short| short < found) else {
            return Ok(found);
        };
        let seconds = short.as_secs().max(1);
        self.found_rollover = Some(volume.options.get(ROLLOVER_OPTION).cloned());
        self.retry(|run| {
            let volume = &run.session.primary;
            run.gluster.set_volume_option(volume, ROLLOVER_OPTION, &seconds.to_string())
        })?;
        Ok(Duration::from_secs(seconds))
    }

    /// A change in the very second of the checkpoint could count as before it.
    fn wait_past(&mut self, checkpoint: Timestamp) -> Result<(), End> {
        while Timestamp::now().as_second() <= checkpoint.as_second() {
            self.wait(SLICE)?;
        }
        Ok(())
    }

    fn nudge(&mut self) -> Result<(), End> {
        self.retry(|run| nudge(run.mounts, &run.session.primary))?;
        self.tell(&Event::Nudged);
        Ok(())
    }

    /// Waits until the checkpoint is complete, and helps where nothing moves.
    fn watch(&mut self, checkpoint: Timestamp, rollover: Duration) -> Result<(), End> {
        let mut patience = Patience::new(self.options.interval, rollover);
        let started = Instant::now();
        for turn in 1_u32.. {
            let verdict = self.check(turn, checkpoint)?;
            let advice = patience.advise(started.elapsed(), &verdict);
            let complete = verdict.is_complete();
            self.verdict = Some(verdict);
            if complete {
                break;
            }
            match advice {
                Advice::Wait(time) => self.wait(time)?,
                Advice::Nudge => self.nudge_again()?,
                Advice::Restart => self.restart()?,
                Advice::GiveUp(reason) => return Err(End::Outcome(Outcome::Hopeless(reason))),
            }
        }
        Ok(())
    }

    fn check(&mut self, turn: u32, checkpoint: Timestamp) -> Result<Verdict, End> {
        if turn.is_multiple_of(LAYOUT_EVERY) {
            self.sets = self.retry(|run| run.gluster.volume_info(&run.session.primary))?.sets;
        }
        let status = self.retry(|run| run.gluster.status(run.session))?;
        let mut verdict = self.judge(&status, checkpoint);
        if verdict.is_complete() {
            // A brick that was added meanwhile has a say, too.
            self.sets = self.retry(|run| run.gluster.volume_info(&run.session.primary))?.sets;
            verdict = self.judge(&status, checkpoint);
        }
        self.tell(&Event::Checked { turn, verdict: &verdict, status: &status });
        Ok(verdict)
    }

    fn judge(&mut self, status: &SessionStatus, checkpoint: Timestamp) -> Verdict {
        self.baseline.learn(&status.workers, checkpoint);
        verdict(&self.sets, &status.workers, checkpoint, &self.baseline)
    }

    /// The first nudge has to work, else the workers may have nothing to reach the checkpoint with;
    /// the others may help.
    fn nudge_again(&mut self) -> Result<(), End> {
        match self.nudge() {
            Err(End::Failed(error)) => self.tell(&Event::Retrying(&error)),
            result => result?,
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), End> {
        self.stop()?;
        self.start()?;
        self.tell(&Event::Restarted);
        Ok(())
    }
}
