//! `georep doctor`: looks at everything a backup relies on before anything is touched, and says how
//! to mend what is not as it should be.
//!
//! One file a subject, each with a function that gathers facts and one that judges them. Nothing is
//! changed. No check keeps another from being made, and none is waited for without end.

mod bounded;
mod cluster;
mod domains;
mod finding;
mod leftovers;
mod libvirt;
mod logins;
mod nodes;
mod pools;
mod programs;
mod report;
mod session;
mod space;
mod version;
mod volumes;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gluster_georep::{Gluster, MountTools, Secondary, Session};
use tool_command::{SearchPath, Tool};

use self::bounded::{Beside, beside};
use self::cluster::Cluster;
use self::domains::{Patient, Question};
use self::finding::Finding;
use self::report::{Report, Section};
use crate::args::{DoctorArgs, Method};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::pool::Pool;
use crate::retry::patiently;
use crate::stdout;
use crate::terminal;
use crate::tools::{connections, search_path};

/// How long a command may take that others take a second for.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// How long a subject may take: a few such commands.
const SUBJECT_LIMIT: Duration = Duration::from_secs(120);

/// Runs `georep doctor`.
///
/// # Errors
/// Where nothing can be written; what is found is no error.
pub(crate) fn run(args: &DoctorArgs) -> Result<Exit, CliError> {
    let report = Report { sections: examine(args) };
    let text = match args.json {
        true => report.json(),
        false => report.text(terminal::columns().unwrap_or(terminal::USUAL.0)),
    };
    stdout::print(text)?;
    Ok(report.exit())
}

/// What is used to look.
#[derive(Debug, Clone)]
struct Instruments {
    path: SearchPath,
    gluster: Option<Gluster>,
    ssh: Option<Tool>,
    mounts: Option<MountTools>,
}

fn examine(args: &DoctorArgs) -> Vec<Section> {
    let path = search_path().limited_to(COMMAND_LIMIT);
    let instruments = Instruments {
        gluster: path.find("gluster").ok().map(Gluster::new),
        ssh: path.find("ssh").ok(),
        mounts: MountTools::find(&path).ok(),
        path,
    };
    let mut sections = vec![Section {
        subject: "programs".to_owned(),
        findings: programs::findings(&instruments.path),
    }];
    let sessions = match sessions(args, &instruments) {
        Ok(sessions) => sessions,
        Err(findings) => {
            sections.push(Section { subject: "sessions".to_owned(), findings });
            Vec::new()
        }
    };
    let primaries = primaries(args, &sessions);
    let at_sites: Vec<_> =
        sessions.into_iter().map(|session| begin_session(&instruments, args, session)).collect();
    let pools: Vec<_> =
        primaries.into_iter().map(|volume| begin_pool(&instruments, args, volume)).collect();
    let mounts = instruments.mounts.clone();
    let left = beside(move || {
        let mut findings = leftovers::findings(mounts.as_ref());
        findings.push(space::state_directory());
        vec![Section { subject: "runs on this node".to_owned(), findings }]
    });
    for (subject, begun) in at_sites.into_iter().chain(pools) {
        sections.extend(ended(subject, begun));
    }
    sections.extend(ended("runs on this node".to_owned(), left));
    sections
}

/// What came of a subject.
fn ended(subject: String, begun: Beside<Vec<Section>>) -> Vec<Section> {
    begun.within(SUBJECT_LIMIT).unwrap_or_else(|| {
        let seconds = SUBJECT_LIMIT.as_secs();
        let reason = format!("that did not end within {seconds} s");
        let enable = "something hangs, most often a mount whose servers do not answer: see \
                      `findmnt -t fuse.glusterfs` and the logs in /var/log/glusterfs";
        let findings = vec![Finding::unseen("time", &subject, reason, enable)];
        vec![Section { subject, findings }]
    })
}

/// The sessions that are meant.
fn sessions(args: &DoctorArgs, instruments: &Instruments) -> Result<Vec<Session>, Vec<Finding>> {
    let Some(gluster) = &instruments.gluster else {
        let enable = "install it, see above";
        return Err(vec![Finding::unseen("session", "gluster", "there is no gluster", enable)]);
    };
    if let (Some(primary), Some(secondary)) = (&args.primary, &args.secondary) {
        return Session::new(primary, secondary.clone()).map(|session| vec![session]).map_err(
            |error| {
                let mend = "name a volume as `gluster volume list` does";
                vec![Finding::fail("session", primary, error.to_string(), mend)]
            },
        );
    }
    let primary = args.primary.as_deref();
    let on = primary.unwrap_or("this cluster");
    let all = match patiently(|| gluster.sessions(primary)) {
        Ok(all) => all,
        Err(error) => {
            let mend = "is glusterd running on this node? `systemctl start glusterd`";
            return Err(vec![Finding::error("session", on, &error.into(), mend)]);
        }
    };
    if all.is_empty() {
        let mend = "make one: `gluster system:: execute gsec_create`, then `gluster volume \
                    geo-replication PRIMARYVOL HOST::VOL create push-pem`";
        return Err(vec![Finding::fail("session", on, "has no geo-replication session", mend)]);
    }
    let session = |status: gluster_georep::SessionStatus| {
        let secondary = status.secondary.parse::<Secondary>();
        secondary.and_then(|secondary| Session::new(&status.primary, secondary)).map_err(|error| {
            let mend = "name the session that is meant: PRIMARYVOL HOST::VOL";
            vec![Finding::fail("session", &status.secondary, error.to_string(), mend)]
        })
    };
    all.into_iter().map(session).collect()
}

