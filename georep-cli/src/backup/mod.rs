//! One backup, from the plan to the proof.
//!
//! Make the images stand still, record them, run geo-replication to a checkpoint, compare what
//! arrived, put the VMs back. Whatever happens in between, the VMs are put back.

mod aftermath;
mod checkpoint;
mod copy;
mod external;
mod internal;
mod outcome;
mod pause;
mod preview;

use std::path::PathBuf;

use gluster_georep::{Gluster, MountTools, Session};
use jiff::Timestamp;
use qcow2_snap::qemu_img::QemuImg;
use qcow2_snap::virsh::{DomainState, Virsh};
use tool_command::Stop;

use crate::args::{BackupArgs, Method};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::journal::{self, DomainEntry, Journal, OpenJournal, Phase};
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::plan::{self, Chains, PlannedDomain};
use crate::pool::Pool;
use crate::put_back::PutBack;
use crate::record::RunImage;
use crate::retry::patiently;
use crate::run_name::RunName;
use crate::say::Say;
use crate::tools::{connections, search_path};
use crate::{recover, signals, state_dir, unknown_session};

/// Everything a run works with.
#[derive(Debug)]
struct Run<'a> {
    name: RunName,
    began: Timestamp,
    args: &'a BackupArgs,
    session: Session,
    pool: Pool,
    gluster: Gluster,
    mounts: MountTools,
    connections: Vec<Virsh>,
    qemu_img: QemuImg,
    say: Say,
    stop: Stop,
}

/// Runs `georep backup`.
///
/// # Errors
/// What failed, with the exit code that says in which state everything was left.
pub(crate) fn run(args: &BackupArgs) -> Result<Exit, CliError> {
    let session = Session::new(&args.primary, args.secondary.clone())?;
    if args.dry_run {
        let run = Run::prepare(args, &session, &run_name(), None)?;
        let planned = run.plan()?;
        let chains = plan::chains(&planned, &run.pool)?;
        preview::show(&run, &planned, &chains)?;
        return Ok(Exit::Done);
    }
    let (began, name) = (Timestamp::now(), run_name());
    let (journal, result) = match attempt(args, &session, &name) {
        Ok((journal, result)) => (journal.read(), result),
        Err(error) => (aftermath::record_failure(args, &session, &name, began, &error), Err(error)),
    };
    aftermath::tell(args, &journal);
    result
}

/// One backup, and how it ended. An error is one from before there was anything to put back, and
/// before the journal.
fn attempt(
    args: &BackupArgs,
    session: &Session,
    name: &RunName,
) -> Result<(OpenJournal, Result<Exit, CliError>), CliError> {
    // Before anything is asked: two runs would only be in each other's way.
    let lock = Lock::of_session(session)?;
    recover::before_run(&lock, session, args.progress.mode)?;
    let run = Run::prepare(args, session, name, Some(&lock))?;
    let mut planned = run.plan()?;
    let chains = plan::chains(&planned, &run.pool)?;
    planned.iter_mut().try_for_each(PlannedDomain::take_lock)?;
    let (outcome, journal) = match args.method {
        Method::External => external::back_up(&run, &planned, &chains)?,
        Method::Internal => internal::back_up(&run, &planned, &chains)?,
    };
    if outcome.exit() == Exit::Done {
        prune_manifests(&run);
    }
    outcome.record(&run, &journal);
    let result = outcome.tell(&run, &journal);
    Ok((journal, result))
}

/// A name that no run has had.
fn run_name() -> RunName {
    RunName::unused(|name| journal::exists(&state_dir::journals(), name))
}

/// Drops older manifests where that is asked for. The copy is proven by now: what cannot be dropped
/// is told, and fails nothing.
fn prune_manifests(run: &Run<'_>) {
    let (Some(keep), pool) = (run.args.keep, run.pool.directory()) else { return };
    let old = Manifest::old_runs_in(pool, keep);
    let pruned = old.and_then(|old| old.iter().try_for_each(|name| Manifest::delete(pool, name)));
    if let Err(error) = pruned {
        run.say.warn("prune", error);
    }
}

impl<'a> Run<'a> {
    /// Finds the tools, the pool and the session. Changes nothing.
    /// What changes the session holds `lock`.
    fn prepare(
        args: &'a BackupArgs,
        session: &Session,
        name: &RunName,
        lock: Option<&Lock>,
    ) -> Result<Self, CliError> {
        let path = search_path();
        let mounts = MountTools::find(&path)?;
        let gluster = path.find("gluster")?;
        let gluster = Gluster::new(lock.map_or(gluster.clone(), |l| gluster.holding(l.file())));
        let connections = connections(&path, &args.connect)?;
        let qemu_img = QemuImg::new(path.find("qemu-img")?);
        let unknown = |error| {
            let given = format!("{} {}", session.primary, session.secondary);
            unknown_session::explain(&gluster, &given, error)
        };
        gluster.started_volume(&session.primary).map_err(unknown)?;
        patiently(|| gluster.status(session)).map_err(unknown)?;
        let pool = Pool::open(&mounts.findmnt, &args.pool, &session.primary)?;
        let say = Say::begin(
            format_args!("{name}: {} backup of {session}", args.method),
            args.progress.mode,
        );
        let stop = signals::catch()?;
        let (name, session) = (name.clone(), session.clone());
        let began = Timestamp::now();
        Ok(Self {
            name,
            began,
            args,
            session,
            pool,
            gluster,
            mounts,
            connections,
            qemu_img,
            say,
            stop,
        })
    }

    fn plan(&self) -> Result<Vec<PlannedDomain>, CliError> {
        let planned = plan::choose(&self.connections, &self.pool, self.args)?;
        for domain in &planned {
            self.say.step("plan", domain);
        }
        Ok(planned)
    }

    /// Begins the journal of the run, which changes these domains.
    fn begin_journal(&self, domains: Vec<DomainEntry>) -> Result<OpenJournal, CliError> {
        let (run, pool) = (self.name.to_string(), self.pool.directory().to_owned());
        let mut journal = Journal::begun(run, self.args, &self.session, pool, self.began);
        journal.domains = domains;
        journal.begin(Phase::Taking);
        OpenJournal::begin(&state_dir::journals(), journal)
    }

    /// How a domain of the run is put back.
    fn put_back<'b>(&'b self, journal: &'b OpenJournal, planned: &'b PlannedDomain) -> PutBack<'b> {
        PutBack {
            name: &planned.domain.name,
            uuid: &planned.domain.uuid,
            was_running: planned.state == DomainState::Running,
            virsh: planned.virsh.clone(),
            qemu_img: planned
                .lock
                .as_ref()
                .map_or_else(|| self.qemu_img.clone(), |lock| self.qemu_img.holding(lock.file())),
            journal,
            say: &self.say,
        }
    }

    /// The images of the run. With `snapshot`, those that a disk is on are copied as that snapshot
    /// holds them; all others stand still.
    fn images(&self, chains: &Chains, snapshot: Option<&str>) -> Vec<RunImage> {
        let image = |in_pool: &PathBuf, format, snapshot: Option<&str>| RunImage {
            path: self.pool.directory().join(in_pool),
            in_pool: in_pool.clone(),
            format,
            snapshot: snapshot.map(str::to_owned),
        };
        let tops = chains.tops.iter().map(|(path, &format)| image(path, format, snapshot));
        let behind = chains.backing.iter().map(|(path, &format)| image(path, format, None));
        tops.chain(behind).collect()
    }
}
