//! Both volumes: whether they serve data, and whether the one can be the copy of the other.

use gluster_georep::{Brick, BrickState, Error, Peer, VolumeInfo, VolumeState};

use super::cluster::{Cluster, Side, is_silent};
use super::finding::Finding;

/// What is said of the volumes, their bricks and the nodes of their clusters.
pub(super) fn findings(cluster: &Cluster) -> Vec<Finding> {
    let (primary, secondary) = (&cluster.session.primary, &cluster.session.secondary);
    let mut found = side(&cluster.primary, primary);
    match (&cluster.secondary.volume, &cluster.secondary.peers) {
        (Err(error), _) => found.push(unasked("volume", &secondary.to_string(), error)),
        // The volume was described by ssh, and glusterd is out of reach.
        (Ok(volume), Err(error)) => {
            found.extend(state(volume, &secondary.to_string()));
            found.push(unasked("brick", &secondary.to_string(), error));
        }
        (Ok(_), Ok(_)) => found.extend(side(&cluster.secondary, &secondary.to_string())),
    }
    if let (Ok(ours), Ok(theirs)) = (&cluster.primary.volume, &cluster.secondary.volume) {
        found.push(sharding(ours, theirs, &secondary.to_string()));
        found.extend(read_only(theirs, &secondary.to_string(), &secondary.volume));
    }
    found
}

/// The other site does not answer this node. That is the site's choice, or a fault.
fn unasked(check: &'static str, name: &str, error: &Error) -> Finding {
    if let Error::NoSuchVolume { .. } = error {
        let mend = "name one that `gluster volume list` shows there";
        return Finding::fail(check, name, "there is no such volume", mend);
    }
    let enable = "is glusterd up there? Let this node connect to its port 24007, or have \
                  geo-replication's key let in, see ssh below";
    Finding::unseen(check, name, error, enable)
}

fn side(side: &Side, name: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    match &side.volume {
        Ok(volume) => found.extend(state(volume, name)),
        // Told with the session.
        Err(error) if is_silent(error) => return found,
        Err(error) => {
            let mend = "name one that `gluster volume list` shows";
            found.push(Finding::fail("volume", name, error.to_string(), mend));
        }
    }
    if let (Ok(volume), Ok(states)) = (&side.volume, &side.bricks) {
        let down = |brick: &Brick| side.is_down(brick);
        found.extend(bricks(volume, states, name, &down));
    }
    match &side.peers {
        Ok(nodes) => found.extend(peers(nodes)),
        Err(error) => found.push(Finding::unseen("peer", name, error, "is glusterd running?")),
    }
    found
}

fn state(volume: &VolumeInfo, name: &str) -> Option<Finding> {
    let what = match &volume.state {
        VolumeState::Started => return None,
        VolumeState::Created => "was never started".to_owned(),
        VolumeState::Stopped => "is stopped".to_owned(),
        VolumeState::Other(word) => format!("is {word}"),
    };
    let mend = format!("`gluster volume start {}` on its cluster", volume.name);
    Some(Finding::fail("volume", name, what, mend))
}

/// Of a node that is down, which `is_down` says, its bricks are not told one by one.
fn bricks(
    volume: &VolumeInfo,
    states: &[BrickState],
    name: &str,
    is_down: &dyn Fn(&Brick) -> bool,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let up: Vec<_> = volume.bricks.iter().filter(|brick| !is_down(brick)).collect();
    for brick in &up {
        let state = states.iter().find(|s| s.host == brick.host && s.path == brick.path);
        if !state.is_some_and(|state| state.online) {
            let what = match state {
                Some(_) => "is offline: the process that serves it has ended",
                None => "is not shown",
            };
            let mend = format!(
                "`gluster volume start {} force` starts what has ended; else see \
                 /var/log/glusterfs/bricks on {}",
                volume.name, brick.host
            );
            found.push(Finding::fail("brick", &brick.to_string(), what, mend));
        }
    }
    if found.is_empty() && up.len() == volume.bricks.len() && volume.state == VolumeState::Started {
        let count = up.len();
        let what = format!("started, {count} of {count} bricks online");
        found.push(Finding::ok("brick", name, what));
    }
    found
}

fn peers(peers: &[Peer]) -> Vec<Finding> {
    let down = peers.iter().filter(|peer| !peer.connected);
    let what = "its glusterd does not answer the other nodes: its bricks and workers are not shown";
    let mend = "start glusterd there (`systemctl start glusterd`), and let the nodes connect to \
                its port 24007; until then sessions stop only by force";
    down.map(|peer| Finding::fail("peer", &peer.host, what, mend)).collect()
}

