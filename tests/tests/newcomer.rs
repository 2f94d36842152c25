//! Somebody who has a cluster, and the package: a file in `/etc/georep`, and its units do the rest.
//! The units are started by a real systemd, confined as on a machine that was booted with it.
//!
//! Needs `testbed/up`; `testbed/test` does that. Without it every test here is shown as ignored,
//! with a line on top that says so.

use std::process::ExitCode;

use georep_tests::output::assert_exit;
use georep_tests::package;
use georep_tests::testbed::{
    Systemd, assert_as_before, georep, is_up, on, run_all, run_script, said, shell, text, wait_for,
};

const SERVICE: &str = "georep-backup@gv1.service";
const TIMER: &str = "georep-backup@gv1.timer";
const METRICS: &str = "/var/lib/prometheus/node-exporter/georep-gv1.prom";

const JOB: &str = "\
primary = \"gv1\"
secondary = \"dr::gv2\"
pool = \"/vm\"
method = \"external\"
timeout = 5
";

fn main() -> ExitCode {
    let exit = run_all(&[
        ("the_timer_makes_a_backup_that_verifies", timer),
        ("its_run_is_in_the_history_and_its_metrics_are_written", history_and_metrics),
        ("a_service_that_is_stopped_puts_the_vms_back_first", stopped),
        ("what_a_service_that_was_killed_has_left_the_recovery_puts_right", killed),
        ("a_backup_that_is_not_made_is_a_service_that_has_failed", failed),
    ]);
    if is_up() {
        on("p1", &["dpkg", "--purge", "georep"]);
        on("p1", &["rm", "-rf", "/etc/georep"]);
    }
    exit
}

/// The package, a job, and systemd, in a node that knows nothing of georep.
fn installed(more: &str) -> Systemd {
    let deb = package::of_version("0.1.0-1");
    shell("p1", "dpkg --purge georep 2>/dev/null; rm -rf /etc/georep /var/lib/georep");
    let deb = deb.to_str().expect("a path in UTF-8");
    run_script("put", &["p1", deb, "/tmp/georep.deb"]);
    // What it needs is there, and a node has no way to Debian's archive: dpkg does what apt would.
    shell("p1", "dpkg --install /tmp/georep.deb");
    said("p1", &["sh", "-ec", "echo \"$0\" >/etc/georep/gv1.toml", &format!("{JOB}{more}")]);
    Systemd::start("p1")
}

/// How the service has ended, by the exit code of georep.
#[track_caller]
fn status_of_service(systemd: &Systemd) -> String {
    systemd.shell(&format!("systemctl show -P ExecMainStatus {SERVICE}"))
}

fn log(systemd: &Systemd, unit: &str) -> String {
    text(&systemd.output(&format!("journalctl --no-pager --unit {unit}")))
}

fn timer() {
    let systemd = installed("");
    assert_exit(&georep(&["job", "/etc/georep/gv1.toml", "--dry-run"]), 0);
    // Not tonight, but now.
    let soon = "[Timer]\\nOnActiveSec=1s\\nRandomizedDelaySec=0\\nAccuracySec=100ms\\n";
    systemd.shell(&format!(
        "mkdir -p /run/systemd/system/{TIMER}.d
         printf '{soon}' >/run/systemd/system/{TIMER}.d/soon.conf
         systemctl daemon-reload
         systemctl enable --now {TIMER}"
    ));
    let ended = format!("systemctl show -P ExecMainExitTimestampMonotonic {SERVICE}");
    wait_for("the timer's backup", || systemd.shell(&ended) != "0");
    assert_eq!(status_of_service(&systemd), "0", "{}", log(&systemd, SERVICE));
    assert_as_before();
    assert_exit(&georep(&["verify", "dr::gv2"]), 0);
    assert_eq!(systemd.shell(&format!("systemctl show -P NoNewPrivileges {SERVICE}")), "yes");
    let next = systemd.shell("systemctl list-timers --no-pager");
    assert!(next.contains(TIMER), "{next}");
    systemd.shell(&format!("systemctl disable --now {TIMER}; rm -r /run/systemd/system/{TIMER}.d"));
}

fn history_and_metrics() {
    shell("p1", &format!("mkdir -p $(dirname {METRICS}); rm -f {METRICS}"));
    let systemd = installed(&format!("metrics-file = \"{METRICS}\"\nkeep = 14\n"));
    let started = systemd.output(&format!("systemctl start {SERVICE}"));
    assert!(started.status.success(), "{}", log(&systemd, SERVICE));
    let runs = said("p1", &["georep", "runs"]);
    assert_eq!(runs.matches("georep-20").count(), 1, "{runs}");
    let name = runs.split_whitespace().find(|word| word.starts_with("georep-20"));
    let shown = said("p1", &["georep", "runs", "show", name.expect("a run")]);
    assert!(shown.contains("gv1") && shown.contains("vm1"), "{shown}");
    let metrics = said("p1", &["cat", METRICS]);
    assert!(metrics.contains("georep_"), "{metrics}");
    assert_exit(&georep(&["status", "--max-age", "26h"]), 0);
    assert_exit(&georep(&["verify", "dr::gv2"]), 0);
    assert_as_before();
}

/// Has the service begin a backup, and waits until the VM is on its overlays.
fn at_work(systemd: &Systemd) {
    systemd.shell(&format!("systemctl start --no-block {SERVICE}"));
    wait_for("the overlays", || shell("p1", "virsh -q domblklist vm1").contains(".georep-"));
}

fn stopped() {
    let systemd = installed("");
    at_work(&systemd);
    systemd.shell(&format!("systemctl stop {SERVICE}"));
    assert_as_before();
    assert_eq!(status_of_service(&systemd), "1", "{}", log(&systemd, SERVICE));
    assert_eq!(said("p1", &["georep", "recover"]), "nothing to recover");
}

fn killed() {
    let systemd = installed("");
    at_work(&systemd);
    systemd.shell(&format!("systemctl kill --signal KILL {SERVICE}"));
    let active = format!("systemctl is-active {SERVICE}");
    wait_for("its end", || text(&systemd.output(&active)).trim() == "failed");
    shell("p1", "virsh -q domblklist vm1 | grep -q '[.]georep-'");
    let recovered = systemd.output("systemctl start georep-recover.service");
    assert!(recovered.status.success(), "{}", log(&systemd, "georep-recover.service"));
    assert_as_before();
}

fn failed() {
    let systemd = installed("domain = [\"vm2\"]\n");
    assert!(!systemd.output(&format!("systemctl start {SERVICE}")).status.success());
    assert_eq!(systemd.shell(&format!("systemctl show -P ActiveState {SERVICE}")), "failed");
    assert_eq!(status_of_service(&systemd), "1");
    let log = log(&systemd, SERVICE);
    assert!(log.contains("there is no domain `vm2`") && log.contains("`vm1`?"), "{log}");
    assert_as_before();
}
