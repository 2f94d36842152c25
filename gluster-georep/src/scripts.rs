//! For tests: small programs that stand in for gluster and mount.

use std::path::Path;

use tool_command::Tool;

/// Makes an executable shell script.
///
/// Another process writes it: were it this one, a child that another test starts meanwhile could
/// hold the file open for writing, and it could not be executed ("Text file busy").
pub(crate) fn script(file: &Path, text: &str) -> Tool {
    let write = r##"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""##;
    let command = Tool::at("/bin/sh").command(["-c", write, "sh", text]);
    command.arg(file).run().unwrap();
    Tool::at(file)
}
