//! The terminal behind stdout or stderr, if there is one.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use rustix::termios::{Winsize, tcgetwinsize};

/// Columns and rows of one that does not know its size.
pub(crate) const USUAL: (usize, usize) = (80, 24);

/// Whether `stream` is one on which what was written can be changed in place.
pub(crate) fn moves_cursor(stream: &impl IsTerminal) -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    !is_dumb && stream.is_terminal()
}

/// Its columns and rows.
pub(crate) fn size(stream: impl AsFd) -> (usize, usize) {
    match tcgetwinsize(stream) {
        Ok(Winsize { ws_col: columns @ 1.., ws_row: rows @ 1.., .. }) => {
            (columns.into(), rows.into())
        }
        _ => USUAL,
    }
}

/// How wide the lines on stdout may be; nothing where it is no terminal.
pub(crate) fn columns() -> Option<usize> {
    let stdout = io::stdout();
    stdout.is_terminal().then(|| size(stdout).0)
}
