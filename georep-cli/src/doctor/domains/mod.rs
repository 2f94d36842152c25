//! The domains with a disk in the pool: what each method would do to each disk, whether the images
//! are sound, and what their guests do.

mod judge;

use std::path::{Path, PathBuf};
use std::time::Duration;

use qcow2_snap::Error;
use qcow2_snap::domain::Domain;
use qcow2_snap::external::{self, PlannedOverlay};
use qcow2_snap::plan::{DiskPlan, Disposition};
use qcow2_snap::virsh::{Definition, DomainState, VirshFailure};

pub(super) use self::judge::judge;
use super::finding::Finding;
use super::libvirt::Libvirt;
use super::version::Version;
use crate::args::Method;
use crate::error::CliError;
use crate::plan::{Chains, PlannedDomain, chains_of, of_domain};
use crate::pool::Pool;
use crate::side_by_side::side_by_side;

/// How long a guest's agent may take to answer.
const AGENT_LIMIT: Duration = Duration::from_secs(5);

/// How many domains are looked at at the same time: agents that do not answer are waited for.
const AT_ONCE: usize = 8;

/// What is to be known of the pool's domains.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Where the images lie.
    pub pool: Pool,
    /// The method that is meant, or either.
    pub method: Option<Method>,
    /// Where overlays would lie.
    pub overlay_dir: Option<PathBuf>,
}

/// A domain with a disk in the pool.
#[derive(Debug)]
pub(super) struct Patient {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// What each method would do.
    plans: Vec<(Method, PlannedDomain)>,
    version: Option<Version>,
    state: DomainState,
    reason: String,
    /// The images behind its disks, or what is wrong with them.
    chains: Result<Chains, CliError>,
    /// Why it could not be put on overlays, where that is something else than its disks.
    unprepared: Option<String>,
    /// Disks with a block job that its XML does not show.
    jobs: Vec<String>,
    agent: Agent,
}

/// The guest's agent.
#[derive(Debug)]
enum Agent {
    /// The domain does not run: there is nothing to freeze.
    NotAsked,
    Answers,
    Silent,
    Unknown(String),
}

/// Looks at every domain of `libvirt`. Those without a disk in the pool are passed over.
/// Returns also what could not be looked at.
pub(super) fn look(libvirt: &Libvirt, question: &Question) -> (Vec<Patient>, Vec<Finding>) {
    let mut patients = Vec::new();
    let mut unseen = Vec::new();
    let names = libvirt.virsh.domain_names().unwrap_or_else(|error| {
        let name = libvirt.virsh.connect().unwrap_or("libvirt");
        unseen.push(Finding::unseen("domain", name, error, "see libvirt above"));
        Vec::new()
    });
    let looked = side_by_side(&names, AT_ONCE, |name| Patient::look(libvirt, question, name));
    for (name, looked) in names.iter().zip(looked) {
        match looked {
            Ok(patient) => patients.extend(patient),
            Err(_) if is_gone(libvirt, name) => {}
            Err(error) => {
                let enable = format!("`virsh dumpxml {name}` and findmnt have to work");
                unseen.push(Finding::unseen("domain", name, error, enable));
            }
        }
    }
    (patients, unseen)
}

/// A domain that was there a moment ago may have been transient.
fn is_gone(libvirt: &Libvirt, name: &str) -> bool {
    let looked = libvirt.virsh.domain(name, Definition::Live);
    looked.is_err_and(|error| error.virsh_failure() == Some(VirshFailure::NoSuchDomain))
}

impl Patient {
    fn look(libvirt: &Libvirt, question: &Question, name: &str) -> Result<Option<Self>, CliError> {
        let virsh = &libvirt.virsh;
        let methods = match question.method {
            Some(method) => vec![method],
            None => vec![Method::External, Method::Internal],
        };
        let plans = methods
            .into_iter()
            .map(|method| Ok((method, of_domain(virsh, &question.pool, method, name)?)));
        let plans = plans.collect::<Result<Vec<_>, CliError>>()?;
        let takes_part = |(_, planned): &(Method, PlannedDomain)| {
            let is_skipped = |plan: &DiskPlan| matches!(plan.disposition, Disposition::Skip(_));
            !planned.disks.iter().all(is_skipped)
        };
        let Some((_, planned)) = plans.iter().find(|plan| takes_part(plan)) else {
            return Ok(None);
        };
        let (state, reason) = virsh.state_and_reason(name)?;
        let domain = &planned.domain;
        let uuid = domain.uuid.clone();
        let jobs = domain.disks.iter().filter(|disk| disk.mirror.is_none());
        let jobs = jobs.filter(|disk| matches!(virsh.block_job(&uuid, &disk.target), Ok(Some(_))));
        let jobs = jobs.map(|disk| disk.target.clone()).collect();
        let agent = match state {
            DomainState::Running => match virsh.agent_answers(&uuid, AGENT_LIMIT) {
                Ok(true) => Agent::Answers,
                Ok(false) => Agent::Silent,
                Err(error) => Agent::Unknown(error.to_string()),
            },
            _ => Agent::NotAsked,
        };
        Ok(Some(Self {
            name: name.to_owned(),
            uuid,
            version: libvirt.version,
            state,
            reason,
            chains: chains_of(planned, &question.pool),
            unprepared: unprepared(&plans, question.overlay_dir.as_deref()),
            jobs,
            agent,
            plans,
        }))
    }

    /// Its disks that would be put on overlays, each with its image and the bytes the guest sees.
    pub(super) fn overlaid(&self) -> impl Iterator<Item = &Path> {
        let external = self.plans.iter().find(|(method, _)| *method == Method::External);
        let running = external.filter(|(_, planned)| planned.domain.is_active());
        running.into_iter().flat_map(|(_, planned)| planned.copied().map(|(_, image)| image))
    }

    /// Every file that the domain names.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let domains = self.plans.iter().map(|(_, planned)| &planned.domain);
        let disks = domains.flat_map(|domain: &Domain| &domain.disks);
        disks.filter_map(|disk| disk.source.file())
    }
}

/// What keeps a running domain from being put on overlays, beside what its disks are.
fn unprepared(plans: &[(Method, PlannedDomain)], overlay_dir: Option<&Path>) -> Option<String> {
    let (_, planned) = plans.iter().find(|(method, _)| *method == Method::External)?;
    if !planned.domain.is_active() {
        return None;
    }
    let overlay = |(target, image): (&str, &Path)| {
        let beside = image.parent().unwrap_or(image);
        let name = format!("{}-{target}.georep-doctor.qcow2", planned.domain.name);
        let overlay = overlay_dir.unwrap_or(beside).join(name);
        PlannedOverlay { target: target.to_owned(), overlay }
    };
    let planned_overlays: Vec<_> = planned.copied().map(overlay).collect();
    match external::prepare(&planned.virsh, &planned.domain.uuid, &planned_overlays) {
        // Others are told by the checks of disks and of space.
        Err(Error::Unfit { reason, .. }) => Some(reason),
        _ => None,
    }
}
