//! The command line: what can be asked for. Nothing here does anything.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gluster_georep::Secondary;
use serde::{Deserialize, Serialize};

use crate::exit_code::TABLE;
use crate::rehearse::Sign;
use crate::run_name::RunName;
use crate::status::State;

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
    Backup(BackupArgs),
    /// Hold the copy at the secondary against what a backup recorded
    Verify(VerifyArgs),
    /// Show what qcow2 images hold, and whether they are sound, without qemu-img
    Inspect(InspectArgs),
    /// Put right what runs have left that were killed
    Recover(RecoverArgs),
    /// Drop this tool's old internal snapshots and manifests
    Prune(PruneArgs),
    /// Copy VMs out of the secondary and define them, with the primary gone
    Restore(RestoreArgs),
    /// Boot the copies on the secondary, isolated and on throw-away images, and say what came up
    Rehearse(RehearseArgs),
}

/// `schedule_georep PRIMARYVOL SECONDARY SECONDARYVOL`: `georep schedule` under the script's name.
#[derive(Debug, Parser)]
#[command(name = "schedule_georep", version, infer_long_args = true)]
pub(crate) struct ScheduleGeorep {
    /// The script's own options.
    #[command(flatten)]
    pub args: ScheduleArgs,
}

/// What `schedule` takes: the script's options, and `--rollover`.
#[derive(Debug, Args)]
#[command(
    about = "Run geo-replication to a checkpoint and stop it (replaces `schedule_georep.py`)",
    args_override_self = true,
    after_help = "\
Example:
  georep schedule gv1 dr.example.org gv2 --timeout 120

Exit codes:
  0    every replica set has reached the checkpoint, and what was written before has arrived;
       the session is stopped
  1    timed out, hopeless or interrupted, or what was written before has not arrived
  2    the command line was not understood
  255  a command failed, or another run holds the lock of this session"
)]
pub(crate) struct ScheduleArgs {
    /// Primary volume name
    #[arg(value_name = "PRIMARYVOL")]
    pub primary: String,
    /// Host of the secondary volume, with the user of the session where that is not root
    #[arg(value_name = "[USER@]SECONDARY")]
    pub secondary: String,
    /// Secondary volume name
    #[arg(value_name = "SECONDARYVOL")]
    pub secondary_volume: String,
    /// Longest wait between two status checks, in seconds
    #[arg(long, value_name = "SEC", default_value_t = 10)]
    pub interval: u64,
    /// Stop where the checkpoint is not complete after this many minutes; 0 waits on
    #[arg(long, value_name = "MIN", default_value_t = 0)]
    pub timeout: u64,
    /// Do not colour the output
    #[arg(long)]
    pub no_color: bool,
    /// Where changelog.rollover-time is longer than this, have the bricks close their changelogs
    #[arg(long, value_name = "SEC")]
    pub rollover: Option<u64>,

    /// Leave the session running, paused or stopped as it was found, instead of stopped
    #[arg(long)]
    pub restore_session: bool,
}

/// What `status` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
PENDING is entry operations / files with data / files with attributes that are not synced yet;
FAILED is files that could not be synced.

Examples:
  georep status
  georep status gv1 dr.example.org::gv2 --watch
  georep status --state faulty --state offline --json

Exit codes:
  0  every brick has a worker, and none of them is faulty; sessions may be stopped or paused
  1  gluster could not be asked, or there is no such session
  2  the command line was not understood
  3  a worker is faulty, offline or in an unclear state, in any of the sessions")]
pub(crate) struct StatusArgs {
    /// Primary volume name [default: all]
    #[arg(value_name = "PRIMARYVOL")]
    pub primary: Option<String>,
    /// The secondary volume of the session [default: all]
    #[arg(value_name = "[USER@]HOST::VOL")]
    pub secondary: Option<Secondary>,
    /// Show workers in this state only; can be repeated
    #[arg(long, value_enum)]
    pub state: Vec<State>,
    /// Print one line of JSON on stdout, an array of all sessions
    #[arg(long)]
    pub json: bool,
    /// Ask again every so many seconds, and redraw in place
    #[arg(
        long, value_name = "SEC", num_args = 0..=1, require_equals = true, default_missing_value = "5",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub watch: Option<u64>,
    /// Do not colour the output
    #[arg(long)]
    pub no_color: bool,
}

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
    /// Show what would be done to each disk, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

/// What `recover` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Finishes what a run has left that was killed, or could not put everything back: merges overlays back
and deletes them, deletes the snapshots of copies that were not proven, thaws guests, and leaves the
session as it was found. What is to be done it asks libvirt; what is not known to be this tool's it
leaves alone. Every backup does the same first, and a unit of systemd does it at boot.

Examples:
  georep recover --dry-run
  georep recover

Exit codes:
  0  nothing is left
  1  failed; nothing is known to be left
  2  the command line was not understood
  5  something is still left; the message says what and where
  6  a run is at work")]
pub(crate) struct RecoverArgs {
    /// Another libvirt in which to look for domains that were migrated; can be repeated
    #[arg(long, value_name = "URI")]
    pub connect: Vec<String>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

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
}

/// What `inspect` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads header and snapshot table. An image is
  valid     where nothing is wrong with them
  damaged   where QEMU opens it, but something is wrong, such as a table past the end of the file
  rejected  where QEMU does not open it
