//! How long something usually takes, from the runs that went well.

use std::path::Path;
use std::time::Duration;

use gluster_georep::Session;
use jiff::Timestamp;

use super::document::seconds;
use crate::journal::{Journal, Phase, newest_first};

/// How many of the newest runs count.
const RUNS: usize = 9;

/// How long a session usually runs to the checkpoint: the median of the newest runs that reached it.
pub(crate) fn copying(directory: &Path, session: &Session) -> Option<Duration> {
    let (primary, secondary) = (&session.primary, session.secondary.to_string());
    let runs = newest_first(directory, primary, &secondary);
    let mut newest: Vec<f64> = runs.filter_map(|run| copying_of(&run)).take(RUNS).collect();
    newest.sort_by(f64::total_cmp);
    Duration::try_from_secs_f64(*newest.get(newest.len() / 2)?).ok()
}

fn copying_of(run: &Journal) -> Option<f64> {
    let began = |phase| -> Option<Timestamp> {
        run.phases.iter().find(|since| since.what == phase).map(|since| since.at)
    };
    Some(seconds(began(Phase::Copying)?, began(Phase::Comparing)?))
}
