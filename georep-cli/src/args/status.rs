//! What `status` takes.

use clap::Args;
use gluster_georep::Secondary;
use jiff::{SignedDuration, Span, SpanRelativeTo};

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
  georep status gv1 --max-age 26h

Exit codes:
  0  every brick has a worker, and none of them is faulty; sessions may be stopped or paused
  1  gluster could not be asked, there is no such session, or a proven copy is older than --max-age
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
    /// Fail where the newest proven copy of a session that backups of this host have made is older,
    /// or there is none: 26h, 90m, 2d
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub max_age: Option<SignedDuration>,
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

/// `26h`, `90m`, `1d 12h`; a day has 24 hours.
fn parse_age(text: &str) -> Result<SignedDuration, String> {
    let span: Span =
        text.parse().map_err(|_| "an age is written as in 26h, 90m or 2d".to_owned())?;
    let age = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "an age is counted in days, hours, minutes or seconds".to_owned())?;
    if age.is_positive() { Ok(age) } else { Err("an age is more than nothing".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_read_as_people_write_it() {
        let hours = |text: &str| parse_age(text).map(|age| age.as_hours());
        assert_eq!(["26h", "90m", "2d", "1d 12h"].map(hours), [26, 1, 48, 36].map(Ok));
        for wrong in ["26", "-1h", "0s", "2 months", "soon", ""] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }
}
