//! What a scenario is: a world, a command line, perhaps a signal, and what comes of it.

use georep_tests::simulated::{Fault, Row, Scenario as World};
use rustix::process::Signal;

/// One scenario, played to both sides.
#[derive(Clone)]
pub struct Scenario {
    pub name: String,
    pub world: World,
    pub args: Vec<&'static str>,
    /// How both are ended, where they are not left to end by themselves.
    pub ended: Option<Ended>,
    /// What gluster says is wrong. Around it `georep` says which command it was.
    pub reason: &'static str,
    /// Whether `georep` is called through the shim.
    pub shim: bool,
    pub expected: Expected,
}

#[derive(Clone)]
pub enum Expected {
    /// Both do this.
    Same(String),
    /// Each does its own, for reasons that have these names in the list of differences.
    Differs { ids: &'static [&'static str], script: String, georep: String },
}

#[derive(Clone, Copy)]
pub struct Ended {
    pub signal: Signal,
    pub when: When,
}

#[derive(Clone, Copy)]
pub enum When {
    /// While a call with these words hangs.
    During(&'static str),
    /// A moment after a call with these words.
    After(&'static str),
    /// After so many status calls.
    Polls(usize),
}

/// Both begin with these.
pub const BEGUN: &str = "\
[    OK] Stopped Geo-replication
[    OK] Set Checkpoint
[    OK] Started Geo-replication and watching Status for Checkpoint completion
";
/// Both end with these where all is well.
pub const COMPLETE: &str = "\
[    OK] All Checkpoints COMPLETE, All status OK (Turns #)
[    OK] Stopping Geo-replication session now
";
/// A healthy session short of its checkpoint.
pub const WAITING: &str = "[    OK] All Checkpoints NOT COMPLETE, All status OK (Turns #)\n";
/// The line before one of [`workers`].
pub const NOT_OK: &str = "[  WARN] All Checkpoints NOT COMPLETE, All status NOT OK (Turns #)\n";

pub const EXITING: &str = "[NOT OK] Exiting...\n";
/// A command has failed.
pub const FAILED: &str = "[NOT OK] \n<reason>\n";
pub const RETRYING: &str = "[  WARN] <reason>; trying again\n";

/// The calls of a run that is started and not stopped.
pub const STARTED: &str = "stop force, config checkpoint now, start";
/// The calls of a whole run.
pub const WHOLE: &str = "stop force, config checkpoint now, start, stop";

/// The bricks of which the script's lists speak.
pub fn workers(faulty: &str, offline: &str) -> String {
    format!("[  WARN] Geo-rep workers Faulty/Offline, Faulty: [{faulty}] Offline: [{offline}]\n")
}

/// An outcome, as [`crate::side::Outcome`] shows it.
pub fn outcome(exit: &str, changes: &str, leaves: &str, lines: &[&str]) -> String {
    format!("exit: {exit}\nchanges: {changes}\nleaves: {leaves}\n{}", lines.concat())
}

/// What everybody hopes for, with lines in between.
pub fn complete(between: &[&str]) -> String {
    outcome("0", WHOLE, "stopped", &[BEGUN, &between.concat(), COMPLETE])
}

/// The script dies of an exception when it looks at the workers.
pub fn dies(error: &str) -> String {
    let traceback = format!("Traceback: {error}\n");
    outcome("1", STARTED, "running", &[BEGUN, &traceback])
}

/// A brick is offline whose set is complete without it: for `georep` that is no reason to wait.
pub fn peer_is_down(brick: &str) -> String {
    let told = "[  WARN] All Checkpoints COMPLETE, All status NOT OK (Turns #)\n";
    let stopping = "[    OK] Stopping Geo-replication session now\n";
    outcome("0", WHOLE, "stopped", &[BEGUN, told, &workers("", brick), stopping])
}

pub const ARGS: &[&str] = &["gv1", "dr", "gv2", "--interval", "1", "--no-color"];

impl Scenario {
    /// A scenario in which both sides do the same, and that is all well.
    pub fn new(name: impl Into<String>, world: World) -> Self {
        Self {
            name: name.into(),
            world,
            args: ARGS.to_vec(),
            ended: None,
            reason: "",
            shim: false,
            expected: Expected::Same(complete(&[])),
        }
    }

    pub fn args(self, args: &[&'static str]) -> Self {
        Self { args: args.to_vec(), ..self }
    }

    /// Both get `signal`; where that is between two polls, these are long enough apart.
    pub fn ended(mut self, signal: Signal, when: When) -> Self {
        if let (When::Polls(_), [_, _, _, "--interval", interval, ..]) = (when, &mut self.args[..])
        {
            *interval = "5";
        }
        Self { ended: Some(Ended { signal, when }), ..self }
    }

    pub fn reason(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }

    pub fn through_shim(self) -> Self {
        Self { shim: true, ..self }
    }

    pub fn same(self, expected: impl Into<String>) -> Self {
        Self { expected: Expected::Same(expected.into()), ..self }
    }

    pub fn differs(self, ids: &'static [&'static str], script: String, georep: String) -> Self {
        Self { expected: Expected::Differs { ids, script, georep }, ..self }
    }
}

/// A healthy world.
pub fn healthy() -> World {
    World::healthy()
}

/// The workers of [`healthy`] on their way.
pub fn behind() -> Vec<Row> {
    vec![Row::new(0, "Active", "No"), Row::passive(1), Row::new(2, "Active", "No"), Row::passive(3)]
}

/// All at the checkpoint.
pub fn reached() -> Vec<Row> {
    World::healthy().polls.remove(0)
}

/// A healthy volume with `polls` as its answers; the last for ever.
pub fn polls(polls: Vec<Vec<Row>>) -> World {
    World { polls, ..healthy() }
}

/// A healthy volume with a fault.
pub fn fault(fault: Fault) -> World {
    World { faults: vec![fault], ..healthy() }
}
