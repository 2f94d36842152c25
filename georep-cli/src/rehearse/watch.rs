//! Waits for a domain's sign of life, looking from outside.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use qcow2_snap::virsh::{DomainState, Virsh, VirshFailure};
use tool_command::Stop;

use super::sign::Sign;
use crate::error::CliError;

/// How often the domain is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// How long the agent may take to answer.
const AGENT_LIMIT: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Debug)]
pub(super) enum Seen {
    /// The sign, after this time.
    Sign(Duration),
    /// That it will not come, or has not come in time.
    Nothing(String),
}

/// Waits for `sign` of the running domain `uuid`, whose consoles write to these files.
///
/// # Errors
/// Where the domain cannot be looked at, or `stop` is due.
pub(super) fn watch(
    virsh: &Virsh,
    uuid: &str,
    consoles: &[PathBuf],
    sign: &Sign,
    limit: Duration,
    stop: &Stop,
) -> Result<Seen, CliError> {
    let began = Instant::now();
    let mut consoles: Vec<_> = consoles.iter().map(|file| Console::of(file)).collect();
    let mut was_paused = false;
    loop {
        if stop.is_due() {
            return Err(CliError::failed("interrupted"));
        }
        // Asked before the console is read: of a domain that has ended all is there then.
        let state = state(virsh, uuid)?;
        let elapsed = began.elapsed();
        let came = match sign {
            Sign::Serial(text) => consoles.iter_mut().any(|console| console.says(text)),
            Sign::Agent => state.is_some() && virsh.agent_answers(uuid, AGENT_LIMIT)?,
            Sign::Running(time) => state.is_some() && elapsed >= *time,
        };
        let is_paused = state == Some(DomainState::Paused);
        let seconds = elapsed.as_secs_f64();
        if came && !is_paused {
            return Ok(Seen::Sign(elapsed));
        }
        let nothing = match state {
            None => format!("it was reset or switched off after {seconds:.1} s"),
            // QEMU stops a domain that a disk fails.
            Some(_) if is_paused && was_paused => {
                format!(
                    "it stopped after {seconds:.1} s, as where a disk cannot be read or written"
                )
            }
            Some(_) if elapsed >= limit => format!("no sign of life ({sign}) in {seconds:.0} s"),
            Some(_) => {
                was_paused = is_paused;
                thread::sleep(EVERY);
                continue;
            }
        };
        let last = consoles.iter().find_map(Console::last_line);
        let last = last.map(|line| format!("; its console ends with {line:?}"));
        return Ok(Seen::Nothing(nothing + &last.unwrap_or_default()));
    }
}

/// What it is doing; `None` where it is there no more.
fn state(virsh: &Virsh, uuid: &str) -> Result<Option<DomainState>, CliError> {
    match virsh.state(uuid) {
        Ok(DomainState::ShutOff) => Ok(None),
        Ok(state) => Ok(Some(state)),
        Err(error) if error.virsh_failure() == Some(VirshFailure::NoSuchDomain) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A file that a console writes to, read as it grows.
#[derive(Debug)]
struct Console<'a> {
    file: &'a Path,
    read: u64,
    /// The end of what was read: a text may stand across two reads.
    tail: Vec<u8>,
}

/// What is read at once.
const CHUNK: u64 = 64 * 1024;

impl<'a> Console<'a> {
    fn of(file: &'a Path) -> Self {
        Self { file, read: 0, tail: Vec::new() }
    }

    /// Whether `text` stands in what was not read yet, or across its beginning. A file that is
    /// not there says nothing.
    fn says(&mut self, text: &str) -> bool {
        self.read_on(text.as_bytes()).unwrap_or(false)
    }

    fn read_on(&mut self, text: &[u8]) -> io::Result<bool> {
        let mut file = File::open(self.file)?;
        // virtlogd begins anew where a file has become large.
        if file.metadata()?.len() < self.read {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read))?;
        loop {
            let read = Read::by_ref(&mut file).take(CHUNK).read_to_end(&mut self.tail)?;
            self.read += read as u64;
            if self.tail.windows(text.len()).any(|part| part == text) {
                return Ok(true);
            }
            let keep = self.tail.len().min(text.len().saturating_sub(1));
            self.tail.drain(..self.tail.len() - keep);
            if read == 0 {
                return Ok(false);
            }
        }
    }

    /// The last line that is not empty, as far as it is text.
    fn last_line(&self) -> Option<String> {
        let mut file = File::open(self.file).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(1024))).ok()?;
        let mut end = Vec::new();
        file.take(1024).read_to_end(&mut end).ok()?;
        let text = String::from_utf8_lossy(&end).into_owned();
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.chars().take(100).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_text_is_found_however_it_arrives() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        let mut console = Console::of(&path);
        assert!(!console.says("login:"));
        file.write_all(&[b'x'; 200_000]).unwrap();
        assert!(!console.says("login:"));
        file.write_all(b"\nweb log").unwrap();
        assert!(!console.says("login:"));
        file.write_all(b"in: \r\n\r\n").unwrap();
        assert!(console.says("login:"));
        assert_eq!(console.last_line().unwrap(), "web login:");
    }

    #[test]
    fn a_console_that_begins_anew_is_read_anew_and_one_that_is_not_there_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("console");
        let mut console = Console::of(&path);
        assert!(!console.says("ready") && console.last_line().is_none());
        std::fs::write(&path, "a long first part").unwrap();
        assert!(!console.says("ready"));
        std::fs::write(&path, "ready").unwrap();
        assert!(console.says("ready"));
    }

    /// A virsh that answers `domstate` with this, and finds no agent.
    fn virsh(directory: &Path, domstate: &str) -> Virsh {
        let script = format!(
            "case $1 in domstate) {domstate} ;;
             *) echo 'error: Guest agent is not responding: QEMU guest agent is not connected' >&2
                exit 1 ;; esac"
        );
        Virsh::new(tool_command::script(&directory.join("virsh"), &script), None)
    }

    fn seen(domstate: &str, sign: &Sign, console: &str, limit: u64) -> String {
        let directory = tempfile::tempdir().unwrap();
        let virsh = virsh(directory.path(), domstate);
        let file = directory.path().join("console");
        std::fs::write(&file, console).unwrap();
        let limit = Duration::from_secs(limit);
        match watch(&virsh, "u", &[file], sign, limit, &Stop::default()) {
            Ok(Seen::Sign(_)) => "came up".to_owned(),
            Ok(Seen::Nothing(reason)) => reason,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_sign_counts_when_it_is_there_and_what_is_wrong_is_told() {
        let gone = "echo \"error: failed to get domain 'u'\" >&2; exit 1";
        let serial = Sign::Serial("ACK".to_owned());
        let short = Sign::Running(Duration::from_millis(10));
        for (domstate, sign, console, expected) in [
            ("echo running", &serial, "ACK 1", "came up"),
            (gone, &serial, "ACK 1", "came up"),
            (gone, &serial, "no disk", "reset or switched off"),
            ("echo running", &serial, "no disk\n", "ends with \"no disk\""),
            ("echo running", &Sign::Agent, "", "no sign of life (agent)"),
            ("echo paused", &short, "", "a disk cannot be read"),
            (gone, &short, "", "reset or switched off"),
            ("echo running", &short, "", "came up"),
            ("echo 'error: no' >&2; exit 1", &short, "", "error: no"),
        ] {
            let seen = seen(domstate, sign, console, 1);
            assert!(seen.contains(expected), "{domstate}, {sign}: {seen}");
        }
    }
}
