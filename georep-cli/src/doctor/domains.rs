//! The domains with a disk in the pool: what each method would do to each disk, whether the images
//! are sound, and what their guests do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qcow2_snap::Error;
use qcow2_snap::domain::{Domain, Source};
use qcow2_snap::external::{self, PlannedOverlay};
use qcow2_snap::plan::{self, Disposition, RefuseReason, Unfit};
use qcow2_snap::virsh::{Definition, DomainState, VirshFailure};

use super::finding::{Finding, Grade};
use super::libvirt::Libvirt;
use super::version::Version;
use crate::args::Method;
use crate::error::CliError;
use crate::plan::{Chains, Conflict, PlannedDomain, chains_of, conflicts, of_domain};
use crate::pool::Pool;

/// How long a guest's agent may take to answer.
const AGENT_LIMIT: Duration = Duration::from_secs(5);

/// The first libvirt that takes internal snapshots of a domain with UEFI, where its variables are in
/// a qcow2 file.
const SNAPSHOTS_UEFI: Version = Version(10, 9, 0);

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
    for name in names {
        match Patient::look(libvirt, question, &name) {
            Ok(patient) => patients.extend(patient),
            Err(error) if is_gone(libvirt, &name) => drop(error),
            Err(error) => {
                let enable = format!("`virsh dumpxml {name}` and findmnt have to work");
                unseen.push(Finding::unseen("domain", &name, error, enable));
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
            let is_skipped =
                |plan: &plan::DiskPlan| matches!(plan.disposition, Disposition::Skip(_));
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

/// What is said of the domains.
pub(super) fn judge(patients: &[Patient], method: Option<Method>) -> Vec<Finding> {
    let mut found: Vec<_> = patients.iter().flat_map(|patient| of(patient, method)).collect();
    let chains = patients.iter().filter_map(|patient| {
        let chains = patient.chains.as_ref().ok()?;
        Some((patient.name.as_str(), chains.clone()))
    });
    for conflict in conflicts(&chains.collect::<Vec<_>>()) {
        found.push(Finding::fail("shared", &conflict.other, conflict.to_string(), Conflict::MEND));
    }
    found
}

fn of(patient: &Patient, method: Option<Method>) -> Vec<Finding> {
    let name = &patient.name;
    let mut found = disks(patient, method);
    if let Err(error) = &patient.chains {
        let mend = "`georep inspect IMAGE` and `qemu-img check` say more; leave the domain out \
                    with --exclude until its images are whole";
        found.push(Finding::error("image", name, error, mend));
    }
    if let Some(reason) = &patient.unprepared
        && !found.iter().any(|finding| finding.grade == Grade::Fail)
    {
        let mend = "`virsh edit` it back to the image that it runs on, or start it anew";
        found.push(Finding::fail("disk", name, reason.clone(), mend));
    }
    for target in &patient.jobs {
        let what = format!("disk `{target}`: a block job is active");
        let mend = format!("wait for it, or end it: `virsh blockjob {name} {target} --info`");
        found.push(Finding::fail("job", name, what, mend));
    }
    found.extend(state(name, &patient.state, &patient.reason));
    found.extend(agent(name, &patient.agent, method));
    found
}

/// What each method would do to the disks. Where no method is meant, one that can is enough.
fn disks(patient: &Patient, method: Option<Method>) -> Vec<Finding> {
    let name = &patient.name;
    let refused: BTreeMap<&str, Vec<Finding>> = patient
        .plans
        .iter()
        .map(|(method, planned)| {
            let refused = refusals(name, planned, *method, patient.version);
            (if *method == Method::External { "external" } else { "internal" }, refused)
        })
        .collect();
    let can: Vec<_> = refused.iter().filter(|(_, refused)| refused.is_empty()).collect();
    let Some((first, _)) = can.first() else {
        // The external method can copy whatever the internal one can.
        return refused.into_values().next().unwrap_or_default();
    };
    let planned = patient.plans.iter().find(|(method, _)| method.to_string() == **first);
    let what = planned.map_or_else(String::new, |(_, planned)| summary(planned));
    let methods = match (method, can.len()) {
        (Some(method), _) => method.to_string(),
        (None, 2) => "external and internal".to_owned(),
        (None, _) => {
            let others = refused.values().flatten().map(|finding| finding.what.as_str());
            format!("{first} only ({})", others.collect::<Vec<_>>().join("; "))
        }
    };
    vec![Finding::ok("disk", name, format!("{}: {what}; {methods}", patient.state))]
}

/// What happens to each disk, in a line.
fn summary(planned: &PlannedDomain) -> String {
    let disk = |plan: &plan::DiskPlan| {
        let target = &plan.disk.target;
        match &plan.disposition {
            Disposition::Snapshot(format) => format!("{target} {format}"),
            Disposition::Skip(reason) => format!("{target} left out, {reason}"),
            Disposition::Refuse(reason) => format!("{target}, {reason}"),
        }
    };
    planned.disks.iter().map(disk).collect::<Vec<_>>().join("; ")
}

/// Why a method cannot copy the domain.
fn refusals(
    name: &str,
    planned: &PlannedDomain,
    method: Method,
    version: Option<Version>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for plan in &planned.disks {
        if let Disposition::Refuse(reason) = &plan.disposition {
            let (check, mend) = how(name, &plan.disk.target, reason);
            let what = format!("disk `{}`: {}", plan.disk.target, reason.what());
            found.push(Finding::fail(check, name, what, mend));
        }
    }
    if let Some(unfit) = plan::unfit(&planned.domain, method.into()) {
        found.push(Finding::fail("uefi", name, unfit.what(), Unfit::MEND));
    } else if let Some(version) = version
        && version < SNAPSHOTS_UEFI
        && method == Method::Internal
        && planned.domain.is_active()
        && planned.domain.nvram.as_ref().is_some_and(|nvram| nvram.source != Source::Empty)
    {
        let what = format!("libvirt {version} takes no internal snapshot of a domain with UEFI");
        let mend = format!("{}; libvirt 10.9 takes one", Unfit::MEND);
        found.push(Finding::fail("uefi", name, what, mend));
    }
    found
}

/// The check that finds it, and how to mend it.
fn how(name: &str, target: &str, reason: &RefuseReason) -> (&'static str, String) {
    let known = || reason.mend().unwrap_or_default().to_owned();
    match reason {
        RefuseReason::BlockJob(_) => {
            ("job", format!("wait for it, or end it: `virsh blockjob {name} {target} --info`"))
        }
        RefuseReason::OnOverlay(_) => {
            ("overlay", "`georep recover` merges it back; delete nothing by hand".to_owned())
        }
        RefuseReason::Format(None) => {
            ("disk", "name the format in the disk's <driver type='…'/> (`virsh edit`)".to_owned())
        }
        RefuseReason::Shareable | RefuseReason::Transient => (
            "disk",
            format!("take that from disk `{target}` (`virsh edit`), or leave the domain out"),
        ),
        _ => ("disk", known()),
    }
}

fn state(name: &str, state: &DomainState, reason: &str) -> Option<Finding> {
    match state {
        DomainState::Paused if reason == "I/O error" => {
            let what = "is paused, as one of its disks could not be written to";
            let mend = format!("`virsh domblkerror {name}`, make room, then `virsh resume {name}`");
            Some(Finding::fail("state", name, what, mend))
        }
        DomainState::Running | DomainState::Paused | DomainState::ShutOff => None,
        other => {
            let what = format!("is {other}");
            let mend = "a backup may find it in another state than it was planned for";
            Some(Finding::warn("state", name, what, mend))
        }
    }
}

/// The internal method stores the memory, and freezes nothing.
fn agent(name: &str, agent: &Agent, method: Option<Method>) -> Option<Finding> {
    if method == Some(Method::Internal) {
        return None;
    }
    match agent {
        Agent::NotAsked => None,
        Agent::Answers => Some(Finding::ok("agent", name, "the guest's agent answers")),
        Agent::Silent => {
            let what = "no agent answers in the guest: it is copied as after a power failure";
            let mend = VirshFailure::NoAgent.advice().unwrap_or_default();
            Some(Finding::warn("agent", name, what, mend))
        }
        Agent::Unknown(reason) => {
            Some(Finding::unseen("agent", name, reason, "see libvirt above, and look again"))
        }
    }
}
