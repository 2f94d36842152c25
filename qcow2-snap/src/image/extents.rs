use std::io::{Read, Seek};

use super::error::{ImageError, sound};
use super::source::Source;
use super::table::{Cluster, l2_table};
use super::{Image, Snapshot};

/// Bytes of a table entry.
const ENTRY: usize = 8;
/// How many bytes of a level-1 table are held at once.
const L1_CHUNK: u64 = 64 << 10;

/// A state of the disk that an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point<'a> {
    /// What the guest sees now.
    Active,
    /// What the internal snapshot of this name holds, VM state included.
    Snapshot(&'a [u8]),
}

/// What a byte range of the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// The first cluster: header, extensions, backing file name.
    Header,
    /// A level-1 table.
    L1,
    /// A level-2 table.
    L2,
    /// Guest data or VM state, compressed or not.
    Data,
}

/// A byte range of an image's file. Ends at the end of the file at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its length in bytes, never 0.
    pub length: u64,
    /// What it holds.
    pub kind: ExtentKind,
}

/// Goes through the byte ranges of the file that `point` is made of: each table before what it
/// points to, neighbouring clusters of one level-2 table joined. A range that is used twice comes
/// twice.
///
/// - [`Point::Active`]: header, level-1 table, level-2 tables, data. Meant for an image that
///   stands still.
/// - [`Point::Snapshot`]: the same without the header, which changes while the VM runs. All of it
///   **stays as it is while the VM goes on writing**: QEMU copies a shared table or cluster before
///   it writes to it. Creating or deleting *other* snapshots may change bit 63 (the "copied" flag)
///   of entries of level-2 tables, and nothing else.
///
/// Left out are the refcounts and the snapshot table, which are not part of one state; clusters
/// that read as zeros, whatever they hold; and the backing file, which is another file.
///
/// Holds one level-2 table (at most 2 MiB) and a piece of the level-1 table in memory.
///
/// # Errors
/// [`ImageError::NoSuchSnapshot`]; [`ImageError::Unsupported`] for images with an external data
/// file or extended level-2 entries. While iterating [`ImageError::Damaged`] where a table or
/// cluster is misaligned or lies past the end of the file, after which the iteration ends.
pub fn extents<R: Read + Seek>(
    reader: R,
    image: &Image,
    point: Point<'_>,
) -> Result<Extents<R>, ImageError> {
    if image.header.has_data_file() {
        return Err(ImageError::Unsupported("an external data file"));
    }
    if image.header.has_extended_l2() {
        return Err(ImageError::Unsupported("extended level-2 entries"));
    }
    let (offset, entries, header) = match point {
        Point::Active => (image.header.l1_table_offset, image.header.l1_size, true),
        Point::Snapshot(name) => {
            let snapshot = image.snapshot(name).ok_or_else(|| {
                ImageError::NoSuchSnapshot(String::from_utf8_lossy(name).into_owned())
            })?;
            let Snapshot { l1_table_offset, l1_size, .. } = *snapshot;
            (l1_table_offset, l1_size, false)
        }
    };
    let l1 = Table { offset, bytes: u64::from(entries) * ENTRY as u64 };
    Ok(Extents {
        source: Source::new(reader)?,
        cluster_bits: image.header.cluster_bits,
        next: if header { Next::Header(l1) } else { Next::L1(l1) },
    })
}

/// A table, or what is left of it.
#[derive(Debug, Clone, Copy)]
struct Table {
    offset: u64,
    bytes: u64,
}

/// Entries that have been read and not been looked at.
type Entries = std::vec::IntoIter<u64>;

/// Where the walk is.
#[derive(Debug)]
enum Next {
    Header(Table),
    L1(Table),
    Walk { l1_rest: Table, l1: Entries, l2: Entries },
    End,
}

/// The byte ranges of a state of the disk; made by [`extents`].
#[derive(Debug)]
pub struct Extents<R> {
    source: Source<R>,
    cluster_bits: u32,
    next: Next,
}

impl<R: Read + Seek> Iterator for Extents<R> {
    type Item = Result<Extent, ImageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            self.next = Next::End;
        }
        step
    }
}

