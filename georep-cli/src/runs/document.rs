//! A run for programs: what `backup --json`, hooks and `runs --json` say of it.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::fate::Fate;
use crate::args::{Level, Method};
use crate::compare::Mismatch;
use crate::error::CliError;
use crate::exit_code::{self, Exit};
use crate::journal::{DomainEntry, Journal, Phase, Since, Step};
use crate::stdout;

/// A run, as JSON. What is not known is null.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Document<'a> {
    run: &'a str,
    method: Method,
    primary: &'a str,
    secondary: &'a str,
    pool: &'a Path,
    result: Fate,
    exit_code: Option<u8>,
    began: Timestamp,
    ended: Option<Timestamp>,
    duration_seconds: Option<f64>,
    verify: Level,
    proven: bool,
    images: usize,
    allocated: u64,
    compared: Option<u64>,
    mismatches: &'a [Mismatch],
    longest_pause_seconds: Option<f64>,
    longest_overlay_seconds: Option<f64>,
    phases: &'a [Since<Phase>],
    domains: Vec<Domain<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    left_behind: &'a [String],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Domain<'a> {
    name: &'a str,
    uuid: &'a str,
    pause_seconds: Option<f64>,
    overlay_seconds: Option<f64>,
    steps: &'a [Since<Step>],
}

impl<'a> Document<'a> {
    /// The run of `journal`.
    pub(crate) fn of(journal: &'a Journal) -> Self {
        let fate = Fate::of(journal);
        let ended = journal.ended.as_ref();
        let copied = journal.copied.as_ref();
        Self {
            run: &journal.run,
            method: journal.method,
            primary: &journal.primary,
            secondary: &journal.secondary,
            pool: &journal.pool,
            result: fate,
            exit_code: journal.exit_code(),
            began: journal.began,
            ended: ended.map(|ended| ended.at),
            duration_seconds: ended.map(|ended| seconds(journal.began, ended.at)),
            verify: journal.verify,
            proven: journal.is_proven(),
            images: copied.map_or(0, |copied| copied.images),
            allocated: copied.map_or(0, |copied| copied.allocated),
            compared: copied.and_then(|copied| copied.compared),
            mismatches: copied.map_or(&[], |copied| &copied.mismatches),
            longest_pause_seconds: journal.longest_pause(),
            longest_overlay_seconds: longest(journal.domains.iter().map(overlay_seconds)),
            phases: &journal.phases,
            domains: journal.domains.iter().map(Domain::of).collect(),
            error: ended.and_then(|ended| ended.error.as_deref()),
            left_behind: &journal.left_behind,
        }
    }

    /// What its exit code means, where it is not 0.
    pub(crate) fn meaning(&self) -> Option<&'static str> {
        self.exit_code.filter(|&code| code != Exit::Done as u8).and_then(exit_code::meaning)
    }

    /// What has become of it.
    pub(crate) fn fate(&self) -> Fate {
        self.result
    }

    /// Prints it to stdout as the last of the JSON lines of a run.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn print_event(&self) -> Result<(), CliError> {
        #[derive(Serialize)]
        struct Event<'a> {
            event: &'static str,
            #[serde(flatten)]
            document: &'a Document<'a>,
        }
        let text = serde_json::to_string(&Event { event: "result", document: self })
            .map_err(|error| CliError::failed(format!("cannot write the result: {error}")))?;
        stdout::print(text + "\n").map(drop)
    }
}

impl<'a> Domain<'a> {
    fn of(domain: &'a DomainEntry) -> Self {
        Self {
            name: &domain.name,
            uuid: &domain.uuid,
            pause_seconds: domain.pause_seconds,
            overlay_seconds: overlay_seconds(domain),
            steps: &domain.steps,
        }
    }
}

/// From one moment to another.
pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// For how long the domain was on overlays, where it was and is no more.
pub(crate) fn overlay_seconds(domain: &DomainEntry) -> Option<f64> {
    let began = domain.steps.iter().find(|step| step.what == Step::Overlaying)?;
    let off = |step: &&Since<Step>| matches!(step.what, Step::Removing | Step::Done);
    let ended = domain.steps.iter().find(off)?;
    Some(seconds(began.at, ended.at))
}

fn longest(all: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    all.flatten().max_by(f64::total_cmp)
}

impl Journal {
    /// Whether the copy was compared, and nothing differed.
    pub(crate) fn is_proven(&self) -> bool {
        self.verify > Level::None && self.has_reached(Phase::Proven)
    }

    /// The longest that any guest stood still, in seconds.
    pub(crate) fn longest_pause(&self) -> Option<f64> {
        longest(self.domains.iter().map(|domain| domain.pause_seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::journal;

    #[test]
    fn a_domain_was_on_overlays_from_their_making_to_their_removal() {
        let mut run = journal("georep-1");
        let domain = &mut run.domains[0];
        let steps = [Step::Freezing, Step::Overlaying, Step::Copying, Step::Committing];
        for (second, what) in steps.into_iter().enumerate() {
            let at = Timestamp::from_second(10 * second as i64).unwrap();
            domain.steps.push(Since { what, at });
        }
        assert_eq!(overlay_seconds(domain), None);
        let at = Timestamp::from_second(35).unwrap();
        domain.steps.push(Since { what: Step::Removing, at });
        assert_eq!(overlay_seconds(domain), Some(25.0));
    }

    #[test]
    fn a_copy_that_nobody_compared_is_not_proven() {
        let mut run = journal("georep-1");
        run.begin(Phase::Proven);
        run.begin(Phase::PuttingBack);
        assert!(run.is_proven());
        run.verify = Level::None;
        assert!(!run.is_proven());
    }
}
