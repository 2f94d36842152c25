//! What `recover` takes.

use clap::Args;

use super::ProgressArgs;

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
    #[command(flatten)]
    pub progress: ProgressArgs,
}
