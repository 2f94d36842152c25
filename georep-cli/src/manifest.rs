//! What a run promises: the images and domains as they stood at its snapshot.
//!
//! The manifest is written into the pool before the checkpoint is set, so that it travels with
//! the images. At the other site it says what should have arrived, with the primary gone.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use qcow2_snap::image::Snapshot;
use qcow2_snap::plan::Format;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::atomic_file;
use crate::digests::Digests;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::image_file::hex;
use crate::run_name::RunName;
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
    /// Where the manifest of `run` lies in `pool`.
    pub(crate) fn path_in(pool: &Path, run: &str) -> PathBuf {
        pool.join(DIRECTORY).join(format!("{run}.json"))
    }

    /// Writes the manifest into `pool`.
    ///
    /// # Errors
    /// Where the pool cannot be written.
    pub(crate) fn save(&self, pool: &Path) -> Result<PathBuf, CliError> {
        let path = Self::path_in(pool, &self.run);
        let unwritable = |source| CliError::io("write the manifest", &path, source);
        let text = serde_json::to_vec_pretty(self).map_err(|e| unwritable(e.into()))?;
        atomic_file::write(&path, &sealed(text)).map_err(unwritable)?;
        Ok(path)
    }

    /// Deletes the manifest of `run` from `pool`, and what was left of writing it; one that is not
    /// there is all the same.
    ///
    /// # Errors
    /// Where it cannot be deleted.
    pub(crate) fn delete(pool: &Path, run: &str) -> Result<(), CliError> {
        let path = Self::path_in(pool, run);
        let deleted = match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
        deleted
            .and_then(|()| atomic_file::clear(&path))
            .map_err(|error| CliError::io("delete the manifest", &path, error))
    }

    /// The runs whose manifests lie in `pool`, but for the newest `keep`.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub(crate) fn old_runs_in(pool: &Path, keep: usize) -> Result<Vec<String>, CliError> {
        let mut runs = Self::runs_in(pool)?;
        runs.truncate(runs.len().saturating_sub(keep));
        Ok(runs)
    }

    /// The runs whose manifests lie in `pool`, oldest first; none where there is no directory for
    /// them.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub(crate) fn runs_in(pool: &Path) -> Result<Vec<String>, CliError> {
        let directory = pool.join(DIRECTORY);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| CliError::io("look for manifests in", &directory, e))?,
        };
        let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
        let run = |name: String| Some(name.strip_suffix(".json")?.to_owned());
        let runs = entries.filter_map(|entry| entry.ok().and_then(name).and_then(run));
        // The time in a run's name makes their order that of time.
        let runs: BTreeSet<_> = runs.filter(|run| RunName::is_one(run)).collect();
        Ok(runs.into_iter().collect())
    }

    /// The run that is asked for, or the newest of `pool`.
    ///
    /// # Errors
    /// Where `pool` holds none, or cannot be read.
    pub(crate) fn choose(pool: &Path, run: Option<&str>) -> Result<String, CliError> {
        let newest = if run.is_none() { Self::runs_in(pool)?.pop() } else { None };
        run.map(str::to_owned).or(newest).ok_or_else(|| {
            CliError::failed(format!(
                "there is no manifest in `{}`",
                pool.join(DIRECTORY).display()
            ))
            .hint("is this the directory that holds the images? `georep backup` puts one there")
        })
    }

    /// Reads the manifest of `run` from `pool`, or that of the newest run.
    ///
    /// # Errors
    /// Where there is none, it cannot be read, is of a newer version, is another run's, or names
    /// a file outside the pool.
    pub(crate) fn load(pool: &Path, run: Option<&str>) -> Result<Self, CliError> {
        let run = &Self::choose(pool, run)?;
        let path = Self::path_in(pool, run);
        let text = fs::read(&path).map_err(|e| CliError::io("read the manifest", &path, e))?;
        Self::parse(&text, run).map_err(|distrust| distrust.of(&path))
    }

    /// The snapshot that is the copied state of an image; none where that is the image as it is.
    pub(crate) fn snapshot_of(&self, image: &ImageRecord) -> Option<&str> {
        image.snapshots.iter().any(|held| held.name == self.run).then_some(self.run.as_str())
    }

    /// Reads a manifest that should be of `run`. It may have been damaged on its way: what it says
    /// is believed only so far as it leads to no file outside the pool.
    fn parse(text: &[u8], run: &str) -> Result<Self, Distrust> {
        let broken = |error| Distrust::Damaged(format!("is broken: {error}"));
        let Version { version } = serde_json::from_slice(text).map_err(broken)?;
        if version != VERSION {
            return Err(Distrust::Version(version));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(broken)?;
        if !is_seal_right(text) {
            return Err(Distrust::Damaged("is not what its own digest is of".to_owned()));
        }
        if manifest.run != run {
            return Err(Distrust::Damaged(format!("is that of run `{}`", manifest.run)));
        }
        if let Some(image) = manifest.images.iter().find(|image| !image.is_sane()) {
            let reason = format!("says of `{}` what cannot be", image.path.display());
            return Err(Distrust::Damaged(reason));
        }
        let outside = manifest.files().into_iter().find(|file| !is_inside(file));
        match outside.map(|file| file.display().to_string()) {
            Some(file) => {
                Err(Distrust::Damaged(format!("names a file outside the pool: `{file}`")))
            }
            None => Ok(manifest),
        }
    }

    /// Every path that the manifest names: the pool's in the volume, and the images' in the pool.
    fn files(&self) -> Vec<&Path> {
        let images = self.images.iter().map(|image| &image.path);
        let disks = self.domains.iter().flat_map(|domain| &domain.disks).map(|disk| &disk.image);
        images.chain(disks).chain([&self.pool]).map(PathBuf::as_path).collect()
    }
}

