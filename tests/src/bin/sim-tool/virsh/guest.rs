//! The guests, which write one record after the other, and the images they write to.

use std::path::Path;
use std::process::{Command, Stdio};

use georep_tests::simulated::libvirt::{Domain, RECORD_LENGTH, record};
use georep_tests::simulated::vms::{QEMU_IMG, QEMU_IO};

/// The guest writes another record to each of its disks, unless it is frozen.
pub fn writes(domain: &mut Domain) {
    if domain.frozen {
        return;
    }
    let mut command = Command::new(QEMU_IO);
    for disk in &mut domain.disks {
        disk.records += 1;
        let (offset, byte) = record(disk.records);
        let image = disk.image().display();
        command.args(["-c", &format!("open -o driver=qcow2 {image}")]);
        command.args([
            "-c",
            &format!("write -q -P {byte} {offset} {RECORD_LENGTH}"),
            "-c",
            "close",
        ]);
    }
    run(&mut command);
}

/// Makes an overlay, as QEMU does.
pub fn create_overlay(overlay: &Path, base: &Path) {
    let mut command = Command::new(QEMU_IMG);
    command.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]);
    run(command.arg(base).arg(overlay));
}

/// Merges an image into one behind it, as QEMU's block job does.
pub fn merge(top: &Path, base: &Path) {
    let mut command = Command::new(QEMU_IMG);
    command.args(["commit", "-q", "-d", "-f", "qcow2", "-b"]);
    run(command.arg(base).arg(top));
}

/// Makes (`-c`) or deletes (`-d`) an internal snapshot. Returns whether that worked.
pub fn snapshot(what: &str, name: &str, image: &Path) -> bool {
    let mut command = Command::new(QEMU_IMG);
    command.args(["snapshot", what, name]).arg(image);
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("qemu-utils are installed");
    assert!(output.status.success(), "{command:?}: {output:?}");
}
