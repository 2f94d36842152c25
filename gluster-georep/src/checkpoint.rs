//! When is a checkpoint complete? A pure decision.
//!
//! Never from counting: with no active worker at all, "as many have reached it as are active" is
//! true, and nothing was copied. Here every replica or disperse set of the volume must have an
//! active worker that says so, of the very checkpoint this run has set.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{Brick, BrickSet, CheckpointFlag, Trouble, Worker, WorkerStatus};

/// How far a session is from a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The state of each set, in volume order.
    pub sets: Vec<SetState>,
    /// What stands in the way, and will not pass by itself; in volume order.
    pub troubles: Vec<Trouble>,
    /// Bricks without a worker, in volume order: their peer is down, or gluster does not show it.
    pub offline: Vec<Brick>,
    /// The workers of the sets that have not reached the checkpoint.
    pub awaited: Vec<Worker>,
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

impl Verdict {
    /// Whether all that was changed before the checkpoint is on the secondary, as far as gluster
    /// knows.
    pub fn is_complete(&self) -> bool {
        self.has_reached_all() && self.troubles.is_empty()
    }

    /// Whether every set has reached the checkpoint, whatever trouble there is beside.
    pub fn has_reached_all(&self) -> bool {
        !self.sets.is_empty() && self.reached() == self.sets.len()
    }

    /// How many sets have reached the checkpoint.
    pub fn reached(&self) -> usize {
        let reached = |set: &&SetState| **set == SetState::Reached;
        self.sets.iter().filter(reached).count()
    }

    /// Whether every set is being worked on.
    pub fn is_at_work(&self) -> bool {
        self.troubles.is_empty() && self.sets.iter().all(|&set| set != SetState::NotActive)
    }

    /// The bricks of faulty workers, in volume order.
    pub fn faulty(&self) -> impl Iterator<Item = &Brick> {
        self.troubles.iter().filter_map(|trouble| match trouble {
            Trouble::Faulty(brick) => Some(brick),
            _ => None,
        })
    }
}

/// How many files each worker had failed to sync before this run.
///
/// Gluster's counters go on over restarts of the session, and are only shown of active workers. So
/// where the session was stopped before the run, the first count seen of a worker *on its way* to
/// the checkpoint stands for what was there before. A worker seen for the first time when it has
/// arrived has no such count: all its failures are taken for new, as they cannot be told apart.
#[derive(Debug, Clone, Default)]
pub struct Baseline(HashMap<(String, String), u64>);

impl Baseline {
    /// Takes the counters from before the run.
    pub fn before(workers: &[Worker]) -> Self {
        let counted = workers.iter().filter_map(|w| Some((key(w), w.failures?)));
        Self(counted.collect())
    }

    /// Takes the counters of workers not seen before that have not reached `checkpoint`.
    pub fn learn(&mut self, workers: &[Worker], checkpoint: Timestamp) {
        for worker in workers {
            if let Some(failures) = worker.failures
                && !has_reached(worker, checkpoint)
            {
                self.0.entry(key(worker)).or_insert(failures);
            }
        }
    }

    fn new_failures(&self, worker: &Worker) -> u64 {
        let before = self.0.get(&key(worker)).copied().unwrap_or(0);
        worker.failures.unwrap_or(0).saturating_sub(before)
    }
}

fn key(worker: &Worker) -> (String, String) {
    (worker.host.clone(), worker.path.clone())
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
        awaited: Vec::new(),
    };
    for set in sets {
        verdict.add(set, workers, checkpoint, before);
    }
    verdict.troubles.extend(strangers(sets, workers));
    verdict
}

impl Verdict {
    fn add(&mut self, set: &BrickSet, all: &[Worker], checkpoint: Timestamp, before: &Baseline) {
        let mut present = Vec::new();
        for brick in &set.bricks {
            let known = present.len();
            present.extend(all.iter().filter(|worker| is_of(worker, brick)));
            let of_brick = present.get(known..).unwrap_or_default();
            if of_brick.is_empty() {
                self.offline.push(brick.clone());
            }
            let troubles = of_brick.iter().filter_map(|w| trouble(brick, w, before));
            self.troubles.extend(troubles);
        }
        self.troubles.extend(trouble_of_set(set, &present));
        let state = state(&present, checkpoint);
        if state != SetState::Reached {
            self.awaited.extend(present.into_iter().cloned());
        }
        self.sets.push(state);
    }
}

fn state(workers: &[&Worker], checkpoint: Timestamp) -> SetState {
    let mut active = workers.iter().filter(|w| w.status == WorkerStatus::Active).peekable();
    if active.peek().is_none() {
        SetState::NotActive
    } else if active.all(|worker| has_reached(worker, checkpoint)) {
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
        status if status.is_unclear() => Some(Trouble::Unclear(brick.clone(), status.clone())),
        WorkerStatus::Active if worker.checkpoint_completed == CheckpointFlag::Unknown => {
            Some(Trouble::NoCheckpoints)
        }
        _ if failures > 0 => Some(Trouble::Failures(brick.clone(), failures)),
        _ => None,
    }
}

fn trouble_of_set(set: &BrickSet, workers: &[&Worker]) -> Option<Trouble> {
    let Some(first) = workers.first() else {
        return Some(Trouble::SetOffline(set.bricks.clone()));
    };
    let rest = workers.iter().all(|worker| worker.status.is_at_rest());
    rest.then(|| Trouble::NotRunning(set.bricks.clone(), first.status.clone()))
}

/// Workers that matter, of bricks that do not: a brick was added or removed since the layout was
/// read, or the two answers name the same host in ways that cannot be matched.
fn strangers(sets: &[BrickSet], workers: &[Worker]) -> impl Iterator<Item = Trouble> {
    let is_known = |w: &Worker| sets.iter().flat_map(|set| &set.bricks).any(|b| is_of(w, b));
    let matters = |status: &WorkerStatus| {
        matches!(status, WorkerStatus::Active | WorkerStatus::Faulty) || status.is_unclear()
    };
    workers
        .iter()
        .filter(move |worker| matters(&worker.status) && !is_known(worker))
        .map(|worker| Trouble::Stranger(format!("{}:{}", worker.host, worker.path)))
}

/// Host UUIDs where both are known, as a host can go by several names (3.7.9 to 3.7.11 show
/// another one in the status than in the volume); trailing slashes do not count.
pub(crate) fn is_of(worker: &Worker, brick: &Brick) -> bool {
    let same_host = match (&worker.host_uuid, &brick.host_uuid) {
        (Some(one), Some(other)) => one == other,
        _ => worker.host.eq_ignore_ascii_case(&brick.host),
    };
    same_host && worker.path.trim_end_matches('/') == brick.path.trim_end_matches('/')
}

#[cfg(test)]
mod tests;
