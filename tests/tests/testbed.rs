//! The whole program on the real cluster: glusterd, gsyncd, libvirtd and QEMU in the testbed.
//!
//! Needs `testbed/up`, with `georep` installed in its nodes; `testbed/test` does both. Without it
//! every test here is shown as ignored, with a line on top that says so.

use std::process::{ExitCode, Output};
use std::time::Duration;

use georep_tests::output::assert_exit;
use georep_tests::testbed::{
    BACKUP, assert_as_before, georep, last_record, on, run_all, run_script, said, shell,
    start_georep, text, wait_for,
};

const TESTS: &[(&str, fn())] = &[
    ("external_backup_is_proven_and_verified_and_leaves_no_trace", external_backup),
    ("internal_backup_is_proven_and_verified_and_leaves_its_snapshot", internal_backup),
    ("schedule_ends_0_with_all_that_was_written_before", schedule),
    ("a_vm_shut_off_in_the_middle_is_back_on_its_own_images", shut_off_in_the_middle),
    ("a_signal_in_the_middle_puts_everything_back", signal_in_the_middle),
    ("a_second_run_changes_nothing", second_run),
    ("a_dry_run_changes_nothing", dry_run),
    ("bad_names_are_one_line_and_change_nothing", bad_names),
    ("bad_disks_are_one_line_and_change_nothing", bad_disks),
    ("xml_that_is_cut_short_is_one_line_and_changes_nothing", cut_xml),
    ("rsync_3_5_0_is_caught", rsync_3_5_0),
];

fn main() -> ExitCode {
    run_all(TESTS)
}

fn backup(more: &[&str]) -> Output {
    georep(&[BACKUP, more].concat())
}

/// An external backup with the real tools, but for the calls of one `tool` that name `call`:
/// `instead` is done for them.
fn backup_with(tool: &str, call: &str, instead: &str) -> Output {
    let wrapper = format!(
        "#!/bin/sh\nPATH=${{PATH#*:}}\n\
         case \"$*\" in *'{call}'*) {instead} ;; *) exec {tool} \"$@\" ;; esac\n"
    );
    let place = format!(
        "mkdir -p /tmp/wrapped; echo \"$0\" >/tmp/wrapped/{tool}; chmod +x /tmp/wrapped/{tool}"
    );
    said("p1", &["sh", "-ec", &place, &wrapper]);
    let path = "PATH=/tmp/wrapped:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin";
    let output = on("p1", &[&["env", path, "georep"], BACKUP, &["--method", "external"]].concat());
    shell("p1", "rm -r /tmp/wrapped");
    output
}

/// At every level: from the primary, and at the other site alone.
#[track_caller]
fn assert_verified() {
    for level in ["quick", "check", "full"] {
        assert_exit(&georep(&["verify", "dr::gv2", "--level", level]), 0);
        assert_exit(&verify_on_dr(level), 0);
    }
}

/// `georep verify` on dr, of the secondary as dr mounts it.
fn verify_on_dr(level: &str) -> Output {
    let line = "mnt=$(mktemp -d); mount -t glusterfs -o ro dr:/gv2 $mnt
        status=0; georep verify --path $mnt --level $0 || status=$?
        umount $mnt; rmdir $mnt; exit $status";
    on("dr", &["sh", "-ec", line, level])
}

fn external_backup() {
    let record = last_record();
    assert_exit(&backup(&["--method", "external", "--verify", "full"]), 0);
    assert_as_before();
    assert_verified();
    assert_as_before();
    run_script("prove-copy", &["vm1", "--not-before", &record]);
}

fn internal_backup() {
    let record = last_record();
    assert_exit(&backup(&["--method", "internal", "--verify", "full"]), 0);
    assert_as_before();
    assert_verified();
    let snapshot = shell("p1", "virsh snapshot-list vm1 --name | grep ^georep- | tail -n1");
    run_script("prove-copy", &["vm1", "--not-before", &record, "--snapshot", &snapshot]);
    said("p1", &["virsh", "snapshot-delete", "vm1", &snapshot]);
}

