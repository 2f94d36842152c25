//! `shim/install` in a directory that looks like a node: nothing of a package is lost, and `--undo`
//! leaves what was there before.

use std::fs;
use std::path::Path;
use std::process::Command;

const DEBIAN: &str = "usr/lib/x86_64-linux-gnu/glusterfs/scripts/schedule_georep.py";
const RPM: &str = "usr/libexec/glusterfs/scripts/schedule_georep.py";
/// Of an RPM before 8, and of the cron line in the script's own words since.
const CRON: &str = "usr/share/glusterfs/scripts/schedule_georep.py";
const LOCAL: &str = "usr/local/sbin/schedule_georep.py";

const OF_PACKAGE: &str = "the package's own";

fn node(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let empty = file.ends_with("dpkg/status");
        fs::write(path, if empty { "" } else { OF_PACKAGE }).unwrap();
    }
    root
}

#[track_caller]
fn install(root: &Path, more: &[&str]) {
    let shim = concat!(env!("CARGO_MANIFEST_DIR"), "/../shim/install");
    let output = Command::new(shim).arg("--root").arg(root).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn holds(root: &Path, file: &str) -> &'static str {
    match fs::read_to_string(root.join(file)).as_deref() {
        Ok(OF_PACKAGE) => "package",
        Ok(text) if text.contains("georep schedule") => "shim",
        Ok(_) => "something else",
        Err(_) => "nothing",
    }
}

#[test]
fn on_debian_the_packages_file_is_diverted() {
    if Command::new("dpkg-divert").arg("--version").output().is_err() {
        let ci = std::env::var_os("GEOREP_TEST_NOTHING_SKIPPED");
        assert!(ci.is_none(), "there is no dpkg-divert");
        eprintln!("SKIPPED: there is no dpkg-divert");
        return;
    }
    let root = node(&[DEBIAN, "var/lib/dpkg/status"]);
    let diverted = format!("{DEBIAN}.distrib");
    for _ in 0..2 {
        install(root.path(), &[]);
        assert_eq!(
            [holds(root.path(), DEBIAN), holds(root.path(), &diverted)],
            ["shim", "package"]
        );
    }
    for _ in 0..2 {
        install(root.path(), &["--undo"]);
        assert_eq!(
            [holds(root.path(), DEBIAN), holds(root.path(), &diverted)],
            ["package", "nothing"]
        );
    }
    let diversions = fs::read_to_string(root.path().join("var/lib/dpkg/diversions"));
    assert_eq!(diversions.unwrap_or_default(), "");
}

#[test]
fn elsewhere_only_names_that_no_package_has_are_used() {
    for (packaged, cron) in [(RPM, "shim"), (CRON, "package")] {
        let root = node(&[packaged]);
        install(root.path(), &[]);
        assert_eq!([holds(root.path(), LOCAL), holds(root.path(), CRON)], ["shim", cron]);
        assert_eq!(holds(root.path(), packaged), "package");
        install(root.path(), &["--undo"]);
        assert_eq!(
            [holds(root.path(), LOCAL), holds(root.path(), packaged)],
            ["nothing", "package"]
        );
    }
}
