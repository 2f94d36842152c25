//! SIGINT and SIGTERM as a request: a run looks at it between two steps, and then puts things back.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tool_command::Stop;

use crate::error::CliError;

/// Catches SIGINT, SIGTERM and SIGHUP from now on, as requests to stop.
///
/// A second signal changes nothing: ending at once would leave a VM on its overlay, and who really
/// wants that has SIGKILL.
///
/// # Errors
/// Where the system refuses the handler.
pub(crate) fn catch() -> Result<Stop, CliError> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&flag))
            .map_err(|error| CliError::failed(format!("cannot catch signals: {error}")))?;
    }
    Ok(Stop::when(flag))
}