fn schedule() {
    shell("p1", "head -c 20000000 /dev/urandom >/vm/written-just-before");
    assert_exit(&georep(&["schedule", "gv1", "dr", "gv2"]), 0);
    assert_as_before();
    let here = shell("p1", "sha256sum </vm/written-just-before");
    let there = shell(
        "dr",
        "mnt=$(mktemp -d); mount -t glusterfs -o ro dr:/gv2 $mnt
         sha256sum <$mnt/written-just-before; umount $mnt; rmdir $mnt",
    );
    shell("p1", "rm /vm/written-just-before");
    assert_eq!(here, there);
}

/// The VM is shut off at the worst moment: on its overlays, and with its file systems frozen.
fn shut_off_in_the_middle() {
    let output = backup_with("virsh", "snapshot-create-as", "virsh \"$@\" && virsh destroy vm1");
    let inactive = shell("p1", "virsh -q domblklist --inactive vm1 | awk '{ print $2 }' | xargs");
    said("p1", &["virsh", "start", "vm1"]);
    assert_eq!(inactive, "/vm/vm1-root.qcow2 /vm/vm1-data.qcow2 -");
    assert_exit(&output, 0);
    assert!(text(&output).contains("file systems frozen"), "{}", text(&output));
    assert_as_before();
}

fn signal_in_the_middle() {
    let mut run = start_georep(&[BACKUP, &["--method", "external"]].concat());
    wait_for("overlays", || shell("p1", "virsh domblklist vm1").contains(".georep-"));
    shell("p1", "pkill -TERM -x georep");
    assert_eq!(run.wait().expect("it runs").code(), Some(1));
    assert_as_before();
}

fn second_run() {
    let mut first = start_georep(&["schedule", "gv1", "dr", "gv2"]);
    wait_for("the lock", || !shell("p1", "find /run/lock/georep -size +0").is_empty());
    std::thread::sleep(Duration::from_secs(1));
    let second = backup(&["--method", "external"]);
    assert_exit(&second, 6);
    assert!(text(&second).contains("holds the lock"), "{}", text(&second));
    assert_eq!(first.wait().expect("it runs").code(), Some(0));
    assert_as_before();
}

fn dry_run() {
    let before = shell("p1", "ls -A /vm/.georep 2>/dev/null || true; gluster volume info gv1");
    let output = backup(&["--method", "external", "--dry-run"]);
    assert_exit(&output, 0);
    assert!(text(&output).contains("vda copy; vdb copy; hda skip"), "{}", text(&output));
    assert_as_before();
    assert_eq!(
        before,
        shell("p1", "ls -A /vm/.georep 2>/dev/null || true; gluster volume info gv1")
    );
}

/// One line that names the thing, exit code 1, and nothing changed.
#[track_caller]
fn assert_refused(args: &[&str], names: &[&str]) {
    let output = georep(args);
    assert_exit(&output, 1);
    let text = text(&output);
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("georep: ")).collect();
    let [error] = errors[..] else { panic!("{args:?}: not one line: {text}") };
    for name in names {
        assert!(error.contains(name), "{args:?}: `{name}` is not named: {error}");
    }
    assert_as_before();
}

fn bad_names() {
    let backup = |primary, secondary, pool, more: &[&'static str]| {
        let args = ["backup", primary, secondary, "--pool", pool, "--method", "external"];
        [&args[..], more].concat()
    };
    assert_refused(&backup("nosuch", "dr::gv2", "/vm", &[]), &["nosuch"]);
    assert_refused(&backup("gv1", "dr::nosuch", "/vm", &[]), &["dr::nosuch", "gluster"]);
    assert_refused(&backup("gv1", "dr::gv2", "/nosuch", &[]), &["/nosuch"]);
    assert_refused(&backup("gv1", "dr::gv2", "/tmp", &[]), &["/tmp", "gv1"]);
    assert_refused(&backup("gv1", "dr::gv2", "/vm", &["--domain", "nosuch"]), &["nosuch"]);
    assert_refused(&backup("gv1", "dr::gv2", "/vm", &["--exclude", "vm1"]), &["/vm"]);
    let nobody = ["--connect", "qemu+unix:///system?socket=/nosuch"];
    assert_refused(&backup("gv1", "dr::gv2", "/vm", &nobody), &["virsh", "/nosuch"]);
    shell("p1", "mkdir -p /vm/empty");
    assert_refused(&backup("gv1", "dr::gv2", "/vm/empty", &[]), &["/vm/empty"]);
    shell("p1", "rmdir /vm/empty");
}

