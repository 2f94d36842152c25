//! Files that are there whole or not at all, whenever the process or the machine stops.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{NamedTempFile, PersistError};

/// What the name of a file that is being written ends with.
const SUFFIX: &str = ".tmp";

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Writes `content` to `path`, in a directory that is made where it is missing: under a temporary
/// name, then on disk, then under its own.
///
/// # Errors
/// As the system says. What was at `path` before is there then.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, PRIVATE, |file| file.persist(path))
}

/// The same for a file that everybody may read.
///
/// # Errors
/// As [`write()`].
pub(crate) fn publish(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, PUBLIC, |file| file.persist(path))
}

/// The same for a file that must be new.
///
/// # Errors
/// As [`write()`], and where there is a file at `path`.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, PRIVATE, |file| file.persist_noclobber(path))
}

fn put(
    path: &Path,
    content: &[u8],
    mode: u32,
    persist: impl FnOnce(NamedTempFile) -> Result<File, PersistError>,
) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let (prefix, mut builder) = (prefix(path), tempfile::Builder::new());
    let mut file = builder
        .prefix(&prefix)
        .suffix(SUFFIX)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    persist(file).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// Deletes what a process that was killed has left while it wrote to `path`, which nobody may be
/// writing to now.
///
/// # Errors
/// As the system says; not where there is no directory.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    let prefix = prefix(path);
    let entries = match path.parent().unwrap_or(Path::new(".")).read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What the name of a file that is being written to `path` begins with.
fn prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/file.json");
        clear(&path).unwrap();
        create(&path, b"first").unwrap();
        assert_eq!(create(&path, b"other").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        publish(&path, b"third").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_writer_has_left_is_deleted_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        let left = directory.path().join(".a.json.Xy12ab.tmp");
        let others = ["a.json", ".b.json.Xy12ab.tmp", "a.json.tmp"];
        for name in others.iter().map(|name| directory.path().join(name)).chain([left.clone()]) {
            fs::write(name, "").unwrap();
        }
        clear(&path).unwrap();
        assert!(!left.exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), others.len());
    }
}
