//! What a run promises: the images and domains as they stood at its snapshot.
//!
//! The manifest is written into the pool before the checkpoint is set, so that it travels with
//! the images. At the other site it says what should have arrived, with the primary gone.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use qcow2_snap::image::Snapshot;
use serde::{Deserialize, Serialize};

use crate::error::CliError;

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
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Where the manifest of `run` lies in `pool`.
    pub(crate) fn path_in(pool: &Path, run: &str) -> PathBuf {
        pool.join(DIRECTORY).join(format!("{run}.json"))
    }

    /// Writes the manifest into `pool`: under a temporary name, then on disk, then under its own,
    /// so that there is never half a manifest.
    ///
    /// # Errors
    /// Where the pool cannot be written.
    pub(crate) fn save(&self, pool: &Path) -> Result<PathBuf, CliError> {
        let path = Self::path_in(pool, &self.run);
        let directory = pool.join(DIRECTORY);
        let unwritable = |source| CliError::io("write the manifest", &path, source);
        fs::create_dir_all(&directory).map_err(unwritable)?;
        let mut file = tempfile::NamedTempFile::new_in(&directory).map_err(unwritable)?;
        let text = serde_json::to_vec_pretty(self).map_err(|e| unwritable(e.into()))?;
        file.write_all(&text).map_err(unwritable)?;
        file.as_file().sync_all().map_err(unwritable)?;
        file.persist(&path).map_err(|e| unwritable(e.error))?;
        fs::File::open(&directory).and_then(|d| d.sync_all()).map_err(unwritable)?;
        Ok(path)
    }
}
