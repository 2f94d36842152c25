//! What libvirt keeps of a snapshot, where it has lost it.

use std::path::PathBuf;

use quick_xml::escape::escape;

use crate::Error;
use crate::domain::Domain;
use crate::virsh::Virsh;

/// Tells libvirt of an internal snapshot that the images of a running domain hold, so that it can
/// delete it. `created` is in seconds since 1970.
pub(super) fn redefine(
    virsh: &Virsh,
    live: &Domain,
    images: &[PathBuf],
    name: &str,
    created: u32,
) -> Result<(), Error> {
    let definition = virsh.dumpxml_with_secrets(&live.uuid)?;
    virsh.snapshot_redefine(&live.uuid, &snapshot_xml(live, images, name, created, &definition))
}

/// The shape of libvirt's "Snapshot XML format" that `snapshot-create --redefine` asks for.
fn snapshot_xml(
    live: &Domain,
    images: &[PathBuf],
    name: &str,
    created: u32,
    definition: &str,
) -> String {
    let disk = |disk: &crate::domain::Disk| {
        let held = disk.source.file().is_some_and(|file| images.iter().any(|image| image == file));
        let how = if held { "internal" } else { "no" };
        format!("<disk name='{}' snapshot='{how}'/>", escape(&disk.target))
    };
    let disks: String = live.disks.iter().map(disk).collect();
    let domain = definition.find("<domain").and_then(|start| definition.get(start..));
    format!(
        "<domainsnapshot><name>{}</name><state>running</state>\
         <creationTime>{created}</creationTime><memory snapshot='internal'/>\
         <disks>{disks}</disks>{}</domainsnapshot>",
        escape(name),
        domain.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disk_is_named_and_the_definition_goes_with_it() {
        let definition = "<?xml version='1.0'?>\n<domain><name>n</name><uuid>u</uuid><devices>\
            <disk type='file'><source file='/vm/a'/><target dev='vda'/></disk>\
            <disk type='file' device='cdrom'><target dev='hda'/></disk></devices></domain>";
        let live = Domain::parse(definition).unwrap();
        let xml = snapshot_xml(&live, &["/vm/a".into()], "georep-1", 7, definition);
        assert!(xml.contains("<name>georep-1</name>"), "{xml}");
        assert!(xml.contains("<creationTime>7</creationTime>"), "{xml}");
        let disks = "<disk name='vda' snapshot='internal'/><disk name='hda' snapshot='no'/>";
        assert!(xml.contains(disks), "{xml}");
        assert!(xml.ends_with("</devices></domain></domainsnapshot>"), "{xml}");
        assert!(!xml.contains("<?xml"), "{xml}");
    }
}
