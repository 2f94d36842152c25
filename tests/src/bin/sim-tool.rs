//! One simulated program of [`georep_tests::simulated`]; which one, its name says.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, thread, time::Duration};

use georep_tests::simulated::{Fault, Row, Scenario, State, read};

const TIMEOUT: Duration = Duration::from_secs(3600);

fn main() -> ExitCode {
    let directory = world();
    let mut args = env::args();
    let program = args.next().expect("argv[0]");
    let program = Path::new(&program).file_name().expect("a name").to_string_lossy().into_owned();
    let args: Vec<String> = args.collect();
    let call = format!("{program} {}", args.join(" "));

    let lock = File::create(directory.join("lock")).expect("a writable world");
    lock.lock().expect("a lock");
    let scenario: Scenario = read(&directory.join("scenario.json")).expect("the scenario");
    let mut state: State = read(&directory.join("state.json")).expect("the state");
    let fault = fault(&scenario, &state, &call);
    state.calls.push(call.clone());
    let answer =
        fault.map_or_else(|| answer(&scenario, &mut state, &program, &args), |f| said(&f, &args));
    let text = serde_json::to_vec(&state).expect("plain data");
    // A signal may end this at any moment.
    fs::write(directory.join("state.new"), text).expect("a writable world");
    fs::rename(directory.join("state.new"), directory.join("state.json")).expect("the same world");
    drop(lock);

    if answer.hangs {
        thread::sleep(TIMEOUT);
    }
    print!("{}", answer.stdout);
    eprint!("{}", answer.stderr);
    ExitCode::from(answer.exit)
}

#[derive(Default)]
struct Answer {
    stdout: String,
    stderr: String,
    exit: u8,
    hangs: bool,
}

fn stdout(text: impl Into<String>) -> Answer {
    Answer { stdout: text.into(), ..Answer::default() }
}

fn fails(stderr: &str) -> Answer {
    Answer { stderr: format!("{stderr}\n"), exit: 1, ..Answer::default() }
}

fn said(fault: &Fault, args: &[String]) -> Answer {
    if fault.refuses && args.iter().any(|arg| arg == "--xml") {
        return stdout(envelope(-1, 30800, fault.stderr.trim_end(), ""));
    }
    Answer {
        stdout: fault.stdout.clone(),
        stderr: fault.stderr.clone(),
        exit: u8::try_from(fault.exit).expect("an exit status"),
        hangs: fault.hangs,
    }
}

fn fault(scenario: &Scenario, state: &State, call: &str) -> Option<Fault> {
    scenario
        .faults
        .iter()
        .find(|fault| {
            let before = state.calls.iter().filter(|call| call.contains(&fault.call)).count();
            call.contains(&fault.call) && (fault.after..fault.after + fault.times).contains(&before)
        })
        .cloned()
}

fn answer(scenario: &Scenario, state: &mut State, program: &str, args: &[String]) -> Answer {
    let words: Vec<&str> =
        args.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    match (program, words.as_slice()) {
        ("gluster", ["volume", "info", "gv1"]) => stdout(volume_info(scenario, state)),
        ("gluster", ["volume", "info", name]) => stdout(no_volume(name)),
        ("gluster", ["volume", "geo-replication", "gv1", secondary, rest @ ..])
            if secondary.trim_start_matches("root@") == format!("{}::gv2", scenario.secondary) =>
        {
            session(scenario, state, rest, args.iter().any(|arg| arg == "--xml"))
        }
        (
            "gluster",
            ["volume", "geo-replication", "status"]
            | ["volume", "geo-replication", "gv1", "status"],
        ) => session(scenario, state, &["status"], args.iter().any(|arg| arg == "--xml")),
        ("gluster", ["volume", "geo-replication", ..]) => no_session(args),
        ("gluster", ["volume", "set", "gv1", key, value]) => {
            state.options.insert((*key).to_owned(), (*value).to_owned());
            stdout(xml(""))
        }
        ("gluster", ["volume", "reset", "gv1", key]) => {
            state.options.remove(*key);
            stdout(xml(""))
        }
        ("mount", [.., source, directory]) => {
            let volume = source.rsplit_once('/').map_or(*source, |(_, volume)| volume);
            mount(state, volume, Path::new(directory))
        }
        ("glusterfs", [_server, volume, "-l", _log, directory]) => {
            mount(state, volume, Path::new(directory))
        }
        ("mountpoint", ["-q", directory]) => {
            let mounted = state.mounted.iter().any(|mounted| mounted.0 == Path::new(directory));
            Answer { exit: u8::from(!mounted), ..Answer::default() }
        }
        ("touch", [_directory]) => Answer::default(),
        ("umount", [.., directory]) => umount(state, Path::new(directory)),
        ("findmnt", [.., directory]) => {
            match state.mounted.iter().find(|m| m.0 == Path::new(directory)) {
                Some((_, volume)) => stdout(format!(
                    r#"{{"filesystems": [{{"target": "{directory}", "source": "localhost:/{volume}",
                   "fstype": "fuse.glusterfs", "fsroot": "/"}}]}}"#
                )),
                None => Answer { exit: 1, ..Answer::default() },
            }
        }
        _ => fails(&format!("the simulator does not know `{program} {}`", args.join(" "))),
    }
}

