//! The pool: a directory on the FUSE mount of the primary volume, where the images lie.

use std::fs;
use std::path::{Path, PathBuf};

use gluster_georep::Mount;
use qcow2_snap::plan::Place;
use tool_command::Tool;

use crate::error::CliError;

/// A directory on a mounted volume.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    findmnt: Tool,
    volume: String,
    directory: PathBuf,
    in_volume: PathBuf,
}

/// Where a file lies, whichever way it is reached: through the pool's mount, another mount of the
/// volume, a bind mount, or symbolic links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// In the pool, at this path relative to it.
    Pool(PathBuf),
    /// On the volume, but not in the pool.
    Volume,
    /// Somewhere else.
    Elsewhere,
}

impl From<&Location> for Place {
    fn from(location: &Location) -> Self {
        match location {
            Location::Pool(_) => Self::Pool,
            Location::Volume => Self::Volume,
            Location::Elsewhere => Self::Elsewhere,
        }
    }
}

/// The pool's own path, without symbolic links.
///
/// # Errors
/// Where it is not there.
pub(crate) fn find(pool: &Path) -> Result<PathBuf, CliError> {
    fs::canonicalize(pool).map_err(|source| {
        CliError::io("open the pool", pool, source)
            .hint("is the volume mounted there? `findmnt --types fuse.glusterfs`")
    })
}

impl Pool {
    /// Opens `directory` and makes sure that it lies on a FUSE mount of `volume`.
    ///
    /// # Errors
    /// Where it does not exist, is no directory, or lies on anything else: a run would then
    /// wait for a checkpoint that says nothing about these images.
    pub(crate) fn open(findmnt: &Tool, directory: &Path, volume: &str) -> Result<Self, CliError> {
        let directory = find(directory)?;
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
        let (findmnt, volume) = (findmnt.clone(), volume.to_owned());
        Ok(Self { findmnt, volume, directory, in_volume })
    }

    /// The directory, absolute and free of symbolic links.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory as a path relative to the root of the volume.
    pub(crate) fn in_volume(&self) -> &Path {
        &self.in_volume
    }

    /// Where `file` lies; one that is not there, where it would lie.
    ///
    /// # Errors
    /// Where findmnt does not say on which file system it lies.
    pub(crate) fn locate(&self, file: &Path) -> Result<Location, CliError> {
        let real = real_path(file);
        if let Ok(relative) = real.strip_prefix(&self.directory) {
            return Ok(Location::Pool(relative.to_owned()));
        }
        let Some(there) = real.ancestors().find(|ancestor| ancestor.exists()) else {
            return Ok(Location::Elsewhere);
        };
        let mount = Mount::holding(&self.findmnt, there)?;
        Ok(match mount.path_in_volume(&self.volume, &real) {
            Some(in_volume) => self.locate_in_volume(&in_volume),
            None => Location::Elsewhere,
        })
    }

    /// Where a `gluster://` source lies: its name is the volume and the path in it.
    pub(crate) fn locate_gluster(&self, name: &str) -> Location {
        match name.split_once('/') {
            Some((volume, path)) if volume == self.volume => {
                self.locate_in_volume(Path::new(path.trim_start_matches('/')))
            }
            _ => Location::Elsewhere,
        }
    }

    fn locate_in_volume(&self, path: &Path) -> Location {
        match path.strip_prefix(&self.in_volume) {
            Ok(relative) => Location::Pool(relative.to_owned()),
            Err(_) => Location::Volume,
        }
    }
}

/// The path without symbolic links; of a file that is not there, that of its directory.
fn real_path(file: &Path) -> PathBuf {
    let of_directory = || {
        let directory = fs::canonicalize(file.parent()?).ok()?;
        Some(directory.join(file.file_name()?))
    };
    fs::canonicalize(file).ok().or_else(of_directory).unwrap_or_else(|| file.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The pool `pool/vm` of the volume gv1, which is mounted at `a` and, whole, at `b`; the
    /// directory `pool` of it at `c`. All in a temporary directory, with a findmnt that says so.
    struct World(tempfile::TempDir);

    impl World {
        fn new() -> Self {
            let world = Self(tempfile::tempdir().unwrap());
            for directory in ["a/pool/vm", "b/pool/vm", "c/vm", "d"] {
                fs::create_dir_all(world.path(directory)).unwrap();
            }
            let findmnt = r#"
for path; do :; done
root=$(cd "$(dirname "$0")" && pwd -P)
case $path in
    "$root"/a*) at=a source=p1:/gv1 ;;
    "$root"/b*) at=b source=p2:gv1 ;;
    "$root"/c*) at=c source=p1:/gv1/pool ;;
    *) echo '{"filesystems": [{"target": "/", "source": "/dev/sda", "fstype": "ext4", "fsroot": "/"}]}'; exit ;;
