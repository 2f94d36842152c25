//! Where the programs that a run needs are looked for.

use tool_command::SearchPath;

/// Where tools are looked for: the caller's `PATH`, then the system's directories.
pub(crate) fn search_path() -> SearchPath {
    SearchPath::new(std::env::var_os("PATH").as_deref())
}
