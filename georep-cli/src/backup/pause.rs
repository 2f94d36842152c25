//! The longest that any guest stood still for the run.

use std::time::Duration;

use crate::say::Say;

/// The longest pause so far, and whose it was.
#[derive(Debug, Default)]
pub(super) struct LongestPause {
    longest: Option<(Duration, String)>,
    guests: usize,
}

impl LongestPause {
    /// Takes note of the pause of one guest; `None` where it did not run.
    pub(super) fn add(&mut self, domain: &str, pause: Option<Duration>) {
        let Some(pause) = pause else { return };
        self.guests += 1;
        if self.longest.as_ref().is_none_or(|(longest, _)| pause > *longest) {
            self.longest = Some((pause, domain.to_owned()));
        }
    }

    /// Says it where it is not the only one, which has been said.
    pub(super) fn tell(&self, say: &Say) {
        if let Some((pause, domain)) = self.longest.as_ref().filter(|_| self.guests > 1) {
            let seconds = pause.as_secs_f64();
            let guests = self.guests;
            say.step(
                "pause",
                format_args!("{seconds:.1} s at most of {guests} guests, {domain} the longest"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_counts_and_guests_that_did_not_run_do_not() {
        let mut pause = LongestPause::default();
        for (domain, seconds) in [("a", Some(2)), ("b", None), ("c", Some(3)), ("d", Some(1))] {
            pause.add(domain, seconds.map(Duration::from_secs));
        }
        assert_eq!(pause.longest, Some((Duration::from_secs(3), "c".to_owned())));
        assert_eq!(pause.guests, 3);
    }
}
