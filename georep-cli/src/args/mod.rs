//! The command line: what can be asked for, one file a command. Nothing here does anything.

mod backup;
mod inspect;
mod other_site;
mod progress;
mod prune;
mod recover;
mod runs;
mod schedule;
mod status;
mod verify;

use clap::{Parser, Subcommand};

use crate::run_name::RunName;

pub(crate) use backup::{BackupArgs, Level, Method};
pub(crate) use inspect::InspectArgs;
pub(crate) use other_site::{RehearseArgs, RestoreArgs};
pub(crate) use progress::{ProgressArgs, ProgressMode};
pub(crate) use prune::PruneArgs;
pub(crate) use recover::RecoverArgs;
pub(crate) use runs::{RunsArgs, RunsCommand};
pub(crate) use schedule::{ScheduleArgs, ScheduleGeorep};
pub(crate) use status::StatusArgs;
pub(crate) use verify::VerifyArgs;

/// Consistent, proven geo-replicated copies of VMs on GlusterFS.
#[derive(Debug, Parser)]
#[command(name = "georep", version, propagate_version = true, infer_long_args = true)]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run geo-replication to a checkpoint and stop it (replaces `schedule_georep.py`)
    Schedule(ScheduleArgs),
    /// Show what the workers of every session do, bricks without a worker included
    Status(StatusArgs),
    /// Back up running VMs: snapshot, checkpoint, compare, put the VMs back
    Backup(Box<BackupArgs>),
    /// Hold the copy at the secondary against what a backup recorded
    Verify(VerifyArgs),
    /// Show what qcow2 images hold, and whether they are sound, without qemu-img
    Inspect(InspectArgs),
    /// Put right what runs have left that were killed
    Recover(RecoverArgs),
    /// Show what past runs did
    Runs(RunsArgs),
    /// Drop this tool's old internal snapshots and manifests
    Prune(PruneArgs),
    /// Copy VMs out of the secondary and define them, with the primary gone
    Restore(RestoreArgs),
    /// Boot the copies on the secondary, isolated and on throw-away images, and say what came up
    Rehearse(RehearseArgs),
}

/// A run's name becomes a part of paths.
fn parse_run(text: &str) -> Result<String, String> {
    if RunName::is_one(text) {
        Ok(text.to_owned())
    } else {
        Err("runs are named georep-<UTC time>, as in georep-20261124T093220Z".to_owned())
    }
}

/// The newest snapshot is the copy at the other site, or becomes it: it is never deleted.
fn parse_keep(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("the newest snapshot is never deleted".to_owned()),
        Ok(keep) => Ok(keep),
        Err(error) => Err(error.to_string()),
    }
}
