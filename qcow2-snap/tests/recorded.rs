//! What the real virsh and qemu-img printed (`fixtures/libvirt-*`, `fixtures/qemu-*`), read and
//! compared.

#![expect(clippy::unwrap_used, reason = "a test may end where it fails")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use qcow2_snap::domain::{Domain, Source};
use qcow2_snap::image::{Image, ImageError};
use qcow2_snap::qemu_img::ImageInfo;

/// The versions of libvirt and QEMU that `testbed/versions` knows.
const LIBVIRT: [&str; 4] = ["7.0", "9.0", "11.3", "12.8"];
const QEMU: [&str; 4] = ["5.2", "7.2", "10.0", "11.1"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

fn domain(version: &str, name: &str) -> Domain {
    let file = fixture(&format!("libvirt-{version}/dumpxml-{name}.xml"));
    Domain::parse(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Target and file of every disk; `-` for an empty drive.
fn disks(domain: &Domain) -> Vec<(&str, &str)> {
    let file = |source| match source {
        &Source::Empty => "-",
        source => source.file().unwrap().to_str().unwrap(),
    };
    domain.disks.iter().map(|disk| (disk.target.as_str(), file(&disk.source))).collect()
}

const BASE: [(&str, &str); 3] =
    [("vda", "/vm/vm1-root.qcow2"), ("vdb", "/vm/vm1-data.qcow2"), ("hda", "-")];

#[test]
fn a_domain_on_its_base_is_there_in_both_descriptions() {
    for version in LIBVIRT {
        let domain = |name| domain(version, name);
        for name in ["base", "base-inactive", "pivoted", "shut-off"] {
            assert_eq!(disks(&domain(name)), BASE, "{version}: {name}");
        }
        assert!(domain("base").is_active() && !domain("shut-off").is_active(), "{version}");
    }
}

#[test]
fn a_domain_on_overlays_names_its_base_behind_them() {
    for version in LIBVIRT {
        let overlay = domain(version, "overlay");
        assert_ne!(disks(&overlay)[..2], BASE[..2], "{version}");
        for (disk, (target, base)) in overlay.disks.iter().zip(BASE).take(2) {
            assert_eq!(disk.target, target, "{version}");
            assert_eq!(disk.backing[0].source.file(), Some(Path::new(base)), "{version}");
        }
        assert_eq!(disks(&domain(version, "overlay-inactive")), disks(&overlay), "{version}");
        let template = overlay.mentions(Path::new("/vm/golden.qcow2"));
        assert!(template, "{version}: the template, two behind");
    }
}

#[test]
fn a_commit_is_ready_only_where_libvirt_says_so() {
    for version in LIBVIRT {
        let ready = |name| {
            let domain = domain(version, name);
            domain.disks.iter().find_map(|disk| disk.mirror.as_ref()).map(|mirror| mirror.ready)
        };
        assert_eq!(ready("commit-not-ready"), Some(false), "{version}");
        assert_eq!(ready("commit-ready"), Some(true), "{version}");
        assert_eq!(ready("pivoted"), None, "{version}");
    }
}

/// The recorded images whose name ends in `.qcow2`, with what reading them says.
fn images(version: &str) -> Vec<(String, Result<Image, ImageError>)> {
    let mut images = Vec::new();
    for entry in fs::read_dir(fixture(&format!("qemu-{version}"))).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "qcow2") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            images.push((name, Image::read(File::open(&path).unwrap())));
        }
    }
    images.sort_by(|(one, _), (other, _)| one.cmp(other));
    images
}

#[test]
fn what_is_not_sound_is_not_read_as_if_it_were() {
    for version in QEMU {
        let unsound = images(version).into_iter().filter(|(_, image)| image.is_err());
        let refused: Vec<_> = unsound.map(|(name, _)| name).collect();
        assert_eq!(
            refused,
            [
                "corrupt-bit",
                "empty",
                "snapshots-same-name",
                "too-many-snapshots",
                // qemu-img info exits with 0 for this one, and shows snapshots without names.
                "truncated-at-snapshot-table",
                "truncated-header",
                "unknown-feature",
                "zeros",
            ],
            "{version}"
        );
    }
}

#[test]
fn what_is_sound_says_what_qemu_img_says() {
    for version in QEMU {
        for (name, image) in images(version) {
            let Ok(image) = image else { continue };
            let file = fixture(&format!("qemu-{version}/{name}.qcow2.info.json"));
            let info = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
            assert_says_the_same(&image, &info, &format!("{version}: {name}"));
        }
    }
}

fn assert_says_the_same(image: &Image, info: &ImageInfo, name: &str) {
    let header = &image.header;
    assert_eq!(info.format, "qcow2", "{name}");
    assert_eq!(header.virtual_size, info.virtual_size, "{name}");
    assert_eq!(Some(header.cluster_size()), info.cluster_size, "{name}");
    let backing = header.backing.as_ref();
    assert_eq!(backing.map(|b| &b.file), info.backing_filename.as_ref(), "{name}");
    let ours: Vec<_> = image
        .snapshots
        .iter()
        .map(|s| (lossy(&s.id), lossy(&s.name), s.vm_state_size, s.date_sec, s.date_nsec))
        .collect();
    let theirs: Vec<_> = info
        .snapshots
        .iter()
        .map(|s| (s.id.clone(), s.name.clone(), s.vm_state_size, s.date_sec, s.date_nsec))
        .collect();
    assert_eq!(ours, theirs, "{name}");
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
