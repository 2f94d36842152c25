//! Somebody has named a session, or a volume, that is not there: which ones there are.

use gluster_georep::{Error, Gluster};

use crate::error::CliError;
use crate::suggest;

/// The same error, with what may have been meant by `given`, such as `gv1 dr::gv2`, where there is
/// no such session or volume.
pub(crate) fn explain(gluster: &Gluster, given: &str, error: Error) -> CliError {
    let is_unknown = matches!(error, Error::NoSuchSession { .. } | Error::NoSuchVolume { .. });
    let error = CliError::from(error);
    if is_unknown { suggest(gluster, given, error) } else { error }
}

/// The same error, with what may have been meant by `given`.
pub(crate) fn suggest(gluster: &Gluster, given: &str, error: CliError) -> CliError {
    // The first error is what counts, whatever comes of this question.
    let sessions = gluster.sessions(None).unwrap_or_default();
    let names: Vec<_> =
        sessions.iter().map(|known| format!("{} {}", known.primary, known.secondary)).collect();
    match suggest::hint(given, names.iter().map(String::as_str)) {
        Some(hint) => error.hint(hint),
        None => {
            error.hint("`gluster volume geo-replication status` shows the sessions that there are")
        }
    }
}
