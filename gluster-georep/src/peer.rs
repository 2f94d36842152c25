//! What `gluster pool list --xml` and `gluster volume status --xml` say: which nodes a cluster has,
//! and which bricks serve data.

use serde::Deserialize;

/// A node of a cluster, as one of its nodes sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its UUID, as in [`Brick::host_uuid`](crate::Brick::host_uuid).
    pub uuid: String,
    /// Its name; `localhost` is the node that was asked.
    pub host: String,
    /// Whether its glusterd answers.
    pub connected: bool,
}

impl Peer {
    /// Whether it is the node that was asked.
    pub fn is_asked_node(&self) -> bool {
        self.host == "localhost"
    }
}

/// A brick, and whether its process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrickState {
    /// Host of the brick, as in [`Brick::host`](crate::Brick::host).
    pub host: String,
    /// Directory of the brick.
    pub path: String,
    /// Whether it serves data.
    pub online: bool,
}

/// The payload of `pool list --xml`.
#[derive(Deserialize)]
pub(crate) struct PoolList {
    #[serde(rename = "peerStatus", default)]
    status: RawPeers,
}

#[derive(Default, Deserialize)]
struct RawPeers {
    #[serde(rename = "peer", default)]
    peers: Vec<RawPeer>,
}

#[derive(Deserialize)]
struct RawPeer {
    #[serde(default)]
    uuid: String,
    hostname: String,
    connected: String,
}

impl From<PoolList> for Vec<Peer> {
    fn from(list: PoolList) -> Self {
        let peer = |raw: RawPeer| Peer {
            uuid: raw.uuid,
            host: raw.hostname,
            connected: raw.connected.trim() == "1",
        };
        list.status.peers.into_iter().map(peer).collect()
    }
}

/// The payload of `volume status VOLUME --xml`.
#[derive(Deserialize)]
pub(crate) struct VolumeStatus {
    #[serde(rename = "volStatus")]
    status: RawStatus,
}

#[derive(Deserialize)]
struct RawStatus {
    #[serde(default)]
    volumes: RawVolumes,
}

#[derive(Default, Deserialize)]
struct RawVolumes {
    #[serde(rename = "volume", default)]
    volumes: Vec<RawVolume>,
}

#[derive(Deserialize)]
struct RawVolume {
    #[serde(rename = "node", default)]
    nodes: Vec<RawNode>,
}

#[derive(Deserialize)]
struct RawNode {
    hostname: String,
    path: String,
    status: String,
}

impl From<VolumeStatus> for Vec<BrickState> {
    fn from(status: VolumeStatus) -> Self {
        let nodes = status.status.volumes.volumes.into_iter().flat_map(|volume| volume.nodes);
        // Services such as the self-heal daemon stand between the bricks, with a host for a path.
        let bricks = nodes.filter(|node| node.path.starts_with('/'));
        bricks
            .map(|node| BrickState {
                host: node.hostname,
                path: node.path,
                online: node.status.trim() == "1",
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{self, Answer};

    fn recorded(name: &str) -> String {
        let file = format!("{}/../fixtures/gluster-10.3/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(file).unwrap()
    }

    #[test]
    fn the_nodes_of_a_cluster_are_told_apart_by_whom_was_asked() {
        let Ok(Answer::Done(list)) = xml::parse::<PoolList>(&recorded("pool-list.xml")) else {
            panic!("not understood")
        };
        let peers: Vec<Peer> = list.into();
        let told: Vec<_> =
            peers.iter().map(|peer| (peer.host.as_str(), peer.is_asked_node())).collect();
        assert_eq!(told, [("p2", false), ("localhost", true)]);
        assert!(peers.iter().all(|peer| peer.connected && !peer.uuid.is_empty()));
    }

    #[test]
    fn only_bricks_are_bricks_and_one_whose_process_is_gone_is_not_online() {
        let recorded = recorded("volume-status-gv1.xml");
        let states = |xml: &str| -> Vec<BrickState> {
            let Ok(Answer::Done(status)) = xml::parse::<VolumeStatus>(xml) else {
                panic!("not understood")
            };
            status.into()
        };
        let all = states(&recorded);
        let names: Vec<_> = all.iter().map(|b| format!("{}:{}", b.host, b.path)).collect();
        assert_eq!(names, ["p1:/bricks/a", "p2:/bricks/a", "p1:/bricks/b", "p2:/bricks/b"]);
        assert!(all.iter().all(|brick| brick.online));
        let dead = states(&recorded.replacen("<status>1<", "<status>0<", 1));
        assert!(!dead[0].online && dead[1].online);
    }
}
