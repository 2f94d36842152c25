//! QEMU's limits. An image beyond them is not opened, however sound it is.
//!
//! Those of the format itself stand in `docs/interop/qcow2.rst`; the others are what QEMU 5.2 to
//! 11.1 were seen to accept and to reject.

use std::ops::RangeInclusive;

/// A cluster has 2 to this power bytes: 512 bytes to 2 MiB (section "Header").
pub const CLUSTER_BITS: RangeInclusive<u32> = 9..=21;
/// Fewer bits leave no whole sector for each of the 32 subclusters (section "Extended L2 Entries").
pub const MIN_CLUSTER_BITS_EXTENDED_L2: u32 = 14;
/// A refcount has 2 to at most this power bits: 64 (section "Header").
pub const MAX_REFCOUNT_ORDER: u32 = 6;
/// The name of a backing file has at most this many bytes (section "Header").
pub const MAX_BACKING_NAME: u32 = 1023;
/// The name of a backing format has at most this many bytes.
pub const MAX_BACKING_FORMAT: usize = 15;
/// Bytes of a level-1 table.
pub const MAX_L1_BYTES: u64 = 32 << 20;
/// Bytes of the refcount table.
pub const MAX_REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
/// Internal snapshots.
pub const MAX_SNAPSHOTS: u32 = 65_536;
/// Bytes of the snapshot table.
pub const MAX_SNAPSHOT_TABLE_BYTES: u64 = 1024 * MAX_SNAPSHOTS as u64;
/// Bytes of extra data in an entry of the snapshot table.
pub const MAX_SNAPSHOT_EXTRA_BYTES: usize = 1024;
/// Persistent dirty bitmaps.
pub const MAX_BITMAPS: u32 = 65_535;
/// Bytes of the directory of bitmaps.
pub const MAX_BITMAP_DIRECTORY_BYTES: u64 = 1024 * MAX_BITMAPS as u64;
