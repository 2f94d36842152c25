//! When may the bricks be told to close their changelogs? A pure decision.
//!
//! A brick closes its changelog on its own turn, once every rollover time, and also whenever an
//! option of its volume is changed. Either way it names the changelog for the second, and a second
//! one of the same name replaces the first: what that had recorded is never synced, and nobody is
//! told (10.3). So an option may be changed only in seconds that are no brick's turn.

use std::time::Duration;

use jiff::Timestamp;

use crate::checkpoint::is_of;
use crate::{BrickSet, CheckpointFlag, Worker, WorkerStatus};

/// In how many of the seconds after that of a command the last brick may follow it. Measured: 0.2 s.
const BRICKS_FOLLOW_WITHIN: i64 = 1;

/// Whoever can wait longer, in seconds, can wait for the turns themselves.
const LONGEST_WAIT: i64 = 3600;

/// What is known of the turns of the bricks that are synced from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turns {
    /// For which second each brick has named its last changelog, at the earliest and at the latest.
    last: Vec<(i64, i64)>,
    /// The rollover time in seconds. From one name to the next it is that, or a second less.
    every: i64,
}

impl Turns {
    /// As the workers know them, where every set has one that does.
    ///
    /// A worker has synced up to the second before the name of a changelog. Before it has reached
    /// a checkpoint that may be the end of a crawl instead, which says nothing of turns.
    pub(crate) fn synced(
        sets: &[BrickSet],
        workers: &[Worker],
        rollover: Duration,
    ) -> Option<Self> {
        let turn = |set: &BrickSet| {
            let is_read = |worker: &&Worker| {
                worker.status == WorkerStatus::Active
                    && worker.checkpoint_completed == CheckpointFlag::Yes
                    && set.bricks.iter().any(|brick| is_of(worker, brick))
            };
            let mut read = workers.iter().filter(is_read);
            let synced = read.next()?.last_synced?.as_second();
            // A brick that is slow to close it counts from a moment later.
            read.next().is_none().then_some((synced + 1, synced + 2))
        };
        let last = sets.iter().map(turn).collect::<Option<_>>()?;
        Some(Self { last, every: seconds(rollover) })
    }

    /// After a change of an option, with which the turns begin anew.
    pub(crate) fn anew(began: Timestamp, ended: Timestamp, rollover: Duration) -> Self {
        let last = (began.as_second(), ended.as_second() + BRICKS_FOLLOW_WITHIN);
        Self { last: vec![last], every: seconds(rollover) }
    }

    /// How long to wait from `now` until an option may be changed, where that is at most `longest`.
    pub(crate) fn calm_in(&self, now: Timestamp, longest: Duration) -> Option<Duration> {
        let longest = seconds(longest).min(LONGEST_WAIT);
        let calm = (0..=longest).find(|wait| self.is_calm(now.as_second() + wait))?;
        let into_the_second = u64::try_from(now.subsec_millisecond()).unwrap_or(0);
        let wait = Duration::from_secs(calm.unsigned_abs());
        Some(wait.saturating_sub(Duration::from_millis(into_the_second)))
    }

    /// Whether a change in second `at` meets no turn. The further away the last turn that is known,
    /// the longer the time in which the next may be, until it may be always.
    fn is_calm(&self, at: i64) -> bool {
        self.last.iter().all(|&(from, to)| {
            // The first turn that may not have been yet.
            let next = (at - to + self.every - 1).checked_div(self.every).unwrap_or(0);
            at > to && at + BRICKS_FOLLOW_WITHIN < from + next * (self.every - 1)
        })
    }
}

