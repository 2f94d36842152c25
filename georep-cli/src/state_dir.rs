//! What must outlive a run that is killed, and a reboot.

use std::path::PathBuf;

use gluster_georep::Session;

/// Where the files lie, unless [`DIRECTORY_VARIABLE`] says otherwise.
const DIRECTORY: &str = "/var/lib/georep";

/// The environment variable with another directory.
const DIRECTORY_VARIABLE: &str = "GEOREP_STATE_DIR";

/// How the file of [`note_of`] ends.
const NOTE: &str = "run.json";

/// The directory with the journals, one a run.
pub(crate) fn journals() -> PathBuf {
    directory().join("runs")
}

/// Where a run of `session` notes how the session and its volume were before.
pub(crate) fn note_of(session: &Session) -> PathBuf {
    directory().join(file_name(session, NOTE))
}

/// The notes that are there. Where there is no directory there are none.
pub(crate) fn notes() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory()).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.to_string_lossy().ends_with(&format!(".{NOTE}"))).collect()
}

fn directory() -> PathBuf {
    PathBuf::from(std::env::var_os(DIRECTORY_VARIABLE).unwrap_or(DIRECTORY.into()))
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
