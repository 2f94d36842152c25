//! `georep recover`: puts right what runs have left that were killed, or could not put everything
//! back themselves. Every backup does the same first.

mod domain;
mod report;
mod session;

use std::collections::BTreeMap;
use std::path::Path;

use gluster_georep::{ClientMount, MountTools, Note, Session};
use qcow2_snap::qemu_img::QemuImg;
use tool_command::{SearchPath, Stop};

use self::domain::Connections;
use self::report::Report;
use crate::args::{ProgressMode, RecoverArgs};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::journal::{OpenJournal, Phase, unfinished};
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::say::Say;
use crate::side_by_side::side_by_side;
use crate::tools::search_path;
use crate::{signals, state_dir};

/// How many domains of a run are put back at the same time.
const AT_ONCE: usize = 8;

/// What recovery works with.
#[derive(Debug)]
struct Recovery<'a> {
    path: SearchPath,
    qemu_img: QemuImg,
    /// Other libvirts in which a domain may be.
    connect: &'a [String],
    dry_run: bool,
    say: Say,
    stop: Stop,
}

/// What runs of one session have left.
#[derive(Debug, Default)]
struct Leftovers {
    journals: Vec<OpenJournal>,
    /// Whether a run has noted how the session was before.
    noted: bool,
}

/// Runs `georep recover`.
///
/// # Errors
/// Where nothing could be looked at; what is still left is told, and makes the exit code 5.
pub(crate) fn run(args: &RecoverArgs) -> Result<Exit, CliError> {
    let (leftovers, unreadable) = look()?;
    let mut report = Report::new(args.dry_run);
    report.left.extend(unreadable);
    if !leftovers.is_empty() {
        let recovery = Recovery::new(&args.connect, args.dry_run, args.progress.mode)?;
        for (session, left) in leftovers.into_values() {
            match Lock::of_session(&session) {
                Ok(lock) => recovery.session(&lock, &session, &left, &mut report),
                Err(error) if error.exit() == Exit::Locked => report.busy.push(error.to_string()),
                Err(error) => report.left.push(error.to_string()),
            }
        }
    }
    if !args.dry_run {
        clear_mounts(&mut report);
    }
    report.conclude(args.json)
}

/// Takes down what killed processes have left mounted. That may be nobody's journal's: a comparison
/// mounts the secondary, and changes nothing.
fn clear_mounts(report: &mut Report) {
    let clear = || -> Result<_, CliError> {
        Ok(ClientMount::clear_left_behind(&MountTools::find(&search_path())?)?)
    };
    match clear() {
        Ok(mounts) => {
            for mount in mounts {
                match mount {
                    Ok(path) => report.mounts.push(path),
                    Err(error) => report.left.push(error.to_string()),
                }
            }
        }
        Err(error) => report.left.push(error.to_string()),
    }
}

/// Puts right what is left before a run of `session` begins, which holds its `lock`. Of other
/// sessions nothing keeps it from running, and what cannot be done is told.
///
/// # Errors
/// Where something of this session is left that cannot be put right.
pub(crate) fn before_run(
    lock: &Lock,
    session: &Session,
    mode: ProgressMode,
) -> Result<(), CliError> {
    let (leftovers, unreadable) = look()?;
    if leftovers.is_empty() && unreadable.is_empty() {
        return Ok(());
    }
    let recovery = Recovery::new(&[], false, mode)?;
    let (mut own, mut others) = (Report::new(false), Report::new(false));
    others.left.extend(unreadable);
    for (other, left) in leftovers.into_values() {
        if other == *session {
            recovery.session(lock, session, &left, &mut own);
        } else if let Ok(lock) = Lock::of_session(&other) {
            recovery.session(&lock, &other, &left, &mut others);
        }
    }
    for left in &others.left {
        recovery.say.warn("left", left);
    }
    own.conclude(false).map(drop)
}

/// By the name of the session.
type Sessions = BTreeMap<String, (Session, Leftovers)>;

/// What there is, and what cannot be read of it.
fn look() -> Result<(Sessions, Vec<String>), CliError> {
    let (mut sessions, mut unreadable) = (Sessions::new(), Vec::new());
    for journal in unfinished(&state_dir::journals())? {
        match journal.and_then(|journal| Ok((journal.read().session()?, journal))) {
            Ok((session, journal)) => of(&mut sessions, session).journals.push(journal),
            Err(error) => unreadable.push(error.to_string()),
        }
    }
    for note in state_dir::notes() {
        match session_of(&note) {
            Ok(session) => of(&mut sessions, session).noted = true,
            Err(error) => unreadable.push(error.to_string()),
        }
    }
    Ok((sessions, unreadable))
}

