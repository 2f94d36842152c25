use super::*;
use tool_command::script;

/// A world in which `mount`, `umount` and `findmnt` are shell scripts that write down their calls.
struct World {
    directory: TempDir,
    tools: MountTools,
}

impl World {
    fn new(mount: &str, umount: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let tool = |name: &str, text: &str| {
            let calls = root.join("calls");
            let text = format!("echo {name} \"$@\" >> {}\n{text}", calls.display());
            script(&root.join(name), &text)
        };
        let flag = root.join("mounted").display().to_string();
        let findmnt = format!(
            "for last; do :; done; test -e {flag} || last=/; \
             echo '{{\"filesystems\": [{{\"target\": \"'$last'\", \"source\": \"p1:/gv1\", \
             \"fstype\": \"fuse.glusterfs\", \"fsroot\": \"/\"}}]}}'"
        );
        fs::create_dir(root.join("mounts")).unwrap();
        let tools = MountTools {
            mount: tool("mount", &mount.replace("FLAG", &flag)),
            umount: tool("umount", &umount.replace("FLAG", &flag)),
            findmnt: tool("findmnt", &findmnt),
            directory: root.join("mounts"),
        };
        Self { directory, tools }
    }

    fn calls(&self, of: &str) -> Vec<String> {
        let calls = fs::read_to_string(self.directory.path().join("calls")).unwrap();
        calls.lines().filter(|call| call.split(' ').next() == Some(of)).map(str::to_owned).collect()
    }

    fn left(&self) -> usize {
        fs::read_dir(&self.tools.directory).unwrap().count()
    }
}

#[test]
fn a_mount_is_gone_with_its_directory_when_it_is_dropped() {
    let world = World::new("touch FLAG", "rm FLAG");
    let mount = ClientMount::read_only(&world.tools, "p1", "gv1").unwrap();
    assert!(mount.path().is_dir());
    let call = &world.calls("mount")[0];
    assert!(call.contains("-t glusterfs") && call.contains(",ro p1:/gv1 "), "{call}");

    drop(mount);
    assert_eq!((world.left(), world.calls("umount").len()), (0, 1));
}

#[test]
fn a_client_that_ends_with_0_and_mounts_nothing_is_an_error() {
    let world = World::new("exit 0", "exit 0");
    let error = ClientMount::read_write(&world.tools, "p1", "gv1").unwrap_err();
    assert!(error.to_string().contains("nothing is mounted"), "{error}");
    assert_eq!((world.left(), world.calls("mount").len()), (0, 1));
}

#[test]
fn a_failure_shows_the_end_of_the_clients_log() {
    let log = "log=${4#*log-file=}; log=${log%%,*}; echo '[now] I [x] hello' > $log; \
               echo '[now] E [y] failed to fetch volume file' >> $log; exit 1";
    let world = World::new(log, "exit 0");
    let error = ClientMount::read_write(&world.tools, "p1", "gv1").unwrap_err().to_string();
    assert!(error.contains("failed to fetch") && !error.contains("hello"), "{error}");
    assert_eq!(world.left(), 0);
}

#[test]
fn a_client_that_fails_after_it_has_mounted_is_unmounted() {
    let world = World::new("touch FLAG; exit 1", "rm FLAG");
    assert!(ClientMount::read_write(&world.tools, "p1", "gv1").is_err());
    assert_eq!((world.left(), world.calls("umount").len()), (0, 1));
}

#[test]
fn a_busy_mount_is_detached() {
    let world = World::new("touch FLAG", "case \"$*\" in *lazy*) rm FLAG;; *) exit 32;; esac");
    let mount = ClientMount::read_write(&world.tools, "p1", "gv1").unwrap();
    mount.unmount().unwrap();
    assert_eq!((world.left(), world.calls("umount").len()), (0, 2));
}

#[test]
fn what_is_still_in_the_directory_is_never_removed() {
    let world = World::new("touch FLAG", "exit 0");
    let mount = ClientMount::read_write(&world.tools, "p1", "gv1").unwrap();
    let image = mount.path().join("image.qcow2");
    fs::write(&image, "data").unwrap();
    assert!(matches!(mount.unmount(), Err(Error::Io { .. })));
    assert_eq!(fs::read(&image).unwrap(), b"data");
}

/// Mounts a volume, and leaves it as the system does after a SIGKILL: no lock, and all else as it was.
fn left_by_a_killed_process(world: &World) -> PathBuf {
    let mut mount = ClientMount::read_write(&world.tools, "p1", "gv1").unwrap();
    let mount_point = mount.path().to_owned();
    mount.mounted = false;
    mount.directory = PathBuf::new();
    mount_point
}

#[test]
fn a_mount_that_cannot_be_cleared_is_told_and_stays() {
    let world = World::new("touch FLAG", "exit 1");
    let mount_point = left_by_a_killed_process(&world);
    let image = mount_point.join("image");
    fs::write(&image, b"data").unwrap();
    let found = ClientMount::find_left_behind(&world.tools).unwrap();
    assert_eq!(
        found,
        ClientMount::find_left_behind(&world.tools).unwrap(),
        "nothing is taken down"
    );
    let cleared = ClientMount::clear_left_behind(&world.tools).unwrap();
    let [Err(error)] = cleared.as_slice() else { panic!("{cleared:?}") };
    assert!(error.to_string().contains(&mount_point.display().to_string()), "{error}");
    assert_eq!(fs::read(&image).unwrap(), b"data");
}

#[test]
fn what_a_killed_process_has_left_mounted_is_cleared() {
    let world = World::new("touch FLAG", "rm FLAG");
    let mount_point = left_by_a_killed_process(&world);
    assert_eq!((world.left(), world.calls("umount").len()), (1, 0));

    let cleared = ClientMount::clear_left_behind(&world.tools).unwrap();
    assert_eq!(cleared.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [mount_point]);
    assert_eq!((world.left(), world.calls("umount").len()), (0, 1));
}

#[test]
fn mounts_of_the_living_and_of_others_are_not_cleared() {
    let world = World::new("touch FLAG", "rm FLAG");
    let mount = ClientMount::read_write(&world.tools, "p1", "gv1").unwrap();
    let elsewhere = world.directory.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join(MOUNT_POINT)).unwrap();
    std::os::unix::fs::symlink(&elsewhere, world.tools.directory.join("georep-mount-link"))
        .unwrap();
    fs::create_dir_all(world.tools.directory.join("other/volume")).unwrap();
    fs::create_dir(world.tools.directory.join("georep-mount-new")).unwrap();

    assert!(ClientMount::clear_left_behind(&world.tools).unwrap().is_empty());
    assert!(mount.path().is_dir() && elsewhere.join(MOUNT_POINT).is_dir());
    assert_eq!(world.left(), 4);
    drop(mount);
    assert_eq!((world.left(), world.calls("umount").len()), (3, 1));
}
