//! Workers as a table that never is wider than the terminal.

use anstyle::Style;
use gluster_georep::{CheckpointFlag, Place, Worker};
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::age::ago;
use super::fit::{printable, shortened};
use super::state::{self, State};

const COLUMNS: usize = 7;
const HEADINGS: [&str; COLUMNS] =
    ["BRICK", "STATUS", "CRAWL", "SYNCED", "CHECKPOINT", "PENDING", "FAILED"];
const BRICK: usize = 0;
const STATUS: usize = 1;

/// What is left out first where all does not fit beside a readable brick: the crawl, what is
/// pending, when it synced, the checkpoint, the failures.
const LEFT_OUT: [usize; 5] = [2, 5, 3, 4, 6];
const READABLE_BRICK: usize = 12;
/// That of `Initializing...`, the longest of a session that works.
const READABLE_STATUS: usize = 15;
const GAP: &str = "  ";

type Cells = [String; COLUMNS];
type Widths = [usize; COLUMNS];

/// The lines of the table, its heading first, styled. Without a limit to their width nothing is
/// shortened or left out.
pub(super) fn lines(places: &[&Place], now: Timestamp, columns: Option<usize>) -> Vec<String> {
    let heading = (HEADINGS.map(str::to_owned), Style::new().bold());
    let rows = places.iter().map(|place| (cells(place, now), State::of(place).style()));
    let rows: Vec<(Cells, Style)> = std::iter::once(heading).chain(rows).collect();
    let widths = widths(&rows, columns);
    rows.into_iter().map(|(cells, style)| line(cells, style, &widths)).collect()
}

fn cells(place: &Place, now: Timestamp) -> Cells {
    let worker = place.worker.as_ref();
    let crawl = worker.and_then(|worker| worker.crawl.as_deref());
    let synced = worker.and_then(|worker| worker.last_synced);
    let failures = worker.and_then(|worker| worker.failures);
    let or_nothing = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    [
        place.brick.to_string(),
        state::name(place),
        or_nothing(crawl.map(|crawl| crawl.trim_end_matches(" Crawl").to_owned())),
        or_nothing(synced.map(|then| ago(then, now))),
        or_nothing(worker.and_then(|worker| checkpoint(worker, now))),
        or_nothing(worker.and_then(pending)),
        or_nothing(failures.map(|failures| failures.to_string())),
    ]
    .map(|cell| printable(&cell))
}

fn checkpoint(worker: &Worker, now: Timestamp) -> Option<String> {
    let word_and_time = match worker.checkpoint_completed {
        CheckpointFlag::Yes => ("yes", worker.checkpoint_completion_time),
        CheckpointFlag::No => ("no, set", worker.checkpoint_time),
        CheckpointFlag::NotApplicable | CheckpointFlag::Unknown => return None,
    };
    Some(match word_and_time {
        (word, Some(then)) => format!("{word} {}", ago(then, now)),
        (word, None) => word.trim_end_matches(", set").to_owned(),
    })
}

/// Entries, data and attributes.
fn pending(worker: &Worker) -> Option<String> {
    Some(format!("{}/{}/{}", worker.entry?, worker.data?, worker.meta?))
}

/// How wide each column is; 0 leaves it out.
fn widths(rows: &[(Cells, Style)], columns: Option<usize>) -> Widths {
    let mut widths = [0; COLUMNS];
    for (cells, _) in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.width());
        }
    }
    if let Some(columns) = columns {
        fit(&mut widths, columns);
    }
    widths
}

fn fit(widths: &mut Widths, columns: usize) {
    let [brick, status, ..] = widths;
    *status = (*status).min(READABLE_STATUS).min(columns.saturating_sub(1 + GAP.len()));
    let readable = READABLE_BRICK.min(*brick);
    for column in LEFT_OUT {
        if beside_brick(widths) + readable <= columns {
            break;
        }
        if let Some(width) = widths.get_mut(column) {
            *width = 0;
        }
    }
    let left = columns.saturating_sub(beside_brick(widths)).max(1);
    let [brick, ..] = widths;
    *brick = left.min(*brick);
}

fn beside_brick(widths: &Widths) -> usize {
    widths.iter().skip(1).filter(|&&width| width > 0).map(|width| width + GAP.len()).sum()
}

fn line(cells: Cells, style: Style, widths: &Widths) -> String {
    let shown = cells.into_iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0);
    let mut line = String::new();
    let mut padding = 0;
    for (column, (cell, &width)) in shown {
        let cell = if column <= STATUS { shortened(&cell, width) } else { cell };
        let gap = if column == BRICK { "" } else { GAP };
        let style = if column == STATUS { style } else { Style::new() };
        line.push_str(&format!("{:padding$}{gap}{style}{cell}{style:#}", ""));
        padding = width.saturating_sub(cell.width());
    }
    line
}
