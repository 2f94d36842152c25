//! One case: a run with a fault, `georep recover`, and a run without.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use georep_tests::simulated::fault::{CallId, PlannedFault};
use georep_tests::simulated::vms::Images;
use georep_tests::simulated::{Row, Scenario, World};

use crate::case::{Case, Method, Stage, death};
use crate::left::{self, Snapshots};

/// How many seconds a tool may hang: longer than any takes that does not, on a busy machine, too.
const COMMAND_LIMIT: &str = "5";

/// No run takes so long.
const RUN_LIMIT: Duration = Duration::from_secs(600);

/// How often a run is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// The volume option that a run changes and puts back.
const ROLLOVER: &str = "changelog.rollover-time";

/// What came of a case.
#[derive(Debug)]
pub struct Played {
    /// What was not as it has to be.
    pub complaints: Vec<String>,
    /// How the run with the fault ended.
    pub ended: String,
    /// How long each of the three took.
    pub took: Vec<f64>,
    /// Whether the call that was to go wrong was made.
    pub befell: bool,
    /// Everything that was said, and all calls.
    pub told: String,
    /// How long all of it took.
    pub seconds: f64,
}

impl Played {
    /// How it ended and how long each of the three took, in a word.
    pub fn ends(&self) -> String {
        let took: Vec<_> = self.took.iter().map(|seconds| format!("{seconds:.1}")).collect();
        format!("{} ({})", self.ended, took.join(" + "))
    }

    /// All there is to know where it was not as it has to be; else nothing.
    pub fn complaint(&self) -> String {
        if self.complaints.is_empty() {
            return String::new();
        }
        let complaints = self.complaints.iter().map(|complaint| format!("  - {complaint}\n"));
        complaints.collect::<String>() + &self.told
    }
}

/// A volume whose bricks close their changelogs every 15 s, unless asked to, and a session that
/// reaches its checkpoint at the second look after it was started.
fn scenario() -> Scenario {
    let all = |completed| {
        let active = |brick| Row::new(brick, "Active", completed);
        vec![active(0), Row::passive(1), active(2), Row::passive(3)]
    };
    Scenario {
        options: [("features.shard".to_owned(), "on".to_owned())].into(),
        turns_are_known: true,
        polls: vec![all("Yes"), all("Yes"), all("No"), all("Yes")],
        ..Scenario::healthy()
    }
}

/// A backup, or the recovery of one that was killed, without a fault: its calls, and what came of it.
pub fn without_fault(stage: Stage, method: Method, images: &Images) -> (Vec<CallId>, Played) {
    let mut play = Play::new(method, images);
    let end = match stage {
        Stage::Backup => play.back_up("the run", None),
        Stage::Recovery => {
            play.back_up("the run", Some(&death()));
            play.recover("recover", None)
        }
    };
    play.expect(&end, &[0]);
    let ids = play.world.call_ids();
    play.assert_nothing_left(end.what);
    (ids, play.end())
}

/// Plays a case.
pub fn play(case: &Case, images: &Images) -> Played {
    let mut play = Play::new(case.method, images);
    let end = match case.stage {
        Stage::Backup => {
            let end = play.back_up("the run", Some(&case.fault));
            play.judge(&end, case, &[0, 1, 3, 4, 5]);
            if let Some(0 | 3 | 4) = end.code() {
                play.assert_session_stopped();
            }
            end
        }
        Stage::Recovery => {
            play.back_up("the run", Some(&death()));
            let end = play.recover("the first recover", Some(&case.fault));
            play.judge(&end, case, &[0, 1, 5]);
            end
        }
    };
    play.ended = end.shown;

    let was_noted = left::is_session_noted(&play.world);
    let end = play.recover("recover", None);
    play.expect(&end, &[0]);
    play.assert_nothing_left("recover");
    play.complaints.extend(left::unfinished(&play.world));
    if was_noted && !play.world.state().running {
        play.complain("recover left the session stopped, which had run");
    }

    // So that nobody waits for changelogs that are not there.
    play.set_option(ROLLOVER, "1");
    let end = play.back_up("the second run", None);
    play.expect(&end, &[0]);
    play.assert_nothing_left("the second run");
    play.assert_session_stopped();
    play.end()
}

/// A world, and what was seen in it.
struct Play<'a> {
    method: Method,
    images: &'a Images,
    world: World,
    began: Instant,
    complaints: Vec<String>,
    ended: String,
    took: Vec<f64>,
    befell: bool,
    told: String,
    snapshots: Snapshots,
    options: BTreeMap<String, String>,
}

/// How one command ended.
struct End {
    what: &'static str,
    status: Option<ExitStatus>,
    shown: String,
}

impl End {
    fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }
}

