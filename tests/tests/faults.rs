//! `georep schedule` on the real cluster while something breaks: what it exits with, and that
//! nothing is left behind. Whatever happens it never says 0 unless the data is there.
//!
//! `docs/faults.md` shows the same as a table.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, ExitCode};
use std::time::Duration;

use georep_tests::testbed::{
    assert_as_before, georep, is_up, on, rollover_option, run_all, shell, start_georep, text,
    wait_for,
};

/// Those that every CI passes.
const SAMPLE: &[(&str, fn())] = &[
    ("the_brick_of_an_active_worker_is_killed", brick_killed),
    ("glusterd_is_restarted", glusterd_restarted),
    ("somebody_stops_the_session", || taken_away("stop")),
    ("what_a_killed_run_has_left_the_next_one_puts_back", killed),
    ("a_volume_option_too", killed_with_the_option_changed),
];

/// The others, which take long, or are shown on the simulated cluster too.
const CAMPAIGN: &[(&str, fn())] = &[
    ("the_secondary_is_cut_off_for_a_while", secondary_away),
    ("a_worker_is_stuck_in_its_crawl", worker_stuck),
    ("rsync_fails", rsync_fails),
    ("a_node_is_killed_and_comes_back", node_killed_and_back),
    ("a_node_is_down_from_the_start", node_down),
    ("the_secondary_is_cut_off_for_good", secondary_gone),
    ("somebody_pauses_the_session", || taken_away("pause")),
    ("a_second_run_says_who_runs_and_changes_nothing", second_run),
    ("a_signal_at_every_step_puts_the_session_back", signals),
];

/// Where this is `all`, the whole campaign is run.
const WHICH: &str = "GEOREP_FAULTS";

const STOPPED: &str = "Stopped Geo-replication";
const SET: &str = "Set Checkpoint";
const STARTED: &str = "Started Geo-replication";
const FIRST_CHECK: &str = "(Turns   1)";
const STOPPING: &str = "Stopping Geo-replication";

const FILE: &str = "written-before-the-fault";

fn main() -> ExitCode {
    let exit = run_all(chosen());
    if is_up() {
        heal();
    }
    exit
}

fn chosen() -> &'static [(&'static str, fn())] {
    if std::env::var_os(WHICH).is_some_and(|which| which == "all") {
        return [SAMPLE, CAMPAIGN].concat().leak();
    }
    let (some, all) = (SAMPLE.len(), SAMPLE.len() + CAMPAIGN.len());
    println!("faults: {some} of {all}; {WHICH}=all passes them all");
    SAMPLE
}

/// A run of `georep schedule gv1 dr gv2` on p1, after a fresh write.
struct Schedule {
    child: Child,
    stderr: BufReader<ChildStderr>,
    told: String,
    digest: String,
    /// What the volume's rollover time is set to, and has to be afterwards.
    rollover: String,
}

impl Schedule {
    fn start(more: &[&str]) -> Self {
        shell("p1", &format!("head -c 20000000 /dev/urandom >/vm/{FILE}"));
        let digest = shell("p1", &format!("sha256sum </vm/{FILE}"));
        let schedule = ["schedule", "gv1", "dr", "gv2", "--no-color", "--interval", "2"];
        let mut child = start_georep(&[&schedule, more].concat());
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, stderr, told: String::new(), digest, rollover: rollover_option() }
    }

    /// Waits until it has told a line with `words`.
    #[track_caller]
    fn reaches(&mut self, words: &str) {
        while !self.told.contains(words) {
            let read = self.stderr.read_line(&mut self.told).expect("text");
            assert!(read > 0, "it ended before `{words}`:\n{}", self.told);
        }
    }

    /// Waits for its end. Where it says 0 the data has to be there, and in any case nothing is left.
    #[track_caller]
    fn ends(&mut self, exit: i32) {
        while self.stderr.read_line(&mut self.told).expect("text") > 0 {}
        let status = self.child.wait().expect("a child");
        assert_eq!(status.code(), Some(exit), "{}", self.told);
        assert_nothing_left();
        assert_eq!(rollover_option(), self.rollover);
        if exit == 0 {
            assert_eq!(digest_on_dr(), self.digest, "{}", self.told);
        }
    }

    #[track_caller]
    fn has_told(&self, words: &str) {
        assert!(self.told.contains(words), "`{words}` is missing:\n{}", self.told);
    }
}

