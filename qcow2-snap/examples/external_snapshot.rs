//! Puts the disks of a running domain on overlays, waits, and merges them back.
//!
//! ```text
//! external_snapshot DOMAIN POOL [SECONDS]
//! ```
//!
//! While it waits, the images in POOL stand still although the guest goes on writing. Interrupted,
//! it leaves the overlays in use; `virsh dumpxml DOMAIN` names them.

use std::error::Error;
use std::io::{Write, stdout};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use qcow2_snap::domain::Source;
use qcow2_snap::external::{self, CommitEvent, CommitOptions, Freeze, PlannedOverlay, Quiesce};
use qcow2_snap::plan::{self, Disposition, Method, Place};
use qcow2_snap::qemu_img::QemuImg;
use qcow2_snap::virsh::{Definition, Virsh};
use tool_command::SearchPath;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: external_snapshot DOMAIN POOL [SECONDS]";
    let domain = arguments.next().ok_or(usage)?;
    let pool = arguments.next().ok_or(usage)?;
    let wait = arguments.next().map_or(Ok(5), |seconds| seconds.parse())?;

    let path = SearchPath::new(std::env::var_os("PATH").as_deref());
    let virsh = Virsh::new(path.find("virsh")?, None);
    let qemu_img = QemuImg::new(path.find("qemu-img")?);
    let name = format!("georep-{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());

    let planned = planned_overlays(&virsh, &domain, Path::new(&pool), &name)?;
    let prepared = external::prepare(&virsh, &domain, &planned)?;
    // Here a tool that may be killed writes down `prepared.overlays()`.
    let mut go_on = |_| ControlFlow::Continue(());
    let created = external::create(&virsh, &prepared, &name, Quiesce::Try, &mut go_on)?;
    if let Freeze::Failed(reason) = &created.freeze {
        writeln!(stdout(), "as after a power failure, because it was not frozen: {reason}")?;
    }
    for overlay in &created.overlays {
        writeln!(stdout(), "{} stands still", overlay.base.display())?;
    }
    std::thread::sleep(Duration::from_secs(wait));
    let mut watch = |overlay: &external::Overlay, event| {
        let shown = match event {
            CommitEvent::Progress(progress) => {
                let (done, total) = (progress.done, progress.total);
                writeln!(stdout(), "{}: {done} of {total} bytes", overlay.target)
            }
            event => writeln!(stdout(), "{}: {event:?}", overlay.target),
        };
        if shown.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let (overlays, options) = (&created.overlays, CommitOptions::default());
    for committed in external::commit(&virsh, &qemu_img, overlays, options, &mut watch) {
        let committed = committed?;
        let base = committed.overlay().base.clone();
        external::remove_overlay(&virsh, committed)?;
        writeln!(stdout(), "{} is in use again", base.display())?;
    }
    Ok(())
}

/// An overlay beside the image of every disk that lies in the pool.
fn planned_overlays(
    virsh: &Virsh,
    domain: &str,
    pool: &Path,
    name: &str,
) -> Result<Vec<PlannedOverlay>, Box<dyn Error>> {
    let domain = virsh.domain(domain, Definition::Live)?;
    let mut planned = Vec::new();
    let place = |source: &Source| match source.file() {
        Some(file) if file.starts_with(pool) => Place::Pool,
        _ => Place::Elsewhere,
    };
    for plan in plan::plan(&domain, Method::External, &place) {
        let target = plan.disk.target;
        match (plan.disposition, plan.disk.source.file()) {
            (Disposition::Snapshot(_), Some(image)) => {
                let overlay = image.with_extension(format!("{target}.{name}.qcow2"));
                planned.push(PlannedOverlay { target, overlay });
            }
            (Disposition::Refuse(reason), _) => return Err(format!("{target}: {reason}").into()),
            (Disposition::Skip(reason), _) => writeln!(stdout(), "{target} left alone: {reason}")?,
            (Disposition::Snapshot(_), None) => {}
        }
    }
    Ok(planned)
}
