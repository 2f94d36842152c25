use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{CommandError, Stop};

/// How long a tool may run unless [`Command::time_limit`] says otherwise. The gluster command
/// line gives up by itself after 120 s; whatever lasts longer hangs.
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(150);

/// How often a running tool is asked whether it should end early.
const STOP_CHECKED_EVERY: Duration = Duration::from_millis(50);

/// An external program, by its absolute path.
#[derive(Debug, Clone)]
pub struct Tool {
    path: PathBuf,
    stop: Stop,
    longest: Option<Duration>,
    stdin: Option<Arc<File>>,
}

impl Tool {
    /// Names the program at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), stop: Stop::default(), longest: None, stdin: None }
    }

    /// The program's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same program, killed while it runs when `stop` is due.
    #[must_use]
    pub fn stopped_by(&self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self.clone() }
    }

    /// The same program, none of whose commands may run for longer than `longest`, whatever time
    /// limit it is given.
    #[must_use]
    pub fn limited_to(&self, longest: Duration) -> Self {
        Self { longest: Some(longest), ..self.clone() }
    }

    /// The same program, with `lock` as its standard input, which it must not read: a lock on that
    /// file lasts until the program has ended, too. So nobody takes the lock of a process that was
    /// killed while what it has started is still at work.
    #[must_use]
    pub fn holding(&self, lock: &Arc<File>) -> Self {
        Self { stdin: Some(Arc::clone(lock)), ..self.clone() }
    }

    /// The same program, with what is in `input` from where it stands as its standard input.
    #[must_use]
    pub fn reading(&self, input: &Arc<File>) -> Self {
        Self { stdin: Some(Arc::clone(input)), ..self.clone() }
    }

    /// Starts a command line of this tool.
    pub fn command<A: Into<OsString>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        Command {
            tool: self.clone(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            limit: DEFAULT_TIME_LIMIT,
        }
    }
}

/// A command line that can be run. Its `Display` form can be pasted into a shell.
#[derive(Debug, Clone)]
#[must_use = "a command does nothing until it is run"]
pub struct Command {
    tool: Tool,
    arguments: Vec<OsString>,
    limit: Duration,
}

