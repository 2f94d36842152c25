//! `georep doctor` on a simulated cluster: what it says of a healthy set-up, word for word, and that
//! each broken one is found by its name.

use std::process::Output;

use georep_tests::golden::assert_is;
use georep_tests::output::{assert_exit, text};
use georep_tests::simulated::libvirt::Domain;
use georep_tests::simulated::vms::Images;
use georep_tests::simulated::{Fault, Row, Scenario, World};
use serde_json::Value;

struct Setup {
    world: World,
}

impl Setup {
    fn new(scenario: &Scenario) -> Self {
        Self { world: World::with_vms(scenario, &Images::prepare()) }
    }

    fn with_fault(fault: Fault) -> Self {
        Self::new(&Scenario { faults: vec![fault], ..Scenario::healthy() })
    }

    /// `georep doctor`, which changes nothing.
    #[track_caller]
    fn doctor(&self, more: &[&str]) -> Output {
        let output = self.world.georep_apart(&[&["doctor"], more].concat()).output().unwrap();
        assert_eq!(self.world.changes(), [""; 0], "looking changes nothing");
        let state = self.world.state();
        assert_eq!(state.mounted.len(), 1, "nothing stays mounted: {:?}", state.mounted);
        assert!(state.domains.iter().all(|domain| !domain.frozen));
        output
    }

    fn session(&self, more: &[&str]) -> Output {
        let pool = self.world.pool();
        let session = ["gv1", "dr::gv2", "--pool", pool.to_str().unwrap()];
        self.doctor(&[&session[..], more].concat())
    }

    /// What is said, in lines that are not broken, without what differs from run to run.
    fn said(&self, output: &Output) -> String {
        let whole = text(output).replace(&format!("\n{:18}hint: ", ""), "\n  hint: ");
        let whole =
            whole.replace(&format!("\n{:24}", ""), " ").replace(&format!("\n{:18}", ""), " ");
        let whole = whole.replace(self.world.path().to_str().unwrap(), "");
        let free = |word: &str| word.parse::<f64>().is_ok();
        let lines = whole.lines().map(|line| match line.split_once("iB free") {
            Some((before, after)) => {
                let mut words: Vec<_> = before.split(' ').collect();
                let number = words.iter().rposition(|word| free(word)).expect("a number");
                words.splice(number.., ["N"]);
                format!("{} free{after}\n", words.join(" "))
            }
            None => format!("{line}\n"),
        });
        lines.collect()
    }
}

/// The findings of this grade: check, what it is about, what was found, and how to mend it.
fn findings(output: &Output, grade: &str) -> Vec<[String; 4]> {
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(output)));
    let all = document["findings"].as_array().unwrap().iter();
    let graded = all.filter(|finding| finding["grade"] == grade);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    graded.map(|finding| ["check", "on", "what", "mend"].map(|key| word(&finding[key]))).collect()
}

/// The set-up has this one failure, which is named so, says these words, and can be mended.
#[track_caller]
fn assert_fails(setup: &Setup, more: &[&str], check: &str, on: &str, words: &str) {
    let output = setup.session(&[&["--json"], more].concat());
    assert_exit(&output, 1);
    let failed = findings(&output, "fail");
    let [[found, about, what, mend]] = &failed[..] else { panic!("not one: {failed:#?}") };
    assert_eq!((found.as_str(), about.as_str()), (check, on), "{failed:?}");
    assert!(what.contains(words), "{what}");
    assert!(!mend.is_empty());
}

fn rows_with(row: Row) -> Scenario {
    let mut scenario = Scenario::healthy();
    let brick = row.brick;
    scenario.polls[0][brick] = row;
    scenario
}

#[test]
fn a_healthy_set_up_is_green_word_for_word() {
    let setup = Setup::new(&Scenario::healthy());
    let output = setup.session(&[]);
    assert_exit(&output, 0);
    assert_is("doctor-healthy", &setup.said(&output));
    let width = |line: &str| line.chars().count();
    assert!(text(&output).lines().all(|line| width(line) <= 80), "{}", text(&output));
}

