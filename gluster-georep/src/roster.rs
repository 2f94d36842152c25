//! Which worker serves which brick: the status of a session laid over the bricks of its volume.
//!
//! Gluster leaves out the bricks of peers that are down. Who reads its answer alone sees a healthy
//! session with fewer rows.

use jiff::Timestamp;

use crate::checkpoint::is_of;
use crate::{Baseline, Brick, BrickSet, Worker, WorkerStatus, verdict};

/// The workers of a session, in the order of the volume's bricks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// A place for each brick, set by set; after them the workers of bricks the volume lacks.
    pub places: Vec<Place>,
    /// How many sets the volume has.
    pub sets: usize,
    /// The checkpoint that is set, where a worker is active to tell.
    pub checkpoint: Option<Progress>,
}

/// A brick, and who serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index of its set; `None` where the volume has no such brick.
    pub set: Option<usize>,
    /// The brick.
    pub brick: Brick,
    /// Its worker; `None` where it is offline.
    pub worker: Option<Worker>,
}

/// How far a checkpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The newest checkpoint an active worker speaks of.
    pub time: Timestamp,
    /// How many sets have reached it.
    pub reached: usize,
}

impl Roster {
    /// Lays `workers` over `sets`.
    pub fn new(sets: &[BrickSet], workers: &[Worker]) -> Self {
        let mut places = Vec::new();
        for (set, bricks) in sets.iter().enumerate() {
            for brick in &bricks.bricks {
                places.extend(places_of(set, brick, workers));
            }
        }
        places.extend(strangers(sets, workers));
        Self { places, sets: sets.len(), checkpoint: progress(sets, workers) }
    }

    /// Whether every brick has a worker, and none of them is faulty or in a state in which nothing
    /// can be said of it. A session that is stopped or paused is healthy, too.
    pub fn is_healthy(&self) -> bool {
        self.places.iter().all(|place| {
            let is_well = |worker: &Worker| {
                worker.status != WorkerStatus::Faulty && !worker.status.is_unclear()
            };
            place.worker.as_ref().is_some_and(is_well)
        })
    }
}

fn places_of<'a>(
    set: usize,
    brick: &'a Brick,
    workers: &'a [Worker],
) -> impl Iterator<Item = Place> {
    let place = move |worker| Place { set: Some(set), brick: brick.clone(), worker };
    let mut present = workers.iter().filter(|worker| is_of(worker, brick)).cloned().peekable();
    let offline = present.peek().is_none().then(|| place(None));
    offline.into_iter().chain(present.map(move |worker| place(Some(worker))))
}

fn strangers(sets: &[BrickSet], workers: &[Worker]) -> impl Iterator<Item = Place> {
    let is_known = |w: &&Worker| sets.iter().flat_map(|set| &set.bricks).any(|b| is_of(w, b));
    workers.iter().filter(move |worker| !is_known(worker)).map(|worker| Place {
        set: None,
        brick: Brick {
            host: worker.host.clone(),
            path: worker.path.clone(),
            host_uuid: worker.host_uuid.clone(),
        },
        worker: Some(worker.clone()),
    })
}

fn progress(sets: &[BrickSet], workers: &[Worker]) -> Option<Progress> {
    let active = workers.iter().filter(|worker| worker.status == WorkerStatus::Active);
    let time = active.filter_map(|worker| worker.checkpoint_time).max()?;
    let reached = verdict(sets, workers, time, &Baseline::default()).reached();
    Some(Progress { time, reached })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CheckpointFlag;

    fn brick(host: &str) -> Brick {
        Brick { host: host.to_owned(), path: "/b".to_owned(), host_uuid: None }
    }

    fn worker(host: &str, status: WorkerStatus) -> Worker {
        Worker {
            host: host.to_owned(),
            path: "/b".to_owned(),
            host_uuid: None,
            status,
            crawl: None,
            entry: None,
            data: None,
            meta: None,
            failures: None,
            checkpoint_completed: CheckpointFlag::NotApplicable,
            checkpoint_time: None,
            checkpoint_completion_time: None,
            last_synced: None,
        }
    }

    fn sets() -> Vec<BrickSet> {
        [["p1", "p2"], ["p3", "p4"]]
            .map(|set| BrickSet { bricks: set.map(brick).to_vec() })
            .to_vec()
    }

    fn all_are(status: &WorkerStatus) -> Vec<Worker> {
        ["p1", "p2", "p3", "p4"].map(|host| worker(host, status.clone())).to_vec()
    }

    #[test]
    fn places_stand_in_brick_order_and_bricks_without_a_worker_stay() {
        let workers = [
            worker("p9", WorkerStatus::Passive),
            worker("p3", WorkerStatus::Active),
            worker("p1", WorkerStatus::Active),
        ];
        let roster = Roster::new(&sets(), &workers);
        let told = roster.places.iter().map(|p| (p.set, p.brick.host.as_str(), p.worker.is_some()));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                (Some(0), "p1", true),
                (Some(0), "p2", false),
                (Some(1), "p3", true),
                (Some(1), "p4", false),
                (None, "p9", true),
            ]
        );
    }

    #[test]
    fn a_brick_without_a_worker_is_not_healthy() {
        let mut workers = all_are(&WorkerStatus::Active);
        assert!(Roster::new(&sets(), &workers).is_healthy());
        workers.pop();
        assert!(!Roster::new(&sets(), &workers).is_healthy());
    }

    #[test]
    fn a_session_at_rest_is_healthy_and_a_faulty_or_unclear_one_is_not() {
        let healthy = |status| Roster::new(&sets(), &all_are(&status)).is_healthy();
        for status in [WorkerStatus::Stopped, WorkerStatus::Paused, WorkerStatus::Created] {
            assert!(healthy(status.clone()), "{status}");
        }
        let odd = WorkerStatus::Other("Odd".to_owned());
        for status in [WorkerStatus::Faulty, WorkerStatus::Inconsistent, odd] {
            assert!(!healthy(status.clone()), "{status}");
        }
    }

    #[test]
    fn a_checkpoint_counts_sets_and_only_the_newest_one() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut first = worker("p1", WorkerStatus::Active);
        first.checkpoint_completed = CheckpointFlag::Yes;
        first.checkpoint_time = Some(at(100));
        let mut second = worker("p3", WorkerStatus::Active);
        second.checkpoint_completed = CheckpointFlag::Yes;
        second.checkpoint_time = Some(at(50));
        let progress = Roster::new(&sets(), &[first, second]).checkpoint;
        assert_eq!(progress, Some(Progress { time: at(100), reached: 1 }));
    }
}
