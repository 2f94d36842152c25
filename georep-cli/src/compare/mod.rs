//! Holds a copy against its manifest, wherever it is: a manifest against a directory.

mod difference;

use std::io;
use std::path::Path;

use qcow2_snap::image::Image;
use qcow2_snap::plan::Format;
use qcow2_snap::qemu_img::QemuImg;
use rustix::io::Errno;
use tool_command::Stop;

use self::difference::Ranges;
pub(crate) use self::difference::{Difference, Mismatch, files, tell};
use crate::args::Level;
use crate::digests::{Digests, Ended, Reading};
use crate::error::CliError;
use crate::image_file::ImageFile;
use crate::image_state::State;
use crate::manifest::{ImageRecord, Manifest, SnapshotRecord};
use crate::record::digest;
use crate::sampling::Piece;
use crate::say::Progress;
use crate::say::Say;

/// Tables that lead to more than twice of what was recorded, and this, are not followed on.
const MORE_THAN_RECORDED: u64 = 64 << 20;

const DIFFERS: &str = "differ";

/// How copies are held against a manifest.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    /// How thoroughly.
    pub level: Level,
    /// Checks images, from [`Level::Check`] on.
    pub qemu_img: Option<&'a QemuImg>,
    /// Hears of progress, as that of this phase.
    pub say: &'a Say,
    /// One word.
    pub phase: &'static str,
    /// When to end early.
    pub stop: &'a Stop,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Bytes of images that were read and compared.
    pub bytes: u64,
    /// All that is wrong, in the order of the manifest.
    pub mismatches: Vec<Mismatch>,
}

/// Holds one image of `manifest` against the file at `path`, as [`Level::Quick`] does.
///
/// # Errors
/// Where the copy cannot be told right from wrong.
pub(crate) fn quick(
    manifest: &Manifest,
    record: &ImageRecord,
    path: &Path,
) -> Result<Vec<Difference>, CliError> {
    let Look { mut found, image } = look(record, manifest.snapshot_of(record), path)?;
    if let Some((file, state)) = image {
        found.extend(samples(record, &state, &file, path, &mut 0)?);
    }
    Ok(found)
}

/// A first look at an image.
struct Look {
    /// What is wrong with it apart from its data.
    found: Vec<Difference>,
    /// The file, and what the copied state is made of, where it is an image.
    image: Option<(ImageFile, State)>,
}

fn look(record: &ImageRecord, snapshot: Option<&str>, path: &Path) -> Result<Look, CliError> {
    let file = match ImageFile::open(path) {
        Ok(file) => file,
        Err(error) => return Ok(Look { found: vec![missing(path, error)?], image: None }),
    };
    let mut found: Vec<_> = size(record, snapshot.is_some(), &file).into_iter().collect();
    match State::read(&file, record.format(), snapshot) {
        Ok(state) => {
            found.extend(state.qcow2().into_iter().flat_map(|image| {
                header(record, image).into_iter().chain(snapshots(record, snapshot, image))
            }));
            Ok(Look { found, image: Some((file, state)) })
        }
        Err(error) => {
            found.push(Difference::Unsound { reason: error.to_string() });
            Ok(Look { found, image: None })
        }
    }
}

impl Comparison<'_> {
    /// Holds every image of `manifest` against the file of its name in `pool`.
    ///
    /// # Errors
    /// Where a copy cannot be told right from wrong, because it cannot be reached or somebody asks
    /// for the end.
    pub(crate) fn images(&self, manifest: &Manifest, pool: &Path) -> Result<Compared, CliError> {
        let mut compared = Compared::default();
        for record in &manifest.images {
            let found =
                self.image(manifest, record, &pool.join(&record.path), &mut compared.bytes)?;
            let file = &record.path;
            let found = found.into_iter();
            compared
                .mismatches
                .extend(found.map(|difference| Mismatch { file: file.clone(), difference }));
        }
        Ok(compared)
    }

    fn image(
        &self,
        manifest: &Manifest,
        record: &ImageRecord,
        path: &Path,
        read: &mut u64,
    ) -> Result<Vec<Difference>, CliError> {
        if self.stop.is_due() {
            return Err(interrupted());
        }
        let snapshot = manifest.snapshot_of(record);
        let Look { mut found, image } = look(record, snapshot, path)?;
        let Some((file, state)) = image else { return Ok(found) };
        let digests = record.digests.as_ref().filter(|_| self.level >= Level::Full);
        if found.is_empty()
            && let Some(digests) = digests
        {
            found.extend(self.every_byte(record, digests, &state, &file, path, read)?);
        } else {
            found.extend(samples(record, &state, &file, path, read)?);
        }
        if self.level >= Level::Check && record.format() == Format::Qcow2 && snapshot.is_none() {
            found.extend(self.qemu_img.and_then(|qemu_img| check(qemu_img, path)));
        }
        Ok(found)
    }

    fn every_byte(
        &self,
        record: &ImageRecord,
        digests: &Digests,
        state: &State,
        file: &ImageFile,
        path: &Path,
        read: &mut u64,
    ) -> Result<Vec<Difference>, CliError> {
        let (size, span) = (record.size, digests.span);
        let allocated = record.allocated.saturating_mul(2).saturating_add(MORE_THAN_RECORDED);
        let reading = Reading { file, state, size, span, allocated, stop: self.stop };
        let mut recorded = digests.of_spans();
        let (mut ranges, mut unreachable) = (Ranges::default(), None);
        let mut progress =
            Progress::new(self.say, self.phase, record.path.display(), record.allocated);
        let see = |number: u64, digest: io::Result<String>| {
            let offset = number.saturating_mul(span);
            let piece = Piece { offset, length: span.min(size.saturating_sub(offset)) };
            match (digest, recorded.next()) {
                (Ok(digest), Some(recorded)) if digest == recorded => {}
                (Ok(_), _) => ranges.add(piece, DIFFERS.to_owned()),
                (Err(error), _) if is_unreachable(&error) => unreachable = Some(error),
                (Err(error), _) => ranges.add(piece, unreadable(&error)),
            }
        };
        let result = reading.each_span(|bytes| progress.add(bytes), see);
        *read += progress.done();
        if let Some(error) = unreachable {
            return Err(CliError::io("read the copy", path, error));
        }
        let mut found = ranges.into_differences();
        match result {
            Ok(()) => {}
            Err(Ended::Stopped) => return Err(interrupted()),
            Err(Ended::Unsound(error)) => {
                found.push(Difference::Unsound { reason: error.to_string() });
            }
            Err(Ended::TooMuch) => {
                let reason = "its tables lead to much more than was recorded".to_owned();
                found.push(Difference::Unsound { reason });
            }
        }
        Ok(found)
    }
}