/// No rollover time is longer than a year to this.
fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX).min(365 * 86400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Brick;

    const ROLLOVER: Duration = Duration::from_secs(15);

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// In which of the seconds from 100 an option may be changed.
    fn calm(turns: &Turns, until: i64) -> Vec<i64> {
        (100..until).filter(|&at| turns.calm_in(second(at), Duration::ZERO).is_some()).collect()
    }

    /// The active worker of set `set`, and the set.
    fn active(set: usize, synced: i64) -> (BrickSet, Worker) {
        let (host, path) = ("p1".to_owned(), format!("/b/{set}"));
        let brick = Brick { host: host.clone(), path: path.clone(), host_uuid: None };
        let worker = Worker {
            host,
            path,
            host_uuid: None,
            status: WorkerStatus::Active,
            crawl: None,
            entry: None,
            data: None,
            meta: None,
            failures: None,
            checkpoint_completed: CheckpointFlag::Yes,
            checkpoint_time: Some(second(1)),
            checkpoint_completion_time: None,
            last_synced: Some(second(synced)),
        };
        (BrickSet { bricks: vec![brick] }, worker)
    }

    #[test]
    fn the_turns_are_known_where_each_set_has_a_worker_that_has_synced_changelogs() {
        let (sets, workers): (Vec<_>, Vec<_>) = [active(0, 99), active(1, 102)].into_iter().unzip();
        let known = |workers: &[Worker]| Turns::synced(&sets, workers, ROLLOVER);
        let last = vec![(100, 101), (103, 104)];
        assert_eq!(known(&workers), Some(Turns { last, every: 15 }));

        assert_eq!(known(&workers[..1]), None);
        let without: [fn(&mut Worker); 3] = [
            |worker| worker.status = WorkerStatus::Passive,
            |worker| worker.last_synced = None,
            |worker| worker.checkpoint_completed = CheckpointFlag::No,
        ];
        for take in without {
            let mut workers = workers.clone();
            take(&mut workers[1]);
            assert_eq!(known(&workers), None);
        }
    }

    #[test]
    fn no_option_is_changed_in_a_second_that_may_be_a_turn() {
        let turns = Turns { last: vec![(100, 100)], every: 15 };
        // The next changelogs are named for 114 or 115, for 128, 129 or 130, and so on, and the last
        // brick follows in the second after the command.
        let expected: Vec<_> = [101..=112, 116..=126, 131..=140].into_iter().flatten().collect();
        assert_eq!(calm(&turns, 141), expected);
    }

    #[test]
    fn a_turn_that_was_long_ago_says_nothing() {
        let turns = Turns { last: vec![(100, 100)], every: 15 };
        assert_eq!(calm(&turns, 1000).last(), Some(&266));
    }

    #[test]
    fn what_is_calm_for_one_brick_may_be_the_turn_of_another() {
        let turns = Turns { last: vec![(100, 100), (107, 107)], every: 15 };
        let expected: Vec<_> = [108..=112, 116..=119, 123..=126].into_iter().flatten().collect();
        assert_eq!(calm(&turns, 130), expected);
    }

    #[test]
    fn it_waits_for_the_start_of_the_next_calm_second_but_not_longer_than_that_pays() {
        let turns = Turns { last: vec![(100, 100)], every: 15 };
        let now = Timestamp::from_millisecond(113_400).unwrap();
        assert_eq!(turns.calm_in(now, ROLLOVER), Some(Duration::from_millis(2_600)));
        assert_eq!(turns.calm_in(now, Duration::from_secs(2)), None);
        assert_eq!(turns.calm_in(second(105), ROLLOVER), Some(Duration::ZERO));
    }

    #[test]
    fn short_rollover_times_leave_no_calm_and_long_ones_no_endless_search() {
        for every in [0, 1, 2, 3, 4] {
            let turns = Turns { last: vec![(100, 101)], every };
            assert!(calm(&turns, 1000).is_empty());
        }
        let year = Duration::from_secs(u64::MAX);
        let turns = Turns::anew(second(100), second(100), year);
        assert_eq!(turns.calm_in(second(103), year), Some(Duration::ZERO));
    }

    #[test]
    fn a_turn_in_the_future_is_the_word_of_a_clock_that_is_wrong() {
        let turns = Turns { last: vec![(200, 201)], every: 15 };
        assert!(calm(&turns, 202).is_empty());
    }

    #[test]
    fn after_a_change_of_an_option_the_turns_begin_anew() {
        let turns = Turns::anew(second(100), second(100), Duration::from_secs(60));
        assert_eq!(calm(&turns, 160), (102..=157).collect::<Vec<_>>());
    }
}
