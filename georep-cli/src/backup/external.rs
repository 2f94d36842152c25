//! The external method: overlays take the guests' writes while the images are copied, and are
//! merged back after.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use qcow2_snap::Error;
use qcow2_snap::external::{self, CommitProgress, Overlay, PlannedOverlay};

use super::Run;
use super::copy::copy;
use super::outcome::Outcome;
use super::plan::{Chains, PlannedDomain};
use crate::error::CliError;

/// Backs up with overlays. They are merged back on every way out.
pub(super) fn back_up(run: &Run<'_>, planned: &[PlannedDomain], chains: &Chains) -> Outcome {
    let mut overlays = Vec::new();
    let copied = put_on_overlays(run, planned, &mut overlays)
        .and_then(|()| copy(run, planned, &run.images(chains, None)));
    Outcome { copied, left_behind: put_back(run, &overlays) }
}

/// Puts every domain that runs on overlays; the image of one that does not run stands still anyway.
///
/// What is in use is in `overlays`, also where this fails.
fn put_on_overlays(
    run: &Run<'_>,
    planned: &[PlannedDomain],
    overlays: &mut Vec<Overlay>,
) -> Result<(), CliError> {
    for planned in planned.iter().filter(|planned| planned.domain.is_active()) {
        let wanted: Vec<_> = planned
            .copied()
            .map(|(target, image)| PlannedOverlay {
                target: target.to_owned(),
                overlay: overlay_path(run, &planned.domain.name, target, image),
            })
            .collect();
        let began = Instant::now();
        match external::create(&run.virsh, &planned.domain.uuid, run.name.as_str(), &wanted) {
            Ok(made) => overlays.extend(made),
            Err(Error::OverlaysInUse { domain, reason, overlays: made }) => {
                overlays.extend(made);
                return Err(CliError::failed(format!("domain `{domain}`: {reason}")));
            }
            Err(error) => return Err(error.into()),
        }
        let targets: Vec<_> = wanted.iter().map(|overlay| overlay.target.as_str()).collect();
        let (name, seconds) = (&planned.domain.name, began.elapsed().as_secs_f64());
        let targets = targets.join(", ");
        run.say.step("overlay", format_args!("{name}: {targets} on overlays ({seconds:.1} s)"));
    }
    Ok(())
}

fn overlay_path(run: &Run<'_>, domain: &str, target: &str, image: &Path) -> std::path::PathBuf {
    let beside = image.parent().unwrap_or(run.pool.directory());
    let directory = run.args.overlay_dir.as_deref().unwrap_or(beside);
    directory.join(format!("{domain}-{target}.{}.qcow2", run.name))
}

/// Merges all overlays back and deletes them. One that cannot be does not keep the next from it.
fn put_back(run: &Run<'_>, overlays: &[Overlay]) -> Vec<String> {
    let failures = overlays.iter().filter_map(|overlay| {
        let began = Instant::now();
        let put_back = external::commit(&run.virsh, &run.qemu_img, overlay, &mut go_on)
            .and_then(|committed| external::remove_overlay(&run.virsh, committed));
        match put_back {
            Ok(()) => {
                let (target, base) = (&overlay.target, overlay.base.display());
                let seconds = began.elapsed().as_secs_f64();
                run.say.step(
                    "commit",
                    format_args!(
                        "{target} is back on {base}, its overlay is gone ({seconds:.1} s)"
                    ),
                );
                None
            }
            Err(error) => Some(format!("{error} (base `{}`)", overlay.base.display())),
        }
    });
    failures.collect()
}

/// A merge is never broken off: half a merge leaves a VM on its overlay.
fn go_on(_: CommitProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
