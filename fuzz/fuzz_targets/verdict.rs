//! The decision itself, on layouts and workers that no gluster would show.
//!
//! It is complete only where every set has a witness and nobody is in trouble, and a wait is never
//! longer than was asked for.
#![no_main]

use std::time::Duration;

use gluster_georep::{
    Advice, Baseline, Brick, BrickSet, CheckpointFlag, Hopeless, Patience, Verdict, Worker,
    WorkerStatus, verdict,
};
use jiff::Timestamp;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const CHECKPOINT: Timestamp = Timestamp::UNIX_EPOCH;

#[derive(Debug, Arbitrary)]
struct Watched {
    sets: Vec<Vec<Place>>,
    longest_wait: Duration,
    rollover: Duration,
    before: Vec<Seen>,
    checks: Vec<(Duration, Vec<Seen>)>,
}

/// Few enough that places meet.
#[derive(Debug, Arbitrary)]
struct Place {
    host: bool,
    path: bool,
    uuid: Option<bool>,
}

#[derive(Debug, Arbitrary)]
struct Seen {
    place: Place,
    status: Status,
    crawls: bool,
    pending: Option<u64>,
    failures: Option<u64>,
    flag: Flag,
    is_of_checkpoint: Option<bool>,
}

#[derive(Debug, Arbitrary)]
enum Status {
    Active,
    Passive,
    Faulty,
    Stopped,
    Paused,
    Initializing,
    Unclear,
}

#[derive(Debug, Arbitrary)]
enum Flag {
    Yes,
    No,
    NotApplicable,
    Unknown,
}

fuzz_target!(|watched: Watched| {
    let bricks = |set: &Vec<Place>| BrickSet { bricks: set.iter().map(Place::brick).collect() };
    let sets: Vec<_> = watched.sets.iter().map(bricks).collect();
    let mut before = Baseline::before(&workers(&watched.before));
    let mut patience = Patience::new(watched.longest_wait, watched.rollover);
    let mut now = Duration::ZERO;
    for (time, seen) in &watched.checks {
        now = now.saturating_add(*time);
        let workers = workers(seen);
        before.learn(&workers, CHECKPOINT);
        let verdict = verdict(&sets, &workers, CHECKPOINT, &before);
        check(&verdict, &sets, &workers);
        match patience.advise(now, &verdict) {
            Advice::Wait(time) => {
                let longest = watched.longest_wait.max(Duration::from_secs(1));
                assert!(!time.is_zero() && time <= longest, "{time:?}");
            }
            Advice::GiveUp(Hopeless::Failures) => assert!(verdict.has_reached_all()),
            Advice::GiveUp(_) => assert!(!verdict.is_complete()),
            Advice::Nudge | Advice::Restart => {}
        }
    }
});

fn check(verdict: &Verdict, sets: &[BrickSet], workers: &[Worker]) {
    assert_eq!(verdict.sets.len(), sets.len());
    if !verdict.is_complete() {
        return;
    }
    assert!(!sets.is_empty());
    for set in sets {
        let is_witness = |worker: &&Worker| {
            worker.status == WorkerStatus::Active
                && worker.checkpoint_completed == CheckpointFlag::Yes
                && worker.checkpoint_time == Some(CHECKPOINT)
                && set.bricks.iter().any(|brick| brick.path == worker.path)
        };
        assert!(workers.iter().find(is_witness).is_some(), "{set:?} has no witness");
    }
    let is_faulty = |worker: &Worker| worker.status == WorkerStatus::Faulty;
    assert!(!workers.iter().any(is_faulty), "a worker is faulty");
}

fn workers(seen: &[Seen]) -> Vec<Worker> {
    seen.iter().map(Seen::worker).collect()
}

impl Place {
    fn brick(&self) -> Brick {
        Brick {
            host: if self.host { "p1" } else { "p2" }.to_owned(),
            path: if self.path { "/b1" } else { "/b2" }.to_owned(),
            host_uuid: self.uuid.map(|one| if one { "u1" } else { "u2" }.to_owned()),
        }
    }
}

impl Seen {
    fn worker(&self) -> Worker {
        let Brick { host, path, host_uuid } = self.place.brick();
        let other = Timestamp::MAX;
        Worker {
            host,
            path,
            host_uuid,
            status: match self.status {
                Status::Active => WorkerStatus::Active,
                Status::Passive => WorkerStatus::Passive,
                Status::Faulty => WorkerStatus::Faulty,
                Status::Stopped => WorkerStatus::Stopped,
                Status::Paused => WorkerStatus::Paused,
                Status::Initializing => WorkerStatus::Initializing,
                Status::Unclear => WorkerStatus::Other(String::new()),
            },
            crawl: self.crawls.then(|| "History Crawl".to_owned()),
            entry: self.pending,
            data: None,
            meta: None,
            failures: self.failures,
            checkpoint_completed: match self.flag {
                Flag::Yes => CheckpointFlag::Yes,
                Flag::No => CheckpointFlag::No,
                Flag::NotApplicable => CheckpointFlag::NotApplicable,
                Flag::Unknown => CheckpointFlag::Unknown,
            },
            checkpoint_time: self.is_of_checkpoint.map(|it| if it { CHECKPOINT } else { other }),
            checkpoint_completion_time: None,
            last_synced: None,
        }
    }
}
