//! One domain of a run that was killed.

use std::time::Duration;

use qcow2_snap::Error;
use qcow2_snap::external::{self, CommitOptions};
use qcow2_snap::qemu_img::QemuImg;
use qcow2_snap::virsh::{Definition, Virsh, VirshFailure};
use tool_command::SearchPath;

use crate::error::CliError;
use crate::journal::{DomainEntry, Journal, OpenJournal, Phase, Step};
use crate::lock::Lock;
use crate::put_back::PutBack;
use crate::say::Say;
use crate::tools::connections;

/// How long a tool is waited for that the killed run had started: longer than libvirt may take for
/// overlays.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(150);
/// How long libvirt is waited for where it is doing something to the domain, or starting.
const SETTLE_PATIENCE: Duration = Duration::from_secs(60);

/// How long a merge may come no nearer to its end.
const MERGE_PATIENCE: Duration = Duration::from_secs(1800);

/// The libvirts in which a domain may be.
#[derive(Debug)]
pub(super) struct Connections {
    recorded: Virsh,
    others: Vec<Virsh>,
}

impl Connections {
    /// The one that the journal has, and others, of which a domain may have been migrated to one.
    pub(super) fn new(
        path: &SearchPath,
        recorded: Option<&str>,
        others: &[String],
    ) -> Result<Self, CliError> {
        let recorded = Virsh::new(path.find("virsh")?, recorded.map(str::to_owned));
        let others = if others.is_empty() { Vec::new() } else { connections(path, others)? };
        Ok(Self { recorded, others })
    }

    /// The one that knows the domain, else the recorded one.
    fn of(&self, uuid: &str) -> &Virsh {
        let knows = |virsh: &&Virsh| virsh.domain(uuid, Definition::Live).is_ok();
        if self.others.is_empty() || knows(&&self.recorded) {
            return &self.recorded;
        }
        self.others.iter().find(knows).unwrap_or(&self.recorded)
    }
}

/// Whether anything of the domain may have to be put back.
pub(super) fn is_begun(entry: &DomainEntry) -> bool {
    !matches!(entry.step, Step::Planned | Step::Done)
}

/// Whether the run's internal snapshot is the copy, and stays.
fn is_kept(journal: &Journal) -> bool {
    journal.has_reached(Phase::Proven)
}

/// Puts the domain back. Returns what is left, a sentence each.
pub(super) fn put_back(
    connections: &Connections,
    qemu_img: &QemuImg,
    open: &OpenJournal,
    journal: &Journal,
    entry: &DomainEntry,
    say: &Say,
) -> Vec<String> {
    let DomainEntry { name, uuid, running: was_running, .. } = entry;
    let lock = match Lock::of_domain(name, uuid, ORPHAN_PATIENCE) {
        Ok(lock) => lock,
        Err(error) => return vec![error.to_string()],
    };
    let virsh = connections.of(uuid).holding(lock.file());
    if let Err(error) = external::settle(&virsh, uuid, SETTLE_PATIENCE) {
        return vec![format!("domain `{name}`: {error}")];
    }
    let qemu_img = qemu_img.holding(lock.file());
    let was_running = *was_running;
    let put_back = PutBack { name, uuid, was_running, virsh, qemu_img, journal: open, say };
    let mut left = Vec::new();
    if entry.step.may_be_frozen() {
        left.extend(put_back.thaw());
    }
    if !entry.overlays.is_empty() {
        let options = CommitOptions::default().with_patience(Some(MERGE_PATIENCE));
        left.extend(put_back.merge(&entry.overlays(), options));
    }
    if !entry.images.is_empty() && !is_kept(journal) {
        left.extend(put_back.delete_snapshot(&entry.images, &journal.run));
    }
    left
}

/// What would be done, a line each.
pub(super) fn plan(
    connections: &Connections,
    journal: &Journal,
    entry: &DomainEntry,
) -> Result<Vec<String>, CliError> {
    let (name, run) = (&entry.name, &journal.run);
    let virsh = connections.of(&entry.uuid);
    let mut plan = Vec::new();
    if entry.step.may_be_frozen() {
        plan.push(format!("{name}: thaw"));
    }
    let (live, persistent) = match both(virsh, &entry.uuid) {
        Ok(both) => both,
        Err(error) if error.virsh_failure() == Some(VirshFailure::NoSuchDomain) => {
            plan.push(format!(
                "{name}: not defined any more; merge its overlays back with qemu-img where no \
                 other domain is on its images"
            ));
            return Ok(plan);
        }
        Err(error) => return Err(error.into()),
    };
    for overlay in entry.overlays() {
        let (target, step) = (&overlay.target, external::next_step(&overlay, &live, &persistent));
        plan.push(format!("{name}: {target}: {step}"));
        if overlay.overlay.exists() {
            let file = overlay.overlay.display();
            plan.push(format!("{name}: {target}: then delete `{file}`"));
        }
    }
    if !entry.images.is_empty() {
        plan.push(if is_kept(journal) {
            format!("{name}: keep snapshot {run}, the copy is proven")
        } else {
            format!("{name}: delete snapshot {run} where it was made")
        });
    }
    Ok(plan)
}

fn both(
    virsh: &Virsh,
    uuid: &str,
) -> Result<(qcow2_snap::domain::Domain, qcow2_snap::domain::Domain), Error> {
    Ok((virsh.domain(uuid, Definition::Live)?, virsh.domain(uuid, Definition::Persistent)?))
}
