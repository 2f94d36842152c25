//! What `gluster volume geo-replication … status --xml` says: one worker for each brick.
//!
//! The shape is the same since 3.7.0; 10.0 renamed master to primary and slave to secondary.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::xml::{self, Answer};

/// A session and its workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStatus {
    /// The primary volume.
    pub primary: String,
    /// Gluster's key, `<node uuid>:ssh://[user@]host::volume[:<volume uuid>]`.
    pub key: String,
    /// The secondary as `[user@]host::volume`.
    pub secondary: String,
    /// A worker for each brick of each connected peer.
    pub workers: Vec<Worker>,
}

/// The worker that syncs one brick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Host of its brick.
    pub host: String,
    /// Directory of its brick.
    pub path: String,
    /// UUID of the host.
    pub host_uuid: Option<String>,
    /// What it does.
    pub status: WorkerStatus,
    /// How it looks for changes: `Hybrid Crawl`, `History Crawl` or `Changelog Crawl`.
    pub crawl: Option<String>,
    /// Entry operations (create, rename, remove) it has yet to sync.
    pub entry: Option<u64>,
    /// Files whose data it has yet to sync.
    pub data: Option<u64>,
    /// Files whose attributes it has yet to sync.
    pub meta: Option<u64>,
    /// Files it could not sync.
    pub failures: Option<u64>,
    /// Whether it has reached the checkpoint it speaks of.
    pub checkpoint_completed: CheckpointFlag,
    /// Of which checkpoint it speaks.
    pub checkpoint_time: Option<Timestamp>,
    /// When it reached it.
    pub checkpoint_completion_time: Option<Timestamp>,
    /// Changes up to this moment are synced.
    pub last_synced: Option<Timestamp>,
}

/// What a worker does. For anything but `Active` gluster reports `N/A` in all the counters and in
/// the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WorkerStatus {
    /// Starting; may last a minute.
    Initializing,
    /// Syncing.
    Active,
    /// Standing by for an active one of the same set.
    Passive,
    /// Failed; its monitor starts it again and again.
    Faulty,
    /// The session was made, and never started.
    Created,
    /// Started, with no word from the worker yet.
    Started,
    /// The session is paused.
    Paused,
    /// The session is stopped.
    Stopped,
    /// Its configuration differs from the other nodes'.
    Inconsistent,
    /// Its configuration cannot be read.
    ConfigCorrupted,
    /// `N/A`.
    NotApplicable,
    /// A word this crate does not know.
    Other(String),
}

/// Whether a worker has reached a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointFlag {
    /// It has.
    Yes,
    /// Not yet.
    No,
    /// No checkpoint is set, or the worker is not active.
    NotApplicable,
    /// The answer has no such element (before 3.7), or an unknown word in it.
    Unknown,
}

impl WorkerStatus {
    fn read(word: &str) -> Self {
        match word.trim_end_matches('.').to_lowercase().as_str() {
            "initializing" => Self::Initializing,
            "active" => Self::Active,
            "passive" => Self::Passive,
            "faulty" => Self::Faulty,
            "created" => Self::Created,
            "started" => Self::Started,
            "paused" => Self::Paused,
            "stopped" => Self::Stopped,
            "inconsistent" => Self::Inconsistent,
            "config corrupted" => Self::ConfigCorrupted,
            "n/a" => Self::NotApplicable,
            _ => Self::Other(word.to_owned()),
        }
    }
}

impl fmt::Display for WorkerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initializing => "Initializing...",
            Self::Active => "Active",
            Self::Passive => "Passive",
            Self::Faulty => "Faulty",
            Self::Created => "Created",
            Self::Started => "Started",
            Self::Paused => "Paused",
            Self::Stopped => "Stopped",
            Self::Inconsistent => "inconsistent",
            Self::ConfigCorrupted => "Config Corrupted",
            Self::NotApplicable => "N/A",
            Self::Other(word) => word,
        })
    }
}

impl SessionStatus {
    /// Reads the sessions in a status answer of 3.6 and later, in both vocabularies.
    ///
    /// Gluster may list a session in several places; here each stands once, with all its workers.
    ///
    /// # Errors
    /// Says what is wrong with XML that is no such answer.
    pub fn parse_all(xml: &str) -> Result<Vec<Self>, String> {
        match Self::parse_answer(xml)? {
            Answer::Done(sessions) => Ok(sessions),
            Answer::Refused { reason, .. } => Err(reason),
        }
    }

