//! The command lines by which a domain is put on overlays and brought back, where nothing goes wrong:
//! those that [`create`](super::create) and [`commit`](super::commit) run, told before.

use tool_command::Command;

use super::create::{Prepared, options};
use super::{CommitOptions, Overlay, Quiesce};
use crate::virsh::Virsh;

/// What [`create`](super::create) runs with these arguments, but for what only asks.
pub fn create_commands(
    virsh: &Virsh,
    prepared: &Prepared,
    name: &str,
    quiesce: Quiesce,
) -> Vec<Command> {
    let (live, overlays) = prepared.live();
    let snapshot = virsh.snapshot_command(&live.uuid, name, options(live, overlays));
    match quiesce {
        Quiesce::Never => vec![snapshot],
        Quiesce::Require | Quiesce::Try => {
            vec![virsh.freeze_command(&live.uuid), snapshot, virsh.thaw_command(&live.uuid)]
        }
    }
}

/// What [`commit`](super::commit) runs for one overlay of a domain that runs, but for what only asks:
/// one that starts the block job, and, once the domain's XML says `ready='yes'`, one that pivots.
pub fn commit_commands(virsh: &Virsh, overlay: &Overlay, options: CommitOptions) -> [Command; 2] {
    let Overlay { domain, target, base, overlay: top, .. } = overlay;
    [
        virsh.block_commit_command(domain, target, base, top, options.bandwidth),
        virsh.pivot_command(domain, target),
    ]
}
