//! What `backup` takes.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gluster_georep::Secondary;
use serde::{Deserialize, Serialize};

use super::{ProgressArgs, parse_keep};
use crate::exit_code::TABLE;
use crate::hooks::Hook;

/// What `backup` takes.
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  georep backup gv1 dr.example.org::gv2 --pool /vm --method external
  georep backup gv1 geo@dr::gv2 --pool /vm --method internal --domain web --domain db --timeout 120

{TABLE}"))]
pub(crate) struct BackupArgs {
    /// Primary volume name
    #[arg(value_name = "PRIMARYVOL")]
    pub primary: String,
    /// The secondary volume of the session
    #[arg(value_name = "[USER@]HOST::VOL")]
    pub secondary: Secondary,
    /// Directory on the mounted primary volume that holds the images
    #[arg(long, value_name = "DIR")]
    pub pool: PathBuf,
    /// How the images are made to stand still
    #[arg(long, value_enum)]
    pub method: Method,
    /// Back up this domain only; can be repeated [default: all with a disk in the pool]
    #[arg(long, value_name = "NAME")]
    pub domain: Vec<String>,
    /// Leave this domain out; can be repeated
    #[arg(long, value_name = "NAME")]
    pub exclude: Vec<String>,
    /// libvirt connection, local or remote; can be repeated [default: libvirt's own]
    #[arg(long, value_name = "URI")]
    pub connect: Vec<String>,
    /// Whether the guests' file systems are frozen, by their agents, while overlays are made
    #[arg(long, value_enum, default_value_t = Quiesce::Try)]
    pub quiesce: Quiesce,
    /// What each disk's merge may read and write, in MiB/s [default: no limit]
    #[arg(long, value_name = "MIB")]
    pub bandwidth: Option<NonZeroU32>,
    /// Give up waiting for a merge that comes no nearer to its end for this many minutes, as where
    /// the guest writes faster; it goes on, and `georep recover` finishes it; 0 waits on
    #[arg(long, value_name = "MIN", default_value_t = 30)]
    pub merge_timeout: u64,
    /// Directory for the overlays [default: beside each image]
    #[arg(long, value_name = "DIR")]
    pub overlay_dir: Option<PathBuf>,
    /// Give up waiting for the checkpoint after this many minutes; 0 waits on
    #[arg(long, value_name = "MIN", default_value_t = 0)]
    pub timeout: u64,
    /// Where changelog.rollover-time is longer than this, have the bricks close their changelogs
    #[arg(long, value_name = "SEC")]
    pub rollover: Option<u64>,
    /// How thoroughly what arrived is compared
    #[arg(long, value_enum, default_value_t = Level::Quick)]
    pub verify: Level,
    /// Once the copy is proven, keep the manifests of this many runs, and of each domain this many
    /// snapshots of theirs [default: all]
    #[arg(long, value_name = "N", value_parser = parse_keep)]
    pub keep: Option<usize>,
    /// Write metrics of the run, in Prometheus' text format, to this file of the node exporter's
    /// textfile collector
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
    /// Run this program when the backup has succeeded, with its result as JSON on standard input
    #[arg(long, value_name = "COMMAND")]
    pub on_success: Option<Hook>,
    /// Run this program when the backup has failed, with its result as JSON on standard input
    #[arg(long, value_name = "COMMAND")]
    pub on_failure: Option<Hook>,
    /// Show what would be done to each disk, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as one JSON document on stdout
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// How images are made to stand still while they are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    /// Overlays take the guests' writes while the images are copied, and are merged back after
    External,
    /// Snapshots inside the images, memory included; the guests pause while they are taken
    Internal,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::External => "external",
            Self::Internal => "internal",
        })
    }
}

impl From<Method> for qcow2_snap::plan::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::External => Self::External,
            Method::Internal => Self::Internal,
        }
    }
}

/// Whether the guests' file systems are frozen while their disks are put on overlays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Quiesce {
    /// They must be: the backup ends where a guest cannot be frozen
    Require,
    /// They are where the guest can; else the copy is as after a power failure, with a warning
    Try,
    /// They are not: the copy is as after a power failure
    Never,
}

impl From<Quiesce> for qcow2_snap::external::Quiesce {
    fn from(quiesce: Quiesce) -> Self {
        match quiesce {
            Quiesce::Require => Self::Require,
            Quiesce::Try => Self::Try,
            Quiesce::Never => Self::Never,
        }
    }
}

/// How thoroughly a copy is compared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// Not at all: the checkpoint alone is believed
    #[default]
    None,
    /// The manifest byte for byte; each image's size, header, snapshots, tables and random clusters
    Quick,
    /// Also `qemu-img check` (external method)
    Check,
    /// Also every allocated byte
    Full,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Quick => "quick",
            Self::Check => "check",
            Self::Full => "full",
        })
    }
}
