//! When is a checkpoint complete? A pure decision.
//!
//! Never from counting: with no active worker at all, "as many have reached it as are active" is
//! true, and nothing was copied. Here every replica or disperse set of the volume must have an
//! active worker that says so, of the very checkpoint this run has set.

use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;

use crate::{Brick, BrickSet, CheckpointFlag, Worker, WorkerStatus};

/// How far a session is from a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The state of each set, in volume order.
    pub sets: Vec<SetState>,
    /// What stands in the way, and will not pass by itself.
    pub troubles: Vec<Trouble>,
    /// Bricks without a worker: their peer is down, or gluster does not show it.
    pub offline: Vec<Brick>,
}

/// How far one set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetState {
    /// Every active worker has reached the checkpoint, and there is one.
    Reached,
    /// An active worker has not.
    Behind,
    /// No worker is active.
    NotActive,
}

/// Why a session cannot be trusted to reach the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A worker failed.
    Faulty(Brick),
    /// A worker is in a state in which nothing can be said of it.
    Unclear(Brick, WorkerStatus),
    /// None of the bricks of a set has a worker.
    SetOffline(Vec<Brick>),
    /// A worker could not sync some files, since this run began.
    Failures(Brick, u64),
    /// An active worker for a brick that is not in the volume: the layout has just changed.
    Stranger(String),
    /// The status says nothing about checkpoints: gluster is older than 3.7.
    NoCheckpoints,
}

impl Verdict {
    /// Whether all that was changed before the checkpoint is on the secondary, as far as gluster
    /// knows.
    pub fn is_complete(&self) -> bool {
        let all = self.sets.iter().all(|&set| set == SetState::Reached);
        all && !self.sets.is_empty() && self.troubles.is_empty()
    }

    /// How many sets have reached the checkpoint.
    pub fn reached(&self) -> usize {
        self.sets
            .iter()
            .filter(|&&set| set == SetState::Reached)
            .count()
    }

    /// Whether every set is being worked on.
    pub fn is_at_work(&self) -> bool {
        self.troubles.is_empty() && self.sets.iter().all(|&set| set != SetState::NotActive)
    }

    /// The bricks of faulty workers.
    pub fn faulty(&self) -> impl Iterator<Item = &Brick> {
        self.troubles.iter().filter_map(|trouble| match trouble {
            Trouble::Faulty(brick) => Some(brick),
            _ => None,
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faulty(brick) => write!(f, "the worker of {brick} is Faulty"),
            Self::Unclear(brick, status) => write!(f, "the worker of {brick} is {status}"),
            Self::SetOffline(bricks) => {
                let names: Vec<_> = bricks.iter().map(ToString::to_string).collect();
                write!(f, "no worker for any of {}", names.join(", "))
            }
            Self::Failures(brick, count) => {
                write!(f, "the worker of {brick} could not sync {count} files")
            }
            Self::Stranger(brick) => write!(f, "{brick} has a worker but is not in the volume"),
            Self::NoCheckpoints => {
                f.write_str("the status has no checkpoints (gluster before 3.7)")
            }
        }
    }
}

/// How many files each worker had failed to sync before this run.
///
/// Gluster's counters go on over restarts, and are only shown of active workers: the first count
/// seen of each is what was there before.
#[derive(Debug, Clone, Default)]
pub struct Baseline(HashMap<(String, String), u64>);

impl Baseline {
    /// Remembers the counters of workers not seen before.
    pub fn learn(&mut self, workers: &[Worker]) {
        for worker in workers {
            if let Some(failures) = worker.failures {
                self.0.entry(Self::key(worker)).or_insert(failures);
            }
        }
    }

    fn new_failures(&self, worker: &Worker) -> u64 {
        let before = self.0.get(&Self::key(worker)).copied().unwrap_or(0);
        worker.failures.unwrap_or(0).saturating_sub(before)
    }

