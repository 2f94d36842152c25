//! Copies files out of the secondary: cloned where the file system can, else read, with holes as
//! holes.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tempfile::NamedTempFile;
use tool_command::Stop;

use crate::error::CliError;
use crate::image_file::ImageFile;
use crate::sampling::Piece;
use crate::say::Progress;

/// What is read at once. No shard is smaller: `features.shard-block-size` is 4 MB or more.
const BLOCK: u64 = 4 << 20;

/// The unit in which holes are kept.
const PAGE: usize = 4096;

/// A page of a hole.
const ZEROS: [u8; PAGE] = [0; PAGE];

/// What temporary copies are called, so that one left by a kill is known.
const PREFIX: &str = ".georep-restore-";

/// And how such a name ends.
const SUFFIX: &str = ".partial";

/// A copy under a temporary name, which goes away unless it is given its own.
#[derive(Debug)]
pub(crate) struct Copied {
    /// The file.
    pub file: NamedTempFile,
    /// Bytes that were read for it; 0 where it was cloned.
    pub read: u64,
}

/// Copies the whole of `from` to a temporary file in `directory`, with its permissions, and waits
/// until the disk has it.
///
/// # Errors
/// Where it cannot be read or written, or `stop` is due; then nothing is left.
pub(crate) fn copy(
    from: &ImageFile,
    directory: &Path,
    stop: &Stop,
    progress: &mut Progress<'_>,
) -> Result<Copied, CliError> {
    let unwritable = |source| CliError::io("write into", directory, source);
    let unreadable = |source| CliError::io("read the image", from.path(), source);
    let file = temporary_in(directory).map_err(unwritable)?;
    let mut read = 0;
    if rustix::fs::ioctl_ficlone(file.as_file(), from.file()).is_err() {
        let size = from.size().map_err(unreadable)?;
        file.as_file().set_len(size).map_err(unwritable)?;
        let mut buffer = Vec::new();
        while read < size {
            if stop.is_due() {
                return Err(CliError::failed("interrupted"));
            }
            let piece = Piece { offset: read, length: BLOCK.min(size - read) };
            from.read(piece, &mut buffer).map_err(unreadable)?;
            write_data(file.as_file(), read, &buffer).map_err(unwritable)?;
            read += piece.length;
            progress.add(piece.length);
        }
    }
    let mode = from.file().metadata().map_err(unreadable)?.mode();
    file.as_file().set_permissions(Permissions::from_mode(mode & 0o777)).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    Ok(Copied { file, read })
}

/// A temporary file in `directory`, by the name that tells whose it is.
pub(crate) fn temporary_in(directory: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(directory)
}

/// The temporary files in `directory`: left by a restore that was killed, or of one at work.
pub(super) fn left_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_left = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        name.starts_with(PREFIX) && name.ends_with(SUFFIX)
    };
    entries.filter(is_left).map(|entry| entry.path()).collect()
}

/// Whether a file in `directory` can be a clone of `from`, which takes no room.
pub(crate) fn can_clone(from: &ImageFile, directory: &Path) -> bool {
    let file = temporary_in(directory);
    file.is_ok_and(|file| rustix::fs::ioctl_ficlone(file.as_file(), from.file()).is_ok())
}

/// Writes what is not zero, neighbours at once: what is not written is a hole.
fn write_data(to: &File, offset: u64, block: &[u8]) -> io::Result<()> {
    let is_data = |page: &&[u8]| ZEROS.get(..page.len()) != Some(page);
    let pages: Vec<_> = block.chunks(PAGE).collect();
    let mut at = 0;
    for run in pages.chunk_by(|one, next| is_data(one) == is_data(next)) {
        let length = run.iter().map(|page| page.len()).sum::<usize>();
        if run.first().is_some_and(is_data) {
            let data = block.get(at..at + length).unwrap_or_default();
            to.write_all_at(data, offset + at as u64)?;
        }
        at += length;
    }
    Ok(())
}

/// Whether reading `file` somewhere ends with EROFS: QEMU cannot then read it where it lies, as it
/// takes that for an error of the disk. One byte of each shard tells.
///
/// # Errors
/// Where it cannot be read for another reason.
pub(crate) fn has_unreadable_holes(file: &ImageFile) -> io::Result<bool> {
    let size = file.size()?;
    let step = usize::try_from(BLOCK).unwrap_or(usize::MAX);
    for offset in (0..size).step_by(step).chain(size.checked_sub(1)) {
        let result = file.file().read_exact_at(&mut [0], offset);
        if is_missing(&result) {
            return Ok(true);
        }
        result?;
    }
    Ok(false)
}

fn is_missing(result: &io::Result<()>) -> bool {
    result.as_ref().is_err_and(is_hole)
}

fn is_hole(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ROFS.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::say::Say;

    fn copy_with(from: &ImageFile, directory: &Path, stop: &Stop) -> Result<Copied, CliError> {
        let say = Say::begin("a test", crate::args::ProgressMode::Plain);
        copy(from, directory, stop, &mut Progress::new(&say, "copy", from.path().display(), 0))
    }

    #[test]
    fn a_copy_is_the_same_and_its_zeros_are_holes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let mut bytes = vec![0; 9 << 20];
        bytes[5 << 20] = 1;
        bytes.push(7);
        std::fs::write(&path, &bytes).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let from = ImageFile::open(&path).unwrap();
        let copied = copy_with(&from, directory.path(), &Stop::default()).unwrap();
        let metadata = copied.file.as_file().metadata().unwrap();
        assert_eq!(std::fs::read(copied.file.path()).unwrap(), bytes);
        assert_eq!(metadata.mode() & 0o777, 0o640);
        assert!(copied.read == 0 || metadata.blocks() * 512 < 1 << 20, "{metadata:?}");
        assert!(!has_unreadable_holes(&from).unwrap());
    }

    #[test]
    fn an_interrupted_copy_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        std::fs::write(&path, [1; 9000]).unwrap();
        let stop = Stop::default();
        stop.request();
        let from = ImageFile::open(&path).unwrap();
        if !can_clone(&from, directory.path()) {
            assert!(copy_with(&from, directory.path(), &stop).is_err());
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
