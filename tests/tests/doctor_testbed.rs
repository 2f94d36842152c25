//! `georep doctor` on the real cluster: nothing is found where all is well, and each of many broken
//! set-ups is, by its name. Each is made, found, mended, and not found any more.
//!
//! Needs `testbed/up`, with `georep` installed in its nodes; `testbed/test` does both. Without it
//! every test here is shown as ignored, with a line on top that says so.

use std::process::ExitCode;

use georep_tests::output::text;
use georep_tests::testbed::{
    BACKUP, assert_as_before, georep, on, run_all, run_script, said, script, shell, start_georep,
    wait_for,
};
use serde_json::Value;

const TESTS: &[(&str, fn())] = &[
    ("a_healthy_set_up_is_green", healthy),
    ("a_session_that_was_never_made_is_found", no_session),
    ("a_session_that_is_stopped_is_as_georep_leaves_it", stopped),
    ("a_volume_that_is_mounted_nowhere_near_is_found", other_pool),
    ("a_pool_that_cannot_be_written_to_is_found", read_only_pool),
    ("a_secondary_that_is_not_sharded_is_found", not_sharded),
    ("a_secondary_with_other_pieces_is_told", other_block_size),
    ("a_secondary_that_others_may_write_to_is_told", writable_secondary),
    ("a_clock_that_is_off_is_found", skew),
    ("a_gsyncd_that_is_older_than_its_python_is_found", old_gsyncd),
    ("a_program_that_is_missing_is_found", no_qemu_img),
    ("a_libvirt_that_does_not_answer_is_found", no_libvirt),
    ("a_raw_image_is_found_where_it_is_to_hold_a_snapshot", raw_image),
    ("a_disk_on_gluster_itself_is_found", network_disk),
    ("uefi_variables_in_a_raw_file_are_found", uefi),
    ("a_backing_file_that_is_gone_is_found", no_backing_file),
    ("a_backing_file_without_a_format_is_found", no_backing_format),
    ("an_image_of_two_domains_is_found", shared_image),
    ("a_block_job_of_somebody_else_is_found", block_job),
    ("a_guest_without_an_agent_is_told", no_agent),
    ("no_room_for_overlays_is_found", no_room),
    ("an_overlay_that_nobody_knows_is_told", stray),
    ("what_a_killed_backup_has_left_is_found", killed),
    ("a_rsync_that_copies_nothing_is_found_on_every_node", rsync),
    ("a_brick_that_is_down_is_found", brick_down),
    ("a_node_that_is_down_is_found", peer_down),
    ("a_key_that_is_not_let_in_and_the_workers_that_need_it_are_found", no_key),
    ("an_sshd_that_is_down_is_found", no_sshd),
    ("the_set_up_is_green_again", healthy),
];

fn main() -> ExitCode {
    run_all(TESTS)
}

/// One finding, as the JSON document has it.
#[derive(Debug)]
struct Found {
    grade: String,
    check: String,
    on: String,
    what: String,
    mend: String,
}

/// What `georep doctor` finds that is not green, and what it exits with.
fn doctor(args: &[&str]) -> (Vec<Found>, Option<i32>) {
    let output = georep(&[&["doctor", "--json"], args].concat());
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = document["findings"].as_array().expect("an array").iter().map(|finding| Found {
        grade: word(&finding["grade"]),
        check: word(&finding["check"]),
        on: word(&finding["on"]),
        what: word(&finding["what"]),
        mend: word(&finding["mend"]),
    });
    (found.filter(|found| found.grade != "ok").collect(), output.status.code())
}

const SESSION: &[&str] = &["gv1", "dr::gv2", "--pool", "/vm"];

fn session(more: &[&str]) -> (Vec<Found>, Option<i32>) {
    doctor(&[SESSION, more].concat())
}

fn status_is_well() -> bool {
    script("status", &[]).output().is_ok_and(|output| output.status.success())
}

#[track_caller]
fn healthy() {
    // Workers that were started a moment ago take their time.
    wait_for("a testbed in health", status_is_well);
    for args in [SESSION, &[]] {
        let (found, exit) = doctor(args);
        assert!(found.is_empty() && exit == Some(0), "{args:?}: exit {exit:?}, {found:#?}");
    }
    assert_as_before();
}

