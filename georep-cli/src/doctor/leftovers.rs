//! What runs have left that were killed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gluster_georep::{ClientMount, MountTools, Session};
use qcow2_snap::plan::OVERLAY_MARK;

use super::domains::Patient;
use super::finding::Finding;
use crate::journal::{Journal, unfinished};
use crate::lock::at_work;
use crate::recover::session_of;
use crate::state_dir;

const RECOVER: &str = "`georep recover` puts it right; `georep recover --dry-run` says how";

/// A run that has not ended, as far as its journal says.
#[derive(Debug)]
struct Unfinished {
    journal: Journal,
    /// Who is at work on its session, where somebody is.
    holder: Option<String>,
}

/// What is said of journals and notes of runs, and of mounts that no process needs any more.
pub(super) fn findings(tools: Option<&MountTools>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut journals = Vec::new();
    match unfinished(&state_dir::journals()) {
        Ok(open) => {
            for open in open {
                match open.map(|open| open.read()) {
                    Ok(journal) => {
                        let holder = journal.session().ok().and_then(|session| at_work(&session));
                        journals.push(Unfinished { journal, holder });
                    }
                    Err(error) => {
                        found.push(Finding::error("journal", "this node", &error, RECOVER));
                    }
                }
            }
        }
        Err(error) => found.push(Finding::error("journal", "this node", &error, RECOVER)),
    }
    found.extend(journals.iter().map(judge_journal));
    let sessions: BTreeSet<_> =
        journals.iter().filter_map(|open| Some(open.journal.session().ok()?.to_string())).collect();
    for note in state_dir::notes() {
        found.extend(judge_note(&note, &sessions));
    }
    found.extend(tools.map(mounts).unwrap_or_default());
    if found.is_empty() {
        found.push(Finding::ok("journal", "this node", "no run has left anything"));
    }
    found
}

fn judge_journal(open: &Unfinished) -> Finding {
    let Unfinished { journal, holder } = open;
    let names: Vec<_> = journal.domains.iter().map(|domain| domain.name.as_str()).collect();
    let of = format!("a backup of {} ({})", journal.primary, names.join(", "));
    match holder {
        Some(holder) => {
            let what = format!("{of} is at work: {holder}");
            let mend = "what it does to domains shows above; look again once it has ended";
            Finding::warn("journal", &journal.run, what, mend)
        }
        None => {
            let what = format!("{of} was killed, or could not put everything back");
            Finding::fail("journal", &journal.run, what, RECOVER)
        }
    }
}

/// A run notes how the session was before it changes it. Where it has a journal that says enough.
fn judge_note(note: &Path, journalled: &BTreeSet<String>) -> Option<Finding> {
    let session = match session_of(note) {
        Ok(session) => session,
        // It may have been removed by the run itself meanwhile.
        Err(_) if !note.exists() => return None,
        Err(error) => return Some(Finding::error("note", "this node", &error, RECOVER)),
    };
    let name = session.to_string();
    if journalled.contains(&name) {
        return None;
    }
    Some(note_of(&session, at_work(&session).as_deref()))
}

fn note_of(session: &Session, holder: Option<&str>) -> Finding {
    let name = session.to_string();
    match holder {
        Some(holder) => {
            let mend = "look again once it has ended";
            Finding::warn("note", &name, format!("a run is at work: {holder}"), mend)
        }
        None => {
            let what = "a run was killed that had changed the session, or its volume's options";
            Finding::fail("note", &name, what, RECOVER)
        }
    }
}

fn mounts(tools: &MountTools) -> Vec<Finding> {
    match ClientMount::find_left_behind(tools) {
        Ok(paths) => {
            let what = "a volume that a killed run has left mounted";
            let found = paths.iter();
            found
                .map(|path| Finding::warn("mounted", &path.display().to_string(), what, RECOVER))
                .collect()
        }
        Err(error) => vec![Finding::unseen("mounted", "this node", error, "run this as root")],
    }
}

/// Overlays beside the images that no domain is on and no journal knows of.
pub(super) fn strays(
    patients: &[Patient],
    pool: &Path,
    overlay_dir: Option<&Path>,
) -> Vec<Finding> {
    let used: BTreeSet<PathBuf> =
        patients.iter().flat_map(Patient::files).map(Path::to_owned).collect();
    let mut directories: BTreeSet<&Path> = used.iter().filter_map(|file| file.parent()).collect();
    directories.retain(|directory| directory.starts_with(pool));
    directories.extend([pool]);
    directories.extend(overlay_dir);
    let entries = directories.iter().filter_map(|directory| directory.read_dir().ok()).flatten();
    let files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    let journals = unfinished(&state_dir::journals()).unwrap_or_default();
    let known = journals.iter().flatten().flat_map(|open| open.read().domains);
    let known = known.flat_map(|domain| domain.overlays).map(|overlay| overlay.overlay);
    judge_strays(&files, &used, &known.collect())
}

fn judge_strays(
    files: &[PathBuf],
    used: &BTreeSet<PathBuf>,
    known: &BTreeSet<PathBuf>,
) -> Vec<Finding> {
    let is_overlay = |file: &&PathBuf| {
        let name = file.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| {
            name.contains(&format!(".{OVERLAY_MARK}")) && name.ends_with(".qcow2")
        })
    };
    let strays = files.iter().filter(is_overlay);
    let strays = strays.filter(|file| !used.contains(*file) && !known.contains(*file));
    let what = "an overlay that no domain here is on, and no journal knows of";
    let mend = "it may hold what a guest wrote: ask the other hosts' libvirt for a domain that is \
                on it (`virsh domblklist`), and look into it, before it is deleted";
    strays.map(|file| Finding::warn("stray", &file.display().to_string(), what, mend)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    #[test]
    fn an_overlay_that_nobody_knows_is_told_and_any_other_file_is_not() {
        let files: Vec<PathBuf> = [
            "/vm/web.qcow2",
            "/vm/web-vda.georep-20261124T093220Z.qcow2",
            "/vm/db-vda.georep-20261124T093220Z.qcow2",
            "/vm/old-vda.georep-20261123T093220Z.qcow2",
        ]
        .map(PathBuf::from)
        .to_vec();
        let (used, known) = ([files[1].clone()].into(), [files[2].clone()].into());
        let found = judge_strays(&files, &used, &known);
        let on: Vec<_> = found.iter().map(|finding| finding.on.as_str()).collect();
        assert_eq!(on, ["/vm/old-vda.georep-20261123T093220Z.qcow2"]);
    }

    #[test]
    fn what_a_run_at_work_has_noted_is_not_left_over() {
        let session = Session::new("gv1", "dr::gv2".parse().unwrap()).unwrap();
        assert_eq!(note_of(&session, None).grade, Grade::Fail);
        assert_eq!(note_of(&session, Some("process 7 since noon")).grade, Grade::Warn);
    }
}
