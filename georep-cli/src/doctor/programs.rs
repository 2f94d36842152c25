//! The programs that a run starts, and those that geo-replication starts on this node.

use tool_command::SearchPath;

use super::finding::Finding;

/// Each program, and the packages of Debian and of the Red Hat family that bring it.
const NEEDED: [(&str, &str); 9] = [
    ("gluster", "glusterfs-server (Debian, Red Hat)"),
    ("mount.glusterfs", "glusterfs-client (Debian), glusterfs-fuse (Red Hat)"),
    ("virsh", "libvirt-clients (Debian), libvirt-client (Red Hat)"),
    ("qemu-img", "qemu-utils (Debian), qemu-img (Red Hat)"),
    ("mount", "mount (Debian), util-linux (Red Hat)"),
    ("umount", "mount (Debian), util-linux (Red Hat)"),
    ("findmnt", "util-linux"),
    ("ssh", "openssh-client (Debian), openssh-clients (Red Hat)"),
    ("rsync", "rsync"),
];

/// Looks for all of them.
pub(super) fn findings(path: &SearchPath) -> Vec<Finding> {
    let missing = NEEDED.iter().filter(|(program, _)| path.find(program).is_err());
    judge(&missing.copied().collect::<Vec<_>>())
}

fn judge(missing: &[(&str, &str)]) -> Vec<Finding> {
    let failed = |&(program, packages): &(&str, &str)| {
        let what = "is neither on PATH nor in the system's directories";
        Finding::fail("program", program, what, format!("install the package {packages}"))
    };
    if missing.is_empty() {
        let names: Vec<_> = NEEDED.iter().map(|(program, _)| *program).collect();
        return vec![Finding::ok("program", "this node", format!("has {}", names.join(", ")))];
    }
    missing.iter().map(failed).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    #[test]
    fn each_program_that_is_missing_is_a_finding_with_the_package_that_brings_it() {
        let [found] = &judge(&NEEDED[3..4])[..] else { panic!("not one") };
        assert_eq!((found.grade, found.on.as_str()), (Grade::Fail, "qemu-img"));
        assert!(found.mend.as_ref().unwrap().contains("qemu-utils"));
        assert_eq!(judge(&[])[0].grade, Grade::Ok);
    }
}
