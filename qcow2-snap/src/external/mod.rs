//! External snapshots: an overlay takes the writes of a running domain, so that the image itself
//! stands still; later the overlay is merged back.
//!
//! ```text
//! base ──create──▶ base ◀─ overlay ──commit──▶ base (`Committed`) ──remove_overlay──▶ base
//!                  (frozen)  (in use)                  overlay unused                 overlay gone
//! ```
//!
//! [`create`] makes the overlays of all disks of a domain in one atomic step, while the guest's
//! file systems are frozen where that is asked for. [`commit`] brings the disks of a domain back,
//! side by side; it looks at where the domain *is* and does the next step, so that it can be
//! called again after any interruption, also for a domain that was shut off or started meanwhile.
//! Only the [`Committed`] that it returns can be given to [`remove_overlay`].
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
mod merge;
mod redefine;
mod step;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Error;

pub use commit::{CommitEvent, CommitOptions, Committed, Watch, commit, remove_overlay};
pub use create::{Created, PlannedOverlay, create};
pub use freeze::{Freeze, Quiesce, thaw};

/// An overlay that a disk of a domain was put on.
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
    /// Which file that is, whatever gets its name later.
    pub file: FileId,
}

/// How far a commit is. Equal numbers do not mean that it is done: the guest goes on writing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommitProgress {
    /// Bytes merged.
    pub done: u64,
    /// Bytes known to merge; grows while the guest writes.
    pub total: u64,
}

/// Which file on a machine: another file under the same name has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// The file system. A FUSE mount gets another number each time it is mounted.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
}

impl FileId {
    /// The file that is at `path` now.
    ///
    /// # Errors
    /// Where there is none.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let metadata = std::fs::symlink_metadata(path).map_err(|source| Error::Io {
            tried: "look at",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}
