//! A worker: the process that syncs one brick, and what gluster says of it.

use std::fmt;

use jiff::Timestamp;

/// The worker that syncs one brick, as the status shows it.
///
/// What gluster shows as `N/A`, or not at all, is `None`: of a worker that is not `Active` that is
/// everything but its place and its status. Times are in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Host of its brick, as in [`Brick::host`](crate::Brick::host) since 3.7.12. The last versions
    /// before show the name that the node has for itself.
    pub host: String,
    /// Directory of its brick, as in [`Brick::path`](crate::Brick::path).
    pub path: String,
    /// UUID of the host, as in [`Brick::host_uuid`](crate::Brick::host_uuid).
    pub host_uuid: Option<String>,
    /// What it does.
    pub status: WorkerStatus,
    /// How it looks for changes: `Hybrid Crawl` walks through the whole brick, `History Crawl`
    /// reads the changelogs from before its start, `Changelog Crawl` those that are closed now.
    pub crawl: Option<String>,
    /// Entry operations (create, rename, remove) it has yet to sync.
    pub entry: Option<u64>,
    /// Files whose data it has yet to sync.
    pub data: Option<u64>,
    /// Files whose attributes it has yet to sync.
    pub meta: Option<u64>,
    /// Files it could not sync. Counted up over restarts, and never down; see
    /// [`Baseline`](crate::Baseline).
    pub failures: Option<u64>,
    /// Whether it has reached the checkpoint it speaks of.
    pub checkpoint_completed: CheckpointFlag,
    /// Of which checkpoint it speaks, which may be an older one than the one that is set.
    pub checkpoint_time: Option<Timestamp>,
    /// When it reached it, by the clock of its node.
    pub checkpoint_completion_time: Option<Timestamp>,
    /// Changes of its brick up to this moment are synced.
    pub last_synced: Option<Timestamp>,
}

/// What a worker does. For anything but `Active` gluster reports `N/A` in all the counters and in
/// the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WorkerStatus {
    /// Starting; may last a minute.
    Initializing,
    /// Syncing.
    Active,
    /// Standing by for an active one of the same set.
    Passive,
    /// Failed; its monitor starts it again and again.
    Faulty,
    /// The session was made, and never started.
    Created,
    /// Started, with no word from the worker yet.
    Started,
    /// The session is paused.
    Paused,
    /// The session is stopped.
    Stopped,
    /// Its configuration differs from the other nodes'.
    Inconsistent,
    /// Its configuration cannot be read.
    ConfigCorrupted,
    /// `N/A`.
    NotApplicable,
    /// A word this crate does not know.
    Other(String),
}

/// Whether a worker has reached a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointFlag {
    /// It has.
    Yes,
    /// Not yet.
    No,
    /// No checkpoint is set, or the worker is not active.
    NotApplicable,
    /// The answer has no such element (before 3.7), or an unknown word in it.
    Unknown,
}

impl WorkerStatus {
    /// Understands gluster's word, in any case.
    pub(crate) fn read(word: &str) -> Self {
        match word.trim_end_matches('.').to_lowercase().as_str() {
            "initializing" => Self::Initializing,
            "active" => Self::Active,
            "passive" => Self::Passive,
            "faulty" => Self::Faulty,
            "created" => Self::Created,
            "started" => Self::Started,
            "paused" => Self::Paused,
            "stopped" => Self::Stopped,
            "inconsistent" => Self::Inconsistent,
            "config corrupted" => Self::ConfigCorrupted,
            "n/a" => Self::NotApplicable,
            _ => Self::Other(word.to_owned()),
        }
    }
}

impl WorkerStatus {
    /// Whether nothing can be said of a worker in this state, nor of what it has synced.
    pub(crate) fn is_unclear(&self) -> bool {
        matches!(
            self,
            Self::Inconsistent | Self::ConfigCorrupted | Self::NotApplicable | Self::Other(_)
        )
    }

    /// Whether the session does not run where this is its worker.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self, Self::Created | Self::Paused | Self::Stopped)
    }
}

impl fmt::Display for WorkerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initializing => "Initializing...",
            Self::Active => "Active",
            Self::Passive => "Passive",
            Self::Faulty => "Faulty",
            Self::Created => "Created",
            Self::Started => "Started",
            Self::Paused => "Paused",
            Self::Stopped => "Stopped",
            Self::Inconsistent => "inconsistent",
            Self::ConfigCorrupted => "Config Corrupted",
            Self::NotApplicable => "N/A",
            Self::Other(word) => word,
        })
    }
}