/// The same after what workers need was gone: one may notice only now, end, and be started again.
#[track_caller]
fn healthy_again() {
    wait_for("a testbed in health again", || {
        let is_green = |args: &&[&str]| {
            let (found, exit) = doctor(args);
            found.iter().for_each(|found| eprintln!("not yet: {found:?}"));
            found.is_empty() && exit == Some(0)
        };
        status_is_well() && [SESSION, &[]].iter().all(is_green)
    });
    assert_as_before();
}

/// Whether it is found, on this and with these words, and can be mended.
#[track_caller]
fn assert_among(found: &[Found], grade: &str, check: &str, on: &str, words: &str) {
    let named = found.iter().find(|found| {
        found.grade == grade && found.check == check && found.on == on && found.what.contains(words)
    });
    let named = named.unwrap_or_else(|| panic!("no {grade} {check} {on} `{words}`: {found:#?}"));
    assert!(!named.mend.is_empty(), "{named:?}");
}

/// Makes it, and asserts that this alone is found; mends it, and it is not found any more.
#[track_caller]
fn alone(make: &str, args: &[&str], finding: [&str; 4], mend: &str) {
    shell("p1", make);
    let (found, exit) = session(args);
    shell("p1", mend);
    let [grade, check, on, words] = finding;
    assert_among(&found, grade, check, on, words);
    let others: Vec<_> = found.iter().filter(|f| f.check != check || f.on != on).collect();
    assert!(others.is_empty(), "more was found: {others:#?}");
    assert_eq!(exit, Some(i32::from(grade == "fail")));
    let (found, exit) = session(&[]);
    assert!(found.is_empty() && exit == Some(0), "it is mended: {found:#?}");
}

fn no_session() {
    let (found, exit) = doctor(&["gv1", "dr::nosuch", "--pool", "/vm"]);
    assert_eq!(exit, Some(1));
    assert_among(&found, "fail", "session", "gv1 → dr::nosuch", "no geo-replication session");
    assert_among(&found, "fail", "volume", "dr::nosuch", "no such volume");
    let (found, exit) = doctor(&["nosuch"]);
    assert_eq!(exit, Some(1));
    assert_among(&found, "fail", "session", "nosuch", "nosuch");
}

fn stopped() {
    let change = |words: &str| {
        shell("p1", &format!("gluster --mode=script volume geo-replication gv1 dr::gv2 {words}"))
    };
    change("stop");
    let (found, exit) = session(&[]);
    change("start");
    assert!(found.is_empty() && exit == Some(0), "{found:#?}");
    healthy();
}

fn other_pool() {
    shell("p1", "mkdir -p /mnt/test-plain /mnt/test-gv2; mount -t glusterfs dr:/gv2 /mnt/test-gv2");
    for (pool, words) in [("/mnt/test-plain", "overlay"), ("/mnt/test-gv2", "dr:/gv2")] {
        let (found, exit) = doctor(&["gv1", "dr::gv2", "--pool", pool]);
        assert_eq!(exit, Some(1));
        assert_among(&found, "fail", "pool", pool, words);
        assert_among(&found, "warn", "domain", "libvirt", "could not be looked at");
    }
    shell("p1", "umount /mnt/test-gv2; rmdir /mnt/test-plain /mnt/test-gv2");
    healthy();
}

fn read_only_pool() {
    shell("p1", "mkdir -p /mnt/test-ro; mount -t glusterfs -o ro p1:/gv1 /mnt/test-ro");
    let (found, exit) = doctor(&["gv1", "dr::gv2", "--pool", "/mnt/test-ro"]);
    shell("p1", "umount /mnt/test-ro; rmdir /mnt/test-ro");
    assert_eq!(exit, Some(1));
    assert_among(&found, "fail", "pool", "/mnt/test-ro", "Read-only");
    healthy();
}

/// Sets an option of the secondary, and puts it back.
#[track_caller]
fn with_option(option: &str, value: &str, back: &str, finding: [&str; 4]) {
    let set =
        |value| said("dr", &["gluster", "--mode=script", "volume", "set", "gv2", option, value]);
    set(value);
    let (found, exit) = session(&[]);
    set(back);
    let [grade, check, on, words] = finding;
    assert_among(&found, grade, check, on, words);
    assert_eq!((found.len(), exit), (1, Some(i32::from(grade == "fail"))), "{found:#?}");
    healthy();
}

