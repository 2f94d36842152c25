//! The manifests in a pool: written on the primary, and read wherever they have arrived, where they
//! are believed no further than they have to be.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::seal::{is_seal_right, sealed};
use super::{DIRECTORY, Manifest, VERSION};
use crate::atomic_file;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::run_name::RunName;
use crate::suggest;

/// How many runs are named to somebody who named another.
const SUGGESTED_RUNS: usize = 10;

impl Manifest {
    /// Where the manifest of `run` lies in `pool`.
    pub(crate) fn path_in(pool: &Path, run: &str) -> PathBuf {
        pool.join(DIRECTORY).join(format!("{run}.json"))
    }

    /// Writes the manifest into `pool`.
    ///
    /// # Errors
    /// Where the pool cannot be written.
    pub(crate) fn save(&self, pool: &Path) -> Result<PathBuf, CliError> {
        let path = Self::path_in(pool, &self.run);
        let unwritable = |source| CliError::io("write the manifest", &path, source);
        let text = serde_json::to_vec_pretty(self).map_err(|e| unwritable(e.into()))?;
        atomic_file::write(&path, &sealed(text)).map_err(unwritable)?;
        Ok(path)
    }

    /// Deletes the manifest of `run` from `pool`, and what was left of writing it; one that is not
    /// there is all the same.
    ///
    /// # Errors
    /// Where it cannot be deleted.
    pub(crate) fn delete(pool: &Path, run: &str) -> Result<(), CliError> {
        let path = Self::path_in(pool, run);
        let deleted = match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
        deleted
            .and_then(|()| atomic_file::clear(&path))
            .map_err(|error| CliError::io("delete the manifest", &path, error))
    }

    /// The runs whose manifests lie in `pool`, but for the newest `keep`.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub(crate) fn old_runs_in(pool: &Path, keep: usize) -> Result<Vec<String>, CliError> {
        let mut runs = Self::runs_in(pool)?;
        runs.truncate(runs.len().saturating_sub(keep));
        Ok(runs)
    }

    /// The runs whose manifests lie in `pool`, oldest first; none where there is no directory for
    /// them.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub(crate) fn runs_in(pool: &Path) -> Result<Vec<String>, CliError> {
        let directory = pool.join(DIRECTORY);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| CliError::io("look for manifests in", &directory, e))?,
        };
        let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
        let run = |name: String| Some(name.strip_suffix(".json")?.to_owned());
        let runs = entries.filter_map(|entry| entry.ok().and_then(name).and_then(run));
        // The time in a run's name makes their order that of time.
        let runs: BTreeSet<_> = runs.filter(|run| RunName::is_one(run)).collect();
        Ok(runs.into_iter().collect())
    }

    /// The run that is asked for, or the newest of `pool`.
    ///
    /// # Errors
    /// Where `pool` holds none, or cannot be read.
    pub(crate) fn choose(pool: &Path, run: Option<&str>) -> Result<String, CliError> {
        let newest = if run.is_none() { Self::runs_in(pool)?.pop() } else { None };
        run.map(str::to_owned).or(newest).ok_or_else(|| {
            CliError::failed(format!(
                "there is no manifest in `{}`",
                pool.join(DIRECTORY).display()
            ))
            .hint("is this the directory that holds the images? `georep backup` puts one there")
        })
    }

    /// Reads the manifest of `run` from `pool`, or that of the newest run.
    ///
    /// # Errors
    /// Where there is none, it cannot be read, is of a newer version, is another run's, or names
    /// a file outside the pool.
    pub(crate) fn load(pool: &Path, run: Option<&str>) -> Result<Self, CliError> {
        let run = &Self::choose(pool, run)?;
        let path = Self::path_in(pool, run);
        let text = fs::read(&path).map_err(|error| {
            let unknown = error.kind() == io::ErrorKind::NotFound;
            let error = CliError::io("read the manifest", &path, error);
            if unknown { suggest_run(pool, run, error) } else { error }
        })?;
        Self::parse(&text, run).map_err(|distrust| distrust.of(&path))
    }

    /// Reads a manifest that should be of `run`. It may have been damaged on its way: what it says
    /// is believed only so far as it leads to no file outside the pool.
    fn parse(text: &[u8], run: &str) -> Result<Self, Distrust> {
        let broken = |error| Distrust::Damaged(format!("is broken: {error}"));
        let Version { version } = serde_json::from_slice(text).map_err(broken)?;
        if version != VERSION {
            return Err(Distrust::Version(version));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(broken)?;
        if !is_seal_right(text) {
            return Err(Distrust::Damaged("is not what its own digest is of".to_owned()));
        }
        if manifest.run != run {
            return Err(Distrust::Damaged(format!("is that of run `{}`", manifest.run)));
        }
        if let Some(image) = manifest.images.iter().find(|image| !image.is_sane()) {
            let reason = format!("says of `{}` what cannot be", image.path.display());
            return Err(Distrust::Damaged(reason));
        }
        let outside = manifest.files().into_iter().find(|file| !is_inside(file));
        match outside.map(|file| file.display().to_string()) {
            Some(file) => {
                Err(Distrust::Damaged(format!("names a file outside the pool: `{file}`")))
            }
            None => Ok(manifest),
        }
    }
}

/// The same error, with the run that may have been meant: the newest are told where none is like it.
fn suggest_run(pool: &Path, run: &str, error: CliError) -> CliError {
    let mut runs = Manifest::runs_in(pool).unwrap_or_default();
    runs.reverse();
    runs.truncate(SUGGESTED_RUNS);
    let hint = suggest::hint(run, runs.iter().map(String::as_str));
    hint.into_iter().fold(error, CliError::hint)
}

