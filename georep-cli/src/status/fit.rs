//! Text that fits where it is to go.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn wrapped_lines_hold_all_the_text(text in ".{0,200}", columns in 2_usize..80) {
            let text = printable(&text);
            let lines: Vec<&str> = wrapped(&text, Some(columns)).collect();
            prop_assert_eq!(lines.concat(), text.as_str());
            prop_assert!(lines.iter().all(|line| line.width() <= columns));
        }
    }
}
