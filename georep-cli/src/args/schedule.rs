//! What `schedule` takes, also under the script's name.

use clap::{Args, Parser};

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
