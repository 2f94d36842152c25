//! What a program wrote and how it ended, and what a test says of it.

use std::process::Output;

/// Everything a program wrote.
pub fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// How it has to have ended.
///
/// # Panics
/// Where it did not.
#[track_caller]
pub fn assert_exit(output: &Output, exit: i32) {
    assert_eq!(output.status.code(), Some(exit), "{}", text(output));
}

/// What it has to have written.
///
/// # Panics
/// Where one of the words is missing.
#[track_caller]
pub fn assert_says(output: &Output, words: &[&str]) {
    let text = text(output);
    for word in words {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
}
