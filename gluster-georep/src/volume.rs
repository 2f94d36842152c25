//! What `gluster volume info --xml` says: a volume's bricks, and which of them hold the same data.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::Error;
use crate::xml::{self, Answer, Unusable};

/// How often a brick closes its changelog and starts the next, unless the volume says otherwise
/// (`changelog.rollover-time`).
const DEFAULT_ROLLOVER: Duration = Duration::from_secs(15);

/// A volume, as `gluster volume info --xml` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// The volume's name.
    pub name: String,
    /// The volume's UUID; empty where gluster shows none.
    pub id: String,
    /// Whether it is started.
    pub state: VolumeState,
    /// Gluster's word for its layout, such as `Distributed-Replicate`.
    pub kind: String,
    /// All bricks, in volume order.
    pub bricks: Vec<Brick>,
    /// The bricks by the data they hold: each set holds data that no other set holds.
    pub sets: Vec<BrickSet>,
    /// Options that were set, by name, such as `changelog.rollover-time`, each with its value as it
    /// was given.
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
    /// The directory, absolute.
    pub path: String,
    /// UUID by which the cluster knows the host; `None` before 3.5.
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
    /// Reads the volumes in an answer of `gluster volume info [NAME] --xml`, of 3.5 and later. For
    /// those who run the command themselves, or have recorded it; others use
    /// [`Gluster::volume_info`](crate::Gluster::volume_info).
    ///
    /// # Errors
    /// [`Error::CutShort`] or [`Error::NotUnderstood`] where this is no such answer,
    /// [`Error::Refused`] where it is one that says no.
    pub fn parse_all(xml: &str) -> Result<Vec<Self>, Error> {
        let line = || "gluster volume info --xml".to_owned();
        let answer = Self::parse_answer(xml).map_err(|unusable| unusable.printed_by(line()))?;
        answer.accepted(line())
    }

    pub(crate) fn parse_answer(xml: &str) -> Result<Answer<Vec<Self>>, Unusable> {
        xml::parse::<Payload>(xml)?.and_then(|payload| {
            let volumes = payload.info.volumes.unwrap_or_default().volumes;
            volumes.into_iter().map(RawVolume::read).collect()
        })
    }

    /// The bytes of each piece that files are cut into; `None` where they are kept whole. As it was
    /// set, else gluster's default of 64 MB.
    pub fn shard_block_size(&self) -> Option<&str> {
        const ON: [&str; 5] = ["on", "enable", "true", "yes", "1"];
        let shard = self.options.get("features.shard")?;
        ON.iter().find(|on| on.eq_ignore_ascii_case(shard))?;
        Some(self.options.get("features.shard-block-size").map_or("64MB", String::as_str))
    }

    /// How often the bricks close their changelogs: what `changelog.rollover-time` is set to, else
    /// gluster's default of 15 s.
    ///
    /// Gluster takes `90`, `90s`, `90sec`, `2m` and `2min` for a time (10.3). Of a value that is
    /// none of these the default is assumed.
    pub fn rollover_time(&self) -> Duration {
        let set = self.options.get(ROLLOVER_OPTION).and_then(|value| time(value));
        set.unwrap_or(DEFAULT_ROLLOVER)
    }
}

/// Reads a time as gluster keeps it, which is as it was given.
fn time(value: &str) -> Option<Duration> {
    let value = value.trim();
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let seconds = match unit {
        "" | "s" | "sec" => 1,
        "m" | "min" => 60,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
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
        let width = set_width(self.replica_count, self.disperse_count);
        sets.extend(into_sets(self.bricks.bricks, width)?);
        for tier in [self.bricks.hot_bricks, self.bricks.cold_bricks].into_iter().flatten() {
            let width = set_width(tier.replica_count, tier.disperse_count);
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
            bricks: sets.iter().flat_map(|set: &BrickSet| set.bricks.clone()).collect(),
            sets,
            options: self.options.options.into_iter().map(|o| (o.name, o.value)).collect(),
        })
    }
}

/// How many neighbouring bricks hold the same data. A count of 0 or 1 means that they do not. On a
/// striped volume (gone since 6.0) each replica set holds a stripe of its own.
fn set_width(replica: usize, disperse: usize) -> usize {
    disperse.max(replica).max(1)
}

fn into_sets(bricks: Vec<RawBrick>, width: usize) -> Result<Vec<BrickSet>, String> {
    let bricks = bricks.into_iter().map(RawBrick::read).collect::<Result<Vec<_>, _>>()?;
    if bricks.len() % width != 0 {
        return Err(format!("{} bricks cannot be sets of {width}", bricks.len()));
    }
    Ok(bricks.chunks(width).map(|set| BrickSet { bricks: set.to_vec() }).collect())
}

impl RawBrick {
    fn read(self) -> Result<Brick, String> {
        let name = self.name.or(self.text).unwrap_or_default();
        // A path starts with `/`, and an IPv6 address has colons of its own.
        let (host, path) = name.trim().split_once(":/").ok_or(format!("`{name}` is no brick"))?;
        Ok(Brick {
            host: host.to_owned(),
            path: format!("/{path}"),
            host_uuid: self.host_uuid.filter(|uuid| !uuid.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests;
