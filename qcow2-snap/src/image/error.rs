use std::io;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The system could not read the file.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),

    /// The file does not begin with the magic number of qcow2.
    #[error("is not a qcow2 image")]
    NotQcow2,

    /// QEMU would not open the image.
    #[error("is not accepted by QEMU: {0}")]
    Rejected(String),

    /// QEMU may open the image, but it does not hold what it says.
    #[error("is damaged: {0}")]
    Damaged(String),

    /// The image is sound, but uses a feature whose data cannot be followed here.
    #[error("uses {0}, which is not supported")]
    Unsupported(&'static str),

    /// The image has no snapshot of that name.
    #[error("has no snapshot `{0}`")]
    NoSuchSnapshot(String),
}

/// Ends with [`ImageError::Rejected`] unless `holds`.
pub(super) fn accept(holds: bool, reason: impl FnOnce() -> String) -> Result<(), ImageError> {
    if holds { Ok(()) } else { Err(ImageError::Rejected(reason())) }
}

/// Ends with [`ImageError::Damaged`] unless `holds`.
pub(super) fn sound(holds: bool, reason: impl FnOnce() -> String) -> Result<(), ImageError> {
    if holds { Ok(()) } else { Err(ImageError::Damaged(reason())) }
}
