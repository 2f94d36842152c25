//! A text as the result, on stdout.

use std::io::{self, Write};

use crate::error::CliError;

/// Prints `text` as it is.
///
/// # Errors
/// Where it cannot be written. That the reader has gone, as `head` goes, is no error.
pub(crate) fn print(text: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => {
            result.map_err(|error| CliError::failed(format!("cannot write the result: {error}")))
        }
    }
}