fn digest_on_dr() -> String {
    let line = format!(
        "mnt=$(mktemp -d); mount -t glusterfs -o ro dr:/gv2 $mnt
         sha256sum <$mnt/{FILE} || true; umount $mnt; rmdir $mnt"
    );
    shell("dr", &line)
}

/// No mount, no directory, no lock, no note.
#[track_caller]
fn assert_nothing_left() {
    assert_as_before();
    shell("p1", "for lock in /run/lock/georep/*; do flock --nonblock $lock true; done");
    // Journals of backups stay: they are the history.
    assert_eq!(shell("p1", "find /var/lib/georep -maxdepth 1 -type f"), "");
}

fn state() -> String {
    let said = georep(&["status", "gv1", "dr::gv2", "--json"]);
    let all: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON");
    all[0]["state"].as_str().expect("a state").to_owned()
}

/// Undoes every fault there is here, also where the test before has failed: afterwards every brick
/// serves, and the session is stopped.
fn heal() {
    for node in ["p1", "p2", "dr"] {
        on(node, &["ip", "link", "set", "eth0", "up"]);
        on(
            node,
            &["sh", "-c", "mv /usr/bin/rsync.own /usr/bin/rsync; pgrep -x glusterd || glusterd"],
        );
        on(node, &["sh", "-c", "pkill -CONT -f '[g]syncd'"]);
    }
    wait_for("peers", || !shell("p1", "gluster pool list").contains("Disconnected"));
    let start = ["gluster", "--mode=script", "volume", "start", "gv1", "force"];
    wait_for("glusterd", || on("p1", &start).status.success());
    // A node that was away may have missed what others did to the session.
    geo_replication(&["stop", "force"]);
    let serving = "gluster volume status gv1 | grep -c '^Brick.* Y ' || true";
    wait_for("bricks", || shell("p1", serving) == "4");
}

/// What somebody else does to the session.
fn geo_replication(command: &[&str]) {
    let gluster = ["gluster", "--mode=script", "volume", "geo-replication", "gv1", "dr::gv2"];
    let command = [&gluster[..], command].concat();
    wait_for("gluster", || on("p1", &command).status.success());
}

/// p1's bricks are the first of each set, and their workers mostly the active ones.
fn brick_killed() {
    heal();
    let mut run = Schedule::start(&[]);
    run.reaches(SET);
    shell("p1", "pkill -KILL -f '[g]lusterfsd.*bricks-b'");
    run.ends(0);
    run.has_told("status NOT OK");
}

/// All that gluster runs on p2 ends at once, and its network is gone.
fn kill_p2() {
    shell("p2", "pkill -KILL -f '[g]luster'; sleep 1; ip link set eth0 down");
}

fn revive_p2() {
    shell("p2", "ip link set eth0 up; glusterd");
}

fn node_killed_and_back() {
    heal();
    let mut run = Schedule::start(&[]);
    run.reaches(STARTED);
    kill_p2();
    std::thread::sleep(std::time::Duration::from_secs(5));
    revive_p2();
    run.ends(0);
}

fn node_down() {
    heal();
    kill_p2();
    let mut run = Schedule::start(&[]);
    run.ends(0);
    run.has_told("Offline: ['p2:/bricks/a', 'p2:/bricks/b']");
    revive_p2();
}

fn glusterd_restarted() {
    heal();
    let mut run = Schedule::start(&[]);
    run.reaches(STARTED);
    shell("p1", "pkill -x glusterd; sleep 2; glusterd");
    run.ends(0);
}

fn secondary_away() {
    heal();
    let mut run = Schedule::start(&[]);
    run.reaches(STARTED);
    shell("dr", "ip link set eth0 down; sleep 20; ip link set eth0 up");
    run.ends(0);
}

fn secondary_gone() {
    heal();
    let mut run = Schedule::start(&["--timeout", "1"]);
    run.reaches(STARTED);
    shell("dr", "ip link set eth0 down");
    run.ends(1);
    shell("dr", "ip link set eth0 up");
    assert_eq!(state(), "stopped");
}

fn worker_stuck() {
    heal();
    let mut run = Schedule::start(&[]);
    run.reaches(STARTED);
    wait_for("workers", || !shell("p1", "pgrep -f '[g]syncd.* worker ' || true").is_empty());
    shell("p1", "pkill -STOP -f '[g]syncd.* worker '");
    run.ends(0);
}

