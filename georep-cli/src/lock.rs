//! One run at a time: a lock file for each session, held by the kernel as long as the process lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use gluster_georep::Session;
use jiff::Timestamp;

use crate::error::CliError;
use crate::exit_code::Exit;
use crate::state_dir::file_name;

/// Where lock files lie, unless [`DIRECTORY_VARIABLE`] says otherwise: emptied at boot, as no run
/// outlives it.
const DIRECTORY: &str = "/run/lock/georep";

/// The environment variable with another directory. Runs with different ones do not see each other.
const DIRECTORY_VARIABLE: &str = "GEOREP_LOCK_DIR";

/// The lock of one session. It ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct SessionLock {
    _file: File,
}

impl SessionLock {
    /// Takes the lock of `session`, or says who holds it and since when.
    ///
    /// # Errors
    /// [`Exit::Locked`] where another run holds it; else where the file cannot be written.
    pub(crate) fn take(session: &Session) -> Result<Self, CliError> {
        let directory = std::env::var_os(DIRECTORY_VARIABLE).unwrap_or(DIRECTORY.into());
        Self::take_in(Path::new(&directory), session)
    }

    fn take_in(directory: &Path, session: &Session) -> Result<Self, CliError> {
        let path = directory.join(file_name(session, "lock"));
        let unusable = |source| CliError::io("take the lock", &path, source);
        std::fs::create_dir_all(directory).map_err(unusable)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held_by_another(session, &mut file)),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(unusable)?;
        writeln!(file, "process {} since {:.0}", std::process::id(), Timestamp::now())
            .map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

fn held_by_another(session: &Session, file: &mut File) -> CliError {
    let mut holder = String::new();
    let holder = match file.read_to_string(&mut holder) {
        Ok(_) if !holder.trim().is_empty() => holder.trim(),
        _ => "another process",
    };
    CliError::new(Exit::Locked, format!("{holder} holds the lock of session {session}"))
        .hint("wait for that run, or end it with SIGTERM; it puts things back first")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::new("gv1", "geo@dr::gv2".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_second_run_is_told_who_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let held = SessionLock::take_in(directory.path(), &session()).unwrap();
        let error = SessionLock::take_in(directory.path(), &session()).unwrap_err();
        assert_eq!(error.exit(), Exit::Locked);
        let text = error.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");

        drop(held);
        assert!(SessionLock::take_in(directory.path(), &session()).is_ok());
    }

    #[test]
    fn sessions_do_not_share_a_lock() {
        let directory = tempfile::tempdir().unwrap();
        let _held = SessionLock::take_in(directory.path(), &session()).unwrap();
        let other = Session::new("gv1", "dr::gv3".parse().unwrap()).unwrap();
        assert!(SessionLock::take_in(directory.path(), &other).is_ok());
    }
}