fn not_sharded() {
    let finding = ["fail", "shard", "dr::gv2", "only the first piece"];
    with_option("features.shard", "off", "on", finding);
}

fn other_block_size() {
    let finding = ["warn", "shard", "dr::gv2", "pieces of 8MB"];
    with_option("features.shard-block-size", "8MB", "4MB", finding);
}

fn writable_secondary() {
    let finding = ["warn", "read-only", "dr::gv2", "spoils the copy"];
    with_option("features.read-only", "off", "on", finding);
}

/// Namespaces share the clock of the machine: here the node only says that it has another one.
fn skew() {
    let wrapper = "printf '#!/bin/sh\\nexec /usr/bin/date -d \"90 seconds\" \"$@\"\\n' \
                   >/usr/local/bin/date; chmod +x /usr/local/bin/date";
    shell("p2", wrapper);
    let (found, exit) = session(&[]);
    shell("p2", "rm /usr/local/bin/date");
    assert_among(&found, "fail", "clock", "p2", "s ahead of this node's");
    assert_eq!((found.len(), exit), (1, Some(1)), "{found:#?}");
    healthy();
}

/// As Debian 11 has it; gsyncd itself stays as it is.
fn old_gsyncd() {
    let file = "/usr/lib/x86_64-linux-gnu/glusterfs/python/syncdaemon/test.py";
    shell("p2", &format!("echo 'thread.isAlive()' >{file}"));
    let (found, exit) = session(&[]);
    shell("p2", &format!("rm {file}"));
    assert_among(&found, "fail", "gsyncd", "p2", "isAlive");
    assert_eq!((found.len(), exit), (1, Some(1)), "{found:#?}");
    healthy();
}

fn no_qemu_img() {
    let finding = ["fail", "program", "qemu-img", "neither on PATH"];
    let (away, back) = ("mv /usr/bin/qemu-img /root/", "mv /root/qemu-img /usr/bin/");
    alone(away, &[], finding, back);
}

fn no_libvirt() {
    shell("p1", "pkill -x libvirtd; while pgrep -x libvirtd >/dev/null; do sleep 0.1; done");
    let (found, exit) = session(&[]);
    shell("p1", "libvirtd -d");
    wait_for("libvirtd", || on("p1", &["virsh", "list"]).status.success());
    assert_eq!(exit, Some(1));
    assert_among(&found, "fail", "libvirt", "libvirt", "failed to connect");
    assert_among(&found, "warn", "domain", "libvirt", "could not be looked at");
    healthy();
}

/// A shell line that defines a domain of these elements.
fn define(name: &str, os: &str, devices: &str) -> String {
    let xml = format!(
        "<domain type=\"qemu\"><name>{name}</name><memory unit=\"MiB\">32</memory>\
         <os><type arch=\"x86_64\" machine=\"pc\">hvm</type>{os}</os><features><acpi/></features>\
         <devices>{devices}<memballoon model=\"none\"/></devices></domain>"
    );
    format!("echo '{xml}' >/tmp/test.xml; virsh -q define /tmp/test.xml; rm /tmp/test.xml")
}

fn file(format: &str, path: &str) -> String {
    format!(
        "<disk type=\"file\" device=\"disk\"><driver name=\"qemu\" type=\"{format}\"/>\
         <source file=\"{path}\"/><target dev=\"vda\" bus=\"virtio\"/></disk>"
    )
}

/// Removes what tests defined, and its images.
const CLEAN_UP: &str = "for name in $(virsh list --all --name | grep ^test- || true); do
         virsh -q destroy $name 2>/dev/null || true; virsh -q undefine $name --keep-nvram
     done; rm -rf /vm/test-* /var/tmp/test-*";

fn raw_image() {
    let make = "truncate -s 8M /vm/test-raw.img; ".to_owned()
        + &define("test-raw", "", &file("raw", "/vm/test-raw.img"));
    let finding = ["fail", "disk", "test-raw", "the image is raw"];
    alone(&make, &["--method", "internal"], finding, CLEAN_UP);
    shell("p1", &make);
    let (found, exit) = session(&[]);
    shell("p1", CLEAN_UP);
    assert!(found.is_empty() && exit == Some(0), "the external method can: {found:#?}");
}

