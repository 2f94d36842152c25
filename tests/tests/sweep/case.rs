//! The cases: which call goes wrong, and how.

use std::fmt;

use georep_tests::simulated::fault::{CallId, Kind, PlannedFault};

/// A backup by one method in which one call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub method: Method,
    pub fault: PlannedFault,
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
pub fn cases(method: Method, calls: &[CallId]) -> Vec<Case> {
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
            let case = |kind| Case { method, fault: PlannedFault { call: call.clone(), kind } };
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
        write!(f, "{}: {kind}: {call}", self.method)
    }
}
