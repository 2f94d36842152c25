//! What a restore has made, and takes away again unless it came to its end.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::CliError;

/// Files and directories that were not there before. They go away with this, unless they are kept.
#[derive(Debug, Default)]
pub(super) struct Made {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Made {
    /// Makes `directory`, with all above it that is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn directory(&mut self, directory: &Path) -> Result<(), CliError> {
        let missing = directory.ancestors().take_while(|ancestor| !ancestor.exists());
        for directory in missing.collect::<Vec<_>>().into_iter().rev() {
            let made = fs::create_dir(directory);
            made.map_err(|source| CliError::io("make the directory", directory, source))?;
            self.directories.push(directory.to_owned());
        }
        Ok(())
    }

    /// Gives a finished file its name, where nothing has that name.
    ///
    /// # Errors
    /// Where something has.
    pub(super) fn name(&mut self, file: NamedTempFile, name: &Path) -> Result<(), CliError> {
        let unwritable = |source: io::Error| CliError::io("write", name, source);
        file.as_file().sync_all().map_err(unwritable)?;
        file.persist_noclobber(name).map_err(|error| unwritable(error.error))?;
        self.files.push(name.to_owned());
        let directory = name.parent().unwrap_or(name);
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(unwritable)
    }

    /// All of it stays.
    pub(super) fn keep(mut self) {
        self.files.clear();
        self.directories.clear();
    }
}

impl Drop for Made {
    /// What cannot be removed is in nobody's way: the next restore says that it is there.
    fn drop(&mut self) {
        for file in self.files.drain(..) {
            let _ = fs::remove_file(file);
        }
        for directory in self.directories.drain(..).rev() {
            let _ = fs::remove_dir(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_goes_away_unless_it_is_kept_and_nothing_else_does() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("a/b");
        let make = |made: &mut Made| {
            made.directory(&deep).unwrap();
            made.name(NamedTempFile::new_in(&deep).unwrap(), &deep.join("image")).unwrap();
        };
        make(&mut Made::default());
        assert!(!place.path().join("a").exists());

        fs::create_dir(place.path().join("a")).unwrap();
        make(&mut Made::default());
        assert!(place.path().join("a").exists() && !deep.exists());

        let mut made = Made::default();
        make(&mut made);
        made.keep();
        assert!(deep.join("image").exists());
    }

    #[test]
    fn nothing_is_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let taken = place.path().join("image");
        fs::write(&taken, "mine").unwrap();
        let mut made = Made::default();
        let file = NamedTempFile::new_in(place.path()).unwrap();
        assert!(made.name(file, &taken).is_err());
        drop(made);
        assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
