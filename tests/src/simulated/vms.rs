//! A simulated world with two VMs in the pool, whose images are real ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::fault::{CallId, PlannedFault};
use super::libvirt::Domain;
use super::{CALLS, Scenario, State, World, lines};
use crate::program;
use crate::qcow2;

/// The names by which the simulator is called in such a world.
const PROGRAMS: [&str; 9] = [
    "gluster",
    "mount",
    "mount.glusterfs",
    "umount",
    "findmnt",
    "virsh",
    "qemu-img",
    "ssh",
    "rsync",
];

/// The image behind both root disks.
pub const TEMPLATE: &str = "golden.qcow2";

/// The images that disks are on: domain, target, file, and whether the template lies behind.
pub const DISKS: [(&str, &str, &str, bool); 4] = [
    ("web", "vda", "web-root.qcow2", true),
    ("web", "vdb", "web-data.qcow2", false),
    ("db", "vda", "db-root.qcow2", true),
    ("db", "vdb", "db-data.qcow2", false),
];

/// The domains, with their UUIDs.
const DOMAINS: [(&str, &str); 2] = [
    ("web", "6b0f8c1e-0d3a-4f5e-9a51-0d1f6f0a0001"),
    ("db", "6b0f8c1e-0d3a-4f5e-9a51-0d1f6f0a0002"),
];

/// An older snapshot of this tool, of both disks of `web`, which libvirt knows of.
pub const OLD_RUN: &str = "georep-20260101T020000Z";

/// A snapshot that somebody else made in one image of `web`, and that libvirt does not know of.
pub const FOREIGN: &str = "before-upgrade";

/// How much memory a VM has that is stored with a snapshot, as far as its table says.
pub const VM_STATE_SIZE: u32 = 70_000;

/// The real programs.
pub const QEMU_IMG: &str = "/usr/bin/qemu-img";
/// Reads and writes what a guest sees of an image.
pub const QEMU_IO: &str = "/usr/bin/qemu-io";
const UNSHARE: &str = "/usr/bin/unshare";

/// The images of a world before anything happens to them; gone when dropped.
#[derive(Debug)]
pub struct Images {
    directory: TempDir,
}

impl Images {
    /// Makes them, with the real qemu-img.
    ///
    /// # Panics
    /// Where that fails.
    pub fn prepare() -> Self {
        let images = Self { directory: TempDir::new_in(memory()).expect("a directory") };
        let create = ["create", "-q", "-f", "qcow2", "-o", "cluster_size=4096"];
        images.qemu_img(&[&create[..], &[TEMPLATE, "1M"]].concat());
        let fill = ["-f", "qcow2", "-c", "write -q -P 238 512k 512k", TEMPLATE];
        images.run(QEMU_IO, &fill);
        for (_, _, file, on_template) in DISKS {
            let behind: &[&str] = if on_template { &["-b", TEMPLATE, "-F", "qcow2"] } else { &[] };
            images.qemu_img(&[&create[..], behind, &[file, "1M"]].concat());
        }
        images.qemu_img(&["snapshot", "-c", FOREIGN, DISKS[0].2]);
        for (_, _, file, _) in &DISKS[..2] {
            images.qemu_img(&["snapshot", "-c", OLD_RUN, file]);
        }
        let first = images.path().join(DISKS[0].2);
        qcow2::set_vm_state_size(&first, OLD_RUN, VM_STATE_SIZE).expect("a snapshot");
        images
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn qemu_img(&self, args: &[&str]) {
        self.run(QEMU_IMG, args);
    }

    fn run(&self, program: &str, args: &[&str]) {
        let output = Command::new(program).args(args).current_dir(self.path()).output();
        let output = output.expect("qemu-utils are installed");
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
    }
}

impl World {
    /// Makes a world that plays `scenario` with two VMs, whose images are copies of `images`. It is
    /// in memory, where that can be had.
    pub fn with_vms(scenario: &Scenario, images: &Images) -> Self {
        let directory = TempDir::new_in(memory()).expect("a temporary directory");
        let path = directory.path();
        let pool = path.join("gv1/vm");
        let domain = |(name, uuid): (&str, &str)| {
            let disks = DISKS.iter().filter(|disk| disk.0 == name);
            let chains: Vec<(&str, Vec<PathBuf>)> = disks
                .map(|&(_, target, file, on_template)| {
                    let template = on_template.then(|| pool.join(TEMPLATE));
                    (target, [pool.join(file)].into_iter().chain(template).collect())
                })
                .collect();
            let disks: Vec<_> =
                chains.iter().map(|(target, chain)| (*target, &chain[..])).collect();
            Domain::new(name, uuid, &disks)
        };
        let mut domains: Vec<_> = DOMAINS.into_iter().map(domain).collect();
        domains[0].snapshots.push(OLD_RUN.to_owned());
        let mounted = vec![(path.join("gv1"), "gv1".to_owned())];
        // With a checkpoint that was reached lately the bricks' turns are known.
        let now = jiff::Timestamp::now().as_second();
        let state = State { domains, mounted, checkpoint: Some(now - 600), ..State::default() };
        let world = Self::in_directory(directory, scenario, &PROGRAMS, state);
        for made in ["tmp", "locks", "state", "gv1/vm"] {
            fs::create_dir(world.path().join(made)).expect("a writable world");
        }
        for entry in fs::read_dir(images.path()).expect("the images") {
            let image = entry.expect("the images").path();
            let name = image.file_name().expect("a name");
            fs::copy(&image, pool.join(name)).expect("a writable world");
        }
        world
    }

