//! `georep schedule` on a simulated cluster: what it reports, what it exits with, and in which
//! state it leaves the session.

use std::process::Output;
use std::time::{Duration, Instant};

use georep_tests::simulated::{Fault, Row, Scenario, World};
use rustix::process::{Pid, Signal, kill_process};

const FAST: &[&str] = &["--interval", "1"];

fn run(scenario: &Scenario) -> (World, Output) {
    let world = World::new(scenario);
    let output = world.schedule(FAST);
    (world, output)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_exit(output: &Output, exit: i32) {
    assert_eq!(output.status.code(), Some(exit), "{}", stderr(output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "the script writes nothing to stdout");
}

/// Nothing is mounted, no directory of a mount is left, and the volume option is what it was.
#[track_caller]
fn assert_tidy(world: &World) {
    let state = world.state();
    assert!(state.mounted.is_empty(), "{:?}", state.mounted);
    assert_eq!(state.options, Scenario::healthy().options);
    let names = std::fs::read_dir(world.path()).unwrap();
    let left = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.filter(|name| name.starts_with("georep-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_healthy_session_is_told_as_the_script_tells_it() {
    let mut scenario = Scenario::healthy();
    let behind = vec![
        Row::new(0, "Active", "No"),
        Row::passive(1),
        Row::new(2, "Active", "No"),
        Row::passive(3),
    ];
    scenario.polls.insert(0, behind);
    let (world, output) = run(&scenario);
    assert_exit(&output, 0);
    let told = stderr(&output);
    let (script, own) = told.split_once("[    OK] Checkpoint completed at ").unwrap();
    assert!(own.contains("seen ") && own.lines().count() == 1, "{own}");
    assert_eq!(
        script,
        "\
[    OK] Geo-replication session was running
[    OK] Stopped Geo-replication
[    OK] Set Checkpoint
[    OK] Started Geo-replication and watching Status for Checkpoint completion
[    OK] All Checkpoints NOT COMPLETE, All status OK (Turns   1)
[    OK] All Checkpoints COMPLETE, All status OK (Turns   2)
[    OK] Stopping Geo-replication session now
"
    );
    assert_eq!(world.changes(), ["stop force", "config checkpoint now", "start", "stop"]);
    assert!(!world.state().running);
    assert_tidy(&world);
}

#[test]
fn a_run_that_could_lose_a_changelog_waits_and_says_so() {
    let world = World::new(&Scenario { runs_before: false, ..Scenario::healthy() });
    let output = world.schedule(&["--rollover", "0"]);
    assert_exit(&output, 0);
    assert!(
        stderr(&output).contains("[  WARN] when the bricks close their changelogs is not known")
    );
    assert_eq!(world.changes(), ["stop force", "config checkpoint now", "start", "stop"]);
}

#[test]
fn the_words_of_gluster_9_are_understood() {
    let scenario = Scenario { old_words: true, ..Scenario::healthy() };
    let (_, output) = run(&scenario);
    assert_exit(&output, 0);
}

#[test]
fn a_session_in_which_no_worker_is_active_is_not_complete() {
    // The script's first defect: no active worker, no completed checkpoint, and 0 = 0.
    for status in ["Initializing...", "Passive", "Paused", "Stopped", "Created"] {
        let rows = (0..4).map(|brick| Row::new(brick, status, "N/A")).collect();
        let scenario = Scenario { polls: vec![rows], ..Scenario::healthy() };
        let world = World::new(&scenario);
        let mut run = world.start_schedule(FAST);
        std::thread::sleep(Duration::from_secs(6));
        assert!(run.try_wait().unwrap().is_none(), "{status}: it ended");
        interrupt(&mut run, Signal::TERM);
    }
}

#[test]
fn a_yes_for_an_older_checkpoint_is_waited_out() {
    let mut scenario = Scenario::healthy();
    let mut stale = scenario.polls[0].clone();
    stale[2].checkpoint_age = 86400;
    scenario.polls = vec![stale.clone(), stale, scenario.polls[0].clone()];
    let (world, output) = run(&scenario);
    assert_exit(&output, 0);
    assert!(world.state().polls >= 3, "it believed the old one");
}

#[test]
fn a_state_that_nobody_has_heard_of_is_no_panic_and_no_success() {
    // The script dies of a KeyError here and leaves the session running.
    let mut scenario = Scenario::healthy();
    let mut odd = scenario.polls[0].clone();
    odd[1] = Row::new(1, "Config Corrupted", "N/A");
    scenario.polls.insert(0, odd);
    let (_, output) = run(&scenario);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("NOT COMPLETE, All status NOT OK"), "{}", stderr(&output));
}

#[test]
fn faulty_and_offline_workers_are_listed_as_the_script_lists_them() {
    let mut scenario = Scenario::healthy();
    let broken = vec![Row::new(0, "Faulty", "N/A"), Row::passive(1), Row::reached(2)];
    scenario.polls.insert(0, broken);
    let (_, output) = run(&scenario);
    assert_exit(&output, 0);
    let line = "Geo-rep workers Faulty/Offline, Faulty: ['p1:/b/1'] Offline: ['p2:/b/4']";
    assert!(stderr(&output).contains(line), "{}", stderr(&output));
}

#[test]
fn an_ipv6_brick_without_a_worker_is_offline_and_no_crash() {
    let mut scenario = Scenario::healthy();
    scenario.bricks[3] = "fd00::2:/b/4".to_owned();
    scenario.polls[0].truncate(3);
    let (_, output) = run(&scenario);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("Offline: ['fd00::2:/b/4']"), "{}", stderr(&output));
}

#[test]
fn files_that_could_not_be_synced_are_no_success() {
    // The script never looks at this counter.
    let mut scenario = Scenario::healthy();
    let mut before = scenario.polls[0].clone();
    before[0] = Row::new(0, "Active", "No");
    let mut failed = scenario.polls[0].clone();
    failed[0].failures = 2;
    scenario.polls = vec![before, failed];
    let (world, output) = run(&scenario);
    assert_exit(&output, 1);
    assert!(stderr(&output).contains("p1:/b/1 could not sync 2 files"), "{}", stderr(&output));
    assert!(!world.state().running);
    assert_tidy(&world);
}

#[test]
fn a_session_that_copies_nothing_is_no_success_however_green_it_is() {
    let (world, output) = run(&Scenario { copies_nothing: true, ..Scenario::healthy() });
    assert_exit(&output, 1);
    assert!(stderr(&output).contains("the data has not arrived"), "{}", stderr(&output));
    assert!(!world.state().running);
    assert_tidy(&world);
}

#[test]
fn a_secondary_that_cannot_be_mounted_is_said_and_believed() {
    let mut scenario = Scenario::healthy();
    scenario.faults = vec![Fault::failing("dr:/gv2", 9, "Mount failed.\n", 1)];
    let (_, output) = run(&scenario);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("Unable to look at the secondary"), "{}", stderr(&output));
}

#[test]
fn a_lock_held_by_another_transaction_is_waited_out() {
    // The script exits with 255 and leaves the session running.
    let busy = "Another transaction is in progress for gv1. Please try again after some time.\n";
    let mut scenario = Scenario::healthy();
    scenario.faults = vec![
        Fault::failing("stop force", 1, busy, 1),
        Fault::failing("config checkpoint now", 1, busy, 1),
        Fault {
            after: 1,
            stdout: "geo-replication command failed\n".to_owned(),
            ..Fault::failing("status --xml", 2, "", 2)
        },
    ];
    let (world, output) = run(&scenario);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("trying again"), "{}", stderr(&output));
    assert_tidy(&world);
}

