//! What `inspect` takes.

use std::path::PathBuf;

use clap::Args;

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
