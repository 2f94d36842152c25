//! What is left of a backup when it has ended: `georep runs`, the metrics, the hooks, its JSON lines,
//! and how old the proven copy is. On a simulated cluster with two VMs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output};

use georep_tests::images::run_all;
use georep_tests::output::{assert_exit, assert_says};
use georep_tests::program::is_installed;
use georep_tests::simulated::vms::Images;
use georep_tests::simulated::{Scenario, World};
use serde_json::Value;

const TESTS: &[(&str, fn())] = &[
    ("a_backup_is_remembered_with_what_it_copied_and_when", remembered),
    ("a_backup_that_fails_before_it_begins_is_remembered_too", failed_early),
    ("a_copy_that_differs_is_no_proof", differs),
    ("metrics_say_when_the_copy_was_proven_and_promtool_accepts_them", metrics),
    ("alerts_and_dashboard_ask_for_metrics_that_there_are", monitoring),
    ("each_alert_fires_when_it_should_and_not_before", alerts),
    ("a_hook_gets_the_result_and_changes_nothing", hooks),
    ("progress_as_json_is_one_object_a_line_and_ends_with_the_result", json_lines),
    ("progress_none_says_nothing_but_what_is_wrong", quiet),
    ("status_fails_where_the_proven_copy_is_too_old", max_age),
];

fn main() -> ExitCode {
    run_all("`georep runs` and what stays of a backup", TESTS)
}

/// A world in which a backup goes well.
fn world() -> World {
    World::with_vms(&Scenario::healthy(), &Images::prepare())
}

fn backup(world: &World, more: &[&str]) -> Output {
    let pool = world.pool();
    let pool = pool.to_str().unwrap();
    let args = ["backup", "gv1", "dr::gv2", "--pool", pool, "--method", "external"];
    world.georep_apart(&[&args, more].concat()).output().unwrap()
}

fn georep(world: &World, args: &[&str]) -> Output {
    world.georep_apart(args).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn remembered() {
    let world = world();
    let backed_up = backup(&world, &["--json"]);
    assert_exit(&backed_up, 0);
    let document = json(&backed_up);
    let run = document["run"].as_str().unwrap();

    let listed = georep(&world, &["runs"]);
    assert_exit(&listed, 0);
    assert_says(&listed, &["gv1 → dr::gv2", run, "external  done", "quick"]);
    // However it is asked for, it is the same document.
    for shown in [&["runs", "show", "--json"][..], &["runs", "show", run, "--json"]] {
        assert_eq!(json(&georep(&world, shown)), document);
    }
    assert_eq!(json(&georep(&world, &["runs", "--json"]))[0], document);
    assert_eq!((&document["proven"], &document["exit-code"]), (&true.into(), &0.into()));
    let domains = document["domains"].as_array().unwrap();
    assert_eq!(domains.len(), 2);
    for domain in domains {
        assert!(domain["overlay-seconds"].as_f64().unwrap() > 0.0, "{domain}");
        assert!(domain["pause-seconds"].as_f64().unwrap() > 0.0, "{domain}");
    }
    let shown = georep(&world, &["runs", "show"]);
    assert_says(&shown, &["result    done", "web: paused for", "phases", "==", "C checkpoint"]);
    let unknown = georep(&world, &["runs", "show", "georep-20200101T000000Z"]);
    assert_exit(&unknown, 1);
    assert_says(&unknown, &["no run `georep-20200101T000000Z`", "georep runs"]);
}

fn failed_early() {
    let world = world();
    let nobody = backup(&world, &["--domain", "nobody", "--json"]);
    assert_exit(&nobody, 1);
    let document = json(&nobody);
    assert_eq!((&document["result"], &document["exit-code"]), (&"failed".into(), &1.into()));
    assert!(document["error"].as_str().unwrap().contains("nobody"), "{document}");
    assert_says(&georep(&world, &["runs"]), &["failed 1"]);
    // Nothing is to be put back.
    assert_says(&georep(&world, &["recover"]), &["nothing to recover"]);
    assert_exit(&georep(&world, &["status", "gv1", "--max-age", "26h"]), 1);
}

fn differs() {
    let world = world();
    world.lose_copies();
    let backed_up = backup(&world, &["--json"]);
    assert_exit(&backed_up, 4);
    let document = json(&backed_up);
    assert_eq!(document["proven"], false);
    assert!(!document["mismatches"].as_array().unwrap().is_empty());
    assert_says(&georep(&world, &["runs"]), &["failed 4", "no"]);
    assert_says(&georep(&world, &["runs", "show"]), &["differences", "differs"]);
}

fn metrics() {
    let world = world();
    let file = world.path().join("metrics/georep.prom");
    let to = ["--metrics-file", file.to_str().unwrap()];
    assert_exit(&backup(&world, &to), 0);
    let proven = value(&file, "georep_proven_copy_timestamp_seconds");
    assert_eq!(value(&file, "georep_run_exit_code"), 0.0);
    assert_eq!(value(&file, "georep_run_proven"), 1.0);
    assert_eq!(value(&file, "georep_workers"), 2.0);
    check_with_promtool(&file);

    // A run that fails before it copies leaves the copy as it was.
    assert_exit(&backup(&world, &[&to[..], &["--domain", "nobody"]].concat()), 1);
    assert_eq!(value(&file, "georep_proven_copy_timestamp_seconds"), proven);
    assert_eq!(value(&file, "georep_run_exit_code"), 1.0);
    assert_eq!(value(&file, "georep_run_proven"), 0.0);
    check_with_promtool(&file);

    // One that fails after it has begun to copy does not.
    world.lose_copies();
    assert_exit(&backup(&world, &to), 4);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("georep_proven_copy_timestamp_seconds"), "{text}");
    assert!(value(&file, "georep_run_mismatches") > 0.0);
}

