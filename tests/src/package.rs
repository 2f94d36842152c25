//! The package for Debian.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::output::text;

/// The package as `packaging/build-deb` makes it, under this version.
///
/// # Panics
/// Where it cannot be built.
pub fn of_version(version: &str) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut build = Command::new(repository.join("packaging/build-deb"));
    let output = build.args(["--deb-version", version]).output().expect("packaging/build-deb");
    assert!(output.status.success(), "{}", text(&output));
    let printed = String::from_utf8_lossy(&output.stdout);
    PathBuf::from(printed.trim())
}
