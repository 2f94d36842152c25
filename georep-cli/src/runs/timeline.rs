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
const GAP: &str = "   ";
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
    lines.extend(
        drawn().map(|domain| {
            line(&domain.name, &scale.bar(&domain.steps, |step| sign(domain, *step)))
        }),
    );
    if let Some(more) = journal.domains.len().checked_sub(DRAWN).filter(|&more| more > 0) {
        lines.push(line("", &format!("and {more} more domains")));
    }
    lines.extend(wrapped(&phases(journal, end), width));
    let signs =
        [(PAUSED, "paused or frozen"), (ON_OVERLAYS, "on overlays"), (MERGING, "merging back")];
    lines.extend(wrapped(&signs.map(|(sign, meaning)| format!("{sign} {meaning}")), width));
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

fn sign(domain: &DomainEntry, step: Step) -> char {
    match step {
        Step::Planned | Step::Done => UNTOUCHED,
        // The internal method lets the guest write to its own images.
        Step::Copying if domain.overlays.is_empty() => UNTOUCHED,
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
fn phases(journal: &Journal, end: Timestamp) -> Vec<String> {
    let ends = journal.phases.iter().skip(1).map(|next| next.at).chain([end]);
    let all = journal.phases.iter().zip(ends);
    let told = all.filter(|(phase, _)| phase.what != Phase::Proven).map(|(phase, end)| {
        let (letter, word) = (letter(phase.what), word(phase.what));
        format!("{letter} {word} {}", duration(seconds(phase.at, end)))
    });
    told.collect()
}

/// As many of `words` on a line as there is room for.
fn wrapped(words: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.width() + GAP.len() + word.width() <= width => {
                line.push_str(GAP);
                line.push_str(word);
            }
            _ => lines.push(word.clone()),
        }
    }
    lines
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::Exit;
    use crate::journal::tests::journal;

    fn at<T>(milliseconds: i64, what: T) -> Since<T> {
        Since { what, at: Timestamp::from_millisecond(milliseconds).unwrap() }
    }

    /// Two domains in a run of 20 s.
    fn run() -> Journal {
        let mut run = journal("georep-1");
        run.phases = vec![
            at(300, Phase::Taking),
            at(1000, Phase::Copying),
            at(17_000, Phase::Comparing),
            at(18_000, Phase::Proven),
            at(18_001, Phase::PuttingBack),
        ];
        let steps = [
            (300, Step::Freezing),
            (320, Step::Overlaying),
            (700, Step::Thawing),
            (710, Step::Copying),
            (18_100, Step::Committing),
            (18_700, Step::Pivoting),
            (19_000, Step::Removing),
            (19_200, Step::Done),
        ];
        let web = &mut run.domains[0];
        web.steps = steps.map(|(when, step)| at(when, step)).to_vec();
        web.pause_seconds = Some(0.4);
        let mut other = web.clone();
        other.name = "a database with a long name".to_owned();
        other.steps.iter_mut().take(4).for_each(|since| {
            since.at = Timestamp::from_millisecond(since.at.as_millisecond() + 250).unwrap();
        });
        run.domains.push(other);
        run.end_now(Exit::Done, String::new());
        let end = Timestamp::from_second(20).unwrap();
        run.ended = run.ended.map(|ended| crate::journal::Ended { at: end, ..ended });
        run
    }

    #[test]
    fn a_run_is_drawn_in_the_columns_there_are() {
        let drawn = lines(&run(), 80);
        assert_eq!(
            drawn,
            [
                "                  0 s                                                     20.0 s",
                "phases            sssCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCvvvbbbbbbb",
                "web               !!!=====================================================<<<...",
                "a database with   .!!=====================================================<<<...",
                "s snapshots 0.7 s   C checkpoint 16.0 s   v compare 1.0 s   b put back 2.0 s",
                "! paused or frozen   = on overlays   < merging back",
            ]
        );
        for width in [40, 80, 120] {
            let drawn = lines(&run(), width);
            assert!(drawn.iter().all(|line| line.width() <= width), "{drawn:#?}");
            assert!(drawn[..4].iter().all(|bar| bar.width() == width), "{drawn:#?}");
        }
        assert!(lines(&run(), 30).is_empty(), "too narrow for a picture");
    }

    #[test]
    fn the_shortest_pause_is_seen_in_the_longest_run() {
        let mut run = run();
        let end = Timestamp::from_second(36_000).unwrap();
        run.ended = run.ended.map(|ended| crate::journal::Ended { at: end, ..ended });
        let drawn = lines(&run, 80);
        assert!(drawn[2].contains("web               !"), "{drawn:#?}");
    }

    #[test]
    fn a_run_without_times_has_no_picture_and_many_domains_are_cut() {
        assert!(lines(&journal("georep-1"), 80).is_empty());
        let mut run = run();
        run.domains = vec![run.domains[0].clone(); DRAWN + 3];
        let drawn = lines(&run, 80);
        assert_eq!(drawn.len(), DRAWN + 5);
        assert!(drawn[DRAWN + 2].ends_with("and 3 more domains"), "{drawn:#?}");
    }
}
