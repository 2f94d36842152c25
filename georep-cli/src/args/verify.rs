//! What `verify` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gluster_georep::Secondary;

use super::{Level, ProgressArgs, parse_run};

/// What `verify` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs nothing but the secondary: the manifest that travelled with the images says what should be there.
The levels are those of `georep backup --verify`:
  quick  each image's size, header, snapshots, level-1 table and the 256 random pieces that were recorded
  check  also `qemu-img check`, of images whose copy is not a snapshot inside: around such a snapshot
         the image is as a running VM left it
  full   every byte of the copied state, its tables included; only of runs backed up with --verify full

The external method's next run overwrites the images of the run before: of such runs only the newest can
be verified. Internal snapshots stay, as long as `--keep` or `georep prune` leaves them.

Examples:
  georep verify dr.example.org::gv2
  georep verify --path /mnt/gv2/vm --level full --json

Exit codes:
  0  the copy is as recorded
  1  nothing can be said: there is no manifest, or the secondary cannot be mounted or read
  2  the command line was not understood
  4  the copy is not as recorded; each file is named, with offset or snapshot")]
pub(crate) struct VerifyArgs {
    /// The secondary volume; it is mounted read-only for the time being
    #[arg(
        value_name = "[USER@]HOST::VOL",
        required_unless_present = "path",
        conflicts_with = "path"
    )]
    pub secondary: Option<Secondary>,
    /// Directory that holds the images and `.georep`, such as the pool on a mounted secondary
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// How thoroughly the copy is compared
    #[arg(long, value_enum, default_value_t = VerifyLevel::Quick)]
    pub level: VerifyLevel,
    /// The run, as in georep-20261124T093220Z [default: the newest]
    #[arg(long, value_name = "NAME", value_parser = parse_run)]
    pub run: Option<String>,
    /// Print the result as one JSON document on stdout
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// How thoroughly `verify` compares: [`Level`], but for not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyLevel {
    /// Each image's size, header, snapshots, tables and random clusters
    Quick,
    /// Also `qemu-img check` (external method)
    Check,
    /// Also every allocated byte
    Full,
}

impl From<VerifyLevel> for Level {
    fn from(level: VerifyLevel) -> Self {
        match level {
            VerifyLevel::Quick => Self::Quick,
            VerifyLevel::Check => Self::Check,
            VerifyLevel::Full => Self::Full,
        }
    }
}

impl std::fmt::Display for VerifyLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Level::from(*self).fmt(f)
    }
}
