//! Sessions for people: a headline, a table and a summary each.

use std::collections::BTreeMap;

use anstyle::Style;
use gluster_georep::{Roster, SessionState};
use jiff::Timestamp;

use super::age::ago;
use super::fit::{printable, shortened};
use super::state::{self, State};
use super::{Overview, table};
use crate::runs::ProvenCopy;

const HEADLINE: Style = Style::new().bold();

/// The sessions, styled, with the workers that are in one of `states`, or all where none is named.
/// Sessions without such a worker are left out.
pub(super) fn lines(
    overviews: &[Overview],
    states: &[State],
    now: Timestamp,
    columns: Option<usize>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for overview in overviews {
        let places = overview.roster.places.iter();
        let places: Vec<_> = places.filter(|place| is_wanted(State::of(place), states)).collect();
        if places.is_empty() && !states.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let fitting = |text: &str| match columns {
            Some(columns) => shortened(&printable(text), columns),
            None => printable(text),
        };
        lines.push(format!("{HEADLINE}{}{HEADLINE:#}", fitting(&headline(overview))));
        lines.extend(table::lines(&places, now, columns));
        lines.extend(summary(&overview.roster).iter().map(|line| fitting(line)));
        lines.extend(overview.proven.as_ref().map(|copy| fitting(&proven(copy, now))));
    }
    if lines.is_empty() {
        lines.push("no worker is in that state".to_owned());
    }
    lines
}

pub(super) fn is_wanted(state: State, states: &[State]) -> bool {
    states.is_empty() || states.contains(&state)
}

fn headline(Overview { session, .. }: &Overview) -> String {
    let state = SessionState::of(session);
    format!("{} → {}: {state}", session.primary, session.secondary)
}

/// The newest proven copy.
fn proven(copy: &ProvenCopy, now: Timestamp) -> String {
    let ProvenCopy { run, of, level, overwritten_by } = copy;
    let overwritten = overwritten_by.as_ref().map(|later| format!(", overwritten by {later}"));
    let overwritten = overwritten.unwrap_or_default();
    format!("proven copy ({level}): {run}, {}{overwritten}", ago(*of, now))
}

/// How many workers do what, and how far the checkpoint is.
fn summary(roster: &Roster) -> Vec<String> {
    let mut counts: BTreeMap<(State, String), usize> = BTreeMap::new();
    for place in &roster.places {
        *counts.entry((State::of(place), state::name(place))).or_default() += 1;
    }
    let counts = counts.iter().map(|((_, name), count)| format!("{count} {name}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let bricks = plural(roster.places.len(), "brick");
    let sets = plural(roster.sets, "set");
    let mut lines = vec![format!("{bricks} in {sets}: {counts}")];
    if let Some(checkpoint) = &roster.checkpoint {
        let reached = checkpoint.reached;
        lines.push(format!("checkpoint of {}: reached by {reached} of {sets}", checkpoint.time));
    }
    lines
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
