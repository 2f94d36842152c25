//! How far something has come that is counted in bytes: a bar on a terminal, elsewhere a line every
//! few seconds.

use std::fmt::Display;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::json;

use super::units::{bytes, rate};
use super::{Out, Say};

/// How often there is a line.
const EVERY: Duration = Duration::from_secs(5);

/// How far something has come.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    say: &'a Say,
    phase: &'static str,
    what: String,
    total: u64,
    done: u64,
    told: u64,
    told_at: Instant,
    bar: Option<ProgressBar>,
}

impl<'a> Progress<'a> {
    /// Nothing of `total` bytes of `what` is done.
    pub(crate) fn new(say: &'a Say, phase: &'static str, what: impl Display, total: u64) -> Self {
        let what = what.to_string();
        let bar = match &say.out {
            Out::Live(live) => Some(live.bar(phase, &what, total)),
            _ => None,
        };
        Self { say, phase, what, total, done: 0, told: 0, told_at: Instant::now(), bar }
    }

    /// `more` bytes are done.
    pub(crate) fn add(&mut self, more: u64) {
        self.set(self.done + more, self.total);
    }

    /// So many bytes are done, of so many.
    pub(crate) fn set(&mut self, done: u64, total: u64) {
        (self.done, self.total) = (done, total);
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
        }
        let elapsed = self.told_at.elapsed();
        if elapsed >= EVERY {
            self.tell(elapsed);
            (self.told, self.told_at) = (done, Instant::now());
        }
    }

    /// How many bytes are done.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    fn tell(&self, elapsed: Duration) {
        match &self.say.out {
            Out::Lines => self.say.line(self.phase, line(self, elapsed)),
            _ => self.say.figures("progress", || {
                json!({
                    "phase": self.phase, "what": self.what, "done": self.done, "total": self.total,
                })
            }),
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The rate is that since the line before.
fn line(progress: &Progress<'_>, elapsed: Duration) -> impl Display + use<> {
    let (done, what) = (bytes(progress.done), &progress.what);
    let rate = rate(progress.done.saturating_sub(progress.told), elapsed);
    match progress.total {
        0 => format!("{what}: {done}, {rate}/s"),
        total => format!("{what}: {done} of {}, {rate}/s", bytes(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ProgressMode;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let say = Say::begin("test", ProgressMode::Plain);
        let mut progress = Progress::new(&say, "verify", "vm1-root.qcow2", 40 << 30);
        progress.add(13_207_024_435);
        progress.told = progress.done - (1024 << 20);
        assert_eq!(
            line(&progress, Duration::from_secs(2)).to_string(),
            "vm1-root.qcow2: 12.3 GiB of 40.0 GiB, 512.0 MiB/s"
        );
    }
}
