//! What a simulated libvirt knows of its domains.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A domain, which runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Whether its guest's file systems are frozen: it writes nothing then.
    pub frozen: bool,
    /// Its disks, all of them qcow2 images.
    pub disks: Vec<Disk>,
    /// The internal snapshots that libvirt has metadata of.
    pub snapshots: Vec<String>,
    /// Whether its definition still has the secret that it had at first.
    pub has_secret: bool,
}

/// A disk of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Its target, such as `vda`.
    pub target: String,
    /// The image it is on as the domain runs, and the images behind that, nearest first.
    pub live: Vec<PathBuf>,
    /// The same in the definition, of which libvirt lists only what it has put there itself.
    pub defined: Vec<PathBuf>,
    /// The block job at work on it.
    pub job: Option<Job>,
    /// How many records the guest has written, one after the other, and knows to be on the disk.
    pub records: u32,
}

/// A block job that merges the image a disk is on into one behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Where it merges to.
    pub base: PathBuf,
    /// How often the domain's XML was asked for since it began: after a few times it is ready.
    pub looks: u32,
}

/// How many looks see a job that is not ready.
const LOOKS_UNTIL_READY: u32 = 1;

impl Domain {
    /// A domain with these disks: each one's target, its image, and what lies behind it.
    pub fn new(name: &str, uuid: &str, disks: &[(&str, &[PathBuf])]) -> Self {
        let disk = |&(target, chain): &(&str, &[PathBuf])| Disk {
            target: target.to_owned(),
            live: chain.to_vec(),
            defined: chain.iter().take(1).cloned().collect(),
            job: None,
            records: 0,
        };
        Self {
            name: name.to_owned(),
            uuid: uuid.to_owned(),
            frozen: false,
            disks: disks.iter().map(disk).collect(),
            snapshots: Vec::new(),
            has_secret: true,
        }
    }

    /// Whether its QEMU has the file open.
    pub fn has_open(&self, file: &Path) -> bool {
        self.disks.iter().any(|disk| disk.live.iter().any(|image| image == file))
    }
}

impl Disk {
    /// The image it is on.
    pub fn image(&self) -> &Path {
        self.live.first().expect("a disk is on an image")
    }
}

impl Job {
    /// Whether the domain can be moved to the base.
    pub fn is_ready(&self) -> bool {
        self.looks > LOOKS_UNTIL_READY
    }
}

/// Where the guest writes its record `number`, counted from 1, and the byte it fills it with.
pub fn record(number: u32) -> (u32, u32) {
    ((number - 1) * RECORD_LENGTH, number % 255 + 1)
}

/// Bytes of a record.
pub const RECORD_LENGTH: u32 = 4096;
