//! Domains of every kind on the real cluster: chains, templates, raw images, guests that cannot be
//! frozen, merges that take long, snapshots that grow old.
//!
//! Needs `testbed/up`, with `georep` installed in its nodes; `testbed/test` does both. Without it
//! every test here is shown as ignored, with a line on top that says so.

use std::process::{ExitCode, Output};

use georep_tests::output::{assert_exit, assert_says};
use georep_tests::testbed::{
    BACKUP, assert_as_before, georep, on, run_all, said, shell, start_georep, text,
};

const TESTS: &[(&str, fn())] = &[
    ("domains_of_every_kind_are_copied_at_once_and_each_is_on_its_own_base_after", every_kind),
    ("a_guest_that_must_be_frozen_and_cannot_be_is_left_as_it_was", not_frozen),
    ("a_merge_goes_no_faster_than_it_may", slow_merge),
    ("old_snapshots_are_dropped_and_nobody_elses", old_snapshots),
    ("a_block_job_of_somebody_else_is_refused_and_goes_on", foreign_job),
    ("no_room_for_an_overlay_is_said_so_and_changes_nothing", no_room),
];

fn main() -> ExitCode {
    run_all(TESTS)
}

fn backup(more: &[&str]) -> Output {
    georep(&[BACKUP, more].concat())
}

/// A domain without an operating system; its name begins with `test-`.
fn define(name: &str, disks: &[(&str, &str, &str)]) {
    let disk = |(target, format, path): &(&str, &str, &str)| {
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='{format}' cache='none'/>\
             <source file='{path}'/><target dev='{target}' bus='virtio'/></disk>"
        )
    };
    let disks: String = disks.iter().map(disk).collect();
    let xml = format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os>\
         <devices>{disks}<memballoon model='none'/></devices></domain>"
    );
    let line = "echo \"$0\" >/tmp/test.xml; virsh -q define /tmp/test.xml; rm /tmp/test.xml";
    said("p1", &["sh", "-ec", line, &xml]);
}

/// Removes the domains that tests defined, and their images.
fn clean_up() {
    shell(
        "p1",
        "for name in $(virsh list --all --name | grep ^test- || true); do
             virsh -q destroy $name 2>/dev/null || true
             virsh -q undefine $name --snapshots-metadata
         done
         rm -rf /vm/test-* /var/tmp/test-*
         umount /mnt/test-again /mnt/test-full 2>/dev/null || true
         rmdir /mnt/test-again /mnt/test-full 2>/dev/null || true",
    );
}

/// What the domain runs on and what it is defined on, a path a line.
fn sources(domain: &str) -> String {
    shell(
        "p1",
        &format!(
            "virsh -q domblklist {domain} | awk '{{ print $2 }}'
             virsh -q domblklist --inactive {domain} | awk '{{ print $2 }}'"
        ),
    )
}