/// What the last line of a sealed document begins with; its digest follows, and [`SEAL_END`].
const SEAL: &[u8] = b",\n  \"sha256\": \"";

/// How a sealed document ends.
const SEAL_END: &[u8] = b"\"\n}";

/// The document, a JSON object, with one more field at its end: the digest of all that stands
/// before it. So every byte of it can be checked at the other site, those of the domains' XML too.
fn sealed(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(text.strip_suffix(b"\n}").map_or(text.len(), <[u8]>::len));
    let digest = hex(&Sha256::digest(&text));
    [&text, SEAL, digest.as_bytes(), SEAL_END].concat()
}

/// Whether a document is what its seal is of. One without a seal is taken as it is.
fn is_seal_right(text: &[u8]) -> bool {
    let without_end = text.strip_suffix(SEAL_END).unwrap_or_default();
    let Some((before, digest)) = without_end.split_last_chunk::<64>() else { return true };
    match before.strip_suffix(SEAL) {
        Some(sealed) => hex(&Sha256::digest(sealed)).as_bytes() == digest,
        None => true,
    }
}

/// Why a manifest is not believed.
#[derive(Debug, PartialEq, Eq)]
enum Distrust {
    /// It is of another version: nothing is known of it.
    Version(u32),
    /// It cannot be what the run wrote.
    Damaged(String),
}

impl Distrust {
    /// The same as an error about the manifest at `path`: what is damaged is a wrong copy.
    fn of(self, path: &Path) -> CliError {
        let (exit, reason) = match self {
            Self::Version(version) => {
                (Exit::Failed, format!("is of version {version}, and not of {VERSION}"))
            }
            Self::Damaged(reason) => (Exit::Mismatch, reason),
        };
        CliError::new(exit, format!("the manifest `{}` {reason}", path.display()))
    }
}

