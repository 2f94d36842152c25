//! A change on every brick, without which a quiet worker never reaches a checkpoint.

use std::fs;

use tool_command::Stop;

use crate::{ClientMount, Error};

/// Makes and removes a directory in the root of the mounted volume.
///
/// A worker moves on only when its brick's changelog has an entry after the checkpoint. A
/// directory lies on every brick, so making one is an entry in every changelog.
///
/// # Errors
/// Where the volume cannot be written.
pub(crate) fn nudge(mount: &ClientMount<'_>, stop: &Stop) -> Result<(), Error> {
    mount.work("make and remove a directory in", stop, |root| {
        let made = tempfile::Builder::new().prefix(".georep-nudge-").tempdir_in(root)?;
        fs::remove_dir(made.keep())
    })
}
