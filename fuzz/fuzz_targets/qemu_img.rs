//! What `qemu-img info` and `check` may print: a report is sound only where it counts no fault.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qcow2_snap::qemu_img::{CheckReport, ImageInfo};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = serde_json::from_slice::<CheckReport>(bytes) {
        assert_eq!(report.is_sound(), report.corruptions == 0 && report.check_errors == 0);
        assert!(!report.to_string().is_empty());
    }
    if let Ok(info) = serde_json::from_slice::<ImageInfo>(bytes) {
        assert!(info.snapshots.len() <= bytes.len());
    }
});
