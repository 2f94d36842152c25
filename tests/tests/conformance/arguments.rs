//! The command line, as Python's argparse takes it.

use crate::scenario::*;

pub fn scenarios() -> Vec<Scenario> {
    let mut all: Vec<Scenario> = [understood(), not_understood()].concat();
    all.extend([
        Scenario::new("args: help", healthy()).args(&["-h"]).same(outcome(
            "0",
            "",
            "running",
            &["<stdout>\n"],
        )),
        Scenario::new("args: help with a letter left out", healthy())
            .args(&["--hel"])
            .same(outcome("0", "", "running", &["<stdout>\n"])),
        numbers("a timeout below zero", &["gv1", "dr", "gv2", "--timeout", "-1", "--no-color"]),
        numbers("a number with spaces", &["gv1", "dr", "gv2", "--interval", " 1 ", "--no-color"]),
        numbers("a number in groups", &["gv1", "dr", "gv2", "--timeout=1_000", "--no-color"]),
        Scenario::new("args: an interval below zero", healthy())
            .args(&["gv1", "dr", "gv2", "--interval", "-1", "--no-color"])
            .differs(&["numbers"], complete(&[]), usage()),
        Scenario::new("args: an interval below zero, and a wait", polls(vec![behind(), reached()]))
            .args(&["gv1", "dr", "gv2", "--interval", "-1", "--no-color"])
            .differs(
                &["numbers"],
                outcome(
                    "1",
                    STARTED,
                    "running",
                    &[BEGUN, WAITING, "Traceback: ValueError: sleep length must be non-negative\n"],
                ),
                usage(),
            ),
        Scenario::new("args: an option of georep", healthy())
            .args(&["gv1", "dr", "gv2", "--rollover", "1", "--no-color"])
            .differs(&["own-options"], usage(), complete(&[])),
        Scenario::new("args: names that are options", healthy())
            .args(&["gv1", "", "gv2", "--no-color"])
            .reason("No active geo-replication sessions")
            .differs(
                &["names"],
                outcome("255", "", "running", &[FAILED]),
                outcome("255", "", "running", &["[NOT OK] \n", "secondary host ``: it is empty\n"]),
            ),
        Scenario::new("args: colours where nobody sees them", healthy())
            .args(&["gv1", "dr", "gv2"])
            .differs(
                &["colour"],
                complete(&[]).replace("[    OK]", "^[32m[    OK]^[0m"),
                complete(&[]),
            ),
    ]);
    all
}

/// A number that only Python takes for one.
fn numbers(name: &str, args: &[&'static str]) -> Scenario {
    let scenario = Scenario::new(format!("args: {name}"), healthy()).args(args);
    scenario.differs(&["numbers"], complete(&[]), usage())
}

fn usage() -> String {
    outcome("2", "", "running", &["<usage>\n"])
}

fn understood() -> Vec<Scenario> {
    let lines: [(&str, &[&str]); 11] = [
        ("options first", &["--interval", "1", "--no-color", "gv1", "dr", "gv2"]),
        ("options in between", &["gv1", "--interval", "1", "dr", "--no-color", "gv2"]),
        ("with an equals sign", &["gv1", "dr", "gv2", "--interval=1", "--timeout=5", "--no-color"]),
        ("cut short", &["--int", "1", "--time=3", "--no-c", "gv1", "dr", "gv2"]),
        ("cut to a letter", &["--i", "1", "--t=3", "--n", "gv1", "dr", "gv2"]),
        ("cut short with an equals sign", &["gv1", "--int=1", "dr", "gv2", "--no-c"]),
        ("given twice", &["--int", "9", "--no-color", "gv1", "dr", "gv2", "--int", "1", "--no-c"]),
        ("an interval of 0", &["gv1", "dr", "gv2", "--interval", "0", "--no-color"]),
        ("a timeout of 0", &["gv1", "dr", "gv2", "--timeout", "0", "--no-color"]),
        ("numbers with a sign", &["gv1", "dr", "gv2", "--interval=+1", "--no-color"]),
        ("two dashes", &["--no-color", "--interval", "1", "--", "gv1", "dr", "gv2"]),
    ];
    lines
        .into_iter()
        .map(|(name, args)| Scenario::new(format!("args: {name}"), healthy()).args(args))
        .collect()
}

fn not_understood() -> Vec<Scenario> {
    let lines: [(&str, &[&str]); 9] = [
        ("nothing", &[]),
        ("a name too few", &["gv1", "dr", "--interval", "1"]),
        ("a name too many", &["gv1", "dr", "gv2", "gv3"]),
        ("an interval that is no number", &["gv1", "dr", "gv2", "--interval", "ten"]),
        ("an interval that is no whole number", &["gv1", "dr", "gv2", "--interval", "1.5"]),
        ("a timeout with a unit", &["gv1", "dr", "gv2", "--timeout=5m"]),
        ("an interval of nothing", &["gv1", "dr", "gv2", "--interval="]),
        ("a flag with a value", &["gv1", "dr", "gv2", "--no-color=yes"]),
        ("an unknown option", &["gv1", "dr", "gv2", "--verbose"]),
    ];
    lines
        .into_iter()
        .map(|(name, args)| {
            Scenario::new(format!("args: {name}"), healthy()).args(args).same(usage())
        })
        .collect()
}
