//! Runs the session to a checkpoint, and tells how far it is.

use std::time::Duration;

use gluster_georep::{
    Error, Event, Observer, Outcome, Report, RunOptions, SessionState, Verdict, run_to_checkpoint,
};

use super::Run;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::say::TURNS_UNKNOWN;
use crate::state_dir::note_of;

/// Runs the session to a checkpoint, and leaves it stopped, so that nothing of what follows is
/// copied.
pub(super) fn reach(run: &Run<'_>) -> Result<(), CliError> {
    let options = RunOptions {
        timeout: (run.args.timeout > 0)
            .then(|| Duration::from_secs(run.args.timeout.saturating_mul(60))),
        rollover: run.args.rollover.map(Duration::from_secs),
        note: Some(note_of(&run.session)),
        stop: run.stop.clone(),
        ..RunOptions::default()
    };
    let mut teller = Teller { run, told: None };
    let report = run_to_checkpoint(&run.gluster, &run.mounts, &run.session, &options, &mut teller)
        .map_err(failed)?;
    let session = &run.session;
    match report.outcome {
        Outcome::Complete => Ok(()),
        Outcome::TimedOut => Err(CliError::new(
            Exit::NoCheckpoint,
            format!(
                "session {session} did not reach the checkpoint in {} minutes",
                run.args.timeout
            ),
        )),
        Outcome::Hopeless(hopeless) => Err(CliError::new(
            Exit::NoCheckpoint,
            format!("session {session}: {hopeless}{}", reasons(&report)),
        )
        .hint("see `gluster volume geo-replication status` and the logs of its workers")),
        Outcome::Interrupted => Err(CliError::failed("interrupted before the checkpoint")),
    }
}

fn failed(error: Error) -> CliError {
    let exit = match error {
        Error::NotRestored { .. } => Exit::LeftBehind,
        _ => Exit::Failed,
    };
    CliError::from(error).with_exit(exit)
}

/// What the last check found in the way.
fn reasons(report: &Report) -> String {
    let troubles = report.verdict.iter().flat_map(|verdict| &verdict.troubles);
    troubles.map(|trouble| format!("; {trouble}")).collect()
}

struct Teller<'a> {
    run: &'a Run<'a>,
    told: Option<Verdict>,
}

impl Observer for Teller<'_> {
    fn event(&mut self, event: &Event<'_>) {
        let say = &self.run.say;
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
            Event::Checked { verdict, .. } => self.checked(verdict),
            Event::Left(SessionState::Running) => say.step("session", "running again"),
            Event::Found(state) | Event::Left(state) => say.step("session", state),
            _ => {}
        }
    }
}

impl Teller<'_> {
    fn checked(&mut self, verdict: &Verdict) {
        if self.told.as_ref() == Some(verdict) {
            return;
        }
        let (say, sets) = (&self.run.say, verdict.sets.len());
        say.step("checkpoint", format_args!("reached by {} of {sets} sets", verdict.reached()));
        for trouble in &verdict.troubles {
            say.warn("checkpoint", trouble);
        }
        self.told = Some(verdict.clone());
    }
}