fn network_disk() {
    let disk = "<disk type=\"network\" device=\"disk\"><driver name=\"qemu\" type=\"qcow2\"/>\
                <source protocol=\"gluster\" name=\"gv1/test.qcow2\"><host name=\"p1\"/></source>\
                <target dev=\"vda\" bus=\"virtio\"/></disk>";
    let finding = ["fail", "disk", "test-network", "gluster://"];
    alone(&define("test-network", "", disk), &[], finding, CLEAN_UP);
}

fn uefi() {
    let os = "<loader readonly=\"yes\" type=\"pflash\">/var/tmp/test-code.fd</loader>\
              <nvram>/var/tmp/test-vars.fd</nvram>";
    let make = "qemu-img create -q -f qcow2 /vm/test-uefi.qcow2 8M
         truncate -s 1M /var/tmp/test-code.fd /var/tmp/test-vars.fd\n"
        .to_owned()
        + &define("test-uefi", os, &file("qcow2", "/vm/test-uefi.qcow2"))
        + "\nvirsh -q start test-uefi --paused";
    let finding = ["fail", "uefi", "test-uefi", "/var/tmp/test-vars.fd"];
    alone(&make, &["--method", "internal"], finding, CLEAN_UP);
}

fn no_backing_file() {
    let make = "cd /vm; qemu-img create -q -f qcow2 test-gone.qcow2 8M
         qemu-img create -q -f qcow2 -b test-gone.qcow2 -F qcow2 test-child.qcow2
         rm test-gone.qcow2\n"
        .to_owned()
        + &define("test-child", "", &file("qcow2", "/vm/test-child.qcow2"));
    let finding = ["fail", "image", "test-child", "/vm/test-gone.qcow2"];
    alone(&make, &[], finding, CLEAN_UP);
}

