//! Who is told of a run when it has ended: whoever reads its JSON, the metrics, a program of the
//! caller's. None of that changes how it ended.

use gluster_georep::Session;
use jiff::Timestamp;

use crate::args::{BackupArgs, ProgressMode};
use crate::error::CliError;
use crate::journal::{self, Journal};
use crate::run_name::RunName;
use crate::runs::Document;
use crate::say;
use crate::state_dir::journals;
use crate::{hooks, metrics, stdout};

/// Remembers a run that failed before there was anything to put back.
pub(super) fn record_failure(
    args: &BackupArgs,
    session: &Session,
    name: &RunName,
    began: Timestamp,
    error: &CliError,
) -> Journal {
    let mut failed = Journal::begun(name.to_string(), args, session, args.pool.clone(), began);
    failed.end_now(error.exit(), error.to_string());
    if let Err(error) = journal::remember(&journals(), &failed) {
        say::warning(error);
    }
    failed
}

/// Tells everybody who asked for it.
pub(super) fn tell(args: &BackupArgs, journal: &Journal) {
    let document = Document::of(journal);
    let told = [
        journal::drop_old(&journals()),
        match args.progress.mode {
            ProgressMode::Json => document.print_event(),
            _ if args.json => stdout::json(&document),
            _ => Ok(()),
        },
        args.metrics_file.as_ref().map_or(Ok(()), |file| metrics::write(file, journal)),
        hooks::run(args, &document),
    ];
    for error in told.into_iter().filter_map(Result::err) {
        say::warning(error);
    }
}
