//! The real testbed: commands in its nodes, and what a test wants to know of them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

pub use crate::output::text;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testbed");

/// Where this is set, as in CI, a test that would be skipped is a failure.
pub(crate) const NOTHING_SKIPPED: &str = "GEOREP_TEST_NOTHING_SKIPPED";

/// Runs tests that need the testbed, one after the other, as they all use the one cluster. Where
/// it is not up they are shown as ignored, with a line on top that says so.
pub fn run_all(tests: &'static [(&str, fn())]) -> ExitCode {
    run_where("on the real testbed, which is not up", is_up(), tests)
}

/// Runs tests one after the other where what they need `is_there`; else they are shown as ignored,
/// with a line on top that says so.
pub(crate) fn run_where(lacking: &str, is_there: bool, tests: &'static [(&str, fn())]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    if !is_there {
        eprintln!("SKIPPED: {} tests {lacking}.", tests.len());
        eprintln!("SKIPPED: run `testbed/test`, as root or where sudo asks for no password.");
        if std::env::var_os(NOTHING_SKIPPED).is_some() {
            eprintln!("{NOTHING_SKIPPED} is set: this is a failure.");
            return ExitCode::FAILURE;
        }
    }
    let trial = |&(name, test): &'static (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
        .with_ignored_flag(!is_there)
    };
    libtest_mimic::run(&arguments, tests.iter().map(trial).collect()).exit_code()
}

/// Waits two minutes at most, asking once a second: others want gluster's locks, too.
///
/// # Panics
/// Where it does not come.
#[track_caller]
pub fn wait_for(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..120 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    panic!("waited in vain for {what}");
}

/// A command line of one of the testbed's scripts.
pub fn script(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(format!("{SCRIPTS}/{name}"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs a command in a node.
pub fn on(node: &str, args: &[&str]) -> Output {
    script("on", &[&[node], args].concat()).output().expect("testbed/on can be run")
}

/// Runs a command in a node and returns what it printed.
///
/// # Panics
/// Where it fails.
#[track_caller]
pub fn said(node: &str, args: &[&str]) -> String {
    let output = on(node, args);
    assert!(output.status.success(), "{args:?} on {node}: {}", text(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs a line of shell in a node and returns what it printed.
///
/// # Panics
/// Where it fails.
#[track_caller]
pub fn shell(node: &str, line: &str) -> String {
    said(node, &["sh", "-ec", line])
}

/// Runs one of the testbed's scripts.
///
/// # Panics
/// Where it fails.
#[track_caller]
pub fn run_script(name: &str, args: &[&str]) -> String {
    let output = script(name, args).output().expect("a script of the testbed");
    assert!(output.status.success(), "testbed/{name} {args:?}: {}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether the testbed's nodes run.
pub fn is_up() -> bool {
    script("on", &["p1", "true"]).output().is_ok_and(|output| output.status.success())
}

/// The arguments of a backup of the testbed's pool.
pub const BACKUP: &[&str] = &["backup", "gv1", "dr::gv2", "--pool", "/vm"];

/// Runs `georep` on p1, as a person would.
pub fn georep(args: &[&str]) -> Output {
    on("p1", &[&["georep"], args].concat())
}

/// Starts `georep` on p1.
pub fn start_georep(args: &[&str]) -> Child {
    let mut command = script("on", &[&["p1", "georep"], args].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("testbed/on can be run")
}

/// The number of the last record that the guest knows to be on both disks.
pub fn last_record() -> String {
    shell("p1", "tac /var/log/vm1-console.log | grep -m1 -ao 'ACK [0-9]*' | cut -d' ' -f2")
}

/// What the volume's rollover time is set to; nothing where it is not.
#[track_caller]
pub fn rollover_option() -> String {
    shell("p1", "gluster volume info gv1 | sed -n 's/changelog.rollover-time: //p'")
}

/// The testbed as every run must leave it: the VM runs on its own images, no block job and no
/// overlay, nothing mounted but the pool, no temporary directory.
#[track_caller]
pub fn assert_as_before() {
    assert_eq!(said("p1", &["virsh", "domstate", "vm1"]), "running");
    let disks = shell("p1", "virsh -q domblklist vm1 | awk '{ print $2 }' | xargs");
    assert_eq!(disks, "/vm/vm1-root.qcow2 /vm/vm1-data.qcow2 -");
    let inactive = shell("p1", "virsh -q domblklist --inactive vm1 | awk '{ print $2 }' | xargs");
    assert_eq!(inactive, disks);
    for disk in ["vda", "vdb"] {
        assert_eq!(said("p1", &["virsh", "blockjob", "vm1", disk, "--raw"]), "");
    }
    assert_eq!(shell("p1", "find / -xdev /vm -name '*.georep-*' 2>/dev/null || true"), "");
    assert_eq!(shell("p1", "findmnt -rno TARGET -t fuse.glusterfs"), "/vm");
    assert_eq!(
        shell("p1", "find /tmp /run /var/tmp -name 'georep-mount*' 2>/dev/null || true"),
        ""
    );
}

/// systemd in a node, beside what runs there.
#[derive(Debug)]
pub struct Systemd {
    node: &'static str,
    holder: Child,
}

impl Systemd {
    /// Starts it; units can be started then.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(node: &'static str) -> Self {
        let mut command = script("systemd", &["start", node]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut holder = spawned.expect("testbed/systemd can be run");
        let mut said = String::new();
        let stdout = holder.stdout.as_mut().expect("its stdout is a pipe");
        BufReader::new(stdout).read_line(&mut said).expect("it says when it is up");
        assert_eq!(said.trim(), "up", "systemd did not start");
        Self { node, holder }
    }

    /// Runs a line of shell in the node, where systemd can be talked to.
    pub fn output(&self, line: &str) -> Output {
        let args = ["on", self.node, "sh", "-ec", line];
        script("systemd", &args).output().expect("testbed/systemd can be run")
    }

    /// Runs a line of shell there and returns what it printed.
    ///
    /// # Panics
    /// Where it fails.
    #[track_caller]
    pub fn shell(&self, line: &str) -> String {
        let output = self.output(line);
        assert!(output.status.success(), "{line}: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// It lasts as long as the script's stdin.
impl Drop for Systemd {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