#[test]
fn without_arguments_every_session_is_looked_at_where_its_volume_is_mounted() {
    let setup = Setup::new(&Scenario::healthy());
    let output = setup.doctor(&["--json"]);
    assert_exit(&output, 0);
    let green = findings(&output, "ok");
    let has = |check: &str, on: &str| green.iter().any(|f| f[0] == check && f[1] == on);
    assert!(
        has("session", "gv1 → dr::gv2") && has("disk", "web") && has("disk", "db"),
        "{green:?}"
    );
    let pool = setup.world.path().join("gv1");
    assert!(has("pool", pool.to_str().unwrap()), "{green:?}");
}

#[test]
fn every_grade_is_counted_and_stands_in_the_exit_code() {
    let rsync = Fault {
        stdout: "date=0\nrsync=rsync  version 3.5.1  protocol version 32\ngluster=glusterfs 10.3\n"
            .to_owned(),
        ..Fault::failing("-- p2", 1, "", 0)
    };
    let setup = Setup::with_fault(rsync);
    let output = setup.session(&[]);
    assert_exit(&output, 1);
    let said = setup.said(&output);
    assert!(said.contains("FAIL  rsync     p2: rsync 3.5.1 makes"), "{said}");
    assert!(said.contains("FAIL  clock     p2: its clock is "), "{said}");
    assert!(said.contains("0 warnings, 2 failed\n"), "{said}");
    assert_eq!(said.matches("hint: ").count(), 2, "{said}");
}

#[test]
fn a_session_that_is_not_there_or_whose_worker_fails_is_found() {
    let setup = Setup::new(&Scenario::healthy());
    let pool = setup.world.pool();
    let args = ["gv1", "dr::nosuch", "--pool", pool.to_str().unwrap(), "--json"];
    let output = setup.doctor(&args);
    assert_exit(&output, 1);
    let failed = findings(&output, "fail");
    let named = ["session", "gv1 → dr::nosuch"];
    assert!(failed.iter().any(|finding| finding[..2] == named), "{failed:?}");

    let faulty = Setup::new(&rows_with(Row::new(2, "Faulty", "N/A")));
    assert_fails(&faulty, &[], "worker", "p1:/b/3", "Faulty");
    let corrupt = Setup::new(&rows_with(Row::new(1, "Config Corrupted", "N/A")));
    assert_fails(&corrupt, &[], "worker", "p2:/b/2", "Config Corrupted");
}

#[test]
fn a_session_that_is_stopped_is_as_georep_leaves_it() {
    let setup = Setup::new(&Scenario { runs_before: false, ..Scenario::healthy() });
    let output = setup.session(&["--json"]);
    assert_exit(&output, 0);
    let green = findings(&output, "ok");
    assert!(green.iter().any(|f| f[0] == "session" && f[2].contains("stopped")), "{green:?}");
}

#[test]
fn a_secondary_that_is_not_sharded_is_found_where_the_primary_is() {
    let setup = Setup::new(&Scenario::healthy());
    setup.world.set_option("features.shard", "on");
    assert_fails(&setup, &[], "shard", "dr::gv2", "only the first piece");
}

#[test]
fn a_key_that_is_not_let_in_is_found_and_the_node_is_not_green() {
    let denied = "root@dr: Permission denied (publickey).\n";
    let setup = Setup::with_fault(Fault::failing("root@dr", 9, denied, 255));
    assert_fails(&setup, &[], "ssh", "dr", "Permission denied");
    let setup = Setup::with_fault(Fault::failing("-- dr", 9, denied, 255));
    let output = setup.session(&["--json"]);
    assert_exit(&output, 0);
    let [[check, on, what, mend]] = &findings(&output, "warn")[..] else {
        panic!("{}", text(&output))
    };
    assert_eq!((check.as_str(), on.as_str()), ("node", "dr"));
    assert!(
        what.starts_with("could not be looked at: ") && mend.contains("ssh dr"),
        "{what} {mend}"
    );
}

