//! The external method: overlays take the guests' writes while the images are copied, and are
//! merged back after. Many domains are worked on side by side.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use qcow2_snap::external::{
    self, CommitOptions, CreateStep, Created, Freeze, Overlay, PlannedOverlay, Prepared,
};

use super::Run;
use super::copy::copy;
use super::outcome::Outcome;
use super::pause;
use crate::error::CliError;
use crate::journal::{DomainEntry, OpenJournal, OverlayEntry, Phase, Step};
use crate::plan::{Chains, PlannedDomain};
use crate::say::count;
use crate::side_by_side::side_by_side;

/// How many domains are put on overlays, or brought back, at the same time.
const AT_ONCE: usize = 8;

/// A domain that can be put on overlays.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    /// The domain.
    pub planned: &'a PlannedDomain,
    /// Its overlays, of which there is none yet.
    pub prepared: Prepared,
}

/// What came of putting a domain on overlays. Whatever that is, they may be in use.
#[derive(Debug, Default)]
struct Overlaid {
    /// Those that were asked for.
    overlays: Vec<Overlay>,
    /// When its images began to stand still.
    still_since: Option<Instant>,
    may_be_frozen: bool,
    failed: Option<CliError>,
}

/// Backs up with overlays. They are merged back on every way out.
pub(super) fn back_up(
    run: &Run<'_>,
    planned: &[PlannedDomain],
    chains: &Chains,
) -> Result<(Outcome, OpenJournal), CliError> {
    let ready = prepare_all(run, planned)?;
    let journal = run.begin_journal(ready.iter().map(entry).collect())?;

    let mut overlaid =
        side_by_side(&ready, AT_ONCE, |domain| put_on_overlays(run, &journal, domain));
    pause::tell(&run.say, &journal.read().domains);
    tell_spread(run, &overlaid);
    let copied = match first_failure(run, &mut overlaid) {
        Some(error) => Err(error),
        None => copy(run, &journal, planned, &run.images(chains, None)),
    };
    if let Err(error) = journal.phase(Phase::PuttingBack) {
        run.say.warn("journal", error);
    }
    let domains: Vec<_> = ready.iter().zip(&overlaid).collect();
    let left_behind = side_by_side(&domains, AT_ONCE, |(ready, overlaid)| {
        put_back(run, &journal, ready, overlaid)
    });
    Ok((Outcome { copied, left_behind: left_behind.concat() }, journal))
}

/// Looks whether the domains that run can be put on overlays. Changes nothing.
///
/// # Errors
/// Names what is in the way of the first that cannot.
pub(super) fn prepare_all<'a>(
    run: &Run<'_>,
    planned: &'a [PlannedDomain],
) -> Result<Vec<Ready<'a>>, CliError> {
    let running: Vec<_> = planned.iter().filter(|planned| planned.domain.is_active()).collect();
    let ready = side_by_side(&running, AT_ONCE, |planned| prepare(run, planned));
    ready.into_iter().collect()
}

fn prepare<'a>(run: &Run<'_>, planned: &&'a PlannedDomain) -> Result<Ready<'a>, CliError> {
    let name = &planned.domain.name;
    let wanted: Vec<_> = planned
        .copied()
        .map(|(target, image)| PlannedOverlay {
            target: target.to_owned(),
            overlay: overlay_path(run, name, target, image),
        })
        .collect();
    let prepared = external::prepare(&planned.virsh, &planned.domain.uuid, &wanted)?;
    Ok(Ready { planned, prepared })
}

fn overlay_path(run: &Run<'_>, domain: &str, target: &str, image: &Path) -> PathBuf {
    let beside = image.parent().unwrap_or(run.pool.directory());
    let directory = run.args.overlay_dir.as_deref().unwrap_or(beside);
    directory.join(format!("{domain}-{target}.{}.qcow2", run.name))
}

/// What the journal says of a domain before anything is done to it.
fn entry(ready: &Ready<'_>) -> DomainEntry {
    let overlays = ready.prepared.overlays().iter().map(OverlayEntry::from).collect();
    ready.planned.entry(overlays, Vec::new())
}

/// The first error ends the run; the others are told.
fn first_failure(run: &Run<'_>, overlaid: &mut [Overlaid]) -> Option<CliError> {
    let mut failures = overlaid.iter_mut().filter_map(|domain| domain.failed.take());
    let first = failures.next();
    for other in failures {
        run.say.warn("overlay", other);
    }
    first
}

