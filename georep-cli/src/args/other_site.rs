//! What `restore` and `rehearse` take.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::{ProgressArgs, parse_run};
use crate::rehearse::Sign;

/// What `restore` takes.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("place").args(["to", "in_place"]).required(true)))]
#[command(after_help = format!("\
Works at the other site alone, with the primary gone. The images are copied out of the secondary, which
is only read, compared with the run's manifest, and the domains are defined on the copies; they are not
started. Of a run with the internal method the disks are as they were at its snapshot, without the
memory: the domain starts as after a power cut at that moment.

With --in-place, to fail over, nothing is copied: the domains of a run with the external method are
defined on the images where they lie, and write to them once they are started.

Examples:
  mount -t glusterfs -o ro dr:/gv2 /mnt/gv2
  georep restore --path /mnt/gv2 --to /var/lib/libvirt/images --dry-run
  georep restore --path /mnt/gv2 --to /var/lib/libvirt/images --domain web
  georep restore --path /vm --in-place

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
    pub to: Option<PathBuf>,
    /// Define the domains on the images where they lie, and copy nothing
    #[arg(long)]
    pub in_place: bool,
    /// libvirt connection [default: libvirt's own]
    #[arg(long, value_name = "URI")]
    pub connect: Option<String>,
    /// Print the commands that would do it, for a shell, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as one JSON document on stdout
    #[arg(long, conflicts_with = "dry_run")]
    pub json: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
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
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// How `restore` and `rehearse` end.
const AT_THE_OTHER_SITE: &str = "\
Exit codes:
  0  done: all restored, or all came up
  1  failed; nothing has changed
  2  the command line was not understood
  4  the copy is not as recorded, or a domain did not come up
  5  something was left behind that needs a person; the message says what and where";
