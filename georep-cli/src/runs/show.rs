//! One run for people: what came of it, how long it took, and a picture.

use anstyle::Style;
use jiff::Timestamp;

use super::document::{Document, seconds};
use super::fate::Fate;
use super::list::{result, style};
use super::timeline;
use crate::args::Level;
use crate::journal::{Copied, Journal};
use crate::say::{bytes, count, duration};

const HEADLINE: Style = Style::new().bold();
/// How many files that differ are named.
const NAMED: usize = 10;
/// A picture fits where anything is read.
const WIDTH: usize = 80;

/// The lines about `journal`.
pub(super) fn lines(journal: &Journal) -> Vec<String> {
    let Journal { run, method, primary, secondary, .. } = journal;
    let headline = format!("{run}: {method} backup of {primary} → {secondary}");
    let mut lines = vec![format!("{HEADLINE}{headline}{HEADLINE:#}")];
    let mut fact = |name: &str, text: &str| lines.push(format!("  {name:<9} {text}"));
    let (fate, shown) = (Fate::of(journal), result(journal));
    let style = style(fate);
    let meaning = Document::of(journal).meaning().map(|meaning| format!(": {meaning}"));
    fact("result", &format!("{style}{shown}{style:#}{}", meaning.unwrap_or_default()));
    if let Some(error) = journal.ended.as_ref().and_then(|ended| ended.error.as_ref()) {
        fact("error", error);
    }
    for left in &journal.left_behind {
        fact("left", left);
    }
    fact("began", &began(journal));
    fact("pool", &journal.pool.display().to_string());
    if let Some(copied) = &journal.copied {
        fact(
            "copied",
            &format!("{}, {} in use", count(copied.images, "image"), bytes(copied.allocated)),
        );
        fact("compared", &compared(journal.verify, copied));
        for mismatch in copied.mismatches.iter().take(NAMED) {
            fact("differs", &mismatch.to_string());
        }
    }
    for domain in &journal.domains {
        fact("domain", &timeline::domain_line(domain));
    }
    if fate.needs_recovery() {
        fact("to do", "georep recover");
    }
    let picture = timeline::lines(journal, WIDTH);
    if !picture.is_empty() {
        lines.push(String::new());
        lines.extend(picture);
    }
    lines
}

fn began(journal: &Journal) -> String {
    let began: Timestamp = journal.began;
    let began = began.strftime("%Y-%m-%d %H:%M:%S UTC");
    match &journal.ended {
        Some(ended) => format!("{began}, took {}", duration(seconds(journal.began, ended.at))),
        None => began.to_string(),
    }
}

fn compared(level: Level, copied: &Copied) -> String {
    match copied.compared {
        Some(_) if !copied.is_as_recorded() => {
            format!("{level}: {}", count(copied.mismatches.len(), "difference"))
        }
        Some(read) => format!("{level}: as recorded, {} read on the secondary", bytes(read)),
        None => "no".to_owned(),
    }
}
