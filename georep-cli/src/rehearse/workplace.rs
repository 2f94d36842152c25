//! Where the throw-away images lie. A lock in it says whether its rehearsal is alive.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::CliError;

/// What a workplace is called, and what the domains in it are.
pub(super) const PREFIX: &str = "georep-rehearse-";

/// The file that is locked as long as the rehearsal lives.
const LOCK: &str = "lock";

/// A directory that goes away with this.
#[derive(Debug)]
pub(super) struct Workplace {
    directory: TempDir,
    _lock: File,
}

impl Workplace {
    /// Makes one in `base`.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn make(base: &Path) -> Result<Self, CliError> {
        let unusable = |source| CliError::io("work in", base, source);
        let base = fs::canonicalize(base).map_err(unusable)?;
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base);
        let directory = directory.map_err(unusable)?;
        // QEMU may run as another user, which must get to the images; it cannot list them.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).map_err(unusable)?;
        let lock = File::create_new(directory.path().join(LOCK)).map_err(unusable)?;
        lock.try_lock().map_err(|error| unusable(error.into()))?;
        Ok(Self { directory, _lock: lock })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// Where something cannot be removed.
    pub(super) fn remove(self) -> io::Result<()> {
        self.directory.close()
    }
}

/// Whether the rehearsal whose workplace is `directory` is alive. One without a workplace is not.
pub(super) fn is_alive(directory: &Path) -> bool {
    File::open(directory.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err())
}

/// Removes the workplaces in `base` whose rehearsals were killed. Returns those that were there.
pub(super) fn remove_dead(base: &Path) -> Vec<(PathBuf, io::Result<()>)> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_dead = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        // One that is being made has no lock yet.
        name.is_some_and(|name| name.starts_with(PREFIX))
            && path.join(LOCK).exists()
            && !is_alive(path)
    };
    let remove = |path: PathBuf| {
        let removed = fs::remove_dir_all(&path);
        (path, removed)
    };
    entries.filter(is_dead).map(remove).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_workplaces_of_dead_rehearsals_are_removed() {
        let base = tempfile::tempdir().unwrap();
        let alive = Workplace::make(base.path()).unwrap();
        let dead = base.path().join("georep-rehearse-dead");
        let others = [base.path().join("georep-rehearse-other"), base.path().join("mine")];
        for directory in [&dead, &others[0], &others[1]] {
            fs::create_dir(directory).unwrap();
        }
        for directory in [&dead, &others[1]] {
            fs::write(directory.join(LOCK), "").unwrap();
        }
        let removed: Vec<_> = remove_dead(base.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(removed, [dead]);
        assert!(is_alive(alive.path()) && others.iter().all(|other| other.exists()));
        let path = alive.path().to_owned();
        alive.remove().unwrap();
        assert!(!path.exists() && !is_alive(&path));
    }
}
