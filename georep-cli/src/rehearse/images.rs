//! Where QEMU reads each image of the run: on the secondary itself where it can, else from a copy.
//!
//! On a read-only secondary a shard that was never written cannot be read (EROFS), and QEMU takes
//! that for an error of the disk. A qcow2 image that grew by being written to has no such holes in
//! what it uses; raw images and images whose clusters were allocated beforehand do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use qcow2_snap::qemu_img::QemuImg;
use tool_command::Stop;

use crate::error::CliError;
use crate::image_file::ImageFile;
use crate::restore::{Choice, Needed, copy, has_unreadable_holes, open};
use crate::say::Progress;
use crate::say::Say;

/// The images of a run as QEMU can read them.
#[derive(Debug)]
pub(super) struct Images<'a> {
    choice: &'a Choice,
    qemu_img: &'a QemuImg,
    workplace: &'a Path,
    say: &'a Say,
    stop: &'a Stop,
    places: BTreeMap<&'a Path, Place>,
}

/// Where an image is read.
#[derive(Debug, Clone)]
struct Place {
    file: PathBuf,
    /// Whether it is the one on the secondary, which is never written.
    in_place: bool,
    /// Whether nobody else uses the file: the guest may write into it.
    is_own: bool,
}

impl<'a> Images<'a> {
    /// No images yet; what has to be copied goes to `workplace`.
    pub(super) fn new(
        choice: &'a Choice,
        qemu_img: &'a QemuImg,
        workplace: &'a Path,
        say: &'a Say,
        stop: &'a Stop,
    ) -> Self {
        Self { choice, qemu_img, workplace, say, stop, places: BTreeMap::new() }
    }

    /// Finds a place for `image`; those behind it have theirs already. Returns what was done where
    /// it is not read on the secondary itself.
    ///
    /// # Errors
    /// Where it cannot be read or copied.
    pub(super) fn add(&mut self, image: &'a Needed<'a>) -> Result<Option<&'static str>, CliError> {
        let original = self.choice.pool.join(image.path());
        let file = open(self.choice, image.path())?;
        let unreadable = |source| CliError::io("read the image", &original, source);
        let backing = image.backing.as_ref();
        let behind = backing.and_then(|backing| self.places.get(backing.image)).cloned();
        let has_backing_in_place = match (backing, &behind) {
            (Some(backing), Some(behind)) => behind.in_place && !backing.is_elsewhere,
            _ => true,
        };
        let mut place = Place { file: original.clone(), in_place: true, is_own: false };
        let mut done = None;
        if !has_backing_in_place || has_unreadable_holes(&file).map_err(unreadable)? {
            place =
                Place { file: self.copied(image, &file)?, in_place: false, is_own: image.is_top };
            done = Some("copied: QEMU cannot read it where it lies");
            if let (Some(backing), Some(behind)) = (backing, &behind) {
                let (name, format) = (path_text(&behind.file)?, backing.format.to_string());
                self.qemu_img.rename_backing(&place.file, name, &format)?.run()?;
            }
        }
        if self.choice.is_internal() && image.is_top {
            let taken_out = self.taken_out(image, &place.file, behind.as_ref())?;
            if !place.in_place {
                std::fs::remove_file(&place.file).map_err(unreadable)?;
            }
            place = Place { file: taken_out, in_place: false, is_own: true };
            done = Some("the snapshot taken out");
        }
        self.places.insert(image.path(), place);
        Ok(done)
    }

    /// Makes the throw-away disk `disk` of an image that has been added.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn throw_away(&self, image: &Needed<'_>, disk: &Path) -> Result<PathBuf, CliError> {
        let place = self.places.get(image.path());
        let place = place.ok_or_else(|| CliError::failed("an image was not prepared"))?;
        let is_qcow2 = image.format == qcow2_snap::plan::Format::Qcow2;
        if place.is_own && (is_qcow2 || self.choice.is_internal()) {
            return Ok(place.file.clone());
        }
        self.qemu_img.create_overlay(disk, &place.file, &image.format.to_string())?;
        Ok(disk.to_owned())
    }

    fn copied(&self, image: &Needed<'_>, file: &ImageFile) -> Result<PathBuf, CliError> {
        let to = self.new_file("copy");
        let mut progress =
            Progress::new(self.say, "image", image.path().display(), image.record.size);
        let copied = copy(file, self.workplace, self.stop, &mut progress)?.file;
        copied.persist(&to).map_err(|error| CliError::io("write", &to, error.error))?;
        Ok(to)
    }

    fn taken_out(
        &self,
        image: &Needed<'_>,
        from: &Path,
        behind: Option<&Place>,
    ) -> Result<PathBuf, CliError> {
        let to = self.new_file("snapshot");
        let format = image.backing.map(|backing| backing.format.to_string());
        let name = behind.map(|behind| path_text(&behind.file)).transpose()?;
        let backing = name.zip(format.as_deref());
        self.qemu_img.extract_snapshot(from, &self.choice.manifest.run, &to, backing)?.run()?;
        Ok(to)
    }

    /// Names come from the manifest; files here are numbered instead.
    fn new_file(&self, what: &str) -> PathBuf {
        self.workplace.join(format!("image-{}-{what}", self.places.len()))
    }
}

fn path_text(path: &Path) -> Result<&str, CliError> {
    let text = path.to_str();
    text.ok_or_else(|| CliError::failed(format!("the path `{}` is no text", path.display())))
}
