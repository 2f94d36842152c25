//! Whether the images hold what the guests wrote.

use std::process::Command;

use georep_tests::simulated::World;
use georep_tests::simulated::libvirt::{RECORD_LENGTH, record};
use georep_tests::simulated::vms::QEMU_IO;

/// What is missing of the guests' records in the images that their disks are on.
pub fn lost(world: &World) -> Option<String> {
    let mut command = Command::new(QEMU_IO);
    for domain in &world.state().domains {
        for disk in &domain.disks {
            let image = disk.image().display();
            command.args(["-c", &format!("open -r -o driver=qcow2 {image}")]);
            for number in 1..=disk.records {
                let (offset, byte) = record(number);
                command.args(["-c", &format!("read -q -P {byte} {offset} {RECORD_LENGTH}")]);
            }
            command.args(["-c", "close"]);
        }
    }
    let output = command.output().expect("qemu-utils are installed");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (!output.status.success()).then(|| format!("a guest's records are lost: {said}"))
}
