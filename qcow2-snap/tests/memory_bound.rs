//! The documented bound of memory, on images that ask for as much as QEMU's limits let them.
//!
//! One test in a process of its own: what it measures is the most that the process ever had.
#![expect(clippy::unwrap_used, reason = "a test may end")]

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};

use qcow2_snap::image::{Point, Verdict, extents, inspect, limits};

const BOUND: u64 = 128 << 20;
const CLUSTER: u64 = 2 << 20;

/// A header with clusters of 2 MiB: refcount table, level-1 table, and snapshot table as given.
fn header(l1: (u64, u32), snapshots: (u64, u32), incompatible: u64) -> Vec<u8> {
    let mut header = vec![0; 112];
    let mut put = |offset: usize, bytes: &[u8]| {
        header.get_mut(offset..offset + bytes.len()).unwrap().copy_from_slice(bytes);
    };
    put(0, b"QFI\xfb\0\0\0\x03");
    put(20, &21_u32.to_be_bytes());
    put(36, &l1.1.to_be_bytes());
    put(40, &l1.0.to_be_bytes());
    put(48, &CLUSTER.to_be_bytes());
    put(56, &1_u32.to_be_bytes());
    put(60, &snapshots.1.to_be_bytes());
    put(64, &snapshots.0.to_be_bytes());
    put(72, &incompatible.to_be_bytes());
    put(96, &4_u32.to_be_bytes());
    put(100, &112_u32.to_be_bytes());
    header
}

/// As many snapshots as may be, in a table as large as may be, no two of them alike.
fn full_snapshot_table() -> File {
    let file = tempfile::tempfile().unwrap();
    let mut out = BufWriter::new(&file);
    let table = 16 * CLUSTER;
    out.write_all(&header((0, 0), (table, limits::MAX_SNAPSHOTS), 0)).unwrap();
    out.seek(SeekFrom::Start(table)).unwrap();
    for number in 0..limits::MAX_SNAPSHOTS {
        // 1024 bytes an entry: 40, 16 of extra data, and 968 of id and name.
        let mut entry = vec![0; 40];
        entry.splice(12..16, [[0, 8], [0x03, 0xc0]].concat());
        entry.splice(36..40, 16_u32.to_be_bytes());
        entry.extend([0; 16]);
        entry.extend(format!("{number:0968}").bytes());
        out.write_all(&entry).unwrap();
    }
    out.flush().unwrap();
    drop(out);
    file
}

/// Extended level-2 tables, all of them the same one, in which every other subcluster is there.
fn dense_subclusters() -> File {
    let file = tempfile::tempfile().unwrap();
    let mut out = BufWriter::new(&file);
    let (l1, l2, data) = (2 * CLUSTER, 3 * CLUSTER, 4 * CLUSTER);
    out.write_all(&header((l1, 4), (0, 0), 1 << 4)).unwrap();
    out.seek(SeekFrom::Start(l1)).unwrap();
    out.write_all(&l2.to_be_bytes().repeat(4)).unwrap();
    out.seek(SeekFrom::Start(l2)).unwrap();
    let entry = [data.to_be_bytes(), 0x5555_5555_u64.to_be_bytes()].concat();
    for _ in 0..CLUSTER / 16 {
        out.write_all(&entry).unwrap();
    }
    out.seek(SeekFrom::Start(data + CLUSTER - 1)).unwrap();
    out.write_all(&[0]).unwrap();
    out.flush().unwrap();
    drop(out);
    file
}

/// The most that this process had in memory so far, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

#[test]
fn the_most_hostile_image_takes_no_more_memory_than_is_said() {
    let image = full_snapshot_table();
    let inspection = inspect(&image).unwrap();
    assert_eq!(inspection.verdict(), Verdict::Damaged);
    assert_eq!(inspection.image.unwrap().snapshots.len(), limits::MAX_SNAPSHOTS as usize);

    let image = dense_subclusters();
    let inspected = inspect(&image).unwrap().image.unwrap();
    let pieces = extents(&image, &inspected, Point::Active).unwrap().map(Result::unwrap);
    assert_eq!(pieces.count() as u64, 2 + 4 * (1 + 16 * CLUSTER / 16), "header, tables, data");

    let peak = peak();
    assert!(peak <= BOUND, "{} MiB at the peak", peak >> 20);
    assert!(peak > 64 << 20, "the images were as large as they could be");
}
