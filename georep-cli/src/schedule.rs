//! `georep schedule`: what `schedule_georep.py` does, in its words and with its exit codes.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use gluster_georep::{
    Event, Gluster, MountTools, Observer, Outcome, Report, RunOptions, Secondary, Session, Verdict,
    run_to_checkpoint,
};

use crate::args::ScheduleArgs;
use crate::canary::Canary;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::lock::SessionLock;
use crate::retry::patiently;
use crate::signals::StopFlag;
use crate::tools::search_path;

/// Runs `georep schedule`.
pub(crate) fn run(args: &ScheduleArgs) -> Exit {
    if args.no_color {
        anstream::ColorChoice::Never.write_global();
    }
    match checkpoint(args) {
        Ok(exit) => exit,
        Err(error) => {
            not_ok("", &error);
            Exit::CommandFailed
        }
    }
}

fn checkpoint(args: &ScheduleArgs) -> Result<Exit, CliError> {
    let session = session(args)?;
    let gluster = Gluster::new(search_path().find("gluster")?);
    let mounts = MountTools::find(&search_path())?;
    let stop = StopFlag::catch()?;
    let _lock = SessionLock::take(&session)?;
    let options = RunOptions {
        interval: Duration::from_secs(args.interval),
        timeout: (args.timeout > 0).then(|| Duration::from_secs(args.timeout.saturating_mul(60))),
        rollover: args.rollover.map(Duration::from_secs),
    };
    // Before anything is written: do volume and session exist?
    gluster.started_volume(&session.primary)?;
    patiently(|| gluster.status(&session))?;
    let canary = Canary::write(&mounts, &session)?;
    let mut script = Script { stop, interval: options.interval, told: None, turns: 0 };
    let report = run_to_checkpoint(&gluster, &mounts, &session, &options, &mut script)?;
    Ok(conclude(&report, &canary))
}

fn session(args: &ScheduleArgs) -> Result<Session, CliError> {
    let (user, host) = match args.secondary.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, args.secondary.as_str()),
    };
    Ok(Session::new(&args.primary, Secondary::new(user, host, &args.secondary_volume)?)?)
}

fn conclude(report: &Report, canary: &Canary<'_>) -> Exit {
    match report.outcome {
        Outcome::Complete => return look(canary),
        Outcome::TimedOut => {
            let seconds = report.duration.as_secs();
            not_ok(format!("Timed out, Stopping Geo-replication(Duration: {seconds}sec)"), "");
        }
        Outcome::Hopeless(reason) => not_ok(format!("Hopeless, {reason}"), troubles(report)),
        Outcome::Interrupted => not_ok("Exiting...", ""),
    }
    Exit::Failed
}

/// Looks whether what was written before the checkpoint has arrived. The script cannot know, and
/// where the secondary cannot be mounted from here no more is known than it knows.
fn look(canary: &Canary<'_>) -> Exit {
    match canary.missing() {
        Ok(0) => Exit::Done,
        Ok(missing) => {
            let reason = format!(
                "{missing} files written before the checkpoint are not on the secondary; check the \
                 version of rsync on the nodes: 3.5.0 copies nothing and reports success"
            );
            not_ok("All Checkpoints COMPLETE, but the data has not arrived", reason);
            Exit::Failed
        }
        Err(error) => {
            warn(format!("Unable to look at the secondary: {error}"));
            Exit::Done
        }
    }
}

fn troubles(report: &Report) -> String {
    let troubles = report.verdict.iter().flat_map(|verdict| &verdict.troubles);
    troubles.map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Tells a run as the script does.
struct Script {
    stop: StopFlag,
    interval: Duration,
    told: Option<(Instant, [String; 2])>,
    turns: u32,
}

impl Observer for Script {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Stopped => ok("Stopped Geo-replication"),
            Event::CheckpointSet(_) => ok("Set Checkpoint"),
            Event::Started => {
                ok("Started Geo-replication and watching Status for Checkpoint completion");
            }
            Event::Checked { verdict, .. } => self.checked(verdict),
            Event::Retrying(error) => warn(format!("{error}; trying again")),
            Event::Restarted => warn("Restarted Geo-replication, it was stuck"),
            Event::Stopping => ok("Stopping Geo-replication session now"),
            _ => {}
        }
    }

    fn stop_requested(&self) -> bool {
        self.stop.is_set()
    }
}

impl Script {
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
    }
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

fn ok(text: impl std::fmt::Display) {
    anstream::eprintln!("{GREEN}[    OK]{GREEN:#} {text}");
}

fn warn(text: impl std::fmt::Display) {
    anstream::eprintln!("{YELLOW}[  WARN]{YELLOW:#} {text}");
}

fn not_ok(text: impl std::fmt::Display, reason: impl std::fmt::Display) {
    anstream::eprintln!("{RED}[NOT OK]{RED:#} {text}\n{reason}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use gluster_georep::{Brick, SetState, Trouble};

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
