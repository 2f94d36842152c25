//! What is wrong with a copy, for people and for programs.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sampling::Piece;
use crate::say::Say;

/// How many differing byte ranges of one image are named; the rest are counted.
const NAMED_RANGES: usize = 8;

/// How many mismatches are shown one by one.
const SHOWN_MISMATCHES: usize = 20;

/// One thing that is wrong with one file of the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Mismatch {
    /// The file, relative to the pool.
    pub file: PathBuf,
    /// What is wrong.
    pub difference: Difference,
}

/// How a file of the copy differs from its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Difference {
    /// The file is not there, or cannot be opened.
    Missing { reason: String },
    /// The file has another size.
    Size { recorded: u64, found: u64 },
    /// The file is no sound qcow2 image.
    Unsound { reason: String },
    /// A field of the header has another value.
    Header { field: Cow<'static, str>, recorded: String, found: String },
    /// A snapshot is missing or differs from the recorded one.
    Snapshot { name: String, reason: String },
    /// A byte range differs or cannot be read.
    Bytes { offset: u64, length: u64, reason: String },
    /// More byte ranges differ than are named.
    MoreBytes { ranges: usize },
    /// The manifest is not what the run wrote.
    Manifest { reason: String },
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
            Self::Manifest { reason } => write!(f, "{reason}"),
            Self::Check { reason } => write!(f, "qemu-img check: {reason}"),
        }
    }
}

/// Shows the first of `mismatches`, and how many more there are.
pub(crate) fn tell(say: &Say, mismatches: &[Mismatch]) {
    for mismatch in mismatches.iter().take(SHOWN_MISMATCHES) {
        say.warn("differs", mismatch);
    }
    if let Some(more) = mismatches.len().checked_sub(SHOWN_MISMATCHES).filter(|&n| n > 0) {
        say.warn("differs", format_args!("and {more} more"));
    }
}

/// The files with which something is wrong, each once.
pub(crate) fn files(mismatches: &[Mismatch]) -> String {
    let mut files: Vec<_> = mismatches.iter().map(|m| m.file.display().to_string()).collect();
    files.dedup();
    files.join(", ")
}

/// Collects differing byte ranges: neighbours become one, and only the first few are named.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    ranges: Vec<(Piece, String)>,
    more: usize,
}

impl Ranges {
    pub(super) fn add(&mut self, piece: Piece, reason: String) {
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

    pub(super) fn into_differences(self) -> Vec<Difference> {
        let named = self.ranges.into_iter().map(|(piece, reason)| Difference::Bytes {
            offset: piece.offset,
            length: piece.length,
            reason,
        });
        let more = (self.more > 0).then_some(Difference::MoreBytes { ranges: self.more });
        named.chain(more).collect()
    }
}
