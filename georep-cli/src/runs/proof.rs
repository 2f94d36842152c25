//! How old the newest proven copy of a session is.

use std::path::Path;

use jiff::Timestamp;

use crate::args::{Level, Method};
use crate::journal::{self, Journal, Phase};

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
    let journals = journal::all(directory).into_iter().flatten().flatten();
    newest_of(journals.collect(), primary, secondary)
}

fn newest_of(mut runs: Vec<Journal>, primary: &str, secondary: &str) -> Option<ProvenCopy> {
    runs.retain(|run| run.primary == primary && run.secondary == secondary);
    runs.sort_by_key(|run| run.began);
    let (older, later) = runs.split_at(runs.iter().rposition(Journal::is_proven)? + 1);
    let newest = older.last()?;
    // Snapshots inside the images stay what they are.
    let is_exposed = newest.method == Method::External;
    let overwriting = later.iter().find(|run| is_exposed && run.has_reached(Phase::Copying));
    Some(ProvenCopy {
        run: newest.run.clone(),
        of: newest.began,
        level: newest.verify,
        overwritten_by: overwriting.map(|run| run.run.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::Exit;
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
        let all = vec![run("georep-3", 30, true), run("georep-2", 20, true), failed, other];
        let newest = newest_of(all, "gv1", "geo@dr::gv2").unwrap();
        assert_eq!((newest.run.as_str(), newest.of.as_second()), ("georep-3", 30));
        assert_eq!(newest.overwritten_by, None);
        assert_eq!(newest_of(Vec::new(), "gv1", "geo@dr::gv2"), None);
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
            let newest = newest_of(vec![failed, proven], "gv1", "geo@dr::gv2").unwrap();
            assert_eq!((newest.run.as_str(), newest.overwritten_by), ("georep-1", overwritten_by));
        }
    }
}
