//! `qemu-img`: the real one, but for the locks of a QEMU that is not there.

use std::path::Path;
use std::process::{Command, Stdio};

use georep_tests::simulated::State;
use georep_tests::simulated::vms::QEMU_IMG;

use crate::answer::{Answer, fails};

/// What `qemu-img` answers.
pub fn answer(state: &State, args: &[String]) -> Answer {
    let shares = args.iter().any(|arg| arg == "-U" || arg == "--force-share");
    let in_use = args.iter().find(|arg| {
        let file = arg.rsplit_once("file.filename=").map_or(arg.as_str(), |(_, file)| file);
        state.domains.iter().any(|domain| domain.has_open(Path::new(file)))
    });
    if let Some(image) = in_use.filter(|_| !shares) {
        return fails(&format!(
            "qemu-img: Could not open '{image}': Failed to get \"write\" lock\n\
             Is another process using the image [{image}]?"
        ));
    }
    let output = Command::new(QEMU_IMG).args(args).stdin(Stdio::null()).output();
    let output = output.expect("qemu-utils are installed");
    Answer {
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        // Killed by a signal, it has no status.
        exit: output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255),
        hangs: false,
    }
}