fn of(sessions: &mut Sessions, session: Session) -> &mut Leftovers {
    let entry = sessions.entry(session.to_string());
    &mut entry.or_insert((session, Leftovers::default())).1
}

/// The session that a note is about.
///
/// # Errors
/// Where it cannot be read, is gone, or names none.
pub(crate) fn session_of(note: &Path) -> Result<Session, CliError> {
    let gone = || CliError::failed(format!("the note `{}` is gone", note.display()));
    let session = Note::read(note)?.ok_or_else(gone)?.session;
    let odd = || CliError::failed(format!("the note `{}` names no session", note.display()));
    let (primary, secondary) = session.split_once(" → ").ok_or_else(odd)?;
    Ok(Session::new(primary, secondary.parse()?)?)
}

impl<'a> Recovery<'a> {
    fn new(connect: &'a [String], dry_run: bool, mode: ProgressMode) -> Result<Self, CliError> {
        let path = search_path();
        let qemu_img = QemuImg::new(path.find("qemu-img")?);
        let say = Say::begin(if dry_run { "what recovery would do" } else { "recovery" }, mode);
        Ok(Self { path, qemu_img, connect, dry_run, say, stop: signals::catch()? })
    }

    /// Puts right what runs of one session have left: the domains while the session is stopped, so
    /// that no half of a merge is copied, and then the session.
    fn session(&self, lock: &Lock, session: &Session, left: &Leftovers, report: &mut Report) {
        if self.dry_run {
            self.plan(session, left, report);
            return;
        }
        if left.noted
            && let Err(error) = session::stop(&self.path, lock, session)
        {
            self.say.warn("session", format_args!("{error}; the domains are put back first"));
        }
        for journal in &left.journals {
            self.journal(journal, report);
        }
        if left.noted {
            match session::put_back(&self.path, lock, session, &self.say) {
                Ok(()) => report.sessions.push(session.to_string()),
                Err(error) => report.left.push(error.to_string()),
            }
        }
    }

    fn plan(&self, session: &Session, left: &Leftovers, report: &mut Report) {
        for open in &left.journals {
            let journal = open.read();
            for entry in journal.domains.iter().filter(|entry| domain::is_begun(entry)) {
                let connections = self.connections(entry.connect.as_deref());
                let plan = connections.and_then(|all| domain::plan(&all, &journal, entry));
                match plan {
                    Ok(plan) => report.planned.extend(plan),
                    Err(error) => report.left.push(error.to_string()),
                }
            }
        }
        if left.noted {
            report.planned.push(format!("session {session}: leave it as it was found"));
        }
    }

    fn journal(&self, open: &OpenJournal, report: &mut Report) {
        let journal = open.read();
        let run = &journal.run;
        self.say.step(
            "run",
            format_args!("{run}: {} backup of process {}", journal.method, journal.process),
        );
        let begun: Vec<_> =
            journal.domains.iter().filter(|entry| domain::is_begun(entry)).collect();
        let results = side_by_side(&begun, AT_ONCE, |entry| {
            if self.stop.is_requested() {
                return vec![format!("domain `{}`: interrupted before its recovery", entry.name)];
            }
            let connections = match self.connections(entry.connect.as_deref()) {
                Ok(connections) => connections,
                Err(error) => return vec![error.to_string()],
            };
            domain::put_back(&connections, &self.qemu_img, open, &journal, entry, &self.say)
        });
        let mut left = results.concat();
        // What was never copied must not travel with the next run.
        if !journal.has_reached(Phase::Comparing) {
            left.extend(Manifest::delete(&journal.pool, run).err().map(|error| error.to_string()));
        }
        if left.is_empty() {
            let killed = journal.left_behind.is_empty().then(|| "killed".to_owned());
            left.extend(open.end(None, killed).err().map(|error| error.to_string()));
        }
        if left.is_empty() {
            self.say.step("run", format_args!("{run}: everything is put back"));
            report.runs.push(run.clone());
        }
        report.left.extend(left);
    }

    fn connections(&self, recorded: Option<&str>) -> Result<Connections, CliError> {
        Connections::new(&self.path, recorded, self.connect)
    }
}
