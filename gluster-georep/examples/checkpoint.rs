//! Runs a session to a checkpoint and shows what happens on the way.
//!
//! ```sh
//! cargo run --example checkpoint -- gv1 dr.example.org::gv2 [ROLLOVER-SECONDS]
//! ```
//!
//! On a node of the primary cluster, as root. Ends with 0 where the checkpoint is complete.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gluster_georep::{
    Event, Gluster, MountTools, Observer, Outcome, RunOptions, Session, run_to_checkpoint,
};
use tool_command::SearchPath;

/// Prints each event with the seconds since the start.
struct Narrator(Instant);

impl Observer for Narrator {
    #[expect(clippy::print_stdout, reason = "an example may speak")]
    fn event(&mut self, event: &Event<'_>) {
        let seconds = self.0.elapsed().as_secs_f32();
        match event {
            Event::Checked { turn, verdict, .. } => {
                let (reached, sets) = (verdict.reached(), verdict.sets.len());
                println!("{seconds:6.1} s  check {turn}: {reached} of {sets} sets have reached it");
                for trouble in &verdict.troubles {
                    println!("          {trouble}");
                }
            }
            Event::Retrying(error) => println!("{seconds:6.1} s  {error}"),
            event => println!("{seconds:6.1} s  {event:?}"),
        }
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(primary), Some(secondary)) = (words.next(), words.next()) else {
        return Err("give a primary volume and a secondary".into());
    };
    let session = Session::new(&primary, secondary.parse()?)?;
    let rollover = words.next().map(|seconds| seconds.parse()).transpose()?;
    let rollover = rollover.map(Duration::from_secs);
    let options = RunOptions { rollover, ..RunOptions::default() };

    let path = SearchPath::new(std::env::var_os("PATH").as_deref());
    let gluster = Gluster::new(path.find("gluster")?);
    let mounts = MountTools::find(&path)?;
    let observer = &mut Narrator(Instant::now());
    let report = run_to_checkpoint(&gluster, &mounts, &session, &options, observer)?;
    Ok(if report.outcome == Outcome::Complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
