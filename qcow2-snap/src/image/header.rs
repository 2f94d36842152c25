use std::io::{Read, Seek};
use std::ops::RangeInclusive;

use nom::number::complete::{be_u8, be_u32, be_u64};
use nom::{IResult, Parser};

use super::error::{ImageError, accept, sound};
use super::source::Source;
use super::table::is_valid_table;

const MAGIC: [u8; 4] = *b"QFI\xfb";
const V2_LENGTH: u32 = 72;
const V3_LENGTH: u32 = 104;

/// QEMU's limits.
const CLUSTER_BITS: RangeInclusive<u32> = 9..=21;
const MIN_CLUSTER_BITS_EXTENDED_L2: u32 = 14;
pub(super) const MAX_L1_BYTES: u64 = 32 << 20;
const MAX_REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
const MAX_REFCOUNT_ORDER: u32 = 6;
const MAX_ENCRYPTION: u32 = 2;
const MAX_BACKING_NAME: u32 = 1023;
const MAX_BACKING_FORMAT: usize = 15;

/// Incompatible feature bits.
const DIRTY: u64 = 1 << 0;
const CORRUPT: u64 = 1 << 1;
const DATA_FILE: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
const KNOWN_INCOMPATIBLE: u64 = DIRTY | CORRUPT | DATA_FILE | COMPRESSION_TYPE | EXTENDED_L2;

/// Types of header extensions.
const EXTENSION_END: u32 = 0;
const EXTENSION_BACKING_FORMAT: u32 = 0xe279_2aca;

/// The header of an image, with those of its extensions that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// The file that holds what this one does not.
    pub backing: Option<Backing>,
    /// The cluster size is 2 to this power, 9 to 21.
    pub cluster_bits: u32,
    /// Bytes the guest sees.
    pub virtual_size: u64,
    /// 0 none, 1 AES, 2 LUKS.
    pub encryption: u32,
    /// Entries of the active level-1 table.
    pub l1_size: u32,
    /// Where the active level-1 table starts.
    pub l1_table_offset: u64,
    /// Where the refcount table starts.
    pub refcount_table_offset: u64,
    /// Clusters of the refcount table.
    pub refcount_table_clusters: u32,
    /// A refcount has 2 to this power bits, 0 to 6.
    pub refcount_order: u32,
    /// How many internal snapshots the table holds.
    pub snapshot_count: u32,
    /// Where the snapshot table starts.
    pub snapshots_offset: u64,
    /// Features a reader must know.
    pub incompatible_features: u64,
    /// Features a reader may ignore.
    pub compatible_features: u64,
    /// Features a writer that does not know them must clear.
    pub autoclear_features: u64,
    /// 0 deflate, 1 zstd.
    pub compression_type: u8,
}

/// A backing file, as the header names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// The name; what is not UTF-8 becomes U+FFFD. Where relative, it is to the image's directory.
    pub file: String,
    /// The format that the header names.
    pub format: Option<String>,
}

impl Header {
    /// Bytes a cluster: 512 to 2 MiB.
    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Bits a refcount has: 1 to 64.
    pub fn refcount_bits(&self) -> u32 {
        1 << self.refcount_order
    }

    /// Whether guest data lies in another file.
    pub fn has_data_file(&self) -> bool {
        self.incompatible_features & DATA_FILE != 0
    }

    /// Whether level-2 entries have 128 bits, with subclusters.
    pub fn has_extended_l2(&self) -> bool {
        self.incompatible_features & EXTENDED_L2 != 0
    }