fn every_kind() {
    clean_up();
    shell(
        "p1",
        "cd /vm
         qemu-img create -q -f qcow2 -b golden.qcow2 -F qcow2 test-sibling.qcow2
         qemu-img create -q -f qcow2 -b test-sibling.qcow2 -F qcow2 test-middle.qcow2
         qemu-img create -q -f qcow2 -b test-middle.qcow2 -F qcow2 test-deep.qcow2
         qemu-img create -q -f qcow2 -b golden.qcow2 -F qcow2 test-twin.qcow2
         head -c 5000000 /dev/urandom >test-raw.img; truncate -s 64M test-raw.img
         head -c 5000000 /dev/urandom >test-template.img
         qemu-img create -q -f qcow2 -b test-template.img -F raw test-on-raw.qcow2
         qemu-img create -q -f qcow2 test-linked.qcow2 8M
         qemu-img create -q -f qcow2 test-again.qcow2 8M
         qemu-img create -q -f qcow2 test-off.qcow2 8M
         qemu-img create -q -f qcow2 /var/tmp/test-outside.qcow2 8M
         ln -s /vm/test-linked.qcow2 /var/tmp/test-linked.qcow2
         mkdir -p /mnt/test-again; mount -t glusterfs p1:/gv1 /mnt/test-again",
    );
    define("test-deep", &[("vda", "qcow2", "/vm/test-deep.qcow2")]);
    define("test-twin", &[("vda", "qcow2", "/vm/test-twin.qcow2")]);
    define(
        "test-mixed",
        &[
            ("vda", "raw", "/vm/test-raw.img"),
            ("vdb", "qcow2", "/vm/test-on-raw.qcow2"),
            ("vdc", "qcow2", "/var/tmp/test-outside.qcow2"),
            ("vdd", "qcow2", "/var/tmp/test-linked.qcow2"),
            ("vde", "qcow2", "/mnt/test-again/test-again.qcow2"),
        ],
    );
    define("test-off", &[("vda", "qcow2", "/vm/test-off.qcow2")]);
    shell(
        "p1",
        "virsh -q start test-deep; virsh -q start test-twin --paused; virsh -q start test-mixed",
    );
    let names = ["test-deep", "test-twin", "test-mixed", "test-off"];
    let before = names.map(sources);
    let template = || shell("p1", "sha256sum </vm/golden.qcow2; sha256sum </vm/test-template.img");
    let templates = template();

    let twice = ["--connect", "qemu:///system", "--connect", "qemu+unix:///system"];
    let more = ["--method", "external", "--verify", "full"];
    let output = backup(&[&more[..], &twice].concat());
    assert_exit(&output, 0);
    assert_says(
        &output,
        &[
            "test-deep (running): vda copy",
            "test-twin (paused): vda copy",
            "test-off (shut off): vda copy",
            "vda copy (raw); vdb copy; vdc skip, lies outside the volume",
            "vdd copy; vde copy",
            "test-mixed: vda, vdb, vdd, vde on overlays",
            "vm1: vda, vdb on overlays",
            "2 file systems frozen for",
            "test-deep: copied as after a power failure",
            "s at most of 4 guests",
        ],
    );
    assert_eq!(text(&output).matches("vm1: vda, vdb on overlays").count(), 1, "{}", text(&output));
    assert_eq!(names.map(sources), before, "every domain is on its own base");
    assert_eq!(template(), templates, "the templates are as they were");
    let depth =
        shell("p1", "qemu-img info -U --backing-chain /vm/test-deep.qcow2 | grep -c ^image");
    assert_eq!(depth, "4");
    assert_eq!(said("p1", &["virsh", "domstate", "test-twin"]), "paused");
    assert_eq!(said("p1", &["virsh", "domstate", "test-off"]), "shut off");
    let thaw = said("p1", &["virsh", "domfsthaw", "vm1"]);
    assert_eq!(thaw, "Thawed 0 filesystem(s)", "it has been thawed");
    clean_up();
    assert_as_before();
}

fn not_frozen() {
    clean_up();
    shell("p1", "qemu-img create -q -f qcow2 /vm/test-mute.qcow2 8M");
    define("test-mute", &[("vda", "qcow2", "/vm/test-mute.qcow2")]);
    shell("p1", "virsh -q start test-mute");
    let output = backup(&["--method", "external", "--quiesce", "require"]);
    assert_exit(&output, 1);
    assert_says(&output, &["domain `test-mute`", "could not be frozen", "agent"]);
    assert!(!sources("test-mute").contains("georep-"));
    let thaw = said("p1", &["virsh", "domfsthaw", "vm1"]);
    assert_eq!(thaw, "Thawed 0 filesystem(s)", "the other guest has been thawed");
    clean_up();
    assert_as_before();
}

