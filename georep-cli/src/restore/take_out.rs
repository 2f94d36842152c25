//! What is done to a copied image before it is one at this site: its backing file's name, and the
//! state that a snapshot holds.
//!
//! A snapshot is taken out (`qemu-img convert -l`), not gone back to (`qemu-img snapshot -a`): the
//! image went on being written while it was copied, and everything in it that is not the snapshot
//! may be half of one moment and half of another. Going back changes the reference counts of both,
//! which fails on such an image, or leaves it damaged. Taking out reads the snapshot alone.

use std::path::Path;

use qcow2_snap::image::Image;
use qcow2_snap::plan::Format;
use qcow2_snap::qemu_img::QemuImg;
use tool_command::Command;

use super::chain::Needed;
use super::plan::Plan;
use crate::error::CliError;
use crate::image_file::ImageFile;
use crate::record::unsound;

/// What the header of the restored `image` is to say of its backing file.
pub(super) fn backing_name(plan: &Plan<'_>, image: &Needed<'_>) -> Option<String> {
    let backing = image.backing?;
    if backing.is_elsewhere {
        Some(plan.to.join(backing.image).to_string_lossy().into_owned())
    } else {
        image.record.backing_file.clone()
    }
}

/// The command that gives the copy at `file` the right name of its backing file, where it has
/// another.
///
/// # Errors
/// Where a path is not absolute.
pub(super) fn rename(
    plan: &Plan<'_>,
    qemu_img: &QemuImg,
    image: &Needed<'_>,
    file: &Path,
) -> Result<Option<Command>, CliError> {
    let elsewhere = image.backing.filter(|backing| backing.is_elsewhere);
    let (Some(backing), Some(name)) = (elsewhere, backing_name(plan, image)) else {
        return Ok(None);
    };
    Ok(Some(qemu_img.rename_backing(file, &name, &backing.format.to_string())?))
}

/// The command that takes the run's snapshot out of the copy at `from`, into `to`.
///
/// # Errors
/// Where a path is not absolute.
pub(super) fn extract(
    plan: &Plan<'_>,
    qemu_img: &QemuImg,
    image: &Needed<'_>,
    from: &Path,
    to: &Path,
) -> Result<Command, CliError> {
    let name = backing_name(plan, image);
    let format = image.backing.map(|backing| backing.format.to_string());
    let backing = name.as_deref().zip(format.as_deref());
    Ok(qemu_img.extract_snapshot(from, &plan.choice.manifest.run, to, backing)?)
}

/// Reads what the header of the finished `file` says.
///
/// # Errors
/// Where it is not what it has to be.
pub(super) fn check(plan: &Plan<'_>, image: &Needed<'_>, file: &Path) -> Result<(), CliError> {
    if image.format == Format::Raw {
        return Ok(());
    }
    let opened = ImageFile::open(file).map_err(|e| CliError::io("read the image", file, e))?;
    let header = Image::read(opened.file()).map_err(|error| unsound(file, &error))?.header;
    let backing = header.backing.as_ref();
    let format = image.backing.map(|backing| backing.format.to_string());
    let is_right = header.virtual_size == image.record.virtual_size
        && backing.map(|backing| &backing.file) == backing_name(plan, image).as_ref()
        && backing.and_then(|backing| backing.format.as_ref()) == format.as_ref();
    if is_right {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "the copy of `{}` has another size or backing file than it has to have: {backing:?}",
        image.path().display()
    )))
}
