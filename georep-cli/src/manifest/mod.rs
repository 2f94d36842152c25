//! What a run promises: the images and domains as they stood at its snapshot.
//!
//! The manifest is written into the pool before the checkpoint is set, so that it travels with
//! the images. At the other site it says what should have arrived, with the primary gone.

mod pool;
mod seal;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use qcow2_snap::image::Snapshot;
use qcow2_snap::plan::Format;
use serde::{Deserialize, Serialize};

use crate::digests::Digests;
use crate::sampling::PIECE;

/// The shape of the document; a reader refuses a newer one.
pub(crate) const VERSION: u32 = 1;

/// Directory of the manifests, in the pool.
pub(crate) const DIRECTORY: &str = ".georep";

/// One run: what it copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// The run's name, also the name of its internal snapshots.
    pub run: String,
    /// `external` or `internal`.
    pub method: String,
    /// When the manifest was written.
    pub created: Timestamp,
    /// The primary volume.
    pub primary: String,
    /// The secondary, as `[user@]host::volume`.
    pub secondary: String,
    /// The pool, relative to the root of the volume.
    pub pool: PathBuf,
    /// The domains that were backed up.
    pub domains: Vec<DomainRecord>,
    /// Every image they need, backing files included, each once.
    pub images: Vec<ImageRecord>,
}

/// A domain, as the other site would define it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DomainRecord {
    /// The domain's name.
    pub name: String,
    /// The domain's UUID.
    pub uuid: String,
    /// `running`, `shut off` and so on, when the snapshot was taken.
    pub state: String,
    /// The disks that are part of the copy.
    pub disks: Vec<DiskRecord>,
    /// The persistent definition, on the images themselves.
    pub xml: String,
}

/// Which image a disk is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DiskRecord {
    /// The disk's target, such as `vda`.
    pub target: String,
    /// The image, relative to the pool.
    pub image: PathBuf,
}

/// An image as it stood at the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ImageRecord {
    /// Path relative to the pool.
    pub path: PathBuf,
    /// `qcow2` or `raw`.
    pub format: String,
    /// The file's size in bytes. An image with an internal snapshot goes on growing: then a copy
    /// may be larger.
    pub size: u64,
    /// Bytes the guest sees.
    pub virtual_size: u64,
    /// Bytes a cluster; a raw image has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_size: Option<u64>,
    /// The backing file as the header names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing_file: Option<String>,
    /// The internal snapshots that the copy must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotRecord>,
    /// Bytes that the recorded state is made of: tables and data.
    pub allocated: u64,
    /// The byte ranges whose digests were recorded: all tables that fit, and random clusters.
    pub samples: Vec<Sample>,
    /// The digests of all that the recorded state is made of, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digests: Option<Digests>,
}

/// An internal snapshot, named as `qemu-img info` names its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SnapshotRecord {
    /// The id, unique within the image.
    pub id: String,
    /// The name.
    pub name: String,
    /// Bytes of memory and device state.
    pub vm_state_size: u64,
    /// When it was taken: seconds since 1970, UTC.
    pub date_sec: u32,
    /// And nanoseconds.
    pub date_nsec: u32,
}

impl From<&Snapshot> for SnapshotRecord {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            id: String::from_utf8_lossy(&snapshot.id).into_owned(),
            name: String::from_utf8_lossy(&snapshot.name).into_owned(),
            vm_state_size: snapshot.vm_state_size,
            date_sec: snapshot.date_sec,
            date_nsec: snapshot.date_nsec,
        }
    }
}

/// The digest of a byte range of an image file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Sample {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Whether it is of a level-2 table whose "copied" flags say nothing, and are taken for clear.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_flags: bool,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

impl ImageRecord {
    /// A raw image of one byte, for tests.
    #[cfg(test)]
    pub(crate) fn of_one_byte(path: &str) -> Self {
        Self {
            path: path.into(),
            format: "raw".to_owned(),
            size: 1,
            virtual_size: 1,
            cluster_size: None,
            backing_file: None,
            snapshots: Vec::new(),
            allocated: 1,
            samples: Vec::new(),
            digests: None,
        }
    }

    /// The format; [`Manifest::load`] accepts no other.
    pub(crate) fn format(&self) -> Format {
        Format::named(&self.format).unwrap_or(Format::Raw)
    }

    /// Whether it can be what a run recorded: nothing in it makes a reader do what it should not.
    fn is_sane(&self) -> bool {
        Format::named(&self.format).is_some()
            && self.samples.iter().all(|sample| sample.length <= PIECE)
            && self.digests.as_ref().is_none_or(|digests| digests.are_of(self.size))
    }
}

impl Manifest {
    /// The snapshot that is the copied state of an image; none where that is the image as it is.
    pub(crate) fn snapshot_of(&self, image: &ImageRecord) -> Option<&str> {
        image.snapshots.iter().any(|held| held.name == self.run).then_some(self.run.as_str())
    }

    /// Every path that the manifest names: the pool's in the volume, and the images' in the pool.
    fn files(&self) -> Vec<&Path> {
        let images = self.images.iter().map(|image| &image.path);
        let disks = self.domains.iter().flat_map(|domain| &domain.disks).map(|disk| &disk.image);
        images.chain(disks).chain([&self.pool]).map(PathBuf::as_path).collect()
    }
}
