//! What `status` takes.

use clap::Args;
use gluster_georep::Secondary;

use crate::status::State;

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
