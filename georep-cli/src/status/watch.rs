//! `georep status --watch`: the same again and again, in place where the terminal can.

use std::thread;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use gluster_georep::Gluster;
use jiff::{Timestamp, Unit};
use tool_command::Stop;

use super::fit::{printable, wrapped};
use super::screen::Screen;
use super::{Overview, ask, exit, none, shown};
use crate::args::StatusArgs;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::signals;
use crate::stdout::{cannot_write, print};
use crate::terminal;

const SLICE: Duration = Duration::from_millis(100);
const DIM: Style = Style::new().dimmed();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// What was seen last.
struct Sight {
    overviews: Vec<Overview>,
    at: Timestamp,
    /// Why there is nothing newer.
    trouble: Option<gluster_georep::Error>,
}

/// Watches until a signal ends it, or nobody reads on. What fails at first ends it, too; later it
/// is shown, and asked again.
pub(super) fn run(args: &StatusArgs, gluster: &Gluster, every: Duration) -> Result<Exit, CliError> {
    let stop = signals::catch()?;
    let gluster = gluster.stopped_by(&stop);
    let mut sight = Sight::new(ask(&gluster, args)?);
    if sight.overviews.is_empty() {
        return none(&gluster, args);
    }
    let screen = if args.json { None } else { Screen::take().map_err(cannot_write)? };
    loop {
        let asked = Instant::now();
        if !show(&sight, args, every, screen.as_ref())? {
            break;
        }
        wait(asked, every, &stop);
        let answer = ask(&gluster, args);
        if stop.is_due() {
            break;
        }
        match answer {
            Ok(overviews) => sight = Sight::new(overviews),
            Err(error) => sight.trouble = Some(error),
        }
    }
    Ok(exit(&sight.overviews))
}

impl Sight {
    fn new(overviews: Vec<Overview>) -> Self {
        Self { overviews, at: Timestamp::now(), trouble: None }
    }
}

/// Returns whether anybody reads on.
fn show(
    sight: &Sight,
    args: &StatusArgs,
    every: Duration,
    screen: Option<&Screen>,
) -> Result<bool, CliError> {
    let columns = terminal::columns();
    let sessions = shown(&sight.overviews, args, columns);
    if args.json {
        if let Some(error) = &sight.trouble {
            anstream::eprintln!("{ERROR}georep:{ERROR:#} {error}");
            return Ok(true);
        }
        return print(sessions);
    }
    let picture = format!("{}\n\n{sessions}", heading(sight, every, columns));
    match screen {
        Some(screen) => screen.draw(&picture).map_err(cannot_write).map(|()| true),
        None => print(format!("{picture}\n")),
    }
}

/// Of when the picture is, and why there is nothing newer.
fn heading(sight: &Sight, every: Duration, columns: Option<usize>) -> String {
    let at = sight.at.round(Unit::Second).unwrap_or(sight.at);
    let mut lines = vec![(DIM, format!("{at}, every {} s", every.as_secs()))];
    lines.extend(sight.trouble.as_ref().map(|error| (ERROR, printable(&error.to_string()))));
    let wrapped = lines.iter().flat_map(|(style, text)| {
        wrapped(text, columns).map(move |line| format!("{style}{line}{style:#}"))
    });
    wrapped.collect::<Vec<_>>().join("\n")
}

fn wait(since: Instant, every: Duration, stop: &Stop) {
    while since.elapsed() < every && !stop.is_due() {
        thread::sleep(SLICE.min(every.saturating_sub(since.elapsed())));
    }
}
