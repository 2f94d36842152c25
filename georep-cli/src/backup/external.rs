//! The external method: overlays take the guests' writes while the images are copied, and are
//! merged back after. Many domains are worked on side by side.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use qcow2_snap::Error;
use qcow2_snap::external::{self, CommitEvent, CommitOptions, Freeze, Overlay, PlannedOverlay};

use super::Run;
use super::copy::copy;
use super::outcome::Outcome;
use super::pause::LongestPause;
use super::plan::{Chains, PlannedDomain};
use crate::error::CliError;
use crate::say::bytes;
use crate::side_by_side::side_by_side;

/// How many domains are put on overlays, or brought back, at the same time.
const AT_ONCE: usize = 8;
/// How often a merge that takes long is heard of.
const PROGRESS: Duration = Duration::from_secs(10);
/// How long thawing a guest that did not thaw at once is tried for at the end.
const THAW_PATIENCE: Duration = Duration::from_secs(30);

/// A domain that was to be put on overlays, and what came of it.
#[derive(Debug)]
struct Overlaid<'a> {
    planned: &'a PlannedDomain,
    /// In use now.
    overlays: Vec<Overlay>,
    pause: Option<Duration>,
    /// The guest may be frozen.
    still_frozen: bool,
    failed: Option<CliError>,
}

/// Backs up with overlays. They are merged back on every way out.
pub(super) fn back_up(run: &Run<'_>, planned: &[PlannedDomain], chains: &Chains) -> Outcome {
    let running: Vec<_> = planned.iter().filter(|planned| planned.domain.is_active()).collect();
    let mut overlaid = side_by_side(&running, AT_ONCE, |planned| put_on_overlays(run, planned));
    let mut pause = LongestPause::default();
    for domain in &overlaid {
        pause.add(&domain.planned.domain.name, domain.pause);
    }
    pause.tell(&run.say);
    let copied = match first_failure(run, &mut overlaid) {
        Some(error) => Err(error),
        None => copy(run, planned, &run.images(chains, None)),
    };
    let left_behind = side_by_side(&overlaid, AT_ONCE, |domain| put_back(run, domain)).concat();
    Outcome { copied, pause, left_behind }
}

/// The first error ends the run; the others are told.
fn first_failure(run: &Run<'_>, overlaid: &mut [Overlaid<'_>]) -> Option<CliError> {
    let mut failures = overlaid.iter_mut().filter_map(|domain| domain.failed.take());
    let first = failures.next();
    for other in failures {
        run.say.warn("overlay", other);
    }
    first
}

fn put_on_overlays<'a>(run: &Run<'_>, planned: &'a PlannedDomain) -> Overlaid<'a> {
    let name = &planned.domain.name;
    let mut overlaid =
        Overlaid { planned, overlays: Vec::new(), pause: None, still_frozen: false, failed: None };
    if run.stop.is_requested() {
        overlaid.failed = Some(CliError::failed("interrupted before the checkpoint"));
        return overlaid;
    }
    let wanted: Vec<_> = planned
        .copied()
        .map(|(target, image)| PlannedOverlay {
            target: target.to_owned(),
            overlay: overlay_path(run, name, target, image),
        })
        .collect();
    let quiesce = run.args.quiesce.into();
    match external::create(
        &planned.virsh,
        &planned.domain.uuid,
        run.name.as_str(),
        &wanted,
        quiesce,
    ) {
        Ok(created) => {
            overlaid.pause = Some(frozen_for(&created.freeze).unwrap_or(created.duration));
            overlaid.still_frozen = created.still_frozen.is_some();
            tell(run, name, &created);
            overlaid.overlays = created.overlays;
        }
        Err(Error::OverlaysInUse { domain, reason, overlays }) => {
            overlaid.overlays = overlays;
            overlaid.failed = Some(CliError::failed(format!("domain `{domain}`: {reason}")));
        }
        Err(error) => {
            overlaid.still_frozen = matches!(error, Error::NotFrozen { still_frozen: Some(_), .. });
            overlaid.failed = Some(error.into());
        }
    }
    overlaid
}

