//! What `doctor` takes.

use std::path::PathBuf;

use clap::Args;
use gluster_georep::Secondary;

use super::Method;

/// What `doctor` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Looks at everything a backup relies on, and says how to mend what is not as it should be. Nothing is
changed: the secondary is mounted read-only for a moment, other nodes are asked over ssh. What cannot be
looked at is a warning. Without --method a domain is fine that one of the methods can copy.

Examples:
  georep doctor
  georep doctor gv1 dr.example.org::gv2 --pool /vm --method external

Exit codes:
  0  nothing keeps a backup from being made and proven; there may be warnings
  1  something does
  2  the command line was not understood")]
pub(crate) struct DoctorArgs {
    /// Primary volume name [default: those of all sessions]
    #[arg(value_name = "PRIMARYVOL")]
    pub primary: Option<String>,
    /// The secondary volume of the session [default: all sessions of the volume]
    #[arg(value_name = "[USER@]HOST::VOL")]
    pub secondary: Option<Secondary>,
    /// Directory on the mounted primary volume that holds the images [default: where it is mounted]
    #[arg(long, value_name = "DIR")]
    pub pool: Option<PathBuf>,
    /// How the images are to be made to stand still [default: either way]
    #[arg(long, value_enum)]
    pub method: Option<Method>,
    /// libvirt connection, local or remote; can be repeated [default: libvirt's own]
    #[arg(long, value_name = "URI")]
    pub connect: Vec<String>,
    /// Directory for the overlays [default: beside each image]
    #[arg(long, value_name = "DIR")]
    pub overlay_dir: Option<PathBuf>,
    /// Print the findings as one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}
