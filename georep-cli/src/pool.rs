//! The pool: a directory on the FUSE mount of the primary volume, where the images lie.

use std::fs;
use std::path::{Path, PathBuf};

use gluster_georep::Mount;
use tool_command::Tool;

use crate::error::CliError;

/// A directory on a mounted volume.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    directory: PathBuf,
    in_volume: PathBuf,
}

impl Pool {
    /// Opens `directory` and makes sure that it lies on a FUSE mount of `volume`.
    ///
    /// # Errors
    /// Where it does not exist, is no directory, or lies on anything else: a run would then
    /// wait for a checkpoint that says nothing about these images.
    pub(crate) fn open(findmnt: &Tool, directory: &Path, volume: &str) -> Result<Self, CliError> {
        let unreadable = |source| CliError::io("open the pool", directory, source);
        let directory = fs::canonicalize(directory).map_err(unreadable)?;
        if !directory.is_dir() {
            let shown = directory.display();
            return Err(CliError::failed(format!("the pool `{shown}` is not a directory")));
        }
        let mount = Mount::holding(findmnt, &directory)?;
        let in_volume = mount.path_in_volume(volume, &directory).ok_or_else(|| {
            CliError::failed(format!(
                "the pool `{}` is not on a mount of volume `{volume}`; it lies on `{}` ({})",
                directory.display(),
                mount.source,
                mount.fstype
            ))
        })?;
        Ok(Self { directory, in_volume })
    }

    /// The directory, absolute and free of symbolic links.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory as a path relative to the root of the volume.
    pub(crate) fn in_volume(&self) -> &Path {
        &self.in_volume
    }

    /// The path of `file` relative to the pool, where it lies in the pool.
    pub(crate) fn relative(&self, file: &Path) -> Option<PathBuf> {
        let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        real.strip_prefix(&self.directory).ok().map(Path::to_owned)
    }
}
