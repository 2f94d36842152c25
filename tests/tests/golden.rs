//! What `georep` shows, whole: in a pipe, on terminals of 80 and 120 columns, without colours, and on
//! one that cannot move its cursor. The files are in `tests/golden`.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

use georep_tests::golden::{assert_golden, assert_is};
use georep_tests::images::run_all;
use georep_tests::output::text;
use georep_tests::program;
use georep_tests::secondary::Secondary;
use georep_tests::simulated::vms::Images;
use georep_tests::simulated::{Row, Scenario, World};
use georep_tests::terminal::Terminal;

const TESTS: &[(&str, fn())] = &[
    ("help_of_every_command", help),
    ("a_backup_and_its_end", backups),
    ("past_runs", runs),
    ("a_session", status),
    ("everything_else_on_the_primary", primary),
    ("everything_else_at_the_other_site", other_site),
    ("what_goes_wrong", errors),
];

const COMMANDS: [&str; 14] = [
    "doctor",
    "backup",
    "job",
    "runs",
    "status",
    "verify",
    "restore",
    "rehearse",
    "recover",
    "prune",
    "inspect",
    "schedule",
    "completions",
    "man",
];

/// Everything fits on it.
const ROWS: u16 = 100;

fn main() -> ExitCode {
    run_all("what `georep` shows", TESTS)
}

fn help() {
    let help = |args: &[&str]| text(&program::command().args(args).output().unwrap());
    assert_golden("help", &help(&["--help"]));
    for command in COMMANDS {
        let shown = help(&[command, "--help"]);
        assert!(shown.contains("\nExample") && shown.contains("\nExit codes:"), "{shown}");
        assert_golden(&format!("help-{command}"), &shown);
    }
}

/// How something is looked at.
#[derive(Clone, Copy)]
enum Way {
    Pipe,
    /// A terminal with so many columns, and a variable of the environment.
    Terminal(u16, Option<(&'static str, &'static str)>),
}

const WAYS: [(&str, Way); 5] = [
    ("pipe", Way::Pipe),
    ("80", Way::Terminal(80, None)),
    ("120", Way::Terminal(120, None)),
    ("no-color", Way::Terminal(80, Some(("NO_COLOR", "1")))),
    ("dumb", Way::Terminal(80, Some(("TERM", "dumb")))),
];

/// What `command` shows, and checks of it as a stream.
fn look(mut command: Command, way: Way) -> String {
    let (columns, variable) = match way {
        Way::Pipe => {
            let shown = text(&command.output().unwrap());
            assert!(!shown.contains('\x1b'), "a pipe gets text alone: {shown:?}");
            return shown;
        }
        Way::Terminal(columns, variable) => (columns, variable),
    };
    command.envs(variable);
    let mut terminal = Terminal::start(command, columns, ROWS);
    let stream = terminal.read_to_end();
    match variable {
        // No colour, and nothing that is faint or bold; lines may change in place.
        Some(("NO_COLOR", _)) => assert!(!has_styles(&stream), "{stream:?}"),
        Some(("TERM", _)) => assert!(!stream.contains("\x1b["), "{stream:?}"),
        _ => {}
    }
    assert!(!terminal.screen().hide_cursor(), "the cursor is given back");
    terminal.screen().contents()
}

fn has_styles(stream: &str) -> bool {
    stream.split("\x1b[").skip(1).any(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
    })
}

/// Each way at the same time, as most commands wait.
fn in_every_way(each: impl Fn(&str, Way) + Sync) {
    thread::scope(|scope| {
        for (way, how) in WAYS {
            let each = &each;
            scope.spawn(move || each(way, how));
        }
    });
}

fn backups() {
    in_every_way(|way, how| {
        let world = World::with_vms(&Scenario::healthy(), &Images::prepare());
        let pool = world.pool();
        let pool = pool.to_str().unwrap();
        for (method, more) in [("external", &["--verify", "full"][..]), ("internal", &[])] {
            let args =
                ["backup", "gv1", "dr::gv2", "--pool", pool, "--method", method, "--domain", "web"];
            let command = world.georep_apart(&[&args, more].concat());
            assert_golden(&format!("backup-{method}-{way}"), &look(command, how));
        }
    });
}

/// Runs as they may end, from their journals.
fn runs() {
    let world = World::new(&Scenario::healthy());
    let journals = world.path().join("runs");
    fs::create_dir(&journals).unwrap();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/journals");
    for journal in fs::read_dir(recorded).unwrap() {
        let journal = journal.unwrap();
        if journal.path().extension().is_some_and(|extension| extension == "json") {
            fs::copy(journal.path(), journals.join(journal.file_name())).unwrap();
        }
    }
    in_every_way(|way, how| {
        assert_is(&format!("runs-{way}"), &look(world.georep(&["runs"]), how));
    });
    for (name, run) in [
        ("external", "georep-20261125T003451Z"),
        ("internal", "georep-20261125T003540Z"),
        ("killed", "georep-20261125T003614Z"),
        ("differs", "georep-20261125T003634Z"),
    ] {
        let show = || world.georep(&["runs", "show", run]);
        for (way, how) in &WAYS[..2] {
            assert_is(&format!("runs-show-{name}-{way}"), &look(show(), *how));
        }
    }
}

