//! One backup, from the plan to the proof.
//!
//! Make the images stand still, record them, run geo-replication to a checkpoint, compare what
//! arrived, put the VMs back. Whatever happens in between, the VMs are put back.

mod checkpoint;
mod copy;
mod external;
mod internal;
mod outcome;
mod pause;
mod plan;

use std::path::PathBuf;

use gluster_georep::{Gluster, MountTools, Session};
use jiff::Timestamp;
use qcow2_snap::qemu_img::QemuImg;
use qcow2_snap::virsh::Virsh;
use tool_command::Stop;

use self::plan::{Chains, PlannedDomain};
use crate::args::{BackupArgs, Method};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::lock::SessionLock;
use crate::pool::Pool;
use crate::record::RunImage;
use crate::retry::patiently;
use crate::run_name::RunName;
use crate::say::Say;
use crate::signals;
use crate::tools::{connections, search_path};

/// Everything a run works with.
#[derive(Debug)]
struct Run<'a> {
    name: RunName,
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
    if args.keep.is_some() && args.method == Method::External {
        return Err(CliError::new(
            Exit::Usage,
            "--keep is for --method internal: overlays are not kept",
        ));
    }
    // Before anything is asked: two runs would only be in each other's way.
    let lock = if args.dry_run { None } else { Some(SessionLock::take(&session)?) };
    let run = Run::prepare(args, session)?;
    let planned = run.plan()?;
    let chains = plan::chains(&planned, &run.pool)?;
    if lock.is_none() {
        return Ok(Exit::Done);
    }
    let outcome = match args.method {
        Method::External => external::back_up(&run, &planned, &chains),
        Method::Internal => internal::back_up(&run, &planned, &chains),
    };
    outcome.report(&run)
}

impl<'a> Run<'a> {
    /// Finds the tools, the pool and the session. Changes nothing.
    fn prepare(args: &'a BackupArgs, session: Session) -> Result<Self, CliError> {
        let path = search_path();
        let name = RunName::at(Timestamp::now());
        let mounts = MountTools::find(&path)?;
        let gluster = Gluster::new(path.find("gluster")?);
        let connections = connections(&path, &args.connect)?;
        let qemu_img = QemuImg::new(path.find("qemu-img")?);
        gluster.started_volume(&session.primary)?;
        patiently(|| gluster.status(&session))?;
        let pool = Pool::open(&mounts.findmnt, &args.pool, &session.primary)?;
        let say = Say::begin(format_args!("{name}: {} backup of {session}", args.method));
        let stop = signals::catch()?;
        Ok(Self { name, args, session, pool, gluster, mounts, connections, qemu_img, say, stop })
    }

    fn plan(&self) -> Result<Vec<PlannedDomain>, CliError> {
        let planned = plan::make(&self.connections, &self.pool, self.args)?;
        for domain in &planned {
            self.say.step("plan", domain);
        }
        Ok(planned)
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
