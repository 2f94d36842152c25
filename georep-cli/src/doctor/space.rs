//! Room for what a run writes: overlays, its journal, and what is yet to be copied.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use gluster_georep::{ClientMount, MountTools, Secondary};
use rustix::fs::{Access, StatVfs, access, statvfs};

use super::domains::Patient;
use super::finding::Finding;
use crate::image_file::ImageFile;
use crate::say::bytes;
use crate::state_dir;

/// Less than this for a disk, and the guest is stopped before the checkpoint is reached.
const LEAST: u64 = 64 << 20;

/// An overlay holds what its guest writes until the checkpoint: with less room than this part of
/// what the guest sees there is a reason to look.
const PART: u64 = 20;

/// The room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    total: u64,
    free: u64,
}

impl Room {
    fn used(self) -> u64 {
        self.total.saturating_sub(self.free)
    }
}

/// What would be put into a directory.
#[derive(Debug, Default)]
struct Load {
    disks: u64,
    /// Bytes that the guests see of them.
    size: u64,
}

/// What is said of the directories that overlays would be made in.
pub(super) fn overlays(patients: &[Patient], overlay_dir: Option<&Path>) -> Vec<Finding> {
    let mut loads: BTreeMap<PathBuf, Load> = BTreeMap::new();
    // One that is named is looked at also where no domain runs.
    loads.extend(overlay_dir.map(|directory| (directory.to_owned(), Load::default())));
    for image in patients.iter().flat_map(Patient::overlaid) {
        let beside = image.parent().unwrap_or(image);
        let load = loads.entry(overlay_dir.unwrap_or(beside).to_owned()).or_default();
        load.disks += 1;
        load.size += size(image).unwrap_or(0);
    }
    let judged =
        loads.iter().map(|(directory, load)| judge_overlays(directory, load, room(directory)));
    judged.collect()
}

/// The bytes that a guest sees.
fn size(image: &Path) -> Option<u64> {
    let file = ImageFile::open(image).ok()?;
    match qcow2_snap::image::Image::read(file.file()) {
        Ok(image) => Some(image.header.virtual_size),
        Err(_) => file.size().ok(),
    }
}

fn room(directory: &Path) -> io::Result<Room> {
    access(directory, Access::WRITE_OK | Access::EXEC_OK)?;
    let StatVfs { f_frsize, f_blocks, f_bavail, .. } = statvfs(directory)?;
    Ok(Room { total: f_frsize.saturating_mul(f_blocks), free: f_frsize.saturating_mul(f_bavail) })
}

fn judge_overlays(directory: &Path, load: &Load, room: io::Result<Room>) -> Finding {
    let on = directory.display().to_string();
    if !directory.is_absolute() {
        let mend = "name it by its absolute path";
        return Finding::fail("space", &on, "overlays are made in absolute paths only", mend);
    }
    let Room { free, .. } = match room {
        Ok(room) => room,
        Err(error) => {
            let what = format!("no overlay can be made there: {error}");
            let mend = "make the directory, writable for root and for QEMU, or name another with \
                        --overlay-dir";
            return Finding::fail("space", &on, what, mend);
        }
    };
    let Load { disks, size } = load;
    let what = format!("{} free for overlays of {disks} disks of {}", bytes(free), bytes(*size));
    let mend = "make room, or name another directory with --overlay-dir: overlays hold what the \
                guests write until the checkpoint is reached and compared";
    if free < LEAST.saturating_mul((*disks).max(1)) {
        Finding::fail("space", &on, what, mend)
    } else if free < size / PART {
        Finding::warn("space", &on, what, mend)
    } else {
        Finding::ok("space", &on, what)
    }
}

/// Whether a run can write its journal.
pub(super) fn state_directory() -> Finding {
    let directory = state_dir::journals();
    let there = directory.ancestors().find(|ancestor| ancestor.exists());
    let result = there.map_or(Err(io::ErrorKind::NotFound.into()), room);
    judge_state(&directory, result)
}

fn judge_state(directory: &Path, room: io::Result<Room>) -> Finding {
    let on = directory.display().to_string();
    let mend = "a run writes down there what it is about to do; make room, and run it as root";
    match room {
        Ok(Room { free, .. }) if free < 1 << 20 => {
            Finding::fail("journal", &on, format!("{} free", bytes(free)), mend)
        }
        Ok(_) => Finding::ok("journal", &on, "can be written"),
        Err(error) => Finding::fail("journal", &on, format!("cannot be written: {error}"), mend),
    }
}

