//! The findings, for people and for programs.

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::finding::{Finding, Grade};
use crate::exit_code::Exit;

const HEADLINE: Style = Style::new().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// How far what a check has found is indented: level and name stand before it.
const INDENT: usize = 18;

/// The findings about one subject.
#[derive(Debug)]
pub(super) struct Section {
    /// What they are about.
    pub subject: String,
    /// In the order in which they are told.
    pub findings: Vec<Finding>,
}

/// All there is to tell.
#[derive(Debug)]
pub(super) struct Report {
    /// In the order in which they are told.
    pub sections: Vec<Section>,
}

/// The JSON document.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    exit_code: u8,
    ok: usize,
    warn: usize,
    fail: usize,
    findings: Vec<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    subject: &'a str,
    #[serde(flatten)]
    finding: &'a Finding,
}

impl Report {
    /// How `georep doctor` ends.
    pub(super) fn exit(&self) -> Exit {
        if self.count(Grade::Fail) > 0 { Exit::Failed } else { Exit::Done }
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.sections.iter().flat_map(|section| &section.findings)
    }

    fn count(&self, grade: Grade) -> usize {
        self.findings().filter(|finding| finding.grade == grade).count()
    }

    /// The document, with a line end.
    pub(super) fn json(&self) -> String {
        let told = self.sections.iter().flat_map(|section| {
            let subject = section.subject.as_str();
            section.findings.iter().map(move |finding| Told { subject, finding })
        });
        let document = Document {
            exit_code: self.exit() as u8,
            ok: self.count(Grade::Ok),
            warn: self.count(Grade::Warn),
            fail: self.count(Grade::Fail),
            findings: told.collect(),
        };
        // Strings and numbers always can be written.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    /// Lines of at most `columns`, as far as their words allow, styled.
    pub(super) fn text(&self, columns: usize) -> String {
        let mut lines = Vec::new();
        for section in self.sections.iter().filter(|section| !section.findings.is_empty()) {
            lines.push(format!("{HEADLINE}{}{HEADLINE:#}", section.subject));
            for finding in &section.findings {
                lines.extend(told(finding, columns));
            }
        }
        lines.push(self.summary());
        lines.join("\n") + "\n"
    }

    fn summary(&self) -> String {
        let [ok, warn, fail] = [Grade::Ok, Grade::Warn, Grade::Fail].map(|grade| self.count(grade));
        let s = if warn == 1 { "" } else { "s" };
        format!("{ok} ok, {warn} warning{s}, {fail} failed")
    }
}

fn told(finding: &Finding, columns: usize) -> Vec<String> {
    let (word, style) = match finding.grade {
        Grade::Ok => ("ok", AnsiColor::Green.on_default()),
        Grade::Warn => ("warn", AnsiColor::Yellow.on_default()),
        Grade::Fail => ("FAIL", AnsiColor::Red.on_default().bold()),
    };
    let width = columns.saturating_sub(INDENT);
    let text = format!("{}: {}", finding.on, finding.what);
    let mut lines = wrapped(&text, width).into_iter();
    let first = lines.next().unwrap_or_default();
    let check = finding.check;
    let mut all = vec![format!("  {style}{word:<4}{style:#}  {check:<9} {first}")];
    all.extend(lines.map(|line| format!("{:INDENT$}{line}", "")));
    if let Some(mend) = &finding.mend {
        let mut lines = wrapped(mend, width.saturating_sub("hint: ".len())).into_iter();
        let first = lines.next().unwrap_or_default();
        all.push(format!("{:INDENT$}{HINT}hint:{HINT:#} {first}", ""));
        all.extend(lines.map(|line| format!("{:INDENT$}      {line}", "")));
    }
    all
}

/// `text` in lines of at most `width`, broken between words. What tools say may hold line ends and
/// worse.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace().map(|word| word.replace(char::is_control, "?")) {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let nodes = vec![
            Finding::ok("rsync", "p1", "3.2.7"),
            Finding::fail(
                "rsync",
                "p2",
                "3.5.0 makes geo-replication create files of 0 bytes while every status is green",
                "install another version, such as 3.2.7, on p2, and then on all others",
            ),
        ];
        let libvirt = vec![Finding::unseen("libvirt", "qemu:///system", "no virsh", "install it")];
        Report {
            sections: vec![
                Section { subject: "nodes".into(), findings: nodes },
                Section { subject: "empty".into(), findings: Vec::new() },
                Section { subject: "libvirt".into(), findings: libvirt },
            ],
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_level_is_a_word_and_the_mend_stands_below() {
        assert_eq!(
            plain(&report().text(80)),
            "\
nodes
  ok    rsync     p1: 3.2.7
  FAIL  rsync     p2: 3.5.0 makes geo-replication create files of 0 bytes while
                  every status is green
                  hint: install another version, such as 3.2.7, on p2, and then
                        on all others
libvirt
  warn  libvirt   qemu:///system: could not be looked at: no virsh
                  hint: install it
1 ok, 1 warning, 1 failed
"
        );
    }

    #[test]
    fn lines_are_as_wide_as_asked_for_but_for_words_that_are_wider() {
        for columns in [20, 40, 80, 200] {
            for line in plain(&report().text(columns)).lines() {
                let last = line.trim_start().rsplit(' ').next().unwrap_or_default();
                assert!(line.width() <= columns || last.width() + INDENT + 30 > columns, "{line}");
            }
        }
    }

    #[test]
    fn a_program_gets_every_finding_and_the_counts() {
        let json: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!((&json["exit-code"], &json["fail"]), (&1.into(), &1.into()));
        let second = &json["findings"][1];
        assert_eq!(second["subject"], "nodes");
        assert_eq!((&second["check"], &second["on"]), (&"rsync".into(), &"p2".into()));
        assert_eq!(second["grade"], "fail");
        assert!(json["findings"][0]["mend"].is_null());
    }

    #[test]
    fn only_what_failed_makes_the_exit_code() {
        let mut report = report();
        assert_eq!(report.exit(), Exit::Failed);
        report.sections.remove(0);
        assert_eq!(report.exit(), Exit::Done);
    }
}
