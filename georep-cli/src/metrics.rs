//! Metrics of a run, for the textfile collector of Prometheus' node exporter.

use std::fmt::{Display, Write};
use std::path::Path;

use crate::atomic_file;
use crate::error::CliError;
use crate::journal::Journal;
use crate::runs::{ProvenCopy, newest_proven, overlay_seconds, seconds};
use crate::state_dir::journals;

/// Writes the metrics of the run that has just ended to `file`, whole or not at all, for everybody
/// to read.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn write(file: &Path, journal: &Journal) -> Result<(), CliError> {
    let proven = newest_proven(&journals(), &journal.primary, &journal.secondary);
    let text = text(journal, proven.as_ref());
    atomic_file::publish(file, text.as_bytes())
        .map_err(|error| CliError::io("write the metrics file", file, error))
}

/// The metrics, in Prometheus' text format.
fn text(journal: &Journal, proven: Option<&ProvenCopy>) -> String {
    let mut metrics = Metrics::of_session(journal);
    let copied = journal.copied.as_ref();
    if let Some(proven) = proven.filter(|copy| copy.overwritten_by.is_none()) {
        metrics.gauge(
            "georep_proven_copy_timestamp_seconds",
            "When the images were as the newest proven copy on the secondary shows them.",
            [("", proven.of.as_second())],
        );
    }
    metrics.gauge(
        "georep_run_start_timestamp_seconds",
        "When the last run began.",
        [("", journal.began.as_second())],
    );
    let ended = journal.ended.as_ref().map(|ended| ended.at);
    metrics.gauge(
        "georep_run_end_timestamp_seconds",
        "When the last run ended.",
        ended.map(|end| ("", end.as_second())),
    );
    metrics.gauge(
        "georep_run_duration_seconds",
        "How long the last run took.",
        ended.map(|end| ("", seconds(journal.began, end))),
    );
    metrics.gauge(
        "georep_run_exit_code",
        "The exit code of the last run: 0 is success.",
        journal.exit_code().map(|exit| ("", exit)),
    );
    metrics.gauge(
        "georep_run_proven",
        "Whether what the last run copied was compared, and is as recorded.",
        [("", u8::from(journal.is_proven()))],
    );
    metrics.gauge(
        "georep_run_mismatches",
        "Differences that the last run found on the secondary.",
        copied.map(|copied| ("", copied.mismatches.len())),
    );
    metrics.gauge(
        "georep_run_images",
        "Images that the last run copied.",
        copied.map(|copied| ("", copied.images)),
    );
    metrics.gauge(
        "georep_run_allocated_bytes",
        "Tables and data in the images that the last run copied.",
        copied.map(|copied| ("", copied.allocated)),
    );
    metrics.gauge(
        "georep_run_compared_bytes",
        "What the last run read on the secondary to compare it.",
        copied.and_then(|copied| copied.compared).map(|compared| ("", compared)),
    );
    let domains = || journal.domains.iter();
    metrics.labelled(
        "georep_guest_pause_seconds",
        "How long the guest stood still in the last run.",
        "domain",
        domains().filter_map(|domain| Some((domain.name.as_str(), domain.pause_seconds?))),
    );
    metrics.labelled(
        "georep_overlay_seconds",
        "How long the domain was on overlays in the last run.",
        "domain",
        domains().filter_map(|domain| Some((domain.name.as_str(), overlay_seconds(domain)?))),
    );
    metrics.labelled(
        "georep_workers",
        "Workers by their state when the last run last looked at the session.",
        "state",
        journal.workers.iter().map(|(state, count)| (state.as_str(), *count)),
    );
    metrics.text
}

/// A text of metrics that all are about one session.
struct Metrics {
    session: String,
    text: String,
}

impl Metrics {
    fn of_session(journal: &Journal) -> Self {
        let (primary, secondary) = (escaped(&journal.primary), escaped(&journal.secondary));
        let session = format!("primary=\"{primary}\",secondary=\"{secondary}\"");
        Self { session, text: String::new() }
    }

    fn gauge<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
    ) {
        self.labelled(name, help, "", values);
    }

    /// A gauge with a value for each of the names, which are in the label `label`.
    fn labelled<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
    ) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        let (session, text) = (&self.session, &mut self.text);
        // A string takes everything.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (of, value) in values {
            let of = if label.is_empty() {
                String::new()
            } else {
                format!(",{label}=\"{}\"", escaped(of))
            };
            let _ = writeln!(text, "{name}{{{session}{of}}} {value}");
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::args::Level;
    use crate::exit_code::Exit;
    use crate::journal::tests::journal;

    #[test]
    fn a_failed_run_says_so_and_keeps_the_time_of_the_proven_copy() {
        let mut run = journal("georep-1");
        run.domains[0].name = "a \"quoted\\name".to_owned();
        run.domains[0].pause_seconds = Some(0.25);
        run.workers.insert("Active".to_owned(), 2);
        run.end_now(Exit::NoCheckpoint, "late".to_owned());
        let of = Timestamp::from_second(1_700_000_000).unwrap();
        let proven = ProvenCopy {
            run: "georep-0".to_owned(),
            of,
            level: Level::Quick,
            overwritten_by: None,
        };
        let text = text(&run, Some(&proven));
        let session = "primary=\"gv1\",secondary=\"geo@dr::gv2\"";
        for line in [
            format!("georep_proven_copy_timestamp_seconds{{{session}}} 1700000000"),
            format!("georep_run_exit_code{{{session}}} 3"),
            format!("georep_run_proven{{{session}}} 0"),
            format!("georep_guest_pause_seconds{{{session},domain=\"a \\\"quoted\\\\name\"}} 0.25"),
            format!("georep_workers{{{session},state=\"Active\"}} 2"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("georep_run_images"), "what is not known has no value: {text}");
        assert!(text.ends_with('\n'));
    }
}
