//! The states a brick's worker can be in, as they are shown, coloured and asked for.

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use gluster_georep::{Place, WorkerStatus};

/// What the worker of a brick does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum State {
    /// Syncing
    Active,
    /// Standing by for an active one of the same set
    Passive,
    /// Starting
    Initializing,
    /// Started, with no word from the worker yet
    Started,
    /// The session was made, and never started
    Created,
    /// The session is paused
    Paused,
    /// The session is stopped
    Stopped,
    /// The worker failed; it is started again and again
    Faulty,
    /// There is no worker: the peer is down
    Offline,
    /// Inconsistent, its configuration corrupted, or in a state not known here
    Unclear,
}

impl State {
    /// The state of `place`.
    pub(super) fn of(place: &Place) -> Self {
        match place.worker.as_ref().map(|worker| &worker.status) {
            None => Self::Offline,
            Some(WorkerStatus::Active) => Self::Active,
            Some(WorkerStatus::Passive) => Self::Passive,
            Some(WorkerStatus::Initializing) => Self::Initializing,
            Some(WorkerStatus::Started) => Self::Started,
            Some(WorkerStatus::Created) => Self::Created,
            Some(WorkerStatus::Paused) => Self::Paused,
            Some(WorkerStatus::Stopped) => Self::Stopped,
            Some(WorkerStatus::Faulty) => Self::Faulty,
            Some(_) => Self::Unclear,
        }
    }

    /// How it looks.
    pub(super) fn style(self) -> Style {
        match self {
            Self::Active => AnsiColor::Green.on_default(),
            Self::Passive => Style::new().dimmed(),
            Self::Initializing | Self::Started => AnsiColor::Yellow.on_default(),
            Self::Created | Self::Paused | Self::Stopped => Style::new(),
            Self::Faulty | Self::Offline | Self::Unclear => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// What the state of `place` is called: gluster's own word.
pub(super) fn name(place: &Place) -> String {
    let worker = place.worker.as_ref();
    worker.map_or_else(|| "Offline".to_owned(), |worker| worker.status.to_string())
}