#[test]
fn an_answer_cut_in_the_middle_is_asked_for_again() {
    let mut scenario = Scenario::healthy();
    scenario.faults = vec![Fault {
        after: 1,
        stdout: "<?xml version=\"1.0\"?>\n<cliOutput><opRet>0</opRet><geoRep><volume>".to_owned(),
        ..Fault::failing("status --xml", 1, "", 0)
    }];
    let (_, output) = run(&scenario);
    assert_exit(&output, 0);
}

#[test]
fn a_refusal_with_exit_status_0_is_a_failure() {
    let mut scenario = Scenario::healthy();
    let refusal = "<cliOutput><opRet>-1</opRet><opErrno>30800</opErrno>\
                   <opErrstr>Staging failed on p2</opErrstr></cliOutput>\n";
    scenario.faults =
        vec![Fault { stdout: refusal.to_owned(), ..Fault::failing(" start --xml", 1, "", 0) }];
    let (world, output) = run(&scenario);
    assert_exit(&output, 255);
    assert!(stderr(&output).contains("Staging failed on p2"), "{}", stderr(&output));
    // It ran before, so it runs again.
    assert!(world.state().running);
    assert_tidy(&world);
}

#[test]
fn a_volume_that_cannot_be_mounted_leaves_no_mount_and_a_running_session() {
    let mut scenario = Scenario::healthy();
    scenario.faults = vec![Fault::failing("mount -t", 9, "Mount failed.\n", 1)];
    let (world, output) = run(&scenario);
    assert_exit(&output, 255);
    assert!(stderr(&output).contains("cannot mount `gv1`"), "{}", stderr(&output));
    assert!(world.state().running);
    assert_tidy(&world);
}

