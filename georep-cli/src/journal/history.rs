//! The journals of runs that have ended: what past runs did.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gluster_georep::Session;
use jiff::Timestamp;

use super::{Ended, Journal, Phase, VERSION};
use crate::args::BackupArgs;
use crate::atomic_file;
use crate::error::CliError;
use crate::exit_code::Exit;

/// How many runs are remembered: almost three years of nights.
const REMEMBERED: usize = 1000;

/// The journals in `directory`, oldest first, each or why it cannot be read.
///
/// # Errors
/// Where the directory cannot be read; not where there is none.
pub(crate) fn all(directory: &Path) -> Result<Vec<Result<Journal, CliError>>, CliError> {
    Ok(files(directory)?.iter().map(|path| Journal::load(path)).collect())
}

/// The runs of a session that `directory` knows of, newest first, each read when it is asked for.
/// What cannot be read is left out.
pub(crate) fn newest_first(
    directory: &Path,
    primary: &str,
    secondary: &str,
) -> impl Iterator<Item = Journal> {
    let files = files(directory).unwrap_or_default().into_iter().rev();
    let runs = files.filter_map(|path| Journal::load(&path).ok());
    runs.filter(move |run| run.primary == primary && run.secondary == secondary)
}

/// Writes down a run that has ended, and had no journal while it was at work.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn remember(directory: &Path, ended: &Journal) -> Result<(), CliError> {
    ended.create_in(directory).map(drop)
}

/// Deletes the journals of the oldest runs that have ended, where there are very many.
///
/// # Errors
/// Where one cannot be deleted.
pub(crate) fn drop_old(directory: &Path) -> Result<(), CliError> {
    let files = files(directory)?;
    let old = files.iter().rev().skip(REMEMBERED);
    // What cannot be read may be anything, and what has not ended is for recovery.
    for path in old.filter(|path| Journal::load(path).is_ok_and(|old| old.ended.is_some())) {
        fs::remove_file(path).map_err(|error| CliError::io("delete the journal", path, error))?;
    }
    Ok(())
}

/// The files of the journals in `directory`, oldest first.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
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
    Ok(paths)
}

impl Journal {
    /// A run that has begun, and changed nothing yet.
    pub(crate) fn begun(
        run: String,
        args: &BackupArgs,
        session: &Session,
        pool: PathBuf,
        began: Timestamp,
    ) -> Self {
        Self {
            version: VERSION,
            run,
            method: args.method,
            primary: session.primary.clone(),
            secondary: session.secondary.to_string(),
            pool,
            process: std::process::id(),
            began,
            phase: Phase::Planning,
            phases: Vec::new(),
            verify: args.verify,
            copied: None,
            workers: BTreeMap::new(),
            domains: Vec::new(),
            left_behind: Vec::new(),
            ended: None,
        }
    }

    /// Has it end now, with nothing to be put back.
    pub(crate) fn end_now(&mut self, exit: Exit, error: String) {
        self.ended = Some(Ended::now(Some(exit), Some(error)));
    }

    /// Reads the journal at `path`.
    ///
    /// # Errors
    /// Where it cannot be read, or is of another version.
    pub(super) fn load(path: &Path) -> Result<Self, CliError> {
        let unusable = |source| CliError::io("read the journal", path, source);
        let text = fs::read(path).map_err(unusable)?;
        let journal: Self =
            serde_json::from_slice(&text).map_err(|error| unusable(error.into()))?;
        if journal.version != VERSION {
            let version = format!("it is of version {}, and not of {VERSION}", journal.version);
            return Err(unusable(io::Error::other(version)));
        }
        Ok(journal)
    }

    /// Writes the journal of a new run into `directory`, and returns its path.
    ///
    /// # Errors
    /// Where it cannot be written, or a run of that name has one already.
    pub(super) fn create_in(&self, directory: &Path) -> Result<PathBuf, CliError> {
        let path = Self::path_in(directory, &self.run);
        let unwritable = |source| CliError::io("begin the journal", &path, source);
        let text = serde_json::to_vec_pretty(self).map_err(|error| unwritable(error.into()))?;
        atomic_file::create(&path, &text).map_err(unwritable)?;
        Ok(path)
    }

    /// Writes the journal to `path`. It is on disk when this returns.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn save(&self, path: &Path) -> Result<(), CliError> {
        let unwritable = |source| CliError::io("write the journal", path, source);
        let text = serde_json::to_vec_pretty(self).map_err(|error| unwritable(error.into()))?;
        atomic_file::write(path, &text).map_err(unwritable)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::journal;
    use super::*;

    #[test]
    fn only_the_oldest_runs_that_have_ended_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        for number in 0..REMEMBERED + 3 {
            let run = format!("georep-{number:04}");
            let ended = (number != 1).then(|| Ended::now(Some(Exit::Done), None));
            let journal = Journal { ended, ..journal(&run) };
            fs::write(directory.join(format!("{run}.json")), serde_json::to_vec(&journal).unwrap())
                .unwrap();
        }
        fs::write(directory.join("georep-0002.json"), "{").unwrap();
        drop_old(directory).unwrap();
        let left: Vec<_> = files(directory).unwrap();
        let left: Vec<_> = left.iter().map(|path| path.file_stem().unwrap()).collect();
        assert_eq!(left.len(), REMEMBERED + 2);
        assert_eq!(&left[..3], ["georep-0001", "georep-0002", "georep-0003"]);
    }
}
