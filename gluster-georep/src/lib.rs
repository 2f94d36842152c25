//! GlusterFS geo-replication, driven through the `gluster` command line.
//!
//! Geo-replication copies a volume to another site as files change. A *checkpoint* is a moment of
//! which it can say: everything changed before it is on the other side. This crate runs a session
//! to a checkpoint and tells the truth about whether it was reached.
//!
//! Deciding is pure, doing is thin:
//!
//! - [`VolumeInfo`] and [`SessionStatus`] are what gluster's XML says, of every version since 3.7;
//! - [`verdict`] decides from them, and from nothing else, whether a checkpoint is complete;
//! - [`Roster`] says which worker serves which brick, and which bricks have none;
//! - [`Patience`] decides how long to wait and when to help;
//! - [`Gluster`], [`Mount`] and [`ClientMount`] run commands;
//! - [`run_to_checkpoint`] puts these together, and tells an [`Observer`] what happens.
//!
//! The words are those of GlusterFS ≥ 10: *primary* and *secondary*. The older ones are understood
//! where an older gluster prints them.
//!
//! Nothing here prints, reads the environment or exits.
//!
//! ```no_run
//! use gluster_georep::{Gluster, MountTools, Outcome, RunOptions, Session, run_to_checkpoint};
//! use tool_command::SearchPath;
//!
//! let path = SearchPath::new(std::env::var_os("PATH").as_deref());
//! let gluster = Gluster::new(path.find("gluster")?);
//! let mounts = MountTools::find(&path)?;
//! let session = Session::new("gv1", "dr.example.org::gv2".parse()?)?;
//!
//! let report =
//!     run_to_checkpoint(&gluster, &mounts, &session, &RunOptions::default(), &mut ())?;
//! assert_eq!(report.outcome, Outcome::Complete);
//! # Ok::<(), gluster_georep::Error>(())
//! ```

mod checkpoint;
mod error;
mod gluster;
mod mount;
mod mount_table;
mod nudge;
mod observer;
mod patience;
mod roster;
mod run;
#[cfg(test)]
mod scripts;
mod session;
mod state;
mod status;
mod trouble;
mod volume;
mod worker;
mod xml;

pub use checkpoint::{Baseline, SetState, Verdict, verdict};
pub use error::Error;
pub use gluster::Gluster;
pub use mount::{ClientMount, MountTools};
pub use mount_table::Mount;
pub use observer::{Event, Observer};
pub use patience::{Advice, Hopeless, Patience};
pub use roster::{Place, Progress, Roster};
pub use run::{Completion, Note, Outcome, Report, RunOptions, ShortRollover, run_to_checkpoint};
pub use session::{Secondary, Session};
pub use state::SessionState;
pub use status::SessionStatus;
pub use trouble::Trouble;
pub use volume::{Brick, BrickSet, VolumeInfo, VolumeState};
pub use worker::{CheckpointFlag, Worker, WorkerStatus};
