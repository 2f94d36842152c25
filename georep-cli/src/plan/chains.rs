//! The images that a run copies: those that disks are on, and all that lies behind them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use qcow2_snap::image::{self, Image, ImageError, Point};
use qcow2_snap::plan::Format;

use super::PlannedDomain;
use crate::error::CliError;
use crate::image_file::ImageFile;
use crate::pool::{Location, Pool};
use crate::record::unsound;

/// A chain longer than this goes round in a circle.
const MAX_CHAIN: usize = 200;

/// The images of a run, relative to the pool, with their formats.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chains {
    /// Those that a disk is on.
    pub tops: BTreeMap<PathBuf, Format>,
    /// Those behind them.
    pub backing: BTreeMap<PathBuf, Format>,
}

/// Every image that the copied disks need. Each must be in the pool; a qcow2 image must be sound.
///
/// # Errors
/// Names the image that is not, or that one domain writes to while it is another's too.
pub(crate) fn chains(planned: &[PlannedDomain], pool: &Pool) -> Result<Chains, CliError> {
    let mut each = Vec::new();
    for domain in planned {
        each.push((domain.domain.name.as_str(), chains_of(domain, pool)?));
    }
    if let Some(conflict) = conflicts(&each).first() {
        return Err(CliError::failed(conflict.to_string()).hint(Conflict::MEND));
    }
    let mut all = Chains::default();
    for (_, chains) in each {
        all.tops.extend(chains.tops);
        all.backing.extend(chains.backing);
    }
    Ok(all)
}

/// Every image that the copied disks of one domain need.
///
/// # Errors
/// As [`chains`].
pub(crate) fn chains_of(domain: &PlannedDomain, pool: &Pool) -> Result<Chains, CliError> {
    let mut chains = Chains::default();
    for (target, top, format) in domain.images() {
        let in_pool = in_pool(pool, top)?;
        if chains.tops.insert(in_pool, format).is_some() {
            let (image, name) = (top.display(), &domain.domain.name);
            return Err(CliError::failed(format!(
                "disk `{target}` of domain `{name}` is on the image `{image}`, as another disk of \
                 it is, and two writers destroy it"
            )));
        }
        add_backing(pool, domain, top, format, &mut chains)?;
    }
    Ok(chains)
}

/// An image that a domain writes to, and that another one uses, too.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// The image, relative to the pool.
    pub image: PathBuf,
    /// The domain that writes to it.
    pub writer: String,
    /// The other.
    pub other: String,
    /// Whether the other writes to it, too; else it lies behind a disk of it.
    pub both_write: bool,
}

impl Conflict {
    /// What can be done about it.
    pub(crate) const MEND: &'static str =
        "give one of them an image of its own, or leave one out with --exclude";
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, writer, other, both_write } = self;
        let image = image.display();
        if *both_write {
            write!(
                f,
                "the image `{image}` is a disk of domain `{writer}` and of domain `{other}`, and \
                 two writers destroy it"
            )
        } else {
            write!(
                f,
                "the image `{image}` is written to by domain `{writer}` and lies behind a disk of \
                 domain `{other}`, which destroys that disk"
            )
        }
    }
}

/// The images that cannot be those of two of these domains.
pub(crate) fn conflicts(each: &[(&str, Chains)]) -> Vec<Conflict> {
    let mut found = Vec::new();
    for (i, (writer, chains)) in each.iter().enumerate() {
        for image in chains.tops.keys() {
            let conflict = |other: &str, both_write| Conflict {
                image: image.clone(),
                writer: (*writer).to_owned(),
                other: other.to_owned(),
                both_write,
            };
            for (j, (other, theirs)) in each.iter().enumerate() {
                if j > i && theirs.tops.contains_key(image) {
                    found.push(conflict(other, true));
                }
                if theirs.backing.contains_key(image) {
                    found.push(conflict(other, false));
                }
            }
        }
    }
    found
}

