//! The same work on many things at once, with a bound.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` for every item, on `at_once` of them at the same time at most. The results are in
/// the order of the items.
pub(crate) fn side_by_side<'a, T: Sync, R: Send>(
    items: &'a [T],
    at_once: usize,
    work: impl Fn(&'a T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        items.get(index).map(|item| (index, work(item)))
    };
    let mut results = thread::scope(|scope| {
        let worker = |_| scope.spawn(|| std::iter::from_fn(take).collect::<Vec<_>>());
        let workers: Vec<_> = (0..at_once.min(items.len())).map(worker).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    results.sort_unstable_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn results_are_in_order_and_no_more_run_at_once_than_may() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let results = side_by_side(&[5, 1, 4, 2, 3, 0], 3, |&item| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(2 * item));
            now.fetch_sub(1, Ordering::SeqCst);
            item * 10
        });
        assert_eq!(results, [50, 10, 40, 20, 30, 0]);
        assert!(most.into_inner() <= 3);
    }

    #[test]
    fn nothing_is_done_with_nothing() {
        assert!(side_by_side(&[], 8, |(): &()| ()).is_empty());
    }
}
