//! How long a guest stood still, measured from outside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::virsh::{DomainState, Virsh};

/// How long after one look at the domain the next is taken: the longer it lasts, the less often.
const LOOK: (Duration, Duration) = (Duration::from_millis(30), Duration::from_secs(1));

/// One look at a domain.
#[derive(Debug, Clone, Copy)]
struct Sample {
    asked: Instant,
    answered: Instant,
    paused: bool,
}

/// Does `action`, looks at the domain meanwhile, and returns how long it was paused at most: from
/// the last look before that found it running to the first after that did. `None` where no look
/// found it paused.
pub(super) fn measured<T>(
    virsh: &Virsh,
    domain: &str,
    action: impl FnOnce() -> T,
) -> (T, Option<Duration>) {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sampler = scope.spawn(|| samples(virsh, domain, &ended));
        let result = action();
        ended.store(true, Ordering::Relaxed);
        (result, sampler.join().ok().and_then(|samples| longest(&samples)))
    })
}

/// Looks until `ended`, and once more after it.
fn samples(virsh: &Virsh, domain: &str, ended: &AtomicBool) -> Vec<Sample> {
    let began = Instant::now();
    let mut samples = Vec::new();
    loop {
        let last = ended.load(Ordering::Relaxed);
        let asked = Instant::now();
        if let Ok(state) = virsh.state(domain) {
            let paused = state == DomainState::Paused;
            samples.push(Sample { asked, answered: Instant::now(), paused });
        }
        if last {
            return samples;
        }
        std::thread::sleep((began.elapsed() / 50).clamp(LOOK.0, LOOK.1));
    }
}

fn longest(samples: &[Sample]) -> Option<Duration> {
    let first = samples.iter().position(|sample| sample.paused)?;
    let last = samples.iter().rposition(|sample| sample.paused)?;
    let from = samples.get(first.saturating_sub(1))?.asked;
    let to = samples.get(last + 1).or_else(|| samples.get(last))?.answered;
    Some(to.duration_since(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks of 1 s each, one every 10 s.
    fn pause(paused: &[bool]) -> Option<u64> {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let sample = |(i, &paused)| {
            let second = 10 * i as u64;
            Sample { asked: at(second), answered: at(second + 1), paused }
        };
        let samples: Vec<_> = paused.iter().enumerate().map(sample).collect();
        longest(&samples).map(|pause| pause.as_secs())
    }

    #[test]
    fn a_pause_is_never_taken_for_shorter_than_it_may_have_been() {
        assert_eq!(pause(&[false, true, true, false, false]), Some(31));
        assert_eq!(pause(&[true, false]), Some(11));
        assert_eq!(pause(&[false, true]), Some(11));
    }

    #[test]
    fn a_guest_that_was_never_seen_paused_has_no_pause() {
        assert_eq!(pause(&[false, false]), None);
        assert_eq!(pause(&[]), None);
    }
}
