//! How commands that take long tell what they do.

use clap::{Args, ValueEnum};

/// How progress is told.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ProgressArgs {
    /// How progress is told
    #[arg(long = "progress", value_name = "HOW", value_enum, default_value_t = ProgressMode::Auto)]
    pub mode: ProgressMode,
}

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// On a terminal as lines with a display below them, else as lines, on stderr
    Auto,
    /// As lines, on stderr
    Plain,
    /// As JSON, one object a line, on stdout; the last one of a backup is its result
    Json,
    /// Not at all, but for warnings
    None,
}