/// Pieces of files are copied as they are, and put together by the secondary's own translator.
/// Each file carries the size that it was cut with.
fn sharding(ours: &VolumeInfo, theirs: &VolumeInfo, name: &str) -> Finding {
    let set = |option: &str| format!("`gluster volume set {} {option}`", theirs.name);
    match (ours.shard_block_size(), theirs.shard_block_size()) {
        (None, None) => Finding::ok("shard", name, "sharded on neither side"),
        (Some(size), None) => Finding::fail(
            "shard",
            name,
            "is not sharded, and the primary is: of each file only the first piece can be read",
            format!(
                "{} and {} there",
                set("features.shard on"),
                set(&format!("features.shard-block-size {size}"))
            ),
        ),
        (None, Some(_)) => Finding::fail(
            "shard",
            name,
            "is sharded, and the primary is not: geo-replication needs both to be the same",
            format!("{} there, before anything is copied", set("features.shard off")),
        ),
        (Some(ours), Some(theirs)) if !same_size(ours, theirs) => Finding::warn(
            "shard",
            name,
            format!(
                "cuts new files into pieces of {theirs}, and the primary into pieces of {ours}"
            ),
            format!(
                "{} there; copied files keep the primary's, those restored on it would not",
                set(&format!("features.shard-block-size {ours}"))
            ),
        ),
        (Some(size), Some(_)) => {
            Finding::ok("shard", name, format!("sharded as the primary, in pieces of {size}"))
        }
    }
}

/// Whether two sizes are the same, as in `64MB` and `67108864`.
fn same_size(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || matches!((size(one), size(other)), (Some(a), Some(b)) if a == b)
}

fn size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "KB" | "K" => 10,
        "MB" | "M" => 20,
        "GB" | "G" => 30,
        "TB" | "T" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Geo-replication sets it when the session is made.
fn read_only(theirs: &VolumeInfo, name: &str, volume: &str) -> Option<Finding> {
    let option = theirs.options.get("features.read-only").map_or("off", String::as_str);
    if ["on", "enable", "true", "yes", "1"].iter().any(|on| on.eq_ignore_ascii_case(option)) {
        return None;
    }
    let what = "others than geo-replication may write to it, which spoils the copy";
    let mend = format!("`gluster volume set {volume} features.read-only on` there");
    Some(Finding::warn("read-only", name, what, mend))
}

#[cfg(test)]
mod tests {
    use gluster_georep::{Brick, BrickSet};

    use super::super::finding::Grade;
    use super::*;

    fn volume(options: &[(&str, &str)]) -> VolumeInfo {
        let brick = |host: &str| Brick { host: host.into(), path: "/b".into(), host_uuid: None };
        let bricks = vec![brick("p1"), brick("p2")];
        VolumeInfo {
            name: "gv2".into(),
            id: String::new(),
            state: VolumeState::Started,
            kind: "Replicate".into(),
            sets: vec![BrickSet { bricks: bricks.clone() }],
            bricks,
            options: options.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn both_sides_are_sharded_or_neither() {
        let of = |size: Option<&str>| match size {
            Some(size) => volume(&[("features.shard", "on"), ("features.shard-block-size", size)]),
            None => volume(&[]),
        };
        for (ours, theirs, grade) in [
            (None, None, Grade::Ok),
            (Some("64MB"), Some("64MB"), Grade::Ok),
            (Some("64MB"), Some("67108864"), Grade::Ok),
            (Some("64MB"), Some("4mb"), Grade::Warn),
            (Some("64MB"), None, Grade::Fail),
            (None, Some("64MB"), Grade::Fail),
        ] {
            let found = sharding(&of(ours), &of(theirs), "dr::gv2");
            assert_eq!(found.grade, grade, "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn a_brick_that_is_offline_or_not_shown_is_named() {
        let state =
            |host: &str, online| BrickState { host: host.into(), path: "/b".into(), online };
        let told = |states: &[BrickState]| {
            let found = bricks(&volume(&[]), states, "gv1", &|_| false).into_iter();
            found.map(|finding| (finding.on, finding.grade)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[state("p1", true), state("p2", true)]), [("gv1".into(), Grade::Ok)]);
        let offline = [("p2:/b".to_owned(), Grade::Fail)];
        assert_eq!(told(&[state("p1", true), state("p2", false)]), offline);
        assert_eq!(told(&[state("p1", true)]), offline);
    }

    #[test]
    fn a_volume_that_is_stopped_and_a_secondary_that_others_may_write_to_are_findings() {
        let stopped = VolumeInfo { state: VolumeState::Stopped, ..volume(&[]) };
        assert_eq!(state(&stopped, "gv1").unwrap().grade, Grade::Fail);
        assert_eq!(state(&volume(&[]), "gv1"), None);
        assert!(read_only(&volume(&[]), "dr::gv2", "gv2").is_some());
        let on = volume(&[("features.read-only", "on")]);
        assert_eq!(read_only(&on, "dr::gv2", "gv2"), None);
    }

    #[test]
    fn a_node_whose_glusterd_is_silent_is_named() {
        let peer =
            |host: &str, connected| Peer { uuid: String::new(), host: host.into(), connected };
        let found = peers(&[peer("p2", false), peer("localhost", true)]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].on.as_str(), found[0].grade), ("p2", Grade::Fail));
    }
}