fn slow_merge() {
    let args = ["--method", "external", "--domain", "vm1", "--bandwidth", "4", "--verify", "none"];
    let mut run = start_georep(&[BACKUP, &args].concat());
    // The job may be over in a second: one answer is both what is waited for and what is looked at.
    let job = shell(
        "p1",
        "for try in $(seq 1200); do
             virsh blockjob vm1 vdb --raw | grep -A9 type && exit
             sleep 0.1
         done",
    );
    assert_eq!(run.wait().expect("it runs").code(), Some(0));
    assert!(job.contains("bandwidth=4194304") || job.contains("bandwidth=4\n"), "{job}");
    assert_as_before();
}

fn old_snapshots() {
    clean_up();
    shell(
        "p1",
        "qemu-img create -q -f qcow2 /vm/test-off.qcow2 8M
         for name in georep-20200101T000000Z georep-20200102T000000Z mine georep-mine; do
             qemu-img snapshot -c $name /vm/test-off.qcow2
         done",
    );
    define("test-off", &[("vda", "qcow2", "/vm/test-off.qcow2")]);
    shell("p1", "virsh -q snapshot-create-as vm1 georep-20200101T000000Z");

    let prune = ["prune", "--pool", "/vm", "--keep", "1"];
    let output = georep(&[&prune[..], &["--dry-run"]].concat());
    assert_exit(&output, 0);
    assert_says(&output, &["test-off: georep-20200101T000000Z would be deleted"]);
    assert_exit(&georep(&["prune", "--pool", "/vm", "--keep", "0"]), 2);
    assert_exit(&georep(&prune), 0);
    let names = |image: &str| {
        shell(
            "p1",
            &format!("qemu-img snapshot -U -l {image} | awk 'NR > 2 {{ print $2 }}' | xargs"),
        )
    };
    assert_eq!(names("/vm/test-off.qcow2"), "georep-20200102T000000Z mine georep-mine");

    let output = backup(&["--method", "internal", "--keep", "1"]);
    assert_exit(&output, 0);
    assert_says(&output, &["vm1: paused for", "test-off: no pause, shut off", "vm1: georep-2020"]);
    let left = names("/vm/test-off.qcow2");
    assert!(left.starts_with("mine georep-mine georep-20"), "{left}");
    assert!(!left.contains("georep-2020"), "{left}");
    let snapshots = said("p1", &["virsh", "snapshot-list", "vm1", "--name"]);
    let [snapshot] = snapshots.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("not one snapshot: {snapshots}")
    };
    assert!(left.ends_with(snapshot), "{left}");
    said("p1", &["virsh", "-q", "snapshot-delete", "vm1", snapshot]);
    clean_up();
    assert_as_before();
}

fn foreign_job() {
    clean_up();
    shell("p1", "qemu-img create -q -f qcow2 /vm/test-busy.qcow2 64M");
    define("test-busy", &[("vda", "qcow2", "/vm/test-busy.qcow2")]);
    shell(
        "p1",
        "qemu-io -f qcow2 -c 'write 0 32M' /vm/test-busy.qcow2 >/dev/null
         virsh -q start test-busy
         virsh -q blockcopy test-busy vda /var/tmp/test-copy.qcow2 --bandwidth 1 --transient-job",
    );
    let output = backup(&["--method", "external", "--domain", "test-busy"]);
    assert_exit(&output, 1);
    assert_says(&output, &["a block job (`copy`) is active"]);
    assert!(said("p1", &["virsh", "blockjob", "test-busy", "vda", "--raw"]).contains("Block Copy"));
    clean_up();
    assert_as_before();
}

fn no_room() {
    clean_up();
    shell("p1", "mkdir -p /mnt/test-full; mount -t tmpfs -o size=64k tmpfs /mnt/test-full");
    let output = backup(&["--method", "external", "--overlay-dir", "/mnt/test-full"]);
    assert_exit(&output, 1);
    assert_says(&output, &["No space left on device", "make room on the file system"]);
    assert_eq!(text(&on("p1", &["ls", "/mnt/test-full"])), "");
    clean_up();
    assert_as_before();
}
