//! A simulated primary cluster: stateful programs called `gluster`, `mount` and so on, that play a
//! [`Scenario`].
//!
//! It is for faults and speed. Whether the real programs behave like this, the testbed tells.

pub mod fault;
pub mod libvirt;
pub mod vms;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::{fs, io};

use self::libvirt::Domain;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::program;

/// What the cluster is, and what it will answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scenario {
    /// The bricks of volume `gv1`, as `host:/path`; neighbours are replica sets.
    pub bricks: Vec<String>,
    /// Bricks a replica set.
    pub replica: usize,
    /// The host of the secondary, with the user of the session where that is not root.
    pub secondary: String,
    /// Whether gluster says primary/secondary (≥ 10) or master/slave.
    pub old_words: bool,
    /// Whether the bricks are listed as the tiers of a tiered volume (3.7 to 6).
    pub tiered: bool,
    /// Whether the session runs before anything is called.
    pub runs_before: bool,
    /// Volume options that are set before anything is called.
    pub options: BTreeMap<String, String>,
    /// What the status calls answer while the session runs, one after the other; the last for ever.
    pub polls: Vec<Vec<Row>>,
    /// Whether the workers say that their bricks closed their changelogs a moment ago; else what
    /// they have synced last is the checkpoint.
    pub turns_are_known: bool,
    /// Whether a session at its checkpoint has copied nothing, as with rsync 3.5.0.
    pub copies_nothing: bool,
    /// Calls that go wrong.
    pub faults: Vec<Fault>,
}

/// One worker in a status answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Index of its brick.
    pub brick: usize,
    /// Gluster's word for its state.
    pub status: String,
    /// `Yes`, `No` or `N/A`.
    pub completed: String,
    /// Seconds from the checkpoint that was set to the one it speaks of; 0 is this one.
    pub checkpoint_age: i64,
    /// Files it could not sync.
    pub failures: u64,
}

/// A call that goes wrong: it prints this and has no effect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// Words that the call's line contains, such as `status --xml`.
    pub call: String,
    /// How many calls with these words go well before.
    pub after: usize,
    /// How many go wrong then.
    pub times: usize,
    /// What it prints.
    pub stdout: String,
    /// What it prints on stderr.
    pub stderr: String,
    /// How it exits.
    pub exit: i32,
    /// Whether a call with `--xml` prints `stderr` as XML instead, and exits with 0.
    pub refuses: bool,
    /// Whether it never returns.
    pub hangs: bool,
}

/// What the simulated programs remember between two calls.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// The checkpoint, in seconds since 1970.
    pub checkpoint: Option<i64>,
    /// Whether the session runs.
    pub running: bool,
    /// Status calls answered while it ran.
    pub polls: usize,
    /// Directories that are mounted, each with its volume.
    pub mounted: Vec<(PathBuf, String)>,
    /// Every call, in order; kept in a file of its own, to which each call adds a line.
    #[serde(skip)]
    pub calls: Vec<String>,
    /// Volume options that were set.
    pub options: BTreeMap<String, String>,
    /// The domains of this node's libvirt.
    pub domains: Vec<Domain>,
}

impl State {
    /// The state of the world in `directory`, where it is whole just now.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(directory: &Path) -> io::Result<Self> {
        let calls = lines(&directory.join(CALLS))?;
        Ok(Self { calls, ..read(&directory.join("state.json"))? })
    }
}

/// The file in a world that lists the calls.
pub const CALLS: &str = "calls";

/// The lines of the file at `path`; none where it is not there.
///
/// # Errors
/// Where it cannot be read.
pub fn lines(path: &Path) -> io::Result<Vec<String>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        text => Ok(text?.lines().map(str::to_owned).collect()),
    }
}

impl Row {
    /// A worker that is active and has reached this run's checkpoint.
    pub fn reached(brick: usize) -> Self {
        Self::new(brick, "Active", "Yes")
    }

    /// A passive worker.
    pub fn passive(brick: usize) -> Self {
        Self::new(brick, "Passive", "N/A")
    }

    /// A worker of any state.
    pub fn new(brick: usize, status: &str, completed: &str) -> Self {
        let (status, completed) = (status.to_owned(), completed.to_owned());
        Self { brick, status, completed, checkpoint_age: 0, failures: 0 }
    }
}

impl Fault {
    /// The next `times` calls whose line contains `call` exit with `exit` after printing `stderr`.
    pub fn failing(call: &str, times: usize, stderr: &str, exit: i32) -> Self {
        Self {
            call: call.to_owned(),
            after: 0,
            times,
            stdout: String::new(),
            stderr: stderr.to_owned(),
            exit,
            refuses: false,
            hangs: false,
        }
    }

