//! Images of qcow2: what is said of them agrees with itself, and no byte range leaves the file.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use qcow2_snap::image::{Image, Point, Verdict, extents, inspect};

/// More ranges than this are in no input of this size, but for tables that are used again and again.
const RANGES: usize = 20_000;

fuzz_target!(|bytes: &[u8]| {
    // Most inputs are worth more with the magic number.
    let bytes = [b"QFI\xfb", bytes.get(4..).unwrap_or_default()].concat();
    let inspection = inspect(Cursor::new(&bytes)).expect("a cursor can be read");
    let verdict = inspection.verdict();
    assert_eq!(inspection.image.is_none(), verdict == Verdict::Rejected);
    assert_eq!(Image::read(Cursor::new(&bytes)).is_ok(), verdict == Verdict::Valid);
    assert!(inspection.problems.len() <= 100);
    let Some(image) = inspection.image else { return };
    let snapshots = image.snapshots.iter().take(8).map(|snapshot| Point::Snapshot(&snapshot.name));
    for point in snapshots.chain([Point::Active]) {
        let Ok(extents) = extents(Cursor::new(&bytes), &image, point) else { continue };
        for extent in extents.take(RANGES).flatten() {
            assert!(extent.length > 0);
            let end = extent.offset.checked_add(extent.length).expect("ends below 2^64");
            assert!(end <= bytes.len() as u64);
        }
    }
});