fn frozen_for(freeze: &Freeze) -> Option<Duration> {
    match freeze {
        Freeze::Frozen { duration, .. } => Some(*duration),
        Freeze::NotAsked | Freeze::Failed(_) => None,
    }
}

fn tell(run: &Run<'_>, name: &str, created: &external::Created) {
    let targets: Vec<_> = created.overlays.iter().map(|overlay| &*overlay.target).collect();
    let (targets, seconds) = (targets.join(", "), created.duration.as_secs_f64());
    let frozen = match &created.freeze {
        Freeze::Frozen { file_systems, duration } => {
            format!(", {file_systems} file systems frozen for {:.1} s", duration.as_secs_f64())
        }
        Freeze::NotAsked | Freeze::Failed(_) => String::new(),
    };
    run.say.step("overlay", format_args!("{name}: {targets} on overlays ({seconds:.1} s{frozen})"));
    if let Freeze::Failed(reason) = &created.freeze {
        run.say.warn(
            "overlay",
            format_args!("{name}: copied as after a power failure, not frozen: {reason}"),
        );
    }
    if let Some(reason) = &created.still_frozen {
        run.say.warn("overlay", format_args!("{name}: may be frozen still: {reason}"));
    }
}

fn overlay_path(run: &Run<'_>, domain: &str, target: &str, image: &Path) -> PathBuf {
    let beside = image.parent().unwrap_or(run.pool.directory());
    let directory = run.args.overlay_dir.as_deref().unwrap_or(beside);
    directory.join(format!("{domain}-{target}.{}.qcow2", run.name))
}

/// Thaws the domain where it must be, merges its overlays back and deletes them. What cannot be
/// done does not keep the next from it; it is returned, a sentence each.
fn put_back(run: &Run<'_>, overlaid: &Overlaid<'_>) -> Vec<String> {
    let (name, virsh) = (&overlaid.planned.domain.name, &overlaid.planned.virsh);
    let mut left = Vec::new();
    if overlaid.still_frozen {
        let thawed = external::thaw(virsh, &overlaid.planned.domain.uuid, THAW_PATIENCE);
        left.extend(thawed.err().map(|error| {
            format!("domain `{name}` may be frozen; `virsh domfsthaw {name}`: {error}")
        }));
    }
    let began = Instant::now();
    let options = CommitOptions::with_bandwidth(run.args.bandwidth);
    let mut watch = teller(run, name);
    let results = external::commit(virsh, &run.qemu_img, &overlaid.overlays, options, &mut watch);
    for (result, overlay) in results.into_iter().zip(&overlaid.overlays) {
        let (target, base) = (&overlay.target, overlay.base.display());
        match result.and_then(|committed| external::remove_overlay(virsh, committed)) {
            Ok(()) => {
                let seconds = began.elapsed().as_secs_f64();
                let text = format_args!("{name}: {target} is back on {base} ({seconds:.1} s)");
                run.say.step("commit", text);
            }
            Err(error) => left.push(format!("domain `{name}`: {error} (base `{base}`)")),
        }
    }
    left
}

/// Tells what happens to a merge, and never breaks it off: half a merge leaves a VM on its overlay.
fn teller<'a>(
    run: &'a Run<'_>,
    name: &'a str,
) -> impl FnMut(&Overlay, CommitEvent) -> ControlFlow<()> + 'a {
    let mut told = Instant::now();
    move |overlay, event| {
        let target = &overlay.target;
        match event {
            CommitEvent::Progress(progress) if told.elapsed() >= PROGRESS => {
                told = Instant::now();
                let (done, total) = (bytes(progress.done), bytes(progress.total));
                let text = format_args!("{name}: {target}, {done} of {total} merged");
                run.say.step("commit", text);
            }
            CommitEvent::LimitLifted => run.say.warn(
                "commit",
                format_args!(
                    "{name}: {target}, the guest writes as fast as --bandwidth lets the merge \
                     go; the limit is lifted"
                ),
            ),
            CommitEvent::Retrying(reason) => {
                run.say.warn("commit", format_args!("{name}: {target}, trying again: {reason}"));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
