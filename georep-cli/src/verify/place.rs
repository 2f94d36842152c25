//! Where the pool is on a volume of which nothing else is known.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::CliError;
use crate::manifest::Manifest;

/// How far below the root of the volume it is looked for.
const DEPTH: usize = 4;

/// The directory below `root` that holds the manifest of `run`, or that of the newest run of all;
/// of several, one that is least deep.
///
/// # Errors
/// Where a directory cannot be read.
pub(super) fn pool_in(root: &Path, run: Option<&str>) -> Result<Option<PathBuf>, CliError> {
    let mut newest: Option<(String, PathBuf)> = None;
    let mut waiting = VecDeque::from([(root.to_owned(), 0)]);
    while let Some((directory, depth)) = waiting.pop_front() {
        let mut runs = Manifest::runs_in(&directory)?;
        runs.retain(|name| run.is_none_or(|run| run == name));
        if let Some(last) = runs.pop()
            && newest.as_ref().is_none_or(|(newest, _)| last > *newest)
        {
            newest = Some((last, directory.clone()));
        }
        if depth < DEPTH {
            let below = directories(&directory)?.into_iter().map(|below| (below, depth + 1));
            waiting.extend(below);
        }
    }
    Ok(newest.map(|(_, directory)| directory))
}

/// The directories in `directory`, but for hidden ones and links.
fn directories(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let unreadable = |error| CliError::io("look for manifests in", directory, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && entry.file_type().map_err(unreadable)?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "georep-20261123T020000Z";
    const NEW: &str = "georep-20261124T020000Z";

    #[test]
    fn the_pool_is_where_the_newest_manifest_is_or_the_one_that_is_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        assert_eq!(pool_in(root.path(), None).unwrap(), None);
        for (pool, run) in [("a", OLD), ("b/c", NEW), ("b/c/d/e/f", "georep-20271124T020000Z")] {
            fs::create_dir_all(at(pool).join(".georep")).unwrap();
            fs::write(Manifest::path_in(&at(pool), run), "").unwrap();
        }
        // As in every volume on which checkpoints were waited for.
        fs::create_dir_all(at(".georep")).unwrap();
        fs::write(at(".georep/canary-01"), "").unwrap();
        assert_eq!(pool_in(root.path(), None).unwrap(), Some(at("b/c")));
        assert_eq!(pool_in(root.path(), Some(OLD)).unwrap(), Some(at("a")));
        assert_eq!(pool_in(root.path(), Some("georep-20250101T000000Z")).unwrap(), None);
        assert_eq!(pool_in(&at("a"), None).unwrap(), Some(at("a")));
    }
}
