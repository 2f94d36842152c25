//! The programs that a run needs: where they are looked for, and how long they may take.

use std::time::Duration;

use qcow2_snap::virsh::Virsh;
use tool_command::{CommandError, SearchPath};

/// The environment variable with the seconds that no command may take longer than. For tests, in
/// which tools hang.
const LIMIT_VARIABLE: &str = "GEOREP_COMMAND_LIMIT";

/// Where tools are looked for: the caller's `PATH`, then the system's directories.
pub(crate) fn search_path() -> SearchPath {
    let path = SearchPath::new(std::env::var_os("PATH").as_deref());
    let limit = std::env::var(LIMIT_VARIABLE).ok().and_then(|seconds| seconds.parse().ok());
    match limit {
        Some(seconds) => path.limited_to(Duration::from_secs(seconds)),
        None => path,
    }
}

/// A virsh for each libvirt that is named, else one for libvirt's own choice.
///
/// # Errors
/// Where there is no virsh.
pub(crate) fn connections(path: &SearchPath, uris: &[String]) -> Result<Vec<Virsh>, CommandError> {
    let tool = path.find("virsh")?;
    if uris.is_empty() {
        return Ok(vec![Virsh::new(tool, None)]);
    }
    Ok(uris.iter().map(|uri| Virsh::new(tool.clone(), Some(uri.clone()))).collect())
}

/// How long an internal snapshot may take to be made or deleted. The guest's memory goes through
/// the volume: at 50 MB/s this is 90 GB of it.
pub(crate) const SNAPSHOT_LIMIT: Duration = Duration::from_secs(1800);