/// As qemu-img before 6.1 made them; the later ones refuse to.
fn no_backing_format() {
    let make = "cd /vm; qemu-img create -q -f qcow2 test-behind.qcow2 8M
         qemu-img create -q -f qcow2 -b test-behind.qcow2 -F qcow2 test-child.qcow2
         python3 -c 'import sys
image = open(sys.argv[1], \"r+b\")
start = image.read(4096)
image.seek(start.index(bytes.fromhex(\"e2792aca\")))
image.write(bytes(4))' test-child.qcow2\n"
        .to_owned()
        + &define("test-child", "", &file("qcow2", "/vm/test-child.qcow2"));
    let finding = ["fail", "image", "test-child", "names no format"];
    alone(&make, &[], finding, CLEAN_UP);
}

fn shared_image() {
    let disk = file("qcow2", "/vm/test-both.qcow2");
    let make = "qemu-img create -q -f qcow2 /vm/test-both.qcow2 8M\n".to_owned()
        + &define("test-one", "", &disk)
        + "\n"
        + &define("test-two", "", &disk);
    let finding = ["fail", "shared", "test-two", "of domain `test-one` and of domain `test-two`"];
    alone(&make, &[], finding, CLEAN_UP);
}

fn block_job() {
    let make = "qemu-img create -q -f qcow2 /vm/test-busy.qcow2 64M
         qemu-io -f qcow2 -c 'write 0 32M' /vm/test-busy.qcow2 >/dev/null\n"
        .to_owned()
        + &define("test-busy", "", &file("qcow2", "/vm/test-busy.qcow2"))
        + "\nvirsh -q start test-busy
         virsh -q blockcopy test-busy vda /var/tmp/test-copy.qcow2 --bandwidth 1 --transient-job";
    let finding = ["fail", "job", "test-busy", "a block job (`copy`) is active"];
    // Its guest has no agent either, which is of no interest to the internal method.
    alone(&make, &["--method", "internal"], finding, CLEAN_UP);
}

fn no_agent() {
    let make = "qemu-img create -q -f qcow2 /vm/test-mute.qcow2 8M\n".to_owned()
        + &define("test-mute", "", &file("qcow2", "/vm/test-mute.qcow2"))
        + "\nvirsh -q start test-mute";
    let finding = ["warn", "agent", "test-mute", "as after a power failure"];
    alone(&make, &[], finding, CLEAN_UP);
}

fn no_room() {
    let make = "mkdir -p /mnt/test-full; mount -t tmpfs -o size=64k tmpfs /mnt/test-full";
    let finding = ["fail", "space", "/mnt/test-full", "64.0 KiB free"];
    let mend = "umount /mnt/test-full; rmdir /mnt/test-full";
    alone(make, &["--overlay-dir", "/mnt/test-full"], finding, mend);
    let nowhere = ["fail", "space", "/mnt/nowhere", "No such file"];
    alone("true", &["--overlay-dir", "/mnt/nowhere"], nowhere, "true");
}

fn stray() {
    let overlay = "/vm/old-vda.georep-20200101T000000Z.qcow2";
    let make = format!("qemu-img create -q -f qcow2 -b golden.qcow2 -F qcow2 {overlay}");
    alone(&make, &[], ["warn", "stray", overlay, "no journal knows of"], &format!("rm {overlay}"));
}

fn killed() {
    let mut run = start_georep(&[BACKUP, &["--method", "external", "--verify", "none"]].concat());
    wait_for("vm1 on its overlays", || shell("p1", "virsh -q domblklist vm1").contains(".georep-"));
    shell("p1", "pkill -KILL -x georep");
    let _ = run.wait();
    let (found, exit) = session(&[]);
    let run = shell(
        "p1",
        "grep -L '\"ended\"' /var/lib/georep/runs/*.json | xargs -n1 basename -s .json",
    );
    shell("p1", "georep recover");
    assert_eq!(exit, Some(1));
    assert_among(&found, "fail", "journal", &run, "a backup of gv1 (vm1)");
    assert_among(&found, "fail", "overlay", "vm1", "of an unfinished run");
    healthy();
}

fn rsync() {
    run_script("rsync", &["3.5.0"]);
    let (found, exit) = session(&[]);
    run_script("rsync", &["3.2.7"]);
    assert_eq!((found.len(), exit), (3, Some(1)), "{found:#?}");
    for node in ["p1", "p2", "dr"] {
        assert_among(&found, "fail", "rsync", node, "files of 0 bytes");
    }
    healthy();
}

fn brick_down() {
    shell("p1", "pkill -KILL -f 'glusterfsd.*[b]ricks-b'; sleep 1");
    let (found, exit) = session(&[]);
    said("p1", &["gluster", "--mode=script", "volume", "start", "gv1", "force"]);
    assert_eq!(exit, Some(1));
    assert_among(&found, "fail", "brick", "p1:/bricks/b", "offline");
    healthy_again();
}

fn peer_down() {
    shell("p2", "pkill -x glusterd");
    wait_for("p1 to see it", || shell("p1", "gluster pool list").contains("Disconnected"));
    let (found, exit) = session(&[]);
    said("p2", &["glusterd"]);
    assert_eq!(exit, Some(1));
    assert_among(&found, "fail", "peer", "p2", "does not answer");
    healthy_again();
}

fn no_key() {
    let keys = "/root/.ssh/authorized_keys";
    shell(
        "dr",
        &format!("cp -a {keys} /root/keys; grep -v command= /root/keys >{keys}; pkill -f [g]syncd"),
    );
    let is_faulty = || session(&[]).0.iter().any(|found| found.check == "worker");
    wait_for("a faulty worker", is_faulty);
    let (found, exit) = session(&[]);
    shell("dr", &format!("cp -a /root/keys {keys}; rm /root/keys"));
    assert_eq!(exit, Some(1));
    assert_among(&found, "fail", "ssh", "dr", "Permission denied");
    let faulty = found.iter().find(|found| found.check == "worker").expect("a worker");
    assert!(faulty.on.contains(":/bricks/") && faulty.what.contains("Faulty"), "{faulty:?}");
    healthy_again();
}

fn no_sshd() {
    shell("dr", "pkill -x sshd");
    let (found, exit) = session(&[]);
    said("dr", &["/usr/sbin/sshd"]);
    assert_eq!(exit, Some(1));
    assert_among(&found, "fail", "ssh", "dr", "refused");
    assert_among(&found, "warn", "node", "dr", "could not be looked at");
    healthy_again();
}
