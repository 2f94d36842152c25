//! Internal snapshots: every disk of a domain holds its own state, and one of them the memory.
//!
//! libvirt is asked for all of it, whether the domain runs or not. A domain that runs stands still
//! while its memory is written into the image of its first disk, and then runs on; a paused one
//! stays paused; of one that is shut off there are only the disks.
//!
//! libvirt keeps metadata of the snapshot. Without it (`--no-metadata`) QEMU *replaces* a snapshot
//! of the same name without a word, and `virsh snapshot-delete` does not find it later. Because of
//! the metadata the domain can be undefined only with `--snapshots-metadata`.

mod metadata;
mod pause;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tool_command::Command;

use crate::Error;
use crate::domain::Domain;
use crate::external::settle;
use crate::image::{Image, Snapshot};
use crate::qemu_img::QemuImg;
use crate::virsh::{Definition, DomainState, Virsh, VirshFailure};

/// An image of a domain that gets a part of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotImage {
    /// The disk's target, such as `vda`.
    pub target: String,
    /// The qcow2 file.
    pub path: PathBuf,
}

/// A snapshot that every image holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// How long the call took.
    pub duration: Duration,
    /// How long the guest stood still, at most: measured by looking at its state, or else the
    /// whole call. `None` where it was not running.
    pub pause: Option<Duration>,
    /// Bytes of memory and device state; 0 of a domain that was shut off.
    pub vm_state_size: u64,
}

/// Takes an internal snapshot of `domain`, and reads in every one of `images`, which are all its
/// writable disks, that it is there.
///
/// `limit` is how long virsh may take, for the guest's memory to be written. After it libvirt and
/// the guest go on with the snapshot all the same.
///
/// # Errors
/// [`Error::Unfit`] where an image has a snapshot with this name or id already,
/// then nothing was made. [`Error::BadSnapshot`] where an image does not hold it afterwards; other
/// errors as virsh fails, or an image cannot be read. After those [`delete`] is to be called: the
/// snapshot may have been made, or be made yet.
pub fn create(
    virsh: &Virsh,
    domain: &Domain,
    name: &str,
    images: &[SnapshotImage],
    limit: Duration,
) -> Result<Taken, Error> {
    for image in images {
        must_be_free(domain, name, &image.path)?;
    }
    let runs = domain.is_active() && virsh.state(&domain.uuid)? != DomainState::Paused;
    let started = Instant::now();
    let take = || virsh.snapshot_create(&domain.uuid, name, [], limit);
    let (result, pause) =
        if runs { pause::measured(virsh, &domain.uuid, take) } else { (take(), None) };
    result?;
    let duration = started.elapsed();
    let pause = runs.then(|| pause.unwrap_or(duration));
    let vm_state_size = verify(domain, name, images)?;
    Ok(Taken { duration, pause, vm_state_size })
}

/// The command line by which [`create`] has libvirt take the snapshot.
pub fn create_command(virsh: &Virsh, domain: &Domain, name: &str) -> Command {
    virsh.snapshot_command(&domain.uuid, name, [])
}

/// Deletes the snapshot `name` wherever it is: from all disks of the domain where libvirt knows of
/// it or the domain runs, else with qemu-img from each of `images`. Returns whether it was anywhere.
///
/// A snapshot that libvirt is still making is waited for. libvirt and qemu-img may take `limit`
/// each. A libvirtd that was killed while it made one does not know of it, and QEMU has made it all
/// the same: where the domain runs libvirt is told of it first.
///
/// # Errors
/// As virsh and qemu-img fail, or an image cannot be read.
pub fn delete(
    virsh: &Virsh,
    qemu_img: &QemuImg,
    domain: &str,
    images: &[PathBuf],
    name: &str,
    limit: Duration,
) -> Result<bool, Error> {
    settle(virsh, domain, limit)?;
    let runs = match virsh.domain(domain, Definition::Live) {
        Ok(live) => {
            if knows(virsh, domain, name)? {
                let deleted = virsh.snapshot_delete(domain, name, limit);
                // A virsh that fails may have done it all the same.
                return if knows(virsh, domain, name)? { deleted.map(|()| true) } else { Ok(true) };
            }
            live.is_active().then_some(live)
        }
        Err(error) if error.virsh_failure() == Some(VirshFailure::NoSuchDomain) => None,
        Err(error) => return Err(error),
    };
    let mut holding = Vec::new();
    for image in images {
        if let Some(snapshot) = read(image)?.snapshot(name.as_bytes()) {
            holding.push((image, snapshot.date_sec));
        }
    }
    match (&runs, holding.first()) {
        (_, None) => return Ok(false),
        (Some(live), Some(&(_, created))) => {
            metadata::redefine(virsh, live, images, name, created)?;
            virsh.snapshot_delete(domain, name, limit)?;
        }
        (None, Some(_)) => {
            holding.iter().try_for_each(|(image, _)| qemu_img.delete_snapshot(image, name))?;
        }
    }
    Ok(true)
}

fn knows(virsh: &Virsh, domain: &str, name: &str) -> Result<bool, Error> {
    Ok(virsh.snapshot_names(domain)?.iter().any(|known| known == name))
}

/// The names of the internal snapshots in the image at `path`, whether libvirt knows of them or
/// not; one that is not UTF-8 is left out.
///
/// # Errors
/// [`Error::Io`] and [`Error::Image`] where the image cannot be read.
pub fn names_in_image(path: &Path) -> Result<Vec<String>, Error> {
    let names = read(path)?.snapshots.into_iter().map(|snapshot| snapshot.name);
    Ok(names.filter_map(|name| String::from_utf8(name).ok()).collect())
}

/// qemu-img takes a name for an id where one fits: neither may be in use.
fn must_be_free(domain: &Domain, name: &str, path: &Path) -> Result<(), Error> {
    let taken = |snapshot: &Snapshot| [&snapshot.id, &snapshot.name].contains(&&name.into());
    if !read(path)?.snapshots.iter().any(taken) {
        return Ok(());
    }
    let reason = format!("image `{}` has a snapshot `{name}` already", path.display());
    Err(Error::Unfit { domain: domain.name.clone(), reason })
}

/// Reads the snapshot in every image. Returns the size of the VM state.
fn verify(domain: &Domain, name: &str, images: &[SnapshotImage]) -> Result<u64, Error> {
    let bad = |reason: String| Error::BadSnapshot {
        domain: domain.name.clone(),
        name: name.to_owned(),
        reason,
    };
    let mut states = Vec::new();
    for image in images {
        let found = read(&image.path)?;
        let snapshot = found.snapshot(name.as_bytes());
        let snapshot = snapshot
            .ok_or_else(|| bad(format!("image `{}` does not hold it", image.path.display())))?;
        states.extend(Some(snapshot.vm_state_size).filter(|&size| size > 0));
    }
    match (domain.is_active(), states.as_slice()) {
        (true, &[size]) => Ok(size),
        (false, []) => Ok(0),
        (_, states) => Err(bad(format!("{} images hold the state of the memory", states.len()))),
    }
}

fn read(path: &Path) -> Result<Image, Error> {
    let file = File::open(path).map_err(|source| Error::Io {
        tried: "read the image",
        path: path.to_owned(),
        source,
    })?;
    Image::read(file).map_err(|source| Error::Image { path: path.to_owned(), source })
}
