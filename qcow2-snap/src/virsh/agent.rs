use std::time::Duration;

use tool_command::Command;

use super::{Virsh, VirshFailure, run};
use crate::Error;

impl Virsh {
    /// Freezes all file systems of the guest, through its agent. Returns how many.
    ///
    /// Whatever comes of it, [`Virsh::thaw`] must follow: of a call that fails or is killed at
    /// `limit` the guest may have heard all the same, and may go on doing it.
    pub(crate) fn freeze(&self, domain: &str, limit: Duration) -> Result<u32, Error> {
        let output = run(&self.freeze_command(domain).time_limit(limit))?;
        Ok(count(&output.stdout_lossy()))
    }

    /// Thaws all file systems of the guest; those that are not frozen stay as they are.
    pub(crate) fn thaw(&self, domain: &str, limit: Duration) -> Result<(), Error> {
        run(&self.thaw_command(domain).time_limit(limit)).map(drop)
    }

    pub(crate) fn freeze_command(&self, domain: &str) -> Command {
        self.on_domain("domfsfreeze", domain)
    }

    pub(crate) fn thaw_command(&self, domain: &str) -> Command {
        self.on_domain("domfsthaw", domain)
    }

    /// Whether the guest's agent answers within `limit`.
    ///
    /// # Errors
    /// Where virsh fails for any reason but that it does not, or that the domain has ended.
    pub fn agent_answers(&self, domain: &str, limit: Duration) -> Result<bool, Error> {
        let seconds = limit.as_secs().max(1).to_string();
        let command = self.on_domain("qemu-agent-command", domain);
        let command = command.args(["--timeout", &seconds, r#"{"execute":"guest-ping"}"#]);
        match run(&command) {
            Ok(_) => Ok(true),
            Err(error) => match error.virsh_failure() {
                Some(
                    VirshFailure::NoAgent
                    | VirshFailure::AgentFailed
                    | VirshFailure::NotRunning
                    | VirshFailure::NoSuchDomain,
                ) => Ok(false),
                _ => Err(error),
            },
        }
    }
}

/// The number in `Froze 2 filesystem(s)`.
fn count(text: &str) -> u32 {
    text.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_file_systems_are_counted() {
        assert_eq!(count("Froze 2 filesystem(s)\n\n"), 2);
        assert_eq!(count("Froze 0 filesystem(s)\n\n"), 0);
    }
}
