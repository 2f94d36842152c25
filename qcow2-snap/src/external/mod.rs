//! External snapshots: an overlay takes the writes of a running domain, so that the image itself
//! stands still; later the overlay is merged back.
//!
//! ```text
//! base ──create──▶ base ◀─ overlay ──commit──▶ base (`Committed`) ──remove_overlay──▶ base
//!                  (frozen)  (in use)                  overlay unused                 overlay gone
//! ```
//!
//! [`prepare`] names the overlays and changes nothing. [`create`] makes those of all disks of a
//! domain in one atomic step, while the guest's file systems are frozen where that is asked for.
//! [`commit`] brings the disks of a domain back, side by side; it looks at where the domain *is*
//! and does the next step, so that it can be called again after any interruption, with overlays
//! that never came to be, and for a domain that was shut off, started or undefined meanwhile.
//! Only the [`Committed`] that it returns can be given to [`remove_overlay`].
//!
//! So whoever writes down what [`prepare`] returned before calling [`create`] can put everything
//! right later, from any point: [`thaw`], [`settle`], [`commit`], [`remove_overlay`].
//!
//! What libvirt would do by itself, and what is done about it:
//! - `snapshot-create-as` makes overlays for disks that were not named too: every other disk is
//!   named with `snapshot=no`.
//! - `blockcommit` flattens the whole chain, into the template that other domains use: `--base`
//!   is always given.
//! - `blockcommit --timeout` aborts the job half way; `--wait --pivot` may pivot too early: the
//!   job is only started, and pivoted when the XML says `ready='yes'`.
//! - A job that has vanished has ended one way or the other: only the XML says which.
//! - A job with a limit never catches up with a guest that writes faster: the limit is lifted.
//! - A freeze that failed may have frozen: the guest is thawed whatever happens.

mod commit;
mod convergence;
mod create;
mod freeze;
mod hidden;
mod look;
mod merge;
mod options;
mod planned;
mod redefine;
mod remove;
mod settle;
mod step;
mod stray;
mod watch;

use std::path::PathBuf;

pub use commit::commit;
pub use create::{CreateStep, Created, PlannedOverlay, Prepared, create, prepare};
pub use freeze::{Freeze, Quiesce, thaw};
pub use options::CommitOptions;
pub use planned::{commit_commands, create_commands};
pub use remove::remove_overlay;
pub use settle::settle;
pub use step::{Step, next_step};
pub use watch::{CommitEvent, CommitProgress, Watch};

/// An overlay that a disk of a domain is on, or was to be put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The domain's UUID.
    pub domain: String,
    /// The disk's target, such as `vda`.
    pub target: String,
    /// The image that stands still.
    pub base: PathBuf,
    /// The file that takes the writes.
    pub overlay: PathBuf,
    /// Which file that is, whatever gets its name later: its inode number, which stays the same
    /// when the file system is mounted again. `None` where it was not looked at.
    pub inode: Option<u64>,
    /// Whether it was ever begun to merge it back: then the base may hold all that it holds, though
    /// it still holds it, too. Whoever writes overlays down sets it at [`CommitEvent::About`], but not
    /// for [`Step::MergeStray`] and [`Step::MergeHidden`], which are done without libvirt.
    pub merge_begun: bool,
}

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
