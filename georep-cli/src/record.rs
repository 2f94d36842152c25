//! Records an image as it stands, so that a copy of it can be told right from wrong.

use std::path::{Path, PathBuf};

use qcow2_snap::image::{self, Extent, ExtentKind, Header, Image, ImageError, Point};
use qcow2_snap::plan::Format;

use crate::error::CliError;
use crate::image_file::ImageFile;
use crate::manifest::{ImageRecord, Sample};
use crate::sampling::Sampler;

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

impl RunImage {
    /// Which state of the image is copied.
    pub(crate) fn point(&self) -> Point<'_> {
        self.snapshot.as_ref().map_or(Point::Active, |name| Point::Snapshot(name.as_bytes()))
    }
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
    let state = State::read(image, &file).map_err(unsound)?;
    let mut sampler = Sampler::new(fastrand::Rng::new());
    state.each_extent(image, &file, |extent| sampler.see(&extent)).map_err(unsound)?;
    let allocated = sampler.allocated();
    let mut buffer = Vec::new();
    let samples = sampler
        .into_pieces()
        .into_iter()
        .map(|piece| {
            let sha256 = file.digest(piece, &mut buffer).map_err(unreadable)?;
            Ok(Sample { offset: piece.offset, length: piece.length, sha256 })
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
    })
}

/// What the copied state of an image is made of: what its tables say, or, of a raw image, all of
/// the file, holes included.
#[derive(Debug)]
pub(crate) struct State {
    qcow2: Option<Image>,
    raw_size: u64,
}

impl State {
    /// Reads what is needed to tell.
    ///
    /// # Errors
    /// Where the image cannot be read, or is not a sound one of its format.
    pub(crate) fn read(image: &RunImage, file: &ImageFile) -> Result<Self, ImageError> {
        Ok(match image.format {
            Format::Qcow2 => Self { qcow2: Some(Image::read(file.file())?), raw_size: 0 },
            Format::Raw => Self { qcow2: None, raw_size: file.size()? },
        })
    }

    /// Calls `see` with every byte range of the file that the state is made of.
    ///
    /// # Errors
    /// Where a table cannot be read or leads out of the file.
    pub(crate) fn each_extent(
        &self,
        image: &RunImage,
        file: &ImageFile,
        mut see: impl FnMut(Extent),
    ) -> Result<(), ImageError> {
        let Some(qcow2) = &self.qcow2 else {
            if self.raw_size > 0 {
                see(Extent { offset: 0, length: self.raw_size, kind: ExtentKind::Data });
            }
            return Ok(());
        };
        for extent in image::extents(file.file(), qcow2, image.point())? {
            see(extent?);
        }
        Ok(())
    }
}
/// An image that is no sound qcow2 image, as an error for a person.
pub(crate) fn unsound(path: &Path, error: &image::ImageError) -> CliError {
    CliError::failed(format!("image `{}`: {error}", path.display()))
}
