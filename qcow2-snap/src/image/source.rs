use std::io::{self, Read, Seek, SeekFrom};

/// The file of an image, read at positions.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    /// The file's length in bytes when it was opened. The file of a running VM goes on growing.
    length: u64,
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(mut reader: R) -> io::Result<Self> {
        let length = reader.seek(SeekFrom::End(0))?;
        Ok(Self { reader, length })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether the file has all `size` bytes at `offset`.
    pub(super) fn has(&self, offset: u64, size: u64) -> bool {
        offset.checked_add(size).is_some_and(|end| end <= self.length)
    }

    /// Reads `size` bytes at `offset`. Past the end of the file are zeros, as QEMU reads it:
    /// whether there are any, [`Source::has`] tells. Callers bound `size` by a limit.
    pub(super) fn read(&mut self, offset: u64, size: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; size];
        let there = self.length.saturating_sub(offset).min(size as u64);
        if let Some(there) = usize::try_from(there).ok().and_then(|there| bytes.get_mut(..there)) {
            self.reader.seek(SeekFrom::Start(offset.min(self.length)))?;
            self.reader.read_exact(there)?;
        }
        Ok(bytes)
    }
}
