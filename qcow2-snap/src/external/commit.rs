//! Brings the disks of a domain back to their bases, side by side.

use std::time::{Duration, Instant};

use super::look::Look;
use super::merge::Merge;
use super::options::CommitOptions;
use super::watch::Watch;
use super::{Committed, Overlay};
use crate::Error;
use crate::qemu_img::QemuImg;
use crate::virsh::Virsh;

/// How often the domain is looked at: often while a short merge may end any moment, then less,
/// because every look costs libvirt and this machine something.
const POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Merges overlays of **one** domain into their bases side by side, and puts the domain back on
/// the bases, wherever an earlier call was interrupted: a block job that is at work is waited for,
/// a domain that was shut off is merged with qemu-img and redefined, for one that is not defined
/// any more qemu-img merges alone. A disk that is on its base already is committed, unless its
/// overlay holds what the base does not.
///
/// `watch` is told what happens, and may end the waiting for a disk; it is not asked while qemu-img
/// works. Whatever happens, the overlays' files stay. There is one result for each overlay, in
/// their order.
///
/// # Errors
/// [`Error::NotCommitted`] where `watch` broke off or the patience ended (the block job goes on),
/// where the disk is neither on the overlay nor on its base, or where no try succeeded; other errors
/// as virsh and qemu-img fail. After any error the overlay may be in use.
pub fn commit(
    virsh: &Virsh,
    qemu_img: &QemuImg,
    overlays: &[Overlay],
    options: CommitOptions,
    watch: &mut Watch<'_>,
) -> Vec<Result<Committed, Error>> {
    let merges = overlays.iter().map(|overlay| Merge::new(virsh, qemu_img, overlay, options));
    let mut merges: Vec<_> = merges.collect();
    let mut results: Vec<Option<Result<Committed, Error>>> =
        overlays.iter().map(|_| None).collect();
    let began = Instant::now();
    while let Some(overlay) = overlays.first().filter(|_| results.iter().any(Option::is_none)) {
        let look = Look::at(virsh, &overlay.domain);
        for (merge, result) in merges.iter_mut().zip(&mut results) {
            if result.is_none() {
                *result = merge.advance(&look, watch).transpose();
            }
        }
        if results.iter().any(Option::is_none) {
            std::thread::sleep((began.elapsed() / 8).clamp(POLL.0, POLL.1));
        }
    }
    results.into_iter().flatten().collect()
}
