//! `georep runs`: what past runs did, from their journals.

mod document;
mod fate;
mod list;
mod proof;
mod show;
mod timeline;
mod usual;

use crate::args::{RunsArgs, RunsCommand};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::journal::{self, Journal};
use crate::state_dir::journals;
use crate::stdout;

pub(crate) use document::{Document, overlay_seconds, seconds};
pub(crate) use fate::Fate;
pub(crate) use proof::{ProvenCopy, newest as newest_proven};
pub(crate) use timeline::lines as timeline;
pub(crate) use usual::copying as usual_copying;

/// Runs `georep runs`.
///
/// # Errors
/// Where there is no such run, or a journal cannot be read.
pub(crate) fn run(args: &RunsArgs) -> Result<Exit, CliError> {
    let (known, unreadable) = read()?;
    match &args.command {
        None if args.json => {
            let documents: Vec<_> = known.iter().map(Document::of).collect();
            stdout::json(&documents)?;
        }
        None if known.is_empty() => anstream::eprintln!("no backup has run on this host yet"),
        None => print(&list::lines(&known))?,
        Some(RunsCommand::Show { run, json }) => {
            let journal = find(&known, run.as_deref())?;
            if *json {
                stdout::json(&Document::of(journal))?;
            } else {
                print(&show::lines(journal))?;
            }
            return Ok(Exit::Done);
        }
    }
    match unreadable.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(Exit::Done),
    }
}

fn print(lines: &[String]) -> Result<(), CliError> {
    stdout::print(lines.join("\n") + "\n").map(drop)
}

/// The runs that are known, oldest first, and why others cannot be read.
fn read() -> Result<(Vec<Journal>, Vec<CliError>), CliError> {
    let (mut known, mut unreadable) = (Vec::new(), Vec::new());
    for journal in journal::all(&journals())? {
        match journal {
            Ok(journal) => known.push(journal),
            Err(error) => unreadable.push(error),
        }
    }
    known.sort_by(|a, b| (a.began, &a.run).cmp(&(b.began, &b.run)));
    Ok((known, unreadable))
}

fn find<'a>(known: &'a [Journal], run: Option<&str>) -> Result<&'a Journal, CliError> {
    let Some(run) = run else {
        return known.last().ok_or_else(|| {
            CliError::failed("no backup has run on this host yet")
                .hint("`georep verify` finds the runs that a copy at the other site holds")
        });
    };
    known.iter().find(|journal| journal.run == run).ok_or_else(|| {
        CliError::failed(format!("no run `{run}` is known on this host"))
            .hint("`georep runs` lists those that are")
    })
}
