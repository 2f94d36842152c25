//! What is written by the specification is read as it was: parse(build(x)) = x.

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;

use super::features::FeatureName;
use super::*;

/// Writes an image as `docs/interop/qcow2.rst` describes it: header, extensions, the name of the
/// backing file, and the snapshot table where the header has it.
fn build(image: &Image) -> Vec<u8> {
    let Image { header, snapshots } = image;
    let extensions = build_extensions(&header.extensions);
    let name_offset = header.length as usize + extensions.len();
    let (backing_offset, backing) = match &header.backing {
        Some(backing) => (name_offset as u64, backing.file.as_bytes()),
        None => (0, &[][..]),
    };
    let mut bytes = [
        &b"QFI\xfb"[..],
        &header.version.to_be_bytes(),
        &backing_offset.to_be_bytes(),
        &u32::try_from(backing.len()).unwrap().to_be_bytes(),
        &header.cluster_bits.to_be_bytes(),
        &header.virtual_size.to_be_bytes(),
        &header.encryption.to_be_bytes(),
        &header.l1_size.to_be_bytes(),
        &header.l1_table_offset.to_be_bytes(),
        &header.refcount_table_offset.to_be_bytes(),
        &header.refcount_table_clusters.to_be_bytes(),
        &header.snapshot_count.to_be_bytes(),
        &header.snapshots_offset.to_be_bytes(),
    ]
    .concat();
    if header.version == 3 {
        bytes.extend(header.incompatible_features.to_be_bytes());
        bytes.extend(header.compatible_features.to_be_bytes());
        bytes.extend(header.autoclear_features.to_be_bytes());
        bytes.extend(header.refcount_order.to_be_bytes());
        bytes.extend(header.length.to_be_bytes());
        bytes.push(header.compression_type);
        bytes.resize(header.length as usize, 0);
    }
    bytes.extend(extensions);
    bytes.extend(backing);
    bytes.resize(usize::try_from(header.snapshots_offset).unwrap(), 0);
    for snapshot in snapshots {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(build_snapshot(snapshot));
    }
    bytes
}

fn build_extensions(extensions: &Extensions) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |kind: u32, data: &[u8]| {
        bytes.extend(kind.to_be_bytes());
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    };
    if let Some(format) = &extensions.backing_format {
        add(0xe279_2aca, format.as_bytes());
    }
    if let Some(file) = &extensions.data_file {
        add(0x4441_5441, file.as_bytes());
    }
    if let Some(Bitmaps { count, directory_size, directory_offset }) = extensions.bitmaps {
        let fields = [u64::from(count) << 32, directory_size, directory_offset];
        add(0x2385_2875, &fields.map(u64::to_be_bytes).concat());
    }
    let name = |FeatureName { kind, bit, name }: &FeatureName| {
        let mut entry = [&[*kind, *bit], name.as_bytes()].concat();
        entry.resize(48, 0);
        entry
    };
    let names: Vec<_> = extensions.feature_names.iter().flat_map(name).collect();
    if !names.is_empty() {
        add(0x6803_f857, &names);
    }
    for UnknownExtension { kind, data } in &extensions.unknown {
        add(*kind, data);
    }
    add(0, &[]);
    bytes
}

fn build_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let extra = [
        &snapshot.vm_state_size.to_be_bytes()[..],
        &snapshot.disk_size.unwrap().to_be_bytes(),
        &snapshot.icount.unwrap_or(u64::MAX).to_be_bytes(),
        &snapshot.unknown_extra,
    ]
    .concat();
    [
        &snapshot.l1_table_offset.to_be_bytes()[..],
        &snapshot.l1_size.to_be_bytes(),
        &length(&snapshot.id),
        &length(&snapshot.name),
        &snapshot.date_sec.to_be_bytes(),
        &snapshot.date_nsec.to_be_bytes(),
        &snapshot.vm_clock_nsec.to_be_bytes(),
        // Where the state has more than 32 bits of size, this field is 0.
        &u32::try_from(snapshot.vm_state_size).unwrap_or(0).to_be_bytes(),
        &u32::try_from(extra.len()).unwrap().to_be_bytes(),
        &extra,
        &snapshot.id,
        &snapshot.name,
    ]
    .concat()
}

