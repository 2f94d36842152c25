//! What a session as a whole does.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{SessionStatus, WorkerStatus};

/// Whether a session runs. In JSON `running`, `paused` or `stopped`, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// Its workers run, or try to.
    Running,
    /// It is paused: `resume` makes it go on.
    Paused,
    /// It is stopped, or was never started.
    Stopped,
}

impl SessionState {
    /// The state of a session that gluster shows like this. It runs where any worker is not at
    /// rest, and is stopped where it has no worker.
    pub fn of(status: &SessionStatus) -> Self {
        let mut workers = status.workers.iter().map(|worker| &worker.status);
        if !workers.clone().all(WorkerStatus::is_at_rest) {
            Self::Running
        } else if workers.any(|status| *status == WorkerStatus::Paused) {
            Self::Paused
        } else {
            Self::Stopped
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}
