#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! Deciding is pure, doing is thin:
//!
//! - [`Session`] and [`Secondary`] name what is meant;
//! - [`VolumeInfo`] and [`SessionStatus`] are what gluster's XML says, of every version since 3.7;
//! - [`verdict`] decides from them, and from nothing else, whether a checkpoint is complete;
//! - [`Roster`] says which worker serves which brick, and which bricks have none;
//! - [`Patience`] decides how long to wait and when to help;
//! - [`Gluster`], [`Mount`] and [`ClientMount`] run commands;
//! - [`run_to_checkpoint`] puts these together, and tells an [`Observer`] what happens.

mod checkpoint;
mod error;
mod gluster;
mod mount;
mod mount_table;
mod nudge;
mod observer;
mod patience;
mod peer;
mod roster;
mod run;
mod session;
mod state;
mod status;
mod trouble;
mod turns;
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
pub use peer::{BrickState, Peer};
pub use roster::{Place, Progress, Roster};
pub use run::{
    ChangedRollover, Completion, Note, Outcome, Planned, Report, RunOptions, planned_look,
    planned_run, recover, run_to_checkpoint,
};
pub use session::{Secondary, Session};
pub use state::SessionState;
pub use status::SessionStatus;
pub use trouble::Trouble;
pub use volume::{Brick, BrickSet, VolumeInfo, VolumeState};
pub use worker::{CheckpointFlag, Worker, WorkerStatus};
