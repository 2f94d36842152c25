//! `georep schedule` and the script it replaces, side by side on the same simulated cluster: exit
//! codes, lines on stderr, and the order of the commands that change something.
//!
//! Where the script is right both do the same. Where it is not, the scenario says what each does,
//! and `docs/differences-from-schedule_georep.md` says why.

mod arguments;
mod differences;
mod failures;
mod original;
mod scenario;
mod side;
mod signals;
mod states;
mod versions;

use std::process::ExitCode;
use std::sync::Arc;
use std::{env, thread};

use libtest_mimic::{Arguments, Failed, Trial};

use self::original::Original;
use self::scenario::{Expected, Scenario};

/// Where this is set, as in CI, a test that would be skipped is a failure.
const NOTHING_SKIPPED: &str = "GEOREP_TEST_NOTHING_SKIPPED";

/// The runs mostly wait.
const AT_ONCE: usize = 12;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let scenarios: Vec<Scenario> = [
        states::scenarios(),
        versions::scenarios(),
        failures::scenarios(),
        arguments::scenarios(),
        signals::scenarios(),
    ]
    .concat();
    let original = Original::find(directory.path()).map(Arc::new);
    if original.is_none() {
        eprintln!(
            "SKIPPED: {} comparisons with schedule_georep.py, as there is none.",
            scenarios.len()
        );
        eprintln!(
            "SKIPPED: name it in GEOREP_SCRIPT, or run this where apt-get has glusterfs-common."
        );
        if env::var_os(NOTHING_SKIPPED).is_some() {
            eprintln!("{NOTHING_SKIPPED} is set: this is a failure.");
            return ExitCode::FAILURE;
        }
    }
    let differences = differences::trial(&scenarios);
    let trials = scenarios.into_iter().map(|scenario| trial(scenario, original.clone()));
    let trials = std::iter::once(differences).chain(trials).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(scenario: Scenario, original: Option<Arc<Original>>) -> Trial {
    let ignored = original.is_none();
    Trial::test(scenario.name.clone(), move || original.map_or(Ok(()), |o| compare(&scenario, &o)))
        .with_ignored_flag(ignored)
}

fn compare(scenario: &Scenario, original: &Original) -> Result<(), Failed> {
    let (georep, script) = thread::scope(|scope| {
        let script = scope.spawn(|| side::script(scenario, original));
        (side::georep(scenario, original), script.join().expect("a run of the script"))
    });
    let (of_script, of_georep) = match &scenario.expected {
        Expected::Same(both) => (both, both),
        Expected::Differs { script, georep, .. } => (script, georep),
    };
    let wrong = [("script", of_script, &script), ("georep", of_georep, &georep)]
        .into_iter()
        .filter(|(_, expected, found)| expected != found)
        .map(|(side, expected, found)| {
            format!("--- {side}, expected\n{expected}--- {side}, found\n{found}")
        });
    let wrong: String = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
}
