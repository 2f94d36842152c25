//! Reads what a qcow2 image says about itself: header, extensions, snapshot table, and which bytes
//! of the file each state of the disk is made of.
//!
//! An image may come from a guest or from half a copy: every byte is hostile. Nothing is allocated
//! by a number found in the file beyond [`limits`], which are QEMU's own, and what lies past the
//! end of the file is told from zeros, which QEMU takes it for: `qemu-img info` shows a truncated
//! image as sound, with empty snapshot names.
//!
//! | function | reads | answers |
//! |---|---|---|
//! | [`inspect`] | header, snapshot table, some refcounts | What does it say, and everything that is wrong with it? |
//! | [`Image::read`] | the same | What does it say, where nothing is wrong with it? |
//! | [`extents`] | level-1 and level-2 tables | Which bytes of the file is one state of the disk made of? |
//!
//! An image is [valid, damaged or rejected](Verdict). Rejected is what QEMU does not open; the
//! tests hold that against `qemu-img` for some hundred images each of which has one field changed.
//! Two things that QEMU reads and this does not can make it reject more: the header of LUKS, and
//! the directory of bitmaps. That all data is in its place only a check of all tables can say
//! (`qemu-img check`, or [`extents`] to its end).
//!
//! Sizes and offsets are in bytes unless they say otherwise; numbers in the file are big-endian.
//! No function here holds more than 128 MiB, whatever the file holds.
//!
//! Source of the format: `docs/interop/qcow2.rst` in QEMU's documentation.

mod error;
mod extension;
mod extents;
pub mod features;
mod header;
mod layout;
pub mod limits;
mod problem;
mod snapshot;
mod source;
mod table;

use std::io::{self, Read, Seek};

pub use error::ImageError;
pub use extension::{Bitmaps, Extensions, LuksHeader, UnknownExtension};
pub use extents::{Extent, ExtentKind, Extents, Point, extents};
pub use header::{Backing, Header};
pub use problem::{Problem, ProblemCode, Verdict};
pub use snapshot::Snapshot;

use error::Ended;
use problem::{Findings, shown};
use source::Source;

/// What an image says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The header and its extensions.
    pub header: Header,
    /// The internal snapshots, in the order of the table.
    pub snapshots: Vec<Snapshot>,
}

/// What an image says about itself, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// As QEMU sees it; `None` where QEMU does not open it.
    pub image: Option<Image>,
    /// The problems that were found, at most 100.
    pub problems: Vec<Problem>,
}

impl Inspection {
    /// What is to be thought of the image: the worst of its problems.
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.problems.iter().map(|problem| problem.code.verdict());
        verdicts.max().unwrap_or(Verdict::Valid)
    }
}

/// Reads the header and the snapshot table, and finds what is wrong with them. Data is not
/// touched.
///
/// Reads at most one cluster (2 MiB), the snapshot table (64 MiB) and some refcounts.
///
/// # Errors
/// Where the system cannot read the file.
///
/// # Examples
/// ```
/// use std::io::Cursor;
/// use qcow2_snap::image::{ProblemCode, Verdict, inspect};
///
/// let inspection = inspect(Cursor::new(b"QFI\xfb\0\0\0\x04"))?;
/// assert_eq!(inspection.verdict(), Verdict::Rejected);
/// assert_eq!(inspection.problems[0].code, ProblemCode::UnsupportedVersion);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn inspect(reader: impl Read + Seek) -> io::Result<Inspection> {
    let mut findings = Findings::default();
    let mut source = Source::new(reader)?;
    match read(&mut source, &mut findings) {
        Ok(image) => Ok(Inspection { image: Some(image), problems: findings.into_problems() }),
        Err(Ended::Rejected(problem)) => Ok(Inspection { image: None, problems: vec![problem] }),
        Err(Ended::Io(error)) => Err(error),
    }
}

fn read<R: Read + Seek>(source: &mut Source<R>, findings: &mut Findings) -> Result<Image, Ended> {
    let header = Header::read(source, findings)?;
    let table = snapshot::read_table(source, &header, findings)?;
    layout::find_damage(source, &header, &table, findings)?;
    Ok(Image { header, snapshots: table.snapshots })
}

impl Image {
    /// Reads the header and the snapshot table of an image with which nothing is wrong.
    ///
    /// # Errors
    /// [`ImageError::NotQcow2`] where the magic number is missing, [`ImageError::Rejected`] where
    /// QEMU would not open the image, [`ImageError::Damaged`] where QEMU would, but it is not
    /// sound.
    pub fn read(reader: impl Read + Seek) -> Result<Self, ImageError> {
        let Inspection { image, problems } = inspect(reader)?;
        match (image, problems.into_iter().next()) {
            (Some(image), None) => Ok(image),
            (None, Some(Problem { code: ProblemCode::NotQcow2, .. })) | (None, None) => {
                Err(ImageError::NotQcow2)
            }
            (None, Some(problem)) => Err(ImageError::Rejected(problem)),
            (Some(_), Some(problem)) => Err(ImageError::Damaged(problem)),
        }
    }

    /// The snapshot called `name`.
    pub fn snapshot(&self, name: &[u8]) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.name == name)
    }
}

/// Text up to a NUL, as QEMU reads it; what is not UTF-8 becomes U+FFFD.
fn until_nul(bytes: &[u8]) -> String {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;
