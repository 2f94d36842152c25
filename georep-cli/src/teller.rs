//! Tells what happens to a session, a line each.

use std::collections::BTreeMap;

use gluster_georep::{Event, Observer, SessionState, Verdict, Worker};

use crate::say::{Say, TURNS_UNKNOWN};

/// Tells what happens to a session.
#[derive(Debug)]
pub(crate) struct Teller<'a> {
    say: &'a Say,
    told: Option<Verdict>,
    workers: BTreeMap<String, usize>,
}

impl<'a> Teller<'a> {
    /// Tells it to `say`.
    pub(crate) fn new(say: &'a Say) -> Self {
        Self { say, told: None, workers: BTreeMap::new() }
    }

    /// How many workers were in which state when the session was last checked.
    pub(crate) fn workers(self) -> BTreeMap<String, usize> {
        self.workers
    }

    /// Only what is new.
    fn checked(&mut self, verdict: &Verdict) {
        if self.told.as_ref() == Some(verdict) {
            return;
        }
        let (say, sets) = (self.say, verdict.sets.len());
        say.step("checkpoint", format_args!("reached by {} of {sets} sets", verdict.reached()));
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
            Event::Settling(time) => say.step(
                "checkpoint",
                format_args!("waiting {} s for the changelogs", time.as_secs()),
            ),
            Event::Started => say.step("session", "started"),
            Event::Restarted => say.warn("session", "restarted, it was stuck"),
            Event::Retrying(error) => say.warn("session", format_args!("{error}; trying again")),
            Event::Checked { verdict, status, .. } => {
                self.workers = count(&status.workers, verdict.offline.len());
                self.checked(verdict);
            }
            Event::Left(SessionState::Running) => say.step("session", "running again"),
            Event::Found(state) | Event::Left(state) => say.step("session", state),
            _ => {}
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
