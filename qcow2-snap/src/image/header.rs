use std::io::{Read, Seek};

use nom::number::complete::{be_u8, be_u32, be_u64};
use nom::{IResult, Parser};

use super::error::{Ended, accept};
use super::extension::{self, Context, Extensions};
use super::features::{self, autoclear, compatible, incompatible};
use super::limits::{
    CLUSTER_BITS, MAX_BACKING_NAME, MAX_L1_BYTES, MAX_REFCOUNT_ORDER, MAX_REFCOUNT_TABLE_BYTES,
    MIN_CLUSTER_BITS_EXTENDED_L2,
};
use super::problem::{Findings, ProblemCode as Code};
use super::source::Source;
use super::table::is_valid_table;

const MAGIC: [u8; 4] = *b"QFI\xfb";
const V2_LENGTH: u32 = 72;
const V3_LENGTH: u32 = 104;
/// With the compression type and its padding.
const LONGEST_KNOWN: usize = 112;

/// Methods of encryption.
const AES: u32 = 1;
const LUKS: u32 = 2;

/// The header of an image, with its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// The file that holds what this one does not.
    pub backing: Option<Backing>,
    /// The cluster size is 2 to this power, 9 to 21.
    pub cluster_bits: u32,
    /// Bytes the guest sees. QEMU shows it whole sectors of 512 bytes only.
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
    /// Features a reader must know: bits of [`features::incompatible`].
    pub incompatible_features: u64,
    /// Features a reader may ignore: bits of [`features::compatible`].
    pub compatible_features: u64,
    /// Features a writer that does not know them must clear: bits of [`features::autoclear`].
    pub autoclear_features: u64,
    /// Bytes of the header, 72 in version 2.
    pub length: u32,
    /// 0 deflate, 1 zstd.
    pub compression_type: u8,
    /// The extensions.
    pub extensions: Extensions,
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
        self.incompatible_features & incompatible::DATA_FILE != 0
    }

    /// Whether that other file is a raw image by itself.
    pub fn has_raw_data_file(&self) -> bool {
        self.autoclear_features & autoclear::RAW_DATA_FILE != 0
    }

    /// Whether level-2 entries have 128 bits, with subclusters.
    pub fn has_extended_l2(&self) -> bool {
        self.incompatible_features & incompatible::EXTENDED_L2 != 0
    }

    /// Whether QEMU has marked the image as corrupt.
    pub fn is_corrupt(&self) -> bool {
        self.incompatible_features & incompatible::CORRUPT != 0
    }

    /// Whether the refcounts may be out of date.
    pub fn is_dirty(&self) -> bool {
        self.incompatible_features & incompatible::DIRTY != 0
    }

    /// Whether refcounts may be brought up to date later than what they count.
    pub fn has_lazy_refcounts(&self) -> bool {
        self.compatible_features & compatible::LAZY_REFCOUNTS != 0
    }

    /// The method of encryption by the name that QEMU gives it.
    pub fn encryption_name(&self) -> Option<&'static str> {
        match self.encryption {
            AES => Some("aes"),
            LUKS => Some("luks"),
            _ => None,
        }
    }

    /// Bytes of the refcount table.
    pub(super) fn refcount_table_bytes(&self) -> u64 {
        u64::from(self.refcount_table_clusters) * self.cluster_size()
    }

    /// Bytes of the active level-1 table.
    pub(super) fn l1_bytes(&self) -> u64 {
        u64::from(self.l1_size) * 8
    }

    /// Bytes of the disk that one level-1 entry stands for: one level-2 table's worth of clusters.
    pub(super) fn bytes_an_l1_entry(&self) -> u64 {
        let entry = if self.has_extended_l2() { 16 } else { 8 };
        self.cluster_size() / entry * self.cluster_size()
    }

    pub(super) fn read<R: Read + Seek>(
        source: &mut Source<R>,
        findings: &mut Findings,
    ) -> Result<Self, Ended> {
        let start = source.read(0, LONGEST_KNOWN)?;
        accept(start.starts_with(&MAGIC), Code::NotQcow2, || {
            "the file does not begin with the magic number of qcow2".to_owned()
        })?;
        let (mut header, backing_name) = fields(&start);
        header.check_geometry()?;
        let cluster = usize::try_from(header.cluster_size()).unwrap_or(usize::MAX);
        // An extension may begin before the end of the cluster and reach over it.
        let first_cluster = source.read(0, cluster.saturating_add(8))?;
        header.read_rest(&first_cluster, backing_name, findings)?;
        header.check_features()?;
        header.check_tables()?;
        header.find_damage(source, backing_name, findings);
        Ok(header)
    }

    /// What must hold before anything else of the file can be read.
    fn check_geometry(&self) -> Result<(), Ended> {
        let (version, length, bits) = (self.version, self.length, self.cluster_bits);
        accept(matches!(version, 2 | 3), Code::UnsupportedVersion, || {
            format!("version {version}")
        })?;
        accept(CLUSTER_BITS.contains(&bits), Code::InvalidClusterSize, || {
            format!("clusters of 2^{bits} bytes")
        })?;
        let least = if version == 3 { V3_LENGTH } else { V2_LENGTH };
        let fits = length >= least && u64::from(length) <= self.cluster_size();
        accept(fits, Code::InvalidHeaderLength, || {
            format!("a header of {length} bytes in a cluster of {}", self.cluster_size())
        })
    }

    /// The extensions, and the backing file.
    fn read_rest(
        &mut self,
        first_cluster: &[u8],
        (offset, length): (u64, u32),
        findings: &mut Findings,
    ) -> Result<(), Ended> {
        let cluster = self.cluster_size();
        accept(offset <= cluster, Code::InvalidBackingFile, || {
            format!("the name of the backing file is at offset {offset}")
        })?;
        let end = if offset == 0 { cluster } else { offset };
        let context = Context {
            cluster_size: cluster,
            is_luks: self.encryption == LUKS,
            has_bitmaps: self.autoclear_features & autoclear::BITMAPS != 0,
        };
        if let Some(area) = slice(first_cluster, self.length.into(), end + 8) {
            self.extensions = extension::read(area, context, findings)?;
        }
        if offset != 0 {
            let fits = length <= MAX_BACKING_NAME && offset + u64::from(length) <= cluster;
            accept(fits, Code::InvalidBackingFile, || {
                format!("the name of the backing file has {length} bytes")
            })?;
            let name = slice(first_cluster, offset, offset + u64::from(length));
            let file = super::until_nul(name.unwrap_or_default());
            let format = self.extensions.backing_format.clone();
            self.backing =
                Some(Backing { file, format }).filter(|backing| !backing.file.is_empty());
        }
        Ok(())
    }

    fn check_features(&self) -> Result<(), Ended> {
        let names = &self.extensions.feature_names;
        let unknown = features::unknown_incompatible(self.incompatible_features, names);
        accept(unknown.is_empty(), Code::UnknownFeature, || {
            format!("unknown incompatible features: {}", unknown.join(", "))
        })?;
        let announced = self.incompatible_features & incompatible::COMPRESSION_TYPE != 0;
        let fits = self.compression_type <= 1 && announced == (self.compression_type != 0);
        accept(fits, Code::InvalidCompression, || {
            format!("compression type {}", self.compression_type)
        })?;
        let extended = self.has_extended_l2();
        let fits = !extended || self.cluster_bits >= MIN_CLUSTER_BITS_EXTENDED_L2;
        accept(fits, Code::InvalidClusterSize, || {
            "extended level-2 entries need clusters of at least 16 KiB".to_owned()
        })?;
        accept(self.encryption <= LUKS, Code::InvalidEncryption, || {
            format!("encryption {}", self.encryption)
        })?;
        let has_luks_header = self.extensions.luks_header.is_some();
        accept(self.encryption != LUKS || has_luks_header, Code::InvalidEncryption, || {
            "encrypted by LUKS, but without a header of LUKS".to_owned()
        })?;
        accept(self.refcount_order <= MAX_REFCOUNT_ORDER, Code::InvalidRefcountWidth, || {
            format!("refcounts of 2^{} bits", self.refcount_order)
        })
    }

    fn check_tables(&self) -> Result<(), Ended> {
        let (cluster, bytes) = (self.cluster_size(), self.refcount_table_bytes());
        accept(bytes > 0, Code::InvalidRefcountTable, || "it has no refcount table".to_owned())?;
        let fits = bytes <= MAX_REFCOUNT_TABLE_BYTES
            && is_valid_table(self.refcount_table_offset, bytes, cluster);
        accept(fits, Code::InvalidRefcountTable, || {
            let offset = self.refcount_table_offset;
            format!("a refcount table of {bytes} bytes at offset {offset}")
        })?;
        let bytes = self.l1_bytes();
        let fits = bytes <= MAX_L1_BYTES && is_valid_table(self.l1_table_offset, bytes, cluster);
        accept(fits, Code::InvalidL1Table, || {
            format!("a level-1 table of {bytes} bytes at offset {}", self.l1_table_offset)
        })?;
        let covered = u128::from(self.l1_size) * u128::from(self.bytes_an_l1_entry());
        accept(covered >= u128::from(self.virtual_size), Code::InvalidL1Table, || {
            "its level-1 table is smaller than the disk".to_owned()
        })
    }

    /// What QEMU opens, but should not.
    fn find_damage<R: Read + Seek>(
        &self,
        source: &Source<R>,
        backing_name: (u64, u32),
        findings: &mut Findings,
    ) {
        let file = source.length();
        let past_end = |what: &str| format!("{what} ends past the end of the file ({file})");
        let named =
            backing_name.0 + u64::from(if backing_name.0 == 0 { 0 } else { backing_name.1 });
        findings.expect(source.has(0, named.max(self.length.into())), Code::HeaderPastEnd, || {
            past_end("its header")
        });
        findings.expect(!self.is_corrupt(), Code::MarkedCorrupt, || {
            "QEMU has marked it as corrupt".to_owned()
        });
        findings.expect(!self.is_dirty(), Code::MarkedDirty, || {
            "its refcounts are marked as out of date (in use with lazy refcounts, or not closed)"
                .to_owned()
        });
        let named = !self.has_data_file() || self.extensions.data_file.is_some();
        findings.expect(named, Code::InconsistentDataFile, || {
            "its data is in another file, which it does not name".to_owned()
        });
        let consistent = self.has_data_file() || !self.has_raw_data_file();
        findings.expect(consistent, Code::InconsistentDataFile, || {
            "it has no data file, but says that its data file is a raw image".to_owned()
        });
        let refcounts = source.has(self.refcount_table_offset, self.refcount_table_bytes());
        findings.expect(refcounts, Code::RefcountTablePastEnd, || past_end("its refcount table"));
        let l1 = source.has(self.l1_table_offset, self.l1_bytes());
        findings.expect(l1, Code::L1TablePastEnd, || past_end("its level-1 table"));
        if let Some(bitmaps) = self.extensions.bitmaps {
            let there = source.has(bitmaps.directory_offset, bitmaps.directory_size);
            findings.expect(there, Code::BitmapsPastEnd, || past_end("the directory of bitmaps"));
        }
    }
}

