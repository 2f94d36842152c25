//! Feature bits of version 3 (`docs/interop/qcow2.rst`, sections "Header" and "Feature name table").

/// Incompatible features: a program that does not know one must not open the image.
pub mod incompatible {
    /// The refcounts may be out of date.
    pub const DIRTY: u64 = 1 << 0;
    /// QEMU found the image to be corrupt.
    pub const CORRUPT: u64 = 1 << 1;
    /// Guest data is in another file.
    pub const DATA_FILE: u64 = 1 << 2;
    /// Compressed clusters are compressed by another method than deflate.
    pub const COMPRESSION_TYPE: u64 = 1 << 3;
    /// Level-2 entries have 128 bits, with 32 subclusters a cluster.
    pub const EXTENDED_L2: u64 = 1 << 4;
    /// All that QEMU up to 11.1 knows.
    pub const KNOWN: u64 = DIRTY | CORRUPT | DATA_FILE | COMPRESSION_TYPE | EXTENDED_L2;
}

/// Compatible features: a program that does not know one may use the image all the same.
pub mod compatible {
    /// Refcounts are brought up to date when the image is closed, and need not be before.
    pub const LAZY_REFCOUNTS: u64 = 1 << 0;
}

/// Autoclear features: a program that does not know one clears its bit when it writes.
pub mod autoclear {
    /// The bitmaps extension is up to date.
    pub const BITMAPS: u64 = 1 << 0;
    /// The external data file can be read as a raw image.
    pub const RAW_DATA_FILE: u64 = 1 << 1;
}

/// Bytes of an entry of the table of feature names: kind, bit, name.
const ENTRY: usize = 48;

/// A name that the image itself gives a feature bit, for programs that do not know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureName {
    /// 0 incompatible, 1 compatible, 2 autoclear.
    pub kind: u8,
    /// The number of the bit, 0 to 63.
    pub bit: u8,
    /// The name; what is not UTF-8 is U+FFFD.
    pub name: String,
}

/// Reads the table of feature names; what is left after its last whole entry is nothing.
pub(super) fn names(table: &[u8]) -> Vec<FeatureName> {
    let (entries, _) = table.as_chunks::<ENTRY>();
    let name = |[kind, bit, name @ ..]: &[u8; ENTRY]| FeatureName {
        kind: *kind,
        bit: *bit,
        name: super::until_nul(name),
    };
    entries.iter().map(name).collect()
}

/// The unknown ones among `bits`, by the names that the image gives them.
pub(super) fn unknown_incompatible(bits: u64, names: &[FeatureName]) -> Vec<String> {
    let unknown = (0..64_u8).filter(|bit| bits & !incompatible::KNOWN & 1 << bit != 0);
    let called = |bit| {
        let given = names.iter().find(|name| name.kind == 0 && name.bit == bit);
        given.map_or_else(|| format!("bit {bit}"), |name| super::shown(name.name.as_bytes()))
    };
    unknown.map(called).collect()
}