    /// The next `times` calls whose line contains `call` are refused with `reason`.
    pub fn refusing(call: &str, times: usize, reason: &str) -> Self {
        Self { refuses: true, ..Self::failing(call, times, &format!("{reason}\n"), 1) }
    }

    /// The next call whose line contains `call` never returns.
    pub fn hanging(call: &str) -> Self {
        Self { hangs: true, ..Self::failing(call, 1, "", 1) }
    }
}

impl Scenario {
    /// A healthy 2×2 volume: two replica sets, the first brick of each active. The bricks close
    /// their changelogs every second, so that runs are short.
    pub fn healthy() -> Self {
        Self {
            bricks: ["p1:/b/1", "p2:/b/2", "p1:/b/3", "p2:/b/4"].map(str::to_owned).to_vec(),
            replica: 2,
            secondary: "dr".to_owned(),
            old_words: false,
            tiered: false,
            runs_before: true,
            options: [("changelog.rollover-time".to_owned(), "1".to_owned())].into(),
            polls: vec![vec![Row::reached(0), Row::passive(1), Row::reached(2), Row::passive(3)]],
            turns_are_known: false,
            copies_nothing: false,
            faults: Vec::new(),
        }
    }
}

/// The names by which the simulator is called.
const PROGRAMS: [&str; 7] =
    ["gluster", "glusterfs", "mount", "umount", "findmnt", "mountpoint", "touch"];

/// The directories that are volumes.
const VOLUMES: [&str; 2] = ["gv1", "gv2"];

/// A simulated world on disk; gone when dropped.
#[derive(Debug)]
pub struct World {
    directory: TempDir,
}

impl World {
    /// Makes a world that plays `scenario`.
    pub fn new(scenario: &Scenario) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        Self::in_directory(directory, scenario, &PROGRAMS, State::default())
    }

    fn in_directory(
        directory: TempDir,
        scenario: &Scenario,
        programs: &[&str],
        state: State,
    ) -> Self {
        let tool = program::target_directory().join("sim-tool");
        fs::create_dir(directory.path().join("bin")).expect("bin");
        for volume in VOLUMES {
            fs::create_dir(directory.path().join(volume)).expect("a volume");
        }
        for name in programs {
            let link = directory.path().join("bin").join(name);
            std::os::unix::fs::symlink(&tool, link).expect("a link to the simulator");
        }
        let world = Self { directory };
        world.write("scenario.json", scenario);
        let (running, options) = (scenario.runs_before, scenario.options.clone());
        world.write("state.json", &State { running, options, ..state });
        world
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What its programs remember.
    pub fn state(&self) -> State {
        State::of(self.path()).expect("the state")
    }

    /// The calls that changed something, in order, as short words.
    pub fn changes(&self) -> Vec<String> {
        let changing =
            ["start", "stop", "stop force", "config checkpoint now", "volume set", "volume reset"];
        let calls = self.state().calls;
        calls
            .iter()
            .filter_map(|call| changing.iter().rev().find(|words| is_call(call, words)))
            .map(|words| (*words).to_owned())
            .collect()
    }

    /// A command line of `georep` in this world: no other programs are found first.
    pub fn georep(&self, args: &[&str]) -> Command {
        self.command(program::georep(), args)
    }

    /// A command line of any program in this world.
    pub fn command(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args);
        self.furnish(&mut command);
        command
    }

    /// Gives `command` the environment of this world.
    fn furnish(&self, command: &mut Command) {
        let mut path = self.path().join("bin").into_os_string();
        path.push(":/usr/bin:/bin");
        command
            .env_clear()
            .env("PATH", path)
            .env("SIM_DIR", self.path())
            .env("TMPDIR", self.path())
            .env("GEOREP_LOCK_DIR", self.path())
            .env("GEOREP_STATE_DIR", self.path())
            .stdin(Stdio::null());
    }

    /// Runs `georep schedule gv1 dr gv2` with more arguments.
    pub fn schedule(&self, more: &[&str]) -> Output {
        self.georep(&[&["schedule", "gv1", "dr", "gv2"], more].concat()).output().expect("a run")
    }

    /// Starts `georep schedule gv1 dr gv2` with more arguments.
    pub fn start_schedule(&self, more: &[&str]) -> Child {
        self.georep(&[&["schedule", "gv1", "dr", "gv2"], more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a run")
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) {
        let text = serde_json::to_vec(value).expect("plain data");
        fs::write(self.path().join(name), text).expect("a writable directory");
    }
}

fn is_call(call: &str, words: &str) -> bool {
    match words {
        "start" | "stop" | "stop force" | "config checkpoint now" => {
            call.trim_end_matches(" --xml").ends_with(&format!(" {words}"))
        }
        _ => call.contains(words),
    }
}

/// Reads a JSON file.
///
/// # Errors
/// Where it cannot be read or is not the shape expected.
pub fn read<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
