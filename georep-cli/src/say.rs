//! Progress for people, on stderr: one line a step, with the time since the run began.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

const DIM: Style = Style::new().dimmed();
const WARN: Style = AnsiColor::Yellow.on_default();

/// Why a run waits for the bricks in spite of `--rollover`.
pub(crate) const TURNS_UNKNOWN: &str = "when the bricks close their changelogs is not known; waiting for them, as --rollover could lose one";

/// Tells what a run does.
#[derive(Debug)]
pub(crate) struct Say {
    started: Instant,
}

impl Say {
    /// Opens a run with its headline.
    pub(crate) fn begin(headline: impl Display) -> Self {
        anstream::eprintln!("{headline}");
        Self { started: Instant::now() }
    }

    /// How long ago the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// One step done: `phase` is a word, `text` a line.
    pub(crate) fn step(&self, phase: &str, text: impl Display) {
        let seconds = self.elapsed().as_secs_f64();
        anstream::eprintln!("{DIM}{seconds:8.1} s  {phase:<10}{DIM:#}  {text}");
    }

    /// Something the reader should know, though the run goes on.
    pub(crate) fn warn(&self, phase: &str, text: impl Display) {
        self.step(phase, format_args!("{WARN}{text}{WARN:#}"));
    }
}

/// A number of bytes as a person reads it.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"");
    while value >= 1000.0 {
        let Some(larger) = units.next() else { break };
        value /= 1024.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_with_the_unit_that_fits() {
        let shown = [0, 1023, 1024, 1_572_864, 1_023_000, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "999.0 KiB", "16384.0 PiB"]);
    }
}
