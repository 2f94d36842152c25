//! Watches a session until the checkpoint that somebody has set is complete. Changes nothing.
//!
//! ```sh
//! cargo run --example watch -- gv1 dr.example.org::gv2
//! ```
//!
//! On a node of the primary cluster, as root. Ends with 0 when the checkpoint is complete, and with
//! 1 where it will not be without help.

use std::error::Error;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use gluster_georep::{
    Advice, Baseline, Error as GlusterError, Gluster, Patience, Session, SessionStatus, Verdict,
    VolumeInfo, verdict,
};
use tool_command::SearchPath;

const LONGEST_WAIT: Duration = Duration::from_secs(10);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(primary), Some(secondary)) = (words.next(), words.next()) else {
        return Err("give a primary volume and a secondary".into());
    };
    let session = Session::new(&primary, secondary.parse()?)?;
    let path = SearchPath::new(std::env::var_os("PATH").as_deref());
    watch(&Gluster::new(path.find("gluster")?), &session)
}

fn watch(gluster: &Gluster, session: &Session) -> Result<ExitCode, Box<dyn Error>> {
    let checkpoint = gluster.checkpoint(session)?;
    say(&format!("{session}: checkpoint {checkpoint}"));

    let rollover = gluster.started_volume(&session.primary)?.rollover_time();
    let mut patience = Patience::new(LONGEST_WAIT, rollover);
    let mut baseline = Baseline::default();
    let began = Instant::now();
    loop {
        let (volume, status) = match look(gluster, session) {
            Ok(answers) => answers,
            // Another command holds the volume's lock, or glusterd restarts.
            Err(error) if error.is_transient() => {
                say(&error.to_string());
                sleep(LONGEST_WAIT);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // What failed before a worker was first seen on its way is not counted.
        baseline.learn(&status.workers, checkpoint);
        let verdict = verdict(&volume.sets, &status.workers, checkpoint, &baseline);
        show(&verdict);
        if verdict.is_complete() {
            return Ok(ExitCode::SUCCESS);
        }
        match patience.advise(began.elapsed(), &verdict) {
            Advice::Wait(time) => sleep(time),
            Advice::Nudge | Advice::Restart => {
                say("the workers are at rest: a change on every brick would move them on");
                sleep(LONGEST_WAIT);
            }
            Advice::GiveUp(reason) => {
                say(&reason.to_string());
                return Ok(ExitCode::FAILURE);
            }
        }
    }
}

/// Bricks come and go, so both are asked for each time.
fn look(gluster: &Gluster, session: &Session) -> Result<(VolumeInfo, SessionStatus), GlusterError> {
    Ok((gluster.volume_info(&session.primary)?, gluster.status(session)?))
}

fn show(verdict: &Verdict) {
    say(&format!("{} of {} sets have reached it", verdict.reached(), verdict.sets.len()));
    for worker in &verdict.awaited {
        let synced = worker.last_synced.map_or("never".to_owned(), |time| time.to_string());
        say(&format!("  {}:{} is {}, synced {synced}", worker.host, worker.path, worker.status));
    }
    for trouble in &verdict.troubles {
        say(&format!("  {trouble}"));
    }
}

#[expect(clippy::print_stdout, reason = "an example may speak")]
fn say(line: &str) {
    println!("{line}");
}
