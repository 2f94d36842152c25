//! Rough weather on the real cluster: no room for an overlay that grows, an agent that hangs, another
//! admin's snapshots in the middle, a merge that does not come to its end. What a backup exits with
//! then, and that no record is lost that the guest had acknowledged.
//!
//! Needs `testbed/up`, with `georep` installed in its nodes; `testbed/test` does both. Without it
//! every test here is shown as ignored, with a line on top that says so.

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitCode, Output};

use georep_tests::output::{assert_exit, assert_says};
use georep_tests::testbed::{
    BACKUP, assert_as_before, georep, last_record, on, run_all, said, shell, start_georep, text,
    wait_for,
};

const TESTS: &[(&str, fn())] = &[
    ("an_overlay_that_runs_out_of_room_stops_the_guest_and_loses_nothing", no_room_to_grow),
    ("an_agent_that_hangs_is_done_without_where_the_freeze_is_only_tried", agent_hangs_try),
    ("an_agent_that_hangs_ends_a_run_that_must_freeze", agent_hangs_require),
    ("an_overlay_on_top_of_ours_is_not_merged_and_recovery_ends_it_later", overlay_on_top),
    ("an_internal_snapshot_in_our_overlay_is_not_merged_away", snapshot_in_overlay),
    ("an_overlay_that_libvirt_has_forgotten_is_merged_all_the_same", forgotten_overlay),
    ("a_merge_that_never_gets_ready_is_given_up_and_recovery_ends_it_later", never_ready),
];

fn main() -> ExitCode {
    run_all(TESTS)
}

/// A backup of `vm1`; what arrives is not in question here.
const EXTERNAL: &[&str] = &["--method", "external", "--domain", "vm1", "--verify", "none"];

fn backup(more: &[&str]) -> Output {
    georep(&[BACKUP, EXTERNAL, more].concat())
}

/// A backup in which something happens once `vm1` is on its overlays, and which is then told to end:
/// what it has to put back is the same as after the checkpoint, and sooner there.
#[track_caller]
fn backup_while(more: &[&str], happens: impl FnOnce()) -> Output {
    let mut run = start_georep(&[BACKUP, EXTERNAL, more].concat());
    let told = read_until(&mut run, "on overlays");
    happens();
    shell("p1", "pkill -TERM -x georep");
    let mut output = run.wait_with_output().expect("it runs");
    output.stdout.splice(0..0, told.into_bytes());
    output
}

/// What it says until it says `words`.
#[track_caller]
fn read_until(run: &mut Child, words: &str) -> String {
    // Unbuffered, so that nothing of what follows is swallowed.
    let stderr = run.stderr.as_mut().expect("a pipe");
    let (mut reader, mut told) = (BufReader::with_capacity(1, stderr), String::new());
    while !told.contains(words) {
        let read = reader.read_line(&mut told).expect("text");
        assert!(read > 0, "it ended before `{words}`:\n{told}");
    }
    told
}

/// The guest writes, and nothing it had acknowledged is missing from its own images.
#[track_caller]
fn assert_nothing_lost() {
    let before = last_record();
    wait_for("a new record", || last_record() != before);
    georep_tests::testbed::run_script("prove-records", &["vm1"]);
}

fn no_room_to_grow() {
    shell("p1", "mkdir -p /mnt/full; mount -t tmpfs -o size=3m tmpfs /mnt/full");
    let output = backup(&["--overlay-dir", "/mnt/full"]);
    let left = text(&on("p1", &["ls", "/mnt/full"]));
    let state = said("p1", &["virsh", "domstate", "vm1", "--reason"]);
    shell("p1", "umount /mnt/full; rmdir /mnt/full");
    assert_eq!(left, "", "{}", text(&output));
    assert_exit(&output, 0);
    assert!(state.starts_with("running"), "{state}");
    assert_as_before();
    assert_nothing_lost();
}

/// Stops the guest's agent for that many seconds.
fn hang_agent(seconds: u32) {
    let line = format!(
        "(sleep 1; kill -STOP $(cat /run/qemu-ga.pid); sleep {seconds}; \
         kill -CONT $(cat /run/qemu-ga.pid)) &"
    );
    let call = format!(
        r#"{{"execute":"guest-exec","arguments":{{"path":"/bin/sh","arg":["-c","{line}"]}}}}"#
    );
    said("p1", &["virsh", "-q", "qemu-agent-command", "vm1", &call]);
    std::thread::sleep(std::time::Duration::from_secs(2));
}

/// The agent answers again, and says that nothing is frozen.
#[track_caller]
fn assert_thaws() {
    let status = r#"{"execute":"guest-fsfreeze-status"}"#;
    wait_for("the agent", || {
        text(&on("p1", &["virsh", "qemu-agent-command", "vm1", status])).contains("thawed")
    });
}

fn agent_hangs_try() {
    hang_agent(35);
    let output = backup(&["--quiesce", "try"]);
    assert_exit(&output, 0);
    assert_says(
        &output,
        &["vm1: copied as after a power failure, not frozen", "did not end within"],
    );
    assert_as_before();
    assert_thaws();
    assert_nothing_lost();
}

