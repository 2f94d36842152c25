//! How a backup ended: what stands in its last lines, and its exit code.

use super::Run;
use crate::compare;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::journal::{Copied, OpenJournal};
use crate::runs::timeline;
use crate::say::{bytes, count};

/// How a backup ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What was copied, or why nothing was.
    pub copied: Result<Copied, CliError>,
    /// What could not be put back: a sentence each, saying what and where.
    pub left_behind: Vec<String>,
}

impl Outcome {
    /// The exit code: what was left behind weighs more than what was copied.
    pub(super) fn exit(&self) -> Exit {
        match &self.copied {
            _ if !self.left_behind.is_empty() => Exit::LeftBehind,
            Err(error) => error.exit(),
            Ok(copied) if !copied.is_as_recorded() => Exit::Mismatch,
            Ok(_) => Exit::Done,
        }
    }

    /// Writes the end of the run into its journal. What is left keeps it from ending: it is for
    /// recovery.
    pub(super) fn record(&self, run: &Run<'_>, journal: &OpenJournal) {
        let recorded = if self.left_behind.is_empty() {
            let error = self.copied.as_ref().err().map(ToString::to_string);
            journal.end(Some(self.exit()), error)
        } else {
            journal.left_behind(&self.left_behind)
        };
        if let Err(error) = recorded {
            run.say.warn("journal", error);
        }
    }

    /// Tells the end of the run, and returns its exit code or its error.
    pub(super) fn tell(self, run: &Run<'_>, journal: &OpenJournal) -> Result<Exit, CliError> {
        let exit = self.exit();
        for left in &self.left_behind {
            run.say.warn("left", left);
        }
        let copied = self.copied.map_err(|error| error.with_exit(exit))?;
        compare::tell(&run.say, &copied.mismatches);
        if exit == Exit::Done {
            run.say.step("done", summary(&copied));
        }
        run.say.picture(&timeline(&journal.read(), run.say.columns()));
        match exit {
            Exit::LeftBehind => Err(CliError::new(exit, "not everything could be put back")
                .hint("`georep recover` tries again; delete nothing by hand")),
            Exit::Mismatch => Err(differs(run, &copied)),
            _ => Ok(exit),
        }
    }
}

fn differs(run: &Run<'_>, copied: &Copied) -> CliError {
    CliError::new(
        Exit::Mismatch,
        format!(
            "every worker says that the checkpoint is reached, but on `{}` these files are not as \
             recorded: {}",
            run.session.secondary,
            compare::files(&copied.mismatches)
        ),
    )
    .hint(
        "check the version of rsync on the nodes: 3.5.0 and 3.5.1 copy nothing and report success",
    )
}

fn summary(copied: &Copied) -> String {
    match copied.compared {
        Some(compared) => format!(
            "{} proven on the secondary ({} in use, {} compared)",
            count(copied.images, "image"),
            bytes(copied.allocated),
            bytes(compared)
        ),
        None => format!("{} at the checkpoint, not compared", count(copied.images, "image")),
    }
}
