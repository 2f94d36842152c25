//! `georep status`: what the workers of every session do, bricks without a worker included.

mod age;
mod fit;
mod json;
mod screen;
mod state;
mod table;
mod text;
mod watch;

use std::time::Duration;

use gluster_georep::{Gluster, Roster, Session, SessionStatus, VolumeInfo};
use jiff::{SignedDuration, Timestamp};

pub(crate) use self::state::State;
use crate::args::StatusArgs;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::retry::patiently;
use crate::runs::{ProvenCopy, newest_proven};
use crate::state_dir::journals;
use crate::stdout;
use crate::terminal;
use crate::tools::search_path;
use crate::unknown_session;

/// A session, who serves its bricks, and its newest proven copy that this host knows of.
struct Overview {
    session: SessionStatus,
    roster: Roster,
    proven: Option<ProvenCopy>,
}

/// Runs `georep status`.
pub(crate) fn run(args: &StatusArgs) -> Result<Exit, CliError> {
    if args.no_color {
        anstream::ColorChoice::Never.write_global();
    }
    let gluster = Gluster::new(search_path().find("gluster")?);
    if let Some(seconds) = args.watch {
        return watch::run(args, &gluster, Duration::from_secs(seconds));
    }
    let asked = patiently(|| ask(&gluster, args));
    let overviews =
        asked.map_err(|error| unknown_session::explain(&gluster, &given(args), error))?;
    if overviews.is_empty() {
        return none(&gluster, args);
    }
    stdout::print(shown(&overviews, args, terminal::columns()))?;
    let now = Timestamp::now();
    overviews.iter().try_for_each(|overview| must_be_recent(overview, args.max_age, now))?;
    Ok(exit(&overviews))
}

/// Whether the newest proven copy of a session is no older than was asked for.
fn must_be_recent(
    overview: &Overview,
    max_age: Option<SignedDuration>,
    now: Timestamp,
) -> Result<(), CliError> {
    let Some(max_age) = max_age else { return Ok(()) };
    let SessionStatus { primary, secondary, .. } = &overview.session;
    let session = format!("{primary} → {secondary}");
    let copy = match &overview.proven {
        None => format!("no proven copy of session {session} is known on this host"),
        Some(ProvenCopy { run, overwritten_by: Some(later), .. }) => format!(
            "the newest proven copy of session {session}, {run}, was overwritten by {later}, which \
             proved nothing"
        ),
        Some(copy) if now.duration_since(copy.of) <= max_age => return Ok(()),
        Some(copy) => format!(
            "the newest proven copy of session {session}, {}, is of {}, older than {max_age:#}",
            copy.run,
            age::ago(copy.of, now)
        ),
    };
    Err(CliError::failed(copy).hint("`georep runs` shows how the last backups ended"))
}

/// Asks for the workers and the bricks of the sessions that are meant.
fn ask(gluster: &Gluster, args: &StatusArgs) -> Result<Vec<Overview>, gluster_georep::Error> {
    let sessions = match (&args.primary, &args.secondary) {
        (Some(primary), Some(secondary)) => {
            vec![gluster.status(&Session::new(primary, secondary.clone())?)?]
        }
        (primary, _) => gluster.sessions(primary.as_deref())?,
    };
    let mut volumes: Vec<VolumeInfo> = Vec::new();
    let overview = |session: SessionStatus| {
        if !volumes.iter().any(|volume| volume.name == session.primary) {
            volumes.push(gluster.volume_info(&session.primary)?);
        }
        let sets = volumes.iter().find(|volume| volume.name == session.primary);
        let sets = sets.map_or(&[][..], |volume| &volume.sets);
        let proven = newest_proven(&journals(), &session.primary, &session.secondary);
        Ok(Overview { roster: Roster::new(sets, &session.workers), session, proven })
    };
    sessions.into_iter().map(overview).collect()
}

/// The session as it was named.
fn given(args: &StatusArgs) -> String {
    let primary = args.primary.clone().unwrap_or_default();
    args.secondary.as_ref().map_or(primary.clone(), |secondary| format!("{primary} {secondary}"))
}

/// There is no session. That is a failure only where one was meant.
fn none(gluster: &Gluster, args: &StatusArgs) -> Result<Exit, CliError> {
    match &args.primary {
        Some(primary) => {
            let none = format!("volume `{primary}` has no geo-replication session");
            Err(unknown_session::suggest(gluster, &given(args), CliError::failed(none)))
        }
        None if args.json => {
            stdout::print("[]\n")?;
            Ok(Exit::Done)
        }
        None => {
            anstream::eprintln!("there are no geo-replication sessions");
            Ok(Exit::Done)
        }
    }
}

/// All there is to show, in lines that fit in `columns` where there is such a limit.
fn shown(overviews: &[Overview], args: &StatusArgs, columns: Option<usize>) -> String {
    if args.json {
        return json::line(overviews, &args.state);
    }
    let lines = text::lines(overviews, &args.state, Timestamp::now(), columns);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn exit(overviews: &[Overview]) -> Exit {
    let is_healthy = overviews.iter().all(|overview| overview.roster.is_healthy());
    if is_healthy { Exit::Done } else { Exit::NoCheckpoint }
}
