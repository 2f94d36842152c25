//! The program under test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The `georep` binary, built with the profile of the tests.
///
/// `cargo test` builds no binary of another package, so this does.
pub fn georep() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

/// A command line of it. Of the environment of the tests it has only the `PATH`: where there is `CI`,
/// for one, even a dumb terminal gets colours.
pub fn command() -> Command {
    let mut command = Command::new(georep());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Whether this machine has the program called `name`. Where it has not, that is told, or, where
/// nothing may be skipped, a failure.
pub fn is_installed(name: &str, package: &str) -> bool {
    let missing = Command::new(name).arg("--version").output().is_err();
    if missing {
        eprintln!("SKIPPED: what needs `{name}`, of the package {package}, is not checked");
        let may_be_skipped = std::env::var_os(crate::testbed::NOTHING_SKIPPED).is_none();
        assert!(may_be_skipped, "`{name}` is missing, and nothing may be skipped");
    }
    !missing
}

fn build() -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "georep-cli", "--bin", "georep"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "georep does not build");
    target_directory().join("georep")
}

/// Where binaries of the tests' profile lie: a test is `<here>/deps/<name>-<hash>`.
pub fn target_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(2).expect("tests lie in target/<profile>/deps").to_owned()
}
