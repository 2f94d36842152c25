//! `georep backup --dry-run` on a simulated cluster: every disk with what happens to it and why, and
//! the very commands that a run then makes.

use std::path::Path;
use std::process::Output;

use georep_tests::output::{assert_exit, assert_says, text};
use georep_tests::simulated::fault::{CallId, usual};
use georep_tests::simulated::vms::Images;
use georep_tests::simulated::{Scenario, World};
use serde_json::Value;

/// Where the dry run does not know the name of a directory that is made for the time being.
const PLACE: &str = "/tmp/georep-mount-<NAME>";

fn backup(world: &World, more: &[&str]) -> Output {
    let pool = world.pool();
    let args = ["backup", "gv1", "dr::gv2", "--pool", pool.to_str().unwrap()];
    world.georep_apart(&[&args[..], more].concat()).output().unwrap()
}

/// The commands on stdout, each as the simulator would have noted its call.
fn shown(output: &Output, world: &Path) -> Vec<String> {
    let script = String::from_utf8(output.stdout.clone()).unwrap();
    let commands = script.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let call = |line: &str| {
        let words = shell_words::split(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let program = Path::new(&words[0]).file_name().unwrap().to_string_lossy();
        let line = format!("{program} {}", words[1..].join(" ")).replace(PLACE, "/tmp/MOUNT");
        usual(&line, world)
    };
    commands.map(call).collect()
}

/// The calls of a run that changed something.
fn made(world: &World) -> Vec<String> {
    let ids = world.call_ids().into_iter();
    ids.filter(CallId::changes_something).map(|id| id.line).collect()
}

/// Those that say this, in their order. Domains, and disks of one, are worked on side by side.
fn about<'a>(commands: &'a [String], word: &str) -> Vec<&'a String> {
    commands.iter().filter(|command| command.contains(word)).collect()
}

#[track_caller]
fn assert_shown_are_made(more: &[&str]) {
    let world = World::with_vms(&Scenario::healthy(), &Images::prepare());
    world.plan_fault(None);
    let dry = backup(&world, &[more, &["--dry-run"]].concat());
    assert_exit(&dry, 0);
    assert_eq!(made(&world), [""; 0], "a dry run changes nothing");
    let shown = shown(&dry, world.path());

    world.plan_fault(None);
    assert_exit(&backup(&world, more), 0);
    let made = made(&world);
    let sorted = |commands: &[String]| {
        let mut commands = commands.to_vec();
        commands.sort();
        commands
    };
    assert_eq!(sorted(&shown), sorted(&made), "{more:?}");
    for word in ["gluster", "mount", "vda --", "vdb --", "domfs"] {
        for domain in world.state().domains {
            let both = [&shown, &made].map(|all| {
                let of = about(all, word).into_iter();
                of.filter(|line| !line.contains("--domain") || line.contains(&domain.uuid))
                    .collect::<Vec<_>>()
            });
            assert_eq!(both[0], both[1], "{more:?}: in their order");
        }
    }
}

#[test]
fn the_commands_that_are_shown_are_those_that_are_made() {
    for more in [
        &["--method", "external"][..],
        &["--method", "external", "--quiesce", "never", "--verify", "none", "--bandwidth", "7"],
        &["--method", "external", "--verify", "full", "--domain", "db"],
        &["--method", "internal", "--domain", "db"],
    ] {
        assert_shown_are_made(more);
    }
}

#[test]
fn every_disk_is_a_line_with_what_happens_to_it_and_why() {
    let world = World::with_vms(&Scenario::healthy(), &Images::prepare());
    let output = backup(&world, &["--method", "external", "--dry-run"]);
    assert_exit(&output, 0);
    let said = text(&output).replace(world.path().to_str().unwrap(), "");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        "# domain web (running):",
        "# vda /gv1/vm/web-root.qcow2 qcow2 copied, while an overlay takes the writes",
        "# hda - - left out: the drive is empty",
        "# behind them, copied as it is: /gv1/vm/golden.qcow2 (qcow2)",
    ] {
        assert!(said.lines().any(|told| words(told) == line), "`{line}` is not in:\n{said}");
    }
    let output = backup(&world, &["--method", "internal", "--dry-run"]);
    assert_says(&output, &["copied, as a snapshot inside holds it", "snapshot-create-as"]);
}

#[test]
fn a_program_gets_the_plan_as_one_document() {
    let world = World::with_vms(&Scenario::healthy(), &Images::prepare());
    let output = backup(&world, &["--method", "external", "--dry-run", "--json"]);
    assert_exit(&output, 0);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["method"], &document["primary"]), (&"external".into(), &"gv1".into()));
    let disk = &document["domains"][0]["disks"][2];
    assert_eq!((&disk["target"], &disk["copied"]), (&"hda".into(), &false.into()));
    assert!(disk["why"].as_str().unwrap().contains("the drive is empty"), "{disk}");
    let steps = document["steps"].as_array().unwrap();
    assert!(
        steps.iter().any(|step| step["command"].as_str().is_some_and(|c| c.contains("--pivot")))
    );
}
