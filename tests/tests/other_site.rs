//! The other site alone: with p1 and p2 switched off, dr restores and rehearses what they left.

use std::process::{ExitCode, Output};

use georep_tests::output::{assert_exit, assert_says};
use georep_tests::testbed::{
    BACKUP, assert_as_before, georep, is_up, on, run_all, run_script, said, shell, text, wait_for,
};

const TESTS: &[(&str, fn())] = &[
    ("an_external_run_is_restored_and_rehearsed_by_dr_alone", external),
    ("an_internal_run_is_restored_and_rehearsed_by_dr_alone", internal),
];

const RESTORED: &str = "/var/lib/libvirt/images";

fn main() -> ExitCode {
    let exit = run_all(TESTS);
    if is_up() {
        as_before();
    }
    exit
}

/// What is here after a test that failed, too: the primary is on, its VM runs, dr has no domains.
fn as_before() {
    for node in ["p1", "p2"] {
        on(node, &["sh", "-c", "kill -CONT -1"]);
    }
    let clean = format!(
        "for domain in $(virsh list --name); do virsh -q destroy $domain; done
         for domain in $(virsh list --name --all); do virsh -q undefine $domain; done
         rm -rf {RESTORED}/* /var/log/*-console.log; umount /mnt/gv2 || true"
    );
    on("dr", &["sh", "-c", &clean]);
    let serving = "gluster volume status gv1 | grep -c '^Brick.* Y ' || true";
    wait_for("bricks", || on("p1", &["sh", "-c", serving]).stdout == b"4\n");
    wait_for("the pool", || on("p1", &["ls", "/vm/golden.qcow2"]).status.success());
    for name in ["vm2", "holes"] {
        let remove = format!(
            "virsh -q destroy {name}; virsh -q undefine {name} --snapshots-metadata
             rm -f /vm/{name}-* /var/log/{name}-console.log"
        );
        on("p1", &["sh", "-c", &remove]);
    }
    on("p1", &["virsh", "-q", "start", "vm1"]);
    shell(
        "p1",
        "for name in $(virsh snapshot-list vm1 --name | grep ^georep-); do
             virsh -q snapshot-delete vm1 $name; done",
    );
    assert_as_before();
}

/// A power cut: the VMs end where they are, and nothing on both nodes does anything any more.
fn switch_the_primary_off() {
    shell("p1", "for domain in $(virsh list --name); do virsh -q destroy $domain; done");
    for node in ["p1", "p2"] {
        shell(node, "kill -STOP -1");
    }
    shell("dr", "mkdir -p /mnt/gv2; mount -t glusterfs -o ro dr:/gv2 /mnt/gv2");
}

/// The last record that a VM knows to be on both disks.
fn last_record(vm: &str) -> String {
    let line = format!("tac /var/log/{vm}-console.log | grep -m1 -ao 'ACK [0-9]*' | cut -d' ' -f2");
    shell("p1", &line)
}

fn start_vm2() {
    let kind = shell("p1", "virsh dumpxml vm1 | sed -n \"s/<domain type='\\([a-z]*\\)'.*/\\1/p\"");
    said("p1", &["/var/lib/guest/create-vm", "vm2", "/vm", &kind]);
    said("p1", &["virsh", "-q", "start", "vm2"]);
    wait_for("the first record of vm2", || {
        on("p1", &["grep", "-q", "ACK", "/var/log/vm2-console.log"]).status.success()
    });
}

