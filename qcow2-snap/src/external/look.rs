//! Where a domain is, asked of libvirt once for all its disks.

use std::cell::OnceCell;

use super::Overlay;
use super::step::{self, Step};
use super::stray::Disk;
use crate::Error;
use crate::domain::Domain;
use crate::virsh::{Definition, Virsh, VirshFailure};

/// What libvirt says of a domain at one moment.
pub(super) struct Look<'a> {
    virsh: &'a Virsh,
    domain: &'a str,
    live: OnceCell<Domain>,
    persistent: OnceCell<Domain>,
}

impl<'a> Look<'a> {
    pub(super) fn at(virsh: &'a Virsh, domain: &'a str) -> Self {
        Self { virsh, domain, live: OnceCell::new(), persistent: OnceCell::new() }
    }

    /// The next step for the disk of `overlay`, and whether its domain runs, is shut off, or is gone.
    pub(super) fn step(&self, overlay: &Overlay) -> Result<(Step, Disk), Error> {
        let live = match self.definition(&self.live, Definition::Live) {
            Err(error) if error.virsh_failure() == Some(VirshFailure::NoSuchDomain) => {
                let used = step::used_by_another(overlay, &self.virsh.all_domains()?);
                return Ok((used.unwrap_or(Step::Done), Disk::Gone));
            }
            live => live?,
        };
        let disk = if live.is_active() { Disk::RunsOnBase } else { Disk::DefinedOnBase };
        if let Some(step) = step::while_running(overlay, live) {
            return Ok((step, disk));
        }
        let persistent = self.definition(&self.persistent, Definition::Persistent)?;
        Ok((step::next_step(overlay, live, persistent), disk))
    }

    fn definition<'b>(
        &self,
        cell: &'b OnceCell<Domain>,
        which: Definition,
    ) -> Result<&'b Domain, Error> {
        match cell.get() {
            Some(domain) => Ok(domain),
            None => {
                let domain = self.virsh.domain(self.domain, which)?;
                Ok(cell.get_or_init(|| domain))
            }
        }
    }
}
