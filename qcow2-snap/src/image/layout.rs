//! Whether header and tables have their bytes to themselves, and are counted as in use.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek};

use super::header::Header;
use super::problem::{Findings, ProblemCode, shown};
use super::snapshot::Table;
use super::source::Source;

/// Where an entry of the refcount table says its block is: bits 9 to 63.
const BLOCK: u64 = !0x1ff;

/// Bytes of the file that something has to itself.
struct Region {
    what: String,
    offset: u64,
    length: u64,
}

/// Takes note of regions that overlap, and of those that are not counted as in use.
///
/// Reads 32 bytes for each: what holds of their first and last cluster is taken for the whole. What
/// the tables point to is not looked at.
pub(super) fn find_damage<R: Read + Seek>(
    source: &mut Source<R>,
    header: &Header,
    table: &Table,
    findings: &mut Findings,
) -> io::Result<()> {
    let mut regions = regions(header, table);
    // Where the refcounts are known to be out of date they say nothing.
    if !header.is_dirty() {
        let mut blocks = BTreeSet::new();
        for region in &regions {
            let counted = is_counted(source, header, region, &mut blocks)?;
            findings.expect(counted, ProblemCode::NotCounted, || {
                format!("{} is not counted as in use", region.what)
            });
        }
        let block = |offset| Region {
            what: "a block of refcounts".to_owned(),
            offset,
            length: header.cluster_size(),
        };
        regions.extend(blocks.into_iter().map(block));
    }
    regions.sort_by_key(|region| region.offset);
    for (first, second) in regions.iter().zip(regions.iter().skip(1)) {
        let apart = first.offset.saturating_add(first.length) <= second.offset;
        findings.expect(apart, ProblemCode::Overlap, || {
            format!("{} and {} overlap", first.what, second.what)
        });
    }
    Ok(())
}

fn regions(header: &Header, table: &Table) -> Vec<Region> {
    let region = |what: &str, offset, length| Region { what: what.to_owned(), offset, length };
    let regions = [
        region("the header", 0, header.cluster_size()),
        region("the refcount table", header.refcount_table_offset, header.refcount_table_bytes()),
        region("the level-1 table", header.l1_table_offset, header.l1_bytes()),
        region("the snapshot table", header.snapshots_offset, table.bytes),
    ];
    let snapshots = table.snapshots.iter().map(|snapshot| Region {
        what: format!("the level-1 table of snapshot `{}`", shown(&snapshot.name)),
        offset: snapshot.l1_table_offset,
        length: u64::from(snapshot.l1_size) * 8,
    });
    regions.into_iter().chain(snapshots).filter(|region| region.length > 0).collect()
}

fn is_counted<R: Read + Seek>(
    source: &mut Source<R>,
    header: &Header,
    region: &Region,
    blocks: &mut BTreeSet<u64>,
) -> io::Result<bool> {
    let last = region.offset.saturating_add(region.length - 1) / header.cluster_size();
    Ok(is_in_use(source, header, region.offset / header.cluster_size(), blocks)?
        && is_in_use(source, header, last, blocks)?)
}

/// Whether the refcount of a cluster is not 0 (`docs/interop/qcow2.rst`, section "Host cluster
/// management"). The block of refcounts that says so is added to `blocks`.
fn is_in_use<R: Read + Seek>(
    source: &mut Source<R>,
    header: &Header,
    cluster: u64,
    blocks: &mut BTreeSet<u64>,
) -> io::Result<bool> {
    let bits = u64::from(header.refcount_bits());
    let a_block = header.cluster_size() * 8 / bits;
    let (index, within) = (cluster / a_block, cluster % a_block);
    if index >= header.refcount_table_bytes() / 8 {
        return Ok(false);
    }
    let entry = read_u64(source, header.refcount_table_offset + index * 8)?;
    let block = entry & BLOCK;
    if block == 0 || !block.is_multiple_of(header.cluster_size()) {
        return Ok(false);
    }
    blocks.insert(block);
    // The bits of the refcount stand in one group of 8 bytes, from the group's first byte on;
    // refcounts of less than 8 bits begin at the lowest bit of a byte.
    let first_bit = within * bits;
    let group = read_u64(source, block.saturating_add(first_bit / 64 * 8))?;
    let in_group = first_bit % 64;
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let value = if bits < 8 {
        let byte = group >> (56 - in_group / 8 * 8);
        byte >> (in_group % 8)
    } else {
        group >> (64 - bits - in_group)
    };
    Ok(value & mask != 0)
}

fn read_u64<R: Read + Seek>(source: &mut Source<R>, offset: u64) -> io::Result<u64> {
    let bytes = source.read(offset, 8)?;
    Ok(bytes.try_into().map_or(0, u64::from_be_bytes))
}
