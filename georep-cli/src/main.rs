//! `georep`: consistent, proven geo-replicated copies of VMs on GlusterFS.

mod args;
mod atomic_file;
mod backup;
mod canary;
mod compare;
mod completions;
mod digests;
mod doctor;
mod error;
mod exit_code;
mod hooks;
mod image_file;
mod image_state;
mod inspect;
mod job;
mod journal;
mod lock;
mod man;
mod manifest;
mod metrics;
mod plan;
mod pool;
mod prune;
mod put_back;
mod record;
mod recover;
mod rehearse;
mod restore;
mod retry;
mod run_name;
mod runs;
mod sampling;
mod say;
mod schedule;
mod side_by_side;
mod signals;
mod state_dir;
mod status;
mod stdout;
mod suggest;
mod teller;
mod terminal;
mod tools;
mod unknown_session;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Parser;

use crate::args::{Cli, Command, ScheduleGeorep};
use crate::error::CliError;
use crate::exit_code::Exit;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

fn main() -> ExitCode {
    let command = if called_as_schedule_georep() {
        ScheduleGeorep::try_parse().map(|script| Command::Schedule(script.args))
    } else {
        Cli::try_parse().map(|cli| cli.command)
    };
    let exit = match command {
        Ok(Command::Schedule(args)) => schedule::run(&args),
        Ok(Command::Status(args)) => conclude(status::run(&args)),
        Ok(Command::Backup(args)) => conclude(backup::run(&args)),
        Ok(Command::Job(args)) => conclude(job::run(&args)),
        Ok(Command::Doctor(args)) => conclude(doctor::run(&args)),
        Ok(Command::Inspect(args)) => conclude(inspect::run(&args)),
        Ok(Command::Recover(args)) => conclude(recover::run(&args)),
        Ok(Command::Verify(args)) => conclude(verify::run(&args)),
        Ok(Command::Runs(args)) => conclude(runs::run(&args)),
        Ok(Command::Prune(args)) => conclude(prune::run(&args)),
        Ok(Command::Restore(args)) => conclude(restore::run(&args)),
        Ok(Command::Rehearse(args)) => conclude(rehearse::run(&args)),
        Ok(Command::Completions(args)) => conclude(completions::run(&args)),
        Ok(Command::Man(args)) => conclude(man::run(&args)),
        Err(usage) => not_understood(&usage),
    };
    exit.into()
}

/// `--help` and `--version` come here too, and are no failure.
fn not_understood(usage: &clap::Error) -> Exit {
    // Where the reader has gone there is nobody to tell.
    let _ = usage.print();
    if usage.use_stderr() { Exit::Usage } else { Exit::Done }
}

/// Every error ends here: one line, what could be done, and the exit code.
fn conclude(result: Result<Exit, CliError>) -> Exit {
    result.unwrap_or_else(|error| {
        anstream::eprintln!("{ERROR}georep:{ERROR:#} {error}");
        for hint in error.hints() {
            anstream::eprintln!("{HINT}hint:{HINT:#} {hint}");
        }
        error.exit()
    })
}

/// The script's users may link its name to this program.
fn called_as_schedule_georep() -> bool {
    let name = std::env::args_os().next().unwrap_or_default();
    Path::new(&name).file_stem().is_some_and(|stem| stem == "schedule_georep")
}
