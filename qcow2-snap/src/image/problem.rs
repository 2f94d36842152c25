use std::fmt;

use serde::Serialize;

/// How many problems of one image are kept: a hostile one can have some for each of its 65,536
/// snapshots.
const MAX_PROBLEMS: usize = 100;
/// How many characters of a name from the image are shown in a message.
const SHOWN_NAME: usize = 64;

/// What is to be thought of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// QEMU opens it, and its header and snapshot table hold what they say.
    Valid,
    /// QEMU opens it, but something is wrong with it.
    Damaged,
    /// QEMU does not open it.
    Rejected,
}

/// One thing that is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of thing.
    pub code: ProblemCode,
    /// What it is in this image, for people.
    pub message: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])+ $name:ident = $code:literal, $verdict:ident;)+) => {
        /// What kind of thing is wrong. The names stay as they are from version to version.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[non_exhaustive]
        pub enum ProblemCode {
            $($(#[$doc])+ #[serde(rename = $code)] $name,)+
        }

        impl ProblemCode {
            /// The name, such as `snapshot-table-past-end`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it makes of the image: damaged or rejected.
            pub fn verdict(self) -> Verdict {
                match self { $(Self::$name => Verdict::$verdict,)+ }
            }
        }
    };
}

codes! {
    /// The magic number is another one.
    NotQcow2 = "not-qcow2", Rejected;
    /// A version other than 2 and 3.
    UnsupportedVersion = "unsupported-version", Rejected;
    /// A cluster size that is out of range.
    InvalidClusterSize = "invalid-cluster-size", Rejected;
    /// A header that is too short for its version, or longer than a cluster.
    InvalidHeaderLength = "invalid-header-length", Rejected;
    /// An incompatible feature that QEMU does not know.
    UnknownFeature = "unknown-feature", Rejected;
    /// A compression type that is unknown, or does not fit its feature bit.
    InvalidCompression = "invalid-compression", Rejected;
    /// An unknown method of encryption, or a header of LUKS without LUKS, or the reverse.
    InvalidEncryption = "invalid-encryption", Rejected;
    /// A width of refcounts that is out of range.
    InvalidRefcountWidth = "invalid-refcount-width", Rejected;
    /// A refcount table that is missing, too large, or in no place for one.
    InvalidRefcountTable = "invalid-refcount-table", Rejected;
    /// A level-1 table that is too large, too small for the disk, or in no place for one.
    InvalidL1Table = "invalid-l1-table", Rejected;
    /// The name of a backing file or its format is too long, or in no place for one.
    InvalidBackingFile = "invalid-backing-file", Rejected;
    /// A header extension that does not fit where it stands, or says what cannot be.
    InvalidExtension = "invalid-extension", Rejected;
    /// A snapshot table that is too large, or in no place for one.
    InvalidSnapshotTable = "invalid-snapshot-table", Rejected;

    /// The file ends within the header, its extensions, or the name of the backing file.
    HeaderPastEnd = "header-past-end", Damaged;
    /// QEMU has marked the image as corrupt.
    MarkedCorrupt = "marked-corrupt", Damaged;
    /// The refcounts are marked as out of date: in use with lazy refcounts, or not closed.
    MarkedDirty = "marked-dirty", Damaged;
    /// The data is in another file, which the header does not name; or it is not, and the header
    /// says how that other file is to be read.
    InconsistentDataFile = "inconsistent-data-file", Damaged;
    /// The refcount table ends past the end of the file.
    RefcountTablePastEnd = "refcount-table-past-end", Damaged;
    /// The level-1 table ends past the end of the file.
    L1TablePastEnd = "l1-table-past-end", Damaged;
    /// The directory of bitmaps ends past the end of the file.
    BitmapsPastEnd = "bitmaps-past-end", Damaged;
    /// The snapshot table ends past the end of the file.
    SnapshotTablePastEnd = "snapshot-table-past-end", Damaged;
    /// Padding is not zero: something was written over it, or it is no padding.
    NonZeroPadding = "non-zero-padding", Damaged;
    /// A snapshot without an id.
    EmptySnapshotId = "empty-snapshot-id", Damaged;
    /// A snapshot without a name.
    EmptySnapshotName = "empty-snapshot-name", Damaged;
    /// Two snapshots with one id.
    DuplicateSnapshotId = "duplicate-snapshot-id", Damaged;
    /// Two snapshots with one name.
    DuplicateSnapshotName = "duplicate-snapshot-name", Damaged;
    /// An id or a name with a NUL, of which QEMU shows only what stands before it.
    NulInSnapshotName = "nul-in-snapshot-name", Damaged;
    /// A snapshot with less extra data than version 3 demands.
    SnapshotExtraTooShort = "snapshot-extra-too-short", Damaged;
    /// The level-1 table of a snapshot does not start at a cluster.
    SnapshotL1Misaligned = "snapshot-l1-misaligned", Damaged;
    /// The level-1 table of a snapshot is larger than QEMU reads, or smaller than its disk.
    SnapshotL1Size = "snapshot-l1-size", Damaged;
    /// The level-1 table of a snapshot ends past the end of the file.
    SnapshotL1PastEnd = "snapshot-l1-past-end", Damaged;
    /// Two of header, tables and snapshots' tables share bytes.
    Overlap = "overlap", Damaged;
    /// A table is not counted as in use: QEMU may write something else over it.
    NotCounted = "not-counted", Damaged;
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::Damaged => "damaged",
            Self::Rejected => "rejected",
        })
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The damage that was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    problems: Vec<Problem>,
}

impl Findings {
    /// Takes note of a problem unless `holds`.
    pub(super) fn expect(
        &mut self,
        holds: bool,
        code: ProblemCode,
        message: impl FnOnce() -> String,
    ) {
        if !holds && self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { code, message: message() });
        }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// A name from an image as a message shows it: the beginning of it, what cannot be printed
/// escaped.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let mut shown: String = text.chars().take(SHOWN_NAME).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_NAME).is_some() {
        shown.push('…');
    }
    shown
}
