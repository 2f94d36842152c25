use std::process::ExitCode;

/// How `georep` ends. Scripts may rely on these numbers; any other number is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, and verified where verifying was asked for.
    Done = 0,
    /// Failed; VMs and images are as they were before.
    Failed = 1,
    /// The command line was not understood; nothing was done.
    Usage = 2,
    /// The checkpoint was not reached in time, or the session is unhealthy; the VMs are back as
    /// they were.
    NoCheckpoint = 3,
    /// The checkpoint was reached, but the secondary does not hold what it should.
    Mismatch = 4,
    /// Something was left behind that needs `georep recover`: the message says what and where.
    LeftBehind = 5,
    /// Another run holds the lock of this session, or of a domain.
    Locked = 6,
    /// `schedule` only, and the script's own number: a command failed.
    CommandFailed = 255,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What the table says of a code.
pub(crate) fn meaning(code: u8) -> Option<&'static str> {
    let (_, rows) = TABLE.split_once('\n')?;
    let row = rows.lines().find(|row| row.trim_start().starts_with(&format!("{code}  ")))?;
    row.trim_start().split_once("  ").map(|(_, meaning)| meaning)
}

/// The table that stands in every `--help`.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  done, and verified where verifying was asked for
  1  failed; VMs and images are as they were before
  2  the command line was not understood
  3  the checkpoint was not reached in time, or the session is unhealthy; the VMs are as before
  4  the checkpoint was reached but the secondary does not hold what it should
  5  something was left behind that needs `georep recover`; the message says what and where
  6  another run holds the lock of this session, or of one of the domains";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_backup_has_a_meaning() {
        for code in 0..=6 {
            assert!(meaning(code).is_some_and(|meaning| meaning.len() > 3), "{code}");
        }
        assert_eq!(
            meaning(4),
            Some("the checkpoint was reached but the secondary does not hold what it should")
        );
        assert_eq!(meaning(7), None);
    }
}