fn status() {
    let mut rows = Scenario::healthy().polls.remove(0);
    rows[2] = Row::new(2, "Faulty", "N/A");
    let world = World::new(&Scenario { polls: vec![rows], ..Scenario::healthy() });
    in_every_way(|way, how| {
        assert_golden(&format!("status-{way}"), &look(world.georep(&["status"]), how));
    });
}

/// What else is called on the primary.
fn primary() {
    in_every_way(|way, how| {
        let world = World::with_vms(&Scenario::healthy(), &Images::prepare());
        let (pool, job) = (world.pool(), world.path().join("gv1.toml"));
        let image = pool.join("web-root.qcow2");
        let [pool, job_file, image] = [&pool, &job, &image].map(|path| path.to_str().unwrap());
        let keys = "primary = \"gv1\"\nsecondary = \"dr::gv2\"\nmethod = \"external\"";
        fs::write(&job, format!("{keys}\ndomain = [\"web\"]\npool = \"{pool}\"\n")).unwrap();
        for (name, args) in [
            ("doctor", &["doctor", "gv1", "dr::gv2", "--pool", pool][..]),
            ("job-dry-run", &["job", job_file, "--dry-run"]),
            ("inspect", &["inspect", image]),
            ("prune", &["prune", "--pool", pool, "--keep", "1", "--dry-run"]),
            ("recover", &["recover"]),
            ("schedule", &["schedule", "gv1", "dr", "gv2"]),
        ] {
            assert_golden(&format!("{name}-{way}"), &look(world.georep_apart(args), how));
        }
    });
}

/// What is called with the primary gone.
fn other_site() {
    in_every_way(|way, how| {
        let site = Secondary::new();
        site.shell(
            "qemu-img create -q -f qcow2 web.qcow2 8M
             qemu-io -f qcow2 -c 'write -q -P 2 1M 1M' web.qcow2",
        );
        site.record("external", &[("web", &[("vda", "web.qcow2")])], &["web.qcow2"]);
        site.virsh("console", "booting\nlogin: ");
        let (pool, to) = (site.text("pool"), site.text("to"));
        for (name, args) in [
            ("verify", &["verify", "--path", &pool][..]),
            ("rehearse", &["rehearse", "--path", &pool, "--sign", "serial:login:"]),
            ("restore-dry-run", &["restore", "--path", &pool, "--to", &to, "--dry-run"]),
            ("restore", &["restore", "--path", &pool, "--to", &to]),
        ] {
            assert_golden(&format!("{name}-{way}"), &look(site.georep(args), how));
        }
    });
}

/// Every error says what was tried, what happened and what to do.
fn errors() {
    let world = World::with_vms(&Scenario::healthy(), &Images::prepare());
    let pool = world.pool();
    let pool = pool.to_str().unwrap();
    let backup = |more: &[&str]| {
        let args = ["backup", "gv1", "dr::gv2", "--pool", pool, "--method", "external"];
        world.georep_apart(&[&args, more].concat())
    };
    let georep = |args: &[&str]| world.georep_apart(args);
    let all = [
        georep(&["bakcup"]),
        backup(&["--quiese", "try"]),
        backup(&["--domain", "wbe"]),
        backup(&["--keep", "0"]),
        backup(&["--on-failure", "notify 'admin"]),
        georep(&["backup", "gv1", "dr::gv2", "--pool", "/nowhere", "--method", "external"]),
        georep(&["backup", "gv9", "dr::gv2", "--pool", pool, "--method", "external"]),
        georep(&["verify", "--path", "/nowhere"]),
        georep(&["status", "gv9"]),
        georep(&["status", "gv1", "--max-age", "26h"]),
        georep(&["status", "gv1", "--max-age", "soon"]),
        georep(&["runs", "show", "georep-20200101T000000Z"]),
        georep(&["runs", "show", "yesterday"]),
        georep(&["inspect", "/nowhere.qcow2"]),
        georep(&["prune", "--pool", "/nowhere", "--keep", "3"]),
        georep(&["restore", "--path", "/nowhere", "--to", "/nowhere"]),
    ];
    let mut shown = String::new();
    for mut command in all {
        let line = command.get_args().skip(6).map(|arg| arg.to_string_lossy().into_owned());
        let line = line.collect::<Vec<_>>().join(" ");
        let output = command.output().unwrap();
        let status = output.status.code().unwrap();
        shown += &format!("$ georep {line}\n{}[{status}]\n\n", text(&output));
    }
    assert_golden("errors", &shown);
}
