//! The way forward: from the first look to the verdict.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::pace::{SLICE, from_now};
use super::{ChangedRollover, Completion, End, Note, Run};
use crate::nudge::nudge;
use crate::turns::Turns;
use crate::volume::ROLLOVER_OPTION;
use crate::{
    Advice, Baseline, ClientMount, Event, Outcome, Patience, SessionState, SessionStatus, Verdict,
    VolumeInfo, verdict,
};

/// A changelog is on disk a moment after it is closed.
const CHANGELOG_SETTLES: Duration = Duration::from_millis(500);

/// What a worker takes at least from the start until it looks which changelogs there are: it logs in
/// to the secondary, and then waits 1 s for its mount and 2 s for the brick, however fast both are
/// (10.3).
const CHANGELOGS_ARE_READ_AFTER: Duration = Duration::from_secs(3);

/// No worker is at its checkpoint sooner after a start, and a node that is asked meanwhile is slower
/// to start them.
const WORKERS_START_WITHIN: Duration = Duration::from_secs(4);

/// How long after a check others get the volume's lock, however long the check took.
const LOCK_IS_FREE_FOR: Duration = Duration::from_millis(500);

/// How much longer the rollover time is made to have the changelogs closed. Any other time would do;
/// with a longer one no brick has a turn before it is put back.
pub(super) const LONGER_BY: Duration = Duration::from_secs(45);

/// The layout is read again every so many checks: it may change during a long sync.
const LAYOUT_EVERY: u32 = 5;

