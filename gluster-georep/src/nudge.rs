//! A change on every brick, without which a quiet worker never reaches a checkpoint.

use std::fs;
use std::path::Path;

use crate::{ClientMount, Error, MountTools};

/// Makes and removes a directory in the root of `volume`.
///
/// A worker moves on only when its brick's changelog has an entry after the checkpoint. A
/// directory lies on every brick, so making one is an entry in every changelog.
///
/// # Errors
/// Where the volume cannot be mounted or written.
pub(crate) fn nudge(mounts: &MountTools, volume: &str) -> Result<(), Error> {
    let mount = ClientMount::read_write(mounts, "localhost", volume)?;
    let made = tempfile::Builder::new().prefix(".georep-nudge-").tempdir_in(mount.path());
    let directory = made.map_err(|e| failed("make a directory in", mount.path(), e))?.keep();
    fs::remove_dir(&directory).map_err(|e| failed("remove", &directory, e))?;
    mount.unmount()
}

fn failed(tried: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { tried, path: path.to_owned(), source }
}
