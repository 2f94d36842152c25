use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::redefine::redefine;
use super::step::{self, Step};
use super::{CommitProgress, FileId, Overlay};
use crate::Error;
use crate::domain::Domain;
use crate::qemu_img::QemuImg;
use crate::virsh::{Definition, Virsh, VirshFailure};

/// How often the domain is looked at while a block job is at work.
const POLL: Duration = Duration::from_millis(300);

/// How often a step other than waiting is tried. A job that vanishes again and again, or a domain
/// that is shut off and started in turn, is nothing that one more try would mend.
const TRIES: u32 = 8;

/// How long the definition may lag behind after a pivot.
const SETTLE: Duration = Duration::from_secs(10);

/// An overlay whose content is in its base, and that its domain does not use any more.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the overlay's file is still there"]
pub struct Committed {
    overlay: Overlay,
}

impl Committed {
    /// The overlay.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }
}

/// Merges an overlay into its base and puts the domain back on the base, wherever an earlier call
/// was interrupted: a block job that is at work is waited for, a domain that was shut off is
/// merged with qemu-img and redefined.
///
/// `watch` is told the progress several times a second, and may end the waiting; it is not asked
/// while qemu-img works. Whatever happens, the overlay's file stays.
///
/// # Errors
/// [`Error::NotCommitted`] where `watch` broke off (the block job goes on), where the disk is
/// neither on the overlay nor on its base, or where no try succeeded; other errors as virsh and
/// qemu-img fail. After any error the overlay may be in use.
pub fn commit(
    virsh: &Virsh,
    qemu_img: &QemuImg,
    overlay: &Overlay,
    watch: &mut dyn FnMut(CommitProgress) -> ControlFlow<()>,
) -> Result<Committed, Error> {
    let not_committed =
        |reason: String| Err(Error::NotCommitted { overlay: Box::new(overlay.clone()), reason });
    let mut progress = CommitProgress::default();
    let mut tries = 0;
    let mut pivoted = None;
    loop {
        let (live, persistent) = both(virsh, overlay)?;
        match step::next(overlay, &live, &persistent) {
            Step::Done => return Ok(Committed { overlay: overlay.clone() }),
            Step::Stop(reason) => return not_committed(reason),
            Step::Wait => {}
            Step::Redefine if settling(pivoted) => {}
            _ if tries == TRIES => {
                return not_committed(format!("{TRIES} tries did not bring it to its end"));
            }
            step => {
                tries += 1;
                if step == Step::Pivot {
                    pivoted = Some(Instant::now());
                }
                act(&step, virsh, qemu_img, overlay).or_else(pass_over)?;
            }
        }
        progress = self::progress(virsh, overlay)?.unwrap_or(progress);
        if watch(progress).is_break() {
            return not_committed("it was told to stop waiting".to_owned());
        }
        std::thread::sleep(POLL);
    }
}

fn act(step: &Step, virsh: &Virsh, qemu_img: &QemuImg, overlay: &Overlay) -> Result<(), Error> {
    let Overlay { domain, target, base, overlay: top, .. } = overlay;
    match step {
        Step::Start => virsh.block_commit(domain, target, base, top),
        Step::Pivot => virsh.pivot(domain, target),
        Step::Redefine => redefine(virsh, overlay),
        // A domain that was started meanwhile holds a lock on the image, and qemu-img fails. One
        // that is started between the two runs on the overlay, which the next look at it finds.
        Step::MergeOffline => {
            qemu_img.commit(top, base)?;
            redefine(virsh, overlay)
        }
        Step::Wait | Step::Done | Step::Stop(_) => Ok(()),
    }
}

fn both(virsh: &Virsh, overlay: &Overlay) -> Result<(Domain, Domain), Error> {
    let live = virsh.domain(&overlay.domain, Definition::Live)?;
    Ok((live, virsh.domain(&overlay.domain, Definition::Persistent)?))
}

/// Whether the definition may still be on the overlay because the pivot has only just been.
fn settling(pivoted: Option<Instant>) -> bool {
    pivoted.is_some_and(|at| at.elapsed() < SETTLE)
}

/// Lets those errors pass that only say that the domain has moved on since it was looked at.
fn pass_over(error: Error) -> Result<(), Error> {
    match error.virsh_failure() {
        Some(
            VirshFailure::NotReadyForPivot
            | VirshFailure::NoBlockJob
            | VirshFailure::BlockJobActive
            | VirshFailure::NotRunning
            | VirshFailure::Locked,
        ) => Ok(()),
        _ => Err(error),
    }
}

/// How far the block job is; `None` where there is none, or none can be asked now.
fn progress(virsh: &Virsh, overlay: &Overlay) -> Result<Option<CommitProgress>, Error> {
    virsh
        .block_job(&overlay.domain, &overlay.target)
        .or_else(|error| pass_over(error).map(|()| None))
}

/// Deletes the file of an overlay that was committed.
///
/// # Errors
/// [`Error::NotRemoved`] where either description of the domain names it anywhere, or another
/// file has its name; other errors where virsh or the system fails. The file is still there then.
pub fn remove_overlay(virsh: &Virsh, committed: Committed) -> Result<(), Error> {
    let overlay = committed.overlay;
    let not_removed = |reason: &str| Error::NotRemoved {
        overlay: Box::new(overlay.clone()),
        reason: reason.to_owned(),
    };
    let (live, persistent) = both(virsh, &overlay)?;
    if live.mentions(&overlay.overlay) || persistent.mentions(&overlay.overlay) {
        return Err(not_removed("the domain names it"));
    }
    if FileId::of(&overlay.overlay)? != overlay.file {
        return Err(not_removed("it is not the file that was made"));
    }
    std::fs::remove_file(&overlay.overlay).map_err(|source| Error::Io {
        tried: "delete the overlay",
        path: overlay.overlay.clone(),
        source,
    })
}