/// What somebody else has stopped or paused is not started again.
fn taken_away(command: &str) {
    heal();
    let mut run = Schedule::start(&["--timeout", "1"]);
    run.reaches(FIRST_CHECK);
    geo_replication(&[command]);
    run.ends(1);
    run.has_told("the session was stopped or paused");
}

fn second_run() {
    heal();
    let mut first = Schedule::start(&[]);
    first.reaches(SET);
    let second = georep(&["schedule", "gv1", "dr", "gv2"]);
    assert_eq!(second.status.code(), Some(255), "{}", text(&second));
    assert!(text(&second).contains("holds the lock"), "{}", text(&second));
    assert!(!text(&second).contains(STOPPED), "{}", text(&second));
    first.ends(0);
}

fn rsync_fails() {
    heal();
    for node in ["p1", "p2"] {
        shell(
            node,
            "mv /usr/bin/rsync /usr/bin/rsync.own
                     printf '#!/bin/sh\\nexit 12\\n' >/usr/bin/rsync; chmod +x /usr/bin/rsync",
        );
    }
    let mut run = Schedule::start(&["--timeout", "1"]);
    run.ends(1);
    for node in ["p1", "p2"] {
        shell(node, "mv /usr/bin/rsync.own /usr/bin/rsync");
    }
}

/// The session ran before, and runs after; where the checkpoint is complete already, it is stopped,
/// and the run says that nobody has looked whether the data is there. Both signals at every step are
/// tried on the simulated cluster (`conformance/signals.rs`).
fn signals() {
    heal();
    geo_replication(&["start"]);
    let steps =
        [("", "INT"), (STOPPED, "TERM"), (SET, "INT"), (STARTED, "TERM"), (FIRST_CHECK, "INT")];
    for (step, signal) in steps {
        let mut run = Schedule::start(&[]);
        run.reaches(step);
        if step.is_empty() {
            wait_for("georep", || on("p1", &["pgrep", "-x", "georep"]).status.success());
        }
        shell("p1", &format!("pkill -{signal} -x georep"));
        run.ends(1);
        run.has_told("Exiting");
        assert_eq!(state(), "running", "after {signal} at `{step}`");
    }
    let mut run = Schedule::start(&[]);
    run.reaches(STOPPING);
    shell("p1", "pkill -TERM -x georep");
    run.ends(1);
    run.has_told("nobody has looked at the secondary");
    assert_eq!(state(), "stopped");
}

fn killed() {
    heal();
    for step in [SET, STARTED] {
        geo_replication(&["start"]);
        let mut run = Schedule::start(&[]);
        run.reaches(step);
        shell("p1", "pkill -KILL -x georep");
        run.child.wait().expect("a child");
        put_back_by_the_next(&run.rollover);
    }
}

#[track_caller]
fn put_back_by_the_next(rollover: &str) {
    let mut next = Schedule::start(&["--restore-session"]);
    rollover.clone_into(&mut next.rollover);
    next.ends(0);
    next.has_told("was killed");
    assert_eq!(state(), "running", "as before the run that was killed");
    geo_replication(&["stop"]);
}

/// With `--rollover` a run changes a volume option for a moment, here the last of its life.
fn killed_with_the_option_changed() {
    heal();
    let set = |time: &str| {
        shell("p1", &format!("gluster volume set gv1 changelog.rollover-time {time}"));
    };
    let found = rollover_option();
    set("15");
    geo_replication(&["start"]);
    for _ in 0..5 {
        // Time for the workers to sync a changelog, and so to know when the bricks close them.
        std::thread::sleep(Duration::from_secs(30));
        let mut run = Schedule::start(&["--rollover", "2", "--restore-session"]);
        run.reaches(STARTED);
        // It is changed in the seconds after the start. Where that took too long, or the turns of
        // the bricks are not known, it is not changed at all.
        let is_changed = (0..10).any(|_| {
            std::thread::sleep(Duration::from_millis(500));
            rollover_option() != "15"
        });
        if !is_changed {
            run.ends(0);
            continue;
        }
        shell("p1", "pkill -KILL -x georep");
        run.child.wait().expect("a child");
        put_back_by_the_next("15");
        set(if found.is_empty() { "15" } else { &found });
        return;
    }
    panic!("no run has changed the option");
}
