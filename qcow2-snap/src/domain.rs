//! A domain and its disks, as `virsh dumpxml` describes them, live or `--inactive`.
//!
//! Source of the shapes: libvirt's "Domain XML format" (`formatdomain.html`), sections "Hard drives,
//! floppy disks, CDROMs" and "Operating system booting". What is there and not used here is passed
//! over; a type of source that is not known is kept by its name.

mod xml;

use std::path::{Path, PathBuf};

use crate::Error;

/// A domain, live or as it is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Domain {
    /// The name.
    pub name: String,
    /// The UUID: stays when the domain is renamed.
    pub uuid: String,
    /// The number libvirt gives a domain that has a QEMU process; `None` in a definition.
    pub id: Option<String>,
    /// The disks and drives, in the order of the XML.
    pub disks: Vec<Disk>,
    /// Where UEFI keeps its variables, where the domain starts with UEFI.
    pub nvram: Option<Nvram>,
}

/// The file with the variables of UEFI: a small disk that is none in the XML (libvirt's "Domain
/// XML format", section "Operating system booting").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvram {
    /// Where it is; in a definition that never ran libvirt may not have chosen the place yet.
    pub source: Source,
    /// Its format; libvirt takes `raw` where it says none.
    pub format: Option<String>,
}

/// A disk or drive of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disk {
    /// Its name within the domain, such as `vda`.
    pub target: String,
    /// What it is on.
    pub source: Source,
    /// The format of the source; never guessed from its content.
    pub format: Option<String>,
    /// The guest cannot write to it.
    pub read_only: bool,
    /// Other domains may use it at the same time.
    pub shareable: bool,
    /// What is written to it is thrown away when the domain stops.
    pub transient: bool,
    /// What lies behind the source, nearest first. A definition rarely lists it.
    pub backing: Vec<BackingStore>,
    /// The block job that copies this disk elsewhere.
    pub mirror: Option<Mirror>,
}

/// One image behind a disk's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackingStore {
    /// Where it is.
    pub source: Source,
    /// Its format.
    pub format: Option<String>,
}

/// A block job that copies a disk elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// What it does: `active-commit`, `copy`.
    pub job: String,
    /// Where to.
    pub source: Source,
    /// Whether both sides hold the same, so that the domain can be moved over. libvirt says so
    /// only here: equal counters of the job do not mean it.
    pub ready: bool,
}

/// What a disk is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A drive without a medium.
    Empty,
    /// A file.
    File(PathBuf),
    /// A block device.
    Block(PathBuf),
    /// A network resource.
    Network {
        /// `gluster`, `rbd`, `nbd`, …
        protocol: String,
        /// Volume and path, or whatever the protocol has.
        name: String,
    },
    /// A volume of a storage pool.
    Volume {
        /// The storage pool.
        pool: String,
        /// The volume in it.
        volume: String,
    },
    /// A type that is not known here, by its name.
    Other(String),
}

impl Source {
    /// The path, where the source is a file.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }
}

impl Domain {
    /// Reads what `virsh dumpxml` printed.
    ///
    /// # Errors
    /// [`Error::Xml`] where it is not the XML of a domain.
    pub fn parse(xml: &str) -> Result<Self, Error> {
        let domain: xml::Domain = quick_xml::de::from_str(xml)
            .map_err(|source| Error::Xml { what: "this".to_owned(), source })?;
        Ok(domain.into())
    }

    /// Whether the domain has a QEMU process: running, paused, or anything but shut off.
    pub fn is_active(&self) -> bool {
        self.id.is_some()
    }