impl<'a> Play<'a> {
    fn new(method: Method, images: &'a Images) -> Self {
        let world = World::with_vms(&scenario(), images);
        let snapshots = Snapshots::of(&world);
        let options = scenario().options;
        Self {
            method,
            images,
            world,
            began: Instant::now(),
            complaints: Vec::new(),
            ended: String::new(),
            took: Vec::new(),
            befell: false,
            told: String::new(),
            snapshots,
            options,
        }
    }

    fn back_up(&mut self, what: &'static str, fault: Option<&PlannedFault>) -> End {
        let pool = self.world.pool();
        let pool = pool.to_str().expect("a plain path");
        let method = ["--method", self.method.name(), "--verify", "full", "--rollover", "1"];
        let args = [&["backup", "gv1", "dr::gv2", "--pool", pool][..], &method].concat();
        let end = self.run(what, &args, fault);
        if end.code() == Some(0) {
            self.assert_proven(what);
        }
        end
    }

    fn recover(&mut self, what: &'static str, fault: Option<&PlannedFault>) -> End {
        self.run(what, &["recover"], fault)
    }

    /// Runs `georep`, and lets that call go wrong.
    fn run(&mut self, what: &'static str, args: &[&str], fault: Option<&PlannedFault>) -> End {
        self.world.plan_fault(fault);
        let mut command = self.world.georep_apart(args);
        if fault.is_some_and(|fault| fault.kind.hangs()) {
            command.env("GEOREP_COMMAND_LIMIT", COMMAND_LIMIT);
        }
        let output = self.world.path().join("output");
        let file = File::create(&output).expect("a writable world");
        command.stdout(file.try_clone().expect("a file")).stderr(file);
        let began = Instant::now();
        let mut child = command.spawn().expect("unshare can be run");
        let status = loop {
            match child.try_wait().expect("a child") {
                Some(status) => break Some(status),
                None if began.elapsed() > RUN_LIMIT => {
                    child.kill().and_then(|()| child.wait()).expect("a child");
                    break None;
                }
                None => thread::sleep(POLL),
            }
        };
        self.took.push(began.elapsed().as_secs_f64());
        let shown = match status {
            None => "hangs".to_owned(),
            Some(status) => match status.code() {
                Some(code) => format!("exit {code}"),
                None => format!("signal {}", status.signal().unwrap_or(0)),
            },
        };
        let said = String::from_utf8_lossy(&fs::read(output).expect("what it said")).into_owned();
        let calls = self.world.state().calls.join("\n    ");
        self.told += &format!("=== {what}: {shown}\n{said}--- calls:\n    {calls}\n");
        End { what, status, shown }
    }

    fn complain(&mut self, complaint: impl Into<String>) {
        self.complaints.push(complaint.into());
    }

    /// Whether it ended as the fault has it, or else as is documented.
    fn judge(&mut self, end: &End, case: &Case, codes: &[i32]) {
        self.befell = self.world.fault_befell();
        if self.befell && case.fault.kind.kills() {
            if end.status.and_then(|status| status.signal()) != Some(9) {
                self.complain(format!("{} was not killed: {}", end.what, end.shown));
            }
            return;
        }
        self.expect(end, codes);
        // Only these say that something is left, or may be.
        let may_be_left = match case.stage {
            Stage::Backup => [5].as_slice(),
            Stage::Recovery => &[1, 5],
        };
        if !end.code().is_some_and(|code| may_be_left.contains(&code)) {
            self.assert_nothing_left(end.what);
        }
    }

    fn assert_session_stopped(&mut self) {
        if self.world.state().running {
            self.complain("the session runs after the end of a run");
        }
    }

    fn expect(&mut self, end: &End, codes: &[i32]) {
        if !end.code().is_some_and(|code| codes.contains(&code)) {
            self.complain(format!("{} ended with {}", end.what, end.shown));
        }
    }

    fn assert_proven(&mut self, what: &str) {
        let (method, world) = (self.method, &self.world);
        let mut wrong = match method {
            Method::External => left::not_as_frozen(world),
            Method::Internal => self.snapshots.take_run(world),
        };
        wrong.extend(left::wrong_definitions(world));
        self.complaints.extend(wrong.into_iter().map(|complaint| format!("{what}: {complaint}")));
    }

    fn assert_nothing_left(&mut self, after: &str) {
        let mut found = left::left(&self.world, self.images);
        found.extend(self.snapshots.changed(&self.world));
        let options = self.world.state().options;
        if options != self.options {
            found.push(format!("the volume's options are {options:?}"));
        }
        self.complaints.extend(found.into_iter().map(|found| format!("after {after}: {found}")));
    }

    fn set_option(&mut self, name: &str, value: &str) {
        self.world.set_option(name, value);
        self.options.insert(name.to_owned(), value.to_owned());
    }

    fn end(self) -> Played {
        Played {
            complaints: self.complaints,
            ended: self.ended,
            took: self.took,
            befell: self.befell,
            told: self.told,
            seconds: self.began.elapsed().as_secs_f64(),
        }
    }
}
