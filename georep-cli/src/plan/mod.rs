//! What a run will do: which domains, what happens to each of their disks, which images are copied.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qcow2_snap::domain::{Domain, Source};
use qcow2_snap::image::{self, Image, ImageError, Point};
use qcow2_snap::plan::{self, DiskPlan, Disposition, Format, Place};
use qcow2_snap::virsh::{Definition, DomainState, Virsh};

use crate::args::BackupArgs;
use crate::error::CliError;
use crate::image_file::ImageFile;
use crate::journal::{DomainEntry, OverlayEntry, Step};
use crate::lock::Lock;
use crate::pool::{Location, Pool};
use crate::record::unsound;
use crate::suggest;

/// A chain longer than this goes round in a circle.
const MAX_CHAIN: usize = 200;

/// A domain that is part of the run.
#[derive(Debug)]
pub(super) struct PlannedDomain {
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
    disks: Vec<DiskPlan>,
    note: Option<String>,
}

impl PlannedDomain {
    /// Takes the domain's lock. The tools that change it hold it, too, from here on.
    ///
    /// # Errors
    /// Where another run holds it.
    pub(super) fn take_lock(&mut self) -> Result<(), CliError> {
        let lock = Lock::of_domain(&self.domain.name, &self.domain.uuid, Duration::ZERO)?;
        self.virsh = self.virsh.holding(lock.file());
        self.lock = Some(lock);
        Ok(())
    }

