//! What a check has found, and how to mend it.

use serde::Serialize;

use crate::error::CliError;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grade {
    /// As it should be.
    Ok,
    /// A backup may be made all the same; or it could not be looked at.
    Warn,
    /// It keeps a backup from being made, or from being worth anything.
    Fail,
}

/// What one check has found on one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The check's name: one word.
    pub check: &'static str,
    /// The node, volume, session, domain or directory it is about.
    pub on: String,
    /// How grave it is.
    pub grade: Grade,
    /// What was found.
    pub what: String,
    /// How to mend it; there is nothing to mend where it is [`Grade::Ok`].
    pub mend: Option<String>,
}

impl Finding {
    /// As it should be.
    pub(super) fn ok(check: &'static str, on: &str, what: impl Into<String>) -> Self {
        Self { check, on: on.to_owned(), grade: Grade::Ok, what: what.into(), mend: None }
    }

    /// Something that does not keep a backup from being made.
    pub(super) fn warn(
        check: &'static str,
        on: &str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { grade: Grade::Warn, mend: Some(mend.into()), ..Self::ok(check, on, what) }
    }

    /// Something that does.
    pub(super) fn fail(
        check: &'static str,
        on: &str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { grade: Grade::Fail, mend: Some(mend.into()), ..Self::ok(check, on, what) }
    }

    /// Something that could not be looked at, for this reason: nobody knows how it is.
    pub(super) fn unseen(
        check: &'static str,
        on: &str,
        reason: impl std::fmt::Display,
        enable: impl Into<String>,
    ) -> Self {
        Self::warn(check, on, format!("could not be looked at: {reason}"), enable)
    }

    /// An error that a backup would end with. Its hints say how to mend it, else `otherwise` does.
    pub(super) fn error(check: &'static str, on: &str, error: &CliError, otherwise: &str) -> Self {
        let hints = error.hints().join("; ");
        let mend = if hints.is_empty() { otherwise.to_owned() } else { hints };
        Self::fail(check, on, error.to_string(), mend)
    }
}
