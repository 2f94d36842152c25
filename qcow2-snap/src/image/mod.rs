//! Reads what a qcow2 image says about itself: header, snapshot table, and which bytes of the
//! file each state of the disk is made of.
//!
//! An image may come from a guest or from half a copy: every byte is hostile. Nothing is allocated
//! by a number found in the file beyond QEMU's own limits, and nothing past the end of the file
//! reads as zeros, as it would in QEMU: `qemu-img info` shows a truncated image as sound, with
//! empty snapshot names.
//!
//! Source of the format: `docs/interop/qcow2` in QEMU's documentation. Limits are those that QEMU
//! 10.0 applies when it opens an image.

mod error;
mod extents;
mod header;
mod snapshot;
mod source;
mod table;

use std::io::{Read, Seek};

pub use error::ImageError;
pub use extents::{Extent, ExtentKind, Extents, Point, extents};
pub use header::{Backing, Header};
pub use snapshot::Snapshot;

use source::Source;

/// What an image says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The header and its extensions.
    pub header: Header,
    /// The internal snapshots, in the order of the table.
    pub snapshots: Vec<Snapshot>,
}

impl Image {
    /// Reads the header and the snapshot table. Data is not touched.
    ///
    /// Reads at most one cluster (2 MiB) and the snapshot table (64 MiB).
    ///
    /// # Errors
    /// [`ImageError::NotQcow2`] where the magic number is missing, [`ImageError::Rejected`] where
    /// QEMU would not open the image, [`ImageError::Damaged`] where QEMU might, but it is not
    /// sound.
    pub fn read(reader: impl Read + Seek) -> Result<Self, ImageError> {
        let mut source = Source::new(reader)?;
        let header = Header::read(&mut source)?;
        let snapshots = snapshot::read_table(&mut source, &header)?;
        Ok(Self { header, snapshots })
    }

    /// The snapshot called `name`.
    pub fn snapshot(&self, name: &[u8]) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.name == name)
    }
}

#[cfg(test)]
mod tests;
