use tool_command::CommandError;

/// What a message of virsh means, where somebody must act on it.
///
/// Read from its text in the C locale, because virsh ends with status 1 for everything. The
/// messages are those of libvirt 9.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VirshFailure {
    /// libvirt does not answer: not running, another address, no permission.
    Unreachable,
    /// There is no such domain any more.
    NoSuchDomain,
    /// The block job still copies; ask again later.
    NotReadyForPivot,
    /// The disk has no block job: it has ended, one way or the other.
    NoBlockJob,
    /// The disk has a block job already.
    BlockJobActive,
    /// The domain has a snapshot of that name.
    SnapshotExists,
    /// Another operation on the domain took too long; ask again later.
    Locked,
    /// The domain does not run, or is paused where it would have to run.
    NotRunning,
    /// The guest has no agent, or it is not connected: nothing was asked of the guest.
    NoAgent,
    /// The guest's agent failed or did not answer in time; what was asked may have been done.
    AgentFailed,
    /// QEMU may not open a file: by its owner and mode, or by `AppArmor` or `SELinux`.
    AccessDenied,
    /// A file system has no room left.
    NoSpace,
    /// Anything else.
    Other,
}

/// A part of the message, and what it means. The first that fits counts.
const MESSAGES: [(&str, VirshFailure); 19] = [
    ("not ready for pivot yet", VirshFailure::NotReadyForPivot),
    ("does not have an active block job", VirshFailure::NoBlockJob),
    ("already in active block job", VirshFailure::BlockJobActive),
    ("cannot acquire state change lock", VirshFailure::Locked),
    ("domain moment", VirshFailure::SnapshotExists),
    ("domain is not running", VirshFailure::NotRunning),
    ("guest agent is not connected", VirshFailure::NoAgent),
    ("guest agent is not configured", VirshFailure::NoAgent),
    ("QEMU agent command", VirshFailure::AgentFailed),
    ("guest agent", VirshFailure::AgentFailed),
    ("No space left on device", VirshFailure::NoSpace),
    ("Disk quota exceeded", VirshFailure::NoSpace),
    ("Permission denied", VirshFailure::AccessDenied),
    ("failed to get domain", VirshFailure::NoSuchDomain),
    ("Domain not found", VirshFailure::NoSuchDomain),
    ("failed to connect to the hypervisor", VirshFailure::Unreachable),
    ("Disconnected from", VirshFailure::Unreachable),
    ("End of file while reading data", VirshFailure::Unreachable),
    ("client socket is closed", VirshFailure::Unreachable),
];

impl VirshFailure {
    /// What the error of a virsh command means.
    pub(super) fn of(error: &CommandError) -> Self {
        let text = error.stderr();
        let known = MESSAGES.into_iter().find(|(part, _)| text.contains(part));
        known.map_or(Self::Other, |(_, failure)| failure)
    }

    /// What somebody can do about it, where there is more to say than the message does.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::AccessDenied => {
                "QEMU may not open the image: look at its owner and mode, and at the denials of \
                 AppArmor or SELinux (`dmesg`, `ausearch -m avc`). Up to libvirt 12.0 AppArmor \
                 denies writing to the image behind an overlay that the domain was started on"
            }
            Self::NoSpace => "make room on the file system, then try again",
            Self::BlockJobActive => {
                "another block job is at work on the disk: `virsh blockjob DOMAIN DISK --info`"
            }
            Self::Locked => {
                "another operation on the domain is at work, or hangs: \
                 `virsh domjobinfo DOMAIN`; where QEMU itself hangs, only restarting it helps"
            }
            Self::NoAgent => {
                "install qemu-guest-agent in the guest and give the domain its channel, or do \
                 without the freeze"
            }
            Self::AgentFailed => {
                "look at the agent and its freeze hooks in the guest (`journalctl -u \
                 qemu-guest-agent`)"
            }
            Self::Unreachable => "is libvirtd (or virtqemud) running, and may you connect to it?",
            Self::NoSuchDomain
            | Self::NotReadyForPivot
            | Self::NoBlockJob
            | Self::SnapshotExists
            | Self::NotRunning
            | Self::Other => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libvirt 9.0.0 printed.
    #[test]
    fn recorded_messages_are_told_apart() {
        use VirshFailure::*;
        for (stderr, expected) in [
            (
                "error: block copy still active: block job 'commit-vda-libvirt-5-format' not \
                 ready for pivot yet",
                NotReadyForPivot,
            ),
            ("error: invalid argument: disk vda does not have an active block job", NoBlockJob),
            (
                "error: block copy still active: disk 'vda' already in active block job",
                BlockJobActive,
            ),
            ("error: operation failed: domain moment georep-c already exists", SnapshotExists),
            ("error: failed to get domain 'nope'", NoSuchDomain),
            (
                "error: failed to connect to the hypervisor\nerror: Failed to connect socket to \
                 '/var/run/libvirt/libvirt-sock': No such file or directory",
                Unreachable,
            ),
            ("error: Requested operation is not valid: domain is not running", NotRunning),
            (
                "error: Timed out during operation: cannot acquire state change lock (held by \
                 monitor=remoteDispatchDomainBlockCommit)",
                Locked,
            ),
            ("error: invalid argument: disk 'vdq' not found in domain", Other),
            (
                "error: Unable to freeze filesystems\nerror: Guest agent is not responding: QEMU \
                 guest agent is not connected",
                NoAgent,
            ),
            (
                "error: Unable to freeze filesystems\nerror: internal error: unable to execute \
                 QEMU agent command 'guest-fsfreeze-freeze': fsfreeze hook has failed with status 1",
                AgentFailed,
            ),
            (
                "error: internal error: unable to execute QEMU command 'block-commit': Could not \
                 open '/vm/a.qcow2': Permission denied",
                AccessDenied,
            ),
            ("error: failed to create image file '/o/a.qcow2': No space left on device", NoSpace),
        ] {
            let script = "printf '%s' \"$0\" >&2; exit 1";
            let tool = tool_command::Tool::at("/bin/sh");
            let error = tool.command(["-c", script, stderr]).run().unwrap_err();
            assert_eq!(VirshFailure::of(&error), expected, "{stderr}");
        }
    }
}
