//! The longest that any guest stood still for the run.

use crate::journal::DomainEntry;
use crate::say::Say;

/// Says it where it is not the only one, which has been said.
pub(super) fn tell(say: &Say, domains: &[DomainEntry]) {
    if let Some((seconds, domain, guests)) = longest(domains).filter(|&(.., guests)| guests > 1) {
        say.step(
            "pause",
            format_args!("{seconds:.1} s at most of {guests} guests, {domain} the longest"),
        );
    }
}

/// The longest pause in seconds, whose it was, and of how many guests that ran.
fn longest(domains: &[DomainEntry]) -> Option<(f64, &str, usize)> {
    let paused = domains.iter().filter_map(|d| Some((d.pause_seconds?, d.name.as_str())));
    let guests = paused.clone().count();
    let (seconds, domain) = paused.reduce(|a, b| if b.0 > a.0 { b } else { a })?;
    Some((seconds, domain, guests))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::journal;

    #[test]
    fn the_longest_pause_counts_and_guests_that_did_not_run_do_not() {
        assert_eq!(longest(&[]), None);
        let domain = |(name, pause_seconds): (&str, Option<f64>)| {
            let entry = journal("georep-1").domains.remove(0);
            DomainEntry { name: name.to_owned(), pause_seconds, ..entry }
        };
        let domains =
            [("a", Some(2.0)), ("b", None), ("c", Some(3.0)), ("d", Some(1.0))].map(domain);
        assert_eq!(longest(&domains), Some((3.0, "c", 3)));
    }
}
