//! How a comparison ended: its last lines, its JSON document, and its exit code.

use serde::Serialize;

use crate::args::VerifyArgs;
use crate::compare::{Compared, Mismatch, files, tell};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::say::{Say, bytes};
use crate::say::{count, rate};
use crate::stdout;

/// What a comparison that came to its end has found.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The run that was verified.
    pub run: String,
    /// Where, as the caller named it.
    pub place: String,
    /// How many images it has.
    pub images: usize,
    /// What was found.
    pub compared: Compared,
    /// Knows when it began.
    pub say: Say,
}

/// The JSON document.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    run: &'a str,
    level: String,
    exit_code: u8,
    images: usize,
    compared: u64,
    seconds: f64,
    mismatches: &'a [Mismatch],
}

impl Outcome {
    /// Tells it, and returns the exit code or the error.
    pub(super) fn report(self, args: &VerifyArgs) -> Result<Exit, CliError> {
        let Compared { bytes: read, mismatches } = &self.compared;
        let exit = if mismatches.is_empty() { Exit::Done } else { Exit::Mismatch };
        let time = self.say.elapsed();
        if args.json {
            let document = Document {
                run: &self.run,
                level: args.level.to_string(),
                exit_code: exit as u8,
                images: self.images,
                compared: *read,
                seconds: time.as_secs_f64(),
                mismatches,
            };
            stdout::json(&document)?;
        }
        tell(&self.say, mismatches);
        if exit == Exit::Mismatch {
            let (place, files) = (&self.place, files(mismatches));
            let message =
                format!("on {place} these files are not as {} recorded: {files}", self.run);
            return Err(CliError::new(exit, message));
        }
        self.say.step(
            "done",
            format_args!(
                "{} as recorded ({} compared, {}/s)",
                count(self.images, "image"),
                bytes(*read),
                rate(*read, time)
            ),
        );
        Ok(exit)
    }
}
