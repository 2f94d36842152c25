use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// How much of what a failed tool wrote stands in its error: its end, where the reason is.
const SHOWN_BYTES: usize = 1024;

/// Why a tool did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No executable file of that name is in any of the directories.
    #[error("`{tool}` was not found in {}", join(.searched))]
    NotFound {
        /// The tool's name.
        tool: String,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },

    /// The system could not start the tool, or not read what it wrote.
    #[error("`{line}` could not be run: {source}")]
    Spawn {
        /// The command line, quoted for a shell.
        line: String,
        /// What the system said.
        source: std::io::Error,
    },

    /// The tool was killed because it ran for too long.
    #[error("`{line}` did not end within {} s and was killed", .limit.as_secs_f32())]
    TimedOut {
        /// The command line, quoted for a shell.
        line: String,
        /// The limit it was given.
        limit: Duration,
    },

    /// The tool was killed because its caller was asked to end, or ran out of time.
    #[error("`{line}` was cut off")]
    Stopped {
        /// The command line, quoted for a shell.
        line: String,
    },

    /// The tool ended with a status other than 0.
    #[error("`{line}` failed ({status}): {}", said(.stderr, .stdout))]
    Failed {
        /// The command line, quoted for a shell.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard output.
        stdout: String,
        /// What it wrote to standard error.
        stderr: String,
    },
}

impl CommandError {
    /// Whether a tool that ran and failed wrote `words`, on either stream.
    pub fn said(&self, words: &str) -> bool {
        match self {
            Self::Failed { stdout, stderr, .. } => stdout.contains(words) || stderr.contains(words),
            _ => false,
        }
    }

    /// What a tool that ran and failed wrote to standard error; empty for any other error.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Failed { stderr, .. } => stderr,
            _ => "",
        }
    }
}

fn join(directories: &[PathBuf]) -> String {
    let shown: Vec<_> = directories.iter().map(|d| d.display().to_string()).collect();
    shown.join(", ")
}

/// The end of what the tool said, on one line. Some tools (gluster) give the reason on stdout.
fn said(stderr: &str, stdout: &str) -> String {
    let text = [stderr, stdout].into_iter().map(str::trim).find(|text| !text.is_empty());
    let Some(text) = text else {
        return "it said nothing".to_owned();
    };
    let mut start = text.len().saturating_sub(SHOWN_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let shown = text.get(start..).unwrap_or_default();
    shown.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