fn mount(state: &mut State, volume: &str, directory: &Path) -> Answer {
    replace(directory, &world().join(volume));
    state.mounted.push((directory.into(), volume.to_owned()));
    Answer::default()
}

/// What was written to a mounted volume is in the volume from now on.
fn umount(state: &mut State, directory: &Path) -> Answer {
    let Some(place) = state.mounted.iter().position(|mounted| mounted.0 == directory) else {
        return fails("not mounted");
    };
    let (_, volume) = state.mounted.remove(place);
    let empty = world().join("empty");
    fs::create_dir_all(&empty).expect("a writable world");
    replace(&world().join(volume), directory);
    replace(directory, &empty);
    Answer::default()
}

fn world() -> PathBuf {
    PathBuf::from(env::var_os("SIM_DIR").expect("SIM_DIR names the world"))
}

/// Makes the directory `to` hold what `from` holds.
fn replace(to: &Path, from: &Path) {
    for entry in fs::read_dir(to).expect("a directory") {
        let path = entry.expect("an entry").path();
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.expect("a writable directory");
    }
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let copy = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            fs::create_dir(&copy).expect("a writable directory");
            replace(&copy, &path);
        } else {
            fs::copy(&path, &copy).expect("a writable directory");
        }
    }
}

fn session(scenario: &Scenario, state: &mut State, words: &[&str], as_xml: bool) -> Answer {
    match words {
        ["status"] if as_xml => stdout(status(scenario, state)),
        ["status"] => stdout("PRIMARY NODE    PRIMARY VOL\n"),
        ["stop", ..] => {
            if state.running && !scenario.copies_nothing {
                replace(&world().join("gv2"), &world().join("gv1"));
            }
            state.running = false;
            stdout(xml("<geoRep><primary>gv1</primary><secondary>dr::gv2</secondary></geoRep>"))
        }
        ["start"] => {
            state.running = true;
            stdout(xml("<geoRep><primary>gv1</primary><secondary>dr::gv2</secondary></geoRep>"))
        }
        ["pause"] => {
            stdout(xml("<geoRep><primary>gv1</primary><secondary>dr::gv2</secondary></geoRep>"))
        }
        ["config", "checkpoint", "now"] => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
            state.checkpoint = i64::try_from(now.as_secs()).ok();
            stdout(xml(
                "<geoRep><config><message>geo-replication config updated successfully</message></config></geoRep>",
            ))
        }
        ["config", "checkpoint"] => match state.checkpoint {
            Some(time) if as_xml => stdout(xml(&format!(
                "<geoRep><config><checkpoint>{time}</checkpoint></config></geoRep>"
            ))),
            Some(time) => stdout(format!("{time}\n")),
            None => stdout("0\n"),
        },
        _ => fails(&format!("unrecognized word: {}", words.join(" "))),
    }
}

fn no_session(args: &[String]) -> Answer {
    if args.iter().any(|arg| arg == "--xml") {
        return Answer {
            stdout: "geo-replication command failed\n".to_owned(),
            exit: 2,
            ..Answer::default()
        };
    }
    Answer {
        stdout: "No active geo-replication sessions between gv1 and dr::nosuch\n\
                 geo-replication command failed\n"
            .to_owned(),
        exit: 1,
        ..Answer::default()
    }
}

fn xml(payload: &str) -> String {
    envelope(0, 0, "", payload)
}

fn envelope(op_ret: i32, op_errno: i32, reason: &str, payload: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<cliOutput>\
         <opRet>{op_ret}</opRet><opErrno>{op_errno}</opErrno><opErrstr>{reason}</opErrstr>\
         {payload}</cliOutput>\n"
    )
}

