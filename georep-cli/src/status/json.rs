//! Sessions for programs: one line of JSON with all of them.

use gluster_georep::{CheckpointFlag, Place, SessionState};
use jiff::Timestamp;
use serde::Serialize;

use super::Overview;
use super::state::{self, State};
use super::text::is_wanted;

#[derive(Serialize)]
struct Session<'a> {
    primary: &'a str,
    secondary: &'a str,
    state: SessionState,
    healthy: bool,
    sets: usize,
    checkpoint: Option<Checkpoint>,
    proven_copy: Option<Proven<'a>>,
    bricks: Vec<Brick<'a>>,
}

#[derive(Serialize)]
struct Checkpoint {
    time: Timestamp,
    sets_reached: usize,
}

/// The newest copy that backups of this host have proven.
#[derive(Serialize)]
struct Proven<'a> {
    run: &'a str,
    time: Timestamp,
    level: String,
    overwritten_by: Option<&'a str>,
}

/// What gluster does not say is null.
#[derive(Serialize)]
struct Brick<'a> {
    set: Option<usize>,
    host: &'a str,
    path: &'a str,
    status: String,
    crawl: Option<&'a str>,
    last_synced: Option<Timestamp>,
    checkpoint_completed: Option<bool>,
    checkpoint_time: Option<Timestamp>,
    checkpoint_completion_time: Option<Timestamp>,
    entry: Option<u64>,
    data: Option<u64>,
    meta: Option<u64>,
    failures: Option<u64>,
}

/// An array of all sessions, with the bricks whose worker is in one of `states`, or all where none
/// is named.
pub(super) fn line(overviews: &[Overview], states: &[State]) -> String {
    let sessions: Vec<_> = overviews.iter().map(|overview| session(overview, states)).collect();
    // Strings, numbers and options of them always can be written.
    serde_json::to_string(&sessions).unwrap_or_default() + "\n"
}

fn session<'a>(overview: &'a Overview, states: &[State]) -> Session<'a> {
    let Overview { session, roster, proven } = overview;
    let wanted = roster.places.iter().filter(|place| is_wanted(State::of(place), states));
    Session {
        primary: &session.primary,
        secondary: &session.secondary,
        state: SessionState::of(session),
        healthy: roster.is_healthy(),
        sets: roster.sets,
        checkpoint: roster.checkpoint.as_ref().map(|checkpoint| Checkpoint {
            time: checkpoint.time,
            sets_reached: checkpoint.reached,
        }),
        proven_copy: proven.as_ref().map(|copy| Proven {
            run: &copy.run,
            time: copy.of,
            level: copy.level.to_string(),
            overwritten_by: copy.overwritten_by.as_deref(),
        }),
        bricks: wanted.map(brick).collect(),
    }
}

fn brick(place: &Place) -> Brick<'_> {
    let worker = place.worker.as_ref();
    Brick {
        set: place.set,
        host: &place.brick.host,
        path: &place.brick.path,
        status: state::name(place),
        crawl: worker.and_then(|worker| worker.crawl.as_deref()),
        last_synced: worker.and_then(|worker| worker.last_synced),
        checkpoint_completed: worker.and_then(|worker| match worker.checkpoint_completed {
            CheckpointFlag::Yes => Some(true),
            CheckpointFlag::No => Some(false),
            CheckpointFlag::NotApplicable | CheckpointFlag::Unknown => None,
        }),
        checkpoint_time: worker.and_then(|worker| worker.checkpoint_time),
        checkpoint_completion_time: worker.and_then(|worker| worker.checkpoint_completion_time),
        entry: worker.and_then(|worker| worker.entry),
        data: worker.and_then(|worker| worker.data),
        meta: worker.and_then(|worker| worker.meta),
        failures: worker.and_then(|worker| worker.failures),
    }
}
