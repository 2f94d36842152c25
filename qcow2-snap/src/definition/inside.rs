//! What of a definition stays inside a domain, and whether all of it does.

use std::path::{Path, PathBuf};

use super::stage::Stage;
use super::{read, unfit};
use crate::Error;
use crate::domain::{Domain, Source};
use crate::xml_text::Element;

/// Elements of a domain that say what machine it is. Tuning, labels, memory backing and launch
/// security are of the host it came from; `metadata` and `qemu:commandline` may be anything.
pub(super) const MACHINE: [&str; 15] = [
    "name",
    "uuid",
    "memory",
    "currentMemory",
    "maxMemory",
    "vcpu",
    "vcpus",
    "iothreads",
    "os",
    "features",
    "cpu",
    "clock",
    "pm",
    "sysinfo",
    "devices",
];

/// Devices that are kept as they are. None of them has an end outside the domain.
pub(super) const INSIDE: [&str; 7] =
    ["controller", "video", "memballoon", "watchdog", "panic", "iommu", "hub"];

/// Looks at the result as libvirt will: every disk of the stage is there, every file is on it, and
/// no device has been kept that is not known.
pub(super) fn must_stay_inside(domain: &Domain, made: &str, stage: &Stage) -> Result<(), Error> {
    let (root, after) = read(made)?;
    let on_stage =
        |file: Option<&Path>| stage.disks.iter().any(|(_, on)| Some(on.as_path()) == file);
    let is_missing = |(target, image): &&(String, PathBuf)| {
        after.disk(target).and_then(|disk| disk.source.file()) != Some(image.as_path())
    };
    if let Some((target, _)) = stage.disks.iter().find(is_missing) {
        return Err(unfit(domain, format!("its definition has no disk `{target}`")));
    }
    let outside = after.disks.iter().find(|disk| {
        disk.source != Source::Empty && !on_stage(disk.source.file()) || !disk.backing.is_empty()
    });
    if let Some(disk) = outside {
        return Err(unfit(domain, format!("disk `{}` would be on a file of its own", disk.target)));
    }
    let loader = root.child("os").and_then(|os| os.child("loader")).filter(|file| is_flash(file));
    if loader.is_some_and(|loader| loader.attribute("readonly") != Some("yes")) {
        return Err(unfit(domain, "it could write to its firmware"));
    }
    let known = ["disk", "serial", "console", "channel", "input", "rng"];
    let devices = root.child("devices").into_iter().flat_map(|devices| &devices.children);
    let stranger = devices.chain(&root.children).find(|element| {
        let name = element.name.as_str();
        let added = ["description", "on_poweroff", "on_reboot", "on_crash"];
        ![&MACHINE[..], &INSIDE, &known, &added].concat().contains(&name)
    });
    match stranger {
        Some(element) => Err(unfit(domain, format!("`{}` cannot be left out", element.name))),
        None if after.name == stage.name && after.uuid == stage.uuid => Ok(()),
        None => Err(unfit(domain, "its name or UUID cannot be changed")),
    }
}

/// A firmware that QEMU maps as a flash chip, such as UEFI.
pub(super) fn is_flash(loader: &Element) -> bool {
    loader.attribute("type") == Some("pflash")
}
