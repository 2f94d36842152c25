//! What a run does, while it does it: lines on stderr, with a display at their end where there is a
//! terminal, or JSON lines on stdout.

mod live;
mod progress;
mod units;
mod waiting;

use std::fmt::Display;
use std::io::stderr;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use self::live::Live;
use crate::args::ProgressMode;
use crate::terminal;

pub(crate) use progress::Progress;
pub(crate) use units::{bytes, count, duration, rate};
pub(crate) use waiting::Waiting;

/// Where the text of a line begins.
const TEXT_COLUMN: usize = 24;

/// A picture that is wider is hard to read.
const MOST_COLUMNS: usize = 120;

const DIM: Style = Style::new().dimmed();
const WARN: Style = AnsiColor::Yellow.on_default();

/// Why a run waits for the bricks in spite of `--rollover`.
pub(crate) const TURNS_UNKNOWN: &str = "when the bricks close their changelogs is not known; waiting for them, as --rollover could lose one";

/// Tells what a run does.
#[derive(Debug)]
pub(crate) struct Say {
    started: Instant,
    out: Out,
}

/// To whom.
#[derive(Debug)]
enum Out {
    /// People who read it later: a line a step.
    Lines,
    /// Somebody at a terminal: lines, and what is going on below them.
    Live(Live),
    /// A program.
    Json,
    /// Nobody, but for what is wrong.
    Warnings,
}

impl Say {
    /// Opens a run with its headline.
    pub(crate) fn begin(headline: impl Display, mode: ProgressMode) -> Self {
        let started = Instant::now();
        let out = match mode {
            ProgressMode::Auto => Live::on_terminal(started).map_or(Out::Lines, Out::Live),
            ProgressMode::Plain => Out::Lines,
            ProgressMode::Json => Out::Json,
            ProgressMode::None => Out::Warnings,
        };
        let say = Self { started, out };
        match say.out {
            Out::Lines | Out::Live(_) => anstream::eprintln!("{headline}"),
            Out::Json => say.json("begin", json!({ "text": headline.to_string() })),
            Out::Warnings => {}
        }
        say
    }

    /// How long ago the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// One step done: `phase` is a word, `text` a line.
    pub(crate) fn step(&self, phase: &str, text: impl Display) {
        match &self.out {
            Out::Json => {
                self.json("step", json!({ "phase": phase, "text": text.to_string() }));
            }
            Out::Warnings => {}
            Out::Lines | Out::Live(_) => self.line(phase, text),
        }
    }

    /// Something the reader should know, though the run goes on.
    pub(crate) fn warn(&self, phase: &str, text: impl Display) {
        match &self.out {
            Out::Json => {
                self.json("warning", json!({ "phase": phase, "text": text.to_string() }));
            }
            _ => self.line(phase, format_args!("{WARN}{text}{WARN:#}")),
        }
    }

    /// A picture below the lines.
    pub(crate) fn picture(&self, lines: &[String]) {
        if matches!(self.out, Out::Lines | Out::Live(_)) && !lines.is_empty() {
            anstream::eprintln!();
            lines.iter().for_each(|line| anstream::eprintln!("{line}"));
        }
    }

    /// Figures, for a program only.
    pub(crate) fn figures(&self, event: &str, figures: impl FnOnce() -> Value) {
        if let Out::Json = self.out {
            self.json(event, figures());
        }
    }

    /// How wide a picture may be.
    pub(crate) fn columns(&self) -> usize {
        match &self.out {
            Out::Live(_) => terminal::size(stderr()).0.min(MOST_COLUMNS),
            _ => terminal::USUAL.0,
        }
    }

    fn line(&self, phase: &str, text: impl Display) {
        let seconds = self.elapsed().as_secs_f64();
        let line = format!("{DIM}{seconds:8.1} s  {phase:<10}{DIM:#}  {text}");
        match &self.out {
            Out::Live(live) => live.above(&line, TEXT_COLUMN),
            _ => anstream::eprintln!("{line}"),
        }
    }

    /// One JSON object, on one line.
    fn json(&self, event: &str, more: Value) {
        let mut object = json!({ "event": event, "elapsed-seconds": self.elapsed().as_secs_f64() });
        if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
            object.extend(more);
        }
        anstream::println!("{object}");
    }
}

/// Something the reader should know when no run tells it any more.
pub(crate) fn warning(text: impl Display) {
    anstream::eprintln!("{WARN}warning:{WARN:#} {text}");
}
