//! What `gluster volume info --xml` says: a volume's bricks, and which of them hold the same data.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::xml::{self, Answer};

/// How often a brick closes its changelog and starts the next, unless the volume says otherwise
/// (`changelog.rollover-time`).
const DEFAULT_ROLLOVER: Duration = Duration::from_secs(15);

/// A volume, as gluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// The volume's name.
    pub name: String,
    /// The volume's UUID.
    pub id: String,
    /// Whether it is started.
    pub state: VolumeState,
    /// Gluster's word for its layout, such as `Distributed-Replicate`.
    pub kind: String,
    /// All bricks, in volume order.
    pub bricks: Vec<Brick>,
    /// The bricks by the data they hold: each set holds data that no other set holds.
    pub sets: Vec<BrickSet>,
    /// Options that were set, by name.
    pub options: BTreeMap<String, String>,
}

/// Whether a volume serves data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeState {
    /// Made, and never started.
    Created,
    /// Serving data.
    Started,
    /// Stopped.
    Stopped,
    /// A word this crate does not know.
    Other(String),
}

/// A brick: a directory on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brick {
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// The directory.
    pub path: String,
    /// UUID of the host; not there before 3.5.
    pub host_uuid: Option<String>,
}

impl fmt::Display for Brick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.path)
    }
}

/// Bricks that hold the same data, whole or in pieces: a replica set, with its arbiter, or a
/// disperse set; one brick where a volume only distributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrickSet {
    /// Its bricks.
    pub bricks: Vec<Brick>,
}

impl VolumeInfo {
    /// Reads the volumes in an answer of `gluster volume info --xml`, of 3.5 and later.
    ///
    /// # Errors
    /// Says what is wrong with XML that is no such answer.
    pub fn parse_all(xml: &str) -> Result<Vec<Self>, String> {
        match Self::parse_answer(xml)? {
            Answer::Done(volumes) => Ok(volumes),
            Answer::Refused { reason, .. } => Err(reason),
        }
    }

    pub(crate) fn parse_answer(xml: &str) -> Result<Answer<Vec<Self>>, String> {
        match xml::parse::<Payload>(xml)? {
            Answer::Done(payload) => {
                let volumes = payload.info.volumes.unwrap_or_default().volumes;
                volumes
                    .into_iter()
                    .map(RawVolume::read)
                    .collect::<Result<_, _>>()
                    .map(Answer::Done)
            }
            Answer::Refused { errno, reason } => Ok(Answer::Refused { errno, reason }),
        }
    }

    /// How often the bricks close their changelogs.
    pub fn rollover_time(&self) -> Duration {
        self.rollover_option().unwrap_or(DEFAULT_ROLLOVER)
    }

    /// The same, where the volume has it set.
    pub fn rollover_option(&self) -> Option<Duration> {
        let seconds = self.options.get(ROLLOVER_OPTION)?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

/// The option behind [`VolumeInfo::rollover_time`].
pub(crate) const ROLLOVER_OPTION: &str = "changelog.rollover-time";

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "volInfo")]
    info: RawInfo,
}

#[derive(Deserialize)]
struct RawInfo {
    volumes: Option<RawVolumes>,
}

