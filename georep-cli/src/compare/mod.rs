//! Compares what the secondary holds with what the primary recorded.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use qcow2_snap::image::Image;
use qcow2_snap::plan::Format;
use serde::Serialize;

use crate::error::CliError;
use crate::image_file::ImageFile;
use crate::manifest::{ImageRecord, SnapshotRecord};
use crate::record::{RunImage, State, unsound};
use crate::sampling::{Piece, pieces};

/// How many differing byte ranges of one image are named; the rest are counted.
const NAMED_RANGES: usize = 8;

/// One thing that is wrong with one file of the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Mismatch {
    /// The file, relative to the pool.
    pub file: PathBuf,
    /// What is wrong.
    pub difference: Difference,
}

/// How a file of the copy differs from its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Difference {
    /// The file is not there, or cannot be opened.
    Missing { reason: String },
    /// The file has another size.
    Size { recorded: u64, found: u64 },
    /// The file is no sound qcow2 image.
    Unsound { reason: String },
    /// A field of the header has another value.
    Header { field: &'static str, recorded: String, found: String },
    /// A snapshot is missing or differs from the recorded one.
    Snapshot { name: String, reason: String },
    /// A byte range differs or cannot be read.
    Bytes { offset: u64, length: u64, reason: String },
    /// More byte ranges differ than are named.
    MoreBytes { ranges: usize },
    /// `qemu-img check` finds fault with it.
    Check { reason: String },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.difference)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { reason } => write!(f, "cannot be opened: {reason}"),
            Self::Size { recorded, found } => {
                write!(f, "{found} bytes instead of {recorded}")
            }
            Self::Unsound { reason } => write!(f, "no sound qcow2 image: {reason}"),
            Self::Header { field, recorded, found } => {
                write!(f, "{field} is {found} instead of {recorded}")
            }
            Self::Snapshot { name, reason } => write!(f, "snapshot `{name}` {reason}"),
            Self::Bytes { offset, length, reason } => {
                write!(f, "{length} bytes at offset {offset} {reason}")
            }
            Self::MoreBytes { ranges } => write!(f, "{ranges} more byte ranges differ"),
            Self::Check { reason } => write!(f, "qemu-img check: {reason}"),
        }
    }
}

/// Compares the file at `copy` with `record`, reading the recorded samples.
pub(crate) fn with_record(record: &ImageRecord, grows: bool, copy: &Path) -> Vec<Difference> {
    let file = match ImageFile::open(copy) {
        Ok(file) => file,
        Err(error) => return vec![Difference::Missing { reason: error.to_string() }],
    };
    let mut found = Vec::new();
    match file.size() {
        Ok(size) if size == record.size || (grows && size > record.size) => {}
        Ok(size) => found.push(Difference::Size { recorded: record.size, found: size }),
        Err(error) => found.push(Difference::Missing { reason: error.to_string() }),
    }
    if record.format == Format::Qcow2.to_string() {
        match Image::read(file.file()) {
            Ok(image) => {
                found.extend(header(record, &image));
                found.extend(snapshots(record, &image));
            }
            Err(error) => found.push(Difference::Unsound { reason: error.to_string() }),
        }
    }
    found.extend(samples(record, &file));
    found
}

fn header(record: &ImageRecord, image: &Image) -> Vec<Difference> {
    let header = &image.header;
    let backing =
        |file: Option<&String>| file.map_or("none".to_owned(), |name| format!("`{name}`"));
    let fields = [
        ("virtual size", record.virtual_size.to_string(), header.virtual_size.to_string()),
        (
            "cluster size",
            record.cluster_size.unwrap_or_default().to_string(),
            header.cluster_size().to_string(),
        ),
        (
            "backing file",
            backing(record.backing_file.as_ref()),
            backing(header.backing.as_ref().map(|b| &b.file)),
        ),
    ];
    fields
        .into_iter()
        .filter(|(_, recorded, found)| recorded != found)
        .map(|(field, recorded, found)| Difference::Header { field, recorded, found })
        .collect()
}

fn snapshots(record: &ImageRecord, image: &Image) -> Vec<Difference> {
    let held: Vec<SnapshotRecord> = image.snapshots.iter().map(Into::into).collect();
    let missing = record.snapshots.iter().filter(|recorded| !held.contains(recorded));
    missing
        .map(|recorded| {
            let reason = match held.iter().find(|snapshot| snapshot.name == recorded.name) {
                Some(_) => "differs in id, date or size of its memory state",
                None => "is missing",
            };
            Difference::Snapshot { name: recorded.name.clone(), reason: reason.to_owned() }
        })
        .collect()
}

fn samples(record: &ImageRecord, file: &ImageFile) -> Vec<Difference> {
    let mut buffer = Vec::new();
    let mut ranges = Ranges::default();
    for sample in &record.samples {
        let piece = Piece { offset: sample.offset, length: sample.length };
        match file.digest(piece, &mut buffer) {
            Ok(digest) if digest == sample.sha256 => {}
            Ok(_) => ranges.add(piece, DIFFERS.to_owned()),
            Err(error) => ranges.add(piece, unreadable(&error)),
        }
    }
    ranges.into_differences()
}

/// Compares every byte that the copied state of `image` is made of with the file at `copy`.
///
/// # Errors
/// Where the primary's own image cannot be read.
pub(crate) fn every_byte(image: &RunImage, copy: &Path) -> Result<Vec<Difference>, CliError> {
    let open = |path| ImageFile::open(path).map_err(|e| CliError::io("read the image", path, e));
    let ours = open(&image.path)?;
    let theirs = match ImageFile::open(copy) {
        Ok(file) => file,
        Err(error) => return Ok(vec![Difference::Missing { reason: error.to_string() }]),
    };
    let bad = |error| unsound(&image.path, &error);
    let state = State::read(image, &ours).map_err(bad)?;
    let (mut here, mut there) = (Vec::new(), Vec::new());
    let mut ranges = Ranges::default();
    let mut failed = None;
    state
        .each_extent(image, &ours, |extent| {
            for piece in pieces(&extent) {
                if failed.is_some() {
                    return;
                }
                match (ours.read(piece, &mut here), theirs.read(piece, &mut there)) {
                    (Err(error), _) => failed = Some(error),
                    (Ok(()), Ok(())) if here == there => {}
                    (Ok(()), Ok(())) => ranges.add(piece, DIFFERS.to_owned()),
                    (Ok(()), Err(error)) => ranges.add(piece, unreadable(&error)),
                }
            }
        })
        .map_err(bad)?;
    match failed {
        Some(error) => Err(CliError::io("read the image", ours.path(), error)),
        None => Ok(ranges.into_differences()),
    }
}

const DIFFERS: &str = "differ";

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "lie past the end of the file".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// Collects differing byte ranges: neighbours become one, and only the first few are named.
#[derive(Debug, Default)]
struct Ranges {
    ranges: Vec<(Piece, String)>,
    more: usize,
}

impl Ranges {
    fn add(&mut self, piece: Piece, reason: String) {
        if let Some((last, why)) = self.ranges.last_mut()
            && last.offset + last.length == piece.offset
            && *why == reason
        {
            last.length += piece.length;
        } else if self.ranges.len() < NAMED_RANGES {
            self.ranges.push((piece, reason));
        } else {
            self.more += 1;
        }
    }

    fn into_differences(self) -> Vec<Difference> {
        let named = self.ranges.into_iter().map(|(piece, reason)| Difference::Bytes {
            offset: piece.offset,
            length: piece.length,
            reason,
        });
        let more = (self.more > 0).then_some(Difference::MoreBytes { ranges: self.more });
        named.chain(more).collect()
    }
}
