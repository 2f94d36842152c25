//! A run as a picture: when it was at what, and since when each domain was paused or on overlays.

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::document::{overlay_seconds, seconds};
use crate::journal::{DomainEntry, Journal, Phase, Since, Step};
use crate::say::duration;

/// How many domains are drawn.
const DRAWN: usize = 24;
/// How wide the names on the left may be.
const NAMES: usize = 16;
/// The least that is worth a picture.
const LEAST: usize = 20;

const PAUSED: char = '!';
const ON_OVERLAYS: char = '=';
const MERGING: char = '<';
const UNTOUCHED: char = '.';

/// The picture, no wider than `width`. Nothing where the journal does not say when anything was.
pub(crate) fn lines(journal: &Journal, width: usize) -> Vec<String> {
    let Some(end) = end(journal) else { return Vec::new() };
    let drawn = || journal.domains.iter().take(DRAWN);
    let names = drawn().map(|domain| domain.name.width()).chain(["phases".len()]).max();
    let label = names.unwrap_or(0).min(NAMES);
    let cells = width.saturating_sub(label + 2);
    if cells < LEAST {
        return Vec::new();
    }
    let scale = Scale { began: journal.began, end, cells };
    let line = |name: &str, bar: &str| format!("{}  {bar}", padded(name, label));
    let (zero, total) = ("0 s", duration(scale.seconds()));
    let gap = cells.saturating_sub(zero.len() + total.len());
    let mut lines = vec![
        line("", &format!("{zero}{:gap$}{total}", "")),
        line("phases", &scale.bar(&journal.phases, |phase| letter(*phase))),
    ];
    lines.extend(drawn().map(|domain| line(&domain.name, &scale.bar(&domain.steps, sign))));
    if let Some(more) = journal.domains.len().checked_sub(DRAWN).filter(|&more| more > 0) {
        lines.push(line("", &format!("and {more} more domains")));
    }
    lines.push(line("", &phases(journal, end)));
    lines.push(line(
        "",
        &format!("{PAUSED} paused or frozen   {ON_OVERLAYS} on overlays   {MERGING} merging back"),
    ));
    lines
}

/// What is to be read in words: for how long each domain was paused and on overlays.
pub(super) fn domain_line(domain: &DomainEntry) -> String {
    let pause = domain.pause_seconds.map(|pause| format!("paused for {}", duration(pause)));
    let overlay = overlay_seconds(domain).map(|on| format!("on overlays for {}", duration(on)));
    let told: Vec<_> = pause.into_iter().chain(overlay).collect();
    let told =
        if told.is_empty() { "neither paused nor on overlays".into() } else { told.join(", ") };
    format!("{}: {told}", domain.name)
}

/// When the run ended, or was last heard of.
fn end(journal: &Journal) -> Option<Timestamp> {
    let steps = journal.domains.iter().flat_map(|domain| &domain.steps).map(|step| step.at);
    let last = steps.chain(journal.phases.iter().map(|phase| phase.at)).max()?;
    let end = journal.ended.as_ref().map_or(last, |ended| ended.at);
    (end > journal.began).then_some(end)
}

/// How time becomes columns.
struct Scale {
    began: Timestamp,
    end: Timestamp,
    cells: usize,
}

impl Scale {
    fn seconds(&self) -> f64 {
        seconds(self.began, self.end)
    }

    /// Each cell shows what was going on in it; the shortest step has one cell at least, where
    /// another has one to spare.
    fn bar<T>(&self, course: &[Since<T>], sign: impl Fn(&T) -> char) -> String {
        let mut bar = vec![UNTOUCHED; self.cells];
        for (i, since) in course.iter().enumerate() {
            let (from, sign) = (self.cell(since.at), sign(&since.what));
            let to = course.get(i + 1).map_or(self.cells, |next| self.cell(next.at));
            for (at, cell) in bar.iter_mut().enumerate().skip(from).take((to - from.min(to)).max(1))
            {
                // A pause that is over before its cell is, is what the reader looks for.
                if *cell != PAUSED || at > from {
                    *cell = sign;
                }
            }
        }
        bar.into_iter().collect()
    }

    fn cell(&self, at: Timestamp) -> usize {
        #[expect(clippy::cast_precision_loss, reason = "a column of a terminal")]
        let exact = seconds(self.began, at) / self.seconds() * self.cells as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let cell = exact.max(0.0) as usize;
        cell.min(self.cells.saturating_sub(1))
    }
}

fn letter(phase: Phase) -> char {
    match phase {
        Phase::Planning => UNTOUCHED,
        Phase::Taking => 's',
        Phase::Copying => 'C',
        Phase::Comparing => 'v',
        Phase::Proven | Phase::PuttingBack => 'b',
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Planning => "plan",
        Phase::Taking => "snapshots",
        Phase::Copying => "checkpoint",
        Phase::Comparing => "compare",
        Phase::Proven | Phase::PuttingBack => "put back",
    }
}

fn sign(step: &Step) -> char {
    match step {
        Step::Planned | Step::Done => UNTOUCHED,
        Step::Freezing | Step::Overlaying | Step::Thawing | Step::Snapshotting => PAUSED,
        Step::Copying => ON_OVERLAYS,
        Step::Committing
        | Step::Pivoting
        | Step::Merging
        | Step::Redefining
        | Step::Removing
        | Step::Deleting => MERGING,
    }
}

/// How long each phase took. That the copy is proven takes no time.
fn phases(journal: &Journal, end: Timestamp) -> String {
    let ends = journal.phases.iter().skip(1).map(|next| next.at).chain([end]);
    let all = journal.phases.iter().zip(ends);
    let told = all.filter(|(phase, _)| phase.what != Phase::Proven).map(|(phase, end)| {
        let (letter, word) = (letter(phase.what), word(phase.what));
        format!("{letter} {word} {}", duration(seconds(phase.at, end)))
    });
    told.collect::<Vec<_>>().join("   ")
}

/// `text` in so many columns, cut where it is wider.
fn padded(text: &str, width: usize) -> String {
    let mut shown = String::new();
    for letter in text.chars().map(|c| if c.is_control() { '?' } else { c }) {
        if shown.width() + letter.to_string().width() > width {
            break;
        }
        shown.push(letter);
    }
    let gap = width.saturating_sub(shown.width());
    format!("{shown}{:gap$}", "")
}
