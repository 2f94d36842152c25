//! The command line: what can be asked for, one file a command. Nothing here does anything.

mod backup;
mod doctor;
mod documents;
mod inspect;
mod job;
mod other_site;
mod progress;
mod prune;
mod recover;
mod runs;
mod schedule;
mod status;
mod verify;

use clap::{Parser, Subcommand};

use crate::exit_code::TABLE;
use crate::run_name::RunName;

pub(crate) use backup::{BackupArgs, Level, Method};
pub(crate) use doctor::DoctorArgs;
pub(crate) use documents::{CompletionsArgs, ManArgs, Shell};
pub(crate) use inspect::InspectArgs;
pub(crate) use job::JobArgs;
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
#[command(
    name = "georep", version, propagate_version = true, infer_long_args = true,
    after_help = format!("\
Examples:
  georep doctor gv1 dr.example.org::gv2 --pool /vm
  georep backup gv1 dr.example.org::gv2 --pool /vm --method external --dry-run
  georep verify dr.example.org::gv2
  georep backup --help

{TABLE}
`georep COMMAND --help` says where a command uses fewer of them, or others.")
)]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at everything a backup relies on, and say how to mend what is not as it should be
    Doctor(DoctorArgs),
    /// Back up running VMs: snapshot, checkpoint, compare, put the VMs back
    Backup(Box<BackupArgs>),
    /// Run the backup that a file describes, as the timer does
    Job(JobArgs),
    /// Show what past runs did
    Runs(RunsArgs),
    /// Show what the workers of every session do, bricks without a worker included
    Status(StatusArgs),
    /// Hold the copy at the secondary against what a backup recorded
    Verify(VerifyArgs),
    /// Copy VMs out of the secondary and define them, with the primary gone
    Restore(RestoreArgs),
    /// Boot the copies on the secondary, isolated and on throw-away images, and say what came up
    Rehearse(RehearseArgs),
    /// Put right what runs have left that were killed
    Recover(RecoverArgs),
    /// Drop this tool's old internal snapshots and manifests
    Prune(PruneArgs),
    /// Show what qcow2 images hold, and whether they are sound, without qemu-img
    Inspect(InspectArgs),
    /// Run geo-replication to a checkpoint and stop it (replaces `schedule_georep.py`)
    Schedule(ScheduleArgs),
    /// Print what a shell needs to complete commands and options
    Completions(CompletionsArgs),
    /// Print or write the manual pages
    Man(ManArgs),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_help_of_every_command_has_an_example_and_its_exit_codes() {
        let georep = Cli::command();
        for command in std::iter::once(&georep).chain(georep.get_subcommands()) {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = help.contains("\nExamples:\n  ") || help.contains("\nExample:\n  ");
            assert!(example || help.starts_with("Example"), "{name}: {help}");
            assert!(help.contains(&format!("  georep {name} ")) || name == "georep", "{name}");
            assert!(help.contains("\nExit codes:\n  0 "), "{name}: {help}");
        }
    }
}
