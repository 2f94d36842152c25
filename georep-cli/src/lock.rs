//! One run at a time: a lock file for each session and each domain, held by the kernel as long as
//! the process lives, or anything that it has started to change them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gluster_georep::Session;
use jiff::Timestamp;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::error::CliError;
use crate::exit_code::Exit;
use crate::state_dir::file_name;

/// Where lock files lie, unless [`DIRECTORY_VARIABLE`] says otherwise: emptied at boot, as no run
/// outlives it.
const DIRECTORY: &str = "/run/lock/georep";

/// The environment variable with another directory. Runs with different ones do not see each other.
const DIRECTORY_VARIABLE: &str = "GEOREP_LOCK_DIR";

/// How often somebody who waits for a lock tries it.
const AGAIN: Duration = Duration::from_millis(100);

/// How long a tool is waited for that holds the lock of a process that is gone: longer than any that
/// changes a session or takes overlays may take.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(155);

/// A lock. It ends with the process, however that ends, and with the last tool that
/// [holds](tool_command::Tool::holding) its file.
#[derive(Debug)]
pub(crate) struct Lock {
    file: Arc<File>,
}

impl Lock {
    /// Takes the lock of `session`, or says who holds it and since when. A tool that a killed run
    /// has started is waited for.
    ///
    /// # Errors
    /// [`Exit::Locked`] where another run holds it; else where the file cannot be written.
    pub(crate) fn of_session(session: &Session) -> Result<Self, CliError> {
        let what = format!("session {session}");
        Self::take(&directory().join(file_name(session, "lock")), &what, Duration::ZERO)
    }

    /// Takes the lock of the domain with this name and UUID. Waits for `patience`: a tool that a
    /// killed run has started may hold it for a while.
    ///
    /// # Errors
    /// As [`Lock::of_session`].
    pub(crate) fn of_domain(name: &str, uuid: &str, patience: Duration) -> Result<Self, CliError> {
        // From libvirt it has one shape; a journal may say anything.
        let uuid: String =
            uuid.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let path = directory().join(format!("domain-{uuid}.lock"));
        Self::take(&path, &format!("domain `{name}`"), patience)
    }

    /// The file that is locked, for tools to hold.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    fn take(path: &Path, what: &str, patience: Duration) -> Result<Self, CliError> {
        let began = Instant::now();
        loop {
            let unusable = |source| CliError::io("take the lock", path, source);
            let mut file = open(path).map_err(unusable)?;
            match file.try_lock() {
                Ok(()) => {
                    file.set_len(0).and_then(|()| file.rewind()).map_err(unusable)?;
                    writeln!(file, "process {} since {:.0}", std::process::id(), Timestamp::now())
                        .map_err(unusable)?;
                    return Ok(Self { file: Arc::new(file) });
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = holder(&mut file);
                    let patience =
                        if is_gone(&holder) { patience.max(ORPHAN_PATIENCE) } else { patience };
                    if began.elapsed() >= patience {
                        return Err(held_by_another(what, &holder));
                    }
                    std::thread::sleep(AGAIN);
                }
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            }
        }
    }
}

/// Who is at work on `session`, in the words of its lock, where that process lives. Takes no lock, so
/// that nobody is kept from it for a moment.
pub(crate) fn at_work(session: &Session) -> Option<String> {
    alive_in(&directory().join(file_name(session, "lock")))
}

fn alive_in(path: &Path) -> Option<String> {
    let holder = holder(&mut File::open(path).ok()?);
    let process = process_of(&holder)?;
    test_kill_process(process).is_ok().then_some(holder)
}

fn directory() -> PathBuf {
    PathBuf::from(std::env::var_os(DIRECTORY_VARIABLE).unwrap_or(DIRECTORY.into()))
}

fn open(path: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// What the holder has written into the lock.
fn holder(file: &mut File) -> String {
    let mut holder = String::new();
    // Where it is no text, nobody is named.
    let _ = file.read_to_string(&mut holder);
    holder.trim().to_owned()
}

/// Whether the process that took the lock has ended, and what holds it is a tool that it had started.
fn is_gone(holder: &str) -> bool {
    process_of(holder).is_some_and(|process| test_kill_process(process) == Err(Errno::SRCH))
}

fn process_of(holder: &str) -> Option<Pid> {
    Pid::from_raw(holder.split_whitespace().nth(1)?.parse().ok()?)
}

fn held_by_another(what: &str, holder: &str) -> CliError {
    let holder = if holder.is_empty() { "another process" } else { holder };
    CliError::new(Exit::Locked, format!("{holder} holds the lock of {what}"))
        .hint("wait for that run, or end it with SIGTERM; it puts things back first")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(path: &Path) -> Result<Lock, CliError> {
        Lock::take(path, "session gv1 → dr::gv2", Duration::ZERO)
    }

    #[test]
    fn a_second_run_is_told_who_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/session.lock");
        let held = take(&path).unwrap();
        let error = take(&path).unwrap_err();
        assert_eq!(error.exit(), Exit::Locked);
        let text = error.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");

        drop(held);
        assert!(take(&path).is_ok());
    }

    #[test]
    fn a_process_that_is_at_work_is_named_and_its_lock_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("session.lock");
        assert_eq!(alive_in(&path), None);
        let held = take(&path).unwrap();
        assert!(alive_in(&path).unwrap().starts_with(&format!("process {}", std::process::id())));
        drop(held);
        std::fs::write(&path, format!("process {} since 1970-01-01T00:00:00Z", i32::MAX)).unwrap();
        assert_eq!(alive_in(&path), None);
    }

    #[test]
    fn a_lock_is_waited_for_as_long_as_there_is_patience() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("domain.lock");
        let held = take(&path).unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path, "domain `web`", Duration::from_secs(60)).is_ok()
        });
        std::thread::sleep(Duration::from_millis(200));
        drop(held);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn a_tool_of_a_process_that_is_gone_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("session.lock");
        let held = take(&path).unwrap();
        // No process has such an id.
        std::fs::write(&path, format!("process {} since 1970-01-01T00:00:00Z", i32::MAX)).unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || take(&path).is_ok()
        });
        std::thread::sleep(Duration::from_millis(200));
        drop(held);
        assert!(waiting.join().unwrap());
    }
}
