//! What a restore will do: which files go where, and what the definitions become.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use qcow2_snap::definition::{Moved, relocated};
use qcow2_snap::domain::{Domain, Source};
use qcow2_snap::virsh::Virsh;

use super::chain::{self, Needed};
use super::choice::Choice;
use super::copy::can_clone;
use crate::error::CliError;
use crate::manifest::DomainRecord;
use crate::say::bytes;

/// What a restore will do.
#[derive(Debug)]
pub(super) struct Plan<'m> {
    /// Where from.
    pub choice: &'m Choice,
    /// Where to, absolute: the pool itself where nothing is copied.
    pub to: PathBuf,
    /// The images, those behind others first.
    pub images: Vec<Needed<'m>>,
    /// The domains.
    pub domains: Vec<Planned<'m>>,
}

/// A domain that will be defined.
#[derive(Debug)]
pub(super) struct Planned<'m> {
    /// What the manifest says of it.
    pub record: &'m DomainRecord,
    /// The definition, on the copies.
    pub xml: String,
    /// The variables of UEFI, relative to the pool, where they are there.
    pub nvram: Option<PathBuf>,
    /// What somebody should know before starting it.
    pub warnings: Vec<String>,
}

impl<'m> Plan<'m> {
    /// Plans to restore `choice` into the directory `to`. Changes nothing.
    ///
    /// # Errors
    /// Where an image cannot be read, a definition not be changed, or a file is there already.
    pub(super) fn copy_into(choice: &'m Choice, to: &Path) -> Result<Self, CliError> {
        let plan = Self::onto(choice, place(choice, to)?)?;
        let taken =
            plan.files().into_iter().map(|file| plan.to.join(file)).find(|file| taken(file));
        match taken {
            Some(file) => Err(CliError::failed(format!("`{}` exists already", file.display()))
                .hint("nothing is overwritten: name another directory with --to, or move it away")),
            None => Ok(plan),
        }
    }

    /// Plans to define the domains of `choice` on the images where they lie. Changes nothing.
    ///
    /// # Errors
    /// Where these cannot be run on as they are: what an internal run left is whole in its snapshots
    /// only, and the name of a backing file may lead elsewhere.
    pub(super) fn in_place(choice: &'m Choice) -> Result<Self, CliError> {
        let run = &choice.manifest.run;
        if choice.is_internal() {
            let text =
                format!("{run} is internal: its images were written to while they were copied");
            return Err(CliError::failed(text)
                .hint("what its snapshots hold is whole: have it taken out, with --to"));
        }
        let plan = Self::onto(choice, choice.pool.clone())?;
        for image in &plan.images {
            let Some((backing, named)) = image.backing.zip(image.record.backing_file.as_deref())
            else {
                continue;
            };
            let here = plan.to.join(backing.image);
            if backing.is_elsewhere && !is_same_file(Path::new(named), &here) {
                let (image, here) = (image.path().display(), here.display());
                let text =
                    format!("`{image}` names its backing file `{named}`; here that is `{here}`");
                return Err(CliError::failed(text).hint(
                    "mount the volume where the primary had it, or have it copied, with --to",
                ));
            }
        }
        Ok(plan)
    }

