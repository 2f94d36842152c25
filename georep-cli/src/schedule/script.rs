//! What `schedule` prints: the lines of `schedule_georep.py`, and a few of its own.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use gluster_georep::{Completion, Event, Note, Observer, SessionState, Trouble, Verdict};

use crate::say::TURNS_UNKNOWN;

/// Tells a run as the script does.
pub(super) struct Script {
    interval: Duration,
    told: Option<(Instant, [String; 2])>,
    troubles: Vec<String>,
    turns: u32,
}

impl Observer for Script {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::FoundNote(note) => warn(killed_line(note)),
            Event::FoundMount(path) => {
                warn(format!("Unmounted {}, which a killed run had left", path.display()));
            }
            Event::MountStays(error) => warn(error),
            Event::Found(state) => ok(format!("Geo-replication session was {state}")),
            Event::Stopped => ok("Stopped Geo-replication"),
            Event::CheckpointSet(_) => ok("Set Checkpoint"),
            Event::TurnsUnknown => warn(TURNS_UNKNOWN),
            Event::Started => {
                ok("Started Geo-replication and watching Status for Checkpoint completion");
            }
            Event::Checked { verdict, .. } => self.checked(verdict),
            Event::Retrying(error) => warn(format!("{error}; trying again")),
            Event::Restarted => warn("Restarted Geo-replication, it was stuck"),
            Event::Stopping => ok("Stopping Geo-replication session now"),
            // That it is stopped, the lines before say.
            Event::Left(SessionState::Stopped) => {}
            Event::Left(state) => ok(format!("Geo-replication session is {state} again")),
            _ => {}
        }
    }
}

impl Script {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, told: None, troubles: Vec::new(), turns: 0 }
    }

    /// The script tells every check. Here checks are up to one a second, so a check that says
    /// nothing new is told only after the interval.
    fn checked(&mut self, verdict: &Verdict) {
        let complete = verdict.is_complete();
        let healthy = verdict.troubles.is_empty() && verdict.offline.is_empty();
        let lines = [status_line(complete, healthy), workers_line(verdict)];
        let news = !self
            .told
            .as_ref()
            .is_some_and(|(when, told)| *told == lines && when.elapsed() < self.interval);
        if !news {
            return;
        }
        self.turns += 1;
        let [status, workers] = &lines;
        let status = format!("{status} (Turns {:>3})", self.turns);
        if healthy {
            ok(status);
        } else {
            warn(status);
            warn(workers);
        }
        self.told = Some((Instant::now(), lines));
        self.other_troubles(verdict);
    }

    /// The script knows faulty and offline workers only. What else there is, is told once.
    fn other_troubles(&mut self, verdict: &Verdict) {
        let known =
            |trouble: &&Trouble| matches!(trouble, Trouble::Faulty(..) | Trouble::SetOffline(..));
        let others = verdict.troubles.iter().filter(|trouble| !known(trouble));
        let others: Vec<_> = others.map(ToString::to_string).collect();
        for trouble in others.iter().filter(|trouble| !self.troubles.contains(trouble)) {
            warn(format!("Trouble: {trouble}"));
        }
        self.troubles = others;
    }
}

fn killed_line(note: &Note) -> String {
    let Note { process, began, .. } = note;
    format!("The run of process {process}, since {began:.0}, was killed; putting back what it left")
}

/// How long after the last worker had reached the checkpoint this run knew. The worker's clock is
/// its node's, and counts whole seconds.
pub(super) fn completion_line(completion: &Completion) -> String {
    let lag = completion.seen.duration_since(completion.reached).as_secs_f64();
    format!("Checkpoint completed at {}, seen {lag:.1} s later", completion.reached)
}

fn status_line(complete: bool, healthy: bool) -> String {
    let checkpoints = if complete { "COMPLETE" } else { "NOT COMPLETE" };
    let status = if healthy { "OK" } else { "NOT OK" };
    format!("All Checkpoints {checkpoints}, All status {status}")
}

/// The bricks as the script prints them: Python lists.
fn workers_line(verdict: &Verdict) -> String {
    format!(
        "Geo-rep workers Faulty/Offline, Faulty: {} Offline: {}",
        python_list(verdict.faulty()),
        python_list(&verdict.offline)
    )
}

fn python_list(items: impl IntoIterator<Item = impl ToString>) -> String {
    let quoted: Vec<_> = items.into_iter().map(|item| format!("'{}'", item.to_string())).collect();
    format!("[{}]", quoted.join(", "))
}

const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();

pub(super) fn ok(text: impl Display) {
    anstream::eprintln!("{GREEN}[    OK]{GREEN:#} {text}");
}

pub(super) fn warn(text: impl Display) {
    anstream::eprintln!("{YELLOW}[  WARN]{YELLOW:#} {text}");
}

pub(super) fn not_ok(text: impl Display, reason: impl Display) {
    anstream::eprintln!("{RED}[NOT OK]{RED:#} {text}\n{reason}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use gluster_georep::{Brick, SetState};

    #[test]
    fn lines_are_the_scripts_own() {
        let brick = |path: &str| Brick { host: "p1".into(), path: path.into(), host_uuid: None };
        let verdict = Verdict {
            sets: vec![SetState::NotActive],
            troubles: vec![Trouble::Faulty(brick("/b/1")), Trouble::Faulty(brick("/b/2"))],
            offline: vec![],
            awaited: vec![],
        };
        assert_eq!(
            workers_line(&verdict),
            "Geo-rep workers Faulty/Offline, Faulty: ['p1:/b/1', 'p1:/b/2'] Offline: []"
        );
        assert_eq!(status_line(false, false), "All Checkpoints NOT COMPLETE, All status NOT OK");
        assert_eq!(status_line(true, true), "All Checkpoints COMPLETE, All status OK");
    }
}