    /// The directory with the images.
    pub fn pool(&self) -> PathBuf {
        self.path().join("gv1/vm")
    }

    /// From now on calls are counted anew, and this one goes wrong.
    pub fn plan_fault(&self, fault: Option<&PlannedFault>) {
        for kept in [CALLS, CALL_IDS, FAULT, BEFELL] {
            match fs::remove_file(self.path().join(kept)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
                _ => {}
            }
        }
        if let Some(fault) = fault {
            self.write(FAULT, fault);
        }
    }

    /// Sets an option of the volume, as an administrator would.
    pub fn set_option(&self, name: &str, value: &str) {
        self.change(|state| drop(state.options.insert(name.to_owned(), value.to_owned())));
    }

    /// Changes what the programs remember.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        self.write("state.json", &state);
    }

    /// From now on a session at its checkpoint has copied nothing.
    pub fn lose_copies(&self) {
        let mut scenario: Scenario =
            super::read(&self.path().join("scenario.json")).expect("the scenario");
        scenario.copies_nothing = true;
        self.write("scenario.json", &scenario);
    }

    /// Whether the call that was to go wrong has been made.
    pub fn fault_befell(&self) -> bool {
        self.path().join(BEFELL).exists()
    }

    /// The calls that were made, each as it is in every run.
    pub fn call_ids(&self) -> Vec<CallId> {
        let mut ids: Vec<CallId> = Vec::new();
        for line in lines(&self.path().join(CALL_IDS)).expect("the calls") {
            let occurrence = 1 + ids.iter().filter(|id| id.line == line).count();
            ids.push(CallId { line, occurrence });
        }
        ids
    }

    /// A command line of `georep` in this world, with a `/tmp` of its own: mounts that a killed run
    /// has left there are another world's to nobody.
    pub fn georep_apart(&self, args: &[&str]) -> Command {
        let mut command = Command::new(UNSHARE);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let script = "/bin/mount --bind \"$0\" /tmp && exec \"$@\"";
        command.args(["--mount", "/bin/sh", "-c", script]).arg(self.path().join("tmp"));
        command.arg(program::georep()).args(args);
        self.furnish(&mut command);
        command
            .env("GEOREP_LOCK_DIR", self.path().join("locks"))
            .env("GEOREP_STATE_DIR", self.path().join("state"));
        command
    }
}

/// The file in a world that says which call goes wrong.
pub const FAULT: &str = "fault.json";

/// The file that is in a world once that call has been made.
pub const BEFELL: &str = "befell";

/// The file in a world that lists the calls as they are in every run.
pub const CALL_IDS: &str = "call-ids";

/// A directory in memory, else one of the build's. Not below `/tmp`, which every world covers.
fn memory() -> PathBuf {
    let shm = PathBuf::from("/dev/shm");
    if TempDir::new_in(&shm).is_ok() {
        return shm;
    }
    let build = program::target_directory().join("worlds");
    fs::create_dir_all(&build).expect("a writable build directory");
    build
}
