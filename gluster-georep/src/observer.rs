//! What a run tells its caller while it goes on.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::{Error, Note, SessionState, SessionStatus, Verdict};

/// What happens during a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A run before this one was killed, and left this note. What it had changed is put back now.
    FoundNote(&'a Note),
    /// A run before this one was killed, and left a volume mounted here. It no longer is.
    FoundMount(&'a Path),
    /// What a run before this one may have left mounted could not be taken down. The run can do
    /// without, and does not try it again.
    MountStays(&'a Error),
    /// The session exists, and was in this state before this run, or before one that was killed.
    /// Nothing has been changed yet.
    Found(SessionState),
    /// The session was stopped, so that it can be started anew.
    Stopped,
    /// The checkpoint was set to this second, by the clock of this node.
    CheckpointSet(Timestamp),
    /// A change was made on every brick, so that workers that rest move on.
    Nudged,
    /// The bricks were not told to close their changelogs, as [`RunOptions::rollover`] asks for: it
    /// is not known when they do by themselves, and a changelog could be lost.
    ///
    /// [`RunOptions::rollover`]: crate::RunOptions::rollover
    TurnsUnknown,
    /// Waiting so long for the bricks to close their changelogs by themselves.
    Settling(Duration),
    /// The session was started.
    Started,
    /// The session was checked for the `turn`th time.
    Checked {
        /// Counted from 1.
        turn: u32,
        /// How far it is.
        verdict: &'a Verdict,
        /// What gluster said.
        status: &'a SessionStatus,
    },
    /// Something failed that passes, or that the run can do without; it goes on. Told once until
    /// it has passed.
    Retrying(&'a Error),
    /// The session was stopped and started again, as it was stuck.
    Restarted,
    /// The checkpoint is complete; the session is about to be stopped.
    Stopping,
    /// The run has ended and left the session in this state.
    Left(SessionState),
}

/// Who is told what happens: a log, a progress bar, or `&mut ()` for nobody.
///
/// It is told on the thread of the run, which waits for it meanwhile.
pub trait Observer {
    /// Takes what has just happened. What is borrowed is gone when this returns.
    fn event(&mut self, _event: &Event<'_>) {}
}

/// Nobody.
impl Observer for () {}
