//! `georep job`: the backup that a file describes.

mod arguments;
mod error;

use std::fs;
use std::path::Path;

use self::error::JobError;
use crate::args::{BackupArgs, JobArgs};
use crate::backup;
use crate::error::CliError;
use crate::exit_code::Exit;

/// Where there is an example of a job file.
const EXAMPLE: &str = "/usr/share/doc/georep/examples/gv1.toml";

/// Runs `georep job`.
///
/// # Errors
/// Where the file is not understood, and those of the backup.
pub(crate) fn run(args: &JobArgs) -> Result<Exit, CliError> {
    let mut backup = read(&args.file)?;
    backup.dry_run |= args.dry_run;
    backup.json |= args.json;
    backup::run(&backup)
}

fn read(file: &Path) -> Result<BackupArgs, CliError> {
    let text = fs::read_to_string(file).map_err(|source| {
        CliError::io("read the job", file, source)
            .with_exit(Exit::Usage)
            .hint(format!("an example lies in {EXAMPLE}; `georep job --help` has another"))
    })?;
    arguments::of(&text).map_err(|error| not_understood(file, &error))
}

fn not_understood(file: &Path, error: &JobError) -> CliError {
    let refused = CliError::new(Exit::Usage, format!("`{}`: {error}", file.display()));
    error.hints().into_iter().fold(refused, CliError::hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_names_the_file_and_is_a_usage_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gv1.toml");
        for text in [None, Some("timout = 120")] {
            if let Some(text) = text {
                fs::write(&file, text).unwrap();
            }
            let error = read(&file).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage);
            assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
            assert!(!error.hints().is_empty(), "{error}");
        }
    }
}