    pub(crate) fn parse_answer(xml: &str) -> Result<Answer<Vec<Self>>, String> {
        match xml::parse::<Payload>(xml)? {
            Answer::Done(payload) => payload.georep.read().map(Answer::Done),
            Answer::Refused { errno, reason } => Ok(Answer::Refused { errno, reason }),
        }
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
        if !self.flat_pairs.is_empty() {
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
mod tests {
    use super::*;

    fn answer(sessions: &str) -> String {
        format!(
            "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><geoRep>{sessions}</geoRep>\
             </cliOutput>"
        )
    }

    fn session(key: &str, secondary: &str, pairs: &str) -> String {
        format!(
            "<volume><name>gv1</name><sessions><session><session_{secondary}>{key}\
             </session_{secondary}>{pairs}</session></sessions></volume>"
        )
    }

    fn pair(primary: &str, secondary: &str, status: &str) -> String {
        format!(
            "<pair><{primary}_node>p1</{primary}_node><{primary}_brick>/b</{primary}_brick>\
             <{secondary}_user>root</{secondary}_user><{secondary}>ssh://dr::gv2</{secondary}>\
             <{secondary}_node/><status>{status}</status>\
             <crawl_status>History Crawl</crawl_status><entry>1</entry><data>2</data><meta>N/A</meta>\
             <failures>0</failures><checkpoint_completed>No</checkpoint_completed>\
             <{primary}_node_uuid>u1</{primary}_node_uuid>\
             <last_synced>2026-11-23 05:19:46</last_synced>\
             <checkpoint_time>2026-11-23 05:20:08</checkpoint_time>\
             <checkpoint_completion_time>N/A</checkpoint_completion_time></pair>"
        )
    }

    const KEY: &str = "u1:ssh://geo@dr::gv2:u2";

    #[test]
    fn both_vocabularies_say_the_same() {
        let new = answer(&session(
            KEY,
            "secondary",
            &pair("primary", "secondary", "Active"),
        ));
        let old = answer(&session(KEY, "slave", &pair("master", "slave", "Active")));
        let (new, old) = (
            SessionStatus::parse_all(&new),
            SessionStatus::parse_all(&old),
        );
        assert_eq!(new, old);

        let session = new.unwrap().remove(0);
        assert_eq!(
            (session.primary.as_str(), session.secondary.as_str()),
            ("gv1", "geo@dr::gv2")
        );
        let worker = &session.workers[0];
        assert_eq!((worker.host.as_str(), worker.path.as_str()), ("p1", "/b"));
        assert_eq!(worker.status, WorkerStatus::Active);
        assert_eq!(
            (worker.entry, worker.data, worker.meta),
            (Some(1), Some(2), None)
        );
        assert_eq!(worker.checkpoint_completed, CheckpointFlag::No);
        assert_eq!(
            worker.checkpoint_time,
            Some("2026-11-23T05:20:08Z".parse().unwrap())
        );
        assert_eq!(worker.checkpoint_completion_time, None);
    }

    #[test]
    fn every_word_for_a_state_is_understood_and_a_new_one_is_kept() {
        for word in [
            "Initializing...",
            "Active",
            "Passive",
            "Faulty",
            "Created",
            "Started",
            "Paused",
            "Stopped",
            "inconsistent",
            "Config Corrupted",
            "N/A",
            "Resting",
        ] {
            assert_eq!(WorkerStatus::read(word).to_string(), word);
        }
        assert_eq!(WorkerStatus::read("faulty"), WorkerStatus::Faulty);
        assert_eq!(
            WorkerStatus::read("Resting"),
            WorkerStatus::Other("Resting".into())
        );
    }

    #[test]
    fn a_session_listed_twice_is_one_with_all_its_workers() {
        let once = session(KEY, "secondary", &pair("primary", "secondary", "Active"));
        let sessions = SessionStatus::parse_all(&answer(&[once.as_str(), once.as_str()].concat()));
        let sessions = sessions.unwrap();
        assert_eq!((sessions.len(), sessions[0].workers.len()), (1, 2));
    }

    #[test]
    fn a_status_of_3_6_holds_no_checkpoint() {
        let pair = "<pair><master_node>p1</master_node><master_brick>/b</master_brick>\
                    <slave>dr::gv2</slave><status>Active</status>\
                    <checkpoint_status>checkpoint as of 1 is completed at 2</checkpoint_status></pair>";
        let sessions = SessionStatus::parse_all(&answer(&session(KEY, "slave", pair))).unwrap();
        assert_eq!(
            sessions[0].workers[0].checkpoint_completed,
            CheckpointFlag::Unknown
        );
    }

    #[test]
    fn a_status_of_3_4_is_refused_by_name() {
        let flat = answer("<type>4</type><pair><node>p1</node><status>OK</status></pair>");
        assert!(
            SessionStatus::parse_all(&flat)
                .unwrap_err()
                .contains("before 3.6")
        );
    }

    #[test]
    fn keys_of_every_version_name_the_secondary() {
        for key in [
            "u1:ssh://dr::gv2:u2",
            "u1:ssh://dr::gv2",
            ":u1:ssh://dr::gv2",
        ] {
            assert_eq!(secondary_in(key), "dr::gv2");
        }
        assert_eq!(secondary_in("u1:ssh://fd00::1::gv2:u2"), "fd00::1::gv2");
    }
}