/// The first value of a metric.
fn value(file: &PathBuf, metric: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{metric}{{")))
        .unwrap_or_else(|| panic!("{metric}: {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn check_with_promtool(file: &PathBuf) {
    if !is_installed("promtool", "prometheus") {
        return;
    }
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(fs::File::open(file).unwrap());
    let checked = promtool.output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
}

fn alerts() {
    if is_installed("promtool", "prometheus") {
        let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/alerts.yml");
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/monitoring/alerts.yml");
        for (what, file) in [("check", rules), ("test", tests)] {
            let output = Command::new("promtool").args([what, "rules", file]).output().unwrap();
            assert_exit(&output, 0);
        }
    }
}

/// What the files for Prometheus and Grafana ask for, some run of the kind has written.
fn monitoring() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/monitoring");
    let read = |name: &str| fs::read_to_string(format!("{directory}/{name}")).unwrap();
    let (alerts, dashboard) = (read("alerts.yml"), read("grafana.json"));
    let _: Value = serde_json::from_str(&dashboard).unwrap();
    let world = world();
    let file = world.path().join("georep.prom");
    assert_exit(&backup(&world, &["--metrics-file", file.to_str().unwrap()]), 0);
    let written = fs::read_to_string(&file).unwrap();
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let text = alerts + &dashboard;
    let asked_for: Vec<_> =
        text.split(|c| !is_name(c)).filter(|word| word.starts_with("georep_")).collect();
    assert!(asked_for.len() > 10, "{asked_for:?}");
    for metric in asked_for {
        assert!(written.contains(&format!("# TYPE {metric} gauge")), "{metric}: {written}");
    }
}

fn hooks() {
    let world = world();
    let (good, bad) = (world.path().join("good.json"), world.path().join("bad.json"));
    let to = |path: &PathBuf, status| format!("sh -c 'cat >{}; exit {status}'", path.display());
    let (on_success, on_failure) = (to(&good, 7), to(&bad, 0));
    let hooks = ["--on-success", &on_success, "--on-failure", &on_failure];
    let backed_up = backup(&world, &hooks);
    // The hook fails; the backup has not.
    assert_exit(&backed_up, 0);
    assert_says(&backed_up, &["warning: the hook `sh` failed", "exit status: 7"]);
    let result: Value = serde_json::from_slice(&fs::read(&good).unwrap()).unwrap();
    assert_eq!(result["result"], "done");
    assert!(!bad.exists());

    fs::remove_file(&good).unwrap();
    assert_exit(&backup(&world, &[&hooks[..], &["--domain", "nobody"]].concat()), 1);
    let result: Value = serde_json::from_slice(&fs::read(&bad).unwrap()).unwrap();
    assert_eq!((&result["result"], &result["exit-code"]), (&"failed".into(), &1.into()));
    assert!(!good.exists());
}

fn json_lines() {
    let world = world();
    let backed_up = backup(&world, &["--progress", "json"]);
    assert_exit(&backed_up, 0);
    let text = String::from_utf8(backed_up.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "begin");
    let checkpoint = events.iter().rfind(|event| event["event"] == "checkpoint").unwrap();
    assert_eq!((&checkpoint["reached"], &checkpoint["sets"]), (&2.into(), &2.into()));
    assert!(events.iter().any(|event| event["event"] == "step" && event["phase"] == "overlay"));
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["proven"]), (&"result".into(), &true.into()));
    assert!(backed_up.stderr.is_empty(), "{:?}", String::from_utf8_lossy(&backed_up.stderr));
}

fn quiet() {
    let world = world();
    let backed_up = backup(&world, &["--progress", "none", "--quiesce", "never"]);
    assert_exit(&backed_up, 0);
    assert!(backed_up.stdout.is_empty() && backed_up.stderr.is_empty(), "{backed_up:?}");
    let failed = backup(&world, &["--progress", "none", "--domain", "nobody"]);
    assert_exit(&failed, 1);
    assert_says(&failed, &["there is no domain `nobody`"]);
}

fn max_age() {
    let world = world();
    assert_exit(&backup(&world, &[]), 0);
    let status = |age: &str| georep(&world, &["status", "gv1", "dr::gv2", "--max-age", age]);
    let recent = status("26h");
    assert_exit(&recent, 0);
    assert_says(&recent, &["proven copy (quick): georep-"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let old = status("1s");
    assert_exit(&old, 1);
    assert_says(&old, &["the newest proven copy of session gv1 → dr::gv2", "older than 1s"]);
    // What overwrites the copy and proves nothing makes it no copy at all.
    world.lose_copies();
    assert_exit(&backup(&world, &[]), 4);
    let overwritten = status("26h");
    assert_exit(&overwritten, 1);
    assert_says(&overwritten, &["was overwritten by georep-"]);
}
