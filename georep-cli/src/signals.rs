//! SIGINT and SIGTERM as a flag: a run looks at it between two steps and then puts things back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::CliError;

/// Whether somebody asked this process to end.
#[derive(Debug, Clone)]
pub(crate) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Catches SIGINT, SIGTERM and SIGHUP from now on.
    ///
    /// A second signal changes nothing: ending at once would leave a VM on its overlay, and who
    /// really wants that has SIGKILL.
    ///
    /// # Errors
    /// Where the system refuses the handler.
    pub(crate) fn catch() -> Result<Self, CliError> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .map_err(|error| CliError::failed(format!("cannot catch signals: {error}")))?;
        }
        Ok(Self(flag))
    }

    /// Whether a signal has come.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
