//! A volume mounted for a moment, and which file system a path lies on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;
use tool_command::{CommandError, SearchPath, Tool};

use crate::Error;

/// The type under which a GlusterFS client appears in the mount table.
const FILE_SYSTEM: &str = "fuse.glusterfs";

/// The client's log, beside those of gluster's own mounts.
const LOG_FILE: &str = "/var/log/glusterfs/georep-mount.log";

/// A client that has not mounted by then waits for a server that does not answer.
const MOUNT_TIME_LIMIT: Duration = Duration::from_secs(60);

/// The programs behind a mount.
#[derive(Debug, Clone)]
pub struct MountTools {
    /// glusterfs(8), the FUSE client.
    pub glusterfs: Tool,
    /// umount(8).
    pub umount: Tool,
    /// findmnt(8), of util-linux.
    pub findmnt: Tool,
}

impl MountTools {
    /// Finds them all.
    ///
    /// # Errors
    /// Names the first that is missing.
    pub fn find(path: &SearchPath) -> Result<Self, CommandError> {
        Ok(Self {
            glusterfs: path.find("glusterfs")?,
            umount: path.find("umount")?,
            findmnt: path.find("findmnt")?,
        })
    }
}

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
    /// Where findmnt fails, or says something that is not understood.
    pub fn holding(findmnt: &Tool, path: &Path) -> Result<Self, Error> {
        let columns = "TARGET,SOURCE,FSTYPE,FSROOT";
        let command = findmnt
            .command([
                "--json",
                "--first-only",
                "--nofsroot",
                "--output",
                columns,
                "--target",
            ])
            .arg(path);
        let said = command.run()?.stdout_lossy();
        Self::parse(&said).ok_or_else(|| Error::Malformed {
            line: command.to_string(),
            reason: said.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    fn parse(json: &str) -> Option<Self> {
        serde_json::from_str::<Findmnt>(json)
            .ok()?
            .filesystems
            .pop()
    }

    /// Where `path` lies within `volume`, relative to the volume's root; `None` where this is not
    /// a GlusterFS mount of that volume.
    pub fn path_in_volume(&self, volume: &str, path: &Path) -> Option<PathBuf> {
        if self.fstype != FILE_SYSTEM {
            return None;
        }
        // An IPv6 server holds colons too; a volume's name holds none.
        let (_, mounted) = self.source.rsplit_once(':')?;
        let mounted = mounted.trim_start_matches('/');
        let (name, directory) = mounted.split_once('/').unwrap_or((mounted, ""));
        if name != volume {
            return None;
        }
        let bound = self.fsroot.strip_prefix("/").unwrap_or(&self.fsroot);
        let below = path.strip_prefix(&self.target).ok()?;
        Some([Path::new(directory), bound, below].iter().collect())
    }
}

/// A volume mounted in a temporary directory. Both are gone when this is dropped.
#[derive(Debug)]
pub struct ClientMount<'a> {
    tools: &'a MountTools,
    directory: PathBuf,
    mounted: bool,
}

impl<'a> ClientMount<'a> {
    /// Mounts `volume` of `server`.
    ///
    /// # Errors
    /// Where that fails; then nothing is left behind.
    pub fn read_write(tools: &'a MountTools, server: &str, volume: &str) -> Result<Self, Error> {
        Self::new(tools, server, volume, &[])
    }

    /// Mounts `volume` of `server` so that nothing can be changed through it.
    ///
    /// # Errors
    /// Where that fails; then nothing is left behind.
    pub fn read_only(tools: &'a MountTools, server: &str, volume: &str) -> Result<Self, Error> {
        Self::new(tools, server, volume, &["--read-only"])
    }

    fn new(
        tools: &'a MountTools,
        server: &str,
        volume: &str,
        options: &[&str],
    ) -> Result<Self, Error> {
        let made = tempfile::Builder::new().prefix("georep-mount-").tempdir();
        let directory = made.map(TempDir::keep).map_err(|source| Error::Io {
            tried: "make a mount point in",
            path: std::env::temp_dir(),
            source,
        })?;
        // From here on dropping it cleans up.
        let mut mount = Self {
            tools,
            directory,
            mounted: false,
        };
        let failed = |reason: String| Error::Mount {
            server: server.to_owned(),
            volume: volume.to_owned(),
            reason,
        };
        let command = tools
            .glusterfs
            .command([
                "--volfile-server",
                server,
                "--volfile-id",
                volume,
                "--log-file",
                LOG_FILE,
            ])
            .args(options.iter().copied())
            .arg(&mount.directory)
            .time_limit(MOUNT_TIME_LIMIT);
        // A client that was killed, or failed late, may have mounted all the same.
        mount.mounted = true;
        command.run().map_err(|error| failed(error.to_string()))?;
        mount.mounted = mount.is_mounted();
        if mount.mounted {
            Ok(mount)
        } else {
            Err(failed(format!(
                "`{command}` exited with 0, but mounted nothing; see {LOG_FILE}"
            )))
        }
    }

    /// glusterfs exits with 0 before it knows whether the volume can be had.
    fn is_mounted(&self) -> bool {
        Mount::holding(&self.tools.findmnt, &self.directory)
            .is_ok_and(|mount| mount.target == self.directory && mount.fstype == FILE_SYSTEM)
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Unmounts the volume and removes the mount point.
    ///
    /// # Errors
    /// Where either fails; the mount is detached all the same, if the system lets it.
    pub fn unmount(mut self) -> Result<(), Error> {
        self.take_down()
    }

    /// A file system that is busy for a moment (bz#1598977) is detached, and goes when it is not.
    fn take_down(&mut self) -> Result<(), Error> {
        if self.mounted {
            let umount = |lazy: &[&str]| {
                self.tools
                    .umount
                    .command(lazy.iter().copied())
                    .arg(&self.directory)
                    .run()
            };
            umount(&[]).or_else(|_| umount(&["--lazy"]))?;
            self.mounted = false;
        }
        if self.directory.as_os_str().is_empty() {
            return Ok(());
        }
        // Never recursively: were anything still mounted here, that would be deleted.
        let directory = std::mem::take(&mut self.directory);
        std::fs::remove_dir(&directory).map_err(|source| Error::Io {
            tried: "remove the mount point",
            path: directory,
            source,
        })
    }
}

impl Drop for ClientMount<'_> {
    fn drop(&mut self) {
        // On the way out of an error there is nobody left to tell.
        let _ = self.take_down();
    }
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
        mount
            .path_in_volume("gv1", Path::new(path))
            .map(|path| path.display().to_string())
    }

    #[test]
    fn a_directory_below_the_mount_point_is_found_in_the_volume() {
        for source in ["p1:/gv1", "p1:gv1", "fd00::1:/gv1"] {
            let mount = mount("/vm", source, "/");
            assert_eq!(
                place(&mount, "/vm/images/web").as_deref(),
                Some("images/web")
            );
            assert_eq!(place(&mount, "/vm").as_deref(), Some(""));
        }
    }

    #[test]
    fn another_volume_or_file_system_is_not_the_volume() {
        assert_eq!(place(&mount("/vm", "p1:/gv10", "/"), "/vm"), None);
        let local = Mount {
            fstype: "ext4".into(),
            ..mount("/", "p1:/gv1", "/")
        };
        assert_eq!(place(&local, "/vm"), None);
    }

    #[test]
    fn a_mounted_directory_and_a_bind_mount_keep_their_place_in_the_volume() {
        assert_eq!(
            place(&mount("/vm", "p1:/gv1/site", "/"), "/vm/a").as_deref(),
            Some("site/a")
        );
        assert_eq!(
            place(&mount("/web", "p1:/gv1", "/web"), "/web/a").as_deref(),
            Some("web/a")
        );
    }

    #[test]
    fn an_answer_that_is_cut_short_is_not_taken_for_a_mount() {
        assert_eq!(Mount::parse(r#"{"filesystems": [{"target": "/vm""#), None);
        assert_eq!(Mount::parse(r#"{"filesystems": []}"#), None);
    }
}
