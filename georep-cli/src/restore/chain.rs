//! Which images the chosen domains need, and what lies behind each, by the manifest. Whether the
//! headers of the copies say the same, the comparison tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use qcow2_snap::domain::Domain;
use qcow2_snap::plan::Format;

use super::choice::Choice;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::image_file::ImageFile;
use crate::manifest::{ImageRecord, Manifest};

/// An image that is needed.
#[derive(Debug)]
pub(crate) struct Needed<'m> {
    /// What was recorded of it.
    pub record: &'m ImageRecord,
    /// Its format.
    pub format: Format,
    /// Whether a disk is on it; else it lies behind others only.
    pub is_top: bool,
    /// What lies behind it.
    pub backing: Option<Backing<'m>>,
}

/// The image behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backing<'m> {
    /// Its path, relative to the pool.
    pub image: &'m Path,
    /// Its format.
    pub format: Format,
    /// The name leads to the primary's pool: it must be written anew wherever the image goes.
    pub is_elsewhere: bool,
}

impl Needed<'_> {
    /// Its path, relative to the pool.
    pub(crate) fn path(&self) -> &Path {
        &self.record.path
    }
}

/// Every image that the chosen domains need, each once, those behind others first.
///
/// # Errors
/// Where an image lies on one that the manifest does not have, or leads out of the pool.
pub(crate) fn needed(choice: &Choice) -> Result<Vec<Needed<'_>>, CliError> {
    let manifest = &choice.manifest;
    let roots = roots(manifest);
    let tops: BTreeSet<&Path> =
        manifest.domains.iter().flat_map(|d| &d.disks).map(|disk| disk.image.as_path()).collect();
    let mut found: BTreeMap<&Path, Needed<'_>> = BTreeMap::new();
    let mut order = Vec::new();
    for &top in &tops {
        let mut chain = Vec::new();
        let mut next = Some(top);
        while let Some(path) = next.filter(|path| !found.contains_key(path)) {
            let image = read(choice, &roots, path, tops.contains(path))?;
            next = image.backing.map(|backing| backing.image);
            let path = image.record.path.as_path();
            chain.push(path);
            found.insert(path, image);
        }
        if next.is_some_and(|path| chain.contains(&path)) {
            let shown = top.display();
            let text = format!("the chain behind `{shown}` does not end");
            return Err(CliError::new(Exit::Mismatch, text));
        }
        order.extend(chain.into_iter().rev());
    }
    Ok(order.into_iter().filter_map(|path| found.remove(path)).collect())
}

fn read<'m>(
    choice: &'m Choice,
    roots: &BTreeSet<PathBuf>,
    path: &Path,
    is_top: bool,
) -> Result<Needed<'m>, CliError> {
    let manifest = &choice.manifest;
    let record = manifest.images.iter().find(|image| image.path == path).ok_or_else(|| {
        CliError::failed(format!("the image `{}` is not recorded", path.display()))
    })?;
    // One that is missing is told of when the copy is compared.
    if choice.pool.join(path).exists() {
        open(choice, path)?;
    }
    let format = record.format();
    let behind = record.backing_file.as_ref().filter(|_| format == Format::Qcow2);
    let backing = behind.map(|name| behind_it(manifest, roots, path, name)).transpose()?;
    Ok(Needed { record, format, is_top, backing })
}

/// Opens a file of the pool; a symbolic link may lead to nowhere outside of it.
///
/// # Errors
/// Where it cannot be opened, or leads outside.
pub(crate) fn open(choice: &Choice, path: &Path) -> Result<ImageFile, CliError> {
    let file = choice.pool.join(path);
    let unreadable = |source| CliError::io("read the image", &file, source);
    let real = std::fs::canonicalize(&file).map_err(unreadable)?;
    if !real.starts_with(&choice.pool) {
        let (file, real) = (file.display(), real.display());
        return Err(CliError::failed(format!("`{file}` leads out of the pool, to `{real}`")));
    }
    ImageFile::open(&real).map_err(unreadable)
}

fn behind_it<'m>(
    manifest: &'m Manifest,
    roots: &BTreeSet<PathBuf>,
    image: &Path,
    name: &str,
) -> Result<Backing<'m>, CliError> {
    let images: Vec<_> = manifest.images.iter().map(|image| image.path.as_path()).collect();
    let unknown = || {
        let image = image.display();
        let text =
            format!("the backing file `{name}` of image `{image}` is none of the run's images");
        CliError::new(Exit::Mismatch, text)
    };
    let (path, is_elsewhere) = resolve(&images, roots, image, name).ok_or_else(unknown)?;
    let record = manifest.images.iter().find(|image| image.path == path).ok_or_else(unknown)?;
    Ok(Backing { image: path, format: record.format(), is_elsewhere })
}