#[derive(Default, Deserialize)]
struct RawVolumes {
    #[serde(rename = "volume", default)]
    volumes: Vec<RawVolume>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawVolume {
    name: String,
    #[serde(default)]
    id: String,
    status_str: String,
    type_str: String,
    #[serde(default)]
    replica_count: usize,
    #[serde(default)]
    disperse_count: usize,
    /// Until 9.x; 1 on everything but striped volumes, which are gone since 6.0.
    #[serde(default)]
    stripe_count: usize,
    bricks: RawBricks,
    #[serde(default)]
    options: RawOptions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBricks {
    #[serde(rename = "brick", default)]
    bricks: Vec<RawBrick>,
    /// Tiered volumes only, 3.7 to 6.x.
    hot_bricks: Option<RawTier>,
    /// Tiered volumes only, 3.7 to 6.x.
    cold_bricks: Option<RawTier>,
}

/// The counts of a tier are named after it: `hotreplicaCount`, `coldreplicaCount`.
#[derive(Deserialize)]
struct RawTier {
    #[serde(rename = "brick", default)]
    bricks: Vec<RawBrick>,
    #[serde(rename = "hotreplicaCount", alias = "coldreplicaCount", default)]
    replica_count: usize,
    #[serde(rename = "colddisperseCount", default)]
    disperse_count: usize,
}

/// `<brick uuid="U">host:/path<name>host:/path</name><hostUuid>U</hostUuid></brick>` since 3.5;
/// before, the text alone.
#[derive(Deserialize)]
struct RawBrick {
    name: Option<String>,
    #[serde(rename = "$text")]
    text: Option<String>,
    #[serde(rename = "hostUuid")]
    host_uuid: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawOptions {
    #[serde(rename = "option", default)]
    options: Vec<RawOption>,
}

#[derive(Deserialize)]
struct RawOption {
    name: String,
    #[serde(default)]
    value: String,
}

impl RawVolume {
    fn read(self) -> Result<VolumeInfo, String> {
        let mut sets = Vec::new();
        let width = set_width(self.replica_count, self.disperse_count, self.stripe_count);
        sets.extend(into_sets(self.bricks.bricks, width)?);
        for tier in [self.bricks.hot_bricks, self.bricks.cold_bricks]
            .into_iter()
            .flatten()
        {
            let width = set_width(tier.replica_count, tier.disperse_count, 1);
            sets.extend(into_sets(tier.bricks, width)?);
        }
        if sets.is_empty() {
            return Err(format!("volume `{}` has no brick", self.name));
        }
        Ok(VolumeInfo {
            name: self.name,
            id: self.id,
            state: match self.status_str.as_str() {
                "Created" => VolumeState::Created,
                "Started" => VolumeState::Started,
                "Stopped" => VolumeState::Stopped,
                other => VolumeState::Other(other.to_owned()),
            },
            kind: self.type_str,
            bricks: sets
                .iter()
                .flat_map(|set: &BrickSet| set.bricks.clone())
                .collect(),
            sets,
            options: self
                .options
                .options
                .into_iter()
                .map(|o| (o.name, o.value))
                .collect(),
        })
    }
}

/// How many neighbouring bricks hold the same data. A count of 0 or 1 means that they do not.
fn set_width(replica: usize, disperse: usize, stripe: usize) -> usize {
    disperse.max(replica.max(1) * stripe.max(1))
}

fn into_sets(bricks: Vec<RawBrick>, width: usize) -> Result<Vec<BrickSet>, String> {
    let bricks = bricks
        .into_iter()
        .map(RawBrick::read)
        .collect::<Result<Vec<_>, _>>()?;
    if bricks.len() % width != 0 {
        return Err(format!("{} bricks cannot be sets of {width}", bricks.len()));
    }
    Ok(bricks
        .chunks(width)
        .map(|set| BrickSet {
            bricks: set.to_vec(),
        })
        .collect())
}

impl RawBrick {
    fn read(self) -> Result<Brick, String> {
        let name = self.name.or(self.text).unwrap_or_default();
        // A path starts with `/`, and an IPv6 address has colons of its own.
        let (host, path) = name
            .trim()
            .split_once(":/")
            .ok_or(format!("`{name}` is no brick"))?;
        Ok(Brick {
            host: host.to_owned(),
            path: format!("/{path}"),
            host_uuid: self.host_uuid.filter(|uuid| !uuid.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(counts: &str, bricks: &str, options: &str) -> VolumeInfo {
        let xml = format!(
            "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volInfo><volumes><volume>\
             <name>gv1</name><id>7</id><status>1</status><statusStr>Started</statusStr>{counts}\
             <type>7</type><typeStr>Distributed-Replicate</typeStr><transport>0</transport>\
             <bricks>{bricks}</bricks><optCount>1</optCount><options>{options}</options></volume>\
             <count>1</count></volumes></volInfo></cliOutput>"
        );
        VolumeInfo::parse_all(&xml).unwrap().remove(0)
    }

    fn brick(name: &str) -> String {
        format!("<brick uuid=\"u\">{name}<name>{name}</name><hostUuid>u</hostUuid></brick>")
    }

    fn sets(volume: &VolumeInfo) -> Vec<Vec<String>> {
        let names = |set: &BrickSet| set.bricks.iter().map(ToString::to_string).collect();
        volume.sets.iter().map(names).collect()
    }

    #[test]
    fn neighbours_are_a_replica_set() {
        let bricks = ["a:/1", "b:/1", "a:/2", "b:/2"].map(brick).concat();
        let volume = volume(
            "<replicaCount>2</replicaCount><disperseCount>0</disperseCount>",
            &bricks,
            "",
        );
        assert_eq!(sets(&volume), [["a:/1", "b:/1"], ["a:/2", "b:/2"]]);
        assert_eq!(volume.state, VolumeState::Started);
    }

    #[test]
    fn a_disperse_set_is_as_wide_as_its_disperse_count() {
        let bricks = ["a:/1", "b:/1", "c:/1"].map(brick).concat();
        let counts = "<replicaCount>1</replicaCount><disperseCount>3</disperseCount>";
        assert_eq!(sets(&volume(counts, &bricks, "")).len(), 1);
    }

    #[test]
    fn where_a_volume_only_distributes_each_brick_is_a_set() {
        let bricks = ["a:/1", "b:/1"].map(brick).concat();
        assert_eq!(
            sets(&volume("<replicaCount>1</replicaCount>", &bricks, "")),
            [["a:/1"], ["b:/1"]]
        );
    }

    #[test]
    fn the_address_of_an_ipv6_brick_keeps_its_colons() {
        let volume = volume("", &brick("fd00::1:/b"), "");
        assert_eq!(
            (
                volume.bricks[0].host.as_str(),
                volume.bricks[0].path.as_str()
            ),
            ("fd00::1", "/b")
        );
    }

    #[test]
    fn a_tiered_volume_has_the_sets_of_both_tiers() {
        let tier = |name: &str, bricks: [&str; 2]| {
            let bricks = bricks.map(brick).concat();
            format!(
                "<{name}Bricks><{name}brickType>Replicate</{name}brickType>\
                     <{name}replicaCount>2</{name}replicaCount>{bricks}</{name}Bricks>"
            )
        };
        let bricks = [
            tier("hot", ["a:/h", "b:/h"]),
            tier("cold", ["a:/c", "b:/c"]),
        ]
        .concat();
        assert_eq!(
            sets(&volume("", &bricks, "")),
            [["a:/h", "b:/h"], ["a:/c", "b:/c"]]
        );
    }

    #[test]
    fn the_rollover_time_is_15_s_unless_set() {
        assert_eq!(
            volume("", &brick("a:/1"), "").rollover_time(),
            Duration::from_secs(15)
        );
        let set = "<option><name>changelog.rollover-time</name><value>2</value></option>";
        assert_eq!(
            volume("", &brick("a:/1"), set).rollover_time(),
            Duration::from_secs(2)
        );
    }

    #[test]
    fn a_volume_whose_bricks_cannot_be_sets_is_an_error() {
        let bricks = ["a:/1", "b:/1", "a:/2"].map(brick).concat();
        let xml = format!(
            "<cliOutput><opRet>0</opRet><volInfo><volumes><volume><name>v</name>\
             <statusStr>Started</statusStr><typeStr>Replicate</typeStr><replicaCount>2</replicaCount>\
             <bricks>{bricks}</bricks></volume></volumes></volInfo></cliOutput>"
        );
        assert!(
            VolumeInfo::parse_all(&xml)
                .unwrap_err()
                .contains("3 bricks")
        );
    }
}
