//! How a backup ended: what stands in its last lines, in its JSON document, and in its exit code.

use serde::Serialize;

use super::Run;
use super::copy::Copy;
use super::pause::LongestPause;
use crate::compare::{self, Mismatch};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::journal::OpenJournal;
use crate::say::bytes;

/// How a backup ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What was copied, or why nothing was.
    pub copied: Result<Copy, CliError>,
    /// How long the guests stood still.
    pub pause: LongestPause,
    /// What could not be put back: a sentence each, saying what and where.
    pub left_behind: Vec<String>,
}

/// The JSON document of a backup that came to its end.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    run: &'a str,
    method: String,
    exit_code: u8,
    images: usize,
    allocated: u64,
    compared: Option<u64>,
    longest_pause_seconds: Option<f64>,
    mismatches: &'a [Mismatch],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    left_behind: &'a [String],
}

impl Outcome {
    /// The exit code: what was left behind weighs more than what was copied.
    pub(super) fn exit(&self) -> Exit {
        match &self.copied {
            _ if !self.left_behind.is_empty() => Exit::LeftBehind,
            Err(error) => error.exit(),
            Ok(copy) if !copy.is_proven() => Exit::Mismatch,
            Ok(_) => Exit::Done,
        }
    }

    /// Tells the end of the run, and returns its exit code or its error. What is left keeps the
    /// journal from ending: it is for recovery.
    pub(super) fn report(self, run: &Run<'_>, journal: &OpenJournal) -> Result<Exit, CliError> {
        let exit = self.exit();
        if self.left_behind.is_empty() {
            let error = self.copied.as_ref().err().map(ToString::to_string);
            if let Err(error) = journal.end(Some(exit), error) {
                run.say.warn("journal", error);
            }
        }
        if run.args.json {
            self.print_document(run, exit)?;
        }
        for left in &self.left_behind {
            run.say.warn("left", left);
        }
        let copy = self.copied.map_err(|error| error.with_exit(exit))?;
        compare::tell(&run.say, &copy.mismatches);
        match exit {
            Exit::LeftBehind => Err(CliError::new(exit, "not everything could be put back")
                .hint("`georep recover` tries again; delete nothing by hand")),
            Exit::Mismatch => Err(differs(run, &copy)),
            _ => {
                run.say.step("done", summary(&copy));
                Ok(exit)
            }
        }
    }

    fn print_document(&self, run: &Run<'_>, exit: Exit) -> Result<(), CliError> {
        let copy = self.copied.as_ref().ok();
        let document = Document {
            run: run.name.as_str(),
            method: run.args.method.to_string(),
            exit_code: exit as u8,
            images: copy.map_or(0, |copy| copy.images),
            allocated: copy.map_or(0, |copy| copy.allocated),
            compared: copy.and_then(|copy| copy.compared),
            longest_pause_seconds: self.pause.seconds(),
            mismatches: copy.map_or(&[], |copy| &copy.mismatches),
            error: self.copied.as_ref().err().map(ToString::to_string),
            left_behind: &self.left_behind,
        };
        let text = serde_json::to_string_pretty(&document)
            .map_err(|error| CliError::failed(format!("cannot write the result: {error}")))?;
        anstream::println!("{text}");
        Ok(())
    }
}

fn differs(run: &Run<'_>, copy: &Copy) -> CliError {
    CliError::new(
        Exit::Mismatch,
        format!(
            "every worker says that the checkpoint is reached, but on `{}` these files are not as \
             recorded: {}",
            run.session.secondary,
            compare::files(&copy.mismatches)
        ),
    )
    .hint(
        "check the version of rsync on the nodes: 3.5.0 and 3.5.1 copy nothing and report success",
    )
}

fn summary(copy: &Copy) -> String {
    match copy.compared {
        Some(compared) => format!(
            "{} images proven on the secondary ({} in use, {} compared)",
            copy.images,
            bytes(copy.allocated),
            bytes(compared)
        ),
        None => format!("{} images at the checkpoint, not compared", copy.images),
    }
}