    fn key(worker: &Worker) -> (String, String) {
        (worker.host.clone(), worker.path.clone())
    }
}

/// Decides how far `workers` are from the checkpoint set at `checkpoint`.
///
/// `sets` is the layout of the volume as it is now; `before` the failures that are not of this run.
pub fn verdict(
    sets: &[BrickSet],
    workers: &[Worker],
    checkpoint: Timestamp,
    before: &Baseline,
) -> Verdict {
    let mut verdict = Verdict {
        sets: Vec::new(),
        troubles: Vec::new(),
        offline: Vec::new(),
    };
    for set in sets {
        let found: Vec<(&Brick, Option<&Worker>)> = set
            .bricks
            .iter()
            .map(|brick| (brick, worker_of(brick, workers)))
            .collect();
        verdict.offline.extend(
            found
                .iter()
                .filter(|(_, w)| w.is_none())
                .map(|(b, _)| (*b).clone()),
        );
        if found.iter().all(|(_, worker)| worker.is_none()) {
            verdict
                .troubles
                .push(Trouble::SetOffline(set.bricks.clone()));
        }
        let present = found
            .iter()
            .filter_map(|&(brick, worker)| Some((brick, worker?)));
        verdict
            .troubles
            .extend(present.filter_map(|(brick, worker)| trouble(brick, worker, before)));
        verdict.sets.push(state(
            found.iter().filter_map(|&(_, worker)| worker),
            checkpoint,
        ));
    }
    verdict.troubles.extend(strangers(sets, workers));
    verdict
}

fn state<'a>(workers: impl Iterator<Item = &'a Worker>, checkpoint: Timestamp) -> SetState {
    let active: Vec<_> = workers
        .filter(|worker| worker.status == WorkerStatus::Active)
        .collect();
    if active.is_empty() {
        SetState::NotActive
    } else if active.iter().all(|worker| has_reached(worker, checkpoint)) {
        SetState::Reached
    } else {
        SetState::Behind
    }
}

/// A worker that was away when the checkpoint was set may still speak of an older one.
fn has_reached(worker: &Worker, checkpoint: Timestamp) -> bool {
    worker.checkpoint_completed == CheckpointFlag::Yes && worker.checkpoint_time == Some(checkpoint)
}

fn trouble(brick: &Brick, worker: &Worker, before: &Baseline) -> Option<Trouble> {
    let failures = before.new_failures(worker);
    match &worker.status {
        WorkerStatus::Faulty => Some(Trouble::Faulty(brick.clone())),
        WorkerStatus::Inconsistent
        | WorkerStatus::ConfigCorrupted
        | WorkerStatus::NotApplicable
        | WorkerStatus::Other(_) => Some(Trouble::Unclear(brick.clone(), worker.status.clone())),
        WorkerStatus::Active if worker.checkpoint_completed == CheckpointFlag::Unknown => {
            Some(Trouble::NoCheckpoints)
        }
        _ if failures > 0 => Some(Trouble::Failures(brick.clone(), failures)),
        _ => None,
    }
}

fn strangers(sets: &[BrickSet], workers: &[Worker]) -> impl Iterator<Item = Trouble> {
    workers
        .iter()
        .filter(|worker| worker.status == WorkerStatus::Active)
        .filter(|worker| {
            !sets
                .iter()
                .flat_map(|set| &set.bricks)
                .any(|b| is_of(worker, b))
        })
        .map(|worker| Trouble::Stranger(format!("{}:{}", worker.host, worker.path)))
}

fn worker_of<'a>(brick: &Brick, workers: &'a [Worker]) -> Option<&'a Worker> {
    workers.iter().find(|worker| is_of(worker, brick))
}

/// Host UUIDs where both are known, as a host can go by several names (3.7.9 to 3.7.11 show
/// another one in the status than in the volume); trailing slashes do not count.
fn is_of(worker: &Worker, brick: &Brick) -> bool {
    let same_host = match (&worker.host_uuid, &brick.host_uuid) {
        (Some(one), Some(other)) => one == other,
        _ => worker.host.eq_ignore_ascii_case(&brick.host),
    };
    same_host && worker.path.trim_end_matches('/') == brick.path.trim_end_matches('/')
}

#[cfg(test)]
mod tests;
