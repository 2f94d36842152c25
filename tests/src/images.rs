//! Tests on images that the real qemu-img makes.

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};

use crate::testbed::NOTHING_SKIPPED;

/// Most of the time a run on a simulated cluster waits.
const AT_ONCE: usize = 8;

/// Runs tests that need qemu-img. Without it they are shown as ignored, with a line on top that says
/// so; where nothing may be skipped, as in CI, that is a failure.
pub fn run_all(of: &str, tests: &'static [(&str, fn())]) -> ExitCode {
    let missing = Command::new("qemu-img").arg("--version").output().is_err();
    if missing {
        eprintln!("SKIPPED: {} tests of {of}: there is no qemu-img", tests.len());
        if std::env::var_os(NOTHING_SKIPPED).is_some() {
            return ExitCode::FAILURE;
        }
    }
    let trial = |&(name, test): &'static (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
        .with_ignored_flag(missing)
    };
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    libtest_mimic::run(&arguments, tests.iter().map(trial).collect()).exit_code()
}