fn bad_disks() {
    let file = |format| {
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='{format}'/>\
             <source file='/vm/bad.img'/><target dev='vda'/></disk>"
        )
    };
    let network = "<disk type='network' device='disk'><driver name='qemu' type='qcow2'/>\
                   <source protocol='gluster' name='gv1/bad.img'><host name='p1'/></source>\
                   <target dev='vda'/></disk>";
    let zeros = "head -c 1000000 /dev/zero >/vm/bad.img";
    let half = "head -c 400000 /vm/golden.qcow2 >/vm/bad.img";
    let disguised = "cp /vm/golden.qcow2 /vm/bad.img";
    let both = &["external", "internal"][..];
    for (disk, image, methods, reason) in [
        (file("raw"), zeros, &["internal"][..], "the image is raw"),
        (file("raw"), disguised, &["external"], "the magic number of qcow2"),
        (network.to_owned(), zeros, both, "gluster://"),
        (file("qcow2"), zeros, both, "is not a qcow2 image"),
        (file("qcow2"), half, both, "past the end of the file"),
    ] {
        shell("p1", image);
        define_bad(&disk);
        for method in methods {
            let more = ["--method", method, "--domain", "bad"];
            assert_refused(&[BACKUP, &more].concat(), &["bad", reason]);
        }
        shell("p1", "virsh undefine bad; rm /vm/bad.img");
    }
}

/// Defines a domain `bad` with one disk.
fn define_bad(disk: &str) {
    let xml = format!(
        "<domain type='qemu'><name>bad</name><memory>65536</memory>\
         <os><type>hvm</type></os><devices>{disk}</devices></domain>"
    );
    said(
        "p1",
        &[
            "sh",
            "-ec",
            "echo \"$0\" >/tmp/bad.xml; virsh define /tmp/bad.xml; rm /tmp/bad.xml",
            &xml,
        ],
    );
}

/// The real tools, but one of their answers ends too early.
fn cut_xml() {
    for (tool, call) in
        [("virsh", "dumpxml"), ("gluster", "volume info gv1"), ("gluster", "status")]
    {
        let output = backup_with(tool, call, &format!("{tool} \"$@\" | head -c 300"));
        assert_exit(&output, 1);
        let text = text(&output);
        let error = text.lines().find(|line| line.starts_with("georep: ")).unwrap_or_default();
        assert!(error.contains(&format!("/tmp/wrapped/{tool}")), "{text}");
        assert_as_before();
    }
}

fn rsync_3_5_0() {
    run_script("rsync", &["3.5.0"]);
    let output = backup(&["--method", "external"]);
    let verify = georep(&["verify", "dr::gv2"]);
    let schedule = georep(&["schedule", "gv1", "dr", "gv2"]);
    run_script("rsync", &["3.2.7"]);
    assert_exit(&schedule, 1);
    assert_exit(&output, 4);
    assert!(text(&output).contains(".georep/georep-"), "{}", text(&output));
    assert!(text(&output).contains("vm1-data.qcow2"), "{}", text(&output));
    assert_exit(&verify, 4);
    assert!(text(&verify).contains(".georep/georep-"), "{}", text(&verify));
    assert_as_before();
    // What 3.5.0 marked as synced is not looked at again: it must change to be copied.
    on("p1", &["sh", "-c", "rm -f /vm/.georep/*.json"]);
}