    /// The disk with this target.
    pub fn disk(&self, target: &str) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.target == target)
    }

    /// Whether any disk has `file` as its source, anywhere behind it, or as the goal of a job.
    pub fn mentions(&self, file: &Path) -> bool {
        let is_file = |source: &Source| source.file() == Some(file);
        self.disks.iter().any(|disk| {
            is_file(&disk.source)
                || disk.backing.iter().any(|backing| is_file(&backing.source))
                || disk.mirror.as_ref().is_some_and(|mirror| is_file(&mirror.source))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A domain with these disks, as libvirt prints it while it runs.
    fn running(disks: &str) -> Domain {
        let xml = format!(
            "<domain type='kvm' id='7'><name>web</name>\
             <uuid>80b7b426-a274-4787-b2d1-89bce6561bcf</uuid>\
             <devices><emulator>/usr/bin/qemu</emulator>{disks}<serial type='pty'/></devices>\
             </domain>"
        );
        Domain::parse(&xml).unwrap()
    }

    #[test]
    fn a_disk_on_an_overlay_with_a_job_lists_its_chain_and_the_job() {
        let domain = running(
            "<disk type='file' device='disk'>
               <driver name='qemu' type='qcow2'/>
               <source file='/vm/a,b &amp; c.ov.qcow2' index='5'/>
               <backingStore type='file' index='3'>
                 <format type='qcow2'/>
                 <source file='/vm/a,b &amp; c.qcow2'/>
                 <backingStore type='file' index='4'>
                   <format type='raw'/><source file='/vm/golden.img'/><backingStore/>
                 </backingStore>
               </backingStore>
               <mirror type='file' job='active-commit' ready='yes'>
                 <format type='qcow2'/><source file='/vm/a,b &amp; c.qcow2' index='3'/>
               </mirror>
               <target dev='vda' bus='virtio'/>
             </disk>",
        );
        assert!(domain.is_active());
        let disk = domain.disk("vda").unwrap();
        assert_eq!(disk.source, Source::File("/vm/a,b & c.ov.qcow2".into()));
        assert_eq!(disk.format.as_deref(), Some("qcow2"));
        let chain: Vec<_> = disk.backing.iter().map(|b| b.source.file().unwrap()).collect();
        assert_eq!(chain, [Path::new("/vm/a,b & c.qcow2"), Path::new("/vm/golden.img")]);
        let mirror = disk.mirror.as_ref().unwrap();
        assert!(mirror.ready);
        assert_eq!(mirror.job, "active-commit");
        assert!(domain.mentions(Path::new("/vm/golden.img")));
        assert!(!domain.mentions(Path::new("/vm/other.qcow2")));
    }

    #[test]
    fn a_job_is_ready_only_where_libvirt_says_yes() {
        for (ready, expected) in [("ready='yes'", true), ("ready='abort'", false), ("", false)] {
            let domain = running(&format!(
                "<disk type='file'><source file='/vm/o'/>\
                 <mirror type='file' job='active-commit' {ready}><source file='/vm/b'/></mirror>\
                 <target dev='vda'/></disk>"
            ));
            assert_eq!(domain.disks[0].mirror.as_ref().unwrap().ready, expected, "{ready}");
        }
    }

    #[test]
    fn the_variables_of_uefi_are_found_in_the_old_form_and_the_new() {
        let nvram = |element: &str| {
            let xml = format!(
                "<domain><name>n</name><uuid>u</uuid><os><type>hvm</type>\
                 <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>\
                 {element}<boot dev='hd'/></os></domain>"
            );
            Domain::parse(&xml).unwrap().nvram
        };
        let file = |format: Option<&str>| Nvram {
            source: Source::File("/nv/web.fd".into()),
            format: format.map(str::to_owned),
        };
        assert_eq!(
            nvram("<nvram template='/usr/share/OVMF/OVMF_VARS.fd'>/nv/web.fd</nvram>"),
            Some(file(None))
        );
        assert_eq!(
            nvram("<nvram type='file' format='qcow2'><source file='/nv/web.fd'/></nvram>"),
            Some(file(Some("qcow2")))
        );
        assert_eq!(nvram("<nvram/>").unwrap().source, Source::Empty);
        assert_eq!(nvram(""), None);
    }

    #[test]
    fn every_type_of_source_is_told_apart() {
        let of = |disk: &str| running(disk).disks.remove(0).source;
        let disk = |kind: &str, source: &str| {
            of(&format!("<disk type='{kind}'>{source}<target dev='vda'/></disk>"))
        };
        assert_eq!(disk("file", ""), Source::Empty);
        assert_eq!(disk("file", "<source file='/a'/>"), Source::File("/a".into()));
        assert_eq!(disk("block", "<source dev='/dev/sdb'/>"), Source::Block("/dev/sdb".into()));
        assert_eq!(
            disk("network", "<source protocol='gluster' name='gv/a'><host name='n'/></source>"),
            Source::Network { protocol: "gluster".into(), name: "gv/a".into() }
        );
        assert_eq!(
            disk("volume", "<source pool='p' volume='v'/>"),
            Source::Volume { pool: "p".into(), volume: "v".into() }
        );
        assert_eq!(disk("nvme", "<source managed='yes'/>"), Source::Other("nvme".into()));
    }

    #[test]
    fn a_definition_is_not_active_and_a_domain_may_have_no_disks() {
        let domain = Domain::parse("<domain><name>n</name><uuid>u</uuid></domain>").unwrap();
        assert!(!domain.is_active());
        assert!(domain.disks.is_empty());
    }

    #[test]
    fn what_is_not_a_domain_is_an_error() {
        for xml in ["", "<domain/>", "<domain><name>n</name>", "no xml"] {
            assert!(matches!(Domain::parse(xml), Err(Error::Xml { .. })), "{xml}");
        }
    }
}
