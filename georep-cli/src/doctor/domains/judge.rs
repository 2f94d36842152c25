//! What is said of the domains that were looked at.

use std::collections::BTreeMap;

use qcow2_snap::domain::Source;
use qcow2_snap::plan::{self, DiskPlan, Disposition, RefuseReason, Unfit};
use qcow2_snap::virsh::{DomainState, VirshFailure};

use super::super::finding::{Finding, Grade};
use super::super::version::Version;
use super::{Agent, Patient};
use crate::args::Method;
use crate::plan::{Conflict, PlannedDomain, conflicts};

/// The first libvirt that takes internal snapshots of a domain with UEFI, where its variables are in
/// a qcow2 file.
const SNAPSHOTS_UEFI: Version = Version(10, 9, 0);

/// What is said of the domains.
pub(in crate::doctor) fn judge(patients: &[Patient], method: Option<Method>) -> Vec<Finding> {
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

/// What happens to each disk, and what else is to be said, in a line.
fn summary(planned: &PlannedDomain) -> String {
    let disk = |plan: &DiskPlan| {
        let target = &plan.disk.target;
        match &plan.disposition {
            Disposition::Snapshot(format) => format!("{target} {format}"),
            Disposition::Skip(reason) => format!("{target} left out, {reason}"),
            Disposition::Refuse(reason) => format!("{target}, {reason}"),
        }
    };
    let disks = planned.disks.iter().map(disk).chain(planned.note.clone());
    disks.collect::<Vec<_>>().join("; ")
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use qcow2_snap::domain::Domain;
    use qcow2_snap::plan::{Format, Place, plan};
    use qcow2_snap::virsh::Virsh;
    use tool_command::Tool;

    use super::*;
    use crate::error::CliError;
    use crate::plan::Chains;

    const IN_POOL: &str = "<disk type='file'><driver type='qcow2'/><source file='/vm/a'/>\
                           <target dev='vda'/></disk>";
    const RAW: &str = "<disk type='file'><driver type='raw'/><source file='/vm/b'/>\
                       <target dev='vdb'/></disk>";

    /// A running domain of these disks, with an agent that answers, under libvirt 9.
    fn patient(os: &str, disks: &str, methods: &[Method]) -> Patient {
        let xml = format!(
            "<domain id='1'><name>web</name><uuid>u</uuid><os>{os}</os>\
             <devices>{disks}</devices></domain>"
        );
        let planned = |method: Method| PlannedDomain {
            domain: Domain::parse(&xml).unwrap(),
            state: DomainState::Running,
            xml: xml.clone(),
            virsh: Virsh::new(Tool::at("/bin/false"), None),
            lock: None,
            disks: plan(&Domain::parse(&xml).unwrap(), method.into(), &|source: &Source| {
                let in_pool = source.file().is_none_or(|file| file.starts_with("/vm"));
                if in_pool { Place::Pool } else { Place::Elsewhere }
            }),
            note: None,
        };
        Patient {
            name: "web".into(),
            uuid: "u".into(),
            plans: methods.iter().map(|&method| (method, planned(method))).collect(),
            version: Some(Version(9, 0, 0)),
            state: DomainState::Running,
            reason: "booted".into(),
            chains: Ok(Chains::default()),
            unprepared: None,
            jobs: Vec::new(),
            agent: Agent::Answers,
        }
    }

    /// Check and grade of what is found, but for what is green beside it.
    fn told(patient: Patient, method: Option<Method>) -> Vec<(&'static str, Grade)> {
        let found = judge(&[patient], method).into_iter();
        let found = found.filter(|finding| finding.grade != Grade::Ok);
        found.map(|finding| (finding.check, finding.grade)).collect()
    }

    fn either(os: &str, disks: &str) -> Vec<(&'static str, Grade)> {
        told(patient(os, disks, &[Method::External, Method::Internal]), None)
    }

    fn by(method: Method, os: &str, disks: &str) -> Vec<(&'static str, Grade)> {
        told(patient(os, disks, &[method]), Some(method))
    }

    #[test]
    fn a_disk_that_the_method_cannot_copy_is_found_and_one_that_either_can_is_fine() {
        let network = "<disk type='network'><source protocol='gluster' name='gv1/a'/>\
                       <target dev='vdc'/></disk>";
        let shared = IN_POOL.replace("</disk>", "<shareable/></disk>");
        let busy =
            IN_POOL.replace("</disk>", "<mirror job='copy'><source file='/x'/></mirror></disk>");
        let overlay = IN_POOL.replace("/vm/a", "/vm/a.georep-20261124T093220Z.qcow2");
        let unnamed = IN_POOL.replace("<driver type='qcow2'/>", "");
        let elsewhere = RAW.replace("/vm/b", "/var/b");
        for (disks, external, internal) in [
            (IN_POOL.to_owned(), None, None),
            (format!("{IN_POOL}{RAW}"), None, Some("disk")),
            (format!("{IN_POOL}{elsewhere}"), None, Some("disk")),
            (network.to_owned(), Some("disk"), Some("disk")),
            (shared, Some("disk"), Some("disk")),
            (busy, Some("job"), Some("job")),
            (overlay, Some("overlay"), Some("overlay")),
            (unnamed, Some("disk"), Some("disk")),
        ] {
            let fails = |check: Option<&'static str>| {
                check.map(|check| (check, Grade::Fail)).into_iter().collect::<Vec<_>>()
            };
            assert_eq!(by(Method::External, "", &disks), fails(external), "{disks}");
            assert_eq!(by(Method::Internal, "", &disks), fails(internal), "{disks}");
            assert_eq!(either("", &disks), fails(external), "{disks}");
        }
    }

    #[test]
    fn every_failure_says_how_to_mend_it() {
        let disks =
            format!("{IN_POOL}{RAW}<disk type='dir'><source dir='/vm'/><target dev='x'/></disk>");
        for method in [Method::External, Method::Internal] {
            let found = judge(&[patient("<nvram>/nv</nvram>", &disks, &[method])], Some(method));
            let failed = found.iter().filter(|finding| finding.grade == Grade::Fail);
            assert!(failed.clone().count() > 0);
            assert!(failed.clone().all(|f| f.mend.as_ref().is_some_and(|mend| !mend.is_empty())));
        }
    }

    #[test]
    fn uefi_variables_have_to_be_in_qcow2_and_libvirt_of_10_9() {
        let qcow2 = "<nvram format='qcow2'>/nv/web.fd</nvram>";
        let fails = vec![("uefi", Grade::Fail)];
        assert_eq!(by(Method::Internal, "<nvram>/nv/web.fd</nvram>", IN_POOL), fails);
        assert_eq!(by(Method::Internal, qcow2, IN_POOL), fails);
        assert_eq!(by(Method::External, qcow2, IN_POOL), []);
        let mut newer = patient(qcow2, IN_POOL, &[Method::Internal]);
        newer.version = Some(Version(10, 9, 0));
        assert_eq!(told(newer, Some(Method::Internal)), []);
    }

    #[test]
    fn images_jobs_definitions_states_and_agents_are_each_a_check() {
        let with = |change: &dyn Fn(&mut Patient)| {
            let mut patient = patient("", IN_POOL, &[Method::External]);
            change(&mut patient);
            told(patient, Some(Method::External))
        };
        assert_eq!(with(&|_| ()), []);
        type Change<'a> = &'a dyn Fn(&mut Patient);
        let cases: [(Change<'_>, &str, Grade); 7] = [
            (&|p| p.chains = Err(CliError::failed("it is cut short")), "image", Grade::Fail),
            (&|p| p.jobs = vec!["vda".into()], "job", Grade::Fail),
            (&|p| p.unprepared = Some("it is defined otherwise".into()), "disk", Grade::Fail),
            (&|p| p.agent = Agent::Silent, "agent", Grade::Warn),
            (&|p| p.agent = Agent::Unknown("virsh hangs".into()), "agent", Grade::Warn),
            (&|p| p.state = DomainState::Other("in shutdown".into()), "state", Grade::Warn),
            (
                &|p| {
                    p.state = DomainState::Paused;
                    p.reason = "I/O error".into();
                },
                "state",
                Grade::Fail,
            ),
        ];
        for (change, check, grade) in cases {
            assert_eq!(with(change), [(check, grade)]);
        }
    }

    #[test]
    fn an_image_of_two_domains_is_found_with_both() {
        let with = |name: &str| {
            let mut patient = patient("", IN_POOL, &[Method::External]);
            patient.name = name.to_owned();
            let tops = [(PathBuf::from("a"), Format::Qcow2)].into();
            patient.chains = Ok(Chains { tops, ..Chains::default() });
            patient
        };
        let found = judge(&[with("one"), with("two")], None);
        let failed: Vec<_> = found.iter().filter(|f| f.grade == Grade::Fail).collect();
        assert_eq!((failed.len(), failed[0].check, failed[0].on.as_str()), (1, "shared", "two"));
    }
}