    /// What the journal says of it before anything is done.
    pub(super) fn entry(&self, overlays: Vec<OverlayEntry>, images: Vec<PathBuf>) -> DomainEntry {
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
    pub(super) fn copied(&self) -> impl Iterator<Item = (&str, &Path)> {
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

/// Plans a run over every domain asked for that has a disk in the pool.
///
/// # Errors
/// Where libvirt cannot be asked, a domain was named that does not exist or has no disk in the
/// pool, a disk cannot be handled, or no domain is left.
pub(super) fn make(
    connections: &[Virsh],
    pool: &Pool,
    args: &BackupArgs,
) -> Result<Vec<PlannedDomain>, CliError> {
    let names = all_names(connections)?;
    let is_known = |name: &&String| names.iter().any(|(_, known)| known == *name);
    if let Some(unknown) = args.domain.iter().chain(&args.exclude).find(|name| !is_known(name)) {
        let known = names.iter().map(|(_, known)| known.as_str());
        let error = CliError::failed(format!("there is no domain `{unknown}`"));
        return Err(suggest::hint(unknown, known).into_iter().fold(error, CliError::hint));
    }
    let asked_for = |name: &String| {
        (args.domain.is_empty() || args.domain.contains(name)) && !args.exclude.contains(name)
    };
    let pool_name = pool.directory().display();
    let mut all: Vec<PlannedDomain> = Vec::new();
    for (virsh, name) in names.iter().filter(|(_, name)| asked_for(name)) {
        let planned = plan_domain(virsh, pool, args, name)?;
        // Two ways to one libvirt show the same domains.
        if all.iter().any(|other| other.domain.uuid == planned.domain.uuid) {
            continue;
        }
        if let Some(refused) = planned.refused() {
            return Err(refused);
        }
        if planned.copied().next().is_some() {
            all.push(planned);
        } else if args.domain.contains(name) {
            let text = format!("domain `{name}` has no disk in the pool `{pool_name}`");
            return Err(CliError::failed(text));
        }
    }
    if all.is_empty() {
        return Err(CliError::failed(format!("no domain has a disk in the pool `{pool_name}`")));
    }
    match all.iter().find_map(|planned| {
        let reason = plan::unfit(&planned.domain, args.method.into())?;
        Some(CliError::failed(format!("domain `{}`: {reason}", planned.domain.name)))
    }) {
        Some(unfit) => Err(unfit),
        None => Ok(all),
    }
}

fn all_names(connections: &[Virsh]) -> Result<Vec<(&Virsh, String)>, CliError> {
    let mut all = Vec::new();
    for virsh in connections {
        all.extend(virsh.domain_names()?.into_iter().map(|name| (virsh, name)));
    }
    Ok(all)
}

fn plan_domain(
    virsh: &Virsh,
    pool: &Pool,
    args: &BackupArgs,
    name: &str,
) -> Result<PlannedDomain, CliError> {
    let domain = virsh.domain(name, Definition::Live)?;
    let locations = locate_all(&domain, pool)?;
    let place = |source: &Source| locations.get(source).map_or(Place::Elsewhere, Place::from);
    let disks = plan::plan(&domain, args.method.into(), &place);
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

/// The images of a run, relative to the pool, with their formats.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// Those that a disk is on.
    pub tops: BTreeMap<PathBuf, Format>,
    /// Those behind them.
    pub backing: BTreeMap<PathBuf, Format>,
}

/// Every image that the copied disks need. Each must be in the pool; a qcow2 image must be sound.
///
/// # Errors
/// Names the image that is not, or that one domain writes to while it is another's too.
pub(super) fn chains(planned: &[PlannedDomain], pool: &Pool) -> Result<Chains, CliError> {
    let mut chains = Chains::default();
    for domain in planned {
        for (_, top, format) in domain.images() {
            let in_pool = in_pool(pool, top)?;
            if chains.tops.insert(in_pool, format).is_some() {
                return Err(CliError::failed(format!(
                    "the image `{}` of domain `{}` is a disk of the run twice, and two writers \
                     destroy it; leave one out with --exclude",
                    top.display(),
                    domain.domain.name
                )));
            }
            add_backing(pool, domain, top, format, &mut chains)?;
        }
    }
    match chains.backing.keys().find(|path| chains.tops.contains_key(*path)) {
        Some(both) => Err(CliError::failed(format!(
            "the image `{}` is written to by one domain and lies behind a disk of another, which \
             destroys that disk",
            both.display()
        ))),
        None => Ok(chains),
    }
}

/// Follows the chain behind `top`.
fn add_backing(
    pool: &Pool,
    domain: &PlannedDomain,
    top: &Path,
    format: Format,
    chains: &mut Chains,
) -> Result<(), CliError> {
    // The tables of an image that QEMU writes to are never at rest; all others must be.
    let mut at_rest = !domain.domain.is_active();
    let mut image = (top.to_owned(), format);
    for _ in 0..MAX_CHAIN {
        let Some(backing) = read_image(&image.0, image.1, at_rest)? else { return Ok(()) };
        chains.backing.insert(in_pool(pool, &backing.0)?, backing.1);
        (image, at_rest) = (backing, true);
    }
    Err(CliError::failed(format!("the chain behind `{}` does not end", top.display())))
}

fn in_pool(pool: &Pool, image: &Path) -> Result<PathBuf, CliError> {
    match pool.locate(image)? {
        Location::Pool(path) => Ok(path),
        Location::Volume | Location::Elsewhere => Err(CliError::failed(format!(
            "the backing file `{}` lies outside the pool `{}`; the copy would not be whole",
            image.display(),
            pool.directory().display()
        ))),
    }
}

/// Reads the image at `path`, where it is `at_rest` with all its tables, and returns its backing
/// file with the format that the image gives it.
///
/// A table or cluster past the end of the file must be found before a snapshot is made: that makes
/// the file longer, and what was missing then reads as zeros.
fn read_image(
    path: &Path,
    format: Format,
    at_rest: bool,
) -> Result<Option<(PathBuf, Format)>, CliError> {
    let file = ImageFile::open(path).map_err(|e| CliError::io("read the image", path, e))?;
    let unsound = |error| unsound(path, &error);
    let image = match (format, Image::read(file.file())) {
        (Format::Raw, Err(ImageError::NotQcow2)) => return Ok(None),
        (Format::Raw, _) => {
            return Err(CliError::failed(format!(
                "image `{}` is said to be raw, but begins with the magic number of qcow2: a guest \
                 wrote it, or its format is another",
                path.display()
            )));
        }
        (Format::Qcow2, image) => image.map_err(unsound)?,
    };
    if at_rest {
        for extent in image::extents(file.file(), &image, Point::Active).map_err(unsound)? {
            extent.map_err(unsound)?;
        }
    }
    let Some(backing) = image.header.backing else { return Ok(None) };
    let format = backing.format.as_deref().and_then(Format::named).ok_or_else(|| {
        let format = backing.format.as_deref().unwrap_or("none");
        CliError::failed(format!(
            "image `{}` names no format that is known for its backing file `{}` ({format}); see \
             `qemu-img rebase -u -F`",
            path.display(),
            backing.file
        ))
    })?;
    let directory = path.parent().unwrap_or(path);
    Ok(Some((directory.join(backing.file), format)))
}
