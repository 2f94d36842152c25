use std::path::PathBuf;

use tool_command::CommandError;

use crate::SessionState;

/// What can go wrong between this crate and GlusterFS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A volume, host or user name that cannot be one.
    #[error("{what} `{given}`: {reason}")]
    InvalidName {
        /// Which name.
        what: &'static str,
        /// What was given.
        given: String,
        /// Why it cannot be.
        reason: &'static str,
    },

    /// A command could not be run, hung, or failed.
    #[error(transparent)]
    Command(#[from] CommandError),

    /// Gluster ran the command and refused. Most commands exit 0 even then, and say so in `opRet`.
    #[error("`{line}` was refused: {reason}")]
    Refused {
        /// The command line.
        line: String,
        /// Gluster's error number, such as 30802 for a lock held by another transaction; 0 where it
        /// gave none.
        errno: i64,
        /// Gluster's reason.
        reason: String,
    },

    /// What the command printed is empty, no XML, or ends too early. Passes, most often.
    #[error("`{line}` printed {reason}")]
    CutShort {
        /// The command line.
        line: String,
        /// What it printed, as in "printed `reason`".
        reason: String,
    },

    /// What the command printed is whole, but not what was expected.
    #[error("`{line}` printed something that is not understood: {reason}")]
    NotUnderstood {
        /// The command line.
        line: String,
        /// What is wrong with it.
        reason: String,
    },

    /// There is no such volume.
    #[error("volume `{volume}` does not exist (asked with `{line}`)")]
    NoSuchVolume {
        /// The volume.
        volume: String,
        /// The command line.
        line: String,
    },

    /// The volume exists but is not started.
    #[error("volume `{volume}` is not started")]
    VolumeNotStarted {
        /// The volume.
        volume: String,
    },

    /// There is no such session.
    #[error("there is no geo-replication session {session}; `{line}` said: {reason}")]
    NoSuchSession {
        /// The session.
        session: String,
        /// The command line.
        line: String,
        /// What gluster said.
        reason: String,
    },

    /// A volume could not be mounted.
    #[error("cannot mount `{volume}` of `{server}`: {reason}")]
    Mount {
        /// The server asked for the volume.
        server: String,
        /// The volume.
        volume: String,
        /// Why not.
        reason: String,
    },

    /// A run failed after it had begun to change things, and put them back.
    #[error("{source}; session {session} is {after}, as it was before")]
    Run {
        /// What failed.
        source: Box<Self>,
        /// The session.
        session: String,
        /// The state it was found and left in.
        after: SessionState,
    },

    /// What a run had changed could not be put back.
    #[error(
        "could not put back what the run had changed: {}; session {session} is {after}{}",
        list(.reasons),
        .run.as_ref().map_or(String::new(), |error| format!("; the run had failed: {error}"))
    )]
    NotRestored {
        /// The session.
        session: String,
        /// The state it was left in.
        after: SessionState,
        /// What could not be put back, and why.
        reasons: Vec<Self>,
        /// Why the run itself had failed, if it had.
        run: Option<Box<Self>>,
    },

    /// A file or directory could not be used.
    #[error("cannot {tried} `{}`: {source}", .path.display())]
    Io {
        /// What was tried, as in "cannot `tried` `path`".
        tried: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// All that gluster says where a status fails with `--xml`. Where it is all that is known, the
/// trouble was gone when the reason was asked for.
pub(crate) const COMMAND_FAILED: &str = "geo-replication command failed";

/// What is in gluster's messages when the trouble is one that passes.
const PASSING: [&str; 5] = [
    "Another transaction is in progress",
    "Another transaction could be in progress",
    "Locking failed",
    "Request timed out",
    "Connection failed",
];

/// Gluster's number for a lock that another transaction holds (`EG_ANOTRANS`).
const LOCKED: i64 = 30802;

impl Error {
    /// Whether the same command may well succeed a moment later: another transaction holds the
    /// volume's lock, glusterd restarts, an answer came cut short, a volume could not be mounted.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { errno, reason, .. } => {
                *errno == LOCKED
                    || reason == COMMAND_FAILED
                    || PASSING.iter().any(|words| reason.contains(words))
            }
            // A volume of this cluster cannot be mounted while glusterd restarts.
            Self::CutShort { .. }
            | Self::Mount { .. }
            | Self::Command(CommandError::TimedOut { .. }) => true,
            Self::Command(error) => PASSING.iter().any(|words| error.said(words)),
            _ => false,
        }
    }
}

fn list(errors: &[Error]) -> String {
    errors.iter().map(Error::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: i64, reason: &str) -> Error {
        Error::Refused { line: "gluster".into(), errno, reason: reason.into() }
    }

    #[test]
    fn a_lock_a_restart_and_a_cut_answer_pass() {
        for reason in [
            "Another transaction is in progress for gv1. Please try again after some time.",
            "Locking failed on p2. Please check log file for details.",
            "Error : Request timed out",
            "Connection failed. Please check if gluster daemon is operational.",
        ] {
            assert!(refused(0, reason).is_transient(), "{reason}");
        }
        assert!(refused(LOCKED, "").is_transient());
        let (line, reason) = ("gluster".into(), "nothing at all".into());
        assert!(Error::CutShort { line, reason }.is_transient());
    }

    #[test]
    fn what_is_wrong_for_good_does_not() {
        assert!(!refused(30800, "Volume gv2 does not exist").is_transient());
        let peer = "Peer p2, which is a part of gv1 volume, is down. Please bring up the peer";
        assert!(!refused(30800, peer).is_transient());
        let (line, reason) = ("gluster".into(), "no brick".into());
        assert!(!Error::NotUnderstood { line, reason }.is_transient());
    }
}
