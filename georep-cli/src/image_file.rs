//! Reading byte ranges of image files, on the primary and on a read-only secondary.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::sampling::Piece;

/// The unit in which holes are looked for; every shard size is a multiple of it.
const BLOCK: usize = 4096;

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
    /// Where it cannot be opened.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, path: path.to_owned() })
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
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
    /// answers a read of it with EROFS (the shard translator tries to create the shard): such a
    /// block is a hole, and holds zeros.
    ///
    /// # Errors
    /// Where the piece ends past the end of the file, or the system cannot read it.
    pub(crate) fn read(&self, piece: Piece, buffer: &mut Vec<u8>) -> io::Result<()> {
        let length = usize::try_from(piece.length).map_err(io::Error::other)?;
        buffer.clear();
        buffer.resize(length, 0);
        match self.file.read_exact_at(buffer, piece.offset) {
            Err(error) if is_hole(&error) => self.read_around_holes(piece.offset, buffer),
            result => result,
        }
    }

    fn read_around_holes(&self, mut offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        for block in buffer.chunks_mut(BLOCK) {
            match self.file.read_exact_at(block, offset) {
                Err(error) if is_hole(&error) => block.fill(0),
                result => result?,
            }
            offset += block.len() as u64;
        }
        Ok(())
    }

    /// The SHA-256 of `piece`, in hexadecimal.
    ///
    /// # Errors
    /// As [`ImageFile::read`].
    pub(crate) fn digest(&self, piece: Piece, buffer: &mut Vec<u8>) -> io::Result<String> {
        self.read(piece, buffer)?;
        Ok(hex(&Sha256::digest(&buffer)))
    }
}

fn is_hole(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ROFS.raw_os_error())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
