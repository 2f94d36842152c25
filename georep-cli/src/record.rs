//! Records an image as it stands, so that a copy of it can be told right from wrong.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use qcow2_snap::image::{self, Extent, ExtentKind, Header, Image, ImageError, Point};
use qcow2_snap::plan::Format;
use sha2::{Digest, Sha256};
use tool_command::Stop;

use crate::digests::{Digests, Ended, Reading, span_of};
use crate::error::CliError;
use crate::image_file::{ImageFile, hex};
use crate::manifest::{ImageRecord, Sample};
use crate::sampling::{Piece, Sampler};
use crate::say::Progress;
use crate::say::Say;

/// The "copied" flag, in the first byte of a level-2 entry.
const COPIED: u8 = 0x80;

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
    let state = State::of_run(image, &file).map_err(unsound)?;
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
            sample.sha256 = state.digest(&file, &sample, &mut buffer).map_err(unreadable)?;
            Ok(sample)
        })
        .collect::<Result<_, CliError>>()?;

    let header = state.qcow2.as_ref().map(|image| &image.header);
    let backing = header.and_then(|header| header.backing.as_ref());
    let snapshots = state.qcow2.iter().flat_map(|image| &image.snapshots);
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
    let state = State::of_run(image, &file).map_err(|error| unsound(&image.path, &error))?;
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

/// What the copied state of an image is made of: what its tables say, or, of a raw image, all of
/// the file, holes included.
#[derive(Debug)]
pub(crate) struct State {
    qcow2: Option<Image>,
    raw_size: u64,
    snapshot: Option<String>,
}

impl State {
    /// Reads what is needed to tell. `snapshot` is the internal snapshot that is the state; without
    /// it is what the guest sees.
    ///
    /// # Errors
    /// Where the image cannot be read, or is not a sound one of its format.
    pub(crate) fn read(
        file: &ImageFile,
        format: Format,
        snapshot: Option<&str>,
    ) -> Result<Self, ImageError> {
        let snapshot = snapshot.map(str::to_owned);
        Ok(match format {
            Format::Qcow2 => Self { qcow2: Some(Image::read(file.file())?), raw_size: 0, snapshot },
            Format::Raw => Self { qcow2: None, raw_size: file.size()?, snapshot },
        })
    }

    /// Takes a raw image for one of `size` bytes.
    #[cfg(test)]
    pub(crate) fn pretend_size(&mut self, size: u64) {
        self.raw_size = size;
    }

    fn of_run(image: &RunImage, file: &ImageFile) -> Result<Self, ImageError> {
        Self::read(file, image.format, image.snapshot.as_deref())
    }

    /// What the image says about itself; nothing where it is raw.
    pub(crate) fn qcow2(&self) -> Option<&Image> {
        self.qcow2.as_ref()
    }

    /// Calls `see` with every byte range of the file that the state is made of, until it breaks.
    ///
    /// # Errors
    /// Where a table cannot be read or leads out of the file.
    pub(crate) fn each_extent(
        &self,
        file: &ImageFile,
        mut see: impl FnMut(Extent) -> ControlFlow<()>,
    ) -> Result<(), ImageError> {
        let Some(qcow2) = &self.qcow2 else {
            if self.raw_size > 0 {
                let _ = see(Extent { offset: 0, length: self.raw_size, kind: ExtentKind::Data });
            }
            return Ok(());
        };
        let point =
            self.snapshot.as_ref().map_or(Point::Active, |name| Point::Snapshot(name.as_bytes()));
        for extent in image::extents(file.file(), qcow2, point)? {
            if see(extent?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Whether what is of this kind has "copied" flags that change though the state does not: in
    /// the level-2 tables of a snapshot, when another one is made or deleted.
    pub(crate) fn has_flags(&self, kind: ExtentKind) -> bool {
        self.snapshot.is_some() && kind == ExtentKind::L2
    }

    /// Clears the flags in a part of a level-2 table that starts with an entry.
    pub(crate) fn clear_flags(&self, table: &mut [u8]) {
        let extended = self.qcow2.as_ref().is_some_and(|image| image.header.has_extended_l2());
        for entry in table.chunks_mut(if extended { 16 } else { 8 }) {
            if let Some(first) = entry.first_mut() {
                *first &= !COPIED;
            }
        }
    }

    /// The digest of what is now where `sample` was taken.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn digest(
        &self,
        file: &ImageFile,
        sample: &Sample,
        buffer: &mut Vec<u8>,
    ) -> io::Result<String> {
        file.read(Piece { offset: sample.offset, length: sample.length }, buffer)?;
        if sample.without_flags {
            self.clear_flags(buffer);
        }
        Ok(hex(&Sha256::digest(&buffer)))
    }
}

/// An image that is no sound qcow2 image, as an error for a person.
pub(crate) fn unsound(path: &Path, error: &image::ImageError) -> CliError {
    CliError::failed(format!("image `{}`: {error}", path.display()))
}
