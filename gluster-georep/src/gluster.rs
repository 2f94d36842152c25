//! The `gluster` command line, one method a command.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tool_command::{Command, Output, Stop, Tool};

use crate::error::COMMAND_FAILED;
use crate::peer::{PoolList, VolumeStatus};
use crate::xml::{self, Answer, Nothing};
use crate::{BrickState, Error, Peer, Session, SessionStatus, VolumeInfo, VolumeState};

/// What changes a session, each as the words behind it.
pub(crate) const START: &[&str] = &["start"];
pub(crate) const PAUSE: &[&str] = &["pause"];
pub(crate) const STOP: &[&str] = &["stop"];
pub(crate) const STOP_FORCE: &[&str] = &["stop", "force"];
pub(crate) const CHECKPOINT_NOW: &[&str] = &["config", "checkpoint", "now"];

/// Gluster's number for a volume that does not exist (`EG_NOVOL`).
const NO_SUCH_VOLUME: i64 = 30806;

/// The gluster command line of a node of the primary cluster.
///
/// Each method runs one command, with `--mode=script` and `--xml`, and blocks until it has ended:
/// 150 s at most ([`tool_command::DEFAULT_TIME_LIMIT`]), as gluster itself gives up after 120 s.
/// Nothing is tried twice; [`Error::is_transient`] tells what may be worth it.
#[derive(Debug, Clone)]
pub struct Gluster {
    tool: Tool,
    /// The node whose glusterd is asked; else this one's.
    host: Option<String>,
}

impl Gluster {
    /// Uses the program `tool`, most often `/usr/sbin/gluster`. It is not started yet.
    pub fn new(tool: Tool) -> Self {
        Self { tool, host: None }
    }

    /// The same, asking the glusterd of `host`, which may be of another cluster. It answers what
    /// only looks, such as [`Gluster::volume_info`] and [`Gluster::peers`], to whoever may connect
    /// to its port, 24007. The command line here has to be of a version that it understands.
    #[must_use]
    pub fn of_host(&self, host: &str) -> Self {
        Self { tool: self.tool.clone(), host: Some(host.to_owned()) }
    }

    /// The same, with every command killed when `stop` is due, which fails with
    /// [`CommandError::Stopped`](tool_command::CommandError::Stopped). What a killed command had
    /// asked glusterd for may happen all the same.
    #[must_use]
    pub fn stopped_by(&self, stop: &Stop) -> Self {
        Self { tool: self.tool.stopped_by(stop), host: self.host.clone() }
    }

    /// Describes a volume: `volume info VOLUME`. Takes no lock.
    ///
    /// # Errors
    /// [`Error::NoSuchVolume`] where there is none, else what went wrong.
    pub fn volume_info(&self, volume: &str) -> Result<VolumeInfo, Error> {
        let command = self.command(["volume", "info", volume, "--xml"]);
        let line = command.to_string();
        let output = command.run()?;
        let answer = VolumeInfo::parse_answer(&output.stdout_lossy())
            .map_err(|unusable| unusable.printed_by(line.clone()))?;
        let volumes = match answer {
            Answer::Refused { errno: NO_SUCH_VOLUME, .. } => Vec::new(),
            answer => answer.accepted(line.clone())?,
        };
        let found = volumes.into_iter().find(|found| found.name == volume);
        found.ok_or_else(|| Error::NoSuchVolume { volume: volume.to_owned(), line })
    }

    /// Describes a volume that serves data, as [`Gluster::volume_info`].
    ///
    /// # Errors
    /// [`Error::VolumeNotStarted`] where it does not, else as [`Gluster::volume_info`].
    pub fn started_volume(&self, volume: &str) -> Result<VolumeInfo, Error> {
        let info = self.volume_info(volume)?;
        if info.state == VolumeState::Started {
            Ok(info)
        } else {
            Err(Error::VolumeNotStarted { volume: volume.to_owned() })
        }
    }

    /// Lists the nodes of the cluster, the one that is asked included: `pool list`.
    ///
    /// # Errors
    /// Where gluster refuses, or does not answer.
    pub fn peers(&self) -> Result<Vec<Peer>, Error> {
        ask::<PoolList>(&self.command(["pool", "list", "--xml"])).map(Into::into)
    }