/// Whether a path leads to nowhere but below where it begins.
fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Of every version of the document.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(run: &str, image: &str) -> Manifest {
        Manifest {
            version: VERSION,
            run: run.to_owned(),
            method: "external".to_owned(),
            created: Timestamp::UNIX_EPOCH,
            primary: "gv1".to_owned(),
            secondary: "dr::gv2".to_owned(),
            pool: PathBuf::new(),
            domains: Vec::new(),
            images: vec![ImageRecord {
                path: image.into(),
                format: "raw".to_owned(),
                size: 1,
                virtual_size: 1,
                cluster_size: None,
                backing_file: None,
                snapshots: Vec::new(),
                allocated: 1,
                samples: Vec::new(),
                digests: None,
            }],
        }
    }

    const OLD: &str = "georep-20261123T020000Z";
    const NEW: &str = "georep-20261124T020000Z";

    #[test]
    fn the_newest_is_read_unless_another_is_named() {
        let pool = tempfile::tempdir().unwrap();
        assert!(Manifest::load(pool.path(), None).is_err());
        let (old, new) = (manifest(OLD, "a.img"), manifest(NEW, "a.img"));
        new.save(pool.path()).unwrap();
        old.save(pool.path()).unwrap();
        fs::write(pool.path().join(DIRECTORY).join("canary-01"), "").unwrap();
        fs::write(pool.path().join(DIRECTORY).join("zzz.json"), "").unwrap();
        assert_eq!(Manifest::runs_in(pool.path()).unwrap(), [OLD, NEW]);
        assert_eq!(Manifest::load(pool.path(), None).unwrap(), new);
        assert_eq!(Manifest::load(pool.path(), Some(OLD)).unwrap(), old);
    }

    #[test]
    fn the_newest_are_not_old_and_no_other_file_is_a_manifest() {
        let pool = tempfile::tempdir().unwrap();
        for run in [OLD, NEW] {
            manifest(run, "a.img").save(pool.path()).unwrap();
        }
        fs::write(pool.path().join(DIRECTORY).join("georep-mine.json"), "").unwrap();
        assert!(Manifest::old_runs_in(pool.path(), 2).unwrap().is_empty());
        assert_eq!(Manifest::old_runs_in(pool.path(), 1).unwrap(), [OLD]);
        Manifest::delete(pool.path(), OLD).unwrap();
        Manifest::delete(pool.path(), OLD).unwrap();
        assert_eq!(Manifest::runs_in(pool.path()).unwrap(), [NEW]);
    }

    #[test]
    fn what_is_no_manifest_of_the_run_is_refused() {
        let parse =
            |manifest: &Manifest, run| Manifest::parse(&serde_json::to_vec(manifest).unwrap(), run);
        let damaged = |result: Result<Manifest, Distrust>| match result.unwrap_err() {
            Distrust::Damaged(reason) => reason,
            other @ Distrust::Version(_) => panic!("{other:?}"),
        };
        assert!(parse(&manifest(OLD, "a/b.img"), OLD).is_ok());
        assert!(damaged(parse(&manifest(OLD, "a.img"), NEW)).contains(OLD));
        for outside in ["/etc/passwd", "../a.img", "a/../../b"] {
            let error = damaged(parse(&manifest(OLD, outside), OLD));
            assert!(error.contains(outside), "{error}");
        }
        let newer = Manifest { version: VERSION + 1, ..manifest(OLD, "a.img") };
        assert_eq!(parse(&newer, OLD).unwrap_err(), Distrust::Version(VERSION + 1));
        damaged(Manifest::parse(b"{\"version\": 1", OLD));
        damaged(Manifest::parse(b"", OLD));
    }

    #[test]
    fn one_flipped_bit_in_a_manifest_is_noticed_wherever_it_is() {
        let pool = tempfile::tempdir().unwrap();
        let path = manifest(OLD, "a.img").save(pool.path()).unwrap();
        let text = fs::read(path).unwrap();
        assert!(Manifest::parse(&text, OLD).is_ok());
        for place in 0..text.len() - SEAL.len() - 64 - SEAL_END.len() {
            let mut flipped = text.clone();
            flipped[place] ^= 1;
            assert!(Manifest::parse(&flipped, OLD).is_err(), "{place}");
        }
    }
}