#[test]
fn a_check_that_cannot_be_made_stops_no_other() {
    let silent = "error: failed to connect to the hypervisor\n";
    let setup = Setup::with_fault(Fault::failing("virsh", 99, silent, 1));
    assert_fails(&setup, &[], "libvirt", "libvirt", "failed to connect");
    let output = setup.session(&["--json"]);
    assert!(findings(&output, "ok").iter().any(|finding| finding[0] == "node"));
    let unseen = findings(&output, "warn");
    assert!(unseen.iter().any(|finding| finding[0] == "domain"), "{unseen:?}");

    let down = "Connection failed. Please check if gluster daemon is operational.\n";
    let down = Fault { stdout: down.to_owned(), ..Fault::failing("--mode=script", 99, "", 1) };
    let setup = Setup::with_fault(down);
    let output = setup.session(&["--json"]);
    let failed = findings(&output, "fail");
    assert_eq!((failed.len(), &*failed[0][0], &*failed[0][1]), (1, "glusterd", "this node"));
    assert!(findings(&output, "ok").iter().any(|f| f[0] == "disk" && f[1] == "web"));

    let setup = Setup::new(&Scenario::healthy());
    std::fs::remove_file(setup.world.path().join("bin/gluster")).unwrap();
    let output = setup.session(&["--json"]);
    assert_exit(&output, 1);
    assert!(findings(&output, "fail").iter().any(|f| f[0] == "program" && f[1] == "gluster"));
    assert!(findings(&output, "ok").iter().any(|f| f[0] == "disk" && f[1] == "web"));
}

#[test]
fn a_pool_on_another_file_system_is_found() {
    let setup = Setup::new(&Scenario::healthy());
    let output = setup.doctor(&["gv1", "dr::gv2", "--pool", "/", "--json"]);
    assert_exit(&output, 1);
    let failed = findings(&output, "fail");
    assert_eq!((failed.len(), &*failed[0][0], &*failed[0][1]), (1, "pool", "/"), "{failed:?}");
}

#[test]
fn an_image_of_two_domains_and_a_disk_on_a_left_overlay_are_found() {
    let setup = Setup::new(&Scenario::healthy());
    let image = setup.world.pool().join("web-data.qcow2");
    setup.world.change(|state| {
        let uuid = "6b0f8c1e-0d3a-4f5e-9a51-0d1f6f0a0003";
        state.domains.push(Domain::new("web2", uuid, &[("vda", std::slice::from_ref(&image))]));
    });
    assert_fails(&setup, &[], "shared", "web2", "of domain `web` and of domain `web2`");

    let overlay = setup.world.pool().join("web2-vda.georep-20261124T093220Z.qcow2");
    std::fs::copy(&image, &overlay).unwrap();
    setup.world.change(|state| state.domains[2].disks[0].live = vec![overlay.clone()]);
    assert_fails(&setup, &[], "overlay", "web2", "of an unfinished run");
}

#[test]
fn a_guest_without_an_agent_is_told_unless_nothing_is_frozen() {
    let no_agent = "error: Guest agent is not responding: QEMU guest agent is not connected\n";
    let setup = Setup::with_fault(Fault::failing("qemu-agent-command", 9, no_agent, 1));
    let output = setup.session(&["--json"]);
    assert_exit(&output, 0);
    let told = findings(&output, "warn");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|finding| finding[0] == "agent"), "{told:?}");
    let output = setup.session(&["--json", "--method", "internal"]);
    assert!(findings(&output, "warn").is_empty(), "{}", text(&output));
}

#[test]
fn what_a_killed_run_has_left_is_found_as_long_as_it_is_left() {
    let setup = Setup::new(&Scenario::healthy());
    let runs = setup.world.path().join("state/runs");
    std::fs::create_dir_all(&runs).unwrap();
    let journal = |ended: &str| {
        format!(
            r#"{{"version": 1, "run": "georep-20261124T093220Z", "method": "external",
                "primary": "gv1", "secondary": "dr::gv2", "pool": "/vm", "process": 1,
                "began": "2026-11-24T09:32:20Z", "phase": "copying", "domains": []{ended}}}"#
        )
    };
    let file = runs.join("georep-20261124T093220Z.json");
    std::fs::write(&file, journal("")).unwrap();
    assert_fails(&setup, &[], "journal", "georep-20261124T093220Z", "was killed");
    let ended = r#", "ended": {"at": "2026-11-24T09:33:00Z", "exit-code": 0}"#;
    std::fs::write(&file, journal(ended)).unwrap();
    assert_exit(&setup.session(&[]), 0);
}
