//! What has become of a run.

use std::fmt;

use rustix::process::{Pid, test_kill_process};
use serde::Serialize;

use crate::exit_code::Exit;
use crate::journal::Journal;

/// What has become of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// It came to its end, and the copy is as it should be.
    Done,
    /// It came to its end with another exit code; everything is put back.
    Failed,
    /// It was killed, or left something, and was put back after.
    Recovered,
    /// It left something that needs `georep recover`.
    LeftBehind,
    /// It is at work.
    Running,
    /// It was killed, and needs `georep recover`.
    Killed,
}

impl Fate {
    /// What has become of the run of `journal`.
    pub(crate) fn of(journal: &Journal) -> Self {
        Self::judge(journal, is_alive(journal.process))
    }

    fn judge(journal: &Journal, is_alive: bool) -> Self {
        match &journal.ended {
            Some(ended) if ended.exit_code == Some(Exit::Done as u8) => Self::Done,
            Some(ended) if ended.exit_code.is_some() => Self::Failed,
            Some(_) => Self::Recovered,
            None if !journal.left_behind.is_empty() => Self::LeftBehind,
            None if is_alive => Self::Running,
            None => Self::Killed,
        }
    }

    /// Whether `georep recover` has something to do.
    pub(crate) fn needs_recovery(self) -> bool {
        matches!(self, Self::LeftBehind | Self::Killed)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::LeftBehind => "left",
            Self::Running => "running",
            Self::Killed => "killed",
        })
    }
}

/// Whether there is such a process. That it is another one by now is possible, and passes.
fn is_alive(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::journal;

    #[test]
    fn a_run_is_done_only_where_it_says_so_itself() {
        let mut run = journal("georep-1");
        assert_eq!(Fate::judge(&run, true), Fate::Running);
        assert_eq!(Fate::judge(&run, false), Fate::Killed);
        run.left_behind = vec!["domain `web`".to_owned()];
        assert_eq!(Fate::judge(&run, true), Fate::LeftBehind);
        run.end_now(Exit::Mismatch, "differs".to_owned());
        assert_eq!(Fate::judge(&run, true), Fate::Failed);
        run.end_now(Exit::Done, String::new());
        assert_eq!(Fate::judge(&run, false), Fate::Done);
        run.ended = run.ended.map(|ended| crate::journal::Ended { exit_code: None, ..ended });
        assert_eq!(Fate::judge(&run, false), Fate::Recovered);
    }

    #[test]
    fn this_process_is_alive_and_no_process_has_the_largest_number() {
        assert!(is_alive(std::process::id()));
        assert!(!is_alive(u32::MAX) && !is_alive(i32::MAX as u32));
    }
}
