//! `virsh`, the command line of libvirt. Thin: one method a command.
//!
//! Decisions are made from XML. Of virsh's text only this is read, all of it in the C locale:
//! `domstate`, `list --name`, `list --uuid` and `snapshot-list --name`, `blockjob --raw`, which
//! its manual calls stable, the numbers of `domfsfreeze` and `domfsthaw`, and messages on standard
//! error ([`VirshFailure`]).

mod agent;
mod block_job;
mod failure;
mod monitor;
mod snapshot;

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use tool_command::{Command, Output, Tool};

use crate::Error;
use crate::domain::Domain;

pub use failure::VirshFailure;

/// Where definitions lie while virsh reads them. Never in the pool, which is copied to another site.
const SCRATCH: &str = "/tmp";

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

    /// The URI that it was given.
    pub fn connect(&self) -> Option<&str> {
        self.connect.as_deref()
    }

    /// The same, with `lock` held by every virsh that it starts, see [`Tool::holding`].
    #[must_use]
    pub fn holding(&self, lock: &Arc<File>) -> Self {
        Self { tool: self.tool.holding(lock), connect: self.connect.clone() }
    }

    /// What libvirt and the QEMU it would use say of their versions, a line each: `Using library:
    /// libvirt 9.0.0`, `Running hypervisor: QEMU 7.2.22`.
    ///
    /// # Errors
    /// Where virsh fails, as it does where libvirt does not answer.
    pub fn versions(&self) -> Result<String, Error> {
        Ok(run(&self.command("version"))?.stdout_lossy())
    }

    /// What the host can do, as libvirt's XML: its security drivers among it.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn capabilities(&self) -> Result<String, Error> {
        Ok(run(&self.command("capabilities"))?.stdout_lossy())
    }

    /// The names of all domains, running or not.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn domain_names(&self) -> Result<Vec<String>, Error> {
        Ok(lines(&run(&self.command("list").args(["--all", "--name"]))?))
    }

    /// The UUIDs of all domains, running or not.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn domain_uuids(&self) -> Result<Vec<String>, Error> {
        Ok(lines(&run(&self.command("list").args(["--all", "--uuid"]))?))
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

    /// Every domain, both as it runs and as it is defined.
    pub(crate) fn all_domains(&self) -> Result<Vec<Domain>, Error> {
        let mut all = Vec::new();
        for name in self.domain_names()? {
            all.push(self.domain(&name, Definition::Live)?);
            all.push(self.domain(&name, Definition::Persistent)?);
        }
        Ok(all)
    }

    /// What a domain is doing and why, as in `paused` and `I/O error`; the reason may be empty.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn state_and_reason(&self, domain: &str) -> Result<(DomainState, String), Error> {
        let output = run(&self.on_domain("domstate", domain).arg("--reason"))?.stdout_lossy();
        let text = output.trim();
        let (state, reason) = text.split_once(" (").unwrap_or((text, ""));
        Ok((DomainState::of(state), reason.trim_end_matches(')').to_owned()))
    }

    /// Lets a paused domain run again.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn resume(&self, domain: &str) -> Result<(), Error> {
        run(&self.on_domain("resume", domain)).map(drop)
    }

    /// The persistent XML with all secrets, for [`Virsh::define`].
    pub(crate) fn dumpxml_with_secrets(&self, domain: &str) -> Result<String, Error> {
        let command = self.on_domain("dumpxml", domain).args(["--inactive", "--security-info"]);
        Ok(run(&command)?.stdout_lossy())
    }

    /// Makes `xml` the persistent definition of the domain that it names.
    ///
    /// libvirt replaces the definition of a domain with that name and UUID without a word.
    ///
    /// # Errors
    /// Where virsh fails, or the text cannot be handed to it.
    pub fn define(&self, xml: &str) -> Result<(), Error> {
        let file = ForVirsh::new(xml)?;
        run(&self.command("define").arg("--file").arg(file.path())).map(drop)
    }

    /// Starts the domain that `xml` describes, without defining it: nothing of it stays once it
    /// has ended.
    ///
    /// # Errors
    /// Where virsh fails, or the text cannot be handed to it.
    pub fn create(&self, xml: &str) -> Result<(), Error> {
        let file = ForVirsh::new(xml)?;
        run(&self.command("create").arg("--file").arg(file.path())).map(drop)
    }

    /// Ends a domain at once, as pulling its plug would.
    ///
    /// # Errors
    /// Where virsh fails, as it does where the domain does not run.
    pub fn destroy(&self, domain: &str) -> Result<(), Error> {
        run(&self.on_domain("destroy", domain)).map(drop)
    }

    /// Takes the definition of a domain away; its images stay.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn undefine(&self, domain: &str) -> Result<(), Error> {
        run(&self.on_domain("undefine", domain).arg("--keep-nvram")).map(drop)
    }

    fn on_domain(&self, subcommand: &str, domain: &str) -> Command {
        self.command(subcommand).args(["--domain", domain])
    }

    fn command(&self, subcommand: &str) -> Command {
        let connect = self.connect.iter().flat_map(|uri| ["--connect", uri.as_str()]);
        self.tool.command(connect).arg(subcommand)
    }
}

/// One name a line, and an empty line at the end.
fn lines(output: &Output) -> Vec<String> {
    let text = output.stdout_lossy();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A file with XML for virsh to read, without a name: definitions hold secrets, and of a process that
/// is killed nothing must stay.
struct ForVirsh(File);

impl ForVirsh {
    fn new(xml: &str) -> Result<Self, Error> {
        let unwritable =
            |source| Error::Io { tried: "write a definition into", path: SCRATCH.into(), source };
        let mut file = tempfile::tempfile_in(SCRATCH).map_err(unwritable)?;
        file.write_all(xml.as_bytes()).map_err(unwritable)?;
        Ok(Self(file))
    }

    /// Where another process of this user finds it.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_as_it_is_written() {
        for state in ["running", "paused", "shut off", "in shutdown", "pmsuspended"] {
            assert_eq!(DomainState::of(state).to_string(), state);
        }
    }

    #[test]
    fn virsh_reads_a_definition_that_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let script = format!("cat $3 >{0}/read; cat $3 >>{0}/read", directory.path().display());
        let tool = tool_command::script(&directory.path().join("virsh"), &script);
        Virsh::new(tool, None).define("<domain/>").unwrap();
        let read = std::fs::read_to_string(directory.path().join("read")).unwrap();
        assert_eq!(read, "<domain/><domain/>");
    }

    #[test]
    fn a_state_is_told_with_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let of = |text: &str| {
            let script = format!("echo '{text}'; echo");
            let tool = tool_command::script(&directory.path().join("virsh"), &script);
            Virsh::new(tool, None).state_and_reason("n").unwrap()
        };
        assert_eq!(of("paused (I/O error)"), (DomainState::Paused, "I/O error".to_owned()));
        assert_eq!(of("shut off (migrated)"), (DomainState::ShutOff, "migrated".to_owned()));
        assert_eq!(of("running"), (DomainState::Running, String::new()));
    }

    /// A virsh that prints its arguments, one a line.
    #[test]
    fn arguments_reach_virsh_whole() {
        let directory = tempfile::tempdir().unwrap();
        let tool = tool_command::script(&directory.path().join("virsh"), r#"printf '%s\n' "$@""#);
        let virsh = Virsh::new(tool, Some("qemu:///system".to_owned()));
        assert_eq!(
            virsh.dumpxml("my vm; rm -rf", Definition::Persistent).unwrap(),
            "--connect\nqemu:///system\ndumpxml\n--domain\nmy vm; rm -rf\n--inactive\n"
        );
    }
}
