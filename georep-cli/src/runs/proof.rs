//! How old the newest proven copy of a session is.

use std::path::Path;

use jiff::Timestamp;

use crate::args::{Level, Method};
use crate::journal::{Journal, Phase, newest_first};

/// A copy that was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProvenCopy {
    /// The run that made it.
    pub run: String,
    /// The copy is no older than this: it was proven later, but shows the images as they were then.
    pub of: Timestamp,
    /// How thoroughly it was compared.
    pub level: Level,
    /// A later run that began to copy and proved nothing. Where the copy is the images themselves,
    /// it is most likely no more.
    pub overwritten_by: Option<String>,
}

/// The newest proven copy from `primary` to `secondary` that the journals in `directory` know of.
/// What cannot be read proves nothing.
pub(crate) fn newest(directory: &Path, primary: &str, secondary: &str) -> Option<ProvenCopy> {
    newest_of(newest_first(directory, primary, secondary))
}

/// The newest proven copy of runs of one session, of which the newest comes first.
fn newest_of(newest_first: impl Iterator<Item = Journal>) -> Option<ProvenCopy> {
    let mut overwriting = None;
    for run in newest_first {
        if run.is_proven() {
            // Snapshots inside the images stay what they are.
            let overwritten_by = overwriting.filter(|_| run.method == Method::External);
            let (of, level) = (run.began, run.verify);
            return Some(ProvenCopy { run: run.run, of, level, overwritten_by });
        }
        if run.has_reached(Phase::Copying) {
            overwriting = Some(run.run);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::Exit;
    use crate::journal::remember;
    use crate::journal::tests::journal;

    #[test]
    fn only_a_proven_copy_of_this_session_counts() {
        let run = |name: &str, second, proven| {
            let began = Timestamp::from_second(second).unwrap();
            let mut run = Journal { began, ..journal(name) };
            if proven {
                run.begin(Phase::Proven);
            }
            run
        };
        let mut failed = run("georep-4", 40, false);
        failed.end_now(Exit::Locked, "busy".to_owned());
        let other = Journal { primary: "gv9".to_owned(), ..run("georep-5", 50, true) };
        let directory = tempfile::tempdir().unwrap();
        let newest = || newest(directory.path(), "gv1", "geo@dr::gv2");
        assert_eq!(newest(), None);
        for run in [run("georep-3", 30, true), run("georep-2", 20, true), failed, other] {
            remember(directory.path(), &run).unwrap();
        }
        let newest = newest().unwrap();
        assert_eq!((newest.run.as_str(), newest.of.as_second()), ("georep-3", 30));
        assert_eq!(newest.overwritten_by, None);
    }

    #[test]
    fn a_run_that_fails_while_it_copies_overwrites_an_external_copy_and_no_snapshot() {
        for (method, overwritten_by) in
            [(Method::External, Some("georep-2".to_owned())), (Method::Internal, None)]
        {
            let mut proven = Journal { method, ..journal("georep-1") };
            proven.begin(Phase::Proven);
            let mut failed = Journal { began: Timestamp::MAX, ..journal("georep-2") };
            failed.begin(Phase::Copying);
            let newest = newest_of([failed, proven].into_iter()).unwrap();
            assert_eq!((newest.run.as_str(), newest.overwritten_by), ("georep-1", overwritten_by));
        }
    }
}
