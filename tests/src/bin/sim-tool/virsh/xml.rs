//! The XML of a domain, in the shapes that libvirt 9.0.0 gives it.

use std::path::{Path, PathBuf};

use georep_tests::simulated::libvirt::{Disk, Domain, Job};

/// The secret of the definition.
const SECRET: &str = " passwd='secret'";

/// The domain as it runs.
pub fn live(domain: &Domain) -> String {
    let disks: String = domain.disks.iter().map(live_disk).collect();
    text(domain, " id='2'", &disks, "")
}

/// The domain as it is defined.
pub fn defined(domain: &Domain, with_secrets: bool) -> String {
    let disk = |disk: &Disk| {
        let (source, behind) = disk.defined.split_first().expect("a disk is on an image");
        let chain = behind.iter().rfold(String::new(), |inner, image| backing(image, "", &inner));
        element(&disk.target, source, "", &chain, "")
    };
    let disks: String = domain.disks.iter().map(disk).collect();
    let secret = if with_secrets && domain.has_secret { SECRET } else { "" };
    text(domain, "", &disks, secret)
}

fn live_disk(disk: &Disk) -> String {
    let (source, behind) = disk.live.split_first().expect("a disk is on an image");
    let end = "<backingStore/>\n".to_owned();
    let chain = behind
        .iter()
        .enumerate()
        .rfold(end, |inner, (i, image)| backing(image, &format!(" index='{}'", i + 2), &inner));
    element(
        &disk.target,
        source,
        " index='1'",
        &chain,
        &disk.job.as_ref().map_or_else(String::new, mirror),
    )
}

fn backing(image: &Path, index: &str, inner: &str) -> String {
    format!(
        "      <backingStore type='file'{index}>\n        <format type='qcow2'/>\n        \
         <source file='{}'/>\n{inner}      </backingStore>\n",
        image.display()
    )
}

fn mirror(job: &Job) -> String {
    let ready = if job.is_ready() { " ready='yes'" } else { "" };
    format!(
        "      <mirror type='file' job='active-commit'{ready}>\n        <format type='qcow2'/>\n        \
         <source file='{}' index='2'/>\n      </mirror>\n",
        job.base.display()
    )
}

fn element(target: &str, source: &Path, index: &str, chain: &str, mirror: &str) -> String {
    format!(
        "    <disk type='file' device='disk'>\n      \
         <driver name='qemu' type='qcow2' cache='none'/>\n      \
         <source file='{}'{index}/>\n{chain}{mirror}      \
         <target dev='{target}' bus='virtio'/>\n    </disk>\n",
        source.display()
    )
}

fn text(domain: &Domain, id: &str, disks: &str, secret: &str) -> String {
    format!(
        "<domain type='kvm'{id}>\n  <name>{}</name>\n  <uuid>{}</uuid>\n  \
         <memory unit='KiB'>131072</memory>\n  <vcpu placement='static'>1</vcpu>\n  \
         <os>\n    <type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>\n  </os>\n  \
         <devices>\n{disks}    <disk type='file' device='cdrom'>\n      \
         <driver name='qemu'/>\n      <target dev='hda' bus='ide'/>\n      <readonly/>\n    </disk>\n    \
         <graphics type='vnc' port='-1' autoport='yes'{secret}/>\n  </devices>\n</domain>\n",
        domain.name, domain.uuid
    )
}

/// What a definition says.
pub struct Definition {
    pub uuid: String,
    /// Of each disk with an image its target, its image, and the images listed behind that.
    pub disks: Vec<(String, Vec<PathBuf>)>,
    pub has_secret: bool,
}

/// Reads a definition that is made of the shapes above.
pub fn parse(xml: &str) -> Option<Definition> {
    let uuid = between(xml, "<uuid>", "</uuid>")?.to_owned();
    let disk = |text: &str| {
        let sources = text.split("<source file='").skip(1);
        let chain: Vec<PathBuf> =
            sources.filter_map(|rest| Some(rest.split_once('\'')?.0.into())).collect();
        let target = between(text, "<target dev='", "'")?;
        (!chain.is_empty()).then(|| (target.to_owned(), chain))
    };
    let disks = xml.split("<disk ").skip(1).filter_map(disk).collect();
    let is_whole = xml.trim_end().ends_with("</domain>");
    is_whole.then(|| Definition { uuid, disks, has_secret: xml.contains(SECRET) })
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}
