//! Takes an overlay out of a domain's definition again, and changes nothing else in its text.
//!
//! When libvirt puts a disk on an overlay, it moves what the definition had as `<source>` into a
//! `<backingStore>` behind the new source. Here that is undone: the text of the inner elements
//! takes the place of the outer ones.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::Overlay;
use crate::Error;
use crate::domain::Domain;
use crate::virsh::Virsh;

/// Where definitions lie for the moment that virsh reads them; readable by their owner only,
/// because they hold secrets. Never in the pool, which is copied to another site.
pub(crate) const SCRATCH: &str = "/tmp";

/// Makes the domain start on the base the next time.
///
/// # Errors
/// Where the definition is not as libvirt leaves it, or libvirt does not take the new one.
pub(super) fn redefine(virsh: &Virsh, overlay: &Overlay) -> Result<(), Error> {
    let xml = virsh.dumpxml_with_secrets(&overlay.domain)?;
    let xml = without_overlay(&xml, overlay)
        .map_err(|reason| Error::NotCommitted { overlay: Box::new(overlay.clone()), reason })?;
    let unwritable =
        |source| Error::Io { tried: "write a definition into", path: SCRATCH.into(), source };
    let mut file = tempfile::NamedTempFile::new_in(SCRATCH).map_err(unwritable)?;
    file.write_all(xml.as_bytes()).map_err(unwritable)?;
    virsh.define(file.path())
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
    let is_disk = |element: &&Element| {
        element.name == "disk" && element.child("target").is_some_and(|t| t.dev == target)
    };
    let disk = domain.child("devices")?.children.iter().find(is_disk)?;
    let (source, backing) = (disk.child("source")?, disk.child("backingStore")?);
    let inner_source = xml.get(backing.child("source")?.range.clone())?;
    let inner_backing = match backing.child("backingStore") {
        Some(inner) => xml.get(inner.range.clone())?,
        None => "",
    };
    let between = xml.get(source.range.end..backing.range.start)?;
    let (head, tail) = (xml.get(..source.range.start)?, xml.get(backing.range.end..)?);
    Some([head, inner_source, between, inner_backing, tail].concat())
}

/// An element, and where its text is.
#[derive(Debug, Default)]
struct Element {
    name: String,
    /// The attribute `dev`.
    dev: String,
    range: Range<usize>,
    children: Vec<Self>,
}

impl Element {
    /// The root element of `xml`; `None` where it is not well-formed.
    fn parse(xml: &str) -> Option<Self> {
        let mut reader = Reader::from_str(xml);
        let mut open = vec![Self::default()];
        loop {
            let start = position(&reader)?;
            match reader.read_event().ok()? {
                Event::Start(tag) => open.push(Self::started(&tag, start)),
                Event::Empty(tag) => {
                    let element = Self::started(&tag, start).ended(position(&reader)?);
                    open.last_mut()?.children.push(element);
                }
                Event::End(_) => {
                    let element = open.pop()?.ended(position(&reader)?);
                    open.last_mut()?.children.push(element);
                }
                Event::Eof => return open.pop()?.children.pop(),
                _ => {}
            }
        }
    }

    fn started(tag: &BytesStart<'_>, start: usize) -> Self {
        let dev = tag.try_get_attribute("dev").ok().flatten();
        let dev =
            dev.and_then(|dev| Some(dev.normalized_value(XmlVersion::default()).ok()?.into()));
        Self {
            name: tag.name().as_ref().to_owned(),
            dev: dev.unwrap_or_default(),
            range: start..start,
            children: Vec::new(),
        }
    }

    fn ended(mut self, end: usize) -> Self {
        self.range.end = end;
        self
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }
}

fn position(reader: &Reader<&[u8]>) -> Option<usize> {
    usize::try_from(reader.buffer_position()).ok()
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
