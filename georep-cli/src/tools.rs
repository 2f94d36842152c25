//! Where the programs that a run needs are looked for, and how long they may take.

use std::time::Duration;

use tool_command::SearchPath;

/// Where tools are looked for: the caller's `PATH`, then the system's directories.
pub(crate) fn search_path() -> SearchPath {
    SearchPath::new(std::env::var_os("PATH").as_deref())
}

/// How long an internal snapshot may take to be made or deleted. The guest's memory goes through
/// the volume: at 50 MB/s this is 90 GB of it.
pub(crate) const SNAPSHOT_LIMIT: Duration = Duration::from_secs(1800);
