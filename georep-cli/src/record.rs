//! Records an image as it stands, so that a copy of it can be told right from wrong.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use qcow2_snap::image::{self, Header, ImageError};
use qcow2_snap::plan::Format;
use sha2::{Digest, Sha256};
use tool_command::Stop;

use crate::digests::{Digests, Ended, Reading, span_of};
use crate::error::CliError;
use crate::image_file::{ImageFile, hex};
use crate::image_state::State;
use crate::manifest::{ImageRecord, Sample};
use crate::sampling::{Piece, Sampler};
use crate::say::Progress;
use crate::say::Say;

/// An image of the run, and which state of it is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunImage {
    /// The file, as the domain names it.
    pub path: PathBuf,
    /// The file, relative to the pool.
    pub in_pool: PathBuf,
    /// Its format.
    pub format: Format,
    /// The internal snapshot that is the copy; `None` where the image itself stands still.
    pub snapshot: Option<String>,
}

/// Records the state of `image` that is copied.
///
/// # Errors
/// Where the image cannot be read, or is not a sound one of its format.
pub(crate) fn record(image: &RunImage) -> Result<ImageRecord, CliError> {
    let unreadable = |source| CliError::io("read the image", &image.path, source);
    let unsound = |error| unsound(&image.path, &error);
    let file = ImageFile::open(&image.path).map_err(unreadable)?;
    let size = file.size().map_err(unreadable)?;
    let state = state_of(image, &file).map_err(unsound)?;
    let mut sampler = Sampler::new(fastrand::Rng::new());
    let see = |extent| {
        sampler.see(&extent);
        ControlFlow::Continue(())
    };
    state.each_extent(&file, see).map_err(unsound)?;
    let allocated = sampler.allocated();
    let mut buffer = Vec::new();
    let samples = sampler
        .into_pieces()
        .into_iter()
        .map(|(Piece { offset, length }, kind)| {
            let mut sample = Sample {
                offset,
                length,
                without_flags: state.has_flags(kind),
                sha256: String::new(),
            };
            sample.sha256 = digest(&state, &file, &sample, &mut buffer).map_err(unreadable)?;
            Ok(sample)
        })
        .collect::<Result<_, CliError>>()?;

    let header = state.qcow2().map(|image| &image.header);
    let backing = header.and_then(|header| header.backing.as_ref());
    let snapshots = state.qcow2().into_iter().flat_map(|image| &image.snapshots);
    Ok(ImageRecord {
        path: image.in_pool.clone(),
        format: image.format.to_string(),
        size,
        virtual_size: header.map_or(size, |header| header.virtual_size),
        cluster_size: header.map(Header::cluster_size),
        backing_file: backing.map(|backing| backing.file.clone()),
        snapshots: snapshots.map(Into::into).collect(),
        allocated,
        samples,
        digests: None,
    })
}

/// Takes the digests of all that `record` says of `image`.
///
/// # Errors
/// Where the image cannot be read or is not as it was recorded, or `stop` is due.
pub(crate) fn digests(
    image: &RunImage,
    record: &ImageRecord,
    say: &Say,
    stop: &Stop,
) -> Result<Digests, CliError> {
    let unreadable = |source| CliError::io("read the image", &image.path, source);
    let file = ImageFile::open(&image.path).map_err(unreadable)?;
    let state = state_of(image, &file).map_err(|error| unsound(&image.path, &error))?;
    let span = span_of(record.size);
    let (size, allocated) = (record.size, record.allocated);
    let reading = Reading { file: &file, state: &state, size, span, allocated, stop };
    let mut progress = Progress::new(say, "manifest", record.path.display(), allocated);
    match Digests::take(&reading, |read| progress.add(read)) {
        Ok(digests) => digests.map_err(unreadable),
        Err(Ended::Unsound(error)) => Err(unsound(&image.path, &error)),
        Err(Ended::TooMuch) => {
            let shown = image.path.display();
            Err(CliError::failed(format!("image `{shown}` does not stand still")))
        }
        Err(Ended::Stopped) => Err(CliError::failed("interrupted before the checkpoint")),
    }
}

fn state_of(image: &RunImage, file: &ImageFile) -> Result<State, ImageError> {
    State::read(file, image.format, image.snapshot.as_deref())
}

/// The digest of what is now where `sample` of an image in `state` was taken.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn digest(
    state: &State,
    file: &ImageFile,
    sample: &Sample,
    buffer: &mut Vec<u8>,
) -> io::Result<String> {
    file.read(Piece { offset: sample.offset, length: sample.length }, buffer)?;
    if sample.without_flags {
        state.clear_flags(buffer);
    }
    Ok(hex(&Sha256::digest(&buffer)))
}

/// An image that is no sound qcow2 image, as an error for a person.
pub(crate) fn unsound(path: &Path, error: &image::ImageError) -> CliError {
    CliError::failed(format!("image `{}`: {error}", path.display()))
}