fn no_volume(name: &str) -> String {
    let payload = "<volInfo><volumes><count>0</count></volumes></volInfo>";
    envelope(-1, 30806, &format!("Volume {name} does not exist"), payload)
}

fn volume_info(scenario: &Scenario, state: &State) -> String {
    let count = scenario.bricks.len();
    let mut bricks = String::new();
    for brick in &scenario.bricks {
        let _ = write!(
            bricks,
            "<brick uuid=\"u\">{brick}<name>{brick}</name><hostUuid>{}</hostUuid>\
             <isArbiter>0</isArbiter></brick>",
            host_uuid(brick)
        );
    }
    if scenario.tiered {
        bricks = format!(
            "<hotBricks><hotreplicaCount>0</hotreplicaCount></hotBricks>\
             <coldBricks><coldreplicaCount>{}</coldreplicaCount>{bricks}</coldBricks>",
            scenario.replica
        );
    }
    let mut options = String::new();
    for (name, value) in &state.options {
        let _ = write!(options, "<option><name>{name}</name><value>{value}</value></option>");
    }
    xml(&format!(
        "<volInfo><volumes><volume><name>gv1</name><id>1</id><status>1</status>\
         <statusStr>Started</statusStr><brickCount>{count}</brickCount>\
         <distCount>{}</distCount><replicaCount>{}</replicaCount><arbiterCount>0</arbiterCount>\
         <disperseCount>0</disperseCount><redundancyCount>0</redundancyCount><type>7</type>\
         <typeStr>Distributed-Replicate</typeStr><transport>0</transport>\
         <bricks>{bricks}</bricks><optCount>{}</optCount><options>{options}</options></volume>\
         <count>1</count></volumes></volInfo>",
        count / scenario.replica,
        scenario.replica,
        state.options.len()
    ))
}

fn status(scenario: &Scenario, state: &mut State) -> String {
    let rows = if state.running {
        let last = scenario.polls.len().saturating_sub(1);
        let poll = scenario.polls.get(state.polls.min(last)).cloned().unwrap_or_default();
        // Before the checkpoint is set nobody waits for anything.
        state.polls += usize::from(state.checkpoint.is_some());
        poll
    } else {
        (0..scenario.bricks.len()).map(|brick| Row::new(brick, "Stopped", "N/A")).collect()
    };
    let (primary, secondary) =
        if scenario.old_words { ("master", "slave") } else { ("primary", "secondary") };
    let pairs: String =
        rows.iter().map(|row| pair(scenario, state, row, primary, secondary)).collect();
    xml(&format!(
        "<geoRep><volume><name>gv1</name><sessions><session>\
         <session_{secondary}>u1:ssh://{}::gv2:u2</session_{secondary}>{pairs}\
         </session></sessions></volume></geoRep>",
        scenario.secondary
    ))
}

fn pair(scenario: &Scenario, state: &State, row: &Row, primary: &str, secondary: &str) -> String {
    let brick = &scenario.bricks[row.brick];
    let (host, path) = brick.rsplit_once(":/").expect("a brick is host:/path");
    let checkpoint = match state.checkpoint {
        Some(time) if row.completed != "N/A" => time - row.checkpoint_age,
        _ => 0,
    };
    let time = if checkpoint == 0 { "N/A".to_owned() } else { utc(checkpoint) };
    let user = scenario.secondary.rsplit_once('@').map_or("root", |(user, _)| user);
    let completion = if row.completed == "Yes" { time.as_str() } else { "N/A" };
    format!(
        "<pair><{primary}_node>{host}</{primary}_node><{primary}_brick>/{path}</{primary}_brick>\
         <{secondary}_user>{user}</{secondary}_user>\
         <{secondary}>{}::gv2</{secondary}>\
         <{secondary}_node/><status>{}</status><crawl_status>Changelog Crawl</crawl_status>\
         <entry>0</entry><data>0</data><meta>0</meta><failures>{}</failures>\
         <checkpoint_completed>{}</checkpoint_completed>\
         <{primary}_node_uuid>{}</{primary}_node_uuid><last_synced>{time}</last_synced>\
         <checkpoint_time>{time}</checkpoint_time>\
         <checkpoint_completion_time>{completion}</checkpoint_completion_time></pair>",
        scenario.secondary,
        row.status,
        row.failures,
        row.completed,
        host_uuid(brick)
    )
}

fn host_uuid(brick: &str) -> &str {
    brick.rsplit_once(":/").map_or(brick, |(host, _)| host)
}

fn utc(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).expect("a time");
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
