//! `georep verify`: what the secondary holds, against what a run recorded.
//!
//! Here the primary may be gone: the reference is the manifest that travelled with the images.

mod outcome;
mod place;

use std::path::Path;

use gluster_georep::{ClientMount, MountTools};
use qcow2_snap::qemu_img::QemuImg;
use tool_command::Stop;

use self::outcome::Outcome;
use crate::args::{Level, VerifyArgs};
use crate::compare::{Compared, Comparison, Difference, Mismatch};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::manifest::Manifest;
use crate::say::Say;
use crate::signals;
use crate::tools::search_path;

/// Runs `georep verify`.
///
/// # Errors
/// Where nothing can be said about the copy, or something is wrong with it.
pub(crate) fn run(args: &VerifyArgs) -> Result<Exit, CliError> {
    // A mount is taken down whenever this ends.
    let stop = signals::catch()?;
    let outcome = match (&args.secondary, &args.path) {
        (Some(secondary), _) => {
            let tools = MountTools::find(&search_path())?;
            let mount = ClientMount::read_only(&tools, &secondary.host, &secondary.volume)?;
            let pool = place::pool_in(mount.path(), args.run.as_deref())?.ok_or_else(|| {
                let run = args.run.as_deref().unwrap_or("any run");
                CliError::failed(format!("there is no manifest of {run} on `{secondary}`"))
            })?;
            let outcome = verify(args, &pool, secondary.to_string(), &stop)?;
            mount.unmount()?;
            outcome
        }
        (None, Some(path)) => verify(args, path, path.display().to_string(), &stop)?,
        (None, None) => return Err(CliError::new(Exit::Usage, "neither a volume nor --path")),
    };
    outcome.report(args)
}

fn verify(args: &VerifyArgs, pool: &Path, place: String, stop: &Stop) -> Result<Outcome, CliError> {
    let run = Manifest::choose(pool, args.run.as_deref())?;
    let say = Say::begin(
        format_args!("{run}: {} comparison of the copy on {place}", args.level),
        args.progress.mode,
    );
    let manifest = match Manifest::load(pool, Some(&run)) {
        Ok(manifest) => manifest,
        // The manifest is a part of the copy.
        Err(error) if error.exit() == Exit::Mismatch => {
            let file = Manifest::path_in(Path::new(""), &run);
            let difference = Difference::Manifest { reason: error.to_string() };
            let mismatches = vec![Mismatch { file, difference }];
            let compared = Compared { bytes: 0, mismatches };
            return Ok(Outcome { run, place, images: 0, compared, say });
        }
        Err(error) => return Err(error),
    };
    let level = Level::from(args.level);
    if level >= Level::Full && manifest.images.iter().any(|image| image.digests.is_none()) {
        return Err(CliError::failed(format!(
            "not every byte can be verified: the manifest of {run} has no digests of them"
        ))
        .hint("`georep backup --verify full` records them; --level check does without"));
    }
    let qemu_img = match level {
        Level::None | Level::Quick => None,
        Level::Check | Level::Full => Some(QemuImg::new(search_path().find("qemu-img")?)),
    };
    // qemu-img is given absolute paths only.
    let pool = std::fs::canonicalize(pool).map_err(|e| CliError::io("open", pool, e))?;
    let comparison =
        Comparison { level, qemu_img: qemu_img.as_ref(), say: &say, phase: "verify", stop };
    let compared = comparison.images(&manifest, &pool)?;
    Ok(Outcome { run, place, images: manifest.images.len(), compared, say })
}
