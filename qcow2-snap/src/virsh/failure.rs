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
    /// The domain does not run.
    NotRunning,
    /// Anything else.
    Other,
}

/// A part of the message, and what it means. The first that fits counts.
const MESSAGES: [(&str, VirshFailure); 12] = [
    ("not ready for pivot yet", VirshFailure::NotReadyForPivot),
    ("does not have an active block job", VirshFailure::NoBlockJob),
    ("already in active block job", VirshFailure::BlockJobActive),
    ("cannot acquire state change lock", VirshFailure::Locked),
    ("domain moment", VirshFailure::SnapshotExists),
    ("domain is not running", VirshFailure::NotRunning),
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
        ] {
            let script = "printf '%s' \"$0\" >&2; exit 1";
            let tool = tool_command::Tool::at("/bin/sh");
            let error = tool.command(["-c", script, stderr]).run().unwrap_err();
            assert_eq!(VirshFailure::of(&error), expected, "{stderr}");
        }
    }
}
