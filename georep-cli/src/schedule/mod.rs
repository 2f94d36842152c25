//! `georep schedule`: what `schedule_georep.py` does, in its words and with its exit codes.

mod script;

use std::time::Duration;

use gluster_georep::{
    Event, Gluster, MountTools, Observer, Outcome, Report, RunOptions, Secondary, Session,
    run_to_checkpoint,
};
use tool_command::Stop;

use self::script::{Script, not_ok, ok, warn};
use crate::args::ScheduleArgs;
use crate::canary::Canary;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::lock::Lock;
use crate::tools::search_path;
use crate::{signals, state_dir};

/// Runs `georep schedule`.
pub(crate) fn run(args: &ScheduleArgs) -> Exit {
    if args.no_color {
        anstream::ColorChoice::Never.write_global();
    }
    match checkpoint(args) {
        Ok(exit) => exit,
        Err(error) => {
            not_ok("", &error);
            Exit::CommandFailed
        }
    }
}

fn checkpoint(args: &ScheduleArgs) -> Result<Exit, CliError> {
    let session = session(args)?;
    let gluster = search_path().find("gluster")?;
    let mounts = MountTools::find(&search_path())?;
    let stop = signals::catch()?;
    let lock = Lock::of_session(&session)?;
    let gluster = Gluster::new(gluster.holding(lock.file()));
    let options = RunOptions {
        interval: Duration::from_secs(args.interval),
        timeout: (args.timeout > 0).then(|| Duration::from_secs(args.timeout.saturating_mul(60))),
        rollover: args.rollover.map(Duration::from_secs),
        restore_session: args.restore_session,
        note: Some(state_dir::note_of(&session)),
        stop: stop.clone(),
    };
    let mut teller = Teller {
        mounts: &mounts,
        session: &session,
        stop,
        script: Script::new(options.interval),
        canary: None,
    };
    let report = run_to_checkpoint(&gluster, &mounts, &session, &options, &mut teller)?;
    match teller.canary {
        Some(Err(error)) => Err(error),
        Some(Ok(canary)) => Ok(conclude(&report, &canary, &teller.stop)),
        None => Ok(conclude_without(&report)),
    }
}

fn session(args: &ScheduleArgs) -> Result<Session, CliError> {
    let (user, host) = match args.secondary.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, args.secondary.as_str()),
    };
    Ok(Session::new(&args.primary, Secondary::new(user, host, &args.secondary_volume)?)?)
}

/// Prints the lines, and writes the canary before anything else is changed.
struct Teller<'a> {
    mounts: &'a MountTools,
    session: &'a Session,
    stop: Stop,
    script: Script,
    canary: Option<Result<Canary<'a>, CliError>>,
}

impl Observer for Teller<'_> {
    fn event(&mut self, event: &Event<'_>) {
        self.script.event(event);
        if let Event::Found(_) = event {
            match Canary::write(self.mounts, self.session, &self.stop) {
                // That it was cut off is no failure; the run ends as any that is interrupted.
                Err(_) if self.stop.is_requested() => {}
                Err(error) => {
                    self.stop.request();
                    self.canary = Some(Err(error));
                }
                Ok(canary) => self.canary = Some(Ok(canary)),
            }
        }
    }
}

fn conclude(report: &Report, canary: &Canary<'_>, stop: &Stop) -> Exit {
    if report.outcome != Outcome::Complete {
        return conclude_without(report);
    }
    if let Some(completion) = &report.completion {
        ok(script::completion_line(completion));
    }
    match canary.missing(stop) {
        Ok(0) => Exit::Done,
        Ok(missing) => {
            let reason = format!(
                "{missing} files written before the checkpoint are not on the secondary; check the \
                 version of rsync on the nodes: 3.5.0 and 3.5.1 copy nothing and report success"
            );
            not_ok("All Checkpoints COMPLETE, but the data has not arrived", reason);
            Exit::Failed
        }
        Err(_) if stop.is_requested() => {
            not_ok(
                "Exiting...",
                "All Checkpoints COMPLETE, but nobody has looked at the secondary",
            );
            Exit::Failed
        }
        // The script cannot look at all, and where the secondary cannot be mounted from here no
        // more is known than it knows.
        Err(error) => {
            warn(format!("Unable to look at the secondary: {error}"));
            Exit::Done
        }
    }
}

/// How a run ends that has not reached the checkpoint.
fn conclude_without(report: &Report) -> Exit {
    match report.outcome {
        Outcome::TimedOut => {
            let seconds = report.duration.as_secs();
            not_ok(format!("Timed out, Stopping Geo-replication(Duration: {seconds}sec)"), "");
        }
        Outcome::Hopeless(reason) => not_ok(format!("Hopeless, {reason}"), troubles(report)),
        Outcome::Interrupted | Outcome::Complete => not_ok("Exiting...", ""),
    }
    Exit::Failed
}

fn troubles(report: &Report) -> String {
    let troubles = report.verdict.iter().flat_map(|verdict| &verdict.troubles);
    troubles.map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
