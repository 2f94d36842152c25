//! How far a long reading has come, and how fast it is: a line every few seconds.

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::say::{Say, bytes};

/// How often there is a line.
const EVERY: Duration = Duration::from_secs(5);

/// The reading of one file.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    say: &'a Say,
    phase: &'static str,
    file: &'a Path,
    total: u64,
    done: u64,
    told: u64,
    told_at: Instant,
}

impl<'a> Progress<'a> {
    /// Nothing of `total` bytes of `file` has been read.
    pub(crate) fn new(say: &'a Say, phase: &'static str, file: &'a Path, total: u64) -> Self {
        Self { say, phase, file, total, done: 0, told: 0, told_at: Instant::now() }
    }

    /// `read` more bytes have been read.
    pub(crate) fn add(&mut self, read: u64) {
        self.done += read;
        let elapsed = self.told_at.elapsed();
        if elapsed >= EVERY {
            self.say.step(self.phase, line(self, elapsed));
            (self.told, self.told_at) = (self.done, Instant::now());
        }
    }

    /// How many bytes have been read.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }
}

/// The rate is that since the line before.
fn line(progress: &Progress<'_>, elapsed: Duration) -> impl Display + use<> {
    format!(
        "{}: {} of {}, {}/s",
        progress.file.display(),
        bytes(progress.done),
        bytes(progress.total),
        rate(progress.done - progress.told, elapsed)
    )
}

/// Bytes a second, of so many in some time.
pub(crate) fn rate(count: u64, time: Duration) -> String {
    let milliseconds = time.as_millis().max(1);
    let a_second = u128::from(count) * 1000 / milliseconds;
    bytes(u64::try_from(a_second).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let say = Say::begin("test");
        let mut progress = Progress::new(&say, "verify", Path::new("vm1-root.qcow2"), 40 << 30);
        progress.add(13_207_024_435);
        progress.told = progress.done - (1024 << 20);
        assert_eq!(
            line(&progress, Duration::from_secs(2)).to_string(),
            "vm1-root.qcow2: 12.3 GiB of 40.0 GiB, 512.0 MiB/s"
        );
    }
}
