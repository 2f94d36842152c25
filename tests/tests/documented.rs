//! The documents that tell somebody what to do, run as they stand: every block of commands, in the
//! order of the page, on the node that its mark names (`georep_tests::documents`).
//!
//! They end with a cluster that is not the one that was there before, so that ends, and another one
//! is brought up.

use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use georep_tests::documents::{Block, Mark, RUN, blocks};
use georep_tests::testbed::{on, run_all, run_script, said, shell, text, wait_for};

const TESTS: &[(&str, fn()); RUN.len()] = &[
    ("readme", || run(RUN[0])),
    ("backup", || run(RUN[1])),
    ("monitoring", || run(RUN[2])),
    ("from_cron", || run(RUN[3])),
    ("disaster_day", || run(RUN[4])),
];

/// No block takes longer.
const TIME_LIMIT: &str = "300";

/// Whether the cluster is the documents' own.
static PREPARED: AtomicBool = AtomicBool::new(false);
/// Whether p1 and p2 are switched off.
static PRIMARY_OFF: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let exit = run_all(TESTS);
    if PREPARED.load(Ordering::Relaxed) {
        another_cluster();
    }
    exit
}

fn run(document: &str) {
    if !PREPARED.swap(true, Ordering::Relaxed) {
        prepare();
    }
    let failed: Vec<_> = blocks(document).iter().filter_map(run_block).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// What is wrong with a block, with the command that failed, its status and its output.
fn run_block(block: &Block) -> Option<String> {
    let Block { place, mark, commands } = block;
    let (node, primary_off) = match mark {
        Some(Mark::On { node, primary_off }) => (node, *primary_off),
        Some(Mark::Not { .. }) => return None,
        unclear => return Some(format!("{place}: it is not said where it is run: {unclear:?}")),
    };
    if PRIMARY_OFF.swap(primary_off, Ordering::Relaxed) != primary_off {
        if primary_off { switch_the_primary_off() } else { switch_the_primary_on() }
    }
    eprintln!("{place} on {node}");
    let output = on(node, &["timeout", TIME_LIMIT, "bash", "-exo", "pipefail", "-c", commands]);
    // The last line that the shell has traced is the command that failed.
    (!output.status.success())
        .then(|| format!("{place} on {node}: {}\n{}", output.status, text(&output)))
}

/// A session with the name that the documents use.
fn prepare() {
    for node in ["p1", "p2", "dr"] {
        shell(node, "printf '10.99.0.1 p1.example.org\n10.99.0.3 dr.example.org\n' >>/etc/hosts");
    }
    shell(
        "p1",
        "session() { secondary=$1; shift
             gluster --mode=script volume geo-replication gv1 $secondary \"$@\"; }
         session dr::gv2 stop force
         session dr::gv2 delete
         session dr.example.org::gv2 create push-pem force
         session dr.example.org::gv2 config rsync-options ' --ignore-times'
         session dr.example.org::gv2 start",
    );
    // Nobody reads a page, and types it, in the seconds that workers take to start.
    let working = "gluster volume geo-replication gv1 dr.example.org::gv2 status \
                   | grep -cE ' (Active|Passive) ' || true";
    wait_for("workers", || on("p1", &["sh", "-c", working]).stdout == b"4\n");
}

/// A power cut, as seen from dr: the VMs end, and nothing on both nodes does anything any more.
fn switch_the_primary_off() {
    shell("p1", "for domain in $(virsh list --name); do virsh -q destroy $domain; done");
    for node in ["p1", "p2"] {
        shell(node, "kill -STOP -1");
    }
}

fn switch_the_primary_on() {
    for node in ["p1", "p2"] {
        shell(node, "kill -CONT -1");
    }
    let serving = "gluster volume status gv1 | grep -c '^Brick.* Y ' || true";
    wait_for("bricks", || on("p1", &["sh", "-c", serving]).stdout == b"4\n");
}

/// One as it is after `testbed/up`, with `georep` in its nodes.
fn another_cluster() {
    let georep = tempfile::NamedTempFile::new().expect("a file");
    let program = on("p1", &["cat", "/usr/local/bin/georep"]).stdout;
    std::fs::write(&georep, program).expect("a program");
    let path = georep.path().display().to_string();
    std::fs::set_permissions(&georep, std::fs::Permissions::from_mode(0o755)).expect("a program");
    run_script("down", &[]);
    run_script("up", &[]);
    for node in ["p1", "p2", "dr"] {
        run_script("put", &[node, &path, "/usr/local/bin/georep"]);
        said(node, &["georep", "--version"]);
    }
}
