//! The nodes of both clusters: their rsync, their gluster, their sshd and their clocks.

mod judge;
mod question;

use std::collections::BTreeSet;

use tool_command::SearchPath;

use self::judge::judge;
use self::question::{Answer, ask, command};
use super::cluster::Cluster;
use super::finding::Finding;
use crate::side_by_side::side_by_side;

/// How many nodes are asked at the same time.
const AT_ONCE: usize = 8;

/// A node, and what it answered.
#[derive(Debug)]
struct Node {
    host: String,
    /// Whether it has bricks of the primary volume.
    is_primary: bool,
    answer: Result<Answer, String>,
}

/// What is said of the nodes.
pub(super) fn findings(cluster: &Cluster, path: &SearchPath) -> Vec<Finding> {
    let hosts = hosts(cluster);
    let nodes = side_by_side(&hosts, AT_ONCE, |(host, is_primary, is_here)| Node {
        host: host.clone(),
        is_primary: *is_primary,
        answer: command(path, host, *is_here).and_then(|command| ask(&command)),
    });
    let uses_rsync = cluster.settings.get("sync_method").is_none_or(|method| method == "rsync");
    judge(&nodes, uses_rsync)
}

/// Each node once: its name, whether it is one of the primary cluster, and whether it is this one.
fn hosts(cluster: &Cluster) -> Vec<(String, bool, bool)> {
    let mut seen = BTreeSet::new();
    let mut hosts = Vec::new();
    let peers = cluster.primary.peers.as_ref().map_or(&[][..], Vec::as_slice);
    let here = peers.iter().find(|peer| peer.is_asked_node()).map(|peer| peer.uuid.as_str());
    for brick in cluster.primary.volume.iter().flat_map(|volume| &volume.bricks) {
        if seen.insert(brick.host.clone()) {
            let is_here = here.is_some() && brick.host_uuid.as_deref() == here;
            hosts.push((brick.host.clone(), true, is_here));
        }
    }
    for host in cluster.secondary_hosts() {
        if seen.insert(host.clone()) {
            hosts.push((host, false, false));
        }
    }
    hosts
}
