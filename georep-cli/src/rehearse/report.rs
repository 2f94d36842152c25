//! How a rehearsal ended: a line a domain, one JSON document, an exit code.

use std::time::Duration;

use serde::Serialize;

use super::Rehearse;
use super::sign::Sign;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::say::count;
use crate::stdout;

/// What came of one domain.
#[derive(Debug)]
pub(super) struct Fate<'a> {
    /// The domain's name.
    pub name: &'a str,
    /// What was waited for, where it came to that.
    pub sign: Option<Sign>,
    /// What was left out.
    pub left_out: Vec<String>,
    /// How it ended.
    pub end: End,
}

/// How one domain's rehearsal ended.
#[derive(Debug)]
pub(super) enum End {
    /// It came up: the sign was there after this time.
    CameUp(Duration),
    /// It did not, or its copy is not as recorded.
    DidNot(String),
    /// It could not be tried.
    NotTried(CliError),
}

impl End {
    fn exit(&self) -> Exit {
        match self {
            Self::CameUp(_) => Exit::Done,
            Self::DidNot(_) => Exit::Mismatch,
            Self::NotTried(error) => error.exit(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    run: &'a str,
    method: &'a str,
    exit_code: u8,
    domains: Vec<Entry<'a>>,
    left_behind: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Entry<'a> {
    name: &'a str,
    came_up: bool,
    sign: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    left_out: &'a [String],
}

/// Tells how it ended, and returns the exit code: that of the worst fate.
///
/// # Errors
/// Where not all came up.
pub(super) fn report(
    rehearse: &Rehearse<'_>,
    fates: &[Fate<'_>],
    left_behind: &[String],
    json: bool,
) -> Result<Exit, CliError> {
    let worst = fates.iter().map(|fate| fate.end.exit()).max().unwrap_or(Exit::Done);
    let exit = if left_behind.is_empty() { worst } else { Exit::LeftBehind };
    if json {
        print_document(rehearse, fates, left_behind, exit)?;
    }
    for left in left_behind {
        rehearse.say.warn("left", left);
    }
    let up = fates.iter().filter(|fate| matches!(fate.end, End::CameUp(_))).count();
    if exit == Exit::Done {
        rehearse.say.step("done", format_args!("{up} of {} came up", count(fates.len(), "domain")));
        return Ok(exit);
    }
    let others: Vec<_> =
        fates.iter().filter(|fate| fate.end.exit() != Exit::Done).map(|fate| fate.name).collect();
    Err(match exit {
        Exit::LeftBehind => CliError::new(exit, "not everything could be removed again"),
        Exit::Mismatch => CliError::new(
            exit,
            format!(
                "{up} of {} came up, and not: {}",
                count(fates.len(), "domain"),
                others.join(", ")
            ),
        ),
        _ => {
            let text = format!("could not be tried: {}", others.join(", "));
            let errors = fates.iter().filter_map(|fate| match &fate.end {
                End::NotTried(error) => Some(error),
                _ => None,
            });
            let hints = errors.flat_map(CliError::hints);
            hints.fold(CliError::new(exit, text), CliError::hint)
        }
    })
}

fn print_document(
    rehearse: &Rehearse<'_>,
    fates: &[Fate<'_>],
    left_behind: &[String],
    exit: Exit,
) -> Result<(), CliError> {
    let entry = |fate: &'_ Fate<'_>| {
        let (seconds, reason) = match &fate.end {
            End::CameUp(after) => (Some(after.as_secs_f64()), None),
            End::DidNot(reason) => (None, Some(reason.clone())),
            End::NotTried(error) => (None, Some(error.to_string())),
        };
        (fate.sign.as_ref().map(ToString::to_string), seconds, reason)
    };
    let domains = fates.iter().map(|fate| {
        let (sign, seconds, reason) = entry(fate);
        let came_up = seconds.is_some();
        Entry { name: fate.name, came_up, sign, seconds, reason, left_out: &fate.left_out }
    });
    let manifest = &rehearse.choice.manifest;
    let document = Document {
        run: &manifest.run,
        method: &manifest.method,
        exit_code: exit as u8,
        domains: domains.collect(),
        left_behind,
    };
    stdout::json(&document)
}
