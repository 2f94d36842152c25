//! What is told while overlays are merged.

use std::ops::ControlFlow;

use super::Overlay;
use super::step::Step;

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

/// How far a commit is. Equal numbers do not mean that it is done: the guest goes on writing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommitProgress {
    /// Bytes merged.
    pub done: u64,
    /// Bytes known to merge; grows while the guest writes.
    pub total: u64,
}
