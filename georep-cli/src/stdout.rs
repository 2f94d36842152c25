//! The result, on stdout.

use std::io::{self, Write};

use serde::Serialize;

use crate::error::CliError;

/// Prints `text`, with its colours where they are wanted. Returns whether anybody reads on: that the
/// reader has gone, as `head` goes, is no error.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn print(text: impl AsRef<[u8]>) -> Result<bool, CliError> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_ref()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(cannot_write(error)),
    }
}

/// Prints `document` as one JSON document.
///
/// # Errors
/// As [`print()`].
pub(crate) fn json(document: &impl Serialize) -> Result<(), CliError> {
    print(json_text(document)? + "\n").map(drop)
}

/// `document` as JSON for people to read, too.
///
/// # Errors
/// Never, as far as is known.
pub(crate) fn json_text(document: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(document)
        .map_err(|error| CliError::failed(format!("cannot write the result: {error}")))
}

/// What a failed access to stdout is told as.
#[expect(clippy::needless_pass_by_value, reason = "for use in map_err")]
pub(crate) fn cannot_write(error: io::Error) -> CliError {
    CliError::failed(format!("cannot write to stdout: {error}"))
}