/// What is said of the secondary as it is mounted, read-only, for a moment: whether copies can be
/// compared from here, and whether what is on the primary finds room there.
pub(super) fn secondary(
    tools: &MountTools,
    secondary: &Secondary,
    pool: Option<&Path>,
) -> Vec<Finding> {
    let name = secondary.to_string();
    let mount = match ClientMount::read_only(tools, &secondary.host, &secondary.volume) {
        Ok(mount) => mount,
        Err(error) => {
            let enable = "backups compare what arrived through a mount: let this node connect to \
                          the ports of glusterd (24007) and of the bricks there, or use \
                          --verify none";
            return vec![Finding::unseen("mount", &name, error, enable)];
        }
    };
    let there = statvfs(mount.path()).map_err(io::Error::from);
    let there = there.map(|s| Room {
        total: s.f_frsize.saturating_mul(s.f_blocks),
        free: s.f_frsize.saturating_mul(s.f_bavail),
    });
    let ours = pool.and_then(|pool| room(pool).ok());
    let mut found = judge_secondary(&name, ours, there);
    if let Err(error) = mount.unmount() {
        let mend = "`georep recover` takes it down";
        found.push(Finding::warn("mount", &name, error.to_string(), mend));
    }
    found
}

fn judge_secondary(name: &str, ours: Option<Room>, theirs: io::Result<Room>) -> Vec<Finding> {
    let theirs = match theirs {
        Ok(theirs) => theirs,
        Err(error) => {
            let enable = "are all of its bricks up?";
            return vec![Finding::unseen("mount", name, error, enable)];
        }
    };
    let mut found = vec![Finding::ok(
        "mount",
        name,
        format!("can be mounted to compare copies, {} free", bytes(theirs.free)),
    )];
    if let Some(ours) = ours
        && ours.used() > theirs.used().saturating_add(theirs.free)
    {
        let what = format!(
            "holds {} at most, and {} are in use on the primary",
            bytes(theirs.total),
            bytes(ours.used())
        );
        found.push(Finding::warn("room", name, what, "add bricks to the secondary"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    const GIB: u64 = 1 << 30;

    fn room(free: u64) -> Room {
        Room { total: 100 * GIB, free }
    }

    #[test]
    fn overlays_need_room_for_what_guests_write_meanwhile() {
        let load = Load { disks: 2, size: 40 * GIB };
        let judge = |room| judge_overlays(Path::new("/vm"), &load, room).grade;
        assert_eq!(judge(Ok(room(50 * GIB))), Grade::Ok);
        assert_eq!(judge(Ok(room(GIB))), Grade::Warn);
        assert_eq!(judge(Ok(room(100 << 20))), Grade::Fail);
        assert_eq!(judge(Err(io::ErrorKind::NotFound.into())), Grade::Fail);
        let relative = judge_overlays(Path::new("vm"), &load, Ok(room(50 * GIB)));
        assert_eq!(relative.grade, Grade::Fail);
    }

    #[test]
    fn a_journal_must_be_written() {
        let judge = |room| judge_state(Path::new("/var/lib/georep/runs"), room).grade;
        assert_eq!(judge(Ok(room(GIB))), Grade::Ok);
        assert_eq!(judge(Ok(room(0))), Grade::Fail);
        assert_eq!(judge(Err(io::ErrorKind::PermissionDenied.into())), Grade::Fail);
    }

    #[test]
    fn a_secondary_that_is_too_small_is_told() {
        let grades = |theirs| {
            let found = judge_secondary("dr::gv2", Some(room(40 * GIB)), theirs);
            found.iter().map(|finding| finding.grade).collect::<Vec<_>>()
        };
        assert_eq!(grades(Ok(room(90 * GIB))), [Grade::Ok]);
        let small = Ok(Room { total: 50 * GIB, free: 50 * GIB });
        assert_eq!(grades(small), [Grade::Ok, Grade::Warn]);
        assert_eq!(grades(Err(io::ErrorKind::NotConnected.into())), [Grade::Warn]);
    }
}
