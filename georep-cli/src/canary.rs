//! Small files that every `schedule` writes anew, and looks for on the secondary after the checkpoint.
//!
//! A session whose rsync copies nothing reports every checkpoint complete. Only the other side can
//! tell: what was written just before must be there, byte for byte.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use gluster_georep::{ClientMount, MountTools, Session};
use jiff::Timestamp;
use tool_command::Stop;

use crate::error::CliError;
use crate::manifest::DIRECTORY;

/// How many files: a volume spreads them over its replica sets by their names. Of two sets each
/// gets one but in 3 of 100,000 volumes, of eight sets all do in 3 of 10.
const FILES: u32 = 16;

/// The files of one run.
#[derive(Debug)]
pub(crate) struct Canary<'a> {
    mounts: &'a MountTools,
    session: &'a Session,
    content: String,
}

impl<'a> Canary<'a> {
    /// Writes the files to the primary volume.
    ///
    /// # Errors
    /// Where it cannot be mounted or written.
    pub(crate) fn write(
        mounts: &'a MountTools,
        session: &'a Session,
        stop: &Stop,
    ) -> Result<Self, CliError> {
        let content = format!("{} {:016x}\n", Timestamp::now(), fastrand::u64(..));
        let mount = ClientMount::read_write(mounts, "localhost", &session.primary)?;
        let written = content.clone();
        mount.work("write the canary files in", stop, move |root| {
            paths(root).try_for_each(|path| write(&path, &written))
        })?;
        mount.unmount()?;
        Ok(Self { mounts, session, content })
    }

    /// Reads the files on the secondary volume, and returns how many are not as they were written.
    ///
    /// # Errors
    /// Where it cannot be mounted, or does not answer.
    pub(crate) fn missing(&self, stop: &Stop) -> Result<usize, CliError> {
        let secondary = &self.session.secondary;
        let mounts =
            MountTools { mount: self.mounts.mount.stopped_by(stop), ..self.mounts.clone() };
        let mount = ClientMount::read_only(&mounts, &secondary.host, &secondary.volume)?;
        let content = self.content.clone();
        let arrived = move |path: &PathBuf| fs::read(path).is_ok_and(|c| c == content.as_bytes());
        let missing = mount.work("look for the canary files in", stop, move |root| {
            Ok(paths(root).filter(|path| !arrived(path)).count())
        })?;
        mount.unmount()?;
        Ok(missing)
    }
}

fn paths(root: &Path) -> impl Iterator<Item = PathBuf> {
    let directory = root.join(DIRECTORY);
    (0..FILES).map(move |number| directory.join(format!("canary-{number:02}")))
}

fn write(path: &Path, content: &str) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut file = File::create(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}
