//! What `job` takes.

use std::path::PathBuf;

use clap::Args;

use crate::exit_code::TABLE;

/// What `job` takes.
#[derive(Debug, Args)]
#[command(after_help = format!("\
Runs `georep backup` as a file in TOML says. Its keys are `primary`, `secondary`, and the long options of
`georep backup`. What can be repeated there is a list here; what takes no value is true or false.

  primary = \"gv1\"
  secondary = \"dr.example.org::gv2\"
  pool = \"/vm\"
  method = \"external\"
  timeout = 120
  exclude = [\"scratch\", \"test\"]

The unit georep-backup@gv1.service runs the job in /etc/georep/gv1.toml, and georep-backup@gv1.timer does so
every night.

Examples:
  georep job /etc/georep/gv1.toml --dry-run
  georep job /etc/georep/gv1.toml

{TABLE}
A file that is not understood is a command line that is not understood."))]
pub(crate) struct JobArgs {
    /// The file that describes the backup
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Show what would be done to each disk, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}
