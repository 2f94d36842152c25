//! The libvirts that are named: whether they answer, and what their versions are known for.

use qcow2_snap::virsh::Virsh;

use super::finding::Finding;
use super::version::Version;
use crate::error::CliError;

/// The first libvirt under which `AppArmor` lets the image be written to that lies behind an overlay
/// which a domain was started on.
const COMMITS_UNDER_APPARMOR: Version = Version(12, 1, 0);

/// A libvirt that answers.
#[derive(Debug, Clone)]
pub(super) struct Libvirt {
    /// How it is asked.
    pub virsh: Virsh,
    /// Its version, where it says one.
    pub version: Option<Version>,
}

/// What is said of it, and how it is asked further, where it answers.
pub(super) fn look(virsh: &Virsh) -> (Vec<Finding>, Option<Libvirt>) {
    let name = virsh.connect().unwrap_or("libvirt");
    let versions = match virsh.versions() {
        Ok(versions) => versions,
        Err(error) => {
            let error = CliError::from(error);
            let mend = "start libvirtd (or virtqemud): `systemctl start libvirtd`";
            return (vec![Finding::error("libvirt", name, &error, mend)], None);
        }
    };
    let version = version_in(&versions, "Using library:");
    // A libvirt without it has no driver that could deny anything.
    let capabilities = virsh.capabilities().unwrap_or_default();
    let found = judge(name, &versions, capabilities.contains("<model>apparmor</model>"));
    (found, Some(Libvirt { virsh: virsh.clone(), version }))
}

fn judge(name: &str, versions: &str, has_apparmor: bool) -> Vec<Finding> {
    let line = |title: &str| {
        let line = versions.lines().find_map(|line| line.trim().strip_prefix(title));
        line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
    };
    let said = format!("answers: {}, {}", line("Using library:"), line("Running hypervisor:"));
    let mut found = vec![Finding::ok("libvirt", name, said)];
    if has_apparmor
        && let Some(version) = version_in(versions, "Using library:")
        && version < COMMITS_UNDER_APPARMOR
    {
        let what = format!(
            "libvirt {version} with AppArmor: an overlay that a domain was started on, as after a \
             run that was killed, cannot be merged back while it runs"
        );
        let mend = "a domain that meets it is merged by `georep recover` once it is shut off; \
                    libvirt 12.1 does without";
        found.push(Finding::warn("apparmor", name, what, mend));
    }
    found
}

fn version_in(versions: &str, title: &str) -> Option<Version> {
    versions.lines().find_map(|line| Version::find(line.trim().strip_prefix(title)?))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    /// As recorded of libvirt 9.0.0.
    const VERSIONS: &str = "Compiled against library: libvirt 9.0.0\nUsing library: libvirt 9.0.0\n\
                            Using API: QEMU 9.0.0\nRunning hypervisor: QEMU 7.2.22\n\n";

    #[test]
    fn versions_are_told() {
        let found = judge("libvirt", VERSIONS, false);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "answers: libvirt 9.0.0, QEMU 7.2.22");
    }

    #[test]
    fn apparmor_denies_a_merge_before_libvirt_12_1() {
        let last = |text: &str| judge("libvirt", text, true).pop().unwrap();
        assert_eq!((last(VERSIONS).check, last(VERSIONS).grade), ("apparmor", Grade::Warn));
        assert_eq!(last(&VERSIONS.replace("9.0.0", "12.1.0")).grade, Grade::Ok);
    }
}
