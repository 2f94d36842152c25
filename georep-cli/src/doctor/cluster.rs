//! What gluster says of a session, its volume, and the volume at the other site: asked once, for
//! several checks.

use std::collections::BTreeMap;

use gluster_georep::{
    Brick, BrickState, Error, Gluster, Peer, Secondary, Session, SessionStatus, VolumeInfo,
};
use tool_command::{Command, Tool};

use crate::retry::patiently;

/// Where gluster keeps the key that its workers log in with, unless the session says otherwise.
const KEY: &str = "/var/lib/glusterd/geo-replication/secret.pem";

/// What gluster says.
#[derive(Debug)]
pub(super) struct Cluster {
    /// The session that was asked about.
    pub session: Session,
    /// Its workers.
    pub status: Result<SessionStatus, Error>,
    /// Its settings; empty where they are not known.
    pub settings: BTreeMap<String, String>,
    /// The primary side.
    pub primary: Side,
    /// The secondary side, as far as it can be asked from here.
    pub secondary: Side,
}

/// A volume, and the cluster that it belongs to.
#[derive(Debug)]
pub(super) struct Side {
    /// The volume.
    pub volume: Result<VolumeInfo, Error>,
    /// Its bricks, as far as their nodes answer.
    pub bricks: Result<Vec<BrickState>, Error>,
    /// The nodes of the cluster.
    pub peers: Result<Vec<Peer>, Error>,
}

impl Cluster {
    /// Asks for all of it.
    pub(super) fn ask(gluster: &Gluster, ssh: Option<&Tool>, session: Session) -> Self {
        let primary = Side::ask(gluster, &session.primary);
        let (status, settings) = if primary.peers.is_ok() {
            (
                patiently(|| gluster.status(&session)),
                patiently(|| gluster.settings(&session)).unwrap_or_default(),
            )
        } else {
            (gluster.status(&session), BTreeMap::new())
        };
        let Secondary { host, volume, .. } = &session.secondary;
        let mut secondary = Side::ask(&gluster.of_host(host), volume);
        if secondary.volume.is_err()
            && let Some(by_ssh) = ssh.and_then(|ssh| by_ssh(ssh, &settings, &session.secondary))
        {
            secondary.volume = Ok(by_ssh);
        }
        Self { session, status, settings, primary, secondary }
    }
}

impl Side {
    /// Whether the glusterd of the brick's node does not answer the others: the node is what is to
    /// be mended then, and not each brick and worker of it.
    pub(super) fn is_down(&self, brick: &Brick) -> bool {
        let down = self.peers.iter().flatten().filter(|peer| !peer.connected);
        down.into_iter().any(|peer| Some(&peer.uuid) == brick.host_uuid.as_ref())
    }

    fn ask(gluster: &Gluster, volume: &str) -> Self {
        let peers = gluster.peers();
        if peers.is_err() {
            // Where nobody answers, each further question would only take its time to say so.
            return Self { volume: gluster.volume_info(volume), bricks: Ok(Vec::new()), peers };
        }
        Self {
            volume: patiently(|| gluster.volume_info(volume)),
            bricks: patiently(|| gluster.brick_states(volume)),
            peers,
        }
    }
}

/// The volume as the secondary's own gluster describes it, which geo-replication's key may ask.
fn by_ssh(
    ssh: &Tool,
    settings: &BTreeMap<String, String>,
    secondary: &Secondary,
) -> Option<VolumeInfo> {
    let command = georep_ssh(ssh, settings, secondary, &secondary.host);
    let command = command.args(["gluster", "volume", "info", &secondary.volume, "--xml"]);
    let answer = command.run().ok()?.stdout_lossy();
    let volumes = VolumeInfo::parse_all(&answer).ok()?;
    volumes.into_iter().find(|volume| volume.name == secondary.volume)
}

/// ssh to `host` as geo-replication's workers log in there: by the same key, port and user. What
/// the key may do there is bound to gsyncd, which lets `gluster` be asked. Of hosts that are not
/// known yet nothing is written down.
pub(super) fn georep_ssh(
    ssh: &Tool,
    settings: &BTreeMap<String, String>,
    secondary: &Secondary,
    host: &str,
) -> Command {
    let options = settings.get("ssh_options").map_or("", String::as_str);
    let mut words = options.split_whitespace().skip_while(|word| *word != "-i").skip(1);
    let key = words.next().unwrap_or(KEY);
    let port = settings.get("ssh_port").map_or("22", String::as_str);
    let user = secondary.user.as_deref().unwrap_or("root");
    ssh.command(["-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "IdentitiesOnly=yes"])
        .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
        .args(["-o", "LogLevel=ERROR", "-i", key, "-p", port])
        .arg(format!("{user}@{host}"))
}

/// Whether the trouble is that glusterd does not answer.
pub(super) fn is_silent(error: &Error) -> bool {
    error.to_string().contains("Connection failed")
}

impl Cluster {
    /// The hosts of the secondary's bricks, which workers log in to; where they are not known, the
    /// one that the session names.
    pub(super) fn secondary_hosts(&self) -> Vec<String> {
        let mut hosts = vec![self.session.secondary.host.clone()];
        let bricks = self.secondary.volume.iter().flat_map(|volume| &volume.bricks);
        for brick in bricks {
            if !hosts.contains(&brick.host) {
                hosts.push(brick.host.clone());
            }
        }
        hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_uses_the_key_the_port_and_the_user_of_the_session() {
        let settings: BTreeMap<String, String> = [
            ("ssh_port", "2222"),
            ("ssh_options", "-oPasswordAuthentication=no -oStrictHostKeyChecking=no -i /k.pem"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let ssh = Tool::at("/usr/bin/ssh");
        let line = |settings, secondary: &str, host: &str| {
            georep_ssh(&ssh, settings, &secondary.parse().unwrap(), host).to_string()
        };
        let set = line(&settings, "geo@dr::gv2", "dr2");
        assert!(set.ends_with("-i /k.pem -p 2222 geo@dr2"), "{set}");
        let unset = line(&BTreeMap::new(), "dr::gv2", "dr");
        assert!(unset.ends_with(&format!("-i {KEY} -p 22 root@dr")), "{unset}");
    }
}
