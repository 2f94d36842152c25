//! Whether a merge gets any nearer to its end.

use std::time::Duration;

/// How long a merge may come no nearer to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// The least that a merge had left to do, and when.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Convergence {
    least: Option<(u64, Duration)>,
}

impl Convergence {
    /// Takes note of how many bytes are left after `elapsed`. Returns whether they have not become
    /// fewer for a minute: the guest writes as fast as the job may merge.
    pub(super) fn is_stalled(&mut self, left: u64, elapsed: Duration) -> bool {
        match self.least {
            Some((least, since)) if left >= least => elapsed.saturating_sub(since) >= PATIENCE,
            _ => {
                self.least = Some((left, elapsed));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalled(left: &[(u64, u64)]) -> bool {
        let mut convergence = Convergence::default();
        let mut last = false;
        for &(second, left) in left {
            last = convergence.is_stalled(left, Duration::from_secs(second));
        }
        last
    }

    #[test]
    fn a_merge_that_comes_nearer_however_slowly_is_not_stalled() {
        assert!(!stalled(&[(0, 100), (59, 99), (118, 98), (170, 97)]));
        assert!(!stalled(&[(0, 100), (30, 180), (59, 99)]), "the guest wrote much, once");
    }

    #[test]
    fn a_minute_without_a_new_least_is_a_stall() {
        assert!(stalled(&[(0, 100), (30, 120), (60, 100)]));
        assert!(!stalled(&[(0, 100), (30, 120), (59, 100)]));
    }
}
