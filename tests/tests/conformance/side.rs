//! One side of a scenario: a run of the script or of `georep`, and what came of it in words that
//! can be compared.

use std::fmt::Write as _;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use georep_tests::program;
use georep_tests::simulated::{State, World};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::original::Original;
use crate::scenario::{Ended, Scenario, When};

/// No run takes so long: the longest waits for a timeout of a minute.
const LIMIT: Duration = Duration::from_secs(150);

/// What `georep` says more than the script, wherever it has something to say; each is in the list
/// of differences.
pub const OWN_LINES: [&str; 4] = [
    "[  WARN] Trouble: ",
    "[    OK] Geo-replication session was ",
    "[    OK] Geo-replication session is ",
    "[    OK] Checkpoint completed at ",
];

/// Runs the original script in a world of its own.
pub fn script(scenario: &Scenario, original: &Original) -> String {
    let world = World::new(&scenario.world);
    let script = original.script.to_str().expect("a plain path");
    let python = original.python.to_str().expect("a plain path");
    // A shell ignores SIGINT for what it runs in the background, nohup SIGHUP, and Python keeps it so.
    let own = ["--default-signal=HUP,INT,TERM", python, script];
    let command = world.command(Path::new("/usr/bin/env"), &[&own, &scenario.args[..]].concat());
    play(scenario, &world, command)
}

/// Runs `georep schedule` in a world of its own, perhaps through the shim.
pub fn georep(scenario: &Scenario, original: &Original) -> String {
    let world = World::new(&scenario.world);
    let command = if scenario.shim {
        let link = world.path().join("bin/georep");
        std::os::unix::fs::symlink(program::georep(), link).expect("a link to georep");
        let shim = concat!(env!("CARGO_MANIFEST_DIR"), "/../shim/schedule_georep.py");
        world.command(&original.python, &[&[shim], &scenario.args[..]].concat())
    } else {
        world.georep(&[&["schedule"], &scenario.args[..]].concat())
    };
    play(scenario, &world, command)
}

/// Runs `command` to its end, or to the one that the scenario puts to it.
fn play(scenario: &Scenario, world: &World, mut command: Command) -> String {
    let output = [world.path().join("stdout"), world.path().join("stderr")];
    let [stdout, stderr] = output.clone().map(|path| fs::File::create(path).expect("a file"));
    // As of a terminal: Ctrl-C is for all of the group, and what it leaves behind can be found.
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
    let mut child = command.spawn().expect("a run");
    if let Some(ended) = scenario.ended {
        end(&mut child, world, ended);
    }
    let status = wait(&mut child);
    let group = Pid::from_child(&child);
    // Nobody is left where all have ended.
    let _ = kill_process_group(group, Signal::KILL);
    let [stdout, stderr] = output.map(|path| fs::read_to_string(path).expect("what it said"));
    let mut told = String::new();
    let _ = writeln!(told, "exit: {}", exit(status));
    let _ = writeln!(told, "changes: {}", world.changes().join(", "));
    let _ = writeln!(told, "leaves: {}", left(&world.state()));
    if !stdout.is_empty() {
        let _ = writeln!(told, "<stdout>");
    }
    told + &lines(&stderr, scenario.reason)
}

fn end(child: &mut Child, world: &World, ended: Ended) {
    let began = Instant::now();
    while child.try_wait().expect("a child").is_none() && began.elapsed() < LIMIT {
        // Somebody may be writing it.
        let state = State::of(world.path()).ok();
        if state.is_some_and(|state| is_now(&state, ended.when)) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    // Of a call that has just begun and returns, what comes of it is done by then.
    thread::sleep(Duration::from_millis(1500));
    let pid = Pid::from_child(child);
    // It may have ended by itself, and then the outcome says so.
    let _ = match ended.signal {
        Signal::INT => kill_process_group(pid, Signal::INT),
        signal => kill_process(pid, signal),
    };
}

fn is_now(state: &State, when: When) -> bool {
    match when {
        When::During(words) | When::After(words) => {
            state.calls.iter().any(|call| call.contains(words))
        }
        When::Polls(count) => state.polls >= count,
    }
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().and_then(|()| child.wait()).expect("a child");
    None
}

fn exit(status: Option<ExitStatus>) -> String {
    let status = status.map(|status| (status.code(), status.signal()));
    match status {
        Some((Some(code), _)) => code.to_string(),
        Some((None, Some(signal))) => format!("signal {signal}"),
        _ => "never".to_owned(),
    }
}

/// The session, and what should not be left.
fn left(state: &State) -> String {
    let mut left = if state.running { "running" } else { "stopped" }.to_owned();
    if !state.mounted.is_empty() {
        left += ", a mount";
    }
    let is_mount = |call: &&String| call.starts_with("glusterfs ") || call.starts_with("mount ");
    let mut mounts = state.calls.iter().filter(is_mount).filter_map(|call| call.rsplit(' ').next());
    if mounts.any(|directory| Path::new(directory).exists()) {
        left += ", a directory";
    }
    left
}

/// What gluster says last, whatever it has said before.
const GLUSTER_FAILED: &str = "geo-replication command failed";

/// What a run has said, without what differs from one run to the next.
fn lines(stderr: &str, reason: &str) -> String {
    if stderr.starts_with("usage:") || stderr.starts_with("error:") {
        return "<usage>\n".to_owned();
    }
    let mut told = String::new();
    let mut in_traceback = false;
    let is_said_anyway = |line: &&str| !reason.contains(GLUSTER_FAILED) && *line == GLUSTER_FAILED;
    let all = stderr.lines().filter(|line| !line.trim().is_empty() && !is_said_anyway(line));
    for line in all.filter(|line| !OWN_LINES.iter().any(|own| line.starts_with(own))) {
        let line = line.replace('\u{1b}', "^");
        if in_traceback && line.starts_with(' ') {
            continue;
        }
        if line.starts_with("During handling of the above exception") {
            // Only the last of them counts.
            told.truncate(told.rfind("Traceback: ").unwrap_or(told.len()));
            continue;
        }
        let line = if std::mem::take(&mut in_traceback) {
            format!("Traceback: {line}")
        } else if line.starts_with("Traceback ") {
            in_traceback = true;
            continue;
        } else {
            usual(&line, reason)
        };
        // A check that says what the one before has said.
        if !told.ends_with(&format!("\n{line}\n")) {
            let _ = writeln!(told, "{line}");
        }
    }
    without_repeated_pairs(&told)
}

/// A line in which numbers that depend on the clock, and words around gluster's own, are left out.
fn usual(line: &str, reason: &str) -> String {
    if let Some((before, turns)) = line.split_once("(Turns ") {
        let turns = turns.trim_end_matches(')');
        let is_turn = turns.len() == 3 && turns.trim().parse::<u32>().is_ok();
        return format!("{before}(Turns {})", if is_turn { "#" } else { turns });
    }
    if let Some((before, _)) = line.split_once("(Duration: ") {
        return format!("{before}(Duration: #sec)");
    }
    if !reason.is_empty() && line.contains(reason) {
        let retried = line.starts_with("[  WARN] ") && line.ends_with("; trying again");
        return if retried { "[  WARN] <reason>; trying again" } else { "<reason>" }.to_owned();
    }
    line.to_owned()
}

/// Where workers are not well every check says two lines.
fn without_repeated_pairs(told: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for line in told.lines() {
        kept.push(line);
        if let [.., a, b, c, d] = kept[..]
            && [a, b] == [c, d]
        {
            kept.truncate(kept.len() - 2);
        }
    }
    kept.iter().fold(String::new(), |told, line| told + line + "\n")
}