fn agent_hangs_require() {
    hang_agent(35);
    let output = backup(&["--quiesce", "require"]);
    assert_exit(&output, 1);
    assert_says(&output, &["domain `vm1`", "could not be frozen", "did not end within"]);
    assert_as_before();
    assert_thaws();
}

const ADMINS: &str = "/vm/vm1-vda.admin.qcow2";

fn overlay_on_top() {
    let output = backup_while(&[], || {
        let vda = format!("vda,file={ADMINS}");
        let specs = ["--diskspec", &vda, "--diskspec", "vdb,snapshot=no"];
        let snapshot = ["virsh", "-q", "snapshot-create-as", "vm1", "--disk-only", "--no-metadata"];
        said("p1", &[&snapshot[..], &specs, &["--diskspec", "hda,snapshot=no"]].concat());
    });
    assert_exit(&output, 5);
    assert_says(&output, &["domain `vm1`", "vda", ADMINS, "vm1-vda.georep-"]);
    let chain = shell("p1", "virsh dumpxml vm1 | grep -o \"file='/vm/[^']*\" | cut -d\"'\" -f2");
    let ours = chain.lines().nth(1).unwrap_or_default().to_owned();
    assert!(chain.starts_with(ADMINS) && ours.contains("vm1-vda.georep-"), "{chain}");
    assert!(chain.ends_with("/vm/vm1-data.qcow2"), "the other disk is merged: {chain}");

    let recovery = georep(&["recover"]);
    assert_exit(&recovery, 5);
    assert_says(&recovery, &["vda", ADMINS]);
    let merge =
        ["virsh", "-q", "blockcommit", "vm1", "vda", "--active", "--pivot", "--base", &ours];
    said("p1", &merge);
    said("p1", &["rm", ADMINS]);
    assert_exit(&georep(&["recover"]), 0);
    assert_as_before();
    assert_nothing_lost();
}

/// It would be gone with the overlay.
fn snapshot_in_overlay() {
    let output = backup_while(&[], || {
        said("p1", &["virsh", "-q", "snapshot-create-as", "vm1", "admins"]);
    });
    assert_exit(&output, 5);
    assert_says(&output, &["domain `vm1`", "vda", "snapshot", "admins"]);
    said("p1", &["virsh", "-q", "snapshot-delete", "vm1", "admins"]);
    assert_exit(&georep(&["recover"]), 0);
    assert_as_before();
    assert_nothing_lost();
}

/// As a libvirtd leaves it that is killed between what QEMU does and its own record of it: it believes
/// that the domain is on its base.
fn forgotten_overlay() {
    shell(
        "p1",
        "mkdir -p /tmp/run /tmp/etc
         cp /run/libvirt/qemu/vm1.xml /tmp/run; cp /etc/libvirt/qemu/vm1.xml /tmp/etc",
    );
    let mut run = start_georep(&[BACKUP, EXTERNAL].concat());
    read_until(&mut run, "on overlays");
    // It counts the names that it gives to images in QEMU, and has written that down before.
    shell(
        "p1",
        "pkill -KILL -x georep; pkill -KILL -x libvirtd; while pgrep -x libvirtd; do sleep 0.1; done
         index=$(grep -o \"nodename index='[0-9]*'\" /run/libvirt/qemu/vm1.xml)
         sed \"s/nodename index='[0-9]*'/$index/\" /tmp/run/vm1.xml >/run/libvirt/qemu/vm1.xml
         cp /tmp/etc/vm1.xml /etc/libvirt/qemu/vm1.xml; rm -r /tmp/run /tmp/etc
         libvirtd -d; until virsh list; do sleep 0.1; done 2>/dev/null",
    );
    run.wait().expect("it runs");
    let on_base = shell("p1", "virsh domblklist vm1");
    assert!(!on_base.contains(".georep-"), "libvirt has forgotten: {on_base}");
    let open = "ls -l /proc/$(pgrep -f '[g]uest=vm1,')/fd | grep -c vm1-vda.georep-";
    assert_ne!(shell("p1", open), "0", "and QEMU has not");
    assert_exit(&georep(&["recover"]), 0);
    assert_as_before();
    assert_nothing_lost();
}

/// libvirt never says that the job on `vda` can be ended.
fn never_ready() {
    shell(
        "p1",
        "mkdir -p /tmp/wrapped
         cat >/tmp/wrapped/virsh <<'END'
#!/bin/sh
PATH=${PATH#*:}
case \"$*\" in *dumpxml*) virsh \"$@\" | sed \"s/ ready='yes'//\" ;; *) exec virsh \"$@\" ;; esac
END
         chmod +x /tmp/wrapped/virsh",
    );
    let path = "PATH=/tmp/wrapped:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin";
    let command = ["timeout", "300", "env", path, "georep"];
    let output = on("p1", &[&command, BACKUP, EXTERNAL, &["--merge-timeout", "1"]].concat());
    shell("p1", "rm -r /tmp/wrapped");
    assert_exit(&output, 5);
    assert_says(&output, &["domain `vm1`", "vm1-vda.georep-", "vm1-vdb.georep-"]);
    assert_eq!(said("p1", &["virsh", "domstate", "vm1"]), "running");
    assert!(shell("p1", "virsh domblklist vm1").contains("vm1-vda.georep-"));

    assert_exit(&georep(&["recover"]), 0);
    assert_as_before();
    assert_nothing_lost();
}