/// Bytes 0 to 111, with where the name of the backing file is: offset and length.
fn fields(start: &[u8]) -> (Header, (u64, u32)) {
    let header = Header {
        version: 0,
        backing: None,
        cluster_bits: 0,
        virtual_size: 0,
        encryption: 0,
        l1_size: 0,
        l1_table_offset: 0,
        refcount_table_offset: 0,
        refcount_table_clusters: 0,
        refcount_order: 4,
        snapshot_count: 0,
        snapshots_offset: 0,
        incompatible_features: 0,
        compatible_features: 0,
        autoclear_features: 0,
        length: V2_LENGTH,
        compression_type: 0,
        extensions: Extensions::default(),
    };
    let Ok((rest, (mut header, backing_name))) = version_2_fields(start, header.clone()) else {
        return (header, (0, 0));
    };
    if header.version == 3 {
        // All of `rest` is there: `start` has its full length.
        header = version_3_fields(rest, header.clone()).map_or(header, |(_, header)| header);
    }
    (header, backing_name)
}

/// Bytes 0 to 71.
fn version_2_fields(input: &[u8], header: Header) -> IResult<&[u8], (Header, (u64, u32))> {
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
        cluster_bits,
        virtual_size,
        encryption,
        l1_size,
        l1_table_offset,
        refcount_table_offset,
        refcount_table_clusters,
        snapshot_count,
        snapshots_offset,
        ..header
    };
    Ok((input, (header, backing_name)))
}

/// Bytes 72 to 104; the last of them only where the header is longer than 104 bytes.
fn version_3_fields(input: &[u8], header: Header) -> IResult<&[u8], Header> {
    let (input, (incompatible_features, compatible_features, autoclear_features)) =
        (be_u64, be_u64, be_u64).parse(input)?;
    let (input, (refcount_order, length, compression_type)) =
        (be_u32, be_u32, be_u8).parse(input)?;
    let header = Header {
        incompatible_features,
        compatible_features,
        autoclear_features,
        refcount_order,
        length,
        compression_type: if length > V3_LENGTH { compression_type } else { 0 },
        ..header
    };
    Ok((input, header))
}

fn slice(bytes: &[u8], start: u64, end: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
