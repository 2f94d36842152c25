//! `georep job` on a simulated cluster with VMs: the same backup as from the command line, and
//! names that are not known get a suggestion.

use std::process::Output;

use georep_tests::output::{assert_exit, assert_says, text};
use georep_tests::simulated::vms::Images;
use georep_tests::simulated::{Scenario, World};

/// A job whose pool is that of `world`, with these lines more.
fn job(world: &World, lines: &str, more: &[&str]) -> Output {
    let file = world.path().join("gv1.toml");
    let pool = world.pool();
    let common = "primary = 'gv1'\nsecondary = 'dr::gv2'\nmethod = 'external'\nrollover = 1\n";
    let content = format!("{common}pool = '{}'\n{lines}\n", pool.display());
    std::fs::write(&file, content).unwrap();
    let file = file.to_str().unwrap();
    world.georep_apart(&[&["job", file], more].concat()).output().unwrap()
}

#[test]
fn a_file_is_a_backup() {
    let world = World::with_vms(&Scenario::healthy(), &Images::prepare());
    let dry = job(&world, "exclude = ['db']", &["--dry-run"]);
    assert_exit(&dry, 0);
    assert_says(&dry, &["web (running): vda copy; vdb copy"]);
    assert!(!text(&dry).contains("db (running)"), "{}", text(&dry));
    assert_eq!(world.changes(), [""; 0]);

    let output = job(&world, "", &["--json"]);
    assert_exit(&output, 0);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["method"], &result["images"]), (&"external".into(), &5.into()), "{result}");
    assert!(!world.changes().is_empty());
}

#[test]
fn a_domain_that_is_not_there_gets_a_suggestion() {
    let world = World::with_vms(&Scenario::healthy(), &Images::prepare());
    let output = job(&world, "domain = ['wbe']", &[]);
    assert_exit(&output, 1);
    assert_says(&output, &["there is no domain `wbe`", "did you mean `web`?"]);
    let output = job(&world, "exclude = ['mailserver']", &[]);
    assert_exit(&output, 1);
    assert_says(&output, &["there is no domain `mailserver`", "there are: `web`, `db`"]);
}

#[test]
fn a_file_that_is_not_understood_changes_nothing() {
    let world = World::with_vms(&Scenario::healthy(), &Images::prepare());
    let output = job(&world, "timout = 120", &[]);
    assert_exit(&output, 2);
    assert_says(&output, &["gv1.toml`: there is no key `timout`", "did you mean `timeout`?"]);
    assert_eq!(world.changes(), [""; 0]);
}
