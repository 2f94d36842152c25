//! What `runs` takes.

use clap::{Args, Subcommand};

use super::parse_run;

/// What `runs` takes.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
RESULT is `done`, `failed` with the exit code, `running`, `killed` (`georep recover` puts it back),
`left` (it could not put everything back; `georep recover` tries again), or `recovered`. PROVEN is how
the copy was compared, or `no`.

The runs are those of this host, from /var/lib/georep/runs; the newest 1,000 are remembered.

Examples:
  georep runs
  georep runs show
  georep runs show georep-20261124T093220Z
  georep runs --json

Exit codes:
  0  shown
  1  there is no such run, or a journal cannot be read
  2  the command line was not understood"
)]
pub(crate) struct RunsArgs {
    /// What to show instead of a list
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    /// Print one JSON document on stdout: an array of all runs
    #[arg(long)]
    pub json: bool,
}

/// What `runs` can show.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Show one run, with a picture of when each domain was paused and on overlays
    #[command(after_help = "\
Examples:
  georep runs show
  georep runs show georep-20261124T093220Z --json

Exit codes:
  0  shown
  1  there is no such run, or its journal cannot be read
  2  the command line was not understood")]
    Show {
        /// The run, as in georep-20261124T093220Z [default: the newest]
        #[arg(value_name = "RUN", value_parser = parse_run)]
        run: Option<String>,
        /// Print it as one JSON document on stdout
        #[arg(long)]
        json: bool,
    },
}
