//! Tells what happens to a session, a line each.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gluster_georep::{Event, Observer, SessionState, Verdict, Worker};

use serde_json::json;

use crate::say::{Say, TURNS_UNKNOWN, Waiting};

/// Tells what happens to a session.
#[derive(Debug)]
pub(crate) struct Teller<'a> {
    say: &'a Say,
    told: Option<Verdict>,
    waiting: Option<Waiting>,
    usually: Option<Duration>,
    workers: BTreeMap<String, usize>,
}

impl<'a> Teller<'a> {
    /// Tells it to `say`.
    /// A run usually takes so long.
    pub(crate) fn new(say: &'a Say, usually: Option<Duration>) -> Self {
        Self { say, told: None, waiting: None, usually, workers: BTreeMap::new() }
    }

    /// How many workers were in which state when the session was last checked.
    pub(crate) fn workers(self) -> BTreeMap<String, usize> {
        self.workers
    }

    fn checked(&mut self, verdict: &Verdict, workers: &[Worker]) {
        self.workers = count(workers, verdict.offline.len());
        let pending = Pending::of(workers);
        let (reached, sets) = (verdict.reached(), verdict.sets.len());
        self.wait(&format!("{reached} of {sets} sets are there{pending}"));
        self.say.figures("checkpoint", || {
            json!({
                "reached": verdict.reached(), "sets": verdict.sets.len(), "workers": self.workers,
                "entry": pending.entry, "data": pending.data, "meta": pending.meta,
            })
        });
        self.tell(verdict, &pending);
    }

    fn wait(&mut self, for_what: &str) {
        let (say, usually) = (self.say, self.usually);
        let waiting = self.waiting.get_or_insert_with(|| Waiting::new(say, "checkpoint", usually));
        waiting.set(for_what);
    }

    /// Only what is new.
    fn tell(&mut self, verdict: &Verdict, pending: &Pending) {
        if self.told.as_ref() == Some(verdict) {
            return;
        }
        let (say, sets) = (self.say, verdict.sets.len());
        let reached = verdict.reached();
        say.step("checkpoint", format_args!("reached by {reached} of {sets} sets{pending}"));
        for trouble in &verdict.troubles {
            say.warn("checkpoint", trouble);
        }
        self.told = Some(verdict.clone());
    }
}

impl Observer for Teller<'_> {
    fn event(&mut self, event: &Event<'_>) {
        let say = self.say;
        match event {
            Event::FoundNote(note) => say.warn(
                "session",
                format_args!(
                    "the run of process {} was killed; putting back what it left",
                    note.process
                ),
            ),
            Event::FoundMount(path) => say.warn(
                "session",
                format_args!("unmounted {}, which a killed run had left", path.display()),
            ),
            Event::MountStays(error) => say.warn("session", error),
            Event::Found(SessionState::Running) => say.step("session", "running; stopping it"),
            Event::CheckpointSet(time) => say.step("checkpoint", format_args!("set to {time}")),
            Event::TurnsUnknown => say.step("checkpoint", TURNS_UNKNOWN),
            Event::Settling(time) => {
                say.step(
                    "checkpoint",
                    format_args!("waiting {} s for the changelogs", time.as_secs()),
                );
                self.wait("waiting for the changelogs");
            }
            Event::Started => {
                say.step("session", "started");
                self.wait("the workers start");
            }
            Event::Stopping => self.waiting = None,
            Event::Restarted => say.warn("session", "restarted, it was stuck"),
            Event::Retrying(error) => say.warn("session", format_args!("{error}; trying again")),
            Event::Checked { verdict, status, .. } => self.checked(verdict, &status.workers),
            Event::Left(SessionState::Running) => say.step("session", "running again"),
            Event::Found(state) | Event::Left(state) => say.step("session", state),
            _ => {}
        }
    }
}

/// What the workers have yet to sync, as far as they say.
struct Pending {
    entry: u64,
    data: u64,
    meta: u64,
}

impl Pending {
    fn of(workers: &[Worker]) -> Self {
        let sum = |count: fn(&Worker) -> Option<u64>| workers.iter().filter_map(count).sum();
        Self { entry: sum(|w| w.entry), data: sum(|w| w.data), meta: sum(|w| w.meta) }
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, data, meta } = self;
        match entry + data + meta {
            0 => Ok(()),
            _ => write!(f, ", pending: {entry} entry, {data} data, {meta} meta"),
        }
    }
}

/// How many workers there are in which state; bricks without a worker are `Offline`.
fn count(workers: &[Worker], offline: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for worker in workers {
        *counts.entry(worker.status.to_string()).or_default() += 1;
    }
    if offline > 0 {
        counts.insert("Offline".to_owned(), offline);
    }
    counts
}