/// The primary volumes that are meant, each once.
fn primaries(args: &DoctorArgs, sessions: &[Session]) -> Vec<String> {
    let mut names: Vec<_> = args.primary.iter().cloned().collect();
    for session in sessions {
        if !names.contains(&session.primary) {
            names.push(session.primary.clone());
        }
    }
    names
}

type Begun = (String, Beside<Vec<Section>>);

/// Looks at a session, both volumes and all nodes.
fn begin_session(instruments: &Instruments, args: &DoctorArgs, session: Session) -> Begun {
    let subject = format!("session {session}");
    let (instruments, pool) = (instruments.clone(), args.pool.clone());
    let look = move || look_at_session(&instruments, pool.as_deref(), session);
    (subject, beside(look))
}

fn look_at_session(
    instruments: &Instruments,
    pool: Option<&Path>,
    session: Session,
) -> Vec<Section> {
    let Some(gluster) = &instruments.gluster else { return Vec::new() };
    let (subject, secondary) = (format!("session {session}"), session.secondary.clone());
    // It takes as long as all the rest.
    let mounted = instruments.mounts.clone().map(|tools| {
        let pool = pool.map(Path::to_owned);
        beside(move || space::secondary(&tools, &secondary, pool.as_deref()))
    });
    let cluster = Cluster::ask(gluster, instruments.ssh.as_ref(), session);
    let mut volumes = volumes::findings(&cluster);
    let mut nodes = nodes::findings(&cluster, &instruments.path);
    if let Some(ssh) = &instruments.ssh {
        nodes.extend(logins::findings(&cluster, ssh));
    }
    volumes.extend(mounted.and_then(|mounted| mounted.within(SUBJECT_LIMIT)).unwrap_or_default());
    vec![
        Section { subject, findings: session::findings(&cluster) },
        Section { subject: "volumes".to_owned(), findings: volumes },
        Section { subject: "nodes".to_owned(), findings: nodes },
    ]
}

/// Looks at the pool of a volume, and its domains.
fn begin_pool(instruments: &Instruments, args: &DoctorArgs, volume: String) -> Begun {
    let subject = format!("domains of {volume}");
    let instruments = instruments.clone();
    let (directory, method) = (args.pool.clone(), args.method);
    let (connect, overlay_dir) = (args.connect.clone(), args.overlay_dir.clone());
    let look = move || {
        let (mut findings, pool) = match &instruments.mounts {
            Some(tools) => pools::look(tools, directory.as_deref(), &volume),
            None => {
                let reason = "a program for mounts is missing";
                (vec![Finding::unseen("pool", &volume, reason, "install it, see above")], None)
            }
        };
        let subject = format!("domains of {volume}");
        findings.extend(look_at_domains(
            &instruments.path,
            &connect,
            pool,
            method,
            overlay_dir.as_deref(),
        ));
        vec![Section { subject, findings }]
    };
    (subject, beside(look))
}

fn look_at_domains(
    path: &SearchPath,
    connect: &[String],
    pool: Option<Pool>,
    method: Option<Method>,
    overlay_dir: Option<&Path>,
) -> Vec<Finding> {
    let Ok(connections) = connections(path, connect) else {
        return vec![Finding::unseen(
            "domain",
            "libvirt",
            "there is no virsh",
            "install it, see above",
        )];
    };
    let mut findings = Vec::new();
    let mut patients = BTreeMap::new();
    let mut answers = false;
    for virsh in &connections {
        let (said, libvirt) = libvirt::look(virsh);
        findings.extend(said);
        let (Some(libvirt), Some(pool)) = (libvirt, &pool) else { continue };
        answers = true;
        let overlay_dir = overlay_dir.map(Path::to_owned);
        let question = Question { pool: pool.clone(), method, overlay_dir };
        let (looked, unseen) = domains::look(&libvirt, &question);
        findings.extend(unseen);
        // Two ways to one libvirt show the same domains.
        let by_name = |patient: Patient| ((patient.name.clone(), patient.uuid.clone()), patient);
        patients.extend(looked.into_iter().map(by_name));
    }
    let Some(pool) = pool else {
        let enable = "the volume has to be mounted, see the pool above";
        findings.push(Finding::unseen("domain", "libvirt", "there is no pool", enable));
        return findings;
    };
    let patients: Vec<_> = patients.into_values().collect();
    findings.extend(domains::judge(&patients, method));
    if !answers {
        let enable = "libvirt has to answer, see above";
        findings.push(Finding::unseen("domain", "libvirt", "it does not answer", enable));
    } else if patients.is_empty() {
        let on = pool.directory().display().to_string();
        let mend = "name the libvirt that runs them with --connect, or another --pool";
        findings.push(Finding::warn("domain", &on, "no domain has a disk there", mend));
    }
    if method != Some(Method::Internal) {
        findings.extend(space::overlays(&patients, overlay_dir));
    }
    findings.extend(leftovers::strays(&patients, pool.directory(), overlay_dir));
    findings
}
