//! Which bytes of an image file are the state that is copied.

use std::ops::ControlFlow;

use qcow2_snap::image::{self, Extent, ExtentKind, Image, ImageError, Point};
use qcow2_snap::plan::Format;

use crate::image_file::ImageFile;

/// The "copied" flag, in the first byte of a level-2 entry.
const COPIED: u8 = 0x80;

/// What the copied state of an image is made of: what its tables say, or, of a raw image, all of
/// the file, holes included.
#[derive(Debug)]
pub(crate) struct State {
    qcow2: Option<Image>,
    raw_size: u64,
    snapshot: Option<String>,
}

impl State {
    /// Reads what is needed to tell. `snapshot` is the internal snapshot that is the state; without
    /// it is what the guest sees.
    ///
    /// # Errors
    /// Where the image cannot be read, or is not a sound one of its format.
    pub(crate) fn read(
        file: &ImageFile,
        format: Format,
        snapshot: Option<&str>,
    ) -> Result<Self, ImageError> {
        let snapshot = snapshot.map(str::to_owned);
        Ok(match format {
            Format::Qcow2 => Self { qcow2: Some(Image::read(file.file())?), raw_size: 0, snapshot },
            Format::Raw => Self { qcow2: None, raw_size: file.size()?, snapshot },
        })
    }

    /// Takes a raw image for one of `size` bytes.
    #[cfg(test)]
    pub(crate) fn pretend_size(&mut self, size: u64) {
        self.raw_size = size;
    }

    /// What the image says about itself; nothing where it is raw.
    pub(crate) fn qcow2(&self) -> Option<&Image> {
        self.qcow2.as_ref()
    }

    /// Calls `see` with every byte range of the file that the state is made of, until it breaks.
    ///
    /// # Errors
    /// Where a table cannot be read or leads out of the file.
    pub(crate) fn each_extent(
        &self,
        file: &ImageFile,
        mut see: impl FnMut(Extent) -> ControlFlow<()>,
    ) -> Result<(), ImageError> {
        let Some(qcow2) = &self.qcow2 else {
            if self.raw_size > 0 {
                let _ = see(Extent { offset: 0, length: self.raw_size, kind: ExtentKind::Data });
            }
            return Ok(());
        };
        let point =
            self.snapshot.as_ref().map_or(Point::Active, |name| Point::Snapshot(name.as_bytes()));
        for extent in image::extents(file.file(), qcow2, point)? {
            if see(extent?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Whether what is of this kind has "copied" flags that change though the state does not: in
    /// the level-2 tables of a snapshot, when another one is made or deleted.
    pub(crate) fn has_flags(&self, kind: ExtentKind) -> bool {
        self.snapshot.is_some() && kind == ExtentKind::L2
    }

    /// Clears the flags in a part of a level-2 table that starts with an entry.
    pub(crate) fn clear_flags(&self, table: &mut [u8]) {
        let extended = self.qcow2.as_ref().is_some_and(|image| image.header.has_extended_l2());
        for entry in table.chunks_mut(if extended { 16 } else { 8 }) {
            if let Some(first) = entry.first_mut() {
                *first &= !COPIED;
            }
        }
    }
}