fn interrupted() -> CliError {
    CliError::failed("interrupted before everything was compared")
}

fn size(record: &ImageRecord, grows: bool, file: &ImageFile) -> Option<Difference> {
    match file.size() {
        Ok(size) if size == record.size || (grows && size > record.size) => None,
        Ok(size) => Some(Difference::Size { recorded: record.size, found: size }),
        Err(error) => Some(Difference::Missing { reason: error.to_string() }),
    }
}

fn header(record: &ImageRecord, image: &Image) -> Vec<Difference> {
    let header = &image.header;
    let backing =
        |file: Option<&String>| file.map_or("none".to_owned(), |name| format!("`{name}`"));
    let fields = [
        ("virtual size", record.virtual_size.to_string(), header.virtual_size.to_string()),
        (
            "cluster size",
            record.cluster_size.unwrap_or_default().to_string(),
            header.cluster_size().to_string(),
        ),
        (
            "backing file",
            backing(record.backing_file.as_ref()),
            backing(header.backing.as_ref().map(|b| &b.file)),
        ),
    ];
    fields
        .into_iter()
        .filter(|(_, recorded, found)| recorded != found)
        .map(|(field, recorded, found)| Difference::Header { field: field.into(), recorded, found })
        .collect()
}

/// Where one snapshot is the copy, others may come and go with later runs.
fn snapshots(record: &ImageRecord, copied: Option<&str>, image: &Image) -> Vec<Difference> {
    let held: Vec<SnapshotRecord> = image.snapshots.iter().map(Into::into).collect();
    let must_be_there =
        |recorded: &&SnapshotRecord| copied.is_none_or(|name| recorded.name == name);
    let recorded = record.snapshots.iter().filter(must_be_there);
    let missing = recorded.filter(|recorded| !held.contains(recorded));
    missing
        .map(|recorded| {
            let reason = match held.iter().find(|snapshot| snapshot.name == recorded.name) {
                Some(_) => "differs in id, date or size of its memory state",
                None => "is missing",
            };
            Difference::Snapshot { name: recorded.name.clone(), reason: reason.to_owned() }
        })
        .collect()
}

fn samples(
    record: &ImageRecord,
    state: &State,
    file: &ImageFile,
    path: &Path,
    read: &mut u64,
) -> Result<Vec<Difference>, CliError> {
    let mut buffer = Vec::new();
    let mut ranges = Ranges::default();
    for sample in &record.samples {
        let piece = Piece { offset: sample.offset, length: sample.length };
        *read += piece.length;
        match digest(state, file, sample, &mut buffer) {
            Ok(digest) if digest == sample.sha256 => {}
            Ok(_) => ranges.add(piece, DIFFERS.to_owned()),
            Err(error) if is_unreachable(&error) => {
                return Err(CliError::io("read the copy", path, error));
            }
            Err(error) => ranges.add(piece, unreadable(&error)),
        }
    }
    Ok(ranges.into_differences())
}

/// What `qemu-img check` finds wrong with the image at `path`.
fn check(qemu_img: &QemuImg, path: &Path) -> Option<Difference> {
    match qemu_img.check(path, "qcow2") {
        Ok(report) if report.is_sound() => None,
        Ok(report) => Some(Difference::Check { reason: report.to_string() }),
        Err(error) => Some(Difference::Check { reason: error.to_string() }),
    }
}

/// Without the file there is no copy; where it cannot be reached, nothing is known of it.
fn missing(path: &Path, error: io::Error) -> Result<Difference, CliError> {
    if is_unreachable(&error) {
        return Err(CliError::io("read the copy", path, error));
    }
    Ok(Difference::Missing { reason: error.to_string() })
}

/// Whether an error says nothing of the copy: the mount is gone, or what is there is not for this
/// user.
fn is_unreachable(error: &io::Error) -> bool {
    const UNREACHABLE: [Errno; 6] = [
        Errno::ACCESS,
        Errno::HOSTUNREACH,
        Errno::MFILE,
        Errno::NOTCONN,
        Errno::PERM,
        Errno::TIMEDOUT,
    ];
    UNREACHABLE.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "lie past the end of the file".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
