//! A screen of text that is drawn anew in place.

use std::io::{self, Write};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

use crate::terminal::{moves_cursor, size};

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
/// From the cursor on.
const CLEAR_BELOW: &str = "\x1b[J";

/// The whole terminal, drawn anew in place. What it showed before comes back when this is dropped.
#[derive(Debug)]
pub(super) struct Screen(());

impl Screen {
    /// Takes the terminal over; `None` where there is none, or one that cannot move its cursor.
    pub(super) fn take() -> io::Result<Option<Self>> {
        if !moves_cursor(&io::stdout()) {
            return Ok(None);
        }
        say(ENTER)?;
        Ok(Some(Self(())))
    }

    /// Draws `text`, its lines no wider than the screen, cut where the screen ends.
    pub(super) fn draw(&self, text: &str) -> io::Result<()> {
        let text = match AutoStream::choice(&io::stdout()) {
            ColorChoice::Never => strip_str(text).to_string(),
            _ => text.to_owned(),
        };
        say(&picture(&text, size(io::stdout()).1))
    }
}

/// `text` from the top of a screen with so many rows, over whatever is there.
fn picture(text: &str, rows: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let hidden = lines.len().saturating_sub(rows);
    let shown = if hidden > 0 { rows.saturating_sub(1) } else { lines.len() };
    let mut shown: Vec<&str> = lines.into_iter().take(shown).collect();
    let more = format!("… and {} more lines", hidden + 1);
    if hidden > 0 {
        shown.push(&more);
    }
    // A line is cleared before it is written: after a full one the cursor is still on it. After the
    // last row a line break would scroll.
    let end = if shown.len() < rows { "\n" } else { "" };
    let below = if shown.len() < rows { CLEAR_BELOW } else { "" };
    format!("{HOME}{CLEAR_LINE}{}{end}{below}", shown.join(&format!("\n{CLEAR_LINE}")))
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = say(LEAVE);
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_never_has_more_rows_than_the_screen() {
        for (lines, rows) in [(0, 24), (1, 24), (24, 24), (25, 24), (1000, 24), (3, 1)] {
            let text = "a line\n".repeat(lines);
            let picture = picture(&text, rows);
            assert!(picture.matches('\n').count() < rows, "{lines} of {rows}");
            assert_eq!(picture.contains("more lines"), lines > rows);
        }
    }
}
