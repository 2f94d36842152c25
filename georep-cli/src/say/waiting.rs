//! Waiting for something that is not counted in bytes: the checkpoint.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::units::{duration, left};
use super::{Out, Say};

/// Waiting for something.
#[derive(Debug)]
pub(crate) struct Waiting {
    began: Instant,
    usually: Option<Duration>,
    line: Option<ProgressBar>,
}

impl Waiting {
    /// Waits for what usually takes so long.
    pub(crate) fn new(say: &Say, phase: &str, usually: Option<Duration>) -> Self {
        let line = match &say.out {
            Out::Live(live) => Some(live.text(phase)),
            _ => None,
        };
        Self { began: Instant::now(), usually, line }
    }

    /// How far it is.
    pub(crate) fn set(&self, how_far: &str) {
        if let Some(line) = &self.line {
            let rest = rest(self.began.elapsed(), self.usually);
            line.set_message(format!("{how_far}{rest}"));
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

/// A guess of the rest, from how long it took before.
fn rest(elapsed: Duration, usually: Option<Duration>) -> String {
    match usually {
        None => String::new(),
        Some(usually) => match usually.checked_sub(elapsed) {
            Some(rest) => format!(", about {}", left(rest)),
            None => format!(", usually {} in all", duration(usually.as_secs_f64())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_that_has_proved_wrong_is_said_to_be_one() {
        let rest = |seconds| rest(Duration::from_secs(seconds), Some(Duration::from_secs(20)));
        assert_eq!(rest(11), ", about 9 s left");
        assert_eq!(rest(21), ", usually 20.0 s in all");
        assert_eq!(super::rest(Duration::from_secs(3), None), "");
    }
}
