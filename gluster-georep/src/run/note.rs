//! What a run has to put back, in a file: a run that is killed cannot, and the next one does.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, SessionState};

/// The version of the file's shape.
const VERSION: u32 = 1;

/// What a run wrote down before it changed anything, at [`RunOptions::note`]: a JSON file, for the
/// next run and for whoever looks after one that was killed.
///
/// [`RunOptions::note`]: crate::RunOptions::note
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Note {
    version: u32,
    /// The session, as `primary → [user@]host::volume`.
    pub session: String,
    /// The id of the process that ran.
    pub process: u32,
    /// When it began.
    pub began: Timestamp,
    /// The state the session was found in.
    pub before: SessionState,
    /// The volume option it has changed, or was about to.
    pub rollover: Option<ChangedRollover>,
}

/// A `changelog.rollover-time` that a run has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedRollover {
    /// What the option was set to before, in gluster's form; `None` where it had its default.
    pub found: Option<String>,
    /// What the run has set it to, in seconds.
    pub set: String,
}

impl Note {
    pub(super) fn new(session: String, before: SessionState) -> Self {
        let (process, began) = (std::process::id(), Timestamp::now());
        Self { version: VERSION, session, process, began, before, rollover: None }
    }

    /// Reads the note that a run has left at `path`, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, is none, or is of another version of this crate.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| failed("read", path, error))?,
        };
        let note: Self =
            serde_json::from_slice(&text).map_err(|error| failed("read", path, error.into()))?;
        if note.version == VERSION {
            return Ok(Some(note));
        }
        let unknown = format!("it is of version {}, and not of {VERSION}", note.version);
        Err(failed("read", path, io::Error::new(io::ErrorKind::InvalidData, unknown)))
    }

    /// Writes it to `path`, whole or not at all, and to the disk.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let directory = path.parent().unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            fs::create_dir_all(directory)?;
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|error| failed("write", path, error))
    }
}

/// Removes the note at `path`, if there is one.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

fn failed(tried: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { tried, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_until_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/note.json");
        assert_eq!(Note::read(&path).unwrap(), None);
        let mut note = Note::new("gv1 → dr::gv2".to_owned(), SessionState::Paused);
        note.rollover = Some(ChangedRollover { found: None, set: "2".to_owned() });
        note.write(&path).unwrap();
        assert_eq!(Note::read(&path).unwrap(), Some(note));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(Note::read(&path).unwrap(), None);
    }

    #[test]
    fn what_is_no_note_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("note.json");
        for text in ["", "{\"version\": 1", "[]"] {
            fs::write(&path, text).unwrap();
            let error = Note::read(&path).unwrap_err().to_string();
            assert!(error.contains("note.json"), "{error}");
        }
    }
}
