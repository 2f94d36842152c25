use std::collections::HashSet;
use std::io::{Read, Seek};

use nom::number::complete::{be_u16, be_u32, be_u64};
use nom::{IResult, Parser};

use super::error::{ImageError, accept, sound};
use super::header::{Header, MAX_L1_BYTES};
use super::source::Source;
use super::table::is_valid_table;

/// QEMU's limits.
const MAX_SNAPSHOTS: u32 = 65536;
const MAX_TABLE_BYTES: u64 = 1024 * MAX_SNAPSHOTS as u64;
const MAX_EXTRA_BYTES: usize = 1024;

/// Bytes of an entry before its extra data.
const FIXED_LENGTH: usize = 40;
/// Bytes of extra data that version 3 demands: size of the VM state, size of the disk.
const MIN_EXTRA_V3: usize = 16;

/// An internal snapshot, as the snapshot table describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Unique within the image. Bytes, because nothing makes them UTF-8.
    pub id: Vec<u8>,
    /// The name given by whoever took it.
    pub name: Vec<u8>,
    /// When it was taken: seconds since 1970, UTC.
    pub date_sec: u32,
    /// And nanoseconds.
    pub date_nsec: u32,
    /// How long the guest had run, in nanoseconds.
    pub vm_clock_nsec: u64,
    /// Bytes of memory and device state; 0 where the disk alone was taken, or where another disk
    /// of the VM holds the state.
    pub vm_state_size: u64,
    /// Bytes the guest saw; `None` in old version 2 images, where it is the image's own size.
    pub disk_size: Option<u64>,
    /// Instructions executed, where the VM ran with record and replay.
    pub icount: Option<u64>,
    /// Where its level-1 table starts.
    pub l1_table_offset: u64,
    /// Entries of its level-1 table.
    pub l1_size: u32,
}

/// The fixed part of an entry, and the lengths of what follows it.
struct Fixed {
    snapshot: Snapshot,
    id_length: usize,
    name_length: usize,
    extra_length: usize,
}

/// Reads the snapshot table that `header` points to.
pub(super) fn read_table<R: Read + Seek>(
    source: &mut Source<R>,
    header: &Header,
) -> Result<Vec<Snapshot>, ImageError> {
    let (count, start) = (header.snapshot_count, header.snapshots_offset);
    accept(count <= MAX_SNAPSHOTS, || format!("{count} snapshots"))?;
    let minimum = u64::from(count) * FIXED_LENGTH as u64;
    accept(is_valid_table(start, minimum, header.cluster_size()), || {
        format!("a snapshot table at offset {start}")
    })?;
    let mut snapshots = Vec::new();
    let mut position = start;
    for index in 0..count {
        let (snapshot, length) = read_entry(source, position, index, header.version)?;
        position = (position + length).next_multiple_of(8);
        accept(position - start <= MAX_TABLE_BYTES, || "its snapshot table is too large".into())?;
        check(&snapshot, index, header, source.length())?;
        snapshots.push(snapshot);
    }
    check_unique(&snapshots, "id", |snapshot| &snapshot.id)?;
    check_unique(&snapshots, "name", |snapshot| &snapshot.name)?;
    Ok(snapshots)
}

/// Reads the entry at `position`. Returns it with its length.
fn read_entry<R: Read + Seek>(
    source: &mut Source<R>,
    position: u64,
    index: u32,
    version: u32,
) -> Result<(Snapshot, u64), ImageError> {
    let what = format!("entry {index} of the snapshot table");
    let cut = |_| ImageError::Damaged(format!("{what} is cut off"));
    let bytes = source.read(position, FIXED_LENGTH, &what)?;
    let (_, fixed) = fixed_part(&bytes).map_err(cut)?;
    accept(fixed.extra_length <= MAX_EXTRA_BYTES, || {
        format!("{what} has {} bytes of extra data", fixed.extra_length)
    })?;
    sound(version < 3 || fixed.extra_length >= MIN_EXTRA_V3, || {
        format!("{what} has only {} bytes of extra data", fixed.extra_length)
    })?;
    let rest = fixed.extra_length + fixed.id_length + fixed.name_length;
    let bytes = source.read(position + FIXED_LENGTH as u64, rest, &what)?;
    let snapshot = variable_part(fixed, &bytes);
    Ok((snapshot, (FIXED_LENGTH + rest) as u64))
}

fn fixed_part(input: &[u8]) -> IResult<&[u8], Fixed> {
    let (input, (l1_table_offset, l1_size)) = (be_u64, be_u32).parse(input)?;
    let (input, (id_length, name_length)) = (be_u16, be_u16).parse(input)?;
    let (input, (date_sec, date_nsec, vm_clock_nsec)) = (be_u32, be_u32, be_u64).parse(input)?;
    let (input, (vm_state_size, extra_length)) = (be_u32, be_u32).parse(input)?;
    let snapshot = Snapshot {
        id: Vec::new(),
        name: Vec::new(),
        date_sec,
        date_nsec,
        vm_clock_nsec,
        vm_state_size: vm_state_size.into(),
        disk_size: None,
        icount: None,
        l1_table_offset,
        l1_size,
    };
    let extra_length = usize::try_from(extra_length).unwrap_or(usize::MAX);
    let (id_length, name_length) = (id_length.into(), name_length.into());
    Ok((input, Fixed { snapshot, id_length, name_length, extra_length }))
}

/// Takes extra data, id and name out of `bytes`, which has the lengths that `fixed` says.
fn variable_part(fixed: Fixed, bytes: &[u8]) -> Snapshot {
    let Fixed { snapshot, id_length, extra_length, .. } = fixed;
    let (extra, names) = bytes.split_at_checked(extra_length).unwrap_or((bytes, &[]));
    let (id, name) = names.split_at_checked(id_length).unwrap_or((names, &[]));
    let (fields, _) = extra.as_chunks::<8>();
    let field = |index: usize| fields.get(index).copied().map(u64::from_be_bytes);
    Snapshot {
        id: id.to_vec(),
        name: name.to_vec(),
        vm_state_size: field(0).unwrap_or(snapshot.vm_state_size),
        disk_size: field(1),
        icount: field(2).filter(|&count| count != u64::MAX),
        ..snapshot
    }
}

fn check(
    snapshot: &Snapshot,
    index: u32,
    header: &Header,
    file_length: u64,
) -> Result<(), ImageError> {
    sound(!snapshot.id.is_empty(), || format!("snapshot {index} has no id"))?;
    sound(!snapshot.name.is_empty(), || format!("snapshot {index} has no name"))?;
    let name = String::from_utf8_lossy(&snapshot.name);
    let (offset, bytes) = (snapshot.l1_table_offset, u64::from(snapshot.l1_size) * 8);
    sound(bytes <= MAX_L1_BYTES && is_valid_table(offset, bytes, header.cluster_size()), || {
        format!("the level-1 table of snapshot `{name}` is too large or in no valid place")
    })?;
    sound(offset.saturating_add(bytes) <= file_length, || {
        format!("the level-1 table of snapshot `{name}` ends past the end of the file")
    })
}

fn check_unique<'a>(
    snapshots: &'a [Snapshot],
    what: &str,
    field: impl Fn(&'a Snapshot) -> &'a Vec<u8>,
) -> Result<(), ImageError> {
    let mut seen = HashSet::new();
    match snapshots.iter().map(field).find(|value| !seen.insert(*value)) {
        None => Ok(()),
        Some(twice) => {
            let twice = String::from_utf8_lossy(twice);
            Err(ImageError::Damaged(format!("two snapshots have the {what} `{twice}`")))
        }
    }
}