    fn onto(choice: &'m Choice, to: PathBuf) -> Result<Self, CliError> {
        let images = chain::needed(choice)?;
        let domains = &choice.manifest.domains;
        let domains = domains.iter().map(|record| planned(choice, &to, record));
        let domains = domains.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { choice, to, images, domains })
    }

    /// Whether nothing is copied.
    pub(super) fn is_in_place(&self) -> bool {
        self.to == self.choice.pool
    }

    /// Every file that will be made, relative to where it goes.
    pub(super) fn files(&self) -> BTreeSet<&Path> {
        let nvram = self.domains.iter().filter_map(|domain| domain.nvram.as_deref());
        self.images.iter().map(Needed::path).chain(nvram).collect()
    }

    /// Whether the state that is copied of `image` is a snapshot inside of it.
    pub(super) fn is_snapshot(&self, image: &Needed<'_>) -> bool {
        self.choice.is_internal() && image.is_top
    }

    /// # Errors
    /// Where a domain of the same name or UUID is defined already.
    pub(super) fn must_be_new(&self, virsh: &Virsh) -> Result<(), CliError> {
        self.must_be_new_but(virsh, &[])
    }

    /// The same, but for those that this restore has `defined`, by their UUIDs.
    ///
    /// # Errors
    /// As [`Plan::must_be_new`].
    pub(super) fn must_be_new_but(&self, virsh: &Virsh, defined: &[&str]) -> Result<(), CliError> {
        let (names, uuids) = (virsh.domain_names()?, virsh.domain_uuids()?);
        let records = self.domains.iter().map(|domain| domain.record);
        let others = records.filter(|record| !defined.contains(&record.uuid.as_str()));
        for DomainRecord { name, uuid, .. } in others {
            let what = if names.contains(name) {
                format!("a domain `{name}`")
            } else if uuids.contains(uuid) {
                format!("a domain with the UUID {uuid} of `{name}`")
            } else {
                continue;
            };
            return Err(CliError::failed(format!("{what} is defined here already")).hint(
                "undefine or rename that one (`virsh undefine`, `virsh domrename`), or restore \
                 only others with --domain",
            ));
        }
        Ok(())
    }

    /// # Errors
    /// Where the file system has less room than the copies take; where they can be clones they
    /// take none.
    pub(super) fn must_have_room(&self) -> Result<(), CliError> {
        let (mut needed, mut largest_copy) = (0, 0);
        for image in &self.images {
            let file = chain::open(self.choice, image.path())?;
            if can_clone(&file, &self.to) {
                return Ok(());
            }
            let unreadable = |source| CliError::io("read the image", file.path(), source);
            let metadata = file.file().metadata().map_err(unreadable)?;
            let used = metadata.len().min(metadata.blocks().saturating_mul(512));
            if self.is_snapshot(image) {
                // Of each the whole is there for a while, beside what is taken out of it.
                needed += image.record.allocated;
                largest_copy = largest_copy.max(used);
            } else {
                needed += used;
            }
        }
        let needed = needed.saturating_add(largest_copy);
        let room = rustix::fs::statvfs(&self.to)
            .map_err(|error| CliError::io("ask for the room in", &self.to, error.into()))?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        if free >= needed {
            return Ok(());
        }
        Err(CliError::failed(format!(
            "the copies take up to {}, but the file system of `{}` has {} left",
            bytes(needed),
            self.to.display(),
            bytes(free)
        )))
    }
}

/// Where the copies go: never into what is copied.
fn place(choice: &Choice, to: &Path) -> Result<PathBuf, CliError> {
    let unusable = |source| CliError::io("copy into", to, source);
    let absolute = std::path::absolute(to).map_err(unusable)?;
    let there = absolute.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(&absolute);
    let real = fs::canonicalize(there).map_err(unusable)?;
    if !real.is_dir() {
        return Err(CliError::failed(format!("`{}` is not a directory", there.display())));
    }
    let rest = absolute.strip_prefix(there).unwrap_or(Path::new(""));
    // What does not exist yet leads nowhere else, unless it climbs.
    if rest.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(CliError::failed(format!("`{}` does not exist", to.display())));
    }
    let place = if rest.as_os_str().is_empty() { real } else { real.join(rest) };
    if place.starts_with(&choice.pool) {
        let text = format!("`{}` is in the pool itself, which is only read", to.display());
        return Err(CliError::failed(text));
    }
    Ok(place)
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}

fn taken(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok()
}

fn planned<'m>(
    choice: &Choice,
    to: &Path,
    record: &'m DomainRecord,
) -> Result<Planned<'m>, CliError> {
    let domain = Domain::parse(&record.xml)?;
    let mut warnings = Vec::new();
    for disk in &domain.disks {
        let is_copied = record.disks.iter().any(|copied| copied.target == disk.target);
        if !is_copied && disk.source != Source::Empty {
            let source = shown(&disk.source);
            let text = format!("{} stays on {source}, which is not part of the copy", disk.target);
            warnings.push(text);
        }
    }
    let nvram = domain.nvram.as_ref().and_then(|nvram| nvram.source.file());
    let nvram_here = nvram.and_then(|file| chain::in_pool(choice, file));
    match (nvram, &nvram_here) {
        (Some(_), Some(_)) => {
            warnings.push("its UEFI variables are taken as they are, and not compared".to_owned());
        }
        (Some(file), None) => warnings.push(format!(
            "its UEFI variables `{}` are not part of the copy; libvirt makes new ones where that \
             file is not there",
            file.display()
        )),
        (None, _) => {}
    }
    let disks = record.disks.iter().map(|disk| (disk.target.clone(), to.join(&disk.image)));
    let moved =
        Moved { disks: disks.collect(), nvram: nvram_here.as_ref().map(|file| to.join(file)) };
    let xml = relocated(&record.xml, &moved)?;
    Ok(Planned { record, xml, nvram: nvram_here, warnings })
}

/// A source as a person would name it.
fn shown(source: &Source) -> String {
    match source {
        Source::File(path) | Source::Block(path) => format!("`{}`", path.display()),
        Source::Network { protocol, name } => format!("`{protocol}:{name}`"),
        Source::Volume { pool, volume } => format!("volume `{volume}` of pool `{pool}`"),
        Source::Other(kind) => format!("something of type `{kind}`"),
        other => format!("{other:?}"),
    }
}
