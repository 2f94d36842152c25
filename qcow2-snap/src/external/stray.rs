//! Overlays of which libvirt says that no disk is on them, and that nobody has merged.
//!
//! Most of them never came to be, or are empty. But a libvirtd that is killed in the moment in which
//! it makes overlays may not have written down what QEMU has already done: the guest writes to the
//! overlay, and libvirt says that it is on the base. To delete such an overlay would be to lose data.

use std::fs::{self, File};
use std::io;

use super::{Overlay, Step};
use crate::Error;
use crate::image::{self, ExtentKind, Image, Point};
use crate::qemu_img::QemuImg;

/// What the file of an overlay is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stray {
    /// A QEMU has it open, on this host or another.
    in_use: bool,
    /// A guest has written to it.
    holds_data: bool,
    /// It was written to later than its base.
    is_newer: bool,
}

/// What libvirt says of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// Its domain runs on the base.
    RunsOnBase,
    /// Its domain is shut off and defined on the base.
    DefinedOnBase,
    /// Its domain is not defined any more.
    Gone,
}

impl Stray {
    /// Looks at the file; `None` where there is none.
    pub(super) fn look(qemu_img: &QemuImg, overlay: &Overlay) -> Result<Option<Self>, Error> {
        let path = &overlay.overlay;
        let failed =
            |source| Error::Io { tried: "look at the overlay", path: path.clone(), source };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let modified = |path| fs::metadata(path).and_then(|metadata| metadata.modified());
        let is_newer = modified(path).map_err(failed)? > modified(&overlay.base).map_err(failed)?;
        // One that libvirt had only begun to make is no image yet, and nobody can have it open.
        let Some(image) = image::inspect(&file).map_err(failed)?.image else {
            return Ok(Some(Self { in_use: false, holds_data: false, is_newer }));
        };
        // Where QEMU has it open its tables are not at rest, and do not matter.
        let in_use = qemu_img.is_in_use(path)?;
        let holds_data = in_use || holds_data(&file, &image);
        Ok(Some(Self { in_use, holds_data, is_newer }))
    }

    /// What is to be done with it before it can be deleted.
    pub(super) fn next_step(self, disk: Disk, merge_begun: bool) -> Step {
        let stop = |reason: &str| Step::Stop(reason.to_owned());
        match disk {
            Disk::RunsOnBase if self.in_use => Step::MergeHidden,
            _ if self.in_use => stop(
                "libvirt says that no disk is on it, but a QEMU has it open: libvirtd may have been \
                 killed while it made it; it is merged once that domain is shut off",
            ),
            _ if !self.holds_data => Step::Done,
            // To be there the domain was moved, after the merge.
            Disk::RunsOnBase | Disk::DefinedOnBase if merge_begun => Step::Done,
            Disk::RunsOnBase => stop(
                "it holds what a guest wrote and the base does not, but the domain runs on the base \
                 by now",
            ),
            Disk::DefinedOnBase | Disk::Gone if self.is_newer => Step::MergeStray,
            Disk::DefinedOnBase | Disk::Gone => {
                stop("it holds what a guest wrote, but its base was written to later")
            }
        }
    }
}

/// Whether any cluster is allocated. One that cannot be read is taken for one that is: nothing is
/// lost by that.
fn holds_data(file: &File, image: &Image) -> bool {
    let is_data = |kind| matches!(kind, ExtentKind::L2 | ExtentKind::Data);
    image::extents(file, image, Point::Active).map_or(true, |mut extents| {
        extents.any(|extent| extent.map_or(true, |extent| is_data(extent.kind)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: Stray = Stray { in_use: false, holds_data: false, is_newer: true };
    const NEWER: Stray = Stray { in_use: false, holds_data: true, is_newer: true };
    const OLDER: Stray = Stray { in_use: false, holds_data: true, is_newer: false };
    const IN_USE: Stray = Stray { in_use: true, holds_data: true, is_newer: true };
    const ALL: [Disk; 3] = [Disk::RunsOnBase, Disk::DefinedOnBase, Disk::Gone];

    #[test]
    fn one_that_a_qemu_has_open_is_merged_by_that_of_its_domain_or_not_touched() {
        for merge_begun in [false, true] {
            assert_eq!(IN_USE.next_step(Disk::RunsOnBase, merge_begun), Step::MergeHidden);
            for disk in [Disk::DefinedOnBase, Disk::Gone] {
                let step = IN_USE.next_step(disk, merge_begun);
                assert!(matches!(step, Step::Stop(_)), "{disk:?} {merge_begun}");
            }
        }
    }

    #[test]
    fn an_empty_one_can_go() {
        for disk in ALL {
            assert_eq!(EMPTY.next_step(disk, false), Step::Done, "{disk:?}");
        }
    }

    #[test]
    fn one_that_was_merged_can_go_though_it_holds_data_still() {
        assert_eq!(OLDER.next_step(Disk::RunsOnBase, true), Step::Done);
        assert_eq!(NEWER.next_step(Disk::DefinedOnBase, true), Step::Done);
    }

    #[test]
    fn data_that_is_nowhere_else_is_merged_where_nothing_has_gone_on_without_it() {
        assert_eq!(NEWER.next_step(Disk::DefinedOnBase, false), Step::MergeStray);
        for merge_begun in [false, true] {
            assert_eq!(NEWER.next_step(Disk::Gone, merge_begun), Step::MergeStray);
            assert!(matches!(OLDER.next_step(Disk::Gone, merge_begun), Step::Stop(_)));
        }
        for (stray, disk) in
            [(NEWER, Disk::RunsOnBase), (OLDER, Disk::RunsOnBase), (OLDER, Disk::DefinedOnBase)]
        {
            assert!(matches!(stray.next_step(disk, false), Step::Stop(_)), "{stray:?} {disk:?}");
        }
    }
}
