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
