//! A volume mounted for a moment.

mod left_behind;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use tempfile::TempDir;
use tool_command::{Command, CommandError, SearchPath, Stop, Tool};

use crate::{Error, Mount};

/// A client that has not mounted by then waits for a server that does not answer.
const MOUNT_TIME_LIMIT: Duration = Duration::from_secs(60);

/// Work on a volume that takes longer waits for servers that do not answer: a client waits 42 s for
/// one before it goes on without.
const WORK_TIME_LIMIT: Duration = Duration::from_secs(90);

/// How often somebody who waits for work on a volume looks whether to stop.
const STOP_CHECKED_EVERY: Duration = Duration::from_millis(50);

/// The client's log, beside the mount point.
const LOG_FILE: &str = "client.log";

/// How the directories of mounts are called, before what tells them apart.
const DIRECTORY_PREFIX: &str = "georep-mount-";

/// The mount point, in such a directory.
const MOUNT_POINT: &str = "volume";

/// How many lines of a client's log stand in an error: the last, where the reason is.
const SHOWN_LINES: usize = 3;

/// The programs behind a mount, and where mount points are made.
#[derive(Debug, Clone)]
pub struct MountTools {
    /// mount(8); for `glusterfs` it calls `/sbin/mount.glusterfs`.
    pub mount: Tool,
    /// umount(8).
    pub umount: Tool,
    /// findmnt(8), of util-linux.
    pub findmnt: Tool,
    /// Mount points are made in here.
    pub directory: PathBuf,
}

impl MountTools {
    /// Finds the programs. Mount points are made in `/tmp`; set [`MountTools::directory`] for
    /// another place.
    ///
    /// # Errors
    /// Names the first that is missing.
    pub fn find(path: &SearchPath) -> Result<Self, CommandError> {
        Ok(Self {
            mount: path.find("mount")?,
            umount: path.find("umount")?,
            findmnt: path.find("findmnt")?,
            directory: PathBuf::from("/tmp"),
        })
    }
}

/// A volume mounted by GlusterFS's own client in a temporary directory. Both are gone when this is
/// dropped; [`ClientMount::unmount`] says whether that worked. Never is anything in the volume
/// removed with them.
///
/// What a process that was killed has left mounted, [`ClientMount::clear_left_behind`] takes down.
#[derive(Debug)]
pub struct ClientMount<'a> {
    tools: &'a MountTools,
    /// Holds the mount point and the client's log; empty once it is removed.
    directory: PathBuf,
    mount_point: PathBuf,
    mounted: bool,
    /// Locks the directory, as long as this process lives: what is not locked was left behind.
    lock: File,
}

impl<'a> ClientMount<'a> {
    /// Mounts `volume` of `server`, which may be `localhost` on a node of its cluster. Takes a
    /// second or two, and 60 s at most.
    ///
    /// # Errors
    /// [`Error::Mount`] where that fails, with the last lines of the client's log; then nothing is
    /// left behind.
    pub fn read_write(tools: &'a MountTools, server: &str, volume: &str) -> Result<Self, Error> {
        Self::new(tools, server, volume, Access::ReadWrite.options())
    }

    /// Mounts `volume` of `server` so that nothing can be changed through it.
    ///
    /// # Errors
    /// As [`ClientMount::read_write`].
    pub fn read_only(tools: &'a MountTools, server: &str, volume: &str) -> Result<Self, Error> {
        Self::new(tools, server, volume, Access::ReadOnly.options())
    }

    fn new(
        tools: &'a MountTools,
        server: &str,
        volume: &str,
        options: &str,
    ) -> Result<Self, Error> {
        let mut mount = Self::make_directories(tools)?;
        // Before it is: a client that was killed, or failed late, may have mounted all the same.
        mount.mounted = true;
        let result = mount.mount(&format!("{server}:/{volume}"), options);
        let reason = match result.map_err(Error::from).and_then(|()| mount.is_mounted()) {
            Ok(true) => return Ok(mount),
            Ok(false) => "mount(8) ended with 0, but nothing is mounted".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(Error::Mount {
            server: server.to_owned(),
            volume: volume.to_owned(),
            reason: reason + &mount.last_words(),
        })
    }

    /// From here on dropping it cleans up.
    fn make_directories(tools: &'a MountTools) -> Result<Self, Error> {
        let failed = |path: &Path, source| Error::Io {
            tried: "make a mount point in",
            path: path.to_owned(),
            source,
        };
        // As the mount table shows it, which knows no symbolic links.
        let directory = fs::canonicalize(&tools.directory)
            .and_then(|parent| tempfile::Builder::new().prefix(DIRECTORY_PREFIX).tempdir_in(parent))
            // Kept: to drop a `TempDir` would remove all it holds, and that may be a volume.
            .map(TempDir::keep)
            .map_err(|e| failed(&tools.directory, e))?;
        // Before there is a mount point in it, so that nobody takes it for left behind.
        let lock = File::open(&directory)
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|e| failed(&directory, e))?;
        let mount_point = directory.join(MOUNT_POINT);
        let mount = Self { tools, directory, mount_point, mounted: false, lock };
        fs::create_dir(&mount.mount_point).map_err(|e| failed(&mount.directory, e))?;
        Ok(mount)
    }

