//! One overlay on its way back: does the steps that [`super::step`] decides, and tries again what
//! may pass.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::convergence::Convergence;
use super::hidden;
use super::look::Look;
use super::options::CommitOptions;
use super::redefine::redefine;
use super::step::Step;
use super::stray::Stray;
use super::watch::{CommitEvent, Watch};
use super::{Committed, Overlay};
use crate::Error;
use crate::image;
use crate::qemu_img::QemuImg;
use crate::virsh::{Virsh, VirshFailure};

/// How often a step that failed is tried again.
const TRIES: u32 = 8;

/// How many steps other than waiting are taken. A domain that is shut off and started in turn is
/// nothing that one more would mend.
const STEPS: u32 = 16;

/// How long after a step that failed the next is tried: doubled each time, up to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(16));

/// How often a block job is asked how far it is.
const PROGRESS: Duration = Duration::from_secs(1);

/// Why libvirt says that a domain is shut off that it has moved to another host.
const MIGRATED: &str = "migrated";

/// How long a job with a limit may come no nearer to its end before the limit is lifted.
const LIMIT_LIFTED_AFTER: Duration = Duration::from_secs(60);

/// How long the definition may lag behind after a pivot.
const SETTLE: Duration = Duration::from_secs(10);

/// One overlay on its way back.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    virsh: &'a Virsh,
    qemu_img: &'a QemuImg,
    overlay: &'a Overlay,
    options: CommitOptions,
    began: Instant,
    steps: u32,
    tries: u32,
    not_before: Instant,
    /// Whether a block job was started or found, and has not been pivoted.
    started: bool,
    pivoted: Option<Instant>,
    /// Whether what the overlay holds is in the base.
    merged: bool,
    told: Option<Instant>,
    convergence: Convergence,
    lifted: bool,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        virsh: &'a Virsh,
        qemu_img: &'a QemuImg,
        overlay: &'a Overlay,
        options: CommitOptions,
    ) -> Self {
        let now = Instant::now();
        Self {
            virsh,
            qemu_img,
            overlay,
            options,
            began: now,
            steps: 0,
            tries: 0,
            not_before: now,
            started: false,
            pivoted: None,
            merged: false,
            told: None,
            convergence: Convergence::default(),
            lifted: options.bandwidth.is_none(),
        }
    }

    /// Takes the disk one step further. Returns the overlay when it is merged.
    pub(super) fn advance(
        &mut self,
        look: &Look<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Committed>, Error> {
        if Instant::now() < self.not_before {
            return Ok(None);
        }
        match self.next_step(look) {
            Ok(Step::Done) => return Ok(Some(Committed { overlay: self.overlay.clone() })),
            Ok(Step::Stop(reason)) => return Err(self.not_committed(reason)),
            Ok(Step::Wait) => {
                self.started = true;
                self.wait(watch)?;
            }
            Ok(Step::Redefine) if self.is_settling() => {}
            Ok(Step::Start) if std::mem::take(&mut self.started) => {
                let errors = self.virsh.disk_errors(&self.overlay.domain).unwrap_or_default();
                let shown = if errors.is_empty() { errors } else { format!(" ({errors})") };
                self.again(format!("the block job ended before its time{shown}"), watch)?;
            }
            Ok(_) if self.steps == STEPS => {
                return Err(
                    self.not_committed(format!("{STEPS} steps did not bring it to its end"))
                );
            }
            Ok(step) => {
                self.steps += 1;
                self.tell(CommitEvent::About(step.clone()), watch)?;
                if let Err(error) = self.act(&step) {
                    self.again_after(error, watch)?;
                }
            }
            Err(error) => self.again_after(error, watch)?,
        }
        Ok(None)
    }

    /// Where libvirt says that there is nothing to do, the overlay may say otherwise, unless it was
    /// merged before libvirt's eyes.
    fn next_step(&self, look: &Look<'_>) -> Result<Step, Error> {
        match look.step(self.overlay)? {
            (Step::Done, disk) if !self.merged => {
                let stray = Stray::look(self.qemu_img, self.overlay)?;
                Ok(stray.map_or(Step::Done, |s| s.next_step(disk, self.overlay.merge_begun)))
            }
            (step, _) => Ok(step),
        }
    }

    fn act(&mut self, step: &Step) -> Result<(), Error> {
        self.try_to_act(step)?;
        self.merged |= !matches!(step, Step::Start);
        Ok(())
    }

    fn try_to_act(&mut self, step: &Step) -> Result<(), Error> {
        let Overlay { domain, target, base, overlay: top, .. } = self.overlay;
        // While a block job is at work libvirt takes no snapshot.
        if !matches!(step, Step::Pivot | Step::Redefine) {
            self.must_hold_no_snapshot()?;
        }
        match step {
            Step::Start => {
                let bandwidth = self.options.bandwidth.filter(|_| !self.lifted);
                self.virsh.block_commit(domain, target, base, top, bandwidth)?;
                self.started = true;
                Ok(())
            }
            Step::Pivot => {
                self.virsh.pivot(domain, target)?;
                self.started = false;
                self.pivoted = Some(Instant::now());
                Ok(())
            }
            Step::Redefine => redefine(self.virsh, self.overlay),
            // A domain that was started meanwhile holds a lock on the image, and qemu-img fails.
            // One that is started between the two runs on the overlay, which the next look at it
            // finds.
            Step::MergeOffline => {
                if self.virsh.state_and_reason(domain)?.1 == MIGRATED {
                    return Err(self.not_committed(
                        "the domain was migrated to another host, and runs there".to_owned(),
                    ));
                }
                self.qemu_img.commit(top, base)?;
                redefine(self.virsh, self.overlay)
            }
            Step::MergeStray => Ok(self.qemu_img.commit(top, base)?),
            Step::MergeHidden => hidden::merge(self.virsh, self.overlay),
            Step::Wait | Step::Done | Step::Stop(_) => Ok(()),
        }
    }

    /// An internal snapshot that somebody has taken meanwhile lies in the overlay, and would be gone
    /// with it.
    fn must_hold_no_snapshot(&self) -> Result<(), Error> {
        let snapshots = snapshots_in(&self.overlay.overlay)?;
        if snapshots.is_empty() {
            return Ok(());
        }
        Err(self.not_committed(format!(
            "it holds what somebody else has made and would be lost: snapshot {}; delete it with \
             `virsh snapshot-delete`",
            snapshots.join(", ")
        )))
    }

    /// Tells how far the block job is, once a second, and lifts its limit where it must be.
    fn wait(&mut self, watch: &mut Watch<'_>) -> Result<(), Error> {
        if self.told.is_some_and(|told| told.elapsed() < PROGRESS) {
            return Ok(());
        }
        self.told = Some(Instant::now());
        let Overlay { domain, target, .. } = self.overlay;
        let progress = match self.virsh.block_job(domain, target) {
            Ok(progress) => progress,
            Err(error) => return self.again_after(error, watch),
        };
        let left = progress.map_or(u64::MAX, |job| job.total.saturating_sub(job.done));
        let stalled = self.convergence.stalled_for(left, self.began.elapsed());
        if self.options.patience.is_some_and(|patience| stalled >= patience) {
            return Err(self.not_committed(format!(
                "the block job has come no nearer to its end for {} s; it goes on",
                stalled.as_secs()
            )));
        }
        if stalled >= LIMIT_LIFTED_AFTER && !self.lifted {
            if let Err(error) = self.virsh.lift_bandwidth_limit(domain, target) {
                return self.again_after(error, watch);
            }
            self.lifted = true;
            self.convergence = Convergence::default();
            self.tell(CommitEvent::LimitLifted, watch)?;
        }
        progress.map_or(Ok(()), |job| self.tell(CommitEvent::Progress(job), watch))
    }

    /// Tries again whatever may pass: the domain has moved on since it was looked at, libvirt is
    /// busy or restarting, a tool was killed. To give up leaves a VM on its overlay.
    fn again_after(&mut self, error: Error, watch: &mut Watch<'_>) -> Result<(), Error> {
        match error.virsh_failure() {
            Some(VirshFailure::AccessDenied | VirshFailure::NoSpace) => Err(error),
            None if matches!(error, Error::NotCommitted { .. }) => Err(error),
            _ => self.again(error.to_string(), watch),
        }
    }

    /// Another try, in a while.
    fn again(&mut self, reason: String, watch: &mut Watch<'_>) -> Result<(), Error> {
        if self.tries == TRIES {
            let reason = format!("{TRIES} tries did not bring it to its end; the last: {reason}");
            return Err(self.not_committed(reason));
        }
        self.not_before = Instant::now() + (BACK_OFF.0 * 2_u32.pow(self.tries)).min(BACK_OFF.1);
        self.tries += 1;
        self.tell(CommitEvent::Retrying(reason), watch)
    }

    fn tell(&self, event: CommitEvent, watch: &mut Watch<'_>) -> Result<(), Error> {
        if watch(self.overlay, event).is_break() {
            return Err(self.not_committed("it was told to stop waiting".to_owned()));
        }
        Ok(())
    }

    /// Whether the definition may still be on the overlay because the pivot has only just been.
    fn is_settling(&self) -> bool {
        self.pivoted.is_some_and(|at| at.elapsed() < SETTLE)
    }

    fn not_committed(&self, reason: String) -> Error {
        Error::NotCommitted { overlay: Box::new(self.overlay.clone()), reason }
    }
}

/// The names of the internal snapshots in the image at `path`; none where there is no image.
fn snapshots_in(path: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Io { tried: "read the overlay", path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.map_err(failed)?,
    };
    let image = image::inspect(&file).map_err(failed)?.image;
    let snapshots = image.into_iter().flat_map(|image| image.snapshots);
    Ok(snapshots.map(|snapshot| format!("`{}`", String::from_utf8_lossy(&snapshot.name))).collect())
}
