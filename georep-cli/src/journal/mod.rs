//! What a run is about to do, on disk before it is done: for the next process, where this one is
//! killed.
//!
//! The journal says what is *ours*: domains, overlays, snapshots. What has become of them, recovery
//! asks libvirt. A journal that has not ended is one of a run that is at work, or was killed; whose
//! session's lock is free, that was killed. Those that have ended stay: they are the history.

mod history;
mod open;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gluster_georep::Session;
use jiff::Timestamp;
use qcow2_snap::external::Overlay;
use serde::{Deserialize, Serialize};

use crate::args::{Level, Method};
use crate::compare::Mismatch;
use crate::error::CliError;
use crate::exit_code::Exit;

pub(crate) use history::{all, drop_old, newest_first, remember};
pub(crate) use open::{OpenJournal, unfinished};

/// The shape of the document; a reader refuses another.
pub(crate) const VERSION: u32 = 1;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Journal {
    /// [`VERSION`].
    pub version: u32,
    /// Its name.
    pub run: String,
    /// How it makes the images stand still.
    pub method: Method,
    /// The primary volume.
    pub primary: String,
    /// The secondary, as `[user@]host::volume`.
    pub secondary: String,
    /// The directory of the images.
    pub pool: PathBuf,
    /// The process that runs, or ran.
    pub process: u32,
    /// When it began.
    pub began: Timestamp,
    /// What it is at.
    pub phase: Phase,
    /// What it has been at, and since when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Since<Phase>>,
    /// How thoroughly it compares.
    #[serde(default)]
    pub verify: Level,
    /// What it has copied, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<Copied>,
    /// How many workers were in which state when it last looked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workers: BTreeMap<String, usize>,
    /// The domains that it changes.
    pub domains: Vec<DomainEntry>,
    /// What it could not put back: a sentence each, saying what and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// How it ended; `None` as long as anything is to be put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Looking what there is to do; nothing is changed.
    Planning,
    /// Making the images stand still.
    Taking,
    /// Recording the images and running the session to a checkpoint.
    Copying,
    /// The checkpoint is reached: comparing.
    Comparing,
    /// Compared, and nothing differs: an internal snapshot stays from here on.
    Proven,
    /// Putting the domains back.
    PuttingBack,
}

/// Something, and when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Since<T> {
    /// What.
    pub what: T,
    /// When it began.
    pub at: Timestamp,
}

/// What a run has copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Copied {
    /// How many images it has recorded.
    pub images: usize,
    /// Bytes of tables and data in them.
    pub allocated: u64,
    /// Bytes that were read on the secondary; `None` where nothing was compared.
    pub compared: Option<u64>,
    /// What differs there.
    #[serde(default)]
    pub mismatches: Vec<Mismatch>,
}

/// A domain, and what is about to be done to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DomainEntry {
    /// Its name when the run began.
    pub name: String,
    /// Its UUID, which stays when it is renamed.
    pub uuid: String,
    /// The libvirt that knows it; `None` is libvirt's own choice.
    pub connect: Option<String>,
    /// Whether it ran when the run began.
    pub running: bool,
    /// What is about to be done, or being done.
    pub step: Step,
    /// What was done before, and since when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Since<Step>>,
    /// For how many seconds its guest stood still, where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_seconds: Option<f64>,
    /// The overlays that were to be made, whether or not they came to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<OverlayEntry>,
    /// The images that were to get a snapshot with the run's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<PathBuf>,
}

/// An overlay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct OverlayEntry {
    /// The disk's target, such as `vda`.
    pub target: String,
    /// The image that stands still.
    pub base: PathBuf,
    /// The file that takes the writes.
    pub overlay: PathBuf,
    /// That file's inode number, once it is known.
    pub inode: Option<u64>,
    /// Whether it was begun to merge it back.
    pub merge_begun: bool,
}

/// What is about to be done to a domain, or being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// Nothing yet.
    Planned,
    /// The guest is asked to freeze its file systems.
    Freezing,
    /// libvirt is asked for overlays.
    Overlaying,
    /// The guest is thawed.
    Thawing,
    /// libvirt is asked for an internal snapshot.
    Snapshotting,
    /// Its images stand still, and are copied.
    Copying,
    /// A block job is started.
    Committing,
    /// The domain is moved to its base.
    Pivoting,
    /// qemu-img merges, as the domain does not run.
    Merging,
    /// The domain is defined on its base.
    Redefining,
    /// An overlay is deleted.
    Removing,
    /// The internal snapshot is deleted.
    Deleting,
    /// Nothing any more.
    Done,
}

