use std::collections::HashSet;
use std::io::{Read, Seek};

use nom::number::complete::{be_u16, be_u32, be_u64};
use nom::{IResult, Parser};

use super::error::{Ended, accept};
use super::header::Header;
use super::limits::{
    MAX_L1_BYTES, MAX_SNAPSHOT_EXTRA_BYTES, MAX_SNAPSHOT_TABLE_BYTES, MAX_SNAPSHOTS,
};
use super::problem::{Findings, ProblemCode as Code, shown};
use super::source::Source;
use super::table::is_valid_table;

/// Bytes of an entry before its extra data.
const FIXED_LENGTH: usize = 40;
/// Bytes of extra data that version 3 demands: size of the VM state, size of the disk.
const MIN_EXTRA_V3: usize = 16;
/// Bytes of extra data that are known: also the count of instructions.
const KNOWN_EXTRA: usize = 24;

/// An internal snapshot, as the snapshot table describes it (`docs/interop/qcow2.rst`, section
/// "Snapshots").
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
    /// Extra data beyond what is known.
    pub unknown_extra: Vec<u8>,
    /// Where its level-1 table starts.
    pub l1_table_offset: u64,
    /// Entries of its level-1 table.
    pub l1_size: u32,
}

impl Snapshot {
    /// The id as QEMU shows it: up to a NUL, and what is not UTF-8 as U+FFFD.
    pub fn id_text(&self) -> String {
        super::until_nul(&self.id)
    }

    /// The name as QEMU shows it.
    pub fn name_text(&self) -> String {
        super::until_nul(&self.name)
    }
}

/// The snapshots, and how many bytes their table has.
#[derive(Debug)]
pub(super) struct Table {
    pub snapshots: Vec<Snapshot>,
    pub bytes: u64,
    /// Whether it ends past the end of the file.
    is_cut: bool,
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
    findings: &mut Findings,
) -> Result<Table, Ended> {
    let (count, start) = (header.snapshot_count, header.snapshots_offset);
    accept(count <= MAX_SNAPSHOTS, Code::InvalidSnapshotTable, || format!("{count} snapshots"))?;
    let minimum = u64::from(count) * FIXED_LENGTH as u64;
    let valid = is_valid_table(start, minimum, header.cluster_size());
    accept(valid, Code::InvalidSnapshotTable, || format!("a snapshot table at offset {start}"))?;
    let mut table = Table { snapshots: Vec::new(), bytes: 0, is_cut: false };
    for index in 0..count {
        read_entry(source, header, index, &mut table, findings)?;
    }
    let snapshots = &table.snapshots;
    expect_unique(snapshots, |snapshot| &snapshot.id, ("id", Code::DuplicateSnapshotId), findings);
    let name = ("name", Code::DuplicateSnapshotName);
    expect_unique(snapshots, |snapshot| &snapshot.name, name, findings);
    Ok(table)
}

/// Reads the entry that follows the table's last one.
fn read_entry<R: Read + Seek>(
    source: &mut Source<R>,
    header: &Header,
    index: u32,
    table: &mut Table,
    findings: &mut Findings,
) -> Result<(), Ended> {
    let position = table.bytes.next_multiple_of(8);
    let at = header.snapshots_offset + table.bytes;
    let padding = source.read(at, usize::try_from(position - table.bytes).unwrap_or(0))?;
    findings.expect(padding.iter().all(|&byte| byte == 0), Code::NonZeroPadding, || {
        format!("the padding before snapshot {index} is not zero")
    });
    let at = header.snapshots_offset + position;
    let bytes = source.read(at, FIXED_LENGTH)?;
    let Ok((_, fixed)) = fixed_part(&bytes) else { return Ok(()) };
    let extra = fixed.extra_length;
    accept(extra <= MAX_SNAPSHOT_EXTRA_BYTES, Code::InvalidSnapshotTable, || {
        format!("snapshot {index} has {extra} bytes of extra data")
    })?;
    let rest = extra + fixed.id_length + fixed.name_length;
    let bytes = source.read(at + FIXED_LENGTH as u64, rest)?;
    table.bytes = position + (FIXED_LENGTH + rest) as u64;
    accept(table.bytes <= MAX_SNAPSHOT_TABLE_BYTES, Code::InvalidSnapshotTable, || {
        format!("the snapshot table is larger than {MAX_SNAPSHOT_TABLE_BYTES} bytes")
    })?;
    let snapshot = variable_part(fixed, &bytes);
    let file = source.length();
    if source.has(header.snapshots_offset, table.bytes) {
        findings.expect(
            header.version < 3 || extra >= MIN_EXTRA_V3,
            Code::SnapshotExtraTooShort,
            || format!("snapshot {index} has only {extra} bytes of extra data"),
        );
        find_damage(&snapshot, index, header, source, findings);
    } else if !std::mem::replace(&mut table.is_cut, true) {
        // What is there of it, and all that follows, says nothing.
        findings.expect(false, Code::SnapshotTablePastEnd, || {
            format!("snapshot {index} in its table ends past the end of the file ({file})")
        });
    }
    table.snapshots.push(snapshot);
    Ok(())
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
        unknown_extra: Vec::new(),
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
        unknown_extra: extra.get(KNOWN_EXTRA..).unwrap_or_default().to_vec(),
        ..snapshot
    }
}

fn find_damage<R: Read + Seek>(
    snapshot: &Snapshot,
    index: u32,
    header: &Header,
    source: &Source<R>,
    findings: &mut Findings,
) {
    let id = &snapshot.id;
    findings
        .expect(!id.is_empty(), Code::EmptySnapshotId, || format!("snapshot {index} has no id"));
    findings.expect(!snapshot.name.is_empty(), Code::EmptySnapshotName, || {
        format!("snapshot {index} has no name")
    });
    let name = shown(&snapshot.name);
    let has_nul = id.contains(&0) || snapshot.name.contains(&0);
    findings.expect(!has_nul, Code::NulInSnapshotName, || {
        format!("the id or name of snapshot `{name}` has a NUL in it")
    });
    let (offset, bytes) = (snapshot.l1_table_offset, u64::from(snapshot.l1_size) * 8);
    findings.expect(
        is_valid_table(offset, bytes, header.cluster_size()),
        Code::SnapshotL1Misaligned,
        || format!("the level-1 table of snapshot `{name}` is in no valid place ({offset})"),
    );
    let covered = u128::from(snapshot.l1_size) * u128::from(header.bytes_an_l1_entry());
    // Without a size of its own the disk may have been smaller when the snapshot was taken.
    let covers = snapshot.disk_size.is_none_or(|size| covered >= size.into());
    findings.expect(bytes <= MAX_L1_BYTES && covers, Code::SnapshotL1Size, || {
        format!("the level-1 table of snapshot `{name}` has {bytes} bytes, which cannot be")
    });
    findings.expect(source.has(offset, bytes), Code::SnapshotL1PastEnd, || {
        format!("the level-1 table of snapshot `{name}` ends past the end of the file")
    });
}

/// Names the first that is there twice. Empty ones have been found already.
fn expect_unique<'a>(
    snapshots: &'a [Snapshot],
    field: impl Fn(&'a Snapshot) -> &'a [u8],
    (what, code): (&str, Code),
    findings: &mut Findings,
) {
    let mut seen = HashSet::new();
    let mut fields = snapshots.iter().map(field).filter(|field| !field.is_empty());
    let twice = fields.find(|&field| !seen.insert(field));
    findings.expect(twice.is_none(), code, || {
        format!("two snapshots have the {what} `{}`", shown(twice.unwrap_or_default()))
    });
}
