use std::num::NonZeroU32;
use std::path::Path;

use tool_command::Command;

use super::{Virsh, run};
use crate::Error;
use crate::external::CommitProgress;

impl Virsh {
    /// Starts to merge the active image `top` of a disk into `base` and returns at once.
    /// `bandwidth` is in MiB/s.
    pub(crate) fn block_commit(
        &self,
        domain: &str,
        target: &str,
        base: &Path,
        top: &Path,
        bandwidth: Option<NonZeroU32>,
    ) -> Result<(), Error> {
        run(&self.block_commit_command(domain, target, base, top, bandwidth)).map(drop)
    }

    pub(crate) fn block_commit_command(
        &self,
        domain: &str,
        target: &str,
        base: &Path,
        top: &Path,
        bandwidth: Option<NonZeroU32>,
    ) -> Command {
        let command = self.on_domain("blockcommit", domain).args(["--path", target, "--active"]);
        let limit = bandwidth.map(|limit| format!("--bandwidth={limit}"));
        command.args(limit).arg("--base").arg(base).arg("--top").arg(top)
    }

    /// How far the block job of a disk is; `None` where there is none.
    ///
    /// # Errors
    /// Where virsh fails.
    pub fn block_job(&self, domain: &str, target: &str) -> Result<Option<CommitProgress>, Error> {
        let output = run(&self.on_domain("blockjob", domain).args(["--path", target, "--raw"]))?;
        Ok(parse_block_job(&output.stdout_lossy()))
    }

    /// Moves the domain to where the block job of a disk copied to.
    pub(crate) fn pivot(&self, domain: &str, target: &str) -> Result<(), Error> {
        run(&self.pivot_command(domain, target)).map(drop)
    }

    pub(crate) fn pivot_command(&self, domain: &str, target: &str) -> Command {
        self.on_domain("blockjob", domain).args(["--path", target, "--pivot"])
    }

    /// Lets the block job of a disk go as fast as it can.
    pub(crate) fn lift_bandwidth_limit(&self, domain: &str, target: &str) -> Result<(), Error> {
        let command = self.on_domain("blockjob", domain).args(["--path", target, "--bandwidth"]);
        run(&command.arg("0")).map(drop)
    }

    /// What the disks of a domain that runs have met, such as `vda: no space`; empty where all is
    /// well.
    pub(crate) fn disk_errors(&self, domain: &str) -> Result<String, Error> {
        let text = run(&self.on_domain("domblkerror", domain))?.stdout_lossy();
        let lines = text.lines().map(str::trim);
        let errors = lines.filter(|line| !line.is_empty() && *line != "No errors found");
        Ok(errors.collect::<Vec<_>>().join(", "))
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
}