    pub(super) fn read<R: Read + Seek>(source: &mut Source<R>) -> Result<Self, ImageError> {
        let available = |limit: u64| usize::try_from(source.length().min(limit)).unwrap_or(0);
        let (start, cluster_limit) =
            (available(V3_LENGTH.into()), available(1 << CLUSTER_BITS.end()));
        let start = source.read(0, start, "the header")?;
        if !start.starts_with(&MAGIC) {
            return Err(ImageError::NotQcow2);
        }
        let cut = |_| ImageError::Damaged("the file ends within its header".to_owned());
        let (_, (mut header, backing_name)) = fixed_fields(&start).map_err(cut)?;
        accept(matches!(header.version, 2 | 3), || format!("version {}", header.version))?;
        accept(CLUSTER_BITS.contains(&header.cluster_bits), || {
            format!("clusters of 2^{} bytes", header.cluster_bits)
        })?;
        let mut length = V2_LENGTH;
        if header.version == 3 {
            (_, length) = header.version_3_fields(&start).map_err(cut)?;
            accept(length >= V3_LENGTH, || format!("a header of {length} bytes"))?;
        }
        let cluster = 1_usize << header.cluster_bits;
        let first_cluster = source.read(0, cluster.min(cluster_limit), "the header")?;
        header.check_features(length, &first_cluster)?;
        header.check_tables(source.length())?;
        header.backing = backing(&first_cluster, length, backing_name, header.cluster_size())?;
        Ok(header)
    }

    /// Bytes 72 to 103. Returns the header's length.
    fn version_3_fields<'a>(&mut self, start: &'a [u8]) -> IResult<&'a [u8], u32> {
        let input = start.get(V2_LENGTH as usize..).unwrap_or_default();
        let (rest, (incompatible, compatible, autoclear, order, length)) =
            (be_u64, be_u64, be_u64, be_u32, be_u32).parse(input)?;
        self.incompatible_features = incompatible;
        self.compatible_features = compatible;
        self.autoclear_features = autoclear;
        self.refcount_order = order;
        Ok((rest, length))
    }

    fn check_features(&mut self, length: u32, first_cluster: &[u8]) -> Result<(), ImageError> {
        accept(u64::from(length) <= self.cluster_size(), || {
            format!("a header of {length} bytes, longer than a cluster")
        })?;
        sound(first_cluster.len() >= length as usize, || {
            "the file ends within its header".to_owned()
        })?;
        let unknown = self.incompatible_features & !KNOWN_INCOMPATIBLE;
        accept(unknown == 0, || format!("unknown incompatible features {unknown:#x}"))?;
        if length > V3_LENGTH {
            let rest = first_cluster.get(V3_LENGTH as usize..).unwrap_or_default();
            self.compression_type = be_u8::<_, ()>(rest).map_or(0, |(_, kind)| kind);
        }
        let announced = self.incompatible_features & COMPRESSION_TYPE != 0;
        accept(self.compression_type <= 1 && announced == (self.compression_type != 0), || {
            format!("compression type {}", self.compression_type)
        })?;
        accept(
            !self.has_extended_l2() || self.cluster_bits >= MIN_CLUSTER_BITS_EXTENDED_L2,
            || "extended level-2 entries need clusters of 16 KiB".to_owned(),
        )?;
        accept(self.encryption <= MAX_ENCRYPTION, || format!("encryption {}", self.encryption))?;
        accept(self.refcount_order <= MAX_REFCOUNT_ORDER, || {
            format!("refcounts of 2^{} bits", self.refcount_order)
        })?;
        sound(self.incompatible_features & CORRUPT == 0, || {
            "QEMU has marked it as corrupt".to_owned()
        })?;
        sound(self.incompatible_features & DIRTY == 0, || {
            "its refcounts are marked as out of date (in use with lazy refcounts, or not closed)"
                .to_owned()
        })
    }

    fn check_tables(&self, file_length: u64) -> Result<(), ImageError> {
        let cluster = self.cluster_size();
        let refcount_bytes = u64::from(self.refcount_table_clusters) * cluster;
        accept(refcount_bytes > 0, || "it has no refcount table".to_owned())?;
        accept(
            refcount_bytes <= MAX_REFCOUNT_TABLE_BYTES
                && is_valid_table(self.refcount_table_offset, refcount_bytes, cluster),
            || "its refcount table is too large or in no valid place".to_owned(),
        )?;
        let l1_bytes = u64::from(self.l1_size) * 8;
        accept(
            l1_bytes <= MAX_L1_BYTES && is_valid_table(self.l1_table_offset, l1_bytes, cluster),
            || "its level-1 table is too large or in no valid place".to_owned(),
        )?;
        let covered = u128::from(self.l1_size) * u128::from(self.bytes_an_l1_entry());
        accept(covered >= u128::from(self.virtual_size), || {
            "its level-1 table is smaller than the disk".to_owned()
        })?;
        for (name, offset, bytes) in [
            ("refcount table", self.refcount_table_offset, refcount_bytes),
            ("level-1 table", self.l1_table_offset, l1_bytes),
        ] {
            sound(offset.saturating_add(bytes) <= file_length, || {
                format!("its {name} ends past the end of the file ({file_length})")
            })?;
        }
        Ok(())
    }

    /// Bytes of the disk that one level-1 entry stands for: one level-2 table's worth of clusters.
    fn bytes_an_l1_entry(&self) -> u64 {
        let entry = if self.has_extended_l2() { 16 } else { 8 };
        self.cluster_size() / entry * self.cluster_size()
    }
}

