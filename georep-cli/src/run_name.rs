//! The name of a run, also the name of its snapshots.

use std::fmt;

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
}
