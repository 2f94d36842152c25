//! Whether a merge gets any nearer to its end.

use std::time::Duration;

/// The least that a merge had left to do, and when.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Convergence {
    least: Option<(u64, Duration)>,
}

impl Convergence {
    /// Takes note of how many bytes are left after `elapsed`. Returns for how long they have not
    /// become fewer: a guest that writes as fast as the job merges keeps it from its end.
    pub(super) fn stalled_for(&mut self, left: u64, elapsed: Duration) -> Duration {
        match self.least {
            Some((least, since)) if left >= least => elapsed.saturating_sub(since),
            _ => {
                self.least = Some((left, elapsed));
                Duration::ZERO
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalled(left: &[(u64, u64)]) -> u64 {
        let mut convergence = Convergence::default();
        let mut last = Duration::ZERO;
        for &(second, left) in left {
            last = convergence.stalled_for(left, Duration::from_secs(second));
        }
        last.as_secs()
    }

    #[test]
    fn a_merge_that_comes_nearer_however_slowly_is_not_stalled() {
        assert_eq!(stalled(&[(0, 100), (59, 99), (118, 98), (170, 97)]), 0);
        assert_eq!(stalled(&[(0, 100), (30, 180), (59, 99)]), 0, "the guest wrote much, once");
    }

    #[test]
    fn a_merge_without_a_new_least_is_stalled_since_the_last() {
        assert_eq!(stalled(&[(0, 100), (30, 120), (60, 100)]), 60);
        assert_eq!(stalled(&[(0, 100), (30, 0), (80, 0)]), 50);
    }
}
