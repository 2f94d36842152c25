//! What real clusters printed (`fixtures/gluster-*`), read and judged.

#![expect(clippy::unwrap_used, reason = "a test may end where it fails")]

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use gluster_georep::{Baseline, Error, SessionStatus, SetState, VolumeInfo, WorkerStatus, verdict};
use jiff::Timestamp;

/// The recordings of one version of gluster.
struct Version(PathBuf);

impl Version {
    fn read(&self, name: &str) -> String {
        let file = self.0.join(name);
        fs::read_to_string(&file).map_err(|error| (file, error)).unwrap()
    }

    fn status(&self, name: &str) -> SessionStatus {
        SessionStatus::parse_all(&self.read(name)).unwrap().remove(0)
    }

    fn volume(&self) -> VolumeInfo {
        VolumeInfo::parse_all(&self.read("volume-info-gv1.xml")).unwrap().remove(0)
    }

    /// The XML files whose names start with `prefix`.
    fn xml_files(&self, prefix: &str) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        for file in fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap();
            if name.starts_with(prefix) && name.ends_with(".xml") {
                let text = fs::read_to_string(&file).unwrap();
                files.push((file, text));
            }
        }
        assert!(!files.is_empty(), "{}: nothing recorded as {prefix}*.xml", self.0.display());
        files
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.file_name().unwrap().display())
    }
}

/// Every version that `testbed/versions` knows is recorded.
fn versions() -> [Version; 4] {
    ["9.2", "10.3", "11.1", "11.2"].map(|version| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
        Version(fixtures.join(format!("gluster-{version}")))
    })
}

#[test]
fn every_recorded_status_is_understood() {
    for (file, text) in versions().iter().flat_map(|version| version.xml_files("status-")) {
        match SessionStatus::parse_all(&text) {
            Ok(sessions) => {
                for worker in sessions.iter().flat_map(|session| &session.workers) {
                    let known = !matches!(worker.status, WorkerStatus::Other(_));
                    assert!(known, "{}: {}", file.display(), worker.status);
                }
            }
            // Since 6.0 a status that fails prints no XML.
            Err(Error::CutShort { .. } | Error::Refused { .. }) => {}
            Err(error) => panic!("{}: {error}", file.display()),
        }
    }
}

#[test]
fn every_recorded_volume_is_understood() {
    for (file, text) in versions().iter().flat_map(|version| version.xml_files("volume-info-")) {
        match VolumeInfo::parse_all(&text) {
            Ok(_) | Err(Error::Refused { .. }) => {}
            Err(error) => panic!("{}: {error}", file.display()),
        }
    }
}

#[test]
fn a_2x2_volume_has_two_sets_of_two() {
    for version in versions() {
        let names: Vec<Vec<_>> = version
            .volume()
            .sets
            .iter()
            .map(|set| set.bricks.iter().map(ToString::to_string).collect())
            .collect();
        let expected = [["p1:/bricks/a", "p2:/bricks/a"], ["p1:/bricks/b", "p2:/bricks/b"]];
        assert_eq!(names, expected, "{version}");
    }
}

#[test]
fn only_the_status_with_yes_for_its_checkpoint_is_complete() {
    for version in versions() {
        let sets = version.volume().sets;
        for (name, set) in [
            ("status-initializing.xml", SetState::NotActive),
            ("status-active-no-checkpoint.xml", SetState::Behind),
            ("status-active-checkpoint-no.xml", SetState::Behind),
            ("status-active-checkpoint-yes.xml", SetState::Reached),
            ("status-paused.xml", SetState::NotActive),
            ("status-stopped-checkpoint-set.xml", SetState::NotActive),
        ] {
            let workers = version.status(name).workers;
            let its_own = workers.iter().find_map(|worker| worker.checkpoint_time);
            let checkpoint = its_own.unwrap_or(Timestamp::UNIX_EPOCH);
            let judged = verdict(&sets, &workers, checkpoint, &Baseline::default());
            assert_eq!(judged.sets, [set; 2], "{version}: {name}");
            assert_eq!(judged.is_complete(), set == SetState::Reached, "{version}: {name}");
            assert_eq!(judged.offline, [], "{version}: {name}");
        }
    }
}

#[test]
fn no_recorded_status_is_complete_for_another_checkpoint() {
    for version in versions() {
        let sets = version.volume().sets;
        for (file, text) in version.xml_files("status-") {
            for session in SessionStatus::parse_all(&text).unwrap_or_default() {
                let checkpoint = Timestamp::UNIX_EPOCH;
                let judged = verdict(&sets, &session.workers, checkpoint, &Baseline::default());
                assert!(!judged.is_complete(), "{}", file.display());
            }
        }
    }
}
