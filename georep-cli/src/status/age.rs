//! How long ago something was, as short as admins know it from elsewhere: `2h5m`.

use jiff::Timestamp;

/// How long before `now` `then` was: `12s ago`.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second());
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let age = match (seconds, minutes % 60) {
        // The clocks of the nodes differ.
        (..0, _) => return "in the future".to_owned(),
        (..60, _) => format!("{seconds}s"),
        (..3600, _) => format!("{minutes}m"),
        (..86400, 0) => format!("{hours}h"),
        (..86400, minutes) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d"),
    };
    format!("{age} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_the_unit_that_fits() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let of = |seconds: i64| ago(Timestamp::from_second(1_000_000 - seconds).unwrap(), now);
        let told = [0, 59, 60, 3599, 3600, 7500, 86_399, 86_400, 400_000, -1].map(of);
        let ages = ["0s", "59s", "1m", "59m", "1h", "2h5m", "23h59m", "1d", "4d"];
        let expected: Vec<_> = ages.iter().map(|age| format!("{age} ago")).collect();
        assert_eq!(told[..9], expected);
        assert_eq!(told[9], "in the future");
    }

    #[test]
    fn no_clock_is_too_wrong() {
        assert_eq!(ago(Timestamp::MAX, Timestamp::MIN), "in the future");
        assert!(ago(Timestamp::MIN, Timestamp::MAX).ends_with("d ago"));
    }
}
