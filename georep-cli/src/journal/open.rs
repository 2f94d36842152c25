//! A journal that is being written: every change is on disk when the call returns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Copied, DomainEntry, Ended, Journal, Phase, Step};
use crate::atomic_file;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::journal::history::files;

/// The journal of a run that has not ended. Many threads may write to it.
#[derive(Debug)]
pub(crate) struct OpenJournal {
    path: PathBuf,
    journal: Mutex<Journal>,
}

/// The journals in `directory` of runs that have not ended, oldest first, each or why it cannot be
/// read.
///
/// # Errors
/// Where the directory cannot be read; not where there is none.
pub(crate) fn unfinished(directory: &Path) -> Result<Vec<Result<OpenJournal, CliError>>, CliError> {
    let open = |path: PathBuf| match Journal::load(&path) {
        Ok(journal) if journal.ended.is_some() => None,
        Ok(journal) => Some(Ok(OpenJournal::resume(path, journal))),
        Err(error) => Some(Err(error)),
    };
    Ok(files(directory)?.into_iter().filter_map(open).collect())
}

impl OpenJournal {
    /// Begins a journal in `directory`.
    ///
    /// # Errors
    /// Where it cannot be written, or a run of that name has one already.
    pub(crate) fn begin(directory: &Path, journal: Journal) -> Result<Self, CliError> {
        let path = journal.create_in(directory)?;
        Ok(Self::resume(path, journal))
    }

    /// The journal at `path`, which says this, to be written on.
    fn resume(path: PathBuf, journal: Journal) -> Self {
        Self { path, journal: Mutex::new(journal) }
    }

    /// What it says now.
    pub(crate) fn read(&self) -> Journal {
        self.lock().clone()
    }

    /// Writes down what the run is at.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn phase(&self, phase: Phase) -> Result<(), CliError> {
        self.write(|journal| journal.begin(phase))
    }

    /// Writes down what is about to be done to a domain.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn step(&self, uuid: &str, step: Step) -> Result<(), CliError> {
        self.domain(uuid, |domain| domain.begin(step))
    }

    /// Writes down what was copied, and how that compares.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn copied(&self, copied: Copied) -> Result<(), CliError> {
        self.write(|journal| journal.copied = Some(copied))
    }

    /// Writes down more about a domain.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn domain(
        &self,
        uuid: &str,
        change: impl FnOnce(&mut DomainEntry),
    ) -> Result<(), CliError> {
        self.write(|journal| {
            if let Some(domain) = journal.domains.iter_mut().find(|domain| domain.uuid == uuid) {
                change(domain);
            }
        })
    }

    /// Writes down how many workers are in which state.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn workers(&self, workers: BTreeMap<String, usize>) -> Result<(), CliError> {
        self.write(|journal| journal.workers = workers)
    }

    /// Writes down what could not be put back, and is for recovery.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn left_behind(&self, left: &[String]) -> Result<(), CliError> {
        self.write(|journal| journal.left_behind = left.to_vec())
    }

    /// Writes down how the run ended: nothing of it is to be put back any more.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn end(&self, exit: Option<Exit>, error: Option<String>) -> Result<(), CliError> {
        let ended = Ended::now(exit, error);
        self.write(|journal| journal.ended = Some(ended))?;
        atomic_file::clear(&self.path)
            .map_err(|error| CliError::io("clean up after the journal", &self.path, error))
    }

    fn write(&self, change: impl FnOnce(&mut Journal)) -> Result<(), CliError> {
        // Held while it is written, so that what is newer is never replaced by what is older.
        let mut journal = self.lock();
        change(&mut journal);
        journal.save(&self.path)
    }

    /// A thread that panicked has left it whole: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::journal;
    use super::super::{Since, VERSION};
    use super::*;

    #[test]
    fn what_was_written_is_found_until_the_run_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let runs = directory.path().join("runs");
        assert!(unfinished(&runs).unwrap().is_empty());
        let open = OpenJournal::begin(&runs, journal("georep-1")).unwrap();
        OpenJournal::begin(&runs, journal("georep-1")).unwrap_err();
        for step in [Step::Freezing, Step::Overlaying, Step::Overlaying] {
            open.step("u", step).unwrap();
        }
        open.domain("u", |domain| domain.overlays[0].inode = Some(7)).unwrap();
        open.phase(Phase::Copying).unwrap();

        let found = unfinished(&runs).unwrap().remove(0).unwrap();
        let journal = found.read();
        assert_eq!(journal, open.read());
        assert_eq!((journal.phase, journal.domains[0].step), (Phase::Copying, Step::Overlaying));
        let begun = |steps: &[Since<Step>]| steps.iter().map(|step| step.what).collect::<Vec<_>>();
        assert_eq!(begun(&journal.domains[0].steps), [Step::Freezing, Step::Overlaying]);
        assert_eq!(journal.domains[0].overlays()[0].inode, Some(7));
        assert_eq!(journal.session().unwrap().to_string(), "gv1 → geo@dr::gv2");

        found.end(Some(Exit::Done), None).unwrap();
        assert!(unfinished(&runs).unwrap().is_empty());
    }

    #[test]
    fn a_broken_journal_keeps_no_other_from_being_found() {
        let directory = tempfile::tempdir().unwrap();
        OpenJournal::begin(directory.path(), journal("georep-2")).unwrap();
        fs::write(directory.path().join("georep-1.json"), "{\"version\": 1").unwrap();
        fs::write(directory.path().join(".tmpx"), "half").unwrap();
        let newer = Journal { version: VERSION + 1, ..journal("georep-3") };
        OpenJournal::begin(directory.path(), newer).unwrap();
        let found = unfinished(directory.path()).unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|journal| journal.map(|journal| journal.read().run).map_err(|e| e.to_string()))
            .collect();
        assert!(found[0].as_ref().unwrap_err().contains("georep-1.json"), "{found:?}");
        assert_eq!(found[1].as_deref(), Ok("georep-2"));
        assert!(found[2].as_ref().unwrap_err().contains("version 2"), "{found:?}");
        assert_eq!(found.len(), 3);
    }
}
