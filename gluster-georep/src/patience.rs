//! How long to wait, and when to help: a pure decision, fed with one verdict after the other.

use std::time::Duration;

use crate::{SessionStatus, Verdict};

/// A session that is not at work for so long without a break will not be by itself. A worker may
/// take a minute to start, fail, wait 10 s and start again.
const HOPELESS_AFTER: Duration = Duration::from_secs(300);

/// The first wait, and the wait while things move: a status call takes a lock that others want.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// How long after the last movement checks stay frequent.
const LIVELY_FOR: Duration = Duration::from_secs(20);

/// How often a quiet session is nudged before it is restarted.
const NUDGES: u32 = 2;

/// What to do until the next check.
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
    GiveUp,
}

/// The state of waiting for one checkpoint.
#[derive(Debug, Clone)]
pub struct Patience {
    longest_wait: Duration,
    rollover: Duration,
    seen: Option<SessionStatus>,
    moved_at: Duration,
    at_work_at: Duration,
    helped_at: Duration,
    nudges: u32,
    restarted: bool,
}

impl Patience {
    /// Begins to wait, at time zero, when the session was started. `longest_wait` is the longest
    /// wait between two checks, `rollover` how often the bricks close their changelogs.
    pub fn new(longest_wait: Duration, rollover: Duration) -> Self {
        Self {
            longest_wait: longest_wait.max(SHORTEST_WAIT),
            rollover,
            seen: None,
            moved_at: Duration::ZERO,
            at_work_at: Duration::ZERO,
            helped_at: Duration::ZERO,
            nudges: 0,
            restarted: false,
        }
    }

    /// Takes the check made at time `now`, which was not complete, and says what to do.
    pub fn advise(&mut self, now: Duration, status: &SessionStatus, verdict: &Verdict) -> Advice {
        if self.seen.as_ref() != Some(status) {
            self.seen = Some(status.clone());
            self.moved_at = now;
        }
        if verdict.is_at_work() {
            self.at_work_at = now;
        } else if now.saturating_sub(self.at_work_at) >= HOPELESS_AFTER {
            return Advice::GiveUp;
        }
        if self.is_at_rest(now, status, verdict) {
            return self.help(now);
        }
        Advice::Wait(self.pause(now))
    }

    /// Nothing has moved and nothing is pending since a changelog was closed and read.
    fn is_at_rest(&self, now: Duration, status: &SessionStatus, verdict: &Verdict) -> bool {
        let pending = |worker: &crate::Worker| {
            [worker.entry, worker.data, worker.meta]
                .iter()
                .flatten()
                .any(|&count| count > 0)
        };
        let since = now.saturating_sub(self.moved_at.max(self.helped_at));
        verdict.is_at_work()
            && !status.workers.iter().any(pending)
            && since > self.rollover * 2 + SHORTEST_WAIT * 5
    }

    fn help(&mut self, now: Duration) -> Advice {
        self.helped_at = now;
        if self.nudges >= NUDGES && !self.restarted {
            self.restarted = true;
            return Advice::Restart;
        }
        self.nudges += 1;
        Advice::Nudge
    }

    /// The longer nothing moves, the longer the pause.
    fn pause(&self, now: Duration) -> Duration {
        let still = now.saturating_sub(self.moved_at);
        if still <= LIVELY_FOR {
            SHORTEST_WAIT
        } else {
            (still / 10).min(self.longest_wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Brick, SetState, Trouble};

    fn status(synced: u64) -> SessionStatus {
        // Any difference is movement; the key is as good as a counter.
        let (primary, secondary) = ("gv1".to_owned(), "dr::gv2".to_owned());
        SessionStatus {
            primary,
            key: synced.to_string(),
            secondary,
            workers: Vec::new(),
        }
    }

    fn verdict(set: SetState) -> Verdict {
        Verdict {
            sets: vec![set],
            troubles: Vec::new(),
            offline: Vec::new(),
        }
    }

    fn faulty() -> Verdict {
        let brick = Brick {
            host: "p1".into(),
            path: "/b".into(),
            host_uuid: None,
        };
        Verdict {
            troubles: vec![Trouble::Faulty(brick)],
            ..verdict(SetState::NotActive)
        }
    }

    fn patience() -> Patience {
        Patience::new(Duration::from_secs(10), Duration::from_secs(15))
    }

    /// Plays `seconds` checks a second apart and returns what was advised but for waiting.
    fn play(
        patience: &mut Patience,
        seconds: std::ops::Range<u64>,
        at: impl Fn(u64) -> (SessionStatus, Verdict),
    ) -> Vec<(u64, Advice)> {
        seconds
            .filter_map(|now| {
                let (status, verdict) = at(now);
                let advice = patience.advise(Duration::from_secs(now), &status, &verdict);
                (!matches!(advice, Advice::Wait(_))).then_some((now, advice))
            })
            .collect()
    }

    #[test]
    fn while_things_move_nobody_helps() {
        let moving = |now| (status(now), verdict(SetState::Behind));
        assert_eq!(play(&mut patience(), 0..3600, moving), []);
    }

    #[test]
    fn a_quiet_session_is_nudged_twice_restarted_once_and_nudged_on() {
        let quiet = |_| (status(0), verdict(SetState::Behind));
        let advice = play(&mut patience(), 0..200, quiet);
        assert_eq!(
            advice,
            [
                (36, Advice::Nudge),
                (72, Advice::Nudge),
                (108, Advice::Restart),
                (144, Advice::Nudge),
                (180, Advice::Nudge)
            ]
        );
    }

    #[test]
    fn a_session_that_is_faulty_for_five_minutes_is_given_up() {
        let advice = play(&mut patience(), 0..301, |now| (status(now), faulty()));
        assert_eq!(advice, [(300, Advice::GiveUp)]);
    }

    #[test]
    fn a_worker_that_comes_back_now_and_then_is_not_given_up() {
        let flapping = |now| {
            (
                status(now),
                if now % 200 == 0 {
                    verdict(SetState::Behind)
                } else {
                    faulty()
                },
            )
        };
        assert_eq!(play(&mut patience(), 0..2000, flapping), []);
    }

    #[test]
    fn checks_are_frequent_while_things_move_and_never_rarer_than_asked() {
        let (mut patience, behind) = (patience(), verdict(SetState::Behind));
        let mut wait =
            |now, synced| match patience.advise(Duration::from_secs(now), &status(synced), &behind)
            {
                Advice::Wait(wait) => wait,
                other => panic!("{other:?}"),
            };
        assert_eq!(wait(0, 0), Duration::from_secs(1));
        assert_eq!(wait(20, 0), Duration::from_secs(1));
        assert_eq!(wait(30, 0), Duration::from_secs(3));
        assert_eq!(wait(31, 1), Duration::from_secs(1));
        // Initializing for long: not at rest, only slow.
        let slow = verdict(SetState::NotActive);
        let advice = patience.advise(Duration::from_secs(231), &status(1), &slow);
        assert_eq!(advice, Advice::Wait(Duration::from_secs(10)));
    }
}
