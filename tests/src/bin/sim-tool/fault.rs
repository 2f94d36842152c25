//! The call that the world's plan lets go wrong.

use std::fs;
use std::os::unix::process::parent_id;
use std::thread;
use std::time::Duration;

use georep_tests::simulated::fault::{CallId, Kind, PlannedFault};
use georep_tests::simulated::read;
use georep_tests::simulated::vms::{BEFELL, FAULT};
use rustix::process::{Pid, Signal, kill_process};

use crate::answer::Answer;
use crate::{Call, add_line, hang, world};

/// How long after the death of `georep` an orphan does what it was asked.
const ORPHAN_TAKES: Duration = Duration::from_millis(300);

/// What becomes of the call, where the plan has something in store for it.
pub fn befall(call: &Call, id: &CallId) -> Option<Answer> {
    let planned: PlannedFault = read(&world().join(FAULT)).ok()?;
    if planned.call != *id {
        return None;
    }
    // For whoever wants to know that it came to pass.
    add_line(&world().join(BEFELL), &planned.kind.to_string());
    Some(match planned.kind {
        Kind::FailsBefore => failure(call),
        Kind::FailsAfter => {
            call.perform();
            failure(call)
        }
        Kind::KilledBefore => {
            kill_georep();
            Answer::default()
        }
        Kind::KilledAfter => {
            let answer = call.perform();
            kill_georep();
            answer
        }
        Kind::Orphaned => {
            kill_georep();
            thread::sleep(ORPHAN_TAKES);
            call.perform()
        }
        Kind::HangsBefore => hang(),
        Kind::HangsAfter => {
            call.perform();
            hang()
        }
        Kind::Garbage => garbage(call.perform()),
    })
}

/// Kills the process that called this program, if that is `georep`: where it is dead already, the
/// parent is another one.
fn kill_georep() {
    let parent = parent_id();
    let name = fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
    let pid = i32::try_from(parent).ok().and_then(Pid::from_raw);
    match pid {
        Some(pid) if name.trim_end() == "georep" => {
            kill_process(pid, Signal::KILL).expect("a process that may be killed");
        }
        _ => {}
    }
}

/// A failure of the kind that is not worth another try, as the program tells it.
fn failure(call: &Call) -> Answer {
    let last = call.args.last().map_or("", String::as_str);
    let (stderr, exit) = match call.program.as_str() {
        "gluster" => (
            "Commit failed on localhost. Please check log file for details.\n\
             geo-replication command failed\n"
                .to_owned(),
            1,
        ),
        "mount" => ("Mounting glusterfs failed. Please check the log file.\n".to_owned(), 1),
        "umount" => (format!("umount: {last}: target is busy.\n"), 32),
        "findmnt" => (String::new(), 1),
        "qemu-img" => (format!("qemu-img: Could not open '{last}': Input/output error\n"), 1),
        _ => (
            "error: internal error: unable to execute QEMU command: Input/output error\n"
                .to_owned(),
            1,
        ),
    };
    Answer { stderr, exit, ..Answer::default() }
}

/// The first half of what it said, and then no text at all.
fn garbage(mut answer: Answer) -> Answer {
    answer.stdout.truncate(answer.stdout.len() / 2);
    answer.stdout.extend_from_slice(b"\xff\x00\x1b[2J<\xc3\x28{7 ]]>\n");
    answer
}