impl<R: Read + Seek> Extents<R> {
    fn step(&mut self) -> Result<Option<Extent>, ImageError> {
        match std::mem::replace(&mut self.next, Next::End) {
            Next::Header(l1) => {
                self.next = Next::L1(l1);
                self.within_file(0, self.cluster_size(), ExtentKind::Header).map(Some)
            }
            Next::L1(l1) => {
                let empty = || Vec::new().into_iter();
                self.next = Next::Walk { l1_rest: l1, l1: empty(), l2: empty() };
                if l1.bytes == 0 {
                    return self.step();
                }
                self.within_file(l1.offset, l1.bytes, ExtentKind::L1).map(Some)
            }
            Next::Walk { mut l1_rest, mut l1, mut l2 } => {
                let extent = self.walk(&mut l1_rest, &mut l1, &mut l2)?;
                self.next = Next::Walk { l1_rest, l1, l2 };
                Ok(extent)
            }
            Next::End => Ok(None),
        }
    }

    /// The next run of data of the level-2 table at hand, else the next level-2 table.
    fn walk(
        &mut self,
        l1_rest: &mut Table,
        l1: &mut Entries,
        l2: &mut Entries,
    ) -> Result<Option<Extent>, ImageError> {
        loop {
            if let Some(run) = self.data_run(l2)? {
                return Ok(Some(run));
            }
            if let Some(table) = l1.by_ref().find_map(l2_table) {
                let extent = self.within_file(table, self.cluster_size(), ExtentKind::L2)?;
                self.check_aligned(table, "a level-2 table")?;
                *l2 = self.read_entries(table, self.cluster_size(), "a level-2 table")?;
                return Ok(Some(extent));
            }
            if l1_rest.bytes == 0 {
                return Ok(None);
            }
            let bytes = l1_rest.bytes.min(L1_CHUNK);
            *l1 = self.read_entries(l1_rest.offset, bytes, "a level-1 table")?;
            *l1_rest = Table { offset: l1_rest.offset + bytes, bytes: l1_rest.bytes - bytes };
        }
    }

    /// Joins entries as long as each cluster follows the one before.
    fn data_run(&self, l2: &mut Entries) -> Result<Option<Extent>, ImageError> {
        let mut run: Option<Extent> = None;
        while let Some(&entry) = l2.as_slice().first() {
            match (run, self.data(entry)?) {
                (_, None) => {}
                (None, Some(data)) => run = Some(data),
                (Some(before), Some(data)) if before.offset + before.length == data.offset => {
                    run = Some(Extent { length: before.length + data.length, ..before });
                }
                (Some(_), Some(_)) => break,
            }
            l2.next();
        }
        Ok(run)
    }

    fn data(&self, entry: u64) -> Result<Option<Extent>, ImageError> {
        match Cluster::of(entry, self.cluster_bits) {
            Cluster::Absent => Ok(None),
            Cluster::Standard(offset) => {
                self.check_aligned(offset, "a cluster")?;
                self.within_file(offset, self.cluster_size(), ExtentKind::Data).map(Some)
            }
            Cluster::Compressed(offset, length) => {
                self.within_file(offset, length, ExtentKind::Data).map(Some)
            }
        }
    }

    /// Cuts the range at the end of the file: QEMU does not write the unused end of the last
    /// cluster. What begins past the end of the file is damage, as `qemu-img check` sees it.
    fn within_file(
        &self,
        offset: u64,
        length: u64,
        kind: ExtentKind,
    ) -> Result<Extent, ImageError> {
        let file = self.source.length();
        sound(offset < file, || {
            format!("{kind:?} at offset {offset} lies past the end of the file ({file})")
        })?;
        Ok(Extent { offset, length: length.min(file - offset), kind })
    }

    fn check_aligned(&self, offset: u64, what: &str) -> Result<(), ImageError> {
        sound(offset.is_multiple_of(self.cluster_size()), || {
            format!("{what} starts at offset {offset}, which is not the start of a cluster")
        })
    }

    fn read_entries(&mut self, offset: u64, bytes: u64, what: &str) -> Result<Entries, ImageError> {
        let size = usize::try_from(bytes).map_err(std::io::Error::other)?;
        let bytes = self.source.read(offset, size, what)?;
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        let entries: Vec<_> = entries.iter().map(|entry| u64::from_be_bytes(*entry)).collect();
        Ok(entries.into_iter())
    }

    fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }
}
