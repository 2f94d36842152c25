//! Programs of the caller's that are run when a backup has ended, with its result on their standard
//! input.

use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tool_command::Tool;

use crate::args::BackupArgs;
use crate::error::CliError;
use crate::runs::{Document, Fate};
use crate::stdout::json_text;
use crate::tools::search_path;

/// How long a hook may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A command line, split as a shell would, and run without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    program: String,
    arguments: Vec<String>,
}

impl std::str::FromStr for Hook {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = shell_words::split(line).map_err(|error| error.to_string())?.into_iter();
        let program = words.next().ok_or("it names no program")?;
        Ok(Self { program, arguments: words.collect() })
    }
}

/// Runs the hook that fits how the run of `document` ended.
///
/// # Errors
/// Where it cannot be run, takes too long, or ends with another status than 0.
pub(crate) fn run(args: &BackupArgs, document: &Document<'_>) -> Result<(), CliError> {
    let hook = match document.fate() {
        Fate::Done => &args.on_success,
        _ => &args.on_failure,
    };
    hook.as_ref().map_or(Ok(()), |hook| hook.run(&json_text(document)?))
}

impl Hook {
    fn run(&self, input: &str) -> Result<(), CliError> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            CliError::failed(format!("the hook `{}` {what}: {error}", self.program))
        };
        let mut file = tempfile::tempfile().map_err(|error| failed("gets no input", &error))?;
        file.write_all(input.as_bytes())
            .and_then(|()| file.rewind())
            .map_err(|error| failed("gets no input", &error))?;
        let tool = if Path::new(&self.program).is_absolute() {
            Tool::at(&self.program)
        } else {
            search_path().find(&self.program).map_err(|error| failed("is not there", &error))?
        };
        tool.reading(&Arc::new(file))
            .command(&self.arguments)
            .time_limit(LIMIT)
            .run()
            .map(drop)
            .map_err(|error| failed("failed", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_gets_its_arguments_and_its_input() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out put");
        let line = format!("sh -c 'cat >\"$1\"; exit \"$2\"' sh '{}'", out.display());
        let hook: Hook = format!("{line} 0").parse().unwrap();
        hook.run("{\"run\": 1}").unwrap();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "{\"run\": 1}");

        let hook: Hook = format!("{line} 3").parse().unwrap();
        let error = hook.run("").unwrap_err().to_string();
        assert!(error.contains("the hook `sh` failed") && error.contains('3'), "{error}");
    }

    #[test]
    fn what_is_no_command_line_is_refused_before_anything_is_done() {
        assert!("".parse::<Hook>().is_err());
        assert!("notify 'admin".parse::<Hook>().is_err());
    }
}
