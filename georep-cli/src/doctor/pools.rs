//! The pool: a directory on a FUSE mount of the primary volume, that can be written to.

use std::path::{Path, PathBuf};

use gluster_georep::{Mount, MountTools};
use rustix::fs::{Access, access};

use super::finding::Finding;
use crate::pool::Pool;

/// What is said of the pool of `volume`, and the pool, where there is one. Without a directory it is
/// where the volume is mounted.
pub(super) fn look(
    tools: &MountTools,
    directory: Option<&Path>,
    volume: &str,
) -> (Vec<Finding>, Option<Pool>) {
    let mount = format!("mount it: `mount -t glusterfs localhost:/{volume} DIR`");
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => match mounted(tools, volume) {
            Ok(Some(directory)) => directory,
            Ok(None) => {
                let what = "is not mounted on this host: which domains use it is not known";
                return (vec![Finding::warn("pool", volume, what, mount)], None);
            }
            Err(error) => {
                let enable = "name the directory with --pool";
                return (vec![Finding::unseen("pool", volume, error, enable)], None);
            }
        },
    };
    let name = directory.display().to_string();
    match Pool::open(&tools.findmnt, &directory, volume) {
        Ok(pool) => (vec![judge(&name, volume, &pool, is_writable(pool.directory()))], Some(pool)),
        Err(error) => (vec![Finding::error("pool", &name, &error, &mount)], None),
    }
}

/// The mount of the volume that shows most of it; of several, the first.
fn mounted(tools: &MountTools, volume: &str) -> Result<Option<PathBuf>, gluster_georep::Error> {
    let mounts = Mount::all_of(&tools.findmnt, volume)?;
    let depth = |mount: &Mount| {
        let place = mount.path_in_volume(volume, &mount.target);
        place.map_or(usize::MAX, |place| place.components().count())
    };
    Ok(mounts.iter().min_by_key(|mount| depth(mount)).map(|mount| mount.target.clone()))
}

/// Manifests, canaries and overlays are written there.
fn is_writable(directory: &Path) -> Result<(), std::io::Error> {
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

fn judge(name: &str, volume: &str, pool: &Pool, writable: std::io::Result<()>) -> Finding {
    match writable {
        Ok(()) => {
            let place = pool.in_volume().display().to_string();
            let place =
                if place.is_empty() { String::new() } else { format!(", directory {place}") };
            Finding::ok("pool", name, format!("on a mount of volume {volume}{place}"))
        }
        Err(error) => {
            let what = format!("cannot be written to: {error}");
            let mend = "mount it without `ro`; a manifest and overlays are written there";
            Finding::fail("pool", name, what, mend)
        }
    }
}
