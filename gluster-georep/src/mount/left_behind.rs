//! Mounts of processes that were killed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{ClientMount, DIRECTORY_PREFIX, MOUNT_POINT, MountTools};
use crate::Error;

impl<'a> ClientMount<'a> {
    /// Takes down the mounts in [`MountTools::directory`] whose process has ended without doing so.
    /// Returns the mount point of each, or why it is still there. Mounts of processes that live are
    /// left alone, and so is what is not this user's.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn clear_left_behind(tools: &'a MountTools) -> Result<Vec<Result<PathBuf, Error>>, Error> {
        let clear = |mut mount: Self| mount.take_down().map(|()| mount.mount_point.clone());
        Ok(Self::left_behind(tools)?.into_iter().map(clear).collect())
    }

    /// The mount points that [`ClientMount::clear_left_behind`] would take down. Changes nothing.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn find_left_behind(tools: &'a MountTools) -> Result<Vec<PathBuf>, Error> {
        let spare = |mut mount: Self| {
            // Dropping it now takes nothing down.
            mount.mounted = false;
            mount.directory = PathBuf::new();
            mount.mount_point.clone()
        };
        Ok(Self::left_behind(tools)?.into_iter().map(spare).collect())
    }

    fn left_behind(tools: &'a MountTools) -> Result<Vec<Self>, Error> {
        let list = || -> io::Result<Vec<Self>> {
            let entries = fs::canonicalize(&tools.directory)?.read_dir()?;
            let paths: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
            Ok(paths?.iter().filter_map(|path| Self::adopt(tools, path)).collect())
        };
        list().map_err(|source| Error::Io {
            tried: "look for mounts left behind in",
            path: tools.directory.clone(),
            source,
        })
    }

    /// The mount in `directory`, where it is one that nobody holds.
    fn adopt(tools: &'a MountTools, directory: &Path) -> Option<Self> {
        let is_named_so = directory
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(DIRECTORY_PREFIX.as_bytes()));
        // In a directory that all may write to, somebody else's may be there to have us unmount
        // what they may not.
        if !is_named_so || !is_own_directory(directory) {
            return None;
        }
        let lock = File::open(directory).ok()?;
        lock.try_lock().ok()?;
        // Without a mount point it is one that is just being made. Not asked for by its name: where
        // the client is dead, too, that fails.
        let mount_point = directory.join(MOUNT_POINT);
        if !directory.read_dir().ok()?.flatten().any(|entry| entry.path() == mount_point) {
            return None;
        }
        let directory = directory.to_owned();
        let mut mount = Self { tools, directory, mount_point, mounted: false, lock };
        mount.mounted = mount.is_mounted().unwrap_or(true);
        Some(mount)
    }
}

fn is_own_directory(path: &Path) -> bool {
    match (fs::symlink_metadata(path), fs::metadata("/proc/self")) {
        (Ok(it), Ok(process)) => it.is_dir() && it.uid() == process.uid(),
        _ => false,
    }
}