prop_compose! {
    fn snapshot()(
        (id, name, unknown_extra) in (vec(any::<u8>(), 0..6), vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..30)),
        (date_sec, date_nsec, vm_clock_nsec) in any::<(u32, u32, u64)>(),
        (vm_state_size, disk_size, icount) in (any::<u64>(), any::<u64>(), 0..u64::MAX),
        has_icount in any::<bool>(),
        (l1_table_offset, l1_size) in any::<(u64, u32)>(),
    ) -> Snapshot {
        Snapshot {
            id, name, date_sec, date_nsec, vm_clock_nsec, vm_state_size,
            disk_size: Some(disk_size),
            icount: has_icount.then_some(icount),
            unknown_extra, l1_table_offset, l1_size,
        }
    }
}

prop_compose! {
    fn extensions(has_bitmaps: bool)(
        backing_format in proptest::option::of("[a-z0-9]{1,15}"),
        data_file in proptest::option::of("[ -~]{1,100}"),
        names in vec((0..3_u8, 0..64_u8, "[a-z ]{1,46}"), 0..4),
        (count, directory_size, clusters) in (1..65_536_u32, 0..1_u64 << 26, 0..1_u64 << 20),
        unknown in vec((1..0x1000_u32, vec(any::<u8>(), 0..40)), 0..3),
    ) -> Extensions {
        Extensions {
            backing_format,
            data_file,
            feature_names: names
                .into_iter()
                .map(|(kind, bit, name)| FeatureName { kind, bit, name })
                .collect(),
            bitmaps: has_bitmaps
                .then_some(Bitmaps { count, directory_size, directory_offset: clusters << 21 }),
            luks_header: None,
            unknown: unknown
                .into_iter()
                .map(|(kind, data)| UnknownExtension { kind, data })
                .collect(),
        }
    }
}

prop_compose! {
    /// What QEMU accepts; whether tables overlap or lie in the file is of no matter here.
    fn image()(has_bitmaps in any::<bool>(), version in 2..=3_u32)(
        extensions in extensions(has_bitmaps && version == 3),
        backing_file in proptest::option::of("[ -~]{1,200}"),
        (cluster_bits, encryption, refcount_order) in (12..=21_u32, 0..2_u32, 0..=6_u32),
        (l1_size, l1_clusters, size_in_1024) in (1..1_u32 << 22, 0..1_u64 << 30, 0..=1024_u128),
        (refcount_table_clusters, refcount_clusters) in (1..=4_u32, 0..1_u64 << 30),
        (corrupt, compatible_features, unknown_autoclear) in (any::<bool>(), any::<u64>(), any::<u64>()),
        (length, zstd) in (prop_oneof![Just(104_u32), Just(112), Just(120)], any::<bool>()),
        snapshots in vec(snapshot(), 0..5),
        has_bitmaps in Just(has_bitmaps),
        version in Just(version),
    ) -> Image {
        let v3 = version == 3;
        let zstd = zstd && length > 104 && v3;
        let only_v3 = |value: u64| if v3 { value } else { 0 };
        let covered = u128::from(l1_size) << (2 * cluster_bits - 3);
        let header = Header {
            version,
            backing: backing_file
                .map(|file| Backing { file, format: extensions.backing_format.clone() }),
            cluster_bits,
            virtual_size: u64::try_from(covered * size_in_1024 / 1024).unwrap(),
            encryption,
            l1_size,
            l1_table_offset: l1_clusters << cluster_bits,
            refcount_table_offset: refcount_clusters << cluster_bits,
            refcount_table_clusters,
            refcount_order: if v3 { refcount_order } else { 4 },
            snapshot_count: u32::try_from(snapshots.len()).unwrap(),
            snapshots_offset: 1 << cluster_bits,
            incompatible_features: only_v3(u64::from(corrupt) << 1 | u64::from(zstd) << 3),
            compatible_features: only_v3(compatible_features),
            autoclear_features: only_v3(unknown_autoclear & !1 | u64::from(has_bitmaps)),
            length: if v3 { length } else { 72 },
            compression_type: zstd.into(),
            extensions,
        };
        Image { header, snapshots }
    }
}

proptest! {
    #[test]
    fn what_is_built_is_read_as_it_was(image in image()) {
        let inspection = inspect(Cursor::new(build(&image))).unwrap();
        prop_assert_eq!(inspection.image.as_ref(), Some(&image), "{:?}", inspection.problems);
    }
}