    fn mount(&self, source: &str, options: &str) -> Result<(), CommandError> {
        let command = mount_command(self.tools, source, options, &self.directory);
        command.time_limit(MOUNT_TIME_LIMIT).run().map(drop)
    }

    /// The command lines by which `volume` of `server` is mounted and unmounted, in a directory
    /// whose name only comes to be then; `<NAME>` stands for what is not known of it.
    pub(crate) fn commands(
        tools: &MountTools,
        server: &str,
        volume: &str,
        access: Access,
    ) -> [Command; 2] {
        let directory = tools.directory.join(format!("{DIRECTORY_PREFIX}<NAME>"));
        let source = format!("{server}:/{volume}");
        let mount = mount_command(tools, &source, access.options(), &directory);
        [mount, tools.umount.command([directory.join(MOUNT_POINT)])]
    }

    /// The client can end with 0 and have mounted nothing.
    fn is_mounted(&self) -> Result<bool, Error> {
        let mount = Mount::holding(&self.tools.findmnt, &self.mount_point)?;
        Ok(mount.target == self.mount_point && mount.is_glusterfs())
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join(LOG_FILE)
    }

    /// The end of the client's log, which is the only place where it says what went wrong.
    fn last_words(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().filter(|line| line.contains("] E [")).collect();
        let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
        last.iter().map(|line| format!("; {line}")).collect()
    }

    /// The mount point. What is done there waits where the servers do not answer: see
    /// [`ClientMount::work`].
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    /// Works on the mounted volume, given its root, for 90 s at most.
    ///
    /// Where a client waits for its servers, a process that uses it waits with it. So the work is
    /// done on a thread of its own, which is left behind when `stop` is due or the work takes too
    /// long.
    ///
    /// # Errors
    /// [`Error::Io`] where the work fails, hangs, or is left behind. `tried` says what it was, as
    /// in "cannot `tried` `/mnt`".
    pub fn work<T: Send + 'static>(
        &self,
        tried: &'static str,
        stop: &Stop,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let failed = |source| Error::Io { tried, path: self.mount_point.clone(), source };
        let (sender, receiver) = mpsc::channel();
        let root = self.mount_point.clone();
        // Where nobody waits any more, the result is of no use.
        let run = move || drop(sender.send(work(&root)));
        thread::Builder::new().name("volume".to_owned()).spawn(run).map_err(failed)?;
        let began = Instant::now();
        loop {
            match receiver.recv_timeout(STOP_CHECKED_EVERY) {
                Ok(result) => return result.map_err(failed),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(failed(io::Error::other("it ended without a word")));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if stop.is_due() {
                return Err(failed(io::Error::new(io::ErrorKind::Interrupted, "cut off")));
            }
            if began.elapsed() >= WORK_TIME_LIMIT {
                let seconds = WORK_TIME_LIMIT.as_secs();
                let hangs = format!("it did not end within {seconds} s");
                return Err(failed(io::Error::new(io::ErrorKind::TimedOut, hangs)));
            }
        }
    }

    /// Unmounts the volume and removes the mount point.
    ///
    /// # Errors
    /// Where either fails; the mount is detached all the same, if the system lets it.
    pub fn unmount(mut self) -> Result<(), Error> {
        self.take_down()
    }

    fn take_down(&mut self) -> Result<(), Error> {
        let unmounted = self.detach();
        let removed = self.remove_directories();
        unmounted.and(removed)
    }

    /// A file system that is busy for a moment (bz#1598977) is detached, and goes when it is not.
    fn detach(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.mounted, false) {
            let umount = self.tools.umount.command([&self.mount_point]);
            umount.run().or_else(|_| umount.arg("--lazy").run())?;
        }
        Ok(())
    }

    /// Never recursively: were anything still mounted here, that would be deleted.
    fn remove_directories(&mut self) -> Result<(), Error> {
        let directory = std::mem::take(&mut self.directory);
        if directory.as_os_str().is_empty() {
            return Ok(());
        }
        // There is no log where the client was never started.
        let _ = fs::remove_file(directory.join(LOG_FILE));
        fs::remove_dir(&self.mount_point).and_then(|()| fs::remove_dir(&directory)).map_err(
            |source| Error::Io { tried: "remove the mount point", path: directory, source },
        )
    }
}

/// What may be done through a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// All.
    ReadWrite,
    /// Nothing that changes the volume.
    ReadOnly,
}

impl Access {
    /// Behind other options of mount(8).
    fn options(self) -> &'static str {
        match self {
            Self::ReadWrite => "",
            Self::ReadOnly => ",ro",
        }
    }
}

/// Mounts `source` at the mount point in `directory`, where the client's log lies, too.
fn mount_command(tools: &MountTools, source: &str, options: &str, directory: &Path) -> Command {
    let log = directory.join(LOG_FILE);
    let options = format!("log-level=WARNING,log-file={}{options}", log.display());
    let command = tools.mount.command(["-t", "glusterfs", "-o", &options, source]);
    command.arg(directory.join(MOUNT_POINT))
}

impl Drop for ClientMount<'_> {
    fn drop(&mut self) {
        // On the way out of an error there is nobody left to tell.
        let _ = self.take_down();
        // By hand: what another thread has just forked holds the file until it is another program.
        let _ = self.lock.unlock();
    }
}

#[cfg(test)]
mod tests;
