//! Signs of life.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a domain has to do to count as having come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The QEMU guest agent in it answers.
    Agent,
    /// It says this on a serial port or console.
    Serial(String),
    /// It runs for so long and is neither reset nor switched off.
    Running(Duration),
}

/// Of a domain that has no agent there is little to be seen from outside. A minute is longer than
/// a boot loader waits, and than a kernel that finds no disk before it panics.
const RUNNING: Duration = Duration::from_secs(60);

impl Sign {
    /// What to wait for where nobody says.
    pub(super) fn usual(has_agent: bool) -> Self {
        if has_agent { Self::Agent } else { Self::Running(RUNNING) }
    }

    /// That it came, for a person.
    pub(super) fn seen(&self) -> String {
        match self {
            Self::Agent => "the guest agent answered".to_owned(),
            Self::Serial(text) => format!("{text:?} stood on the console"),
            Self::Running(_) => "it still ran, not reset and not switched off".to_owned(),
        }
    }
}

impl FromStr for Sign {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "agent" => Ok(Self::Agent),
            Some(("serial", text)) if !text.is_empty() => Ok(Self::Serial(text.to_owned())),
            Some(("running", seconds)) => match seconds.parse() {
                Ok(seconds) if seconds > 0 => Ok(Self::Running(Duration::from_secs(seconds))),
                _ => Err("after `running:` stands a number of seconds".to_owned()),
            },
            _ => Err("a sign is `agent`, `serial:TEXT` or `running:SEC`".to_owned()),
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Serial(text) => write!(f, "serial:{text}"),
            Self::Running(time) => write!(f, "running:{}", time.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_reads_as_it_is_written() {
        for text in ["agent", "serial:login:", "serial:a b", "running:5"] {
            assert_eq!(text.parse::<Sign>().unwrap().to_string(), text);
        }
        for text in ["", "serial:", "running:", "running:0", "running:x", "port:80", "agent:"] {
            assert!(text.parse::<Sign>().is_err(), "{text}");
        }
    }
}