/// A domain that is shut off, with images full of holes. They are large because a backup reads
/// random places, and the primary makes the shards of holes that are read.
fn define_holes() {
    shell(
        "p1",
        "cd /vm; truncate -s 512M holes-raw.img
         dd if=/dev/urandom of=holes-raw.img bs=1M count=1 seek=40 conv=notrunc status=none
         qemu-img create -q -f qcow2 -o preallocation=metadata holes-pre.qcow2 512M
         disk() { echo \"<disk type='file' device='disk'><driver name='qemu' type='$1'/>
             <source file='/vm/$2'/><target dev='$3' bus='virtio'/></disk>\"; }
         echo \"<domain type='qemu'><name>holes</name><memory>65536</memory>
             <os><type>hvm</type></os><devices>$(disk raw holes-raw.img vda)
             $(disk qcow2 holes-pre.qcow2 vdb)</devices></domain>\" >/tmp/holes.xml
         virsh -q define /tmp/holes.xml; rm /tmp/holes.xml",
    );
}

fn dr_georep(args: &[&str]) -> Output {
    on("dr", &[&["georep"], args].concat())
}

/// No domain runs, and nothing of a rehearsal is left.
#[track_caller]
fn assert_nothing_rehearsed() {
    assert_eq!(said("dr", &["virsh", "list", "--name"]), "");
    assert_eq!(shell("dr", "find /var/tmp /tmp -name 'georep-*' || true"), "");
}

fn external() {
    as_before();
    start_vm2();
    define_holes();
    let records = ["vm1", "vm2"].map(last_record);
    assert_exit(&georep(&[BACKUP, &["--method", "external"]].concat()), 0);
    let data = |file: &str| format!("dd if={file} bs=1M count=1 skip=40 status=none | sha256sum");
    let raw = shell("p1", &data("/vm/holes-raw.img"));
    switch_the_primary_off();

    assert_exit(&dr_georep(&["verify", "--path", "/mnt/gv2", "--level", "check"]), 0);
    let restore = ["restore", "--path", "/mnt/gv2", "--to", RESTORED];
    let dry_run = dr_georep(&[&restore[..], &["--dry-run"]].concat());
    assert_exit(&dry_run, 0);
    assert_says(
        &dry_run,
        &["cp --sparse always", "dd 'if=/mnt/gv2/holes-raw.img'", "virsh define"],
    );
    assert_eq!(said("dr", &["virsh", "list", "--name", "--all"]), "");

    let rehearsal = dr_georep(&[
        "rehearse",
        "--path",
        "/mnt/gv2",
        "--domain",
        "vm1",
        "--domain",
        "vm2",
        "--sign",
        "serial:ACK",
    ]);
    assert_exit(&rehearsal, 0);
    assert_says(&rehearsal, &["vm1: \"ACK\" stood on the console", "2 of 2 domains came up"]);
    assert!(!text(&rehearsal).contains("copied"), "it boots from the secondary itself");
    assert_nothing_rehearsed();
    let holes =
        dr_georep(&["rehearse", "--path", "/mnt/gv2", "--domain", "holes", "--sign", "running:3"]);
    assert_exit(&holes, 0);
    assert_says(&holes, &["holes-raw.img: copied", "holes-pre.qcow2: copied"]);
    assert_nothing_rehearsed();

    let restored = dr_georep(&restore);
    assert_exit(&restored, 0);
    assert_says(&restored, &["vm1, vm2, holes restored on 7 images"]);
    assert_eq!(shell("dr", &data(&format!("{RESTORED}/holes-raw.img"))), raw);
    let size = shell("dr", &format!("stat -c '%s %b' {RESTORED}/holes-raw.img"));
    assert_eq!(size, format!("{} 2048", 512 << 20), "holes are holes");
    said("dr", &["qemu-img", "check", "-q", &format!("{RESTORED}/holes-pre.qcow2")]);
    for (vm, record) in ["vm1", "vm2"].iter().zip(&records) {
        run_script("prove-copy", &[vm, "--not-before", record, "--dir", RESTORED]);
    }
    // The definition too: it goes on where the backup was taken.
    said("dr", &["virsh", "-q", "start", "vm1"]);
    wait_for("a record of the restored vm1", || {
        on("dr", &["grep", "-q", "ACK", "/var/log/vm1-console.log"]).status.success()
    });
    as_before();
}

fn internal() {
    as_before();
    let record = last_record("vm1");
    assert_exit(&georep(&[BACKUP, &["--method", "internal"]].concat()), 0);
    switch_the_primary_off();

    // By the agent, as nothing else is asked for.
    let rehearsal = dr_georep(&["rehearse", "--path", "/mnt/gv2"]);
    assert_exit(&rehearsal, 0);
    assert_says(&rehearsal, &["vm1: the guest agent answered", "1 of 1 domain came up"]);
    assert_nothing_rehearsed();

    assert_exit(&dr_georep(&["restore", "--path", "/mnt/gv2", "--to", RESTORED]), 0);
    run_script("prove-copy", &["vm1", "--not-before", &record, "--dir", RESTORED]);
    as_before();
}
