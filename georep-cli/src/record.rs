//! Records an image as it stands, so that a copy of it can be told right from wrong.

use std::path::{Path, PathBuf};

use qcow2_snap::image::{self, Image, Point};

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
/// Where the image cannot be read, or is not a sound qcow2 image.
pub(crate) fn record(image: &RunImage) -> Result<ImageRecord, CliError> {
    let unreadable = |source| CliError::io("read the image", &image.path, source);
    let unsound = |error| unsound(&image.path, &error);
    let file = ImageFile::open(&image.path).map_err(unreadable)?;
    let parsed = Image::read(file.file()).map_err(unsound)?;

    let mut sampler = Sampler::new(fastrand::Rng::new());
    for extent in image::extents(file.file(), &parsed, image.point()).map_err(unsound)? {
        sampler.see(&extent.map_err(unsound)?);
    }
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

    Ok(ImageRecord {
        path: image.in_pool.clone(),
        size: file.size().map_err(unreadable)?,
        virtual_size: parsed.header.virtual_size,
        cluster_size: parsed.header.cluster_size(),
        backing_file: parsed.header.backing.as_ref().map(|backing| backing.file.clone()),
        snapshots: parsed.snapshots.iter().map(Into::into).collect(),
        allocated,
        samples,
    })
}

/// An image that is no sound qcow2 image, as an error for a person.
pub(crate) fn unsound(path: &Path, error: &image::ImageError) -> CliError {
    CliError::failed(format!("image `{}`: {error}", path.display()))
}
