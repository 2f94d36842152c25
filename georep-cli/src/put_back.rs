//! Puts a domain back as it was before a run: thawed, on its own images, without the run's overlays
//! or snapshot. The same whether the run ends or was killed: what is to be done, libvirt says.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use qcow2_snap::Error;
use qcow2_snap::external::{self, CommitEvent, CommitOptions, Overlay, Step as MergeStep};
use qcow2_snap::internal;
use qcow2_snap::qemu_img::QemuImg;
use qcow2_snap::virsh::{DomainState, Virsh, VirshFailure};

use crate::journal::{DomainEntry, OpenJournal, Step};
use crate::say::{Progress, Say};
use crate::tools::SNAPSHOT_LIMIT;

/// How long thawing a guest that did not thaw at once is tried for.
const THAW_PATIENCE: Duration = Duration::from_secs(30);
/// Why a guest is paused, in libvirt's words, where that comes of a run.
const OUR_PAUSES: [&str; 3] = ["I/O error", "saving", "creating snapshot"];
/// How often libvirt is asked whether the guest is paused, before it is said that it may be.
const RESUME_TRIES: u32 = 3;
/// How long after one try the next is made.
const RESUME_AGAIN: Duration = Duration::from_secs(1);

/// A domain that is put back. What cannot be done is returned, a sentence each, and keeps nothing
/// else from being done.
#[derive(Debug)]
pub(crate) struct PutBack<'a> {
    /// The domain's name, for people.
    pub name: &'a str,
    /// Its UUID.
    pub uuid: &'a str,
    /// Whether it ran when the run began.
    pub was_running: bool,
    /// The libvirt that knows it.
    pub virsh: Virsh,
    /// For a domain that does not run.
    pub qemu_img: QemuImg,
    /// Where each step is written down first. To put a domain back matters more: where that fails
    /// it is done all the same, as recovery does not depend on it.
    pub journal: &'a OpenJournal,
    /// Who is told.
    pub say: &'a Say,
}

