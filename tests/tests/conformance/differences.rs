//! The list of differences for people says what the scenarios show, no more and no less.

use std::collections::BTreeSet;

use libtest_mimic::{Failed, Trial};

use crate::scenario::{Expected, Scenario};

const LIST: &str = include_str!("../../../docs/differences-from-schedule_georep.md");

/// Compares the names of the sections with those that scenarios use.
pub fn trial(scenarios: &[Scenario]) -> Trial {
    let shown: BTreeSet<_> = scenarios.iter().flat_map(names).collect();
    let headings = LIST.lines().filter_map(|line| line.strip_prefix("### "));
    let listed: BTreeSet<_> = headings
        .map(|line| line.split_once(": ").map_or("without a title", |(id, _)| id))
        .collect();
    Trial::test("each difference is listed, and each that is listed is shown", move || {
        let not_listed: Vec<_> = shown.difference(&listed).collect();
        let not_shown: Vec<_> = listed.difference(&shown).collect();
        if not_listed.is_empty() && not_shown.is_empty() {
            return Ok(());
        }
        Err(Failed::from(format!("not listed: {not_listed:?}; not shown: {not_shown:?}")))
    })
}

fn names(scenario: &Scenario) -> Vec<&'static str> {
    match scenario.expected {
        Expected::Same(_) => Vec::new(),
        Expected::Differs { ids, .. } => ids.to_vec(),
    }
}
