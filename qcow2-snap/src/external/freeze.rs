//! Freezing a guest's file systems, for no longer than it takes to make the overlays.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::CreateStep;
use crate::Error;
use crate::domain::Domain;
use crate::virsh::{Definition, Virsh, VirshFailure};

/// How long the guest may take to freeze. It has to write out first what it holds back, and its
/// applications may want a word; but meanwhile they stand still.
const FREEZE_LIMIT: Duration = Duration::from_secs(30);
/// How long one call to thaw may take: libvirt itself waits 30 s for an agent that is busy.
const THAW_LIMIT: Duration = Duration::from_secs(40);
/// How long thawing is tried for.
const THAW_PATIENCE: Duration = Duration::from_secs(120);
/// How long after one call that failed the next is made.
const THAW_AGAIN: Duration = Duration::from_secs(1);

/// Whether the guest's file systems are frozen while the overlays are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiesce {
    /// They must be; else no overlay is made.
    Require,
    /// They are where the guest can; else its images are as after a power failure.
    Try,
    /// They are not.
    Never,
}

/// What came of freezing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freeze {
    /// It was not asked for.
    NotAsked,
    /// The file systems stood still.
    Frozen {
        /// How many.
        file_systems: u32,
        /// From before the call that froze them until after the one that thawed them.
        duration: Duration,
    },
    /// They could not be frozen, for this reason.
    Failed(String),
}

/// Does `action` while the file systems of the guest are frozen, and thaws them whatever happens.
/// `before` is told of each of the three steps, and may break off before the first two.
///
/// Returns what the action returned, what came of freezing, and why the guest may be frozen still.
///
/// # Errors
/// [`Error::NotFrozen`] where they had to be frozen and were not, [`Error::BrokenOff`]: the action
/// was not done.
pub(super) fn while_frozen<T>(
    virsh: &Virsh,
    domain: &Domain,
    quiesce: Quiesce,
    before: &mut dyn FnMut(CreateStep) -> ControlFlow<()>,
    action: impl FnOnce() -> T,
) -> Result<(T, Freeze, Option<String>), Error> {
    let broken_off = |still_frozen| Error::BrokenOff { domain: domain.name.clone(), still_frozen };
    if quiesce == Quiesce::Never {
        return match before(CreateStep::Overlay) {
            ControlFlow::Continue(()) => Ok((action(), Freeze::NotAsked, None)),
            ControlFlow::Break(()) => Err(broken_off(None)),
        };
    }
    if before(CreateStep::Freeze).is_break() {
        return Err(broken_off(None));
    }
    let began = Instant::now();
    let frozen = virsh.freeze(&domain.uuid, FREEZE_LIMIT);
    let may_go_on = frozen.is_ok() || quiesce == Quiesce::Try;
    let result = (may_go_on && before(CreateStep::Overlay).is_continue()).then(action);
    // A frozen guest is thawed whatever the caller thinks of it.
    let _ = before(CreateStep::Thaw);
    let thawed = thaw_after(virsh, &domain.uuid, frozen.as_ref().err());
    let still_frozen = thawed.err().map(|error| error.to_string());
    match (result, frozen) {
        (Some(result), Ok(file_systems)) => {
            let freeze = Freeze::Frozen { file_systems, duration: began.elapsed() };
            Ok((result, freeze, still_frozen))
        }
        (Some(result), Err(error)) => Ok((result, Freeze::Failed(error.to_string()), still_frozen)),
        (None, Err(error)) if !may_go_on => Err(Error::NotFrozen {
            domain: domain.name.clone(),
            failure: error.virsh_failure().unwrap_or(VirshFailure::Other),
            reason: error.to_string(),
            still_frozen,
        }),
        (None, _) => Err(broken_off(still_frozen)),
    }
}

/// Thaws, unless it is certain that the guest never heard of a freeze.
fn thaw_after(virsh: &Virsh, domain: &str, freezing: Option<&Error>) -> Result<(), Error> {
    match thaw(virsh, domain, patience(freezing)) {
        Err(error) if never_heard(freezing) && never_heard(Some(&error)) => Ok(()),
        result => result,
    }
}

/// The agent was not there when it was called, or the guest's CPUs stood still.
fn never_heard(error: Option<&Error>) -> bool {
    let failure = error.and_then(Error::virsh_failure);
    matches!(failure, Some(VirshFailure::NoAgent | VirshFailure::NotRunning))
}

/// Where there was no agent to freeze anything, one call is enough.
fn patience(freezing: Option<&Error>) -> Duration {
    if never_heard(freezing) { Duration::ZERO } else { THAW_PATIENCE }
}

/// Thaws the file systems of a guest, and tries again for `patience`. A domain that was shut off
/// meanwhile, or is gone, has none that are frozen.
///
/// # Errors
/// As the last call to virsh failed; then the guest may be frozen.
pub fn thaw(virsh: &Virsh, domain: &str, patience: Duration) -> Result<(), Error> {
    let began = Instant::now();
    loop {
        let Err(error) = virsh.thaw(domain, THAW_LIMIT) else { return Ok(()) };
        if error.virsh_failure() == Some(VirshFailure::NoSuchDomain) || is_shut_off(virsh, domain) {
            return Ok(());
        }
        if began.elapsed() >= patience {
            return Err(error);
        }
        std::thread::sleep(THAW_AGAIN);
    }
}

/// libvirt says "not running" of a paused domain too, whose guest may well be frozen.
fn is_shut_off(virsh: &Virsh, domain: &str) -> bool {
    virsh.domain(domain, Definition::Live).is_ok_and(|domain| !domain.is_active())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of thawing a domain of this XML, where `domfsthaw` fails with this message.
    fn thawed(xml: &str, message: &str) -> Result<(), Error> {
        let directory = tempfile::tempdir().unwrap();
        let script = format!(
            "case $* in *dumpxml*) echo '{xml}' ;; *) echo 'error: {message}' >&2; exit 1 ;; esac"
        );
        let tool = tool_command::script(&directory.path().join("virsh"), &script);
        thaw(&Virsh::new(tool, None), "n", Duration::ZERO)
    }

    #[test]
    fn a_domain_that_was_shut_off_while_it_was_frozen_is_not_frozen() {
        let off = "<domain><name>n</name><uuid>u</uuid></domain>";
        let paused = "<domain id=\"1\"><name>n</name><uuid>u</uuid></domain>";
        let message = "Requested operation is not valid: domain is not running";
        assert!(thawed(off, message).is_ok());
        assert!(thawed(paused, message).is_err());
        assert!(thawed(paused, "failed to get domain").is_ok());
    }
}
