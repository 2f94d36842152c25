//! What `prune` takes.

use std::path::PathBuf;

use clap::Args;

use super::parse_keep;

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
  2  the command line was not understood
  6  a run is at work on a domain; the others were pruned")]
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
