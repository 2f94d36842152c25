//! The session of a run that was killed.

use gluster_georep::{Gluster, MountTools, Session, recover};
use tool_command::SearchPath;

use crate::error::CliError;
use crate::lock::Lock;
use crate::say::Say;
use crate::state_dir::note_of;
use crate::teller::Teller;

/// Stops the session.
pub(super) fn stop(path: &SearchPath, lock: &Lock, session: &Session) -> Result<(), CliError> {
    Ok(gluster(path, lock)?.stop_force(session)?)
}

/// Leaves the session and its volume as the killed run had found them.
pub(super) fn put_back(
    path: &SearchPath,
    lock: &Lock,
    session: &Session,
    say: &Say,
) -> Result<(), CliError> {
    let (gluster, mounts) = (gluster(path, lock)?, MountTools::find(path)?);
    recover(&gluster, &mounts, session, &note_of(session), &mut Teller::new(say, None))?;
    Ok(())
}

fn gluster(path: &SearchPath, lock: &Lock) -> Result<Gluster, CliError> {
    Ok(Gluster::new(path.find("gluster")?.holding(lock.file())))
}
