//! Runs the session to a checkpoint.

use std::time::Duration;

use gluster_georep::{Error, Outcome, Report, RunOptions, run_to_checkpoint};

use super::Run;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::journal::OpenJournal;
use crate::runs::usual_copying;
use crate::state_dir::{journals, note_of};
use crate::teller::Teller;

/// Runs the session to a checkpoint, and leaves it stopped, so that nothing of what follows is
/// copied.
pub(super) fn reach(run: &Run<'_>, journal: &OpenJournal) -> Result<(), CliError> {
    let options = options(run);
    let mut teller = Teller::new(&run.say, usual_copying(&journals(), &run.session));
    let report = run_to_checkpoint(&run.gluster, &run.mounts, &run.session, &options, &mut teller)
        .map_err(failed);
    journal.workers(teller.workers())?;
    let report = report?;
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

/// What is asked of the run to the checkpoint.
pub(super) fn options(run: &Run<'_>) -> RunOptions {
    let minutes = run.args.timeout;
    RunOptions {
        timeout: (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60))),
        rollover: run.args.rollover.map(Duration::from_secs),
        note: Some(note_of(&run.session)),
        stop: run.stop.clone(),
        ..RunOptions::default()
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
