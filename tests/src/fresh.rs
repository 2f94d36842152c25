//! A fresh Debian 12, as its installer leaves it, that is gone with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ExitCode, Output, Stdio};

use crate::output::text;
use crate::testbed::{run_where, script};

/// Runs tests that need a fresh Debian, one after the other, as apt has one cache for all. Where
/// its root was not made yet they are shown as ignored, with a line on top that says so.
pub fn run_all(tests: &'static [(&str, fn())]) -> ExitCode {
    let is_built = script("fresh", &["is-built"]).output().is_ok_and(|o| o.status.success());
    run_where("on a fresh Debian, which was not built", is_built, tests)
}

/// A fresh Debian.
#[derive(Debug)]
pub struct Fresh {
    holder: Child,
    pid: String,
}

impl Fresh {
    /// Starts one, with apt's lists of today.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start() -> Self {
        let mut command = script("fresh", &["start"]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut holder = spawned.expect("testbed/fresh can be run");
        let mut pid = String::new();
        let stdout = holder.stdout.as_mut().expect("its stdout is a pipe");
        BufReader::new(stdout).read_line(&mut pid).expect("it says its PID");
        let pid = pid.trim().to_owned();
        assert!(!pid.is_empty(), "a fresh Debian did not start");
        let fresh = Self { holder, pid };
        fresh.shell("apt-get update --quiet");
        fresh
    }

    /// Runs a line of shell and returns all about it.
    pub fn output(&self, line: &str) -> Output {
        script("fresh", &["on", &self.pid, "sh", "-ec", line]).output().expect("testbed/fresh")
    }

    /// Runs a line of shell and returns what it printed.
    ///
    /// # Panics
    /// Where it fails.
    #[track_caller]
    pub fn shell(&self, line: &str) -> String {
        let output = self.output(line);
        assert!(output.status.success(), "{line}: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Copies a file into it.
    ///
    /// # Panics
    /// Where that fails.
    #[track_caller]
    pub fn put(&self, source: &Path, destination: &str) {
        let source = source.to_str().expect("a path in UTF-8");
        let output = script("fresh", &["put", &self.pid, source, destination]).output();
        let output = output.expect("testbed/fresh");
        assert!(output.status.success(), "{source}: {}", text(&output));
    }
}

/// Its first process lasts as long as its stdin.
impl Drop for Fresh {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
