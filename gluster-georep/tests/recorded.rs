//! What real clusters printed (`fixtures/gluster-*`), read and judged.

#![expect(clippy::unwrap_used, reason = "a test may end where it fails")]

use std::fs;
use std::path::{Path, PathBuf};

use gluster_georep::{Baseline, Error, SessionStatus, SetState, VolumeInfo, WorkerStatus, verdict};
use jiff::Timestamp;

/// The recorded files of all versions whose names start with `prefix`.
fn recorded(prefix: &str) -> Vec<(PathBuf, String)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut files = Vec::new();
    for version in fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()) {
        let name = version.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("gluster-") {
            continue;
        }
        for file in fs::read_dir(&version).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with(prefix) && name.ends_with(".xml") {
                let text = fs::read_to_string(&file).unwrap();
                files.push((file, text));
            }
        }
    }
    assert!(!files.is_empty(), "nothing recorded as {prefix}*.xml");
    files
}

fn gluster_10_3(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/gluster-10.3").join(name);
    fs::read_to_string(file).unwrap()
}

fn status(name: &str) -> SessionStatus {
    SessionStatus::parse_all(&gluster_10_3(name)).unwrap().remove(0)
}

fn volume() -> VolumeInfo {
    VolumeInfo::parse_all(&gluster_10_3("volume-info-gv1.xml")).unwrap().remove(0)
}

#[test]
fn every_recorded_status_is_understood() {
    for (file, text) in recorded("status-") {
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
    for (file, text) in recorded("volume-info-") {
        match VolumeInfo::parse_all(&text) {
            Ok(_) | Err(Error::Refused { .. }) => {}
            Err(error) => panic!("{}: {error}", file.display()),
        }
    }
}

#[test]
fn a_2x2_volume_has_two_sets_of_two() {
    let names: Vec<Vec<_>> = volume()
        .sets
        .iter()
        .map(|set| set.bricks.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(names, [["p1:/bricks/a", "p2:/bricks/a"], ["p1:/bricks/b", "p2:/bricks/b"]]);
}

#[test]
fn only_the_status_with_yes_for_its_checkpoint_is_complete() {
    let sets = volume().sets;
    for (name, set) in [
        ("status-initializing.xml", SetState::NotActive),
        ("status-active-no-checkpoint.xml", SetState::Behind),
        ("status-active-checkpoint-no.xml", SetState::Behind),
        ("status-active-checkpoint-yes.xml", SetState::Reached),
        ("status-paused.xml", SetState::NotActive),
        ("status-stopped-checkpoint-set.xml", SetState::NotActive),
    ] {
        let workers = status(name).workers;
        let its_own = workers.iter().find_map(|worker| worker.checkpoint_time);
        let checkpoint = its_own.unwrap_or(Timestamp::UNIX_EPOCH);
        let judged = verdict(&sets, &workers, checkpoint, &Baseline::default());
        assert_eq!(judged.sets, [set; 2], "{name}");
        assert_eq!(judged.is_complete(), set == SetState::Reached, "{name}");
        assert_eq!(judged.offline, [], "{name}");
    }
}

#[test]
fn no_recorded_status_is_complete_for_another_checkpoint() {
    for (file, text) in recorded("status-") {
        for session in SessionStatus::parse_all(&text).unwrap_or_default() {
            let checkpoint = Timestamp::UNIX_EPOCH;
            let sets = volume().sets;
            let judged = verdict(&sets, &session.workers, checkpoint, &Baseline::default());
            assert!(!judged.is_complete(), "{}", file.display());
        }
    }
}
