//! Images built byte by byte, so that each test says what is wrong with its image.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

/// The smallest clusters of which an offset may be misaligned; a level-2 table has 128 entries.
const CLUSTER: u64 = 1024;
const REFCOUNT_TABLE: u64 = CLUSTER;
const L1: u64 = 2 * CLUSTER;
const L2: u64 = 3 * CLUSTER;
const DATA: u64 = 4 * CLUSTER;
const REFCOUNT_BLOCK: u64 = 6 * CLUSTER;
const SNAPSHOT_TABLE: u64 = 7 * CLUSTER;
const SNAPSHOT_L1: u64 = 8 * CLUSTER;
const SNAPSHOT_L2: u64 = 9 * CLUSTER;
const SNAPSHOT_DATA: u64 = 10 * CLUSTER;
const END: u64 = 11 * CLUSTER;

/// Offsets in the header.
const VERSION: u64 = 4;
const BACKING_OFFSET: u64 = 8;
const BACKING_SIZE: u64 = 16;
const CLUSTER_BITS: u64 = 20;
const ENCRYPTION: u64 = 32;
const L1_SIZE: u64 = 36;
const L1_OFFSET: u64 = 40;
const REFCOUNT_OFFSET: u64 = 48;
const REFCOUNT_CLUSTERS: u64 = 56;
const SNAPSHOT_COUNT: u64 = 60;
const SNAPSHOTS_OFFSET: u64 = 64;
const INCOMPATIBLE: u64 = 72;
const AUTOCLEAR: u64 = 88;
const REFCOUNT_ORDER: u64 = 96;
const HEADER_LENGTH: u64 = 100;
const FIRST_EXTENSION: u64 = 104;

const BACKING_FORMAT_EXTENSION: u32 = 0xe279_2aca;
const BITMAPS_EXTENSION: u32 = 0x2385_2875;
const LUKS_EXTENSION: u32 = 0x0537_be77;

const COPIED: u64 = 1 << 63;

