//! `georep status` on a simulated cluster: in a pipe, on a terminal, and watching.

use std::process::{Command, Output, Stdio};

use georep_tests::simulated::{Fault, Row, Scenario, World};
use georep_tests::terminal::Terminal;
use rustix::process::Signal;

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

fn with_rows(rows: Vec<Row>) -> Scenario {
    Scenario { polls: vec![rows], ..Scenario::healthy() }
}

fn healthy_rows() -> Vec<Row> {
    Scenario::healthy().polls.remove(0)
}

fn faulty_rows() -> Vec<Row> {
    let mut rows = healthy_rows();
    rows[2] = Row::new(2, "Faulty", "N/A");
    rows
}

/// The second peer is down, and gluster leaves out its bricks.
fn offline_rows() -> Vec<Row> {
    healthy_rows().into_iter().filter(|row| row.brick % 2 == 0).collect()
}

/// A world moves on once it has something to reach.
fn set_checkpoint(world: &World) {
    let words = "--mode=script volume geo-replication gv1 dr::gv2 config checkpoint now --xml";
    let mut gluster = Command::new(world.path().join("bin/gluster"));
    let output = gluster.args(words.split(' ')).env("SIM_DIR", world.path()).output().unwrap();
    assert!(output.status.success());
}

fn status(scenario: &Scenario, args: &[&str]) -> Output {
    let world = World::new(scenario);
    let output = world.georep(&[&["status"], args].concat()).output().unwrap();
    assert_eq!(world.changes(), [""; 0], "asking changes nothing");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn assert_exit(output: &Output, exit: i32) {
    assert_eq!(output.status.code(), Some(exit), "{}{}", stdout(output), stderr(output));
}

#[test]
fn in_a_pipe_it_is_plain_text() {
    let output = status(&Scenario::healthy(), &[]);
    assert_exit(&output, 0);
    let told = stdout(&output);
    let first_words = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().take(3).collect();
        words.join(" ")
    };
    assert_eq!(
        told.lines().map(first_words).collect::<Vec<_>>(),
        [
            "gv1 → dr::gv2: running",
            "BRICK STATUS CRAWL",
            "p1:/b/1 Active Changelog",
            "p2:/b/2 Passive Changelog",
            "p1:/b/3 Active Changelog",
            "p2:/b/4 Passive Changelog",
            "4 bricks in",
        ]
        .map(|line| line.replace("gv1 → dr::gv2: running", "gv1 → dr::gv2:"))
    );
    assert!(told.contains("4 bricks in 2 sets: 2 Active, 2 Passive"), "{told}");
    assert!(!told.contains('\x1b'), "{told}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn bricks_of_a_peer_that_is_down_are_shown_and_exit_3() {
    let output = status(&with_rows(offline_rows()), &["gv1"]);
    assert_exit(&output, 3);
    let told = stdout(&output);
    let rows: Vec<_> = told.lines().skip(2).take(4).collect();
    assert!(rows[1].starts_with("p2:/b/2  Offline"), "{told}");
    assert!(rows[3].starts_with("p2:/b/4  Offline"), "{told}");
}

#[test]
fn a_filter_hides_rows_and_not_what_is_wrong() {
    let args = ["gv1", "dr::gv2", "--state", "active", "--state", "passive"];
    let output = status(&with_rows(faulty_rows()), &args);
    assert_exit(&output, 3);
    let told = stdout(&output);
    assert!(!told.contains("p1:/b/3"), "{told}");
    assert!(told.contains("2 Passive, 1 Faulty") && told.contains("1 Active"), "{told}");
}

#[test]
fn json_says_what_gluster_says() {
    let output = status(&with_rows(offline_rows()), &["--json"]);
    assert_exit(&output, 3);
    assert_eq!(stdout(&output).lines().count(), 1);
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let session = &all[0];
    assert_eq!((&session["primary"], &session["healthy"]), (&"gv1".into(), &false.into()));
    let bricks = session["bricks"].as_array().unwrap();
    let states: Vec<_> = bricks.iter().map(|brick| brick["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["Active", "Offline", "Active", "Offline"]);
    assert_eq!((&bricks[0]["set"], &bricks[2]["set"]), (&0.into(), &1.into()));
    assert_eq!((&bricks[0]["failures"], &bricks[1]["failures"]), (&0.into(), &().into()));
}

#[test]
fn a_session_that_does_not_exist_is_an_error() {
    for args in [&["gv1", "dr::nosuch"][..], &["nosuch"]] {
        let output = status(&Scenario::healthy(), args);
        assert_exit(&output, 1);
        assert!(stderr(&output).contains("nosuch"), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn a_lock_held_by_others_is_waited_for() {
    let busy = "Another transaction is in progress for gv1. Please try again after some time.\n";
    // One with --xml and one without, which has the reason.
    let faults = vec![Fault::failing("geo-replication", 2, busy, 1)];
    assert_exit(&status(&Scenario { faults, ..Scenario::healthy() }, &[]), 0);
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let world = World::new(&Scenario::healthy());
    let mut child = world.georep(&["status"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn on_a_terminal_there_are_colours_unless_they_are_not_wanted() {
    let has_colours = |args: &[&str], variable: Option<&str>| {
        let world = World::new(&with_rows(faulty_rows()));
        let mut command = world.georep(&[&["status"], args].concat());
        command.envs(variable.map(|variable| (variable, "1")));
        let mut terminal = Terminal::start(command, COLUMNS, ROWS);
        let all = terminal.read_to_end();
        assert!(all.contains("Faulty"), "{all}");
        all.contains('\x1b')
    };
    assert!(has_colours(&[], None));
    assert!(!has_colours(&["--no-color"], None));
    assert!(!has_colours(&[], Some("NO_COLOR")));
}

#[test]
fn long_names_fit_on_a_terminal_of_80_columns() {
    let long = |host: &str| format!("{host}.storage.example.org:/data/glusterfs/gv1/brick1/brick");
    let bricks = ["p1", "p2", "p3", "p4"].map(long).to_vec();
    let world = World::new(&Scenario { bricks, ..Scenario::healthy() });
    let mut terminal = Terminal::start(world.georep(&["status", "--no-color"]), COLUMNS, ROWS);
    let all = terminal.read_to_end();
    for line in all.lines() {
        assert!(line.chars().count() <= COLUMNS.into(), "{line}");
    }
    assert!(all.contains('…') && all.contains("Passive"), "{all}");
}

#[test]
fn watching_redraws_in_place_and_gives_the_terminal_back() {
    let scenario = Scenario {
        polls: vec![healthy_rows(), faulty_rows(), offline_rows()],
        ..Scenario::healthy()
    };
    let world = World::new(&scenario);
    set_checkpoint(&world);
    let mut terminal = Terminal::start(world.georep(&["status", "--watch=1"]), COLUMNS, ROWS);
    for state in ["2 Passive\n", "1 Faulty", "2 Offline"] {
        let seen = terminal.read_until(|screen| screen.contents().contains(state));
        assert_eq!(seen.matches("gv1 → dr::gv2").count(), 1, "one picture at a time: {seen}");
    }
    assert!(terminal.screen().alternate_screen());
    terminal.signal(Signal::INT);
    terminal.read_to_end();
    assert!(!terminal.screen().alternate_screen());
    assert!(!terminal.screen().hide_cursor());
    assert_eq!(terminal.wait(), Some(3));
}

#[test]
fn watching_goes_on_while_glusterd_is_away() {
    let away = "Connection failed. Please check if gluster daemon is operational.\n";
    let fault = Fault { after: 1, ..Fault::failing("geo-replication", 2, away, 1) };
    let world = World::new(&Scenario { faults: vec![fault], ..Scenario::healthy() });
    let mut terminal = Terminal::start(world.georep(&["status", "--watch=1"]), COLUMNS, ROWS);
    let seen = terminal.read_until(|screen| screen.contents().contains("Connection failed"));
    assert!(seen.contains("2 Active, 2 Passive"), "what was seen last is still there: {seen}");
    terminal.read_until(|screen| !screen.contents().contains("Connection failed"));
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.wait(), Some(0));
}

#[test]
fn watching_into_a_pipe_tells_one_line_of_json_a_time() {
    let world = World::new(&Scenario::healthy());
    let mut command = world.georep(&["status", "--watch=1", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    for _ in 0..2 {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap();
    }
    // Nobody reads on.
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
