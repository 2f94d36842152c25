//! The session: whether there is one, and what its workers do.

use gluster_georep::{Place, Roster, SessionState, VolumeInfo, WorkerStatus};

use super::cluster::{Cluster, is_silent};
use super::finding::Finding;

/// What is said of the session.
pub(super) fn findings(cluster: &Cluster) -> Vec<Finding> {
    let name = cluster.session.to_string();
    let status = match &cluster.status {
        Ok(status) => status,
        Err(error) if is_silent(error) => {
            let mend = "start glusterd on this node: `systemctl start glusterd`";
            return vec![Finding::fail("glusterd", "this node", error.to_string(), mend)];
        }
        Err(error) => {
            return vec![Finding::fail("session", &name, error.to_string(), create(cluster))];
        }
    };
    let sets = cluster.primary.volume.as_ref().map_or(&[][..], |volume: &VolumeInfo| &volume.sets);
    let roster = Roster::new(sets, &status.workers);
    let state = SessionState::of(status);
    let seen = |place: &&Place| place.worker.is_some() || !cluster.primary.is_down(&place.brick);
    let mut found: Vec<_> =
        roster.places.iter().filter(seen).flat_map(|place| worker(place, &log(cluster))).collect();
    let set = |index: usize| roster.places.iter().filter(move |place| place.set == Some(index));
    let is_active = |index: &usize| {
        let mut workers = set(*index).filter_map(|place| place.worker.as_ref());
        workers.any(|worker| worker.status == WorkerStatus::Active)
    };
    let active = (0..roster.sets).filter(is_active).count();
    if state != SessionState::Running {
        let what = format!("{state}; a run starts it");
        found.insert(0, Finding::ok("session", &name, what));
    } else if active == roster.sets {
        let what = format!("running, with an active worker for each of {} sets", roster.sets);
        found.insert(0, Finding::ok("session", &name, what));
    } else if found.is_empty() {
        let what = format!("running, with an active worker for {active} of {} sets", roster.sets);
        let mend = "workers take up to a minute to start; look again, with `georep status --watch`";
        found.push(Finding::warn("session", &name, what, mend));
    }
    found
}

fn create(cluster: &Cluster) -> String {
    let (primary, secondary) = (&cluster.session.primary, &cluster.session.secondary);
    format!(
        "look for the right names with `georep status`; a new session is made with `gluster \
         system:: execute gsec_create`, then `gluster volume geo-replication {primary} \
         {secondary} create push-pem`"
    )
}

/// Where the workers of the session log.
fn log(cluster: &Cluster) -> String {
    let known = cluster.settings.get("log_file").filter(|log| log.starts_with('/'));
    known.cloned().unwrap_or_else(|| {
        let (primary, secondary) = (&cluster.session.primary, &cluster.session.secondary);
        let (host, volume) = (&secondary.host, &secondary.volume);
        format!("/var/log/glusterfs/geo-replication/{primary}_{host}_{volume}/gsyncd.log")
    })
}

/// What is wrong with the worker of one brick.
fn worker(place: &Place, log: &str) -> Vec<Finding> {
    let brick = place.brick.to_string();
    let Some(worker) = &place.worker else {
        let what = "gluster shows no worker for this brick";
        let mend = format!("look at glusterd and its log on {}", place.brick.host);
        return vec![Finding::fail("worker", &brick, what, mend)];
    };
    let mut found = Vec::new();
    let host = &worker.host;
    match &worker.status {
        WorkerStatus::Faulty => {
            let what = "Faulty: it has failed, and is started again";
            let mend = format!(
                "look again in a minute; where it stays so, the reason is in {log} on {host}; see \
                 ssh and rsync below"
            );
            found.push(Finding::fail("worker", &brick, what, mend));
        }
        WorkerStatus::Inconsistent
        | WorkerStatus::ConfigCorrupted
        | WorkerStatus::NotApplicable
        | WorkerStatus::Other(_) => {
            let what = format!("{}, a state in which nothing can be said of it", worker.status);
            let mend = format!("stop and start the session; else see {log} on {host}");
            found.push(Finding::fail("worker", &brick, what, mend));
        }
        _ => {}
    }
    if let Some(count @ 1..) = worker.failures {
        let what = format!("could not sync {count} files, since the session was made");
        let mend = format!("which, and why, is in {log} on {host}; `georep verify` tells");
        found.push(Finding::warn("failures", &brick, what, mend));
    }
    found
}

#[cfg(test)]
mod tests {
    use gluster_georep::{Brick, CheckpointFlag, Worker};

    use super::super::finding::Grade;
    use super::*;

    fn place(status: Option<WorkerStatus>, failures: Option<u64>) -> Place {
        let worker = status.map(|status| Worker {
            host: "p1".into(),
            path: "/b".into(),
            host_uuid: None,
            status,
            crawl: None,
            entry: None,
            data: None,
            meta: None,
            failures,
            checkpoint_completed: CheckpointFlag::NotApplicable,
            checkpoint_time: None,
            checkpoint_completion_time: None,
            last_synced: None,
        });
        let brick = Brick { host: "p1".into(), path: "/b".into(), host_uuid: None };
        Place { set: Some(0), brick, worker }
    }

    #[test]
    fn a_worker_is_a_finding_where_it_cannot_sync() {
        for (status, failures, expected) in [
            (Some(WorkerStatus::Active), Some(0), None),
            (Some(WorkerStatus::Passive), None, None),
            (Some(WorkerStatus::Stopped), None, None),
            (Some(WorkerStatus::Initializing), None, None),
            (Some(WorkerStatus::Active), Some(3), Some(("failures", Grade::Warn))),
            (Some(WorkerStatus::Faulty), None, Some(("worker", Grade::Fail))),
            (Some(WorkerStatus::ConfigCorrupted), None, Some(("worker", Grade::Fail))),
            (Some(WorkerStatus::Other("Odd".into())), None, Some(("worker", Grade::Fail))),
            (None, None, Some(("worker", Grade::Fail))),
        ] {
            let shown = format!("{status:?}");
            let found = worker(&place(status, failures), "/log");
            let told = found.first().map(|finding| (finding.check, finding.grade));
            assert_eq!(told, expected, "{shown}");
            assert!(found.iter().all(|finding| finding.on == "p1:/b"), "{found:?}");
        }
    }
}
