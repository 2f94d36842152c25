//! A journal that is being written: every change is on disk when the call returns.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{DomainEntry, Ended, Journal, Phase, Step, VERSION};
use crate::atomic_file;
use crate::error::CliError;
use crate::exit_code::Exit;

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
    let unreadable = |source| CliError::io("look for journals in", directory, source);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let paths: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(unreadable)?;
    // What has no such name is a file that is just being written, or was when its writer was killed.
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let open = |path: PathBuf| OpenJournal::open(path).transpose();
    Ok(paths.into_iter().filter_map(open).collect())
}

impl OpenJournal {
    /// Begins a journal in `directory`.
    ///
    /// # Errors
    /// Where it cannot be written, or a run of that name has one already.
    pub(crate) fn begin(directory: &Path, journal: Journal) -> Result<Self, CliError> {
        let path = Journal::path_in(directory, &journal.run);
        if path.exists() {
            let source = io::ErrorKind::AlreadyExists.into();
            return Err(CliError::io("begin the journal", &path, source));
        }
        let open = Self { path, journal: Mutex::new(journal) };
        open.write(|_| ())?;
        Ok(open)
    }

    /// Opens the journal at `path`; `None` where its run has ended.
    fn open(path: PathBuf) -> Result<Option<Self>, CliError> {
        let unusable = |source| CliError::io("read the journal", &path, source);
        let text = fs::read(&path).map_err(unusable)?;
        let journal: Journal =
            serde_json::from_slice(&text).map_err(|error| unusable(error.into()))?;
        if journal.version != VERSION {
            let version = format!("it is of version {}, and not of {VERSION}", journal.version);
            return Err(unusable(io::Error::other(version)));
        }
        let unfinished = journal.ended.is_none();
        Ok(unfinished.then(|| Self { path, journal: Mutex::new(journal) }))
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
        self.write(|journal| journal.phase = phase)
    }

    /// Writes down what is about to be done to a domain.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn step(&self, uuid: &str, step: Step) -> Result<(), CliError> {
        self.domain(uuid, |domain| domain.step = step)
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

    /// Writes down how the run ended: nothing of it is to be put back any more.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn end(&self, exit: Option<Exit>, error: Option<String>) -> Result<(), CliError> {
        let exit_code = exit.map(|exit| exit as u8);
        let ended = Ended { at: Timestamp::now(), exit_code, error };
        self.write(|journal| journal.ended = Some(ended))?;
        atomic_file::clear(&self.path)
            .map_err(|error| CliError::io("clean up after the journal", &self.path, error))
    }

    fn write(&self, change: impl FnOnce(&mut Journal)) -> Result<(), CliError> {
        let unwritable = |source| CliError::io("write the journal", &self.path, source);
        // Held while it is written, so that what is newer is never replaced by what is older.
        let mut journal = self.lock();
        change(&mut journal);
        let text = serde_json::to_vec_pretty(&*journal).map_err(|e| unwritable(e.into()))?;
        atomic_file::write(&self.path, &text).map_err(unwritable)
    }

    /// A thread that panicked has left it whole: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::OverlayEntry;
    use super::*;
    use crate::args::Method;

    fn journal(run: &str) -> Journal {
        let overlay = OverlayEntry {
            target: "vda".into(),
            base: "/vm/a.qcow2".into(),
            overlay: format!("/vm/a.{run}.qcow2").into(),
            inode: None,
            merge_begun: false,
        };
        let domain = DomainEntry {
            name: "web".into(),
            uuid: "u".into(),
            connect: None,
            running: true,
            step: Step::Planned,
            overlays: vec![overlay],
            images: Vec::new(),
        };
        Journal {
            version: VERSION,
            run: run.to_owned(),
            method: Method::External,
            primary: "gv1".into(),
            secondary: "geo@dr::gv2".into(),
            pool: "/vm".into(),
            process: 1,
            began: Timestamp::UNIX_EPOCH,
            phase: Phase::Taking,
            domains: vec![domain],
            ended: None,
        }
    }

    #[test]
    fn what_was_written_is_found_until_the_run_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let runs = directory.path().join("runs");
        assert!(unfinished(&runs).unwrap().is_empty());
        let open = OpenJournal::begin(&runs, journal("georep-1")).unwrap();
        OpenJournal::begin(&runs, journal("georep-1")).unwrap_err();
        open.step("u", Step::Overlaying).unwrap();
        open.domain("u", |domain| domain.overlays[0].inode = Some(7)).unwrap();
        open.phase(Phase::Copying).unwrap();

        let found = unfinished(&runs).unwrap().remove(0).unwrap();
        let journal = found.read();
        assert_eq!(journal, open.read());
        assert_eq!((journal.phase, journal.domains[0].step), (Phase::Copying, Step::Overlaying));
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
