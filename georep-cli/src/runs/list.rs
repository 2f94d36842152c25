//! Runs as a table, a line each.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::document::seconds;
use super::fate::Fate;
use crate::journal::Journal;
use crate::say::{bytes, duration};

const HEADINGS: [&str; 7] = ["RUN", "METHOD", "RESULT", "PROVEN", "SIZE", "TOOK", "PAUSE"];
const HEADLINE: Style = Style::new().bold();

/// The lines of the table, under a headline for each session; oldest first.
pub(super) fn lines(runs: &[Journal]) -> Vec<String> {
    let mut sessions: Vec<String> = runs.iter().map(session).collect();
    sessions.sort();
    sessions.dedup();
    let mut lines = Vec::new();
    for of in sessions {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("{HEADLINE}{of}{HEADLINE:#}"));
        let runs: Vec<_> = runs.iter().filter(|run| session(run) == of).collect();
        lines.extend(table(&runs));
    }
    lines
}

fn session(run: &Journal) -> String {
    format!("{} → {}", run.primary, run.secondary)
}

fn table(runs: &[&Journal]) -> Vec<String> {
    let heading = (HEADINGS.map(str::to_owned), Style::new().bold());
    let rows = runs.iter().map(|run| (cells(run), style(Fate::of(run))));
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|(cells, _)| cells.get(column)?.width().into()).max()
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |(cells, style): &([String; 7], Style)| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{:1$}", "", width.saturating_sub(cell.width())));
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{style}{}{style:#}", line.trim_end())
    };
    rows.iter().map(line).collect()
}

fn cells(run: &Journal) -> [String; 7] {
    let nothing = || "-".to_owned();
    let took = run.ended.as_ref().map(|ended| duration(seconds(run.began, ended.at)));
    [
        run.run.clone(),
        run.method.to_string(),
        result(run),
        proven(run),
        run.copied.as_ref().map_or_else(nothing, |copied| bytes(copied.allocated)),
        took.unwrap_or_else(nothing),
        run.longest_pause().map_or_else(nothing, duration),
    ]
}

/// What has become of it, with the exit code where that says more.
pub(super) fn result(run: &Journal) -> String {
    let fate = Fate::of(run);
    match run.exit_code() {
        Some(code) if fate == Fate::Failed => format!("{fate} {code}"),
        _ => fate.to_string(),
    }
}

fn proven(run: &Journal) -> String {
    if run.is_proven() { run.verify.to_string() } else { "no".to_owned() }
}

pub(super) fn style(fate: Fate) -> Style {
    match fate {
        Fate::Done => Style::new(),
        Fate::Running => AnsiColor::Cyan.on_default(),
        Fate::Recovered => AnsiColor::Yellow.on_default(),
        Fate::Failed | Fate::LeftBehind | Fate::Killed => AnsiColor::Red.on_default(),
    }
}
