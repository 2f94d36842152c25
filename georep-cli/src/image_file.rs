//! Reading byte ranges of image files, on the primary and on a read-only secondary.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::sampling::Piece;

/// Every shard size is a multiple of it.
const BLOCK: usize = 4096;

/// No shard is smaller: what is not larger lies in two shards at most.
const MIN_SHARD: usize = 4 << 20;

/// An image file open for reading.
#[derive(Debug)]
pub(crate) struct ImageFile {
    file: File,
    path: PathBuf,
}

impl ImageFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Where it cannot be opened, or is no file: opening a pipe would wait for somebody to write
    /// to it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("is not a file"));
        }
        Ok(Self { file: File::open(path)?, path: path.to_owned() })
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it once more.
    ///
    /// # Errors
    /// As [`ImageFile::open`].
    pub(crate) fn again(&self) -> io::Result<Self> {
        Self::open(&self.path)
    }

    /// The open file, for readers that seek.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The file's size in bytes.
    ///
    /// # Errors
    /// Where the system cannot say.
    pub(crate) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Reads `piece` into `buffer`, which then has its length.
    ///
    /// A shard that was never written is missing on the bricks. Through a read-only mount GlusterFS
    /// answers a read of any part of it with EROFS (the shard translator tries to create the
    /// shard): it is a hole, and holds zeros.
    ///
    /// # Errors
    /// Where the piece ends past the end of the file, or the system cannot read it.
    pub(crate) fn read(&self, piece: Piece, buffer: &mut Vec<u8>) -> io::Result<()> {
        let length = usize::try_from(piece.length).map_err(io::Error::other)?;
        buffer.resize(length, 0);
        read_around_holes(
            &|bytes, offset| self.file.read_exact_at(bytes, offset),
            buffer,
            piece.offset,
        )
    }
}

/// Reads with `read`, and takes what lies in a missing shard for zeros. A few reads find where it
/// begins or ends.
fn read_around_holes(
    read: &impl Fn(&mut [u8], u64) -> io::Result<()>,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<()> {
    match read(buffer, offset) {
        Err(error) if is_hole(&error) => {}
        result => return result,
    }
    let in_hole = |offset| match read(&mut [0], offset) {
        Err(error) if is_hole(&error) => Ok(true),
        result => result.map(|()| false),
    };
    let Some(middle) = middle(offset, buffer.len()) else {
        buffer.fill(0);
        return Ok(());
    };
    let last = offset + (buffer.len() as u64 - 1);
    if buffer.len() <= MIN_SHARD && in_hole(offset)? && in_hole(last)? {
        buffer.fill(0);
        return Ok(());
    }
    let (left, right) = buffer.split_at_mut(middle);
    read_around_holes(read, left, offset)?;
    read_around_holes(read, right, offset + middle as u64)
}

/// Where a range is cut in two, as near to its middle as a shard may end; `None` where it lies in
/// one shard for certain.
fn middle(offset: u64, length: usize) -> Option<usize> {
    let block = BLOCK as u64;
    let nearest = (offset + length as u64 / 2 + block / 2) / block * block;
    let place = usize::try_from(nearest.checked_sub(offset)?).ok()?;
    (0 < place && place < length).then_some(place)
}

fn is_hole(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ROFS.raw_os_error())
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SHARD: u64 = MIN_SHARD as u64;

    /// A file in which every byte is 1, but for the missing shards.
    fn reader<'a>(
        missing: &'a [u64],
        reads: &'a Cell<usize>,
    ) -> impl Fn(&mut [u8], u64) -> io::Result<()> + 'a {
        |bytes, offset| {
            reads.set(reads.get() + 1);
            let last = offset + bytes.len() as u64 - 1;
            if (offset / SHARD..=last / SHARD).any(|shard| missing.contains(&shard)) {
                return Err(Errno::ROFS.into());
            }
            bytes.fill(1);
            Ok(())
        }
    }

    #[test]
    fn what_a_missing_shard_would_hold_is_zeros_and_found_in_a_few_reads() {
        for (offset, length) in [
            (0, SHARD),
            (SHARD, SHARD),
            (SHARD - 4096, 1 << 20),
            (SHARD - 700, 1 << 20),
            (2 * SHARD - 5, 10),
            (2 * SHARD - 4000, 4096),
            (2 * SHARD - (1 << 20), 1 << 20),
            (1, 6 * SHARD - 1),
        ] {
            let (missing, reads) = ([1, 4], Cell::new(0));
            let mut buffer = vec![7; usize::try_from(length).unwrap()];
            read_around_holes(&reader(&missing, &reads), &mut buffer, offset).unwrap();
            let expected = |at| u8::from(!missing.contains(&(at / SHARD)));
            let right = buffer.iter().zip(offset..).all(|(&byte, at)| byte == expected(at));
            assert!(right, "{offset} {length}");
            assert!(reads.get() <= 200, "{offset} {length}: {} reads", reads.get());
        }
    }

    #[test]
    fn any_other_error_is_one() {
        let fails = |_: &mut [u8], _| Err(Errno::IO.into());
        let error = read_around_holes(&fails, &mut [0; 10], 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
    }

    #[test]
    fn what_lay_in_the_buffer_before_is_gone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0; 100]).unwrap();
        let image = ImageFile::open(file.path()).unwrap();
        let mut buffer = vec![9; 200];
        image.read(Piece { offset: 10, length: 50 }, &mut buffer).unwrap();
        assert_eq!(buffer, [0; 50]);
        assert!(image.read(Piece { offset: 90, length: 50 }, &mut buffer).is_err());
    }
}