Whether all data is in its place only `qemu-img check` can say.

Examples:
  georep inspect /vm/*.qcow2
  georep inspect --json /vm/web.qcow2

Exit codes:
  0  all images are valid
  1  an image could not be read
  2  the command line was not understood
  4  an image is damaged or rejected")]
pub(crate) struct InspectArgs {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<PathBuf>,
    /// Print a JSON array on stdout, one object an image, with the names of `qemu-img info`
    #[arg(long)]
    pub json: bool,
}

/// What `prune` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Deletes the internal snapshots that `georep backup --method internal` left in the images, but for the
newest of each domain, and the manifests of all but the newest runs. What has any other name than
`georep-<UTC time>` is left alone.

Example:
  georep prune --pool /vm --keep 3

Exit codes:
  0  done
  1  a snapshot could not be deleted, or libvirt not be asked
  2  the command line was not understood")]
pub(crate) struct PruneArgs {
    /// Directory that holds the images
    #[arg(long, value_name = "DIR")]
    pub pool: PathBuf,
    /// How many snapshots each domain keeps, at least 1
    #[arg(long, value_name = "N", value_parser = parse_keep)]
    pub keep: usize,
    /// libvirt connection, local or remote; can be repeated [default: libvirt's own]
    #[arg(long, value_name = "URI")]
    pub connect: Vec<String>,
    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    pub dry_run: bool,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    /// Not at all: the checkpoint alone is believed
    None,
    /// The manifest byte for byte; each image's size, header, snapshots, tables and random clusters
    Quick,
    /// Also `qemu-img check` (external method)
    Check,
    /// Also every allocated byte
    Full,
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
        f.write_str(match self {
            Self::Quick => "quick",
            Self::Check => "check",
            Self::Full => "full",
        })
    }
}

/// What `restore` takes.
#[derive(Debug, Args)]
#[command(after_help = format!("\
Works at the other site alone, with the primary gone. The images are copied out of the secondary, which
is only read, compared with the run's manifest, and the domains are defined on the copies; they are not
started. Of a run with the internal method the disks are as they were at its snapshot, without the
memory: the domain starts as after a power cut at that moment.

Examples:
  mount -t glusterfs -o ro dr:/gv2 /mnt/gv2
  georep restore --path /mnt/gv2 --to /var/lib/libvirt/images --dry-run
  georep restore --path /mnt/gv2 --to /var/lib/libvirt/images --domain web

{AT_THE_OTHER_SITE}"))]
pub(crate) struct RestoreArgs {
    /// The pool on the mounted secondary volume: the directory that holds `.georep` and the images
    #[arg(long, value_name = "DIR")]
    pub path: PathBuf,
    /// The run to restore [default: the newest]
    #[arg(long, value_name = "NAME", value_parser = parse_run)]
    pub run: Option<String>,
    /// Restore this domain only; can be repeated [default: all of the run]
    #[arg(long, value_name = "NAME")]
    pub domain: Vec<String>,
    /// Directory that the images are copied into; it is made where it is not there
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// libvirt connection [default: libvirt's own]
    #[arg(long, value_name = "URI")]
    pub connect: Option<String>,
    /// Print the commands that would do it, for a shell, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as one JSON document on stdout
    #[arg(long, conflicts_with = "dry_run")]
    pub json: bool,
}

/// What `rehearse` takes.
#[derive(Debug, Args)]
#[command(after_help = format!("\
Boots each domain of a run on throw-away images on top of what the secondary holds, which is only
read, without network, host devices or shared folders, and waits for a sign of life. What was there is
told, and everything is removed again.

A sign is one of
  agent        the QEMU guest agent answers
  serial:TEXT  TEXT stands on a serial port or console of the guest
  running:SEC  the guest runs for so long and has not been reset or switched off
The default is `agent` where the domain has the agent's channel, else `running:60`.

Example:
  georep rehearse --path /mnt/gv2 --sign serial:login:

{AT_THE_OTHER_SITE}"))]
pub(crate) struct RehearseArgs {
    /// The pool on the mounted secondary volume: the directory that holds `.georep` and the images
    #[arg(long, value_name = "DIR")]
    pub path: PathBuf,
    /// The run to rehearse [default: the newest]
    #[arg(long, value_name = "NAME", value_parser = parse_run)]
    pub run: Option<String>,
    /// Rehearse this domain only; can be repeated [default: all of the run]
    #[arg(long, value_name = "NAME")]
    pub domain: Vec<String>,
    /// The sign of life to wait for
    #[arg(long, value_name = "SIGN")]
    pub sign: Option<Sign>,
    /// How long the sign may take to come, in seconds
    #[arg(long, value_name = "SEC", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// libvirt connection, to this machine [default: libvirt's own]
    #[arg(long, value_name = "URI")]
    pub connect: Option<String>,
    /// Directory for what the guests write meanwhile
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    pub work_dir: PathBuf,
    /// Print the result as one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

/// How `restore` and `rehearse` end.
const AT_THE_OTHER_SITE: &str = "\
Exit codes:
  0  done: all restored, or all came up
  1  failed; nothing has changed
  2  the command line was not understood
  4  the copy is not as recorded, or a domain did not come up
  5  something was left behind that needs a person; the message says what and where";
