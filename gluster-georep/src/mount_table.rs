//! Which file system a path lies on.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tool_command::Tool;

use crate::Error;

/// The type under which a GlusterFS client appears in the mount table.
const FILE_SYSTEM: &str = "fuse.glusterfs";

/// A mount, as findmnt shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mount {
    /// Where it is mounted.
    pub target: PathBuf,
    /// What is mounted; for GlusterFS `server:volume`, `server:/volume`, or with `/directory`
    /// behind.
    pub source: String,
    /// The file system's type, such as `fuse.glusterfs`.
    pub fstype: String,
    /// Which directory of the file system is mounted (not `/` for a bind mount).
    pub fsroot: PathBuf,
}

#[derive(Deserialize)]
struct Findmnt {
    filesystems: Vec<Mount>,
}

impl Mount {
    /// Asks `findmnt` for the mount that holds `path`.
    ///
    /// # Errors
    /// Where findmnt fails, such as for a path that does not exist, or says something that is not
    /// understood.
    pub fn holding(findmnt: &Tool, path: &Path) -> Result<Self, Error> {
        let columns = "TARGET,SOURCE,FSTYPE,FSROOT";
        let command = findmnt
            .command(["--json", "--first-only", "--nofsroot", "--output", columns, "--target"])
            .arg(path);
        let said = command.run()?.stdout_lossy();
        Self::in_answer(&said).ok_or_else(|| not_understood(command.to_string(), &said))
    }

    /// Lists the mounts of `volume`, in the order in which they were made.
    ///
    /// # Errors
    /// Where findmnt fails, or says something that is not understood.
    pub fn all_of(findmnt: &Tool, volume: &str) -> Result<Vec<Self>, Error> {
        let columns = "TARGET,SOURCE,FSTYPE,FSROOT";
        let command = findmnt.command(["--json", "--list", "--nofsroot", "--output", columns]);
        let said = command.run()?.stdout_lossy();
        let found: Findmnt =
            serde_json::from_str(&said).map_err(|_| not_understood(command.to_string(), &said))?;
        let holds = |mount: &Self| mount.path_in_volume(volume, &mount.target).is_some();
        Ok(found.filesystems.into_iter().filter(holds).collect())
    }

    /// Reads an answer of `findmnt --json --nofsroot --output TARGET,SOURCE,FSTYPE,FSROOT`. Where
    /// it shows several mounts, the last one, which lies on top.
    ///
    /// # Errors
    /// [`Error::NotUnderstood`] where this is no such answer, or shows no mount.
    pub fn parse(json: &str) -> Result<Self, Error> {
        Self::in_answer(json).ok_or_else(|| not_understood("findmnt --json".to_owned(), json))
    }

    fn in_answer(json: &str) -> Option<Self> {
        serde_json::from_str::<Findmnt>(json).ok()?.filesystems.pop()
    }

    /// Whether it is a GlusterFS client.
    pub(crate) fn is_glusterfs(&self) -> bool {
        self.fstype == FILE_SYSTEM
    }

    /// Where `path` lies within `volume`, relative to the volume's root; `None` where this is not
    /// a GlusterFS mount of that volume, or `path` is not below it. No symbolic link is followed.
    pub fn path_in_volume(&self, volume: &str, path: &Path) -> Option<PathBuf> {
        if !self.is_glusterfs() {
            return None;
        }
        // An IPv6 server holds colons too; a volume's name holds none.
        let (_, mounted) = self.source.rsplit_once(':')?;
        let mounted = mounted.trim_start_matches('/');
        let (name, directory) = mounted.split_once('/').unwrap_or((mounted, ""));
        let directory = directory.trim_start_matches('/');
        if name != volume {
            return None;
        }
        let bound = self.fsroot.strip_prefix("/").unwrap_or(&self.fsroot);
        let below = path.strip_prefix(&self.target).ok()?;
        Some([Path::new(directory), bound, below].iter().collect())
    }
}

fn not_understood(line: String, said: &str) -> Error {
    let reason = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::NotUnderstood { line, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(target: &str, source: &str, fsroot: &str) -> Mount {
        Mount::parse(&format!(
            r#"{{"filesystems": [{{"target": "{target}", "source": "{source}",
                "fstype": "fuse.glusterfs", "fsroot": "{fsroot}"}}]}}"#
        ))
        .unwrap()
    }

    fn place(mount: &Mount, path: &str) -> Option<String> {
        mount.path_in_volume("gv1", Path::new(path)).map(|path| path.display().to_string())
    }

    #[test]
    fn a_directory_below_the_mount_point_is_found_in_the_volume() {
        for source in ["p1:/gv1", "p1:gv1", "fd00::1:/gv1"] {
            let mount = mount("/vm", source, "/");
            assert_eq!(place(&mount, "/vm/images/web").as_deref(), Some("images/web"));
            assert_eq!(place(&mount, "/vm").as_deref(), Some(""));
        }
    }

    #[test]
    fn another_volume_or_file_system_is_not_the_volume() {
        assert_eq!(place(&mount("/vm", "p1:/gv10", "/"), "/vm"), None);
        let local = Mount { fstype: "ext4".into(), ..mount("/", "p1:/gv1", "/") };
        assert_eq!(place(&local, "/vm"), None);
    }

    #[test]
    fn a_mounted_directory_and_a_bind_mount_keep_their_place_in_the_volume() {
        for source in ["p1:/gv1/site", "p1:/gv1//site"] {
            assert_eq!(place(&mount("/vm", source, "/"), "/vm/a").as_deref(), Some("site/a"));
        }
        assert_eq!(place(&mount("/web", "p1:/gv1", "/web"), "/web/a").as_deref(), Some("web/a"));
    }

    #[test]
    fn all_mounts_of_a_volume_are_listed_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let mounts = r#"echo '{"filesystems": [
            {"target": "/", "source": "/dev/vda", "fstype": "ext4", "fsroot": "/"},
            {"target": "/vm", "source": "p1:/gv1", "fstype": "fuse.glusterfs", "fsroot": "/"},
            {"target": "/mnt", "source": "p1:/gv2", "fstype": "fuse.glusterfs", "fsroot": "/"}]}'"#;
        let findmnt = tool_command::script(&directory.path().join("findmnt"), mounts);
        let found = Mount::all_of(&findmnt, "gv1").unwrap();
        let targets: Vec<_> = found.iter().map(|mount| mount.target.as_path()).collect();
        assert_eq!(targets, [Path::new("/vm")]);
    }

    #[test]
    fn an_answer_that_is_cut_short_is_not_taken_for_a_mount() {
        for answer in ["", r#"{"filesystems": [{"target": "/vm""#, r#"{"filesystems": []}"#] {
            let error = Mount::parse(answer).unwrap_err();
            assert!(matches!(error, Error::NotUnderstood { .. }), "{error}");
        }
    }
}
