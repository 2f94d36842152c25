use std::io::{Read, Seek, SeekFrom};

use super::error::{ImageError, sound};

/// The file of an image, read at positions. What lies past its end is an error, not zeros.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    /// The file's length in bytes when it was opened. The file of a running VM goes on growing.
    length: u64,
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(mut reader: R) -> Result<Self, ImageError> {
        let length = reader.seek(SeekFrom::End(0))?;
        Ok(Self { reader, length })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Reads `size` bytes at `offset`. Callers bound `size`; nothing is allocated before it is
    /// known that the file has the bytes.
    pub(super) fn read(
        &mut self,
        offset: u64,
        size: usize,
        what: &str,
    ) -> Result<Vec<u8>, ImageError> {
        let end = offset.checked_add(size as u64);
        sound(end.is_some_and(|end| end <= self.length), || {
            format!("{what} at offset {offset} ends past the end of the file ({})", self.length)
        })?;
        let mut bytes = vec![0; size];
        self.reader.seek(SeekFrom::Start(offset))?;
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
