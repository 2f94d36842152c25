//! The cases: which call goes wrong, and how.

use std::fmt;

use georep_tests::simulated::fault::{CallId, Kind, PlannedFault};

/// A backup by one method, or the recovery of one that was killed, in which one call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub stage: Stage,
    pub method: Method,
    pub fault: PlannedFault,
}

/// In what the call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// In a backup.
    Backup,
    /// In the recovery of a backup that was killed by [`death`].
    Recovery,
}

impl Stage {
    pub const ALL: [Self; 2] = [Self::Backup, Self::Recovery];
}

/// What kills a backup at its busiest: the domains are on overlays or hold a snapshot, an option of
/// the volume is changed, and the session has just been started.
pub fn death() -> PlannedFault {
    let line = "gluster --mode=script volume geo-replication gv1 dr::gv2 start --xml".to_owned();
    PlannedFault { call: CallId { line, occurrence: 1 }, kind: Kind::KilledAfter }
}

/// How images are made to stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    External,
    Internal,
}

impl Method {
    pub const ALL: [Self; 2] = [Self::External, Self::Internal];

    /// As `--method` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Internal => "internal",
        }
    }
}

/// Calls that are made as often as there is time: how many of them there are differs from run to
/// run, and after a few the next is no different.
const POLLED: [(&str, usize); 2] = [("virsh domstate ", 3), ("--raw", 1)];

/// Every kind of fault at every one of these calls, in an order that does not depend on theirs.
pub fn cases(stage: Stage, method: Method, calls: &[CallId]) -> Vec<Case> {
    let mut cases: Vec<_> = calls
        .iter()
        .filter(|call| {
            let limit = POLLED.iter().find(|(words, _)| call.line.contains(words));
            limit.is_none_or(|&(_, most)| call.occurrence <= most)
        })
        .flat_map(|call| {
            let fits = |kind: &Kind| match kind {
                // Where there is no effect it makes no difference when it comes.
                Kind::Orphaned | Kind::HangsAfter => call.changes_something(),
                _ => true,
            };
            let fault = |kind| PlannedFault { call: call.clone(), kind };
            let case = move |kind| Case { stage, method, fault: fault(kind) };
            Kind::ALL.into_iter().filter(fits).map(case)
        })
        .collect();
    cases.sort();
    cases
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlannedFault { call, kind } = &self.fault;
        write!(f, "{} {}: {kind}: {call}", self.method, self.stage)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::Recovery => "recovery",
        })
    }
}