/// Follows the chain behind `top`.
fn add_backing(
    pool: &Pool,
    domain: &PlannedDomain,
    top: &Path,
    format: Format,
    chains: &mut Chains,
) -> Result<(), CliError> {
    // The tables of an image that QEMU writes to are never at rest; all others must be.
    let mut at_rest = !domain.domain.is_active();
    let mut image = (top.to_owned(), format);
    for _ in 0..MAX_CHAIN {
        let Some(backing) = read_image(&image.0, image.1, at_rest)? else { return Ok(()) };
        chains.backing.insert(in_pool(pool, &backing.0)?, backing.1);
        (image, at_rest) = (backing, true);
    }
    Err(CliError::failed(format!("the chain behind `{}` does not end", top.display())))
}

fn in_pool(pool: &Pool, image: &Path) -> Result<PathBuf, CliError> {
    match pool.locate(image)? {
        Location::Pool(path) => Ok(path),
        Location::Volume | Location::Elsewhere => Err(CliError::failed(format!(
            "the backing file `{}` lies outside the pool `{}`; the copy would not be whole",
            image.display(),
            pool.directory().display()
        ))),
    }
}

/// Reads the image at `path`, where it is `at_rest` with all its tables, and returns its backing
/// file with the format that the image gives it.
///
/// A table or cluster past the end of the file must be found before a snapshot is made: that makes
/// the file longer, and what was missing then reads as zeros.
fn read_image(
    path: &Path,
    format: Format,
    at_rest: bool,
) -> Result<Option<(PathBuf, Format)>, CliError> {
    let file = ImageFile::open(path).map_err(|e| CliError::io("read the image", path, e))?;
    let unsound = |error| unsound(path, &error);
    let image = match (format, Image::read(file.file())) {
        (Format::Raw, Err(ImageError::NotQcow2)) => return Ok(None),
        (Format::Raw, _) => {
            return Err(CliError::failed(format!(
                "image `{}` is said to be raw, but begins with the magic number of qcow2: a guest \
                 wrote it, or its format is another",
                path.display()
            )));
        }
        (Format::Qcow2, image) => image.map_err(unsound)?,
    };
    if at_rest {
        for extent in image::extents(file.file(), &image, Point::Active).map_err(unsound)? {
            extent.map_err(unsound)?;
        }
    }
    let Some(backing) = image.header.backing else { return Ok(None) };
    let format = backing.format.as_deref().and_then(Format::named).ok_or_else(|| {
        let format = backing.format.as_deref().unwrap_or("none");
        CliError::failed(format!(
            "image `{}` names no format that is known for its backing file `{}` ({format})",
            path.display(),
            backing.file
        ))
        .hint("name it with `qemu-img rebase -u -F FORMAT -b FILE IMAGE`, the domain shut off")
    })?;
    let directory = path.parent().unwrap_or(path);
    Ok(Some((directory.join(backing.file), format)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chains(tops: &[&str], backing: &[&str]) -> Chains {
        let all = |names: &[&str]| names.iter().map(|name| (name.into(), Format::Qcow2)).collect();
        Chains { tops: all(tops), backing: all(backing) }
    }

    #[test]
    fn a_template_may_lie_behind_many_disks() {
        let each = [("a", chains(&["a"], &["golden"])), ("b", chains(&["b"], &["golden"]))];
        assert_eq!(conflicts(&each), []);
    }

    #[test]
    fn an_image_that_two_write_to_or_that_lies_behind_a_disk_is_named_with_both() {
        let told = |each: &[(&str, Chains)]| {
            conflicts(each).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let twice = told(&[("a", chains(&["x"], &[])), ("b", chains(&["x"], &[]))]);
        assert!(twice.contains("`x` is a disk of domain `a` and of domain `b`"), "{twice}");
        for each in [
            [("a", chains(&["a"], &["x"])), ("b", chains(&["x"], &[]))],
            [("b", chains(&["x"], &[])), ("a", chains(&["a"], &["x"]))],
        ] {
            let behind = told(&each);
            assert!(
                behind.contains("written to by domain `b` and lies behind a disk of domain `a`")
            );
        }
        let own = told(&[("a", chains(&["x", "y"], &["x"]))]);
        assert!(own.contains("by domain `a` and lies behind a disk of domain `a`"), "{own}");
    }
}
