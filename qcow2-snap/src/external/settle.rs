//! Waits for what libvirt is still doing to a domain.

use std::time::{Duration, Instant};

use crate::Error;
use crate::virsh::{Virsh, VirshFailure};

/// How long after one question that was not answered the next is asked.
const AGAIN: Duration = Duration::from_secs(1);

/// Waits until no operation on the domain is at work in libvirt, for `patience`: a virsh that was
/// killed does not end what it has asked for, and until that is over the domain's XML shows what
/// was before.
///
/// # Errors
/// As virsh failed at last. A domain that does not run, or is gone, is no error: nothing is done to
/// it.
pub fn settle(virsh: &Virsh, domain: &str, patience: Duration) -> Result<(), Error> {
    let began = Instant::now();
    loop {
        // Any question that takes libvirt's lock on the domain would do.
        let Err(error) = virsh.disk_errors(domain) else { return Ok(()) };
        match error.virsh_failure() {
            Some(VirshFailure::NotRunning | VirshFailure::NoSuchDomain) => return Ok(()),
            _ if began.elapsed() >= patience => return Err(error),
            _ => std::thread::sleep(AGAIN),
        }
    }
}
