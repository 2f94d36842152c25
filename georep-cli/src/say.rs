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

/// Something the reader should know when no run tells it any more.
pub(crate) fn warning(text: impl Display) {
    anstream::eprintln!("{WARN}warning:{WARN:#} {text}");
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

/// A time span as a person reads it: `20.6 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours == 0 { format!("{minutes} min {seconds} s") } else { format!("{hours} h {minutes} min") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_has_the_units_that_fit() {
        let shown = [0.04, 59.94, 60.0, 200.9, 7500.0].map(duration);
        assert_eq!(shown, ["0.0 s", "59.9 s", "1 min 0 s", "3 min 20 s", "2 h 5 min"]);
    }

    #[test]
    fn bytes_are_shown_with_the_unit_that_fits() {
        let shown = [0, 1023, 1024, 1_572_864, 1_023_000, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "999.0 KiB", "16384.0 PiB"]);
    }
}
