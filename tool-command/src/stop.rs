//! Ending early: because somebody asks, or because the time is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// When work should end early. Clones speak of the same request, each with its own deadline.
///
/// A tool that was [given one](crate::Tool::stopped_by) is killed, with all it started, as soon as
/// it is due. A default one never is, unless somebody asks.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// Is due when `flag` is set, such as by a signal handler.
    pub fn when(flag: Arc<AtomicBool>) -> Self {
        Self { requested: flag, deadline: None }
    }

    /// The same, also due from `deadline` on.
    #[must_use]
    pub fn or_at(&self, deadline: Instant) -> Self {
        let earliest = self.deadline.map_or(deadline, |other| other.min(deadline));
        Self { requested: Arc::clone(&self.requested), deadline: Some(earliest) }
    }

    /// Asks for the end.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked for the end.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Whether the end was asked for, or the time is up.
    pub fn is_due(&self) -> bool {
        self.is_requested() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reaches_all_clones_and_a_deadline_only_its_own() {
        let stop = Stop::default();
        let late = stop.or_at(Instant::now());
        assert!(late.is_due() && !late.is_requested() && !stop.is_due());
        late.request();
        assert!(stop.is_requested());
    }
}