    /// Asks which bricks of `volume` serve data: `volume status VOLUME`. Takes the volume's lock for
    /// a moment. The bricks of nodes that are down are left out.
    ///
    /// # Errors
    /// Where gluster refuses, as of a volume that is not started, or does not answer.
    pub fn brick_states(&self, volume: &str) -> Result<Vec<BrickState>, Error> {
        ask::<VolumeStatus>(&self.command(["volume", "status", volume, "--xml"])).map(Into::into)
    }

    /// All settings of a session, by name, as in `ssh_port`: `… config`.
    ///
    /// # Errors
    /// Where gluster refuses, or does not answer.
    pub fn settings(&self, session: &Session) -> Result<BTreeMap<String, String>, Error> {
        let command = self.georep(session, &["config", "--xml"]);
        let answer = ask::<AllSettings>(&command);
        let settings = answer.map_err(|error| what_is_missing(error, session))?.georep.config;
        Ok(settings.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect())
    }

    /// Asks for the workers of a session: `volume geo-replication PRIMARY SECONDARY status`. Takes
    /// the volume's lock for a moment.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`] or [`Error::NoSuchVolume`] where there is none, else what went
    /// wrong.
    pub fn status(&self, session: &Session) -> Result<SessionStatus, Error> {
        let command = self.georep(session, &["status"]);
        let sessions =
            self.ask_status(&command).map_err(|error| what_is_missing(error, session))?;
        let found = sessions.into_iter().find(|found| found.primary == session.primary);
        found.ok_or_else(|| Error::NoSuchSession {
            session: session.to_string(),
            line: command.to_string(),
            reason: "nothing".to_owned(),
        })
    }

    /// Lists the sessions of one volume, or of all, with their workers: `volume geo-replication
    /// [PRIMARY] status`. Where there is none the list is empty.
    ///
    /// # Errors
    /// Where gluster refuses, or does not answer.
    pub fn sessions(&self, primary: Option<&str>) -> Result<Vec<SessionStatus>, Error> {
        let words = ["volume", "geo-replication"].into_iter().chain(primary).chain(["status"]);
        match self.ask_status(&self.command(words)) {
            Err(Error::Refused { reason, .. }) if says_no_session(&reason) => Ok(Vec::new()),
            answer => answer,
        }
    }

    /// Starts the session: `… start`. One that runs already is left as it is; one that is paused is
    /// refused. The workers start after that, which may take a minute.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn start(&self, session: &Session) -> Result<(), Error> {
        match self.change(session, START) {
            // The first of two tries may have worked after gluster gave up waiting for it.
            Err(Error::Refused { reason, .. }) if reason.contains("already started") => Ok(()),
            result => result,
        }
    }

    /// Pauses the session, which has to run: `… pause`. One that is paused already is left as it
    /// is. Needs all peers up.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn pause(&self, session: &Session) -> Result<(), Error> {
        match self.change(session, PAUSE) {
            Err(Error::Refused { reason, .. }) if reason.contains("already Paused") => Ok(()),
            result => result,
        }
    }

    /// Stops the session: `… stop`. Needs all peers up.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn stop(&self, session: &Session) -> Result<(), Error> {
        self.change(session, STOP)
    }

    /// Stops the session, whatever state it is in, also while peers are down: `… stop force`.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn stop_force(&self, session: &Session) -> Result<(), Error> {
        self.change(session, STOP_FORCE)
    }

    /// Sets the checkpoint to now, by the clock of this node: `… config checkpoint now`. The
    /// session may run or be stopped.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn set_checkpoint_now(&self, session: &Session) -> Result<(), Error> {
        self.change(session, CHECKPOINT_NOW)
    }

    /// Which second the checkpoint is: `… config checkpoint`.
    ///
    /// # Errors
    /// [`Error::NotUnderstood`] where no checkpoint is set, else what went wrong.
    pub fn checkpoint(&self, session: &Session) -> Result<Timestamp, Error> {
        let command = self.georep(session, &["config", "checkpoint", "--xml"]);
        // Seconds since 1970; no element where no checkpoint is set.
        let seconds = ask::<Config>(&command)?.georep.config.checkpoint;
        seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or_else(|| {
            let reason = "no checkpoint".to_owned();
            Error::NotUnderstood { line: command.to_string(), reason }
        })
    }

    /// Sets an option of `volume`: `volume set VOLUME NAME VALUE`.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn set_volume_option(&self, volume: &str, name: &str, value: &str) -> Result<(), Error> {
        ask(&self.option(volume, name, Some(value))).map(|Nothing {}| ())
    }

    /// Puts an option of `volume` back to gluster's default: `volume reset VOLUME NAME`.
    ///
    /// # Errors
    /// Where gluster refuses.
    pub fn reset_volume_option(&self, volume: &str, name: &str) -> Result<(), Error> {
        ask(&self.option(volume, name, None)).map(|Nothing {}| ())
    }

    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        // Some versions ask before they change something, even where nobody can answer.
        let host = self.host.iter().map(|host| format!("--remote-host={host}"));
        self.tool.command(["--mode=script"]).args(host).args(words)
    }

    fn georep(&self, session: &Session, words: &[&str]) -> Command {
        self.command(["volume", "geo-replication", &session.primary])
            .arg(session.secondary.to_string())
            .args(words)
    }

    /// The command line that sets an option of a volume, or puts it back to gluster's default.
    pub(crate) fn option(&self, volume: &str, name: &str, value: Option<&str>) -> Command {
        let verb = if value.is_some() { "set" } else { "reset" };
        self.command(["volume", verb, volume, name].into_iter().chain(value).chain(["--xml"]))
    }

    /// The command line that changes a session in this way.
    pub(crate) fn changing(&self, session: &Session, words: &[&str]) -> Command {
        self.georep(session, words).arg("--xml")
    }

    /// Runs a command of a session of which only success matters.
    fn change(&self, session: &Session, words: &[&str]) -> Result<(), Error> {
        let answer = ask(&self.changing(session, words));
        answer.map(|Nothing {}| ()).map_err(|error| what_is_missing(error, session))
    }

    /// Runs a status command, given without `--xml`, with it.
    ///
    /// Since 6.0 one that fails prints no XML and keeps its reason to itself: then the same is
    /// asked again without.
    fn ask_status(&self, command: &Command) -> Result<Vec<SessionStatus>, Error> {
        let with_xml = command.clone().arg("--xml");
        let output = with_xml.output()?;
        match SessionStatus::parse_answer(&output.stdout_lossy()) {
            Ok(answer) => answer.accepted(with_xml.to_string()),
            Err(unusable) if output.status.success() => {
                Err(unusable.printed_by(with_xml.to_string()))
            }
            Err(_) => Err(refusal(command, &command.output()?)),
        }
    }
}

