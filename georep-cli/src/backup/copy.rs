//! The middle of every backup, while the images stand still: record, checkpoint, compare.

use std::path::Path;

use super::Run;
use super::checkpoint;
use crate::args::Level;
use crate::compare::{Comparison, Difference, Mismatch};
use crate::error::CliError;
use crate::journal::{Copied, OpenJournal, Phase};
use crate::manifest::{self, DiskRecord, DomainRecord, ImageRecord, Manifest};
use crate::plan::PlannedDomain;
use crate::pool::Location;
use crate::record::{RunImage, digests, record};
use crate::say::{bytes, count};
use gluster_georep::ClientMount;
use jiff::Timestamp;

/// Copies `images` to the secondary and compares them there.
pub(super) fn copy(
    run: &Run<'_>,
    journal: &OpenJournal,
    planned: &[PlannedDomain],
    images: &[RunImage],
) -> Result<Copied, CliError> {
    journal.phase(Phase::Copying)?;
    let manifest = write_manifest(run, planned, images)?;
    if let Err(error) = checkpoint::reach(run, journal) {
        // It would travel with the next run, and promise what was never copied.
        if let Err(stays) = Manifest::delete(run.pool.directory(), run.name.as_str()) {
            run.say.warn("manifest", stays);
        }
        return Err(error);
    }
    journal.phase(Phase::Comparing)?;
    let mut copied = Copied {
        images: images.len(),
        allocated: manifest.images.iter().map(|image| image.allocated).sum(),
        compared: None,
        mismatches: Vec::new(),
    };
    if run.args.verify > Level::None {
        compare(run, &manifest, &mut copied)?;
    }
    journal.copied(copied.clone())?;
    if copied.is_as_recorded() {
        journal.phase(Phase::Proven)?;
    }
    Ok(copied)
}

fn write_manifest(
    run: &Run<'_>,
    planned: &[PlannedDomain],
    images: &[RunImage],
) -> Result<Manifest, CliError> {
    let images = images.iter().map(|image| record_image(run, image)).collect::<Result<_, _>>()?;
    let manifest = Manifest {
        version: manifest::VERSION,
        run: run.name.to_string(),
        method: run.args.method.to_string(),
        created: Timestamp::now(),
        primary: run.session.primary.clone(),
        secondary: run.session.secondary.to_string(),
        pool: run.pool.in_volume().to_owned(),
        domains: planned.iter().map(|domain| domain_record(run, domain)).collect(),
        images,
    };
    manifest.save(run.pool.directory())?;
    let allocated = manifest.images.iter().map(|image| image.allocated).sum();
    run.say.step(
        "manifest",
        format_args!(
            "{} recorded, {} in use",
            count(manifest.images.len(), "image"),
            bytes(allocated)
        ),
    );
    Ok(manifest)
}

/// Every byte is read here and not a second time when the copy is compared: what the other site can
/// be held against with this one gone, this one can, too.
fn record_image(run: &Run<'_>, image: &RunImage) -> Result<ImageRecord, CliError> {
    let mut record = record(image)?;
    if run.args.verify >= Level::Full {
        record.digests = Some(digests(image, &record, &run.say, &run.stop)?);
    }
    Ok(record)
}

fn domain_record(run: &Run<'_>, planned: &PlannedDomain) -> DomainRecord {
    let disk = |(target, image): (&str, &Path)| DiskRecord {
        target: target.to_owned(),
        image: match run.pool.locate(image) {
            Ok(Location::Pool(path)) => path,
            _ => image.to_owned(),
        },
    };
    DomainRecord {
        name: planned.domain.name.clone(),
        uuid: planned.domain.uuid.clone(),
        state: planned.state.to_string(),
        disks: planned.copied().map(disk).collect(),
        xml: planned.xml.clone(),
    }
}

/// Mounts the secondary, read-only, and holds every image against its record.
fn compare(run: &Run<'_>, manifest: &Manifest, copied: &mut Copied) -> Result<(), CliError> {
    let secondary = &run.session.secondary;
    let mount = ClientMount::read_only(&run.mounts, &secondary.host, &secondary.volume)?;
    let pool = mount.path().join(run.pool.in_volume());

    let comparison = Comparison {
        level: run.args.verify,
        qemu_img: Some(&run.qemu_img),
        say: &run.say,
        phase: "compare",
        stop: &run.stop,
    };
    copied.mismatches.extend(compare_manifest(run, &pool));
    let compared = comparison.images(manifest, &pool)?;
    mount.unmount()?;
    copied.mismatches.extend(compared.mismatches);
    copied.compared = Some(compared.bytes);
    run.say.step(
        "compare",
        format_args!(
            "{}, {} read on the secondary",
            count(manifest.images.len(), "image"),
            bytes(compared.bytes)
        ),
    );
    Ok(())
}

/// The manifest is the one file of which every byte is known to be new: where a session copies
/// nothing, it is missing or empty however old and whole the images there may be.
fn compare_manifest(run: &Run<'_>, pool_there: &Path) -> Option<Mismatch> {
    let file = Manifest::path_in(Path::new(""), run.name.as_str());
    let ours = std::fs::read(run.pool.directory().join(&file));
    let difference = match (ours, std::fs::read(pool_there.join(&file))) {
        (Ok(ours), Ok(theirs)) if ours == theirs => return None,
        (Ok(ours), Ok(theirs)) if ours.len() == theirs.len() => {
            Difference::Bytes { offset: 0, length: ours.len() as u64, reason: "differ".to_owned() }
        }
        (Ok(ours), Ok(theirs)) => {
            Difference::Size { recorded: ours.len() as u64, found: theirs.len() as u64 }
        }
        (Err(error), _) | (_, Err(error)) => Difference::Missing { reason: error.to_string() },
    };
    Some(Mismatch { file, difference })
}