esac
echo "{\"filesystems\": [{\"target\": \"$root/$at\", \"source\": \"$source\",
  \"fstype\": \"fuse.glusterfs\", \"fsroot\": \"/\"}]}"
"#;
            let _ = tool_command::script(&world.path("findmnt"), findmnt);
            world
        }

        fn path(&self, name: &str) -> PathBuf {
            fs::canonicalize(self.0.path()).unwrap().join(name)
        }

        fn pool(&self) -> Pool {
            let findmnt = Tool::at(self.path("findmnt"));
            Pool::open(&findmnt, &self.path("a/pool/vm"), "gv1").unwrap()
        }

        fn locate(&self, file: &str) -> Location {
            self.pool().locate(&self.path(file)).unwrap()
        }
    }

    fn in_pool(path: &str) -> Location {
        Location::Pool(path.into())
    }

    #[test]
    fn an_image_is_in_the_pool_through_every_mount_of_the_volume() {
        let world = World::new();
        for mount in ["a/pool/vm", "b/pool/vm", "c/vm"] {
            fs::write(world.path(&format!("{mount}/web.qcow2")), "").unwrap();
            assert_eq!(
                world.locate(&format!("{mount}/web.qcow2")),
                in_pool("web.qcow2"),
                "{mount}"
            );
        }
        assert_eq!(world.locate("b/pool/vm/not-there-yet.qcow2"), in_pool("not-there-yet.qcow2"));
        assert_eq!(world.locate("b/pool/other.qcow2"), Location::Volume);
        assert_eq!(world.locate("d/other.qcow2"), Location::Elsewhere);
        assert_eq!(world.locate("nowhere/at/all.qcow2"), Location::Elsewhere);
    }

    #[test]
    fn symbolic_links_are_followed_wherever_they_are() {
        let world = World::new();
        fs::write(world.path("b/pool/vm/web.qcow2"), "").unwrap();
        symlink(world.path("b/pool"), world.path("d/directory")).unwrap();
        symlink(world.path("b/pool/vm/web.qcow2"), world.path("d/image.qcow2")).unwrap();
        assert_eq!(world.locate("d/image.qcow2"), in_pool("web.qcow2"));
        assert_eq!(world.locate("d/directory/vm/web.qcow2"), in_pool("web.qcow2"));
        assert_eq!(world.locate("d/directory/vm/new.qcow2"), in_pool("new.qcow2"));
    }

    #[test]
    fn a_gluster_source_lies_where_its_name_says() {
        let pool = World::new().pool();
        assert_eq!(pool.locate_gluster("gv1/pool/vm/web.qcow2"), in_pool("web.qcow2"));
        assert_eq!(pool.locate_gluster("gv1//pool/vm/web.qcow2"), in_pool("web.qcow2"));
        assert_eq!(pool.locate_gluster("gv1/web.qcow2"), Location::Volume);
        assert_eq!(pool.locate_gluster("gv2/pool/vm/web.qcow2"), Location::Elsewhere);
    }

    #[test]
    fn a_pool_on_no_mount_of_the_volume_is_refused() {
        let world = World::new();
        let findmnt = Tool::at(world.path("findmnt"));
        let error = Pool::open(&findmnt, &world.path("a/pool/vm"), "gv2").unwrap_err();
        assert!(error.to_string().contains("not on a mount of volume `gv2`"), "{error}");
        let error = Pool::open(&findmnt, &world.path("d"), "gv1").unwrap_err();
        assert!(error.to_string().contains("/dev/sda"), "{error}");
    }
}
