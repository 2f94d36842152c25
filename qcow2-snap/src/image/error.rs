use std::io;

use super::problem::{Problem, ProblemCode};

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
    Rejected(Problem),

    /// QEMU may open the image, but it does not hold what it says. This is the first of its
    /// problems; [`super::inspect`] finds all.
    #[error("is damaged: {0}")]
    Damaged(Problem),

    /// A table or cluster is misaligned or lies past the end of the file.
    #[error("is damaged: {0}")]
    Broken(String),

    /// The image is sound, but uses a feature whose data cannot be followed here.
    #[error("uses {0}, which is not supported")]
    Unsupported(&'static str),

    /// The image has no snapshot of that name.
    #[error("has no snapshot `{0}`")]
    NoSuchSnapshot(String),
}

/// Why the reading of a header or snapshot table ended early.
#[derive(Debug)]
pub(super) enum Ended {
    Io(io::Error),
    Rejected(Problem),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Ends with [`Ended::Rejected`] unless `holds`.
pub(super) fn accept(
    holds: bool,
    code: ProblemCode,
    message: impl FnOnce() -> String,
) -> Result<(), Ended> {
    if holds { Ok(()) } else { Err(Ended::Rejected(Problem { code, message: message() })) }
}

/// Ends with [`ImageError::Broken`] unless `holds`.
pub(super) fn sound(holds: bool, reason: impl FnOnce() -> String) -> Result<(), ImageError> {
    if holds { Ok(()) } else { Err(ImageError::Broken(reason())) }
}
