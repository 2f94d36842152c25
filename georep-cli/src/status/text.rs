//! Sessions for people: a headline, a table and a summary each.

use std::collections::BTreeMap;

use anstyle::Style;
use gluster_georep::{Roster, SessionState};
use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::age::ago;
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

/// `text` in at most `columns`, its middle left out where it is wider.
pub(super) fn shortened(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let around = columns - 1;
    let head = taken(text.chars(), around / 2);
    let tail = taken(text.chars().rev(), around - around / 2);
    let tail: String = tail.chars().rev().collect();
    format!("{head}…{tail}")
}

fn taken(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    let mut fits = |c: &char| {
        let rest = left.checked_sub(c.width().unwrap_or(0));
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    chars.take_while(|c| fits(c)).collect()
}

/// `text` in lines of at most `columns`.
pub(super) fn wrapped(text: &str, columns: Option<usize>) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut used = 0;
        let too_wide = |(_, c): &(usize, char)| {
            used += c.width().unwrap_or(0);
            columns.is_some_and(|columns| used > columns)
        };
        let first = rest.chars().next()?.len_utf8();
        let end = rest.char_indices().find(too_wide).map_or(rest.len(), |(index, _)| index);
        let line;
        (line, rest) = rest.split_at(end.max(first));
        Some(line)
    })
}

/// A name with a control character in it must not move the cursor.
pub(super) fn printable(text: &str) -> String {
    text.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests;
