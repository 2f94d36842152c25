//! Snapshots: external ones, of which libvirt keeps nothing, and internal ones.

use std::fs;
use std::path::PathBuf;

use georep_tests::qcow2::set_vm_state_size;
use georep_tests::simulated::libvirt::Domain;
use georep_tests::simulated::vms::VM_STATE_SIZE;

use super::guest;
use super::options::Options;
use crate::answer::{Answer, fails, stdout};
use crate::world;

/// Puts disks on overlays, all or none.
pub fn external(domain: &mut Domain, options: &Options<'_>) -> Answer {
    if let Some(answer) = busy(domain) {
        return answer;
    }
    let overlays: Vec<_> = options.values("--diskspec").filter_map(|spec| overlay(spec)).collect();
    for (target, overlay) in &overlays {
        if fs::metadata(overlay).is_ok_and(|file| file.len() > 0) {
            return fails(&format!(
                "error: unsupported configuration: external snapshot file for disk {target} \
                 already exists and is not a block device: {}",
                overlay.display()
            ));
        }
        if !domain.disks.iter().any(|disk| disk.target == *target) {
            return fails(&format!("error: invalid argument: no disk named '{target}'"));
        }
    }
    for (target, overlay) in overlays {
        let disk = domain.disks.iter_mut().find(|disk| disk.target == target).expect("a disk");
        // From here on the image stands still: as this it should arrive.
        let kept = world().join(format!("frozen-{}-{target}", domain.name));
        fs::copy(disk.image(), kept).expect("a writable world");
        guest::create_overlay(&overlay, disk.image());
        disk.live.insert(0, overlay.clone());
        disk.defined.insert(0, overlay);
    }
    guest::writes(domain);
    created(options)
}

/// The target and the overlay that a disk is given, where it is given one.
fn overlay(spec: &str) -> Option<(String, PathBuf)> {
    let (target, rest) = spec.split_once(',')?;
    let file = rest.split_once("file=")?.1;
    Some((target.to_owned(), file.replace(",,", ",").into()))
}

/// Snapshots all disks, and the memory in the first.
pub fn internal(domain: &mut Domain, options: &Options<'_>) -> Answer {
    let name = options.value("--name").expect("a name");
    if domain.snapshots.contains(name) {
        return fails(&format!("error: operation failed: domain moment {name} already exists"));
    }
    if let Some(answer) = busy(domain) {
        return answer;
    }
    for (index, disk) in domain.disks.iter().enumerate() {
        assert!(guest::snapshot("-c", name, disk.image()), "no snapshot of {disk:?}");
        if index == 0 {
            set_vm_state_size(disk.image(), name, VM_STATE_SIZE).expect("a snapshot");
        }
    }
    domain.snapshots.push(name.clone());
    guest::writes(domain);
    created(options)
}

/// Takes note of an internal snapshot that the images hold.
pub fn redefine(domain: &mut Domain, options: &Options<'_>) -> Answer {
    let file = options.value("--xmlfile").expect("a file");
    let xml = fs::read_to_string(file).expect("a readable description");
    let name = xml.split_once("<name>").and_then(|(_, rest)| rest.split_once("</name>"));
    let Some((name, _)) = name else {
        return fails("error: XML error: a redefined snapshot must have a name");
    };
    domain.snapshots.push(name.to_owned());
    stdout(format!("Domain snapshot {name} created from '{file}'\n"))
}

/// Deletes an internal snapshot that libvirt knows of.
pub fn delete(domain: &mut Domain, options: &Options<'_>) -> Answer {
    let name = options.value("--snapshotname").expect("a name");
    if !domain.snapshots.contains(name) {
        return fails(&format!(
            "error: Domain snapshot not found: no domain snapshot with matching name '{name}'"
        ));
    }
    if !options.has("--metadata") {
        for disk in &domain.disks {
            // QEMU passes over a disk without it.
            guest::snapshot("-d", name, disk.image());
        }
    }
    domain.snapshots.retain(|other| other != name);
    stdout(format!("Domain snapshot {name} deleted\n\n"))
}

fn busy(domain: &Domain) -> Option<Answer> {
    let disk = domain.disks.iter().find(|disk| disk.job.is_some())?;
    Some(fails(&format!(
        "error: block copy still active: disk '{}' already in active block job",
        disk.target
    )))
}

fn created(options: &Options<'_>) -> Answer {
    let name = options.value("--name").expect("a name");
    stdout(format!("Domain snapshot {name} created\n"))
}
