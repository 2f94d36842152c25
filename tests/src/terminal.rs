//! A terminal, for programs that look different on one.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(120);

/// A program on a terminal of its own.
#[allow(missing_debug_implementations)]
pub struct Terminal {
    child: Child,
    controller: File,
    screen: vt100::Parser,
    all: Vec<u8>,
}

impl Terminal {
    /// Starts it on a terminal of this size.
    ///
    /// # Panics
    /// Where there are no terminals.
    pub fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a terminal");
        grantpt(&controller).expect("a terminal");
        unlockpt(&controller).expect("a terminal");
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&controller, size).expect("a terminal");
        let name = ptsname(&controller, Vec::new())
            .expect("a terminal")
            .into_string()
            .expect("a terminal");
        let side =
            OwnedFd::from(File::options().read(true).write(true).open(name).expect("a terminal"));
        if command.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm");
        }
        command.stdout(side.try_clone().expect("a terminal")).stderr(side);
        let child = command.spawn().expect("a terminal");
        Self {
            child,
            controller: controller.into(),
            screen: vt100::Parser::new(rows, columns, 0),
            all: Vec::new(),
        }
    }

    /// What is on it.
    pub fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// Reads what there is; whether there may be more.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.controller.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.screen.process(&buffer[..count]);
                self.all.extend(&buffer[..count]);
                true
            }
            // Nobody has the other side open.
            Err(error) if error.raw_os_error() == Some(5) => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads until the screen is as wanted, and returns what is on it.
    ///
    /// # Panics
    /// Where it never is.
    pub fn read_until(&mut self, is_wanted: impl Fn(&vt100::Screen) -> bool) -> String {
        let began = Instant::now();
        while !is_wanted(self.screen.screen()) {
            assert!(began.elapsed() < LIMIT, "{}", self.screen.screen().contents());
            assert!(self.read(), "it ended: {}", String::from_utf8_lossy(&self.all));
        }
        self.screen.screen().contents()
    }

    /// Reads all that the program writes, and returns it.
    pub fn read_to_end(&mut self) -> String {
        while self.read() {}
        String::from_utf8_lossy(&self.all).into_owned()
    }

    /// The exit code, when it has ended.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().ok().and_then(|status| status.code())
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// Where it has gone.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a terminal");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended, where nothing went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