impl PutBack<'_> {
    /// Thaws the guest's file systems. A guest whose agent is not there cannot be asked, and was
    /// most likely started anew; that is told.
    pub(crate) fn thaw(&self) -> Option<String> {
        self.note(Step::Thawing);
        let error = external::thaw(&self.virsh, self.uuid, THAW_PATIENCE).err()?;
        let name = self.name;
        if error.virsh_failure() == Some(VirshFailure::NoAgent) {
            self.say.warn("thaw", format_args!("{name}: {error}"));
            return None;
        }
        Some(format!("domain `{name}` may be frozen; `virsh domfsthaw {name}`: {error}"))
    }

    /// Merges the overlays back that are in use, and deletes those that no domain is on.
    pub(crate) fn merge(&self, overlays: &[Overlay], options: CommitOptions) -> Vec<String> {
        let began = Instant::now();
        let mut merged = BTreeSet::new();
        let results = {
            let mut watch = self.watch(&mut merged);
            external::commit(&self.virsh, &self.qemu_img, overlays, options, &mut watch)
        };
        self.note(Step::Removing);
        let mut left = Vec::new();
        for (result, overlay) in results.into_iter().zip(overlays) {
            let (target, base) = (&overlay.target, overlay.base.display());
            match result.and_then(|committed| external::remove_overlay(&self.virsh, committed)) {
                Ok(()) if merged.contains(target) => {
                    let seconds = began.elapsed().as_secs_f64();
                    let name = self.name;
                    let text = format_args!("{name}: {target} is back on {base} ({seconds:.1} s)");
                    self.say.step("commit", text);
                }
                Ok(()) => {}
                Err(error) => left.push(format!("domain `{}`: {error} (base `{base}`)", self.name)),
            }
        }
        if left.is_empty() {
            left.extend(self.resume());
        }
        if left.is_empty() {
            self.note(Step::Done);
        }
        left
    }

    /// Lets the guest run again where the run has stopped it: QEMU pauses a guest whose overlay has
    /// no room left, and, where libvirtd was killed while it made a snapshot, after that. Who was
    /// paused by somebody else stays so.
    fn resume(&self) -> Option<String> {
        if !self.was_running {
            return None;
        }
        let mut result = self.try_to_resume();
        for _ in 1..RESUME_TRIES {
            if result.is_ok() {
                break;
            }
            std::thread::sleep(RESUME_AGAIN);
            result = self.try_to_resume();
        }
        let (name, error) = (self.name, result.err()?);
        Some(format!("domain `{name}` may be paused; `virsh resume {name}`: {error}"))
    }

    fn try_to_resume(&self) -> Result<(), Error> {
        match self.virsh.state_and_reason(self.uuid) {
            Ok((DomainState::Paused, reason)) if OUR_PAUSES.contains(&reason.as_str()) => {
                self.virsh.resume(self.uuid)?;
                let name = self.name;
                let text = format_args!("{name}: was paused ({reason}), and runs again");
                self.say.warn("resume", text);
                Ok(())
            }
            Err(error) if error.virsh_failure() != Some(VirshFailure::NoSuchDomain) => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes the snapshot `name` where it was made.
    pub(crate) fn delete_snapshot(&self, images: &[PathBuf], name: &str) -> Vec<String> {
        self.note(Step::Deleting);
        let (virsh, qemu_img) = (&self.virsh, &self.qemu_img);
        let deleted = internal::delete(virsh, qemu_img, self.uuid, images, name, SNAPSHOT_LIMIT);
        if let Ok(true) = deleted {
            self.say.step("snapshot", format_args!("{}: deleted again", self.name));
        }
        let of = |error| format!("snapshot `{name}` of domain `{}`: {error}", self.name);
        let left: Vec<_> = deleted.err().map(of).into_iter().chain(self.resume()).collect();
        if left.is_empty() {
            self.note(Step::Done);
        }
        left
    }

    fn note(&self, step: Step) {
        self.write(|domain| domain.begin(step));
    }

    /// A merge that libvirt does not see does not move the domain when it is done: where it is
    /// killed, nothing but the overlay itself says that it has to be done again.
    fn note_merge(&self, target: &str, step: &MergeStep) {
        let is_seen = !matches!(step, MergeStep::MergeStray | MergeStep::MergeHidden);
        self.write(|domain| {
            domain.begin(journalled(step));
            let overlay = domain.overlays.iter_mut().find(|overlay| overlay.target == target);
            overlay.into_iter().for_each(|overlay| overlay.merge_begun |= is_seen);
        });
    }

    fn write(&self, change: impl FnOnce(&mut DomainEntry)) {
        if let Err(error) = self.journal.domain(self.uuid, change) {
            self.say.warn("journal", error);
        }
    }

    /// Tells what happens to a merge, and never breaks it off: half a merge leaves a VM on its
    /// overlay. Keeps the targets for which anything had to be done.
    fn watch<'b>(
        &'b self,
        merged: &'b mut BTreeSet<String>,
    ) -> impl FnMut(&Overlay, CommitEvent) -> ControlFlow<()> + 'b {
        let mut bars = BTreeMap::new();
        move |overlay, event| {
            let (name, target) = (self.name, &overlay.target);
            match event {
                CommitEvent::About(step) => {
                    merged.insert(target.clone());
                    self.note_merge(target, &step);
                }
                CommitEvent::Progress(progress) => {
                    let what = || format!("{name}: {target}");
                    let bar = bars.entry(target.clone());
                    bar.or_insert_with(|| {
                        Progress::new(self.say, "commit", what(), progress.total)
                    })
                    .set(progress.done, progress.total);
                }
                CommitEvent::LimitLifted => self.say.warn(
                    "commit",
                    format_args!(
                        "{name}: {target}, the guest writes as fast as --bandwidth lets the \
                         merge go; the limit is lifted"
                    ),
                ),
                CommitEvent::Retrying(reason) => {
                    let text = format_args!("{name}: {target}, trying again: {reason}");
                    self.say.warn("commit", text);
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
}

/// The step as the journal has it.
fn journalled(step: &MergeStep) -> Step {
    match step {
        MergeStep::Pivot => Step::Pivoting,
        MergeStep::MergeOffline | MergeStep::MergeStray => Step::Merging,
        MergeStep::Redefine => Step::Redefining,
        _ => Step::Committing,
    }
}
