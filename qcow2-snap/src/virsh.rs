//! `virsh`, the command line of libvirt. Thin: one method a command.
//!
//! Decisions are made from XML; of virsh's text only `domstate`, `list --name`, and `blockjob
//! --raw`, which its manual calls stable, are read.

mod failure;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use tool_command::{Command, Output, Tool};

use crate::Error;
use crate::domain::Domain;
use crate::external::CommitProgress;

pub use failure::VirshFailure;

/// The `virsh` program and the libvirt it talks to.
#[derive(Debug, Clone)]
pub struct Virsh {
    tool: Tool,
    connect: Option<String>,
}

/// Which description of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    /// As it runs; where it does not run, as it is defined.
    Live,
    /// As it will start the next time. Without secrets such as the VNC password.
    Persistent,
}

/// What a domain is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DomainState {
    /// It runs.
    Running,
    /// Its CPUs stand still.
    Paused,
    /// It has no QEMU process.
    ShutOff,
    /// Something else, in libvirt's words: `idle`, `in shutdown`, `crashed`, `pmsuspended`.
    Other(String),
}

impl Virsh {
    /// Uses the `virsh` that was found; `connect` is a libvirt URI, else virsh chooses.
    pub fn new(tool: Tool, connect: Option<String>) -> Self {
        Self { tool, connect }
    }

    /// The names of all domains, running or not.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn domain_names(&self) -> Result<Vec<String>, Error> {
        let output = run(&self.command("list").args(["--all", "--name"]))?;
        let text = output.stdout_lossy();
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// The XML of a domain, by its name or UUID.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn dumpxml(&self, domain: &str, definition: Definition) -> Result<String, Error> {
        Ok(run(&self.dumpxml_command(domain, definition))?.stdout_lossy())
    }

    /// The disks of a domain, by its name or UUID.
    ///
    /// # Errors
    /// Where virsh fails or prints no domain.
    pub fn domain(&self, domain: &str, definition: Definition) -> Result<Domain, Error> {
        let command = self.dumpxml_command(domain, definition);
        Domain::parse(&run(&command)?.stdout_lossy()).map_err(|error| match error {
            Error::Xml { source, .. } => {
                Error::Xml { what: format!("what `{command}` printed"), source }
            }
            error => error,
        })
    }

    fn dumpxml_command(&self, domain: &str, definition: Definition) -> Command {
        let which: &[&str] = match definition {
            Definition::Live => &[],
            Definition::Persistent => &["--inactive"],
        };
        self.on_domain("dumpxml", domain).args(which)
    }

    /// What a domain is doing.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn state(&self, domain: &str) -> Result<DomainState, Error> {
        let output = run(&self.on_domain("domstate", domain))?;
        Ok(DomainState::of(output.stdout_lossy().trim()))
    }

    /// The persistent XML with all secrets, for [`Virsh::define`].
    pub(crate) fn dumpxml_with_secrets(&self, domain: &str) -> Result<String, Error> {
        let command = self.on_domain("dumpxml", domain).args(["--inactive", "--security-info"]);
        Ok(run(&command)?.stdout_lossy())
    }

    /// Replaces the persistent definition of a domain by the one in `file`.
    pub(crate) fn define(&self, file: &Path) -> Result<(), Error> {
        run(&self.command("define").arg("--file").arg(file)).map(drop)
    }

    /// Takes a snapshot. virsh being killed at `limit` does not end what libvirt is doing.
    pub(crate) fn snapshot_create(
        &self,
        domain: &str,
        name: &str,
        options: impl IntoIterator<Item = OsString>,
        limit: Duration,
    ) -> Result<(), Error> {
        let command = self.on_domain("snapshot-create-as", domain).args(["--name", name]);
        run(&command.args(options).time_limit(limit)).map(drop)
    }

    /// Deletes an internal snapshot from all disks of the domain.
    pub(crate) fn snapshot_delete(
        &self,
        domain: &str,
        name: &str,
        limit: Duration,
    ) -> Result<(), Error> {
        let command = self.on_domain("snapshot-delete", domain).args(["--snapshotname", name]);
        run(&command.time_limit(limit)).map(drop)
    }

    /// Starts to merge the active image `top` of a disk into `base` and returns at once.
    pub(crate) fn block_commit(
        &self,
        domain: &str,
        target: &str,
        base: &Path,
        top: &Path,
    ) -> Result<(), Error> {
        let command = self.on_domain("blockcommit", domain).args(["--path", target, "--active"]);
        run(&command.arg("--base").arg(base).arg("--top").arg(top)).map(drop)
    }

    /// How far the block job of a disk is; `None` where there is none.
    pub(crate) fn block_job(
        &self,
        domain: &str,
        target: &str,
    ) -> Result<Option<CommitProgress>, Error> {
        let output = run(&self.on_domain("blockjob", domain).args(["--path", target, "--raw"]))?;
        Ok(parse_block_job(&output.stdout_lossy()))
    }

    /// Moves the domain to where the block job of a disk copied to.
    pub(crate) fn pivot(&self, domain: &str, target: &str) -> Result<(), Error> {
        run(&self.on_domain("blockjob", domain).args(["--path", target, "--pivot"])).map(drop)
    }

    fn on_domain(&self, subcommand: &str, domain: &str) -> Command {
        self.command(subcommand).args(["--domain", domain])
    }

    fn command(&self, subcommand: &str) -> Command {
        let connect = self.connect.iter().flat_map(|uri| ["--connect", uri.as_str()]);
        self.tool.command(connect).arg(subcommand)
    }
}

fn run(command: &Command) -> Result<Output, Error> {
    command.run().map_err(|source| Error::Virsh { failure: VirshFailure::of(&source), source })
}

impl DomainState {
    fn of(text: &str) -> Self {
        match text {
            "running" => Self::Running,
            "paused" => Self::Paused,
            "shut off" => Self::ShutOff,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for DomainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::ShutOff => "shut off",
            Self::Other(text) => text,
        })
    }
}

/// Reads `blockjob --raw`: a line ` KEY=VALUE` each, nothing where there is no job.
fn parse_block_job(text: &str) -> Option<CommitProgress> {
    let field = |key: &str| {
        let value = text.lines().find_map(|line| line.trim().strip_prefix(key));
        value?.strip_prefix('=')?.parse().ok()
    };
    Some(CommitProgress { done: field("cur")?, total: field("end")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_job_is_read_from_its_raw_form() {
        let text = " type=Active Block Commit\n bandwidth=1\n cur=131072\n end=2228224\n\n";
        assert_eq!(parse_block_job(text), Some(CommitProgress { done: 131_072, total: 2_228_224 }));
        assert_eq!(parse_block_job("\n"), None);
    }

    #[test]
    fn a_state_reads_as_it_is_written() {
        for state in ["running", "paused", "shut off", "in shutdown", "pmsuspended"] {
            assert_eq!(DomainState::of(state).to_string(), state);
        }
    }

    /// A virsh that prints its arguments, one a line.
    #[test]
    fn arguments_reach_virsh_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("virsh");
        std::fs::write(&path, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let virsh = Virsh::new(Tool::at(path), Some("qemu:///system".to_owned()));
        assert_eq!(
            virsh.dumpxml("my vm; rm -rf", Definition::Persistent).unwrap(),
            "--connect\nqemu:///system\ndumpxml\n--domain\nmy vm; rm -rf\n--inactive\n"
        );
    }
}