/// Bytes 0 to 71, with where the name of the backing file is: offset and length.
fn fixed_fields(input: &[u8]) -> IResult<&[u8], (Header, (u64, u32))> {
    let (input, (_magic, version)) = (be_u32, be_u32).parse(input)?;
    let (input, backing_name) = (be_u64, be_u32).parse(input)?;
    let (input, (cluster_bits, virtual_size, encryption)) =
        (be_u32, be_u64, be_u32).parse(input)?;
    let (input, (l1_size, l1_table_offset)) = (be_u32, be_u64).parse(input)?;
    let (input, (refcount_table_offset, refcount_table_clusters)) =
        (be_u64, be_u32).parse(input)?;
    let (input, (snapshot_count, snapshots_offset)) = (be_u32, be_u64).parse(input)?;
    let header = Header {
        version,
        backing: None,
        cluster_bits,
        virtual_size,
        encryption,
        l1_size,
        l1_table_offset,
        refcount_table_offset,
        refcount_table_clusters,
        refcount_order: 4,
        snapshot_count,
        snapshots_offset,
        incompatible_features: 0,
        compatible_features: 0,
        autoclear_features: 0,
        compression_type: 0,
    };
    Ok((input, (header, backing_name)))
}

fn backing(
    first_cluster: &[u8],
    header_length: u32,
    (offset, length): (u64, u32),
    cluster_size: u64,
) -> Result<Option<Backing>, ImageError> {
    accept(offset <= cluster_size, || format!("a backing file name at offset {offset}"))?;
    let end = if offset == 0 { cluster_size } else { offset };
    let format = backing_format(first_cluster, header_length.into(), end)?;
    if offset == 0 {
        return Ok(None);
    }
    accept(length <= MAX_BACKING_NAME && offset + u64::from(length) <= cluster_size, || {
        format!("a backing file name of {length} bytes")
    })?;
    let name = slice(first_cluster, offset, length.into())
        .ok_or_else(|| ImageError::Damaged("the file ends within the backing file name".into()))?;
    Ok(Some(Backing { file: lossy(name), format }))
}

/// Walks the extensions from the end of the header to `end`: type, length, data padded to 8 bytes.
fn backing_format(cluster: &[u8], start: u64, end: u64) -> Result<Option<String>, ImageError> {
    let mut position = start;
    let mut found = None;
    while position < end {
        let Some(head) = slice(cluster, position, 8) else {
            break;
        };
        let Ok((_, (kind, length))) = (be_u32::<_, ()>, be_u32).parse(head) else {
            break;
        };
        position += 8;
        if kind == EXTENSION_END {
            break;
        }
        accept(position <= end && u64::from(length) <= end - position, || {
            format!("a header extension of {length} bytes")
        })?;
        if kind == EXTENSION_BACKING_FORMAT {
            let name = slice(cluster, position, length.into())
                .filter(|name| name.len() <= MAX_BACKING_FORMAT)
                .ok_or_else(|| ImageError::Rejected("the backing format is too long".into()))?;
            found = Some(lossy(name));
        }
        position += u64::from(length).next_multiple_of(8);
    }
    Ok(found)
}

fn slice(bytes: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