fn put_on_overlays(run: &Run<'_>, journal: &OpenJournal, ready: &Ready<'_>) -> Overlaid {
    let (planned, uuid) = (ready.planned, &ready.planned.domain.uuid);
    if run.stop.is_requested() {
        let failed = Some(CliError::failed("interrupted before the checkpoint"));
        return Overlaid { failed, ..Overlaid::default() };
    }
    let overlays = ready.prepared.overlays().to_vec();
    let mut unwritten = None;
    let mut before = |step| match journal.step(uuid, journalled(step)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            unwritten = Some(error);
            ControlFlow::Break(())
        }
    };
    let (name, quiesce) = (run.name.as_str(), run.args.quiesce.into());
    match external::create(&planned.virsh, &ready.prepared, name, quiesce, &mut before) {
        Ok(created) => {
            tell(run, &planned.domain.name, &created);
            let pause = frozen_for(&created.freeze).unwrap_or(created.duration);
            Overlaid {
                still_since: Some(created.made),
                may_be_frozen: created.still_frozen.is_some(),
                failed: record(journal, uuid, &created, pause).err(),
                overlays: created.overlays,
            }
        }
        Err(error) => Overlaid {
            may_be_frozen: error.still_frozen().is_some(),
            failed: Some(unwritten.unwrap_or_else(|| error.into())),
            overlays,
            ..Overlaid::default()
        },
    }
}

/// The step as the journal has it.
fn journalled(step: CreateStep) -> Step {
    match step {
        CreateStep::Freeze => Step::Freezing,
        CreateStep::Overlay => Step::Overlaying,
        CreateStep::Thaw => Step::Thawing,
    }
}

fn record(
    journal: &OpenJournal,
    uuid: &str,
    created: &Created,
    pause: Duration,
) -> Result<(), CliError> {
    journal.domain(uuid, |domain| {
        domain.pause_seconds = Some(pause.as_secs_f64());
        domain.overlays = created.overlays.iter().map(OverlayEntry::from).collect();
        // As long as it may be frozen, that is what recovery has to know.
        if created.still_frozen.is_none() {
            domain.begin(Step::Copying);
        }
    })
}

fn frozen_for(freeze: &Freeze) -> Option<Duration> {
    match freeze {
        Freeze::Frozen { duration, .. } => Some(*duration),
        Freeze::NotAsked | Freeze::Failed(_) => None,
    }
}

fn tell(run: &Run<'_>, name: &str, created: &Created) {
    let targets: Vec<_> = created.overlays.iter().map(|overlay| &*overlay.target).collect();
    let (targets, seconds) = (targets.join(", "), created.duration.as_secs_f64());
    let frozen = match &created.freeze {
        Freeze::Frozen { file_systems, duration } => {
            let file_systems =
                count(usize::try_from(*file_systems).unwrap_or(usize::MAX), "file system");
            format!(", {file_systems} frozen for {:.1} s", duration.as_secs_f64())
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

/// How far apart in time the images of different domains are.
fn tell_spread(run: &Run<'_>, overlaid: &[Overlaid]) {
    let since = || overlaid.iter().filter_map(|domain| domain.still_since);
    if let (Some(first), Some(last)) = (since().min(), since().max())
        && overlaid.len() > 1
    {
        let (domains, spread) = (since().count(), last.duration_since(first).as_secs_f64());
        run.say.step("spread", format_args!("{domains} domains within {spread:.1} s"));
    }
}

fn put_back(
    run: &Run<'_>,
    journal: &OpenJournal,
    ready: &Ready<'_>,
    overlaid: &Overlaid,
) -> Vec<String> {
    let put_back = run.put_back(journal, ready.planned);
    let frozen = if overlaid.may_be_frozen { put_back.thaw() } else { None };
    let left = put_back.merge(&overlaid.overlays, commit_options(run));
    frozen.into_iter().chain(left).collect()
}

/// How overlays are merged.
pub(super) fn commit_options(run: &Run<'_>) -> CommitOptions {
    let patience = run.args.merge_timeout.saturating_mul(60);
    CommitOptions::default()
        .with_bandwidth(run.args.bandwidth)
        .with_patience((patience > 0).then(|| Duration::from_secs(patience)))
}
