//! The name of a run, also the name of its snapshots.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// What every name of this tool starts with. A name is never a bare number: `qemu-img snapshot -d`
/// takes a number for an id.
pub(crate) const PREFIX: &str = "georep-";

/// `georep-<UTC time>`, such as `georep-20261123T064512Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunName(String);

impl RunName {
    /// The name of a run that starts at `time`.
    pub(crate) fn at(time: Timestamp) -> Self {
        Self(format!("{PREFIX}{}", time.strftime("%Y%m%dT%H%M%SZ")))
    }

    /// The name of a run that starts now, or as soon as a second has come of which `is_used` says
    /// that no run has its name.
    pub(crate) fn unused(is_used: impl Fn(&str) -> bool) -> Self {
        loop {
            let name = Self::at(Timestamp::now());
            if !is_used(name.as_str()) {
                return name;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether `text` is the name of a run, of whatever time.
    pub(crate) fn is_one(text: &str) -> bool {
        let Some(time) = text.strip_prefix(PREFIX) else { return false };
        let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
        time.chars().map(shape).eq("00000000T000000Z".chars())
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_after_its_utc_second() {
        let time: Timestamp = "2026-11-23T08:45:12.9+02:00".parse().unwrap();
        assert_eq!(RunName::at(time).as_str(), "georep-20261123T064512Z");
    }

    #[test]
    fn a_name_of_a_run_is_told_from_a_name_that_only_begins_so() {
        assert!(RunName::is_one(RunName::at(Timestamp::now()).as_str()));
        for other in ["georep-20261123", "georep-20261123T064512Z.qcow2", "georep-", "1", "before"]
        {
            assert!(!RunName::is_one(other), "{other}");
        }
    }
}
