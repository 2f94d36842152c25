use std::path::PathBuf;

use tool_command::CommandError;

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
    #[error("`{line}` was refused: {reason} (opErrno {errno})")]
    Refused {
        /// The command line.
        line: String,
        /// Gluster's error number, such as 30802 for a lock held by another transaction.
        errno: i64,
        /// Gluster's reason.
        reason: String,
    },

    /// What the command printed is not the XML it should be.
    #[error("`{line}` printed something that is not understood: {reason}")]
    Malformed {
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

    /// What a run had changed could not be put back.
    #[error(
        "could not put back what the run had changed ({wanted}): {reason}{}",
        .after.as_ref().map_or(String::new(), |error| format!("; the run itself failed before: {error}"))
    )]
    NotRestored {
        /// What should have been the state.
        wanted: String,
        /// Why it is not.
        reason: Box<Self>,
        /// Why the run had failed, if it had.
        after: Option<Box<Self>>,
    },

    /// A file or directory could not be used.
    #[error("cannot {tried} `{}`: {source}", .path.display())]
    Io {
        /// What was tried.
        tried: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Parts of gluster's messages behind which is trouble that passes.
const PASSING: [&str; 6] = [
    "Another transaction is in progress",
    "Locking failed",
    "Another transaction could be in progress",
    "Request timed out",
    "Connection failed",
    "command failed",
];

impl Error {
    /// Whether the same command may well succeed a moment later: another transaction holds the
    /// volume's lock, glusterd restarts, an answer came cut short.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { reason, .. } => passes(reason),
            Self::Malformed { .. } | Self::Command(CommandError::TimedOut { .. }) => true,
            Self::Command(CommandError::Failed { stdout, stderr, .. }) => {
                passes(stdout) || passes(stderr)
            }
            _ => false,
        }
    }
}

fn passes(said: &str) -> bool {
    PASSING.iter().any(|part| said.contains(part))
}
