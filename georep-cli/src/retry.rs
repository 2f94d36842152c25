//! Questions to gluster that are asked again while somebody else holds the volume's lock.

use std::time::Duration;

use gluster_georep::Error;

const TRIES: u32 = 15;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Asks until the trouble has passed, a quarter of a minute at most.
///
/// # Errors
/// The first that does not pass, or the last.
pub(crate) fn patiently<T>(ask: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..TRIES {
        match ask() {
            Err(error) if error.is_transient() => std::thread::sleep(BETWEEN_TRIES),
            result => return result,
        }
    }
    ask()
}
