//! A definition for images that lie elsewhere.

use std::path::PathBuf;

use super::{read, target, text_of, unfit};
use crate::Error;
use crate::domain::{Domain, Source};
use crate::xml_text::{Edits, Element};

/// Where the files of a domain are now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moved {
    /// Disks by their target, each with its image. All others stay on what they are on.
    pub disks: Vec<(String, PathBuf)>,
    /// The variables of UEFI, where they have moved.
    pub nvram: Option<PathBuf>,
}

/// The definition `xml` with every moved file in its new place; every other byte as it was.
///
/// A chain that the definition lists behind a moved disk is taken out: libvirt reads it from the
/// images again.
///
/// # Errors
/// [`Error::Xml`] where it is no definition, [`Error::Unfit`] where a moved disk is not in it or
/// not on a file.
pub fn relocated(xml: &str, moved: &Moved) -> Result<String, Error> {
    let (root, before) = read(xml)?;
    let mut edits = Edits::default();
    for (disk, image) in &moved.disks {
        let file = root.child("devices").and_then(|devices| {
            let found = devices.all("disk").find(|element| target(element) == Some(disk))?;
            take_chain_out(found, &mut edits);
            found.child("source")?.attribute_range("file")
        });
        let file = file.ok_or_else(|| {
            unfit(&before, format!("its definition has no disk `{disk}` that is on a file"))
        })?;
        edits.put_value(&file, text_of(&before, image)?);
    }
    if let Some(nvram) = &moved.nvram {
        let file = root.child("os").and_then(|os| os.child("nvram")).and_then(place_of_nvram);
        let file = file.ok_or_else(|| unfit(&before, "its definition names no UEFI variables"))?;
        edits.put_value(&file, text_of(&before, nvram)?);
    }
    let changed = edits.apply(xml).filter(|changed| is_right(&before, changed, moved));
    changed.ok_or_else(|| unfit(&before, "its definition cannot be changed safely"))
}

fn take_chain_out(disk: &Element, edits: &mut Edits) {
    if let Some(chain) = disk.child("backingStore").filter(|chain| !chain.children.is_empty()) {
        edits.take_out(chain);
    }
}

/// The path is text, or since libvirt 8.5 that of a source as disks have it.
fn place_of_nvram(nvram: &Element) -> Option<std::ops::Range<usize>> {
    match nvram.child("source") {
        Some(source) => source.attribute_range("file"),
        None => Some(nvram.inner.clone()).filter(|text| !text.is_empty()),
    }
}

/// Reads the changed definition as libvirt will: what should have moved has, and nothing else.
fn is_right(before: &Domain, changed: &str, moved: &Moved) -> bool {
    let mut expected = before.clone();
    for (target, image) in &moved.disks {
        let mut disks = expected.disks.iter_mut().filter(|disk| disk.target == *target);
        let (Some(disk), None) = (disks.next(), disks.next()) else { return false };
        disk.source = Source::File(image.clone());
        disk.backing.clear();
    }
    if let (Some(nvram), Some(file)) = (&mut expected.nvram, &moved.nvram) {
        nvram.source = Source::File(file.clone());
    }
    Domain::parse(changed).is_ok_and(|after| after == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<domain type='kvm'>
  <name>web &amp; co</name>
  <uuid>u</uuid>
  <os><type>hvm</type><nvram template='/t'>/vm/nv/web.fd</nvram></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='/vm/web &amp; co.qcow2' index='1'/>
      <backingStore type='file'>
        <format type='qcow2'/>
        <source file='/vm/golden.qcow2'/>
      </backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='block' device='disk'>
      <source dev='/dev/sdb'/>
      <backingStore/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <graphics type='vnc' passwd='secret'/>
  </devices>
</domain>
";

    fn moved(disks: &[(&str, &str)], nvram: Option<&str>) -> Moved {
        let disk = |(target, image): &(&str, &str)| (target.to_string(), PathBuf::from(image));
        Moved { disks: disks.iter().map(disk).collect(), nvram: nvram.map(Into::into) }
    }

    #[test]
    fn what_has_moved_is_in_its_new_place_and_nothing_else_has_changed() {
        let changed =
            relocated(XML, &moved(&[("vda", "/re store/o'clock & <1>")], Some("/re/web.fd")));
        let expected = XML
            .replace("/vm/web &amp; co.qcow2", "/re store/o&apos;clock &amp; &lt;1&gt;")
            .replace("/vm/nv/web.fd", "/re/web.fd")
            .replace(
                "<backingStore type='file'>
        <format type='qcow2'/>
        <source file='/vm/golden.qcow2'/>
      </backingStore>",
                "",
            );
        assert_eq!(changed.unwrap(), expected);
    }

    #[test]
    fn the_variables_of_uefi_move_in_the_new_form_too() {
        let xml = XML.replace(
            "<nvram template='/t'>/vm/nv/web.fd</nvram>",
            "<nvram type='file' format='qcow2'><source file='/vm/nv/web.fd'/></nvram>",
        );
        let changed = relocated(&xml, &moved(&[], Some("/re/web.fd"))).unwrap();
        assert_eq!(changed, xml.replace("/vm/nv/web.fd", "/re/web.fd"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let no_nvram = XML.replace("<nvram template='/t'>/vm/nv/web.fd</nvram>", "");
        for (xml, moved) in [
            (XML, moved(&[("vdz", "/re/a")], None)),
            (XML, moved(&[("vdb", "/re/a")], None)),
            (XML, moved(&[("vda", "/re/a\nb")], None)),
            (XML, moved(&[("vda", "/re/a"), ("vda", "/re/b")], None)),
            (&no_nvram, moved(&[], Some("/re/web.fd"))),
            (&XML.replace("'vdb'", "'vda'"), moved(&[("vda", "/re/a")], None)),
            (&XML[..XML.len() / 2], moved(&[], None)),
            ("", moved(&[], None)),
        ] {
            assert!(relocated(xml, &moved).is_err(), "{moved:?}");
        }
    }
}
