//! Entries of level-1 and level-2 tables.

/// Where a standard entry says its table or cluster starts: bits 9 to 55.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Level 2: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Level 2: the guest sees zeros, whatever the cluster holds.
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

/// What a level-2 entry says of one cluster of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cluster {
    /// No bytes of this file: the backing file's, or zeros.
    Absent,
    /// One cluster of the file at this offset.
    Standard(u64),
    /// Compressed data: offset and length in the file, in bytes.
    Compressed(u64, u64),
}

impl Cluster {
    /// Reads a level-2 entry of 64 bits.
    ///
    /// A cluster that reads as zeros but keeps its place is [`Cluster::Absent`]: the guest cannot
    /// see what it holds.
    pub(super) fn of(entry: u64, cluster_bits: u32) -> Self {
        if entry & COMPRESSED != 0 {
            // 9 to 21 cluster bits leave 61 to 49 bits for the offset; above it the number of
            // further sectors.
            let offset_bits = 62_u32.saturating_sub(cluster_bits.saturating_sub(8));
            let offset = entry & ((1 << offset_bits) - 1);
            let sectors = ((entry & (COMPRESSED - 1)) >> offset_bits) + 1;
            return Self::Compressed(offset, sectors * SECTOR - offset % SECTOR);
        }
        match entry & OFFSET {
            0 => Self::Absent,
            _ if entry & ZERO != 0 => Self::Absent,
            offset => Self::Standard(offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_offset_or_with_the_zero_flag_has_no_bytes_here() {
        assert_eq!(Cluster::of(0, 16), Cluster::Absent);
        assert_eq!(Cluster::of(1, 16), Cluster::Absent);
        assert_eq!(Cluster::of(0x50001, 16), Cluster::Absent);
    }

    #[test]
    fn the_copied_flag_is_not_part_of_the_offset() {
        assert_eq!(Cluster::of(1 << 63 | 0x50000, 16), Cluster::Standard(0x50000));
        assert_eq!(l2_table(1 << 63 | 0x40000), Some(0x40000));
        assert_eq!(l2_table(1 << 63), None);
    }

    #[test]
    fn a_compressed_cluster_ends_where_its_last_sector_ends() {
        // 64 KiB clusters: 54 bits of offset. Byte 0x50123, two further sectors.
        let entry = COMPRESSED | 2 << 54 | 0x50123;
        assert_eq!(Cluster::of(entry, 16), Cluster::Compressed(0x50123, 3 * 512 - 0x123));
    }

    #[test]
    fn a_table_starts_at_a_cluster_even_where_it_is_empty() {
        assert!(is_valid_table(0x10000, 0, 0x10000));
        assert!(!is_valid_table(0x10200, 0, 0x10000));
        assert!(!is_valid_table(0xffff_ffff_ffff_0000, 40, 0x10000));
    }
}
