//! The lines at the end of a terminal that change in place: what is going on right now.

use std::fmt::Write;
use std::io::stderr;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::units::{bytes, left as left_over};
use crate::terminal::{moves_cursor, size};

/// How often the time is drawn anew while nothing else happens.
const TICK: Duration = Duration::from_millis(200);

const BAR: &str = "{since}  {prefix:<10}  {msg} [{bar:8}] {amount}";
const TEXT: &str = "{since}  {prefix:<10}  {wide_msg}";

/// The changing lines.
#[derive(Debug)]
pub(super) struct Live {
    started: Instant,
    lines: MultiProgress,
}

impl Live {
    /// Where stderr is a terminal that can move its cursor.
    pub(super) fn on_terminal(started: Instant) -> Option<Self> {
        moves_cursor(&stderr()).then(|| Self { started, lines: MultiProgress::new() })
    }

    /// Prints a line above those that change. What does not fit goes on below, that far from the
    /// left.
    pub(super) fn above(&self, line: &str, indent: usize) {
        let indent = " ".repeat(indent);
        let options = textwrap::Options::new(size(stderr()).0).subsequent_indent(&indent);
        let line = textwrap::fill(line, options);
        self.lines.suspend(|| anstream::eprintln!("{line}"));
    }

    /// A line with a bar for so many bytes. The caller ends it.
    pub(super) fn bar(&self, phase: &str, what: &str, total: u64) -> ProgressBar {
        self.add(BAR, phase, what, ProgressBar::new(total))
    }

    /// A line with a text. The caller ends it.
    pub(super) fn text(&self, phase: &str) -> ProgressBar {
        self.add(TEXT, phase, "", ProgressBar::no_length())
    }

    fn add(&self, template: &str, phase: &str, what: &str, bar: ProgressBar) -> ProgressBar {
        let started = self.started;
        let since = move |_: &ProgressState, out: &mut dyn Write| {
            // Nobody is told that a line cannot be drawn.
            let _ = write!(out, "{:8.1} s", started.elapsed().as_secs_f64());
        };
        let amount = |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&amount(state.pos(), state.len(), state.elapsed()));
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("since", since)
            .with_key("amount", amount)
            .progress_chars("##-");
        let bar = self.lines.add(bar.with_style(style));
        bar.set_prefix(phase.to_owned());
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(TICK);
        bar
    }
}

/// How much is done, and how long the rest will take at the same pace.
fn amount(done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let Some(total) = total.filter(|&total| total > 0) else { return bytes(done) };
    let amount = format!("{} of {}", bytes(done), bytes(total));
    // What has hardly begun has no pace yet.
    if done < total / 50 || done >= total || elapsed < TICK {
        return amount;
    }
    let left = elapsed.as_secs().saturating_mul(total - done) / done.max(1);
    format!("{amount}, {}", left_over(Duration::from_secs(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_a_guess_of_the_rest_where_there_is_one() {
        let of = |done, total| amount(done, total, Duration::from_secs(54));
        assert_eq!(of(0, Some(40 << 30)), "0 B of 40.0 GiB");
        assert_eq!(of(30 << 30, Some(40 << 30)), "30.0 GiB of 40.0 GiB, 18 s left");
        assert_eq!(of(10 << 30, Some(40 << 30)), "10.0 GiB of 40.0 GiB, 3 min left");
        assert_eq!(of(5 << 20, Some(0)), "5.0 MiB");
        assert_eq!(of(5 << 20, None), "5.0 MiB");
    }
}
