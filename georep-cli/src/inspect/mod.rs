//! `georep inspect`: what qcow2 images hold, and whether they are sound, without qemu-img.

mod json;
mod text;

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use qcow2_snap::image::{self, Inspection, Verdict};

use crate::args::InspectArgs;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::side_by_side::side_by_side;
use crate::stdout;

/// How many images are read at the same time: reading waits for disks and networks.
const AT_ONCE: usize = 16;

/// One image that was to be looked at.
#[derive(Debug)]
struct Inspected<'a> {
    path: &'a Path,
    result: io::Result<(Metadata, Inspection)>,
}

/// Runs `georep inspect`.
///
/// # Errors
/// Where the result cannot be written.
pub(crate) fn run(args: &InspectArgs) -> Result<Exit, CliError> {
    let inspected = side_by_side(&args.images, AT_ONCE, |path| inspect(path));
    let text = if args.json { json::document(&inspected) } else { text::report(&inspected) };
    stdout::print(text)?;
    Ok(exit(&inspected))
}

fn inspect(path: &PathBuf) -> Inspected<'_> {
    Inspected { path, result: read(path) }
}

fn read(path: &Path) -> io::Result<(Metadata, Inspection)> {
    let metadata = fs::metadata(path)?;
    // Opening a pipe would wait for somebody to write to it.
    if !metadata.is_file() && !metadata.file_type().is_block_device() {
        return Err(io::Error::other("is neither a file nor a block device"));
    }
    Ok((metadata, image::inspect(File::open(path)?)?))
}

/// What could not be read weighs more than what is damaged: nothing is known of it.
fn exit(inspected: &[Inspected<'_>]) -> Exit {
    let valid = |result: &io::Result<(Metadata, Inspection)>| {
        result.as_ref().is_ok_and(|(_, inspection)| inspection.verdict() == Verdict::Valid)
    };
    if inspected.iter().any(|image| image.result.is_err()) {
        Exit::Failed
    } else if inspected.iter().all(|image| valid(&image.result)) {
        Exit::Done
    } else {
        Exit::Mismatch
    }
}
