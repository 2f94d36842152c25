//! What a run will do: which domains, what happens to each of their disks, which images are copied.

mod chains;
mod choice;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qcow2_snap::domain::{Domain, Source};
use qcow2_snap::plan::{self, DiskPlan, Disposition, Format, Place};
use qcow2_snap::virsh::{Definition, DomainState, Virsh};

use crate::args::Method;
use crate::error::CliError;
use crate::journal::{DomainEntry, OverlayEntry, Step};
use crate::lock::Lock;
use crate::pool::{Location, Pool};

pub(crate) use self::chains::{Chains, Conflict, chains, chains_of, conflicts};
pub(crate) use self::choice::choose;

/// A domain that is part of the run.
#[derive(Debug)]
pub(crate) struct PlannedDomain {
    /// As it runs, or as it is defined where it does not run.
    pub domain: Domain,
    /// What it is doing.
    pub state: DomainState,
    /// The persistent definition, as libvirt prints it.
    pub xml: String,
    /// The libvirt it runs on.
    pub virsh: Virsh,
    /// Held as long as the run changes the domain.
    pub lock: Option<Lock>,
    /// What happens to each disk.
    pub disks: Vec<DiskPlan>,
    /// What else is to be said.
    pub note: Option<String>,
}

impl PlannedDomain {
    /// Takes the domain's lock. The tools that change it hold it, too, from here on.
    ///
    /// # Errors
    /// Where another run holds it.
    pub(crate) fn take_lock(&mut self) -> Result<(), CliError> {
        let lock = Lock::of_domain(&self.domain.name, &self.domain.uuid, Duration::ZERO)?;
        self.virsh = self.virsh.holding(lock.file());
        self.lock = Some(lock);
        Ok(())
    }

    /// What the journal says of it before anything is done.
    pub(crate) fn entry(&self, overlays: Vec<OverlayEntry>, images: Vec<PathBuf>) -> DomainEntry {
        DomainEntry {
            name: self.domain.name.clone(),
            uuid: self.domain.uuid.clone(),
            connect: self.virsh.connect().map(str::to_owned),
            running: self.state == DomainState::Running,
            step: Step::Planned,
            steps: Vec::new(),
            pause_seconds: None,
            overlays,
            images,
        }
    }

    /// The disks that are copied: target and image.
    pub(crate) fn copied(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.images().map(|(target, image, _)| (target, image))
    }

    /// The same, with the format of the image.
    fn images(&self) -> impl Iterator<Item = (&str, &Path, Format)> {
        self.disks.iter().filter_map(|plan| match (&plan.disposition, &plan.disk.source) {
            (&Disposition::Snapshot(format), Source::File(image)) => {
                Some((plan.disk.target.as_str(), image.as_path(), format))
            }
            _ => None,
        })
    }

    /// The first disk that cannot be handled, as an error.
    fn refused(&self) -> Option<CliError> {
        self.disks.iter().find_map(|plan| match &plan.disposition {
            Disposition::Refuse(reason) => Some(CliError::failed(format!(
                "disk `{}` of domain `{}`: {reason}",
                plan.disk.target, self.domain.name
            ))),
            _ => None,
        })
    }
}

/// One line: the domain, its state, and what happens to each disk.
impl fmt::Display for PlannedDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): ", self.domain.name, self.state)?;
        for (i, plan) in self.disks.iter().enumerate() {
            let comma = if i == 0 { "" } else { "; " };
            let target = &plan.disk.target;
            match &plan.disposition {
                Disposition::Snapshot(Format::Qcow2) => write!(f, "{comma}{target} copy")?,
                Disposition::Snapshot(format) => write!(f, "{comma}{target} copy ({format})")?,
                Disposition::Skip(reason) => write!(f, "{comma}{target} skip, {reason}")?,
                Disposition::Refuse(reason) => write!(f, "{comma}{target} refuse, {reason}")?,
            }
        }
        self.note.as_ref().map_or(Ok(()), |note| write!(f, "; {note}"))
    }
}

/// Plans what happens to the domain `name`, whether or not it has a disk in the pool.
///
/// # Errors
/// Where libvirt or findmnt cannot be asked.
pub(crate) fn of_domain(
    virsh: &Virsh,
    pool: &Pool,
    method: Method,
    name: &str,
) -> Result<PlannedDomain, CliError> {
    let domain = virsh.domain(name, Definition::Live)?;
    let locations = locate_all(&domain, pool)?;
    let place = |source: &Source| locations.get(source).map_or(Place::Elsewhere, Place::from);
    let disks = plan::plan(&domain, method.into(), &place);
    let note = domain.nvram.as_ref().map(|nvram| nvram_note(&nvram.source, place(&nvram.source)));
    let state = virsh.state(name)?;
    let xml = definition(virsh, &domain)?;
    Ok(PlannedDomain { domain, state, xml, virsh: virsh.clone(), lock: None, disks, note })
}

/// The persistent definition of the domain, as the other site gets it: one that is cut short would be
/// missed only there.
fn definition(virsh: &Virsh, domain: &Domain) -> Result<String, CliError> {
    let xml = virsh.dumpxml(&domain.uuid, Definition::Persistent)?;
    match Domain::parse(&xml) {
        Ok(defined) if defined.uuid == domain.uuid => Ok(xml),
        result => {
            let reason = result.err().map_or_else(String::new, |error| format!(": {error}"));
            let name = &domain.name;
            Err(CliError::failed(format!(
                "what virsh printed is not the definition of domain `{name}`{reason}"
            )))
        }
    }
}

/// Where every file and `gluster://` source of the domain lies.
fn locate_all(domain: &Domain, pool: &Pool) -> Result<HashMap<Source, Location>, CliError> {
    let sources = domain.disks.iter().map(|disk| &disk.source);
    let sources = sources.chain(domain.nvram.as_ref().map(|nvram| &nvram.source));
    let mut locations = HashMap::new();
    for source in sources {
        let location = match source {
            Source::File(file) => pool.locate(file)?,
            Source::Network { protocol, name } if protocol == "gluster" => {
                pool.locate_gluster(name)
            }
            _ => continue,
        };
        locations.insert(source.clone(), location);
    }
    Ok(locations)
}

/// The variables of UEFI are no disk, and no snapshot holds them.
fn nvram_note(source: &Source, place: Place) -> String {
    let file = source.file().map_or_else(|| "?".to_owned(), |file| file.display().to_string());
    match place {
        Place::Pool | Place::Volume => {
            format!("its UEFI variables `{file}` are copied as they are, and not compared")
        }
        Place::Elsewhere => format!("its UEFI variables `{file}` are not part of the copy"),
    }
}
