//! The `gluster` command line, one method a command.

use std::time::Duration;

use jiff::Timestamp;
use tool_command::{Command, Tool};

use crate::volume::ROLLOVER_OPTION;
use crate::xml::{self, Answer, Nothing};
use crate::{Error, Session, SessionStatus, VolumeInfo, VolumeState};

/// Gluster's number for a volume that does not exist (`EG_NOVOL`).
const NO_SUCH_VOLUME: i64 = 30806;

/// The gluster command line of a node of the primary cluster.
#[derive(Debug, Clone)]
pub struct Gluster {
    tool: Tool,
}

impl Gluster {
    /// Uses the program `tool`.
    pub fn new(tool: Tool) -> Self {
        Self { tool }
    }

    /// Describes a volume. Takes no lock.
    ///
    /// # Errors
    /// [`Error::NoSuchVolume`] where there is none, else what went wrong.
    pub fn volume_info(&self, volume: &str) -> Result<VolumeInfo, Error> {
        let command = self.command(["volume", "info", volume, "--xml"]);
        let line = command.to_string();
        let output = command.run()?;
        let missing = |line| Error::NoSuchVolume {
            volume: volume.to_owned(),
            line,
        };
        match VolumeInfo::parse_answer(&output.stdout_lossy()) {
            Ok(Answer::Done(volumes)) => {
                let found = volumes.into_iter().find(|found| found.name == volume);
                found.ok_or_else(|| missing(line))
            }
            Ok(Answer::Refused {
                errno: NO_SUCH_VOLUME,
                ..
            }) => Err(missing(line)),
            Ok(Answer::Refused { errno, reason }) => Err(Error::Refused {
                line,
                errno,
                reason,
            }),
            Err(reason) => Err(Error::Malformed { line, reason }),
        }
    }

    /// Describes a volume that serves data.
    ///
    /// # Errors
    /// [`Error::VolumeNotStarted`] where it does not, else as [`Gluster::volume_info`].
    pub fn started_volume(&self, volume: &str) -> Result<VolumeInfo, Error> {
        let info = self.volume_info(volume)?;
        if info.state == VolumeState::Started {
            Ok(info)
        } else {
            Err(Error::VolumeNotStarted {
                volume: volume.to_owned(),
            })
        }
    }

    /// Asks for the workers of a session. Takes the volume's lock for a moment.
    ///
    /// Since 6.0 a failed `status --xml` prints no XML and keeps its reason to itself: then the
    /// same is asked again without `--xml`.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`] where there is none, else what went wrong.
    pub fn status(&self, session: &Session) -> Result<SessionStatus, Error> {
        let command = self.georep(session, &["status", "--xml"]);
        let line = command.to_string();
        let output = command.output()?;
        match SessionStatus::parse_answer(&output.stdout_lossy()) {
            Ok(Answer::Done(sessions)) => sessions
                .into_iter()
                .next()
                .ok_or_else(|| self.why_no_status(session, line, "no session".to_owned())),
            Ok(Answer::Refused { errno, reason }) if says_no_session(&reason) => Err(no_session(
                session,
                line,
                format!("{reason} (opErrno {errno})"),
            )),
            Ok(Answer::Refused { errno, reason }) => Err(Error::Refused {
                line,
                errno,
                reason,
            }),
            Err(reason) => Err(self.why_no_status(session, line, reason)),
        }
    }

    fn why_no_status(&self, session: &Session, line: String, reason: String) -> Error {
        match self.georep(session, &["status"]).run() {
            Err(error) if says_no_session(error.stderr()) => {
                let said = error.stderr().lines().next().unwrap_or_default().to_owned();
                no_session(session, line, said)
            }
            // Up to 3.12.1 a missing session is no failure.
            Ok(output) if says_no_session(&output.stdout_lossy()) => {
                no_session(session, line, output.stdout_lossy().trim().to_owned())
            }
            Err(error) => error.into(),
            Ok(_) => Error::Malformed { line, reason },
        }
    }

    /// Starts the session.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn start(&self, session: &Session) -> Result<(), Error> {
        self.change(self.georep(session, &["start", "--xml"]))
    }

    /// Stops the session. Needs all peers up.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn stop(&self, session: &Session) -> Result<(), Error> {
        self.change(self.georep(session, &["stop", "--xml"]))
    }

    /// Stops the session, whatever state it is in, also while peers are down.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn stop_force(&self, session: &Session) -> Result<(), Error> {
        self.change(self.georep(session, &["stop", "force", "--xml"]))
    }

    /// Sets the checkpoint to now, by the clock of this node, and reads back which second that was.
    ///
    /// Without `--xml`: with it, gluster 10 takes a checkpoint for a label it does not know.
    ///
    /// # Errors
    /// Where gluster refuses, or does not say which checkpoint is set.
    pub fn set_checkpoint_now(&self, session: &Session) -> Result<Timestamp, Error> {
        self.georep(session, &["config", "checkpoint", "now"])
            .run()?;
        let command = self.georep(session, &["config", "checkpoint"]);
        let said = command.run()?.stdout_lossy();
        let seconds = said
            .trim()
            .parse()
            .ok()
            .filter(|&seconds: &i64| seconds > 0);
        seconds
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .ok_or_else(|| {
                let reason = format!("no checkpoint, but: {}", said.trim());
                Error::Malformed {
                    line: command.to_string(),
                    reason,
                }
            })
    }

    /// Sets how often the bricks of `volume` close their changelogs.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn set_rollover_time(&self, volume: &str, time: Duration) -> Result<(), Error> {
        let seconds = time.as_secs().to_string();
        self.change(self.command(["volume", "set", volume, ROLLOVER_OPTION, &seconds, "--xml"]))
    }

    /// Puts [`Gluster::set_rollover_time`] back to gluster's default.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn reset_rollover_time(&self, volume: &str) -> Result<(), Error> {
        self.change(self.command(["volume", "reset", volume, ROLLOVER_OPTION, "--xml"]))
    }

    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        // Some versions ask before they change something, even where nobody can answer.
        self.tool.command(["--mode=script"]).args(words)
    }

    fn georep(&self, session: &Session, words: &[&str]) -> Command {
        self.command(["volume", "geo-replication", &session.primary])
            .arg(session.secondary.to_string())
            .args(words)
    }

    /// Runs a command of which only success matters. It may fail with exit status 0.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a command is used up by running it"
    )]
    fn change(&self, command: Command) -> Result<(), Error> {
        let line = command.to_string();
        match xml::parse::<Nothing>(&command.run()?.stdout_lossy()) {
            Ok(Answer::Done(Nothing {})) => Ok(()),
            Ok(Answer::Refused { errno, reason }) => Err(Error::Refused {
                line,
                errno,
                reason,
            }),
            Err(reason) => Err(Error::Malformed { line, reason }),
        }
    }
}

fn says_no_session(said: &str) -> bool {
    said.contains("No active geo-replication session") || said.contains("session between")
}

fn no_session(session: &Session, line: String, reason: String) -> Error {
    Error::NoSuchSession {
        session: session.to_string(),
        line,
        reason,
    }
}