/// The bytes of an image.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl Bytes {
    /// A sound image of version 3: two data clusters side by side and one apart, and a snapshot
    /// `before` of one cluster.
    fn sound() -> Self {
        Self(vec![0; usize::try_from(END).unwrap()])
            .with(0, b"QFI\xfb")
            .u32(VERSION, 3)
            .u32(CLUSTER_BITS, 10)
            .u64(24, 64 * CLUSTER)
            .u32(L1_SIZE, 1)
            .u64(L1_OFFSET, L1)
            .u64(REFCOUNT_OFFSET, REFCOUNT_TABLE)
            .u32(REFCOUNT_CLUSTERS, 1)
            .u32(SNAPSHOT_COUNT, 1)
            .u64(SNAPSHOTS_OFFSET, SNAPSHOT_TABLE)
            .u32(REFCOUNT_ORDER, 4)
            .u32(HEADER_LENGTH, 104)
            .u64(L1, L2 | COPIED)
            .u64(L2, DATA | COPIED)
            .u64(L2 + 8, (DATA + CLUSTER) | COPIED)
            .u64(L2 + 24, 1)
            .u64(L2 + 8 * 63, SNAPSHOT_DATA)
            .u64(SNAPSHOT_L1, SNAPSHOT_L2)
            .u64(SNAPSHOT_L2 + 8 * 63, SNAPSHOT_DATA)
            .snapshot(SNAPSHOT_TABLE, b"1", b"before")
            .u64(REFCOUNT_TABLE, REFCOUNT_BLOCK)
            .with(REFCOUNT_BLOCK, &[0, 1].repeat(11))
    }

    fn with(mut self, offset: u64, bytes: &[u8]) -> Self {
        let start = usize::try_from(offset).unwrap();
        self.0[start..start + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn u32(self, offset: u64, value: u32) -> Self {
        self.with(offset, &value.to_be_bytes())
    }

    fn u64(self, offset: u64, value: u64) -> Self {
        self.with(offset, &value.to_be_bytes())
    }

    /// An entry of the snapshot table with 24 bytes of extra data, as QEMU writes it.
    fn snapshot(self, offset: u64, id: &[u8], name: &[u8]) -> Self {
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
        let names = [id, name].concat();
        self.u64(offset, SNAPSHOT_L1)
            .u32(offset + 8, 1)
            .with(offset + 12, &length(id))
            .with(offset + 14, &length(name))
            .u32(offset + 16, 1_795_411_093)
            .u32(offset + 20, 301_647_000)
            .u64(offset + 24, 28_897_630)
            .u32(offset + 36, 24)
            .u64(offset + 40, 803_761)
            .u64(offset + 48, 64 * CLUSTER)
            .u64(offset + 56, u64::MAX)
            .with(offset + 64, &names)
    }

    fn cut(mut self, length: u64) -> Self {
        self.0.truncate(usize::try_from(length).unwrap());
        self
    }

    fn read(&self) -> Result<Image, ImageError> {
        Image::read(Cursor::new(&self.0))
    }

    /// The codes of all problems.
    fn problems(&self) -> Vec<ProblemCode> {
        let problems = inspect(Cursor::new(&self.0)).unwrap().problems;
        problems.iter().map(|problem| problem.code).collect()
    }

    fn extents(&self, point: Point<'_>) -> Result<Vec<(ExtentKind, u64, u64)>, ImageError> {
        let image = self.read()?;
        extents(Cursor::new(&self.0), &image, point)?
            .map(|extent| extent.map(|Extent { offset, length, kind }| (kind, offset, length)))
            .collect()
    }
}

#[test]
fn header_and_snapshot_are_read_as_they_were_written() {
    let image = Bytes::sound().read().unwrap();
    assert_eq!(image.header.version, 3);
    assert_eq!(image.header.cluster_size(), 1024);
    assert_eq!(image.header.virtual_size, 64 << 10);
    assert_eq!(image.header.refcount_bits(), 16);
    assert_eq!(image.header.backing, None);
    let snapshot = image.snapshot(b"before").unwrap();
    assert_eq!(snapshot.id, b"1");
    assert_eq!((snapshot.date_sec, snapshot.date_nsec), (1_795_411_093, 301_647_000));
    assert_eq!(snapshot.vm_clock_nsec, 28_897_630);
    assert_eq!(snapshot.vm_state_size, 803_761);
    assert_eq!(snapshot.disk_size, Some(64 << 10));
    assert_eq!(snapshot.icount, None);
}

#[test]
fn what_is_not_qcow2_is_said_to_be_none() {
    for bytes in [&b""[..], b"Q", b"QFI\xfa", b"KDMV rest", &[0; 4096]] {
        assert!(matches!(Image::read(Cursor::new(bytes)), Err(ImageError::NotQcow2)));
    }
}

#[test]
fn a_cut_image_is_never_valid_wherever_the_cut_is() {
    let table_end = SNAPSHOT_L1 + 8;
    for length in 4..table_end {
        let error = Bytes::sound().cut(length).read().unwrap_err();
        match error {
            ImageError::Damaged(problem) if length >= 104 => {
                assert!(
                    problem.message.contains("past the end of the file"),
                    "{length}: {problem}"
                );
            }
            ImageError::Rejected(_) if length < 104 => {}
            other => panic!("{length}: {other}"),
        }
    }
    assert!(Bytes::sound().cut(table_end).read().is_ok(), "data is not looked at");
}

#[test]
fn what_qemu_does_not_open_is_rejected_with_the_reason() {
    use ProblemCode::*;
    let sound = Bytes::sound;
    let extension =
        |kind, length| sound().u32(FIRST_EXTENSION, kind).u32(FIRST_EXTENSION + 4, length);
    for (image, code) in [
        (sound().u32(VERSION, 4), UnsupportedVersion),
        (sound().u32(CLUSTER_BITS, 8), InvalidClusterSize),
        (sound().u32(CLUSTER_BITS, 22), InvalidClusterSize),
        (sound().u32(HEADER_LENGTH, 96), InvalidHeaderLength),
        (sound().u32(HEADER_LENGTH, u32::MAX), InvalidHeaderLength),
        (sound().u64(INCOMPATIBLE, 1 << 5), UnknownFeature),
        (sound().u64(INCOMPATIBLE, 1 << 4), InvalidClusterSize),
        (sound().u64(INCOMPATIBLE, 1 << 3), InvalidCompression),
        (sound().u32(ENCRYPTION, 3), InvalidEncryption),
        (sound().u32(ENCRYPTION, 2), InvalidEncryption),
        (extension(LUKS_EXTENSION, 16), InvalidEncryption),
        (sound().u32(REFCOUNT_ORDER, 7), InvalidRefcountWidth),
        (sound().u32(REFCOUNT_CLUSTERS, 0), InvalidRefcountTable),
        (sound().u32(REFCOUNT_CLUSTERS, u32::MAX), InvalidRefcountTable),
        (sound().u64(REFCOUNT_OFFSET, 513), InvalidRefcountTable),
        (sound().u32(L1_SIZE, u32::MAX), InvalidL1Table),
        (sound().u64(L1_OFFSET, u64::MAX - 511), InvalidL1Table),
        (sound().u32(L1_SIZE, 0), InvalidL1Table),
        (sound().u64(BACKING_OFFSET, u64::MAX), InvalidBackingFile),
        (sound().u64(BACKING_OFFSET, 200).u32(BACKING_SIZE, u32::MAX), InvalidBackingFile),
        (extension(BACKING_FORMAT_EXTENSION, 16), InvalidBackingFile),
        (extension(7, 0x7fff_ffff), InvalidExtension),
        (extension(BITMAPS_EXTENSION, 23).u64(AUTOCLEAR, 1), InvalidExtension),
        (sound().u32(SNAPSHOT_COUNT, 65_537), InvalidSnapshotTable),
        (sound().u32(SNAPSHOT_COUNT, 0).u64(SNAPSHOTS_OFFSET, 1), InvalidSnapshotTable),
        (sound().u64(SNAPSHOTS_OFFSET, u64::MAX - 511), InvalidSnapshotTable),
        (sound().u32(SNAPSHOT_TABLE + 36, 1025), InvalidSnapshotTable),
        (sound().u32(SNAPSHOT_TABLE + 36, u32::MAX), InvalidSnapshotTable),
    ] {
        assert_eq!(image.problems(), [code]);
        assert!(inspect(Cursor::new(&image.0)).unwrap().image.is_none());
    }
}

#[test]
fn what_qemu_opens_although_it_is_not_sound_is_damaged() {
    use ProblemCode::*;
    let sound = Bytes::sound;
    let second = SNAPSHOT_TABLE + 72;
    let two = || sound().u32(SNAPSHOT_COUNT, 2);
    for (image, code) in [
        (sound().u64(INCOMPATIBLE, 1 << 1), MarkedCorrupt),
        (sound().u64(INCOMPATIBLE, 1), MarkedDirty),
        (sound().u64(INCOMPATIBLE, 1 << 2), InconsistentDataFile),
        (sound().u64(AUTOCLEAR, 1 << 1), InconsistentDataFile),
        (
            sound().u32(FIRST_EXTENSION, 7).u32(FIRST_EXTENSION + 4, 1).u32(112, 0xff),
            NonZeroPadding,
        ),
        (sound().u64(SNAPSHOTS_OFFSET, END), SnapshotTablePastEnd),
        (sound().u64(SNAPSHOTS_OFFSET, 1 << 40), SnapshotTablePastEnd),
        (sound().u64(SNAPSHOTS_OFFSET, 0), Overlap),
        (two(), SnapshotExtraTooShort),
        (two().snapshot(second, b"1", b"other"), DuplicateSnapshotId),
        (two().snapshot(second, b"2", b"before"), DuplicateSnapshotName),
        (two().snapshot(second, b"2", b"other").with(second - 1, b"x"), NonZeroPadding),
        (two().snapshot(second, b"", b"other"), EmptySnapshotId),
        (two().snapshot(second, b"2", b""), EmptySnapshotName),
        (sound().snapshot(SNAPSHOT_TABLE, b"1", b"a\0b"), NulInSnapshotName),
        (sound().u32(SNAPSHOT_TABLE + 36, 8), SnapshotExtraTooShort),
        (sound().u64(SNAPSHOT_TABLE, SNAPSHOT_L1 + 8), SnapshotL1Misaligned),
        (sound().u32(SNAPSHOT_TABLE + 8, u32::MAX), SnapshotL1Size),
        (sound().u32(SNAPSHOT_TABLE + 8, 0), SnapshotL1Size),
        (sound().u64(SNAPSHOT_TABLE, END), SnapshotL1PastEnd),
        (sound().u64(SNAPSHOT_TABLE, L1), Overlap),
        (sound().u64(L1_OFFSET, REFCOUNT_TABLE), Overlap),
        (sound().u64(REFCOUNT_TABLE, 0), NotCounted),
        (sound().with(REFCOUNT_BLOCK + 4, &[0, 0]), NotCounted),
        (sound().u64(REFCOUNT_OFFSET, END), RefcountTablePastEnd),
        (sound().u64(L1_OFFSET, END), L1TablePastEnd),
        (sound().u32(HEADER_LENGTH, 1024).cut(1023), HeaderPastEnd),
    ] {
        let problems = image.problems();
        assert!(problems.contains(&code), "expected {code}, got {problems:?}");
        assert!(inspect(Cursor::new(&image.0)).unwrap().image.is_some());
    }
    assert_eq!(sound().problems(), []);
}

#[test]
fn a_hostile_table_has_its_problems_counted_only_so_far() {
    let mut image = Bytes::sound().u32(SNAPSHOT_COUNT, 65_536).u64(SNAPSHOTS_OFFSET, END);
    image.0.resize(image.0.len() + 65_536 * 40, 0);
    assert_eq!(image.problems().len(), 100);
}

#[test]
fn refcounts_of_every_width_are_read() {
    for order in 0..=6 {
        let bytes = match order {
            0 => vec![0xff, 0b111],
            1 => vec![0b0101_0101; 3],
            2 => vec![0x11; 6],
            order => [vec![0; (1 << (order - 3)) - 1], vec![1]].concat().repeat(11),
        };
        let image = Bytes::sound()
            .with(REFCOUNT_BLOCK, &[0; 32])
            .u32(REFCOUNT_ORDER, order)
            .with(REFCOUNT_BLOCK, &bytes);
        assert_eq!(image.problems(), [], "{order}");
        assert_eq!(image.with(REFCOUNT_BLOCK, &vec![0; bytes.len()]).problems().len(), 5);
    }
}

#[test]
fn version_2_needs_no_extra_data_in_snapshots() {
    let entry = SNAPSHOT_TABLE;
    let image = Bytes::sound()
        .u32(VERSION, 2)
        .u32(entry + 32, 4096)
        .u32(entry + 36, 0)
        .with(entry + 40, b"1before")
        .with(entry + 47, &[0; 24])
        .read()
        .unwrap();
    let snapshot = image.snapshot(b"before").unwrap();
    assert_eq!((snapshot.vm_state_size, snapshot.disk_size), (4096, None));
}

#[test]
fn backing_file_and_its_format_are_read() {
    let image = Bytes::sound()
        .u32(FIRST_EXTENSION, 0xe279_2aca)
        .u32(FIRST_EXTENSION + 4, 3)
        .with(FIRST_EXTENSION + 8, b"raw")
        .u64(BACKING_OFFSET, 136)
        .u32(BACKING_SIZE, 10)
        .with(136, b"golden.img")
        .read()
        .unwrap();
    let expected = Backing { file: "golden.img".into(), format: Some("raw".into()) };
    assert_eq!(image.header.backing, Some(expected));
}

#[test]
fn names_are_bytes() {
    let image = Bytes::sound().snapshot(SNAPSHOT_TABLE, b"1", b"\xff\n").read().unwrap();
    assert!(image.snapshot(b"\xff\n").is_some());
}

#[test]
fn the_active_state_is_header_tables_and_joined_clusters_without_zeros() {
    use ExtentKind::*;
    assert_eq!(
        Bytes::sound().extents(Point::Active).unwrap(),
        [
            (Header, 0, CLUSTER),
            (L1, self::L1, 8),
            (L2, self::L2, CLUSTER),
            (Data, DATA, 2 * CLUSTER),
            (Data, SNAPSHOT_DATA, CLUSTER),
        ]
    );
}

#[test]
fn a_snapshot_is_its_own_tables_and_clusters() {
    use ExtentKind::*;
    assert_eq!(
        Bytes::sound().extents(Point::Snapshot(b"before")).unwrap(),
        [(L1, SNAPSHOT_L1, 8), (L2, SNAPSHOT_L2, CLUSTER), (Data, SNAPSHOT_DATA, CLUSTER)]
    );
    let missing = Bytes::sound().extents(Point::Snapshot(b"after"));
    assert!(matches!(missing, Err(ImageError::NoSuchSnapshot(name)) if name == "after"));
}

#[test]
fn a_compressed_cluster_is_the_sectors_it_lies_in() {
    // 1 KiB clusters: 60 bits of offset. One further sector.
    let compressed = 1 << 62 | 1 << 60 | (DATA + 100);
    let image = Bytes::sound().u64(L2 + 8, 0).u64(L2, compressed);
    let extents = image.extents(Point::Active).unwrap();
    assert_eq!(extents[3], (ExtentKind::Data, DATA + 100, 2 * 512 - 100));
}

#[test]
fn the_last_cluster_may_be_cut_but_not_missing() {
    let cut = Bytes::sound().cut(SNAPSHOT_DATA + 100).extents(Point::Active).unwrap();
    assert_eq!(cut.last(), Some(&(ExtentKind::Data, SNAPSHOT_DATA, 100)));
    let missing = Bytes::sound().cut(SNAPSHOT_DATA).extents(Point::Active);
    assert!(matches!(missing, Err(ImageError::Broken(_))), "{missing:?}");
}

#[test]
fn a_misaligned_table_or_cluster_is_damage() {
    for image in [Bytes::sound().u64(L1, L2 + 512), Bytes::sound().u64(L2, DATA + 512)] {
        let extents = image.extents(Point::Active);
        let Err(ImageError::Broken(reason)) = extents else { panic!("{extents:?}") };
        assert!(reason.contains("not the start of a cluster"), "{reason}");
    }
}

#[test]
fn images_whose_data_cannot_be_followed_are_refused() {
    let data_file = Bytes::sound()
        .u64(INCOMPATIBLE, 1 << 2)
        .u32(FIRST_EXTENSION, 0x4441_5441)
        .u32(FIRST_EXTENSION + 4, 4)
        .with(FIRST_EXTENSION + 8, b"data");
    let refused = data_file.extents(Point::Active);
    assert!(matches!(refused, Err(ImageError::Unsupported("an external data file"))));
}

#[test]
fn an_iteration_ends_with_its_first_error() {
    let bytes = Bytes::sound().u64(L2, 1 << 40);
    let image = bytes.read().unwrap();
    let mut extents = extents(Cursor::new(&bytes.0), &image, Point::Active).unwrap();
    assert!(extents.by_ref().any(|extent| extent.is_err()));
    assert!(extents.next().is_none());
}

/// Looks at everything that can be looked at.
fn explore(bytes: &[u8]) {
    let inspection = inspect(Cursor::new(bytes)).unwrap();
    assert_eq!(inspection.image.is_none(), inspection.verdict() == Verdict::Rejected);
    let Some(image) = inspection.image else {
        return;
    };
    let snapshots = image.snapshots.iter().map(|snapshot| Point::Snapshot(&snapshot.name));
    for point in snapshots.chain([Point::Active]) {
        let Ok(extents) = extents(Cursor::new(bytes), &image, point) else {
            continue;
        };
        for extent in extents.take(1000).flatten() {
            assert!(extent.length > 0);
            assert!(extent.offset + extent.length <= bytes.len() as u64);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        explore(&bytes);
        let mut image = Bytes::sound().0;
        let rest = bytes.len().min(image.len() - 4);
        image[4..4 + rest].copy_from_slice(&bytes[..rest]);
        explore(&image);
    }

    #[test]
    fn no_mutation_makes_the_reader_panic_or_leave_the_file(
        changes in proptest::collection::vec((0..END, any::<u8>()), 1..20),
        fields in proptest::collection::vec((0..END / 8, any::<u64>()), 0..4),
        length in 0..=END,
    ) {
        let mut bytes = Bytes::sound();
        for (index, value) in fields {
            bytes = bytes.u64(index * 8, value);
        }
        for (offset, byte) in changes {
            bytes = bytes.with(offset, &[byte]);
        }
        explore(&bytes.0);
        explore(&bytes.cut(length).0);
    }
}
