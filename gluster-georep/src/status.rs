//! What `gluster volume geo-replication … status --xml` says: one worker for each brick.
//!
//! The shape is the same since 3.7.0; 10.0 renamed master to primary and slave to secondary.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::xml::{self, Answer, Unusable};
use crate::{CheckpointFlag, Error, Worker, WorkerStatus};

/// A session and its workers, as `gluster volume geo-replication … status --xml` shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStatus {
    /// Name of the primary volume.
    pub primary: String,
    /// What gluster tells its sessions apart by: `<node uuid>:ssh://[user@]host::volume`, since
    /// 3.7.12 with `:<volume uuid>` behind it.
    pub key: String,
    /// The secondary as `[user@]host::volume`, which is not checked: it parses as a
    /// [`Secondary`](crate::Secondary) where gluster shows a sound one.
    pub secondary: String,
    /// A worker for each brick of each connected peer. A brick whose peer is down is not there.
    pub workers: Vec<Worker>,
}

impl SessionStatus {
    /// Reads the sessions in a status answer of 3.6 and later, in both vocabularies.
    ///
    /// Gluster may list a session in several places; here each stands once, with all its workers.
    /// For those who run the command themselves, or have recorded it; others use
    /// [`Gluster::status`](crate::Gluster::status) and
    /// [`Gluster::sessions`](crate::Gluster::sessions).
    ///
    /// # Errors
    /// [`Error::CutShort`] or [`Error::NotUnderstood`] where this is no such answer,
    /// [`Error::Refused`] where it is one that says no.
    pub fn parse_all(xml: &str) -> Result<Vec<Self>, Error> {
        let line = || "gluster volume geo-replication status --xml".to_owned();
        let answer = Self::parse_answer(xml).map_err(|unusable| unusable.printed_by(line()))?;
        answer.accepted(line())
    }

    pub(crate) fn parse_answer(xml: &str) -> Result<Answer<Vec<Self>>, Unusable> {
        xml::parse::<Payload>(xml)?.and_then(|payload| payload.georep.read())
    }
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "geoRep")]
    georep: RawGeoRep,
}

#[derive(Deserialize)]
struct RawGeoRep {
    #[serde(rename = "volume", default)]
    volumes: Vec<RawVolume>,
    /// 3.4 and 3.5 have the pairs here, with neither session nor checkpoint.
    #[serde(rename = "pair", default)]
    flat_pairs: Vec<serde::de::IgnoredAny>,
    /// Of 3.4 and 3.5; in 3.5 it is all there is.
    #[serde(rename = "type")]
    kind: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct RawVolume {
    name: String,
    #[serde(default)]
    sessions: RawSessions,
}

#[derive(Default, Deserialize)]
struct RawSessions {
    #[serde(rename = "session", default)]
    sessions: Vec<RawSession>,
}

#[derive(Deserialize)]
struct RawSession {
    #[serde(rename = "session_secondary", alias = "session_slave")]
    key: String,
    #[serde(rename = "pair", default)]
    pairs: Vec<RawPair>,
}

#[derive(Deserialize)]
struct RawPair {
    #[serde(alias = "master_node")]
    primary_node: String,
    #[serde(alias = "master_brick")]
    primary_brick: String,
    #[serde(alias = "master_node_uuid")]
    primary_node_uuid: Option<String>,
    status: String,
    crawl_status: Option<String>,
    entry: Option<String>,
    data: Option<String>,
    meta: Option<String>,
    failures: Option<String>,
    checkpoint_completed: Option<String>,
    checkpoint_time: Option<String>,
    checkpoint_completion_time: Option<String>,
    last_synced: Option<String>,
}

impl RawGeoRep {
    fn read(self) -> Result<Vec<SessionStatus>, String> {
        if !self.flat_pairs.is_empty() || self.kind.is_some() {
            return Err("it is the status of a gluster before 3.6, which knows no sessions".into());
        }
        let mut sessions: Vec<SessionStatus> = Vec::new();
        for volume in self.volumes {
            for session in volume.sessions.sessions {
                let workers = session.pairs.into_iter().map(RawPair::read);
                let known = sessions
                    .iter_mut()
                    .find(|known| known.primary == volume.name && known.key == session.key);
                if let Some(known) = known {
                    known.workers.extend(workers);
                } else {
                    sessions.push(SessionStatus {
                        primary: volume.name.clone(),
                        secondary: secondary_in(&session.key),
                        workers: workers.collect(),
                        key: session.key,
                    });
                }
            }
        }
        Ok(sessions)
    }
}

/// `<uuid>:ssh://[user@]host::volume[:<uuid>]` without the parts around the secondary.
fn secondary_in(key: &str) -> String {
    let url = key.split_once("ssh://").map_or(key, |(_, url)| url);
    match url.rsplit_once("::") {
        Some((host, volume)) => {
            let volume = volume.split_once(':').map_or(volume, |(volume, _)| volume);
            format!("{host}::{volume}")
        }
        None => url.to_owned(),
    }
}

impl RawPair {
    fn read(self) -> Worker {
        Worker {
            host: self.primary_node,
            path: self.primary_brick,
            host_uuid: self.primary_node_uuid.filter(|uuid| !uuid.is_empty()),
            status: WorkerStatus::read(&self.status),
            crawl: self.crawl_status.filter(|crawl| crawl != "N/A"),
            entry: number(self.entry.as_deref()),
            data: number(self.data.as_deref()),
            meta: number(self.meta.as_deref()),
            failures: number(self.failures.as_deref()),
            checkpoint_completed: match self.checkpoint_completed.as_deref() {
                Some("Yes") => CheckpointFlag::Yes,
                Some("No") => CheckpointFlag::No,
                Some("N/A") => CheckpointFlag::NotApplicable,
                _ => CheckpointFlag::Unknown,
            },
            checkpoint_time: time(self.checkpoint_time.as_deref()),
            checkpoint_completion_time: time(self.checkpoint_completion_time.as_deref()),
            last_synced: time(self.last_synced.as_deref()),
        }
    }
}

fn number(text: Option<&str>) -> Option<u64> {
    text?.trim().parse().ok()
}

/// Times in XML are UTC in every version, unlike those for people.
fn time(text: Option<&str>) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y-%m-%d %H:%M:%S", text?.trim()).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests;