impl Step {
    /// Whether the guest may be frozen while a domain is at this step.
    pub(crate) fn may_be_frozen(self) -> bool {
        matches!(self, Self::Freezing | Self::Overlaying | Self::Thawing)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Ended {
    /// When.
    pub at: Timestamp,
    /// With which exit code; `None` where it was killed, and recovered.
    pub exit_code: Option<u8>,
    /// What went wrong, in its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Ended {
    /// It ended now.
    fn now(exit: Option<Exit>, error: Option<String>) -> Self {
        Self { at: Timestamp::now(), exit_code: exit.map(|exit| exit as u8), error }
    }
}

/// Whether a run of that name has a journal in `directory`.
pub(crate) fn exists(directory: &Path, run: &str) -> bool {
    Journal::path_in(directory, run).exists()
}

/// Whoever writes to the journal has the time, so that both are in the same order.
fn begin<T: Copy + PartialEq>(course: &mut Vec<Since<T>>, what: T) {
    if course.last().is_none_or(|last| last.what != what) {
        course.push(Since { what, at: Timestamp::now() });
    }
}

impl Journal {
    /// Whether it has come to that phase, whatever followed.
    pub(crate) fn has_reached(&self, phase: Phase) -> bool {
        self.phase == phase || self.phases.iter().any(|past| past.what == phase)
    }

    /// The exit code, where it has one: what was left behind is known before it has ended.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        let left = (!self.left_behind.is_empty()).then_some(Exit::LeftBehind as u8);
        self.ended.as_ref().map_or(left, |ended| ended.exit_code)
    }

    /// Begins a phase.
    pub(crate) fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        begin(&mut self.phases, phase);
    }

    /// The session that the run works with.
    ///
    /// # Errors
    /// Where the journal names none.
    pub(crate) fn session(&self) -> Result<Session, CliError> {
        Ok(Session::new(&self.primary, self.secondary.parse()?)?)
    }

    /// Where the journal of `run` lies in `directory`.
    fn path_in(directory: &Path, run: &str) -> PathBuf {
        directory.join(format!("{run}.json"))
    }
}

impl Copied {
    /// Whether nothing is known to differ.
    pub(crate) fn is_as_recorded(&self) -> bool {
        self.mismatches.is_empty()
    }
}

impl DomainEntry {
    /// Begins a step. One that is repeated, as for another disk, goes on.
    pub(crate) fn begin(&mut self, step: Step) {
        self.step = step;
        begin(&mut self.steps, step);
    }

    /// The overlays, as qcow2-snap takes them.
    pub(crate) fn overlays(&self) -> Vec<Overlay> {
        let overlay = |entry: &OverlayEntry| Overlay {
            domain: self.uuid.clone(),
            target: entry.target.clone(),
            base: entry.base.clone(),
            overlay: entry.overlay.clone(),
            inode: entry.inode,
            merge_begun: entry.merge_begun,
        };
        self.overlays.iter().map(overlay).collect()
    }
}

impl From<&Overlay> for OverlayEntry {
    fn from(overlay: &Overlay) -> Self {
        Self {
            target: overlay.target.clone(),
            base: overlay.base.clone(),
            overlay: overlay.overlay.clone(),
            inode: overlay.inode,
            merge_begun: overlay.merge_begun,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run that has just begun.
    pub(crate) fn journal(run: &str) -> Journal {
        let overlay = OverlayEntry {
            target: "vda".into(),
            base: "/vm/a.qcow2".into(),
            overlay: format!("/vm/a.{run}.qcow2").into(),
            inode: None,
            merge_begun: false,
        };
        let domain = DomainEntry {
            name: "web".into(),
            uuid: "u".into(),
            connect: None,
            running: true,
            step: Step::Planned,
            steps: Vec::new(),
            pause_seconds: None,
            overlays: vec![overlay],
            images: Vec::new(),
        };
        Journal {
            version: VERSION,
            run: run.to_owned(),
            method: Method::External,
            primary: "gv1".into(),
            secondary: "geo@dr::gv2".into(),
            pool: "/vm".into(),
            process: 1,
            began: Timestamp::UNIX_EPOCH,
            phase: Phase::Taking,
            phases: Vec::new(),
            verify: Level::Quick,
            copied: None,
            workers: BTreeMap::new(),
            domains: vec![domain],
            left_behind: Vec::new(),
            ended: None,
        }
    }
}
