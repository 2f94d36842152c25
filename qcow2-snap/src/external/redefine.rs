//! Takes an overlay out of a domain's definition again, and changes nothing else in its text.
//!
//! When libvirt puts a disk on an overlay, it moves what the definition had as `<source>` into a
//! `<backingStore>` behind the new source. Here that is undone: the text of the inner elements
//! takes the place of the outer ones.

use std::path::Path;

use super::Overlay;
use crate::Error;
use crate::domain::Domain;
use crate::virsh::Virsh;
use crate::xml_text::{Edits, Element};

/// Makes the domain start on the base the next time.
///
/// # Errors
/// Where the definition is not as libvirt leaves it, or libvirt does not take the new one.
pub(super) fn redefine(virsh: &Virsh, overlay: &Overlay) -> Result<(), Error> {
    let xml = virsh.dumpxml_with_secrets(&overlay.domain)?;
    let xml = without_overlay(&xml, overlay)
        .map_err(|reason| Error::NotCommitted { overlay: Box::new(overlay.clone()), reason })?;
    virsh.define(&xml)
}

/// The definition `xml` with the disk of `overlay` on its base; every other byte as it was.
fn without_overlay(xml: &str, overlay: &Overlay) -> Result<String, String> {
    let unlike = || "the definition does not list the base behind the overlay".to_owned();
    let changed = Element::parse(xml)
        .and_then(|domain| splice(xml, &domain, &overlay.target))
        .ok_or_else(unlike)?;
    let parse = |xml| Domain::parse(xml).map_err(|error| error.to_string());
    let (before, after) = (parse(xml)?, parse(&changed)?);
    let on_base = |file: Option<&Path>| file == Some(&overlay.base);
    let right = !after.mentions(&overlay.overlay)
        && after.disks.len() == before.disks.len()
        && before.disks.iter().zip(&after.disks).all(|(before, after)| {
            if before.target == overlay.target {
                on_base(after.source.file()) && after.format == before.format
            } else {
                before == after
            }
        });
    if right { Ok(changed) } else { Err(unlike()) }
}

fn splice(xml: &str, domain: &Element, target: &str) -> Option<String> {
    let is_disk =
        |disk: &&Element| disk.child("target").and_then(|t| t.attribute("dev")) == Some(target);
    let disk = domain.child("devices")?.all("disk").find(is_disk)?;
    let (source, backing) = (disk.child("source")?, disk.child("backingStore")?);
    let inner_source = xml.get(backing.child("source")?.range.clone())?;
    let inner_backing = match backing.child("backingStore") {
        Some(inner) => xml.get(inner.range.clone())?,
        None => "",
    };
    let mut edits = Edits::default();
    edits.put(&source.range, inner_source);
    edits.put(&backing.range, inner_backing);
    edits.apply(xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libvirt 9.0.0 defines a domain after `snapshot-create-as --disk-only`.
    const ON_OVERLAY: &str = "<domain type='kvm'>
  <name>web &amp; co</name>
  <uuid>u</uuid>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/vm/o,1 &amp; 2.qcow2'/>
      <backingStore type='file'>
        <format type='qcow2'/>
        <source file='/vm/a,b &amp; c.qcow2'/>
      </backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <source file='/vm/other.qcow2'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <graphics type='vnc' passwd='secret'/>
  </devices>
</domain>";

    fn overlay() -> Overlay {
        Overlay {
            domain: "u".into(),
            target: "vda".into(),
            base: "/vm/a,b & c.qcow2".into(),
            overlay: "/vm/o,1 & 2.qcow2".into(),
            inode: None,
            merge_begun: false,
        }
    }

    #[test]
    fn the_disk_is_on_its_base_again_and_nothing_else_has_changed() {
        let changed = without_overlay(ON_OVERLAY, &overlay()).unwrap();
        let expected =
            ON_OVERLAY.replace("/vm/o,1 &amp; 2.qcow2", "/vm/a,b &amp; c.qcow2").replace(
                "<backingStore type='file'>
        <format type='qcow2'/>
        <source file='/vm/a,b &amp; c.qcow2'/>
      </backingStore>",
                "",
            );
        assert_eq!(changed, expected);
    }

    #[test]
    fn what_was_defined_behind_the_base_is_behind_it_again() {
        let golden = "<backingStore type='file'><format type='raw'/>\
                      <source file='/vm/golden'/></backingStore>";
        let deeper = ON_OVERLAY
            .replace("      </backingStore>", &format!("        {golden}\n      </backingStore>"));
        let changed = without_overlay(&deeper, &overlay()).unwrap();
        let domain = Domain::parse(&changed).unwrap();
        let chain = &domain.disks[0].backing;
        assert_eq!(chain.len(), 1);
        assert_eq!(chain[0].source.file(), Some(Path::new("/vm/golden")));
    }

    #[test]
    fn a_definition_of_another_shape_is_left_alone() {
        let unlisted = ON_OVERLAY.replace("backingStore", "other");
        let other_base = ON_OVERLAY.replace("/vm/a,b &amp; c.qcow2", "/vm/golden.qcow2");
        let also_elsewhere = ON_OVERLAY.replace("/vm/other.qcow2", "/vm/o,1 &amp; 2.qcow2");
        let cut = &ON_OVERLAY[..ON_OVERLAY.len() / 2];
        for xml in [unlisted.as_str(), &other_base, &also_elsewhere, cut, ""] {
            assert!(without_overlay(xml, &overlay()).is_err(), "{xml}");
        }
    }
}
