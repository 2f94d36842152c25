use std::collections::VecDeque;
use std::io::{Read, Seek};

use super::error::{ImageError, sound};
use super::source::Source;
use super::table::{Cluster, L2Entry, SUBCLUSTERS, l2_table};
use super::{Image, Snapshot};

/// Bytes of an entry of a level-1 table, and of a level-2 table without subclusters.
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
/// points to, neighbouring clusters (or subclusters) of one level-2 table joined. A range that is used twice comes
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
/// Holds one level-2 table (at most 2 MiB, 8 MiB as read) and a piece of the level-1 table in
/// memory.
///
/// # Errors
/// [`ImageError::NoSuchSnapshot`]; [`ImageError::Unsupported`] for images with an external data
/// file. While iterating [`ImageError::Broken`] where a table or
/// cluster is misaligned or lies past the end of the file, after which the iteration ends.
pub fn extents<R: Read + Seek>(
    reader: R,
    image: &Image,
    point: Point<'_>,
) -> Result<Extents<R>, ImageError> {
    if image.header.has_data_file() {
        return Err(ImageError::Unsupported("an external data file"));
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
        extended_l2: image.header.has_extended_l2(),
        next: if header { Next::Header(l1) } else { Next::L1(l1) },
    })
}

/// A table, or what is left of it.
#[derive(Debug, Clone, Copy)]
struct Table {
    offset: u64,
    bytes: u64,
}

/// Entries of a level-1 table that have been read and not been looked at.
type L1 = std::vec::IntoIter<u64>;

/// A level-2 table that has been read: the entries that have not been looked at, and pieces of
/// the file that the last one stands for.
#[derive(Debug, Default)]
struct L2 {
    entries: std::vec::IntoIter<L2Entry>,
    pieces: VecDeque<Extent>,
}

/// Where the walk is.
#[derive(Debug)]
enum Next {
    Header(Table),
    L1(Table),
    Walk { l1_rest: Table, l1: L1, l2: L2 },
    End,
}

/// The byte ranges of a state of the disk; made by [`extents`].
#[derive(Debug)]
pub struct Extents<R> {
    source: Source<R>,
    cluster_bits: u32,
    extended_l2: bool,
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
                let empty = Vec::new().into_iter();
                self.next = Next::Walk { l1_rest: l1, l1: empty, l2: L2::default() };
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
        l1: &mut L1,
        l2: &mut L2,
    ) -> Result<Option<Extent>, ImageError> {
        loop {
            if let Some(run) = self.data_run(l2)? {
                return Ok(Some(run));
            }
            if let Some(table) = l1.by_ref().find_map(l2_table) {
                let extent = self.within_file(table, self.cluster_size(), ExtentKind::L2)?;
                self.check_aligned(table, "a level-2 table")?;
                *l2 = self.read_l2(table)?;
                return Ok(Some(extent));
            }
            if l1_rest.bytes == 0 {
                return Ok(None);
            }
            let bytes = l1_rest.bytes.min(L1_CHUNK);
            *l1 = self.read_words(l1_rest.offset, bytes, "a level-1 table")?.into_iter();
            *l1_rest = Table { offset: l1_rest.offset + bytes, bytes: l1_rest.bytes - bytes };
        }
    }

    /// Joins pieces as long as each follows the one before.
    fn data_run(&self, l2: &mut L2) -> Result<Option<Extent>, ImageError> {
        let Some(mut run) = self.next_piece(l2)? else { return Ok(None) };
        while let Some(piece) = self.next_piece(l2)? {
            if run.offset + run.length != piece.offset {
                l2.pieces.push_front(piece);
                break;
            }
            run.length += piece.length;
        }
        Ok(Some(run))
    }

    fn next_piece(&self, l2: &mut L2) -> Result<Option<Extent>, ImageError> {
        while l2.pieces.is_empty() {
            let Some(entry) = l2.entries.next() else { return Ok(None) };
            self.add_pieces(entry, &mut l2.pieces)?;
        }
        Ok(l2.pieces.pop_front())
    }

    /// The pieces of the file that one level-2 entry stands for.
    fn add_pieces(&self, entry: L2Entry, pieces: &mut VecDeque<Extent>) -> Result<(), ImageError> {
        match Cluster::of(entry, self.cluster_bits) {
            Cluster::Absent => {}
            Cluster::Compressed(offset, length) => {
                pieces.push_back(self.within_file(offset, length, ExtentKind::Data)?);
            }
            Cluster::Standard(offset, subclusters) => {
                self.check_aligned(offset, "a cluster")?;
                let size = self.cluster_size() / u64::from(SUBCLUSTERS);
                for (first, count) in runs(subclusters) {
                    let offset = offset + u64::from(first) * size;
                    let length = u64::from(count) * size;
                    pieces.push_back(self.within_file(offset, length, ExtentKind::Data)?);
                }
            }
        }
        Ok(())
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

    fn read_l2(&mut self, offset: u64) -> Result<L2, ImageError> {
        let words = self.read_words(offset, self.cluster_size(), "a level-2 table")?;
        let entries: Vec<_> = if self.extended_l2 {
            let (pairs, _) = words.as_chunks::<2>();
            let extended = |&[entry, bitmap]: &[u64; 2]| L2Entry { entry, bitmap: Some(bitmap) };
            pairs.iter().map(extended).collect()
        } else {
            words.into_iter().map(|entry| L2Entry { entry, bitmap: None }).collect()
        };
        Ok(L2 { entries: entries.into_iter(), pieces: VecDeque::new() })
    }

    fn read_words(&mut self, offset: u64, bytes: u64, what: &str) -> Result<Vec<u64>, ImageError> {
        let file = self.source.length();
        sound(self.source.has(offset, bytes), || {
            format!("{what} at offset {offset} ends past the end of the file ({file})")
        })?;
        let size = usize::try_from(bytes).map_err(std::io::Error::other)?;
        let bytes = self.source.read(offset, size)?;
        let (words, _) = bytes.as_chunks::<ENTRY>();
        Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect())
    }

    fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }
}

/// The runs of bits that are set: first bit and how many.
fn runs(mut bits: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut passed = 0;
    std::iter::from_fn(move || {
        if bits == 0 {
            return None;
        }
        let zeros = bits.trailing_zeros();
        let count = (bits >> zeros).trailing_ones();
        let first = passed + zeros;
        passed = first + count;
        bits = bits.checked_shr(zeros + count).unwrap_or(0);
        Some((first, count))
    })
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn runs_of_bits_are_found_from_the_lowest_on() {
        let of = |bits| runs(bits).collect::<Vec<_>>();
        assert_eq!(of(u32::MAX), [(0, 32)]);
        assert_eq!(of(0b1101), [(0, 1), (2, 2)]);
        assert_eq!(of(1 << 31), [(31, 1)]);
        assert!(of(0).is_empty());
    }
}
