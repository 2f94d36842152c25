//! Numbers as a person reads them.

use std::time::Duration;

/// So many of something: `1 image`, `3 images`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A number of bytes.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"");
    while value >= 1000.0 {
        let Some(larger) = units.next() else { break };
        value /= 1024.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// Bytes a second, of so many in some time.
pub(crate) fn rate(count: u64, time: Duration) -> String {
    let milliseconds = time.as_millis().max(1);
    let a_second = u128::from(count) * 1000 / milliseconds;
    bytes(u64::try_from(a_second).unwrap_or(u64::MAX))
}

/// A time span in seconds: `20.6 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours == 0 {
        format!("{minutes} min {seconds} s")
    } else {
        format!("{hours} h {minutes} min")
    }
}

/// How long something will take yet.
pub(crate) fn left(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..60 => format!("{seconds} s left"),
        seconds @ ..3600 => format!("{} min left", seconds.div_ceil(60)),
        seconds => format!("{} h {} min left", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_has_the_units_that_fit() {
        let shown = [0.04, 59.94, 60.0, 200.9, 7500.0].map(duration);
        assert_eq!(shown, ["0.0 s", "59.9 s", "1 min 0 s", "3 min 20 s", "2 h 5 min"]);
        let left = [9, 61, 7500].map(|seconds| super::left(Duration::from_secs(seconds)));
        assert_eq!(left, ["9 s left", "2 min left", "2 h 5 min left"]);
    }

    #[test]
    fn bytes_are_shown_with_the_unit_that_fits() {
        let shown = [0, 1023, 1024, 1_572_864, 1_023_000, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "999.0 KiB", "16384.0 PiB"]);
    }
}
