//! Answers of `gluster volume geo-replication … status --xml`.
//!
//! Whatever they say, a checkpoint is not complete where no active worker says that it has reached
//! it, and a session stands there once.
#![no_main]

use gluster_georep::{
    Baseline, Brick, BrickSet, CheckpointFlag, Error, SessionState, SessionStatus, Worker,
    WorkerStatus, verdict,
};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|xml: &str| {
    let sessions = match SessionStatus::parse_all(xml) {
        Ok(sessions) => sessions,
        Err(error) => {
            let passes = matches!(error, Error::CutShort { .. } | Error::Refused { .. });
            assert!(passes || !error.is_transient(), "{error}");
            return;
        }
    };
    for (index, session) in sessions.iter().enumerate() {
        let same =
            |other: &SessionStatus| other.primary == session.primary && other.key == session.key;
        assert!(!sessions[..index].iter().any(same), "{} stands there twice", session.key);
        check(session);
    }
});

fn check(session: &SessionStatus) {
    let is_active = |worker: &Worker| worker.status == WorkerStatus::Active;
    if session.workers.iter().any(is_active) {
        assert_eq!(SessionState::of(session), SessionState::Running);
    }
    let bricks = session.workers.iter().map(|worker| Brick {
        host: worker.host.clone(),
        path: worker.path.clone(),
        host_uuid: worker.host_uuid.clone(),
    });
    let one_set = [BrickSet { bricks: bricks.collect() }];
    let times = session.workers.iter().filter_map(|worker| worker.checkpoint_time);
    for checkpoint in times.chain([Timestamp::UNIX_EPOCH]) {
        let verdict = verdict(&one_set, &session.workers, checkpoint, &Baseline::default());
        let is_witness = |worker: &Worker| {
            is_active(worker)
                && worker.checkpoint_completed == CheckpointFlag::Yes
                && worker.checkpoint_time == Some(checkpoint)
        };
        assert!(!verdict.is_complete() || session.workers.iter().any(is_witness), "{verdict:?}");
        for trouble in &verdict.troubles {
            assert!(!trouble.to_string().is_empty());
        }
    }
}
