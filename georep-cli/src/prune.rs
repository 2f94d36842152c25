//! `georep prune`: drops old internal snapshots, of those that this tool made.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qcow2_snap::domain::{Disk, Domain};
use qcow2_snap::internal;
use qcow2_snap::qemu_img::QemuImg;
use qcow2_snap::virsh::{Definition, Virsh};

use crate::args::PruneArgs;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::run_name::RunName;
use crate::tools::{SNAPSHOT_LIMIT, connections, search_path};

/// A snapshot that was to be deleted from all images of a domain.
#[derive(Debug)]
pub(crate) struct Pruned {
    /// Its name.
    pub snapshot: String,
    /// Why it is still there, where it is.
    pub failed: Option<String>,
}

/// Runs `georep prune`.
///
/// # Errors
/// Where nothing could be looked at; what could not be deleted is told, and makes the exit code 1.
pub(crate) fn run(args: &PruneArgs) -> Result<Exit, CliError> {
    let path = search_path();
    let pool = crate::pool::find(&args.pool)?;
    let qemu_img = QemuImg::new(path.find("qemu-img")?);
    let (mut exit, mut found) = (Exit::Done, 0);
    for virsh in connections(&path, &args.connect)? {
        exit = exit.max(run_on(&virsh, &qemu_img, &pool, args, &mut found)?);
    }
    for run in Manifest::old_runs_in(&pool, args.keep)? {
        found += 1;
        if args.dry_run {
            anstream::println!("the manifest of {run} would be deleted");
        } else {
            Manifest::delete(&pool, &run)?;
            anstream::println!("the manifest of {run} deleted");
        }
    }
    if found == 0 && exit == Exit::Done {
        anstream::eprintln!("nothing is older than the newest {}", args.keep);
    }
    Ok(exit)
}

/// What `georep prune` does on one libvirt; counts the snapshots that are old.
fn run_on(
    virsh: &Virsh,
    qemu_img: &QemuImg,
    pool: &Path,
    args: &PruneArgs,
    found: &mut usize,
) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    for name in virsh.domain_names()? {
        let domain = virsh.domain(&name, Definition::Live)?;
        let images = images(&domain, pool);
        let old = match old_snapshots(virsh, &domain, &images, args.keep) {
            Ok(old) => old,
            Err(error) => {
                anstream::eprintln!("georep: {name}: {error}");
                exit = exit.max(Exit::Failed);
                continue;
            }
        };
        *found += old.len();
        if args.dry_run {
            for snapshot in old {
                anstream::println!("{name}: {snapshot} would be deleted");
            }
            continue;
        }
        if old.is_empty() {
            continue;
        }
        let lock = match Lock::of_domain(&name, &domain.uuid, Duration::ZERO) {
            Ok(lock) => lock,
            // A run is at work on it; the others can be pruned.
            Err(error) => {
                anstream::eprintln!("georep: {name}: {error}");
                exit = exit.max(error.exit());
                continue;
            }
        };
        let (virsh, qemu_img) = (&virsh.holding(lock.file()), &qemu_img.holding(lock.file()));
        for Pruned { snapshot, failed } in delete(virsh, qemu_img, &domain, &images, old) {
            match failed {
                None => anstream::println!("{name}: {snapshot} deleted"),
                Some(reason) => {
                    anstream::eprintln!("georep: {name}: {snapshot} is still there: {reason}");
                    exit = exit.max(Exit::Failed);
                }
            }
        }
    }
    Ok(exit)
}

/// Deletes all but the newest `keep` of this tool's snapshots from the images of one domain.
///
/// # Errors
/// Where libvirt cannot be asked which there are, or an image cannot be read.
pub(crate) fn prune(
    virsh: &Virsh,
    qemu_img: &QemuImg,
    domain: &Domain,
    images: &[PathBuf],
    keep: usize,
) -> Result<Vec<Pruned>, CliError> {
    let old = old_snapshots(virsh, domain, images, keep)?;
    Ok(delete(virsh, qemu_img, domain, images, old))
}

/// The qcow2 images in the pool that the domain can write to.
fn images(domain: &Domain, pool: &Path) -> Vec<PathBuf> {
    let in_pool = |disk: &Disk| {
        let file = fs::canonicalize(disk.source.file()?).ok()?;
        let holds_snapshots = disk.format.as_deref() == Some("qcow2") && !disk.read_only;
        (holds_snapshots && file.starts_with(pool)).then_some(file)
    };
    domain.disks.iter().filter_map(in_pool).collect()
}

/// Of which snapshots there are, in libvirt's knowledge and in the images, those to be deleted.
fn old_snapshots(
    virsh: &Virsh,
    domain: &Domain,
    images: &[PathBuf],
    keep: usize,
) -> Result<Vec<String>, CliError> {
    if images.is_empty() {
        return Ok(Vec::new());
    }
    let mut names = virsh.snapshot_names(&domain.uuid)?;
    for image in images {
        names.extend(internal::names_in_image(image)?);
    }
    Ok(all_but_newest(names, keep))
}

/// The names of runs but for the newest `keep`, oldest first; what is no run's name is left alone.
fn all_but_newest(names: Vec<String>, keep: usize) -> Vec<String> {
    // The time in a run's name makes their order that of time.
    let runs: BTreeSet<_> = names.into_iter().filter(|name| RunName::is_one(name)).collect();
    let old = runs.len().saturating_sub(keep);
    runs.into_iter().take(old).collect()
}

fn delete(
    virsh: &Virsh,
    qemu_img: &QemuImg,
    domain: &Domain,
    images: &[PathBuf],
    old: Vec<String>,
) -> Vec<Pruned> {
    let prune = |snapshot: String| {
        let failed =
            internal::delete(virsh, qemu_img, &domain.uuid, images, &snapshot, SNAPSHOT_LIMIT);
        Pruned { failed: failed.err().map(|error| error.to_string()), snapshot }
    };
    old.into_iter().map(prune).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_runs_go_and_nobody_elses_snapshots() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let there = names(&[
            "georep-20261124T020000Z",
            "before-upgrade",
            "georep-20261122T020000Z",
            "georep-20261123T020000Z",
            "georep-20261122T020000Z",
            "georep-mine",
        ]);
        assert_eq!(
            all_but_newest(there.clone(), 1),
            ["georep-20261122T020000Z", "georep-20261123T020000Z"]
        );
        assert_eq!(all_but_newest(there.clone(), 2), ["georep-20261122T020000Z"]);
        assert!(all_but_newest(there, 3).is_empty());
    }
}
