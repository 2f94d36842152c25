//! For tests: small programs that stand in for the real ones.

use std::path::Path;

use crate::Tool;

/// Makes an executable shell script.
///
/// Another process writes it: were it this one, a child that another test starts meanwhile could
/// hold the file open for writing, and it could not be executed ("Text file busy").
///
/// # Panics
/// If it cannot be written.
#[must_use]
#[expect(clippy::expect_used, reason = "only tests call it")]
pub fn script(file: &Path, text: &str) -> Tool {
    let write = r##"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""##;
    let command = Tool::at("/bin/sh").command(["-c", write, "sh", text]);
    command.arg(file).run().expect("a directory to write in");
    Tool::at(file)
}