#[test]
fn where_a_peer_is_down_the_session_is_stopped_by_force() {
    let mut scenario = Scenario::healthy();
    let peer = "Peer p2, which is a part of gv1 volume, is down. Please bring up the peer.\n";
    scenario.faults = vec![Fault::failing(" stop --xml", 1, peer, 1)];
    let (world, output) = run(&scenario);
    assert_exit(&output, 0);
    assert!(!world.state().running);
}

#[test]
fn unknown_names_change_nothing() {
    let world = World::new(&Scenario::healthy());
    for names in [["nosuch", "dr", "gv2"], ["gv1", "dr", "nosuch"]] {
        let output = world.georep(&[&["schedule"], &names[..]].concat()).output().unwrap();
        assert_exit(&output, 255);
        assert!(stderr(&output).contains("nosuch"), "{}", stderr(&output));
    }
    assert_eq!(world.changes(), [""; 0]);
    assert!(world.state().running);
}

#[test]
fn a_second_run_touches_nothing_and_says_who_is_running() {
    let never = vec![Row::new(0, "Initializing...", "N/A")];
    let world = World::new(&Scenario { polls: vec![never], ..Scenario::healthy() });
    let mut first = world.start_schedule(FAST);
    std::thread::sleep(Duration::from_secs(2));
    let before = world.changes();
    let second = world.schedule(FAST);
    assert_exit(&second, 255);
    assert!(stderr(&second).contains(&format!("process {} ", first.id())), "{}", stderr(&second));
    assert_eq!(world.changes()[..before.len()], before[..]);
    interrupt(&mut first, Signal::TERM);
}

#[test]
fn a_signal_is_answered_within_a_second_and_the_session_is_as_before() {
    for signal in [Signal::INT, Signal::TERM] {
        let never = vec![Row::new(0, "Initializing...", "N/A")];
        let world = World::new(&Scenario { polls: vec![never], ..Scenario::healthy() });
        let mut run = world.start_schedule(FAST);
        std::thread::sleep(Duration::from_secs(5));
        let took = interrupt(&mut run, signal);
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(world.state().running, "it ran before");
        assert_tidy(&world);
    }
}

#[test]
fn options_are_taken_as_argparse_takes_them() {
    let world = World::new(&Scenario::healthy());
    let args = ["schedule", "--int=1", "gv1", "--roll", "1", "dr", "gv2", "--no-c"];
    assert_exit(&world.georep(&args).output().unwrap(), 0);
    let usage = world.georep(&["schedule", "gv1", "dr"]).output().unwrap();
    assert_exit(&usage, 2);
}

/// Sends `signal`, and returns how long the run took to end with 1.
#[track_caller]
fn interrupt(run: &mut std::process::Child, signal: Signal) -> Duration {
    let began = Instant::now();
    kill_process(Pid::from_child(run), signal).unwrap();
    let status = run.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    began.elapsed()
}