impl Run<'_> {
    /// Looks at what is there, and puts back what a killed run has left. Changes nothing else.
    pub(super) fn look(&mut self) -> Result<VolumeInfo, End> {
        let killed = self.options.note.as_deref().map(Note::read).transpose()?.flatten();
        self.clear_mounts();
        let mut volume = self.retry(|run| run.gluster.started_volume(&run.session.primary))?;
        let status = self.retry(|run| run.gluster.status(run.session))?;
        self.turns = Turns::synced(&volume.sets, &status.workers, volume.rollover_time());
        if let Some(note) = &killed {
            volume = self.clean_up_after(note, volume)?;
        }
        self.sets.clone_from(&volume.sets);
        self.baseline = Baseline::before(&status.workers);
        self.now = SessionState::of(&status);
        self.before = killed.map_or(self.now, |note| note.before);
        self.tell(&Event::Found(self.before));
        Ok(volume)
    }

    /// A mount that cannot be taken down is no reason not to run.
    pub(super) fn clear_mounts(&mut self) {
        let mounts =
            ClientMount::clear_left_behind(&self.mounts).unwrap_or_else(|error| vec![Err(error)]);
        for mount in mounts {
            match mount {
                Ok(path) => self.tell(&Event::FoundMount(&path)),
                Err(error) => self.tell(&Event::MountStays(&error)),
            }
        }
    }

    /// An option that somebody has changed since is left alone.
    fn clean_up_after(&mut self, note: &Note, volume: VolumeInfo) -> Result<VolumeInfo, End> {
        self.tell(&Event::FoundNote(note));
        match &note.rollover {
            Some(changed) if volume.options.get(ROLLOVER_OPTION) == Some(&changed.set) => {
                self.retry(|run| run.put_back(changed))?;
                self.turns = None;
                self.retry(|run| run.gluster.started_volume(&run.session.primary))
            }
            _ => Ok(volume),
        }
    }

    pub(super) fn go(&mut self, volume: &VolumeInfo) -> Result<(), End> {
        self.take_note(None)?;
        self.stop()?;
        self.tell(&Event::Stopped);

        self.retry(|run| run.gluster.set_checkpoint_now(run.session))?;
        let checkpoint = self.retry(|run| run.gluster.checkpoint(run.session))?;
        self.checkpoint = Some(checkpoint);
        self.tell(&Event::CheckpointSet(checkpoint));
        self.nudge(Some(checkpoint))?;
        let started = match self.when_to_close(volume) {
            Some(calm) if !calm.is_zero() => self.start_and_close(volume, from_now(calm))?,
            calm => {
                if calm.is_none() || !self.close_changelogs(volume)? {
                    self.settle(volume.rollover_time())?;
                }
                self.start_workers()?
            }
        };
        self.watch(checkpoint, volume.rollover_time(), started)
    }

    /// Writes down what is to be put back, before it is changed.
    fn take_note(&mut self, rollover: Option<ChangedRollover>) -> Result<(), End> {
        let mut note =
            self.note.take().unwrap_or_else(|| Note::new(self.session.to_string(), self.before));
        note.rollover = rollover;
        let note = self.note.insert(note);
        if let Some(path) = &self.options.note {
            note.write(path)?;
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), End> {
        self.may_go_on()?;
        self.is_certain = false;
        self.retry(|run| run.gluster.stop_force(run.session))?;
        self.now = SessionState::Stopped;
        self.is_certain = true;
        Ok(())
    }

    fn start(&mut self) -> Result<(), End> {
        self.may_go_on()?;
        // A start that fails may have started some of the workers.
        self.is_certain = false;
        self.retry(|run| run.gluster.start(run.session))?;
        self.now = SessionState::Running;
        self.is_certain = true;
        Ok(())
    }

    /// The start that the run is about. Returns when it was.
    fn start_workers(&mut self) -> Result<Instant, End> {
        self.start()?;
        self.tell(&Event::Started);
        Ok(Instant::now())
    }

    /// Waits until the changelogs with the nudge reach the disk before the workers read them, where
    /// each brick closes its own on its own turn: at most one rollover time from now.
    fn settle(&mut self, turn: Duration) -> Result<(), End> {
        let settling =
            turn.saturating_add(CHANGELOG_SETTLES).saturating_sub(CHANGELOGS_ARE_READ_AFTER);
        if !settling.is_zero() {
            self.tell(&Event::Settling(settling));
        }
        self.wait(settling)
    }

    /// How long from now until all bricks may be told to close their changelogs, where that is asked
    /// for, quicker than to wait, and known.
    fn when_to_close(&mut self, volume: &VolumeInfo) -> Option<Duration> {
        let turn = volume.rollover_time();
        self.options.rollover.filter(|&longest| longest < turn)?;
        let calm = self.turns.as_ref().and_then(|turns| turns.calm_in(Timestamp::now(), turn));
        if calm.is_none() {
            self.tell(&Event::TurnsUnknown);
        }
        calm
    }

    /// Starts the workers, and has the changelogs closed before they read them, at `calm`.
    fn start_and_close(&mut self, volume: &VolumeInfo, calm: Instant) -> Result<Instant, End> {
        let ahead = CHANGELOGS_ARE_READ_AFTER.saturating_sub(CHANGELOG_SETTLES);
        self.wait_until(calm.checked_sub(ahead).unwrap_or(calm))?;
        let started = self.start_workers()?;
        self.wait_until(calm)?;
        // The start may have taken longer than the calm lasts. Then the workers get help later.
        if self.when_to_close(volume) == Some(Duration::ZERO) {
            self.close_changelogs(volume)?;
        }
        Ok(started)
    }

    /// Has all bricks close their changelogs, which they do whenever their rollover time is changed
    /// (10.3), and returns whether they do.
    fn close_changelogs(&mut self, volume: &VolumeInfo) -> Result<bool, End> {
        self.may_go_on()?;
        let turn = volume.rollover_time();
        let longer = turn.saturating_add(LONGER_BY);
        let found = volume.options.get(ROLLOVER_OPTION).cloned();
        let set = longer.as_secs().to_string();
        self.take_note(Some(ChangedRollover { found, set: set.clone() }))?;
        let began = Timestamp::now();
        // It is not tried again: the calm may be over by then.
        match self.gluster.set_volume_option(&self.session.primary, ROLLOVER_OPTION, &set) {
            Ok(()) => {
                self.turns = Some(Turns::anew(began, Timestamp::now(), longer));
                Ok(true)
            }
            Err(error) if error.is_transient() => {
                self.turns = None;
                self.tell(&Event::Retrying(&error));
                Ok(false)
            }
            Err(error) => self.may_go_on().and(Err(error.into())),
        }
    }

    /// Makes a change on every brick, in a second after that of the checkpoint: in the same it could
    /// count as before it.
    fn nudge(&mut self, past: Option<Timestamp>) -> Result<(), End> {
        let mounts = self.mounts.clone();
        let mount =
            self.retry(|run| ClientMount::read_write(&mounts, "localhost", &run.session.primary))?;
        while past.is_some_and(|past| Timestamp::now().as_second() <= past.as_second()) {
            self.wait(SLICE)?;
        }
        self.retry(|run| nudge(&mount, &run.stop))?;
        mount.unmount()?;
        self.tell(&Event::Nudged);
        Ok(())
    }

    /// Waits until the checkpoint is complete, and helps where nothing moves.
    fn watch(
        &mut self,
        checkpoint: Timestamp,
        rollover: Duration,
        started: Instant,
    ) -> Result<(), End> {
        let mut patience = Patience::new(self.options.interval, rollover);
        self.wait_until(started + WORKERS_START_WITHIN)?;
        if let Some(changed) = self.changed_rollover() {
            self.retry(|run| run.put_back(&changed))?;
            self.take_note(None)?;
        }
        for turn in 1_u32.. {
            let asked = Instant::now();
            let verdict = self.check(turn, checkpoint)?;
            let advice = patience.advise(started.elapsed(), &verdict);
            let complete = verdict.is_complete();
            self.verdict = Some(verdict);
            if complete {
                return Ok(());
            }
            match advice {
                Advice::Wait(time) => {
                    self.wait_until((asked + time).max(from_now(LOCK_IS_FREE_FOR)))?;
                }
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
            self.completion = completion(&status);
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
        match self.nudge(None) {
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

/// When the last worker reached the checkpoint, where all say so.
fn completion(status: &SessionStatus) -> Option<Completion> {
    let reached = status.workers.iter().filter_map(|worker| worker.checkpoint_completion_time);
    reached.max().map(|reached| Completion { reached, seen: Timestamp::now() })
}
