//! Signals at each step. Ctrl-C is for the script and what it runs; SIGTERM for the script alone.

use georep_tests::simulated::{Fault, Scenario as World};
use rustix::process::Signal;

use crate::scenario::*;

/// A moment at which a signal may come: what either side has changed by then, and in which state
/// it leaves a session that ran before.
struct Step {
    name: &'static str,
    hangs: Option<&'static str>,
    when: When,
    lines: String,
    script: (&'static str, &'static str),
    georep: (&'static str, &'static str),
}

pub fn scenarios() -> Vec<Scenario> {
    let mut all: Vec<Scenario> = steps()
        .iter()
        .flat_map(|step| [played(step, Signal::INT), played(step, Signal::TERM)])
        .collect();
    all.push(
        Scenario::new(
            "SIGINT during the wait for a session that was stopped",
            World { runs_before: false, polls: vec![behind()], ..healthy() },
        )
        .ended(Signal::INT, When::Polls(2))
        .differs(
            &["put-back"],
            outcome("1", STARTED, "running", &[BEGUN, WAITING, EXITING]),
            outcome("1", WHOLE, "stopped", &[BEGUN, WAITING, EXITING]),
        ),
    );
    all.push(
        Scenario::new("SIGHUP during the wait", polls(vec![behind()]))
            .ended(Signal::HUP, When::Polls(2))
            .differs(
                &["signals"],
                outcome("signal 1", STARTED, "running", &[BEGUN, WAITING]),
                outcome("1", STARTED, "running", &[BEGUN, WAITING, EXITING]),
            ),
    );
    all
}

fn steps() -> Vec<Step> {
    let [stopped, set, _] = BEGUN.lines().collect::<Vec<_>>()[..] else { unreachable!() };
    let hangs = |name, call, lines, script, georep| Step {
        name,
        hangs: Some(call),
        when: When::During(call),
        lines,
        script,
        georep,
    };
    let set_checkpoint = "stop force, config checkpoint now";
    let twice = "stop force, config checkpoint now, start, start";
    vec![
        hangs("the first status", "gv2 status", String::new(), ("", "running"), ("", "running")),
        hangs(
            "the stop",
            "stop force",
            String::new(),
            ("stop force", "running"),
            ("stop force, start", "running"),
        ),
        hangs(
            "the checkpoint",
            "checkpoint now",
            format!("{stopped}\n"),
            (set_checkpoint, "stopped"),
            (STARTED, "running"),
        ),
        hangs(
            "the start",
            "gv2 start",
            format!("{stopped}\n{set}\n"),
            (STARTED, "stopped"),
            (twice, "running"),
        ),
        Step {
            name: "the wait after the start",
            hangs: None,
            when: When::After("gv2 start"),
            lines: BEGUN.to_owned(),
            script: (STARTED, "running"),
            georep: (STARTED, "running"),
        },
        Step {
            name: "the wait for the checkpoint",
            hangs: None,
            when: When::Polls(2),
            lines: format!("{BEGUN}{WAITING}"),
            script: (STARTED, "running"),
            georep: (STARTED, "running"),
        },
    ]
}

fn played(step: &Step, signal: Signal) -> Scenario {
    let world = World {
        polls: vec![behind()],
        faults: step.hangs.map(Fault::hanging).into_iter().collect(),
        ..healthy()
    };
    let is_int = signal == Signal::INT;
    let name = format!("{} during {}", if is_int { "SIGINT" } else { "SIGTERM" }, step.name);
    let scenario = Scenario::new(name, world).ended(signal, step.when);
    let ended =
        |exit, (changes, leaves), last| outcome(exit, changes, leaves, &[&step.lines, last]);
    let georep = ended("1", step.georep, EXITING);
    match (is_int, step.script == step.georep) {
        (true, true) => scenario.same(georep),
        (true, false) => scenario.differs(&["put-back"], ended("1", step.script, EXITING), georep),
        (false, true) => {
            scenario.differs(&["signals"], ended("signal 15", step.script, ""), georep)
        }
        (false, false) => {
            scenario.differs(&["signals", "put-back"], ended("signal 15", step.script, ""), georep)
        }
    }
}
