//! The internal method: every image holds a snapshot of its own, one of them the memory; the copy
//! is that snapshot, and the guests run on while it is made.

use std::path::PathBuf;

use qcow2_snap::internal::{self, SnapshotImage};

use super::Run;
use super::copy::copy;
use super::outcome::Outcome;
use super::pause;
use crate::error::CliError;
use crate::journal::{Copied, OpenJournal, Phase, Step};
use crate::plan::{Chains, PlannedDomain};
use crate::prune::{self, Pruned};
use crate::say::bytes;
use crate::tools::SNAPSHOT_LIMIT;

/// Backs up with internal snapshots. They stay in the images where the copy is proven, as they
/// are the copy; else they are deleted.
pub(super) fn back_up(
    run: &Run<'_>,
    planned: &[PlannedDomain],
    chains: &Chains,
) -> Result<(Outcome, OpenJournal), CliError> {
    let entry = |planned: &PlannedDomain| planned.entry(Vec::new(), images(planned));
    let journal = run.begin_journal(planned.iter().map(entry).collect())?;
    let copied = take(run, &journal, planned)
        .and_then(|()| copy(run, &journal, planned, &run.images(chains, Some(run.name.as_str()))));
    let left_behind = if copied.as_ref().is_ok_and(Copied::is_as_recorded) {
        prune(run, planned);
        Vec::new()
    } else {
        if let Err(error) = journal.phase(Phase::PuttingBack) {
            run.say.warn("journal", error);
        }
        delete(run, &journal, planned)
    };
    Ok((Outcome { copied, left_behind }, journal))
}

fn images(planned: &PlannedDomain) -> Vec<PathBuf> {
    planned.copied().map(|(_, image)| image.to_owned()).collect()
}

fn take(run: &Run<'_>, journal: &OpenJournal, planned: &[PlannedDomain]) -> Result<(), CliError> {
    for planned in planned {
        if run.stop.is_requested() {
            return Err(CliError::failed("interrupted before the checkpoint"));
        }
        let images: Vec<_> = planned
            .copied()
            .map(|(target, path)| SnapshotImage {
                target: target.to_owned(),
                path: path.to_owned(),
            })
            .collect();
        let domain = &planned.domain;
        journal.step(&domain.uuid, Step::Snapshotting)?;
        let snapshot =
            internal::create(&planned.virsh, domain, run.name.as_str(), &images, SNAPSHOT_LIMIT)?;
        journal.domain(&domain.uuid, |domain| {
            domain.begin(Step::Copying);
            domain.pause_seconds = snapshot.pause.map(|pause| pause.as_secs_f64());
        })?;
        let (seconds, state) = (snapshot.duration.as_secs_f64(), bytes(snapshot.vm_state_size));
        let text = match snapshot.pause {
            Some(pause) => {
                let pause = pause.as_secs_f64();
                format!("paused for {pause:.1} s ({seconds:.1} s), {state} of memory state")
            }
            None => format!("no pause, {} ({seconds:.1} s)", planned.state),
        };
        run.say.step("snapshot", format_args!("{}: {text}", domain.name));
    }
    pause::tell(&run.say, &journal.read().domains);
    Ok(())
}

/// Drops older snapshots where that is asked for. The copy is proven by now: what cannot be
/// dropped is told, and fails nothing.
fn prune(run: &Run<'_>, planned: &[PlannedDomain]) {
    let Some(keep) = run.args.keep else { return };
    for planned in planned {
        let (domain, name) = (&planned.domain, &planned.domain.name);
        let images = images(planned);
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

/// Deletes the snapshots that were made, or may have been.
fn delete(run: &Run<'_>, journal: &OpenJournal, planned: &[PlannedDomain]) -> Vec<String> {
    let begun = journal.read().domains.into_iter().filter(|domain| domain.step != Step::Planned);
    let begun: Vec<_> = begun.map(|domain| domain.uuid).collect();
    let taken = planned.iter().filter(|planned| begun.contains(&planned.domain.uuid));
    let delete = |planned| {
        run.put_back(journal, planned).delete_snapshot(&images(planned), run.name.as_str())
    };
    taken.flat_map(delete).collect()
}
