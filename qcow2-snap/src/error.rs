use std::io;
use std::path::PathBuf;

use tool_command::CommandError;

use crate::external::Overlay;
use crate::image::ImageError;
use crate::virsh::VirshFailure;

/// Why something could not be done. The text is whole: it includes what caused it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// virsh failed, for a reason that is told apart where somebody must act on it.
    #[error("{source}")]
    Virsh {
        /// What its message means.
        failure: VirshFailure,
        /// What it was asked, and what it said.
        source: CommandError,
    },

    /// qemu-img failed.
    #[error(transparent)]
    QemuImg(#[from] CommandError),

    /// Something is not the XML of a domain.
    #[error("{what} is not the XML of a domain: {source}")]
    Xml {
        /// What it is.
        what: String,
        /// Where it is not.
        source: quick_xml::DeError,
    },

    /// A tool printed what is not the JSON it should be.
    #[error("`{of}` printed what was not expected: {source}")]
    Json {
        /// The command line.
        of: String,
        /// Where it is not.
        source: serde_json::Error,
    },

    /// An image is not as it must be.
    #[error("image `{}` {source}", .path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// What is wrong.
        source: ImageError,
    },

    /// A file could not be accessed.
    #[error("cannot {tried} `{}`: {source}", .path.display())]
    Io {
        /// What was tried: a verb.
        tried: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// Tools are given absolute paths only.
    #[error("the path `{}` is not absolute", .path.display())]
    RelativePath {
        /// The path.
        path: PathBuf,
    },

    /// QEMU is told of a file in JSON, which is UTF-8.
    #[error("the path `{}` is not UTF-8", .path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },

    /// The domain is not as it must be for what was asked; nothing was changed.
    #[error("domain `{domain}`: {reason}")]
    Unfit {
        /// Its name.
        domain: String,
        /// What is in the way.
        reason: String,
    },

    /// The overlays were not made as planned. Some may be in use: [`commit`](crate::external::commit)
    /// brings the disks back.
    #[error("domain `{domain}` is not on overlays as planned: {reason}{}", still(.still_frozen.as_deref()))]
    NotOverlaid {
        /// Its name.
        domain: String,
        /// What virsh's message means, where virsh failed.
        failure: VirshFailure,
        /// What is not as it was asked for.
        reason: String,
        /// Why the guest may be frozen; else it is not.
        still_frozen: Option<String>,
    },

    /// The caller broke it off before an overlay was made.
    #[error("domain `{domain}`: broken off{}", still(.still_frozen.as_deref()))]
    BrokenOff {
        /// Its name.
        domain: String,
        /// Why the guest may be frozen; else it is not.
        still_frozen: Option<String>,
    },

    /// The guest's file systems had to be frozen, and were not. No overlay was made.
    #[error("domain `{domain}` could not be frozen: {reason}{}", still(.still_frozen.as_deref()))]
    NotFrozen {
        /// Its name.
        domain: String,
        /// What virsh's message means.
        failure: VirshFailure,
        /// What virsh said.
        reason: String,
        /// Why the guest may be frozen in spite of it; else it is not.
        still_frozen: Option<String>,
    },

    /// The overlay could not be merged back. It is still in use: it must not be deleted.
    #[error("the overlay `{}` of disk `{}` was not merged back: {reason}", .overlay.overlay.display(), .overlay.target)]
    NotCommitted {
        /// The overlay.
        overlay: Box<Overlay>,
        /// Why.
        reason: String,
    },

    /// The overlay was merged back, but is not deleted: it is not certain that it is unused.
    #[error("the overlay `{}` is not deleted: {reason}", .overlay.overlay.display())]
    NotRemoved {
        /// The overlay.
        overlay: Box<Overlay>,
        /// Why.
        reason: String,
    },

    /// libvirt reported success, but an image does not hold the snapshot as it should.
    #[error("snapshot `{name}` of domain `{domain}`: {reason}")]
    BadSnapshot {
        /// The domain's name.
        domain: String,
        /// The snapshot's name.
        name: String,
        /// What is not as it should be.
        reason: String,
    },
}

impl Error {
    /// What virsh's message means, where virsh failed.
    pub fn virsh_failure(&self) -> Option<VirshFailure> {
        match self {
            Self::Virsh { failure, .. }
            | Self::NotFrozen { failure, .. }
            | Self::NotOverlaid { failure, .. } => Some(*failure),
            _ => None,
        }
    }

    /// Why the guest may be frozen, where an error leaves it so.
    pub fn still_frozen(&self) -> Option<&str> {
        match self {
            Self::NotFrozen { still_frozen, .. }
            | Self::NotOverlaid { still_frozen, .. }
            | Self::BrokenOff { still_frozen, .. } => still_frozen.as_deref(),
            _ => None,
        }
    }
}

fn still(frozen: Option<&str>) -> String {
    frozen.map(|reason| format!("; it may be frozen still: {reason}")).unwrap_or_default()
}