#[derive(Deserialize)]
struct AllSettings {
    #[serde(rename = "geoRep")]
    georep: SettingsOfSession,
}

#[derive(Deserialize)]
struct SettingsOfSession {
    /// One that is not set is an empty element.
    config: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "geoRep")]
    georep: ConfigOfSession,
}

#[derive(Deserialize)]
struct ConfigOfSession {
    config: ConfigValues,
}

#[derive(Deserialize)]
struct ConfigValues {
    checkpoint: Option<i64>,
}

/// Runs a command that ends with `--xml`. A refusal may come with exit status 0.
fn ask<T: DeserializeOwned>(command: &Command) -> Result<T, Error> {
    let output = command.run()?;
    let line = command.to_string();
    match xml::parse(&output.stdout_lossy()) {
        Ok(answer) => answer.accepted(line),
        Err(unusable) => Err(unusable.printed_by(line)),
    }
}

/// What a command without `--xml` said, which failed with it. The reason is on either stream; where
/// there is none the trouble was gone when it was asked for.
fn refusal(command: &Command, output: &Output) -> Error {
    let said = output.stderr_lossy() + &output.stdout_lossy();
    let reasons = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let reason = if output.status.success() { None } else { reasons.into_iter().next() };
    Error::Refused {
        line: command.to_string(),
        errno: 0,
        reason: reason.unwrap_or(COMMAND_FAILED).to_owned(),
    }
}

/// A refusal because of a volume or session that does not exist, as the error that says so.
fn what_is_missing(error: Error, session: &Session) -> Error {
    match error {
        Error::Refused { line, reason, .. } if says_no_session(&reason) => {
            Error::NoSuchSession { session: session.to_string(), line, reason }
        }
        Error::Refused { line, reason, .. }
            if reason == format!("Volume {} does not exist", session.primary) =>
        {
            Error::NoSuchVolume { volume: session.primary.clone(), line }
        }
        error => error,
    }
}

/// In a status, and in any other command (10.3).
fn says_no_session(reason: &str) -> bool {
    reason.starts_with("No active geo-replication sessions")
        || reason.starts_with("Geo-replication session between")
            && reason.ends_with("does not exist.")
}

#[cfg(test)]
mod tests;
