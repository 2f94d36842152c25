//! Entries of level-1 and level-2 tables.

/// Where a standard entry says its table or cluster starts: bits 9 to 55.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Level 2: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Level 2: the guest sees zeros, whatever the cluster holds. Not in extended entries.
const ZERO: u64 = 1;
/// The unit in which the length of a compressed cluster is counted.
const SECTOR: u64 = 512;

/// Whether a table may start at `offset` and have `bytes` bytes. QEMU asks the same, also of
/// tables without entries.
pub(super) fn is_valid_table(offset: u64, bytes: u64, cluster_size: u64) -> bool {
    offset.is_multiple_of(cluster_size) && offset <= (i64::MAX as u64).saturating_sub(bytes)
}

/// The level-2 table that a level-1 entry points to; `None` where there is none.
pub(super) fn l2_table(entry: u64) -> Option<u64> {
    Some(entry & OFFSET).filter(|&offset| offset != 0)
}

/// How many parts a cluster has where level-2 entries are extended.
pub(super) const SUBCLUSTERS: u32 = 32;

/// A level-2 entry: its first 64 bits, and the bitmap that follows in an extended one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct L2Entry {
    pub entry: u64,
    /// Bits 0 to 31: which subclusters have their data in this file.
    pub bitmap: Option<u64>,
}

/// What a level-2 entry says of one cluster of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cluster {
    /// No bytes of this file: the backing file's, or zeros.
    Absent,
    /// A cluster of the file at this offset, and which of its subclusters the guest sees.
    Standard(u64, u32),
    /// Compressed data: offset and length in the file, in bytes.
    Compressed(u64, u64),
}

impl Cluster {
    /// Reads a level-2 entry (`docs/interop/qcow2.rst`, sections "Cluster mapping" and "Extended
    /// L2 Entries").
    ///
    /// A cluster that reads as zeros but keeps its place is [`Cluster::Absent`]: the guest cannot
    /// see what it holds.
    pub(super) fn of(L2Entry { entry, bitmap }: L2Entry, cluster_bits: u32) -> Self {
        if entry & COMPRESSED != 0 {
            // 9 to 21 cluster bits leave 61 to 49 bits for the offset; above it the number of
            // further sectors.
            let offset_bits = 62_u32.saturating_sub(cluster_bits.saturating_sub(8));
            let offset = entry & ((1 << offset_bits) - 1);
            let sectors = ((entry & (COMPRESSED - 1)) >> offset_bits) + 1;
            return Self::Compressed(offset, sectors * SECTOR - offset % SECTOR);
        }
        match (entry & OFFSET, bitmap) {
            (0, _) => Self::Absent,
            (offset, None) if entry & ZERO == 0 => Self::Standard(offset, u32::MAX),
            (_, None) => Self::Absent,
            (offset, Some(bitmap)) => match low_half(bitmap) {
                0 => Self::Absent,
                allocated => Self::Standard(offset, allocated),
            },
        }
    }
}

fn low_half(bitmap: u64) -> u32 {
    u32::try_from(bitmap & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entry: u64) -> Cluster {
        Cluster::of(L2Entry { entry, bitmap: None }, 16)
    }

    #[test]
    fn an_entry_without_offset_or_with_the_zero_flag_has_no_bytes_here() {
        assert_eq!(of(0), Cluster::Absent);
        assert_eq!(of(1), Cluster::Absent);
        assert_eq!(of(0x50001), Cluster::Absent);
    }

    #[test]
    fn the_copied_flag_is_not_part_of_the_offset() {
        assert_eq!(of(1 << 63 | 0x50000), Cluster::Standard(0x50000, u32::MAX));
        assert_eq!(l2_table(1 << 63 | 0x40000), Some(0x40000));
        assert_eq!(l2_table(1 << 63), None);
    }

    #[test]
    fn a_compressed_cluster_ends_where_its_last_sector_ends() {
        // 64 KiB clusters: 54 bits of offset. Byte 0x50123, two further sectors.
        let entry = COMPRESSED | 2 << 54 | 0x50123;
        assert_eq!(of(entry), Cluster::Compressed(0x50123, 3 * 512 - 0x123));
    }

    #[test]
    fn an_extended_entry_holds_the_subclusters_whose_bits_are_set() {
        let of = |entry, bitmap| Cluster::of(L2Entry { entry, bitmap: Some(bitmap) }, 16);
        assert_eq!(of(0x50000, 0b101), Cluster::Standard(0x50000, 0b101));
        assert_eq!(of(0x50000, 0b101 << 32), Cluster::Absent, "zeros, all of it");
        assert_eq!(of(0, 0b1 << 32), Cluster::Absent);
    }

    #[test]
    fn a_table_starts_at_a_cluster_even_where_it_is_empty() {
        assert!(is_valid_table(0x10000, 0, 0x10000));
        assert!(!is_valid_table(0x10200, 0, 0x10000));
        assert!(!is_valid_table(0xffff_ffff_ffff_0000, 40, 0x10000));
    }
}