/// What a tool wrote, and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text; what is not UTF-8 becomes U+FFFD.
    pub fn stdout_lossy(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text; what is not UTF-8 becomes U+FFFD.
    pub fn stderr_lossy(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Command {
    /// Adds one argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets how long the tool may run.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the tool and asks that it ends with status 0.
    ///
    /// # Errors
    /// [`CommandError::Failed`] on any other status, else as [`Command::output`].
    pub fn run(&self) -> Result<Output, CommandError> {
        let output = self.output()?;
        if output.status.success() {
            return Ok(output);
        }
        Err(CommandError::Failed {
            line: self.to_string(),
            status: output.status,
            stdout: output.stdout_lossy(),
            stderr: output.stderr_lossy(),
        })
    }

    /// Runs the tool and returns what it said, whatever its status.
    ///
    /// # Errors
    /// [`CommandError::Spawn`] where it could not be started, [`CommandError::TimedOut`] where it
    /// ran for too long, [`CommandError::Stopped`] where its [`Stop`] was due.
    pub fn output(&self) -> Result<Output, CommandError> {
        let failed = |source| CommandError::Spawn { line: self.to_string(), source };
        let stop = &self.tool.stop;
        if stop.is_due() {
            return Err(CommandError::Stopped { line: self.to_string() });
        }
        let limit = self.tool.longest.map_or(self.limit, |longest| longest.min(self.limit));
        let began = Instant::now();
        let handle = self.expression().and_then(|command| command.start()).map_err(failed)?;
        while !stop.is_due() && began.elapsed() < limit {
            let left = limit.saturating_sub(began.elapsed());
            if let Some(output) =
                handle.wait_timeout(left.min(STOP_CHECKED_EVERY)).map_err(failed)?
            {
                return Ok(Output {
                    status: output.status,
                    stdout: output.stdout.clone(),
                    stderr: output.stderr.clone(),
                });
            }
        }
        // The group first: a grandchild that holds the pipes open would make the wait after
        // the kill last as long as it lives.
        for pid in handle.pids() {
            kill_group(pid);
        }
        handle.kill().map_err(failed)?;
        let line = self.to_string();
        Err(if stop.is_due() {
            CommandError::Stopped { line }
        } else {
            CommandError::TimedOut { line, limit }
        })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts a process")]
    fn expression(&self) -> std::io::Result<duct::Expression> {
        let command = duct::cmd(&self.tool.path, &self.arguments)
            .before_spawn(|command| {
                command.process_group(0);
                Ok(())
            })
            .env("LC_ALL", "C")
            .stdout_capture()
            .stderr_capture()
            .unchecked();
        Ok(match &self.tool.stdin {
            Some(lock) => command.stdin_file(lock.try_clone()?),
            None => command.stdin_null(),
        })
    }
}

/// Kills the process group that `pid` leads. Where it has ended meanwhile there is nothing to do.
fn kill_group(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = std::iter::once(self.tool.path.as_os_str())
            .chain(self.arguments.iter().map(OsString::as_os_str))
            .map(OsStr::to_string_lossy);
        f.write_str(&shell_words::join(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> Command {
        Tool::at("/bin/sh").command(["-c", script])
    }

    #[test]
    fn streams_are_kept_apart_and_stdin_is_empty() {
        let output = shell("cat; echo out; echo err >&2").run().unwrap();
        assert_eq!(
            (output.stdout_lossy(), output.stderr_lossy()),
            ("out\n".into(), "err\n".into())
        );
    }

    #[test]
    fn the_locale_is_c_whatever_the_caller_has() {
        assert_eq!(shell("echo $LC_ALL").run().unwrap().stdout_lossy(), "C\n");
    }

    #[test]
    fn a_failure_shows_a_line_to_paste_the_status_and_stderr() {
        let error = shell("echo 'no such volume' >&2; exit 3").run().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`/bin/sh -c 'echo '\\''no such volume'\\'' >&2; exit 3'` failed (exit status: 3): no such volume"
        );
    }

    #[test]
    fn a_reason_given_on_stdout_is_shown_where_stderr_is_empty() {
        let error = shell("echo Connection failed.; exit 1").run().unwrap_err();
        assert!(error.to_string().ends_with("Connection failed."), "{error}");
    }

    #[test]
    fn a_tool_killed_by_a_signal_is_a_failure_that_names_it() {
        let error = shell("kill -9 $$").run().unwrap_err();
        assert!(error.to_string().contains("signal: 9"), "{error}");
    }

    #[test]
    fn a_tool_that_hangs_is_killed_with_all_it_started() {
        let started = Instant::now();
        let error = shell("sleep 60 & sleep 60").time_limit(Duration::from_millis(200)).run();
        assert!(matches!(error, Err(CommandError::TimedOut { .. })), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(30), "the grandchild was waited for");
    }

    #[test]
    fn a_tool_is_killed_when_it_should_stop() {
        let stop = Stop::default();
        let sleeper = Tool::at("/bin/sh").stopped_by(&stop).command(["-c", "sleep 60"]);
        let run = std::thread::spawn(move || sleeper.run());
        stop.request();
        let error = run.join().unwrap().unwrap_err();
        assert!(matches!(error, CommandError::Stopped { .. }), "{error:?}");
    }

    #[test]
    fn no_limit_is_longer_than_the_tools_own() {
        let tool = Tool::at("/bin/sh").limited_to(Duration::from_millis(100));
        let error = tool.command(["-c", "sleep 60"]).time_limit(Duration::from_secs(60)).run();
        assert!(matches!(error, Err(CommandError::TimedOut { .. })), "{error:?}");
    }

    #[test]
    fn a_lock_lasts_as_long_as_a_tool_that_holds_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let locked = Arc::new(file.reopen().unwrap());
        locked.lock().unwrap();
        // What the tool has started outlives it, and our own hold on the file.
        let orphan = "exec 3<&0; sleep 0.5 >/dev/null 2>&1 &";
        Tool::at("/bin/sh").holding(&locked).command(["-c", orphan]).run().unwrap();
        drop(locked);
        let other = file.reopen().unwrap();
        assert!(other.try_lock().is_err());
        other.lock().unwrap();
    }

    #[test]
    fn bytes_that_are_not_utf8_do_not_end_the_caller() {
        let error = shell("printf '\\377\\376' >&2; exit 1").run().unwrap_err();
        assert!(error.to_string().contains('\u{fffd}'), "{error}");
    }
}
