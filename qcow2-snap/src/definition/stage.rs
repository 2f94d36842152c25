//! Where a rehearsal takes place.

use std::path::PathBuf;

/// Where a rehearsal takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The name that the domain gets.
    pub name: String,
    /// The UUID that it gets.
    pub uuid: String,
    /// What its description says.
    pub description: String,
    /// The qcow2 images that take the place of its disks, by target.
    pub disks: Vec<(String, PathBuf)>,
    /// Where UEFI keeps its variables, where the domain starts with UEFI.
    pub nvram: PathBuf,
    /// Where serial ports write to: this, with a number behind it.
    pub console: PathBuf,
    /// Whether the domain may start again by itself; else that is its end.
    pub may_reboot: bool,
}
