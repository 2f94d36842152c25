//! How overlays are merged.

use std::num::NonZeroU32;
use std::time::Duration;

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
