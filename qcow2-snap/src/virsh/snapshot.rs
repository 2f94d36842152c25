use std::ffi::OsString;
use std::time::Duration;

use tool_command::Command;

use super::{ForVirsh, Virsh, run};
use crate::Error;

impl Virsh {
    /// Takes a snapshot. virsh being killed at `limit` does not end what libvirt is doing.
    pub(crate) fn snapshot_create(
        &self,
        domain: &str,
        name: &str,
        options: impl IntoIterator<Item = OsString>,
        limit: Duration,
    ) -> Result<(), Error> {
        run(&self.snapshot_command(domain, name, options).time_limit(limit)).map(drop)
    }

    pub(crate) fn snapshot_command(
        &self,
        domain: &str,
        name: &str,
        options: impl IntoIterator<Item = OsString>,
    ) -> Command {
        self.on_domain("snapshot-create-as", domain).args(["--name", name]).args(options)
    }

    /// Tells libvirt of a snapshot that is there, described by `xml`.
    pub(crate) fn snapshot_redefine(&self, domain: &str, xml: &str) -> Result<(), Error> {
        let file = ForVirsh::new(xml)?;
        let command = self.on_domain("snapshot-create", domain).args(["--redefine", "--xmlfile"]);
        run(&command.arg(file.path())).map(drop)
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

    /// The names of the internal snapshots that libvirt knows of a domain. Others may be in its
    /// images.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn snapshot_names(&self, domain: &str) -> Result<Vec<String>, Error> {
        let command = self.on_domain("snapshot-list", domain).args(["--name", "--internal"]);
        Ok(super::lines(&run(&command)?))
    }
}
