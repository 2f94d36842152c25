//! How long to wait, and when to help: a pure decision, fed with one verdict after the other.

use std::fmt;
use std::time::Duration;

use crate::{Trouble, Verdict, Worker, WorkerStatus};

/// A session that is not at work for so long without a break will not be by itself. A worker may
/// take a minute to start, fail, wait 10 s and start again.
const NOT_AT_WORK_FOR: Duration = Duration::from_secs(300);

/// A session that is stopped or paused for so long stays so: somebody else did it on purpose, or its
/// monitor has ended, as it does where it cannot reach the secondary when it starts.
const NOT_RUNNING_FOR: Duration = Duration::from_secs(30);

/// A session that rests short of the checkpoint for so long, though it was nudged and restarted,
/// does so for a reason that is not known here.
const STUCK_FOR: Duration = Duration::from_secs(600);

/// The first wait, and the wait while things move: a status call takes a lock that others want.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// How long after the last movement checks stay frequent.
const LIVELY_FOR: Duration = Duration::from_secs(20);

/// How much longer than two rollovers a changelog may take from being closed to being synced.
const SYNC_TAKES: Duration = Duration::from_secs(5);

/// What to do until the next check. Nobody has to: who only watches waits where a run would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Wait this long.
    Wait(Duration),
    /// Make a change on every brick, then wait: the workers are at rest short of the checkpoint.
    Nudge,
    /// Stop and start the session, then wait: nudging did not help. A worker stuck in its live
    /// changelog crawl finishes in the history crawl of its next start.
    Restart,
    /// It will not come.
    GiveUp(Hopeless),
}

/// Why a checkpoint will not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hopeless {
    /// For five minutes some set was not at work; the verdict says which, and why.
    NotAtWork,
    /// For half a minute a set was stopped or paused, which this run did not do.
    NotRunning,
    /// Every set has reached the checkpoint, but some files could not be synced.
    Failures,
    /// The workers rest short of the checkpoint; neither a nudge nor a restart moved them.
    Stuck,
}

impl fmt::Display for Hopeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAtWork => "some of the session's workers have not been at work for 5 minutes",
            Self::NotRunning => {
                "the session was stopped or paused, by somebody else or because the secondary was \
                 out of reach when it started"
            }
            Self::Failures => "every worker is at the checkpoint, but some files were not synced",
            Self::Stuck => "the session is stuck short of the checkpoint, also after a restart",
        })
    }
}

/// The state of waiting for one checkpoint. It looks at no clock: whoever waits says what time it
/// is.
#[derive(Debug, Clone)]
pub struct Patience {
    longest_wait: Duration,
    /// How long awaited workers may rest before somebody helps.
    help_after: Duration,
    seen: Vec<Worker>,
    moved_at: Duration,
    at_work_at: Duration,
    running_at: Duration,
    helped_at: Duration,
    nudged: bool,
    restarted: bool,
}

impl Patience {
    /// Begins to wait, at time zero, when the session was started, or the watch began.
    /// `longest_wait` is the longest wait between two checks (less than 1 s counts as 1 s),
    /// `rollover` how often the bricks close their changelogs
    /// ([`VolumeInfo::rollover_time`](crate::VolumeInfo::rollover_time)).
    pub fn new(longest_wait: Duration, rollover: Duration) -> Self {
        Self {
            longest_wait: longest_wait.max(SHORTEST_WAIT),
            help_after: rollover.saturating_mul(2).saturating_add(SYNC_TAKES),
            seen: Vec::new(),
            moved_at: Duration::ZERO,
            at_work_at: Duration::ZERO,
            running_at: Duration::ZERO,
            helped_at: Duration::ZERO,
            nudged: false,
            restarted: false,
        }
    }

    /// Takes the check made at time `now`, counted from time zero, which was not complete, and says
    /// what to do.
    pub fn advise(&mut self, now: Duration, verdict: &Verdict) -> Advice {
        // Only the workers that are waited for: the others move with every write of a VM.
        if self.seen != verdict.awaited {
            self.seen.clone_from(&verdict.awaited);
            self.moved_at = now;
        }
        if verdict.is_at_work() {
            self.at_work_at = now;
        }
        if !verdict.troubles.iter().any(|trouble| matches!(trouble, Trouble::NotRunning(..))) {
            self.running_at = now;
        }
        if let Some(reason) = self.hopeless(now, verdict) {
            return Advice::GiveUp(reason);
        }
        let rests_for = now.saturating_sub(self.moved_at.max(self.helped_at));
        if rests(verdict) && rests_for > self.help_after {
            return self.help(now);
        }
        Advice::Wait(self.pause(now))
    }

    fn hopeless(&self, now: Duration, verdict: &Verdict) -> Option<Hopeless> {
        let only_failures =
            verdict.troubles.iter().all(|trouble| matches!(trouble, Trouble::Failures(..)));
        if verdict.has_reached_all() && only_failures {
            // The counters never go down.
            return Some(Hopeless::Failures);
        }
        if now.saturating_sub(self.running_at) >= NOT_RUNNING_FOR {
            return Some(Hopeless::NotRunning);
        }
        if now.saturating_sub(self.at_work_at) >= NOT_AT_WORK_FOR {
            return Some(Hopeless::NotAtWork);
        }
        let still = now.saturating_sub(self.moved_at);
        (self.restarted && rests(verdict) && still >= STUCK_FOR).then_some(Hopeless::Stuck)
    }

    /// First a nudge, then a restart, then nudges that become rarer.
    fn help(&mut self, now: Duration) -> Advice {
        self.helped_at = now;
        if self.nudged && !self.restarted {
            self.restarted = true;
            return Advice::Restart;
        }
        if self.restarted {
            self.help_after = self.help_after.saturating_mul(2);
        }
        self.nudged = true;
        Advice::Nudge
    }

    /// The longer nothing moves, the longer the pause.
    fn pause(&self, now: Duration) -> Duration {
        let still = now.saturating_sub(self.moved_at);
        if still <= LIVELY_FOR { SHORTEST_WAIT } else { (still / 10).min(self.longest_wait) }
    }
}

/// Whether the session is at work, but no awaited worker has anything to do.
fn rests(verdict: &Verdict) -> bool {
    verdict.is_at_work() && !verdict.awaited.iter().any(is_busy)
}

/// A worker with pending changes may sync one large file for hours without a number moving. One in
/// a hybrid or history crawl looks for changes first, and a restart would make it begin again.
fn is_busy(worker: &Worker) -> bool {
    let pending = [worker.entry, worker.data, worker.meta];
    let searches = worker.crawl.as_deref().is_some_and(|crawl| crawl != "Changelog Crawl");
    let is_pending = pending.iter().flatten().any(|&count| count > 0);
    worker.status == WorkerStatus::Active && (searches || is_pending)
}

#[cfg(test)]
mod tests;
