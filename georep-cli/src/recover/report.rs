//! How a recovery ended: its last lines, its JSON document, and its exit code.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::CliError;
use crate::exit_code::Exit;
use crate::stdout;

/// How a recovery ended.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    #[serde(skip)]
    dry_run: bool,
    /// Runs of which nothing is left any more.
    pub runs: Vec<String>,
    /// Sessions that are as they were found.
    pub sessions: Vec<String>,
    /// Mount points of processes that were killed, which are gone.
    pub mounts: Vec<PathBuf>,
    /// What would be done.
    pub planned: Vec<String>,
    /// What is still left: a sentence each, saying what and where.
    pub left: Vec<String>,
    /// Runs that are at work: a sentence each, saying whose.
    pub busy: Vec<String>,
}

/// The JSON document.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    exit_code: u8,
    #[serde(flatten)]
    report: &'a Report,
}

impl Report {
    pub(super) fn new(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    fn exit(&self) -> Exit {
        match (self.left.is_empty(), self.busy.is_empty()) {
            (false, _) => Exit::LeftBehind,
            (true, false) => Exit::Locked,
            (true, true) => Exit::Done,
        }
    }

    /// Tells the end, and returns its exit code or its error.
    ///
    /// # Errors
    /// Where something is left, or a run is at work.
    pub(super) fn conclude(self, json: bool) -> Result<Exit, CliError> {
        let exit = self.exit();
        if json {
            let document = Document { exit_code: exit as u8, report: &self };
            stdout::json(&document)?;
        } else {
            for line in &self.planned {
                anstream::println!("{line}");
            }
            for path in &self.mounts {
                anstream::println!("unmounted {}, which a killed run had left", path.display());
            }
            let nothing = self.runs.is_empty()
                && self.sessions.is_empty()
                && self.mounts.is_empty()
                && self.planned.is_empty();
            if nothing && exit == Exit::Done {
                anstream::println!("nothing to recover");
            }
        }
        match exit {
            Exit::Done => Ok(exit),
            Exit::Locked => Err(CliError::new(exit, self.busy.join("; "))
                .hint("it puts things back itself; wait for it, or end it with SIGTERM")),
            _ if self.dry_run => Err(CliError::failed(self.left.join("; "))),
            _ => Err(CliError::new(exit, self.left.join("; "))
                .hint("`georep recover` tries again; delete nothing by hand meanwhile")),
        }
    }
}
