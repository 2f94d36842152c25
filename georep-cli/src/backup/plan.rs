//! What a run will do: which domains, what happens to each of their disks, which images are copied.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use qcow2_snap::domain::{Domain, Source};
use qcow2_snap::image::{self, Image, Point};
use qcow2_snap::plan::{self, DiskPlan, Disposition};
use qcow2_snap::virsh::{Definition, DomainState, Virsh};

use crate::args::BackupArgs;
use crate::error::CliError;
use crate::image_file::ImageFile;
use crate::pool::Pool;
use crate::record::unsound;

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
    disks: Vec<DiskPlan>,
}

impl PlannedDomain {
    /// The disks that are copied: target and image.
    pub(super) fn copied(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.disks.iter().filter_map(|plan| match (&plan.disposition, &plan.disk.source) {
            (Disposition::Snapshot, Source::File(image)) => {
                Some((plan.disk.target.as_str(), image.as_path()))
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
                Disposition::Snapshot => write!(f, "{comma}{target} copy")?,
                Disposition::Skip(reason) => write!(f, "{comma}{target} skip, {reason}")?,
                Disposition::Refuse(reason) => write!(f, "{comma}{target} refuse, {reason}")?,
            }
        }
        Ok(())
    }
}

/// Plans a run over every domain asked for that has a disk in the pool.
///
/// # Errors
/// Where libvirt cannot be asked, a domain was named that does not exist or has no disk in the
/// pool, a disk cannot be handled, or no domain is left.
pub(super) fn make(
    virsh: &Virsh,
    pool: &Pool,
    args: &BackupArgs,
) -> Result<Vec<PlannedDomain>, CliError> {
    let names = virsh.domain_names()?;
    if let Some(unknown) =
        args.domain.iter().chain(&args.exclude).find(|name| !names.contains(name))
    {
        return Err(CliError::failed(format!("there is no domain `{unknown}`")));
    }
    let asked_for = |name: &&String| {
        (args.domain.is_empty() || args.domain.contains(name)) && !args.exclude.contains(name)
    };
    let pool_name = pool.directory().display();
    let mut all = Vec::new();
    for name in names.iter().filter(asked_for) {
        let planned = plan_domain(virsh, pool, args, name)?;
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
    Ok(all)
}

fn plan_domain(
    virsh: &Virsh,
    pool: &Pool,
    args: &BackupArgs,
    name: &str,
) -> Result<PlannedDomain, CliError> {
    let domain = virsh.domain(name, Definition::Live)?;
    let disks = plan::plan(&domain, args.method.into(), &|path| pool.relative(path).is_some());
    let state = virsh.state(name)?;
    let xml = virsh.dumpxml(name, Definition::Persistent)?;
    Ok(PlannedDomain { domain, state, xml, disks })
}

/// The images of a run, relative to the pool.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// Those that a disk is on.
    pub tops: BTreeSet<PathBuf>,
    /// Those behind them.
    pub backing: BTreeSet<PathBuf>,
}

/// Every image that the copied disks need. Each must be a sound qcow2 image in the pool.
///
/// # Errors
/// Names the image that is not.
pub(super) fn chains(planned: &[PlannedDomain], pool: &Pool) -> Result<Chains, CliError> {
    let mut chains = Chains::default();
    for domain in planned {
        for (_, top) in domain.copied() {
            chains.tops.insert(in_pool(pool, top)?);
            // The tables of an image that QEMU writes to are never at rest; all others must be.
            let mut at_rest = !domain.domain.is_active();
            let mut image = top.to_owned();
            for _ in 0..MAX_CHAIN {
                let Some(backing) = read_image(&image, at_rest)? else { break };
                chains.backing.insert(in_pool(pool, &backing)?);
                (image, at_rest) = (backing, true);
            }
        }
    }
    Ok(chains)
}

fn in_pool(pool: &Pool, image: &Path) -> Result<PathBuf, CliError> {
    pool.relative(image).ok_or_else(|| {
        CliError::failed(format!(
            "the backing file `{}` lies outside the pool `{}`; the copy would not be whole",
            image.display(),
            pool.directory().display()
        ))
    })
}

/// Reads the image at `path`, where it is `at_rest` with all its tables, and returns its backing file.
///
/// A table or cluster past the end of the file must be found before a snapshot is made: that makes
/// the file longer, and what was missing then reads as zeros.
fn read_image(path: &Path, at_rest: bool) -> Result<Option<PathBuf>, CliError> {
    let file = ImageFile::open(path).map_err(|e| CliError::io("read the image", path, e))?;
    let unsound = |error| unsound(path, &error);
    let image = Image::read(file.file()).map_err(unsound)?;
    if at_rest {
        for extent in image::extents(file.file(), &image, Point::Active).map_err(unsound)? {
            extent.map_err(unsound)?;
        }
    }
    let directory = path.parent().unwrap_or(path);
    Ok(image.header.backing.map(|backing| directory.join(backing.file)))
}
