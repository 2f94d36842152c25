//! Checks that may wait for a file system whose servers do not answer.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Work that goes on beside.
#[derive(Debug)]
pub(super) struct Beside<T>(Option<mpsc::Receiver<T>>);

/// Begins `work` on a thread of its own.
pub(super) fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Beside<T> {
    let (sender, receiver) = mpsc::channel();
    // Where nobody waits any more, the result is of no use.
    let run = move || drop(sender.send(work()));
    let started = thread::Builder::new().name("check".to_owned()).spawn(run);
    Beside(started.is_ok().then_some(receiver))
}

impl<T> Beside<T> {
    /// What came of it; `None` where it has not ended within `limit`. It is left behind then, and
    /// ends with the process.
    pub(super) fn within(self, limit: Duration) -> Option<T> {
        self.0?.recv_timeout(limit).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_hangs_is_left_behind() {
        assert_eq!(beside(|| 7).within(Duration::from_secs(60)), Some(7));
        let hangs = beside(|| thread::sleep(Duration::from_secs(60)));
        assert_eq!(hangs.within(Duration::from_millis(10)), None);
    }
}
