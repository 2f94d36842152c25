//! The internal method: every image holds a snapshot of its own, one of them the memory; the copy
//! is that snapshot, and the guests run on while it is made.

use qcow2_snap::internal::{self, SnapshotImage};

use super::Run;
use super::copy::{Copy, copy};
use super::outcome::Outcome;
use super::pause::LongestPause;
use super::plan::{Chains, PlannedDomain};
use crate::error::CliError;
use crate::prune::{self, Pruned};
use crate::say::bytes;
use crate::tools::SNAPSHOT_LIMIT;

/// Backs up with internal snapshots. They stay in the images where the copy is proven, as they
/// are the copy; else they are deleted.
pub(super) fn back_up(run: &Run<'_>, planned: &[PlannedDomain], chains: &Chains) -> Outcome {
    let (mut taken, mut pause) = (Vec::new(), LongestPause::default());
    let copied = take(run, planned, &mut taken, &mut pause)
        .and_then(|()| copy(run, planned, &run.images(chains, Some(run.name.as_str()))));
    let left_behind = if copied.as_ref().is_ok_and(Copy::is_proven) {
        prune(run, planned);
        Vec::new()
    } else {
        delete(run, &taken)
    };
    Outcome { copied, pause, left_behind }
}

fn take<'a>(
    run: &Run<'_>,
    planned: &'a [PlannedDomain],
    taken: &mut Vec<&'a PlannedDomain>,
    pause: &mut LongestPause,
) -> Result<(), CliError> {
    for planned in planned {
        let images: Vec<_> = planned
            .copied()
            .map(|(target, path)| SnapshotImage {
                target: target.to_owned(),
                path: path.to_owned(),
            })
            .collect();
        let domain = &planned.domain;
        let snapshot =
            internal::create(&planned.virsh, domain, run.name.as_str(), &images, SNAPSHOT_LIMIT)?;
        taken.push(planned);
        let (seconds, state) = (snapshot.duration.as_secs_f64(), bytes(snapshot.vm_state_size));
        let text = match snapshot.pause {
            Some(pause) => {
                let pause = pause.as_secs_f64();
                format!("paused for {pause:.1} s ({seconds:.1} s), {state} of memory state")
            }
            None => format!("no pause, {} ({seconds:.1} s)", planned.state),
        };
        pause.add(&domain.name, snapshot.pause);
        run.say.step("snapshot", format_args!("{}: {text}", domain.name));
    }
    pause.tell(&run.say);
    Ok(())
}

/// Drops older snapshots where that is asked for. The copy is proven by now: what cannot be
/// dropped is told, and fails nothing.
fn prune(run: &Run<'_>, planned: &[PlannedDomain]) {
    let Some(keep) = run.args.keep else { return };
    for planned in planned {
        let (domain, name) = (&planned.domain, &planned.domain.name);
        let images: Vec<_> = planned.copied().map(|(_, image)| image.to_owned()).collect();
        match prune::prune(&planned.virsh, &run.qemu_img, domain, &images, keep) {
            Ok(pruned) => {
                for Pruned { snapshot, failed } in pruned {
                    match failed {
                        None => run.say.step("prune", format_args!("{name}: {snapshot} deleted")),
                        Some(reason) => run.say.warn(
                            "prune",
                            format_args!("{name}: {snapshot} is still there: {reason}"),
                        ),
                    }
                }
            }
            Err(error) => run.say.warn("prune", format_args!("{name}: {error}")),
        }
    }
}

fn delete(run: &Run<'_>, taken: &[&PlannedDomain]) -> Vec<String> {
    let failures = taken.iter().filter_map(|planned| {
        let domain = &planned.domain;
        match internal::delete(&planned.virsh, domain, run.name.as_str(), SNAPSHOT_LIMIT) {
            Ok(()) => {
                run.say.step("snapshot", format_args!("{}: deleted again", domain.name));
                None
            }
            Err(error) => {
                Some(format!("snapshot `{}` of domain `{}`: {error}", run.name, domain.name))
            }
        }
    });
    failures.collect()
}
