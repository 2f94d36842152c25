//! The edge where every error becomes one line for a person, hints, and an exit code.

use std::fmt;
use std::path::Path;

use qcow2_snap::virsh::VirshFailure;

use crate::exit_code::Exit;

/// An error as `georep` reports it.
#[derive(Debug)]
pub(crate) struct CliError {
    exit: Exit,
    message: String,
    hints: Vec<String>,
}

impl CliError {
    /// An error that ends the program with `exit`.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hints: Vec::new() }
    }

    /// A failure that left everything as it was.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// A failed access to a file: what was tried, on which, and what the system said.
    #[expect(clippy::needless_pass_by_value, reason = "for use in map_err")]
    pub(crate) fn io(tried: &str, path: &Path, source: std::io::Error) -> Self {
        Self::failed(format!("cannot {tried} `{}`: {source}", path.display()))
    }

    /// Adds what the reader could do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same error with another exit code.
    #[must_use]
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// How the program ends.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What the reader could do.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

/// Library errors say all there is to say in their own `Display`, sources included.
macro_rules! failed_from {
    ($($error:ty),+) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::failed(error.to_string())
            }
        }
    )+};
}

failed_from!(gluster_georep::Error, tool_command::CommandError);

impl From<qcow2_snap::Error> for CliError {
    fn from(error: qcow2_snap::Error) -> Self {
        let advice = error.virsh_failure().and_then(VirshFailure::advice);
        let failed = Self::failed(error.to_string());
        match advice {
            Some(advice) => failed.hint(advice),
            None => failed,
        }
    }
}
