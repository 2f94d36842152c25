//! What a program says, and how it ends.

use std::io::{self, Write as _};
use std::process::ExitCode;

use georep_tests::simulated::Fault;

use crate::hang;

/// What a program says, and how it ends.
#[derive(Default)]
pub struct Answer {
    /// On standard output.
    pub stdout: Vec<u8>,
    /// On standard error.
    pub stderr: String,
    /// Its exit status.
    pub exit: u8,
    /// Whether it never ends, and says nothing.
    pub hangs: bool,
}

impl Answer {
    /// Says it, and ends so.
    pub fn give(self) -> ExitCode {
        if self.hangs {
            hang();
        }
        // Where nobody reads it any more, nobody misses it.
        let _ = io::stdout().write_all(&self.stdout);
        let _ = io::stderr().write_all(self.stderr.as_bytes());
        ExitCode::from(self.exit)
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self {
            stdout: fault.stdout.into_bytes(),
            stderr: fault.stderr,
            exit: u8::try_from(fault.exit).expect("an exit status"),
            hangs: fault.hangs,
        }
    }
}

/// All is well.
pub fn stdout(text: impl Into<String>) -> Answer {
    Answer { stdout: text.into().into_bytes(), ..Answer::default() }
}

/// It failed, for this reason.
pub fn fails(stderr: &str) -> Answer {
    Answer { stderr: format!("{stderr}\n"), exit: 1, ..Answer::default() }
}
