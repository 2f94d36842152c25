//! Everything that a command may answer, on either stream, with success or without: small programs
//! that print the input stand in for gluster, mount and findmnt.
//!
//! A command is done only where gluster said so in a whole answer, and a mount that failed leaves
//! nothing behind.
#![no_main]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gluster_georep::{ClientMount, Error, Gluster, MountTools, Session};
use libfuzzer_sys::{Corpus, fuzz_target};
use tempfile::TempDir;
use tool_command::Tool;

struct Programs {
    directory: TempDir,
    /// By whether they fail, and whether they answer on standard error.
    gluster: [[Gluster; 2]; 2],
    /// By whether mount(8) fails.
    mounts: [MountTools; 2],
    session: Session,
}

static PROGRAMS: LazyLock<Programs> = LazyLock::new(Programs::make);

fuzz_target!(|input: &[u8]| -> Corpus {
    // Recorded answers end with a newline, and are whole without it.
    let Some((&choice, answer)) = input.split_last() else { return Corpus::Reject };
    let programs = &*PROGRAMS;
    // Never overwritten: then ext4 would put each on the disk.
    let _ = fs::remove_file(programs.answer());
    fs::write(programs.answer(), answer).expect("a file in a temporary directory");
    let [fails, on_stderr] = [choice >> 6 & 1, choice >> 7].map(usize::from);
    let gluster = &programs.gluster[fails][on_stderr];
    let session = &programs.session;
    match choice & 7 {
        0 => accept(gluster.status(session), |status| status.primary == "gv1"),
        1 => accept(gluster.volume_info("gv1"), |volume| volume.name == "gv1"),
        2 => accept(gluster.checkpoint(session), |_| fails == 0),
        3 => accept(gluster.sessions(None), |_| true),
        4 => accept(gluster.start(session), |()| programs.said_done(fails, on_stderr)),
        5 => accept(gluster.stop(session), |()| programs.said_done(fails, on_stderr)),
        6 => accept(gluster.pause(session), |()| programs.said_done(fails, on_stderr)),
        _ => programs.mount(fails),
    }
    Corpus::Keep
});

fn accept<T>(result: Result<T, Error>, is_right: impl Fn(&T) -> bool) {
    match result {
        Ok(answer) => assert!(is_right(&answer)),
        Err(error) => {
            error.is_transient();
            assert!(!error.to_string().is_empty());
        }
    }
}

impl Programs {
    fn make() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let answer = directory.path().join("answer");
        let script = |name: &str, text: &str| {
            let path = directory.path().join(name);
            let text = format!("#!/bin/sh\nanswer={}\n{text}\n", answer.display());
            fs::write(&path, text).expect("a script");
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a script");
            Tool::at(path)
        };
        let says = |name, fails: u8, stream| {
            Gluster::new(script(name, &format!("cat $answer >&{stream}; exit {fails}")))
        };
        let mounts = |name, fails: u8| MountTools {
            // The log file is named in the options, before `,ro`.
            mount: script(
                name,
                &format!("log=${{4#*log-file=}}; cat $answer >\"${{log%,ro}}\"; exit {fails}"),
            ),
            umount: Tool::at("/bin/true"),
            findmnt: script("findmnt", "cat $answer"),
            directory: directory.path().join("mounts"),
        };
        fs::create_dir(directory.path().join("mounts")).expect("a directory");
        Self {
            gluster: [
                [says("done", 0, 1), says("done-on-stderr", 0, 2)],
                [says("fails", 1, 1), says("fails-on-stderr", 1, 2)],
            ],
            mounts: [mounts("mounts-nothing", 0), mounts("mount-fails", 1)],
            session: Session::new("gv1", "dr::gv2".parse().expect("a secondary"))
                .expect("a session"),
            directory,
        }
    }

    fn answer(&self) -> PathBuf {
        self.directory.path().join("answer")
    }

    /// Whether the answer can be one of success, or says that there was nothing left to do.
    fn said_done(&self, fails: usize, on_stderr: usize) -> bool {
        let answer = fs::read(self.answer()).expect("it was just written");
        let answer = String::from_utf8_lossy(&answer);
        let whole = answer.trim().ends_with("</cliOutput>");
        fails == 0 && on_stderr == 0 && whole && answer.contains("opRet")
    }

    fn mount(&self, fails: usize) {
        let tools = &self.mounts[fails];
        let result = ClientMount::read_only(tools, "localhost", "gv1");
        // No answer can name the mount point, which has a random name.
        let error = result.expect_err("nothing is mounted");
        assert!(matches!(error, Error::Mount { .. }), "{error}");
        let is_empty = |path: &Path| fs::read_dir(path).is_ok_and(|mut left| left.next().is_none());
        assert!(is_empty(&tools.directory), "something is left behind");
    }
}