/// Why a manifest is not believed.
#[derive(Debug, PartialEq, Eq)]
enum Distrust {
    /// It is of another version: nothing is known of it.
    Version(u32),
    /// It cannot be what the run wrote.
    Damaged(String),
}

impl Distrust {
    /// The same as an error about the manifest at `path`: what is damaged is a wrong copy.
    fn of(self, path: &Path) -> CliError {
        let (exit, reason) = match self {
            Self::Version(version) => {
                (Exit::Failed, format!("is of version {version}, and not of {VERSION}"))
            }
            Self::Damaged(reason) => (Exit::Mismatch, reason),
        };
        CliError::new(exit, format!("the manifest `{}` {reason}", path.display()))
    }
}

/// Whether a path leads to nowhere but below where it begins.
fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Of every version of the document.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::ImageRecord;
    use super::super::seal::{SEAL, SEAL_END};
    use super::*;

    fn manifest(run: &str, image: &str) -> Manifest {
        Manifest {
            version: VERSION,
            run: run.to_owned(),
            method: "external".to_owned(),
            created: Timestamp::UNIX_EPOCH,
            primary: "gv1".to_owned(),
            secondary: "dr::gv2".to_owned(),
            pool: PathBuf::new(),
            domains: Vec::new(),
            images: vec![ImageRecord::of_one_byte(image)],
        }
    }

    const OLD: &str = "georep-20261123T020000Z";
    const NEW: &str = "georep-20261124T020000Z";

    #[test]
    fn the_newest_is_read_unless_another_is_named() {
        let pool = tempfile::tempdir().unwrap();
        assert!(Manifest::load(pool.path(), None).is_err());
        let (old, new) = (manifest(OLD, "a.img"), manifest(NEW, "a.img"));
        new.save(pool.path()).unwrap();
        old.save(pool.path()).unwrap();
        fs::write(pool.path().join(DIRECTORY).join("canary-01"), "").unwrap();
        fs::write(pool.path().join(DIRECTORY).join("zzz.json"), "").unwrap();
        assert_eq!(Manifest::runs_in(pool.path()).unwrap(), [OLD, NEW]);
        assert_eq!(Manifest::load(pool.path(), None).unwrap(), new);
        assert_eq!(Manifest::load(pool.path(), Some(OLD)).unwrap(), old);
    }

    #[test]
    fn a_run_that_is_not_there_gets_a_suggestion() {
        let pool = tempfile::tempdir().unwrap();
        manifest(NEW, "a.img").save(pool.path()).unwrap();
        let error = Manifest::load(pool.path(), Some("georep-20261124T020001Z")).unwrap_err();
        assert_eq!(error.hints(), [format!("did you mean `{NEW}`?")]);
    }

    #[test]
    fn the_newest_are_not_old_and_no_other_file_is_a_manifest() {
        let pool = tempfile::tempdir().unwrap();
        for run in [OLD, NEW] {
            manifest(run, "a.img").save(pool.path()).unwrap();
        }
        fs::write(pool.path().join(DIRECTORY).join("georep-mine.json"), "").unwrap();
        assert!(Manifest::old_runs_in(pool.path(), 2).unwrap().is_empty());
        assert_eq!(Manifest::old_runs_in(pool.path(), 1).unwrap(), [OLD]);
        Manifest::delete(pool.path(), OLD).unwrap();
        Manifest::delete(pool.path(), OLD).unwrap();
        assert_eq!(Manifest::runs_in(pool.path()).unwrap(), [NEW]);
    }

    #[test]
    fn what_is_no_manifest_of_the_run_is_refused() {
        let parse =
            |manifest: &Manifest, run| Manifest::parse(&serde_json::to_vec(manifest).unwrap(), run);
        let damaged = |result: Result<Manifest, Distrust>| match result.unwrap_err() {
            Distrust::Damaged(reason) => reason,
            other @ Distrust::Version(_) => panic!("{other:?}"),
        };
        assert!(parse(&manifest(OLD, "a/b.img"), OLD).is_ok());
        assert!(damaged(parse(&manifest(OLD, "a.img"), NEW)).contains(OLD));
        for outside in ["/etc/passwd", "../a.img", "a/../../b"] {
            let error = damaged(parse(&manifest(OLD, outside), OLD));
            assert!(error.contains(outside), "{error}");
        }
        let newer = Manifest { version: VERSION + 1, ..manifest(OLD, "a.img") };
        assert_eq!(parse(&newer, OLD).unwrap_err(), Distrust::Version(VERSION + 1));
        damaged(Manifest::parse(b"{\"version\": 1", OLD));
        damaged(Manifest::parse(b"", OLD));
    }

    #[test]
    fn one_flipped_bit_in_a_manifest_is_noticed_wherever_it_is() {
        let pool = tempfile::tempdir().unwrap();
        let path = manifest(OLD, "a.img").save(pool.path()).unwrap();
        let text = fs::read(path).unwrap();
        assert!(Manifest::parse(&text, OLD).is_ok());
        for place in 0..text.len() - SEAL.len() - 64 - SEAL_END.len() {
            let mut flipped = text.clone();
            flipped[place] ^= 1;
            assert!(Manifest::parse(&flipped, OLD).is_err(), "{place}");
        }
    }
}
