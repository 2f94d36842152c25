//! One simulated program of [`georep_tests::simulated`]; which one, its name says.

mod answer;
mod fault;
mod files;
mod gluster;
mod mount;
mod nodes;
mod qemu_img;
mod virsh;

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{thread, time::Duration};

use georep_tests::simulated::fault::{CallId, usual};
use georep_tests::simulated::vms::CALL_IDS;
use georep_tests::simulated::{CALLS, Fault, Scenario, State, lines, read};

use crate::answer::{Answer, fails};

/// Longer than any caller waits.
const FOR_EVER: Duration = Duration::from_secs(3600);

fn main() -> ExitCode {
    let call = Call::of_this_process();
    let id = call.note();
    fault::befall(&call, &id).unwrap_or_else(|| call.perform()).give()
}

/// How this program was called.
struct Call {
    program: String,
    args: Vec<String>,
}

impl Call {
    fn of_this_process() -> Self {
        let mut args = env::args();
        let program = args.next().expect("argv[0]");
        let program = Path::new(&program).file_name().expect("a name").to_string_lossy();
        Self { program: program.into_owned(), args: args.collect() }
    }

    fn line(&self) -> String {
        format!("{} {}", self.program, self.args.join(" "))
    }

    /// Writes down that it was called, and returns which call it is.
    fn note(&self) -> CallId {
        let _lock = lock();
        let line = usual(&self.line(), &world());
        let ids = world().join(CALL_IDS);
        let before = lines(&ids).expect("a readable world");
        let occurrence = 1 + before.iter().filter(|other| **other == line).count();
        add_line(&ids, &line);
        add_line(&world().join(CALLS), &self.line());
        CallId { line, occurrence }
    }

    /// Does what is asked for, and returns what there is to say.
    fn perform(&self) -> Answer {
        let _lock = lock();
        let directory = world();
        let scenario: Scenario = read(&directory.join("scenario.json")).expect("the scenario");
        let mut state = State::of(&directory).expect("the state");
        if let Some(fault) = self.fault(&scenario, &state) {
            return gluster::refused(&fault, &self.args).unwrap_or_else(|| fault.into());
        }
        let answer = self.answer(&scenario, &mut state);
        let text = serde_json::to_vec(&state).expect("plain data");
        // A signal may end this at any moment.
        fs::write(directory.join("state.new"), text).expect("a writable world");
        fs::rename(directory.join("state.new"), directory.join("state.json")).expect("a world");
        answer
    }

    /// The fault of the scenario that this call meets.
    fn fault(&self, scenario: &Scenario, state: &State) -> Option<Fault> {
        let line = self.line();
        let meets = |fault: &&Fault| {
            let calls = state.calls.iter().filter(|call| call.contains(&fault.call)).count();
            // This one is among them.
            line.contains(&fault.call)
                && (fault.after + 1..=fault.after + fault.times).contains(&calls)
        };
        scenario.faults.iter().find(meets).cloned()
    }

    fn answer(&self, scenario: &Scenario, state: &mut State) -> Answer {
        let args = self.args.as_slice();
        let answer = match self.program.as_str() {
            "gluster" => gluster::answer(scenario, state, args),
            "virsh" => virsh::answer(state, args),
            "qemu-img" => Some(qemu_img::answer(state, args)),
            "ssh" | "rsync" => nodes::answer(&self.program, args),
            program => mount::answer(state, program, args),
        };
        answer.unwrap_or_else(|| fails(&format!("the simulator does not know `{}`", self.line())))
    }
}

fn world() -> PathBuf {
    PathBuf::from(env::var_os("SIM_DIR").expect("SIM_DIR names the world"))
}

/// One program at a time looks at the world or changes it.
fn lock() -> File {
    let lock = File::create(world().join("lock")).expect("a writable world");
    lock.lock().expect("a lock");
    lock
}

fn add_line(path: &Path, line: &str) {
    let mut file =
        OpenOptions::new().create(true).append(true).open(path).expect("a writable world");
    writeln!(file, "{line}").expect("a writable world");
}

fn hang() -> ! {
    loop {
        thread::sleep(FOR_EVER);
    }
}
