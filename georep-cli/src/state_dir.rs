//! What must outlive a run that is killed, and a reboot: one file a session.

use std::path::{Path, PathBuf};

use gluster_georep::Session;

/// Where the files lie, unless [`DIRECTORY_VARIABLE`] says otherwise.
const DIRECTORY: &str = "/var/lib/georep";

/// The environment variable with another directory.
const DIRECTORY_VARIABLE: &str = "GEOREP_STATE_DIR";

/// Where a run of `session` notes what it has to put back.
pub(crate) fn note_of(session: &Session) -> PathBuf {
    let directory = std::env::var_os(DIRECTORY_VARIABLE).unwrap_or(DIRECTORY.into());
    Path::new(&directory).join(file_name(session, "run.json"))
}

/// The name of a file about `session`.
pub(crate) fn file_name(session: &Session, extension: &str) -> String {
    let name = format!("{}-{}", session.primary, session.secondary);
    let escaped: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.@:".contains(c) { c } else { '_' })
        .collect();
    format!("{escaped}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_file_whatever_the_session_is_called() {
        let session = Session::new("gv1", "geo@dr.example.org::gv2".parse().unwrap()).unwrap();
        assert_eq!(file_name(&session, "lock"), "gv1-geo@dr.example.org::gv2.lock");
        let session = Session::new("gv1", "fd00::1::gv2".parse().unwrap()).unwrap();
        assert!(!file_name(&session, "lock").contains('/'));
    }
}