/// Directories that the primary reached the pool by: where a disk's file is the image of the
/// manifest, what stands before it.
fn roots(manifest: &Manifest) -> BTreeSet<PathBuf> {
    let root = |file: &Path, image: &Path| {
        let depth = image.components().count();
        file.ends_with(image).then(|| file.ancestors().nth(depth).map(Path::to_owned)).flatten()
    };
    let mut roots = BTreeSet::new();
    for record in &manifest.domains {
        let Ok(domain) = Domain::parse(&record.xml) else { continue };
        for disk in &record.disks {
            let file = domain.disk(&disk.target).and_then(|disk| disk.source.file());
            roots.extend(file.and_then(|file| root(file, &disk.image)));
        }
    }
    roots
}

/// Where a file of the primary lies in the pool, by the paths that its domains reach the pool by.
pub(crate) fn in_pool(choice: &Choice, file: &Path) -> Option<PathBuf> {
    let inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let roots = roots(&choice.manifest);
    let mut found = roots.iter().filter_map(|root| Some(file.strip_prefix(root).ok()?.to_owned()));
    found.find(|path| inside(path) && choice.pool.join(path).is_file())
}

/// Which of `images` the backing file `name` of `image` is, and whether the name has to be written
/// anew. A name that could be two of them is none.
fn resolve<'i>(
    images: &[&'i Path],
    roots: &BTreeSet<PathBuf>,
    image: &Path,
    name: &str,
) -> Option<(&'i Path, bool)> {
    let path = Path::new(name);
    let the = |wanted: &Path| images.iter().copied().find(|image| *image == wanted);
    if path.is_relative() {
        return Some((the(&joined(image.parent()?, path)?)?, false));
    }
    let by_root = roots.iter().filter_map(|root| the(path.strip_prefix(root).ok()?));
    let by_root: BTreeSet<_> = by_root.collect();
    let by_name = || images.iter().copied().filter(|image| path.ends_with(image)).collect();
    let candidates: BTreeSet<_> = if by_root.is_empty() { by_name() } else { by_root };
    let mut candidates = candidates.into_iter();
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Some((only, true)),
        _ => None,
    }
}

/// `path` as seen from `directory`, without dots; `None` where it leads out of the pool.
fn joined(directory: &Path, path: &Path) -> Option<PathBuf> {
    let mut joined = directory.to_owned();
    for part in path.components() {
        match part {
            Component::Normal(name) => joined.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !joined.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGES: [&str; 4] = ["golden.qcow2", "a/web.qcow2", "a/golden.qcow2", "b/twin.qcow2"];

    fn find(roots: &[&str], image: &str, name: &str) -> Option<(String, bool)> {
        let images: Vec<_> = IMAGES.iter().map(Path::new).collect();
        let roots = roots.iter().map(PathBuf::from).collect();
        let (path, elsewhere) = resolve(&images, &roots, Path::new(image), name)?;
        Some((path.display().to_string(), elsewhere))
    }

    #[test]
    fn a_relative_name_is_seen_from_its_image_and_stays() {
        let stays = |path: &str| Some((path.to_owned(), false));
        assert_eq!(find(&[], "a/web.qcow2", "golden.qcow2"), stays("a/golden.qcow2"));
        assert_eq!(find(&[], "a/web.qcow2", "../golden.qcow2"), stays("golden.qcow2"));
        assert_eq!(find(&[], "a/web.qcow2", "./../b/twin.qcow2"), stays("b/twin.qcow2"));
        for outside in ["../../golden.qcow2", "none.qcow2", "json:{}", "nbd://h/golden.qcow2"] {
            assert_eq!(find(&["/vm"], "a/web.qcow2", outside), None, "{outside}");
        }
    }

    #[test]
    fn an_absolute_name_is_found_by_the_primarys_paths_and_written_anew() {
        let anew = |path: &str| Some((path.to_owned(), true));
        assert_eq!(find(&["/vm"], "a/web.qcow2", "/vm/golden.qcow2"), anew("golden.qcow2"));
        assert_eq!(find(&["/vm"], "a/web.qcow2", "/vm/a/golden.qcow2"), anew("a/golden.qcow2"));
        assert_eq!(find(&["/vm", "/vm/a"], "a/web.qcow2", "/vm/a/golden.qcow2"), None);
    }

    #[test]
    fn an_absolute_name_by_another_way_must_fit_one_image_only() {
        let anew = |path: &str| Some((path.to_owned(), true));
        assert_eq!(find(&["/vm"], "a/web.qcow2", "/mnt/b/twin.qcow2"), anew("b/twin.qcow2"));
        assert_eq!(find(&["/vm"], "a/web.qcow2", "/mnt/golden.qcow2"), anew("golden.qcow2"));
        assert_eq!(find(&["/vm"], "a/web.qcow2", "/mnt/a/golden.qcow2"), None);
        assert_eq!(find(&["/vm"], "a/web.qcow2", "/etc/passwd"), None);
    }
}
