//! Brings the disks of a domain back to their bases, side by side.

use std::cell::OnceCell;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::merge::Merge;
use super::step::{self, Step};
use super::stray::Disk;
use super::{CommitProgress, Overlay};
use crate::Error;
use crate::domain::Domain;
use crate::qemu_img::QemuImg;
use crate::virsh::{Definition, Virsh, VirshFailure};

/// How often the domain is looked at: often while a short merge may end any moment, then less,
/// because every look costs libvirt and this machine something.
const POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// An overlay whose content is in its base, and that its domain does not use any more.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the overlay's file is still there"]
pub struct Committed {
    pub(super) overlay: Overlay,
}

impl Committed {
    /// The overlay.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }
}

/// How overlays are merged.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CommitOptions {
    /// What each disk's block job may read and write, in MiB/s; `None` is without a limit. It is
    /// lifted where the guest writes so much that the merge comes no nearer to its end for a
    /// minute. `qemu-img`, which merges for a domain that is shut off, knows no limit.
    pub bandwidth: Option<NonZeroU32>,
    /// How long a block job may come no nearer to its end before it is not waited for any more;
    /// `None` waits on. It goes on all the same, and so does the guest on its overlay.
    pub patience: Option<Duration>,
}

impl CommitOptions {
    /// Sets the limit, in MiB/s.
    #[must_use]
    pub fn with_bandwidth(self, bandwidth: Option<NonZeroU32>) -> Self {
        Self { bandwidth, ..self }
    }

    /// Sets the patience.
    #[must_use]
    pub fn with_patience(self, patience: Option<Duration>) -> Self {
        Self { patience, ..self }
    }
}

/// What happens while an overlay is merged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitEvent {
    /// How far the block job is; at most once a second.
    Progress(CommitProgress),
    /// The limit on the bandwidth was lifted, as the guest writes as fast as that.
    LimitLifted,
    /// A step failed, for this reason, and will be tried again.
    Retrying(String),
    /// This step is about to be done: one of those that change something.
    About(Step),
}

/// Who is told what happens; [`ControlFlow::Break`] ends the waiting for that disk.
pub type Watch<'a> = dyn FnMut(&Overlay, CommitEvent) -> ControlFlow<()> + 'a;

/// Merges overlays of **one** domain into their bases side by side, and puts the domain back on
/// the bases, wherever an earlier call was interrupted: a block job that is at work is waited for,
/// a domain that was shut off is merged with qemu-img and redefined, for one that is not defined
/// any more qemu-img merges alone. A disk that is on its base already is committed, unless its
/// overlay holds what the base does not.
///
/// `watch` is told what happens, and may end the waiting for a disk; it is not asked while qemu-img
/// works. Whatever happens, the overlays' files stay. There is one result for each overlay, in
/// their order.
///
/// # Errors
/// [`Error::NotCommitted`] where `watch` broke off or the patience ended (the block job goes on),
/// where the disk is neither on the overlay nor on its base, or where no try succeeded; other errors
/// as virsh and qemu-img fail. After any error the overlay may be in use.
pub fn commit(
    virsh: &Virsh,
    qemu_img: &QemuImg,
    overlays: &[Overlay],
    options: CommitOptions,
    watch: &mut Watch<'_>,
) -> Vec<Result<Committed, Error>> {
    let merges = overlays.iter().map(|overlay| Merge::new(virsh, qemu_img, overlay, options));
    let mut merges: Vec<_> = merges.collect();
    let mut results: Vec<Option<Result<Committed, Error>>> =
        overlays.iter().map(|_| None).collect();
    let began = Instant::now();
    while let Some(overlay) = overlays.first().filter(|_| results.iter().any(Option::is_none)) {
        let look = Look::at(virsh, &overlay.domain);
        for (merge, result) in merges.iter_mut().zip(&mut results) {
            if result.is_none() {
                *result = merge.advance(&look, watch).transpose();
            }
        }
        if results.iter().any(Option::is_none) {
            std::thread::sleep((began.elapsed() / 8).clamp(POLL.0, POLL.1));
        }
    }
    results.into_iter().flatten().collect()
}

/// What libvirt says of a domain at one moment: asked once for all its disks.
pub(super) struct Look<'a> {
    virsh: &'a Virsh,
    domain: &'a str,
    live: OnceCell<Domain>,
    persistent: OnceCell<Domain>,
}

impl<'a> Look<'a> {
    fn at(virsh: &'a Virsh, domain: &'a str) -> Self {
        Self { virsh, domain, live: OnceCell::new(), persistent: OnceCell::new() }
    }

    /// The next step for the disk of `overlay`, and whether its domain runs, is shut off, or is gone.
    pub(super) fn step(&self, overlay: &Overlay) -> Result<(Step, Disk), Error> {
        let live = match self.definition(&self.live, Definition::Live) {
            Err(error) if error.virsh_failure() == Some(VirshFailure::NoSuchDomain) => {
                let used = step::used_by_another(overlay, &self.virsh.all_domains()?);
                return Ok((used.unwrap_or(Step::Done), Disk::Gone));
            }
            live => live?,
        };
        let disk = if live.is_active() { Disk::RunsOnBase } else { Disk::DefinedOnBase };
        if let Some(step) = step::while_running(overlay, live) {
            return Ok((step, disk));
        }
        let persistent = self.definition(&self.persistent, Definition::Persistent)?;
        Ok((step::next_step(overlay, live, persistent), disk))
    }

    fn definition<'b>(
        &self,
        cell: &'b OnceCell<Domain>,
        which: Definition,
    ) -> Result<&'b Domain, Error> {
        match cell.get() {
            Some(domain) => Ok(domain),
            None => {
                let domain = self.virsh.domain(self.domain, which)?;
                Ok(cell.get_or_init(|| domain))
            }
        }
    }
}
