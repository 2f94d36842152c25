use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::freeze::{Freeze, Quiesce, while_frozen};
use super::{FileId, Overlay};
use crate::Error;
use crate::commas::double_commas;
use crate::domain::Domain;
use crate::virsh::{Definition, Virsh};

/// Creating overlays takes a second; libvirt waits 30 s for a lock on the domain.
const LIMIT: Duration = Duration::from_secs(120);

/// An overlay to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedOverlay {
    /// The disk's target, such as `vda`.
    pub target: String,
    /// The file to be made: absolute, not there yet, and called `….qcow2`, because libvirt's
    /// helper for `AppArmor` may read no other names.
    pub overlay: PathBuf,
}

/// Overlays that were made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the domain writes to the overlays from now on"]
#[non_exhaustive]
pub struct Created {
    /// In use now, in the order they were planned in.
    pub overlays: Vec<Overlay>,
    /// Whether the guest's file systems stood still.
    pub freeze: Freeze,
    /// How long libvirt took for the overlays alone.
    pub duration: Duration,
    /// Why the guest may be frozen still; [`super::thaw`] can be tried again.
    pub still_frozen: Option<String>,
}

/// Puts the planned disks of a domain that runs (or is paused) on overlays, all at once. Every
/// other disk stays as it is.
///
/// `domain` is a name or UUID; `name` is the snapshot's, of which libvirt keeps nothing. The
/// guest's file systems are frozen by `quiesce` for this one call to libvirt and for at most half
/// a minute before it, and thawed whatever happens.
///
/// # Errors
/// [`Error::OverlaysInUse`] where the result is not what was asked for and overlays are in use;
/// they can be given to [`super::commit`]. [`Error::NotFrozen`] where the guest had to be frozen.
/// After any other error the domain is as it was.
pub fn create(
    virsh: &Virsh,
    domain: &str,
    name: &str,
    planned: &[PlannedOverlay],
    quiesce: Quiesce,
) -> Result<Created, Error> {
    let before = Both::read(virsh, domain)?;
    let bases = check(&before, planned)?;
    let options = options(&before.live, planned);
    let uuid = &before.live.uuid;
    let ((result, duration), freeze, still_frozen) =
        while_frozen(virsh, &before.live, quiesce, || {
            let began = Instant::now();
            (virsh.snapshot_create(uuid, name, options, LIMIT), began.elapsed())
        })?;
    // Whatever virsh said: only the XML says what the domain is on.
    let after = Both::read(virsh, uuid)?;
    let overlays = in_use(&after, planned, &bases)?;
    let frozen = still_frozen.as_ref();
    let in_the_way = |reason: String, overlays| {
        let frozen = frozen.map(|why| format!("; it may be frozen still: {why}"));
        in_the_way(&after.live, reason + &frozen.unwrap_or_default(), overlays)
    };
    match (result, unexpected(&before, &after, planned)) {
        (Ok(()), None) => Ok(Created { overlays, freeze, duration, still_frozen }),
        (Err(error), _) if overlays.is_empty() && frozen.is_none() => Err(error),
        (Err(error), _) => Err(in_the_way(error.to_string(), overlays)),
        (Ok(()), Some(reason)) => Err(in_the_way(reason, overlays)),
    }
}

fn in_the_way(domain: &Domain, reason: String, overlays: Vec<Overlay>) -> Error {
    let domain = domain.name.clone();
    if overlays.is_empty() {
        Error::Unfit { domain, reason }
    } else {
        Error::OverlaysInUse { domain, reason, overlays }
    }
}

/// Both descriptions of a domain.
#[derive(Debug)]
struct Both {
    live: Domain,
    persistent: Domain,
}

impl Both {
    fn read(virsh: &Virsh, domain: &str) -> Result<Self, Error> {
        Ok(Self {
            live: virsh.domain(domain, Definition::Live)?,
            persistent: virsh.domain(domain, Definition::Persistent)?,
        })
    }
}

/// Whether the planned overlays can be made; returns the base of each.
fn check(before: &Both, planned: &[PlannedOverlay]) -> Result<Vec<PathBuf>, Error> {
    let unfit = |reason| Error::Unfit { domain: before.live.name.clone(), reason };
    if !before.live.is_active() {
        return Err(unfit("it does not run; its images stand still without overlays".to_owned()));
    }
    planned
        .iter()
        .map(|PlannedOverlay { target, overlay }| {
            let disk = before.live.disk(target);
            let disk = disk.ok_or_else(|| unfit(format!("it has no disk `{target}`")))?;
            if before.persistent.disk(target).map(|disk| &disk.source) != Some(&disk.source) {
                return Err(unfit(format!(
                    "its definition has disk `{target}` on another image than the one it runs on"
                )));
            }
            if !overlay.is_absolute() {
                return Err(Error::RelativePath { path: overlay.clone() });
            }
            must_not_exist(overlay)?;
            let base = disk.source.file().filter(|_| disk.mirror.is_none());
            let base = base.ok_or_else(|| {
                unfit(format!("disk `{target}` is on no file, or has an active block job"))
            })?;
            Ok(base.to_owned())
        })
        .collect()
}

/// libvirt takes an existing file of 0 bytes for the overlay, whoever made it.
fn must_not_exist(path: &Path) -> Result<(), Error> {
    let error = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => error,
        Ok(_) => io::ErrorKind::AlreadyExists.into(),
    };
    Err(Error::Io { tried: "make the overlay", path: path.to_owned(), source: error })
}

/// The options of `snapshot-create-as`: one `--diskspec` for *every* disk of the domain.
fn options(domain: &Domain, planned: &[PlannedOverlay]) -> Vec<OsString> {
    let flags = ["--disk-only", "--atomic", "--no-metadata"].map(OsString::from);
    let specs = domain.disks.iter().flat_map(|disk| {
        let overlay = planned.iter().find(|planned| planned.target == disk.target);
        let mut spec = OsString::from(&disk.target);
        match overlay {
            None => spec.push(",snapshot=no"),
            Some(planned) => {
                spec.push(",snapshot=external,driver=qcow2,file=");
                spec.push(double_commas(&planned.overlay));
            }
        }
        ["--diskspec".into(), spec]
    });
    flags.into_iter().chain(specs).collect()
}

/// The planned overlays that either description of the domain has as a disk's source now.
fn in_use(
    after: &Both,
    planned: &[PlannedOverlay],
    bases: &[PathBuf],
) -> Result<Vec<Overlay>, Error> {
    let is_on = |domain: &Domain, planned: &PlannedOverlay| {
        let source = domain.disk(&planned.target).and_then(|disk| disk.source.file());
        source == Some(planned.overlay.as_path())
    };
    planned
        .iter()
        .zip(bases)
        .filter(|(planned, _)| is_on(&after.live, planned) || is_on(&after.persistent, planned))
        .map(|(planned, base)| {
            Ok(Overlay {
                domain: after.live.uuid.clone(),
                target: planned.target.clone(),
                base: base.clone(),
                overlay: planned.overlay.clone(),
                file: FileId::of(&planned.overlay)?,
            })
        })
        .collect()
}

/// What is not as it should be after the overlays were made.
fn unexpected(before: &Both, after: &Both, planned: &[PlannedOverlay]) -> Option<String> {
    let views = [
        ("runs", &before.live, &after.live),
        ("is defined", &before.persistent, &after.persistent),
    ];
    views.into_iter().find_map(|(how, before, after)| {
        before.disks.iter().find_map(|disk| {
            let plan = planned.iter().find(|planned| planned.target == disk.target);
            let expected = plan.map_or(disk.source.file(), |planned| Some(&planned.overlay));
            let found = after.disk(&disk.target);
            let as_expected = found.is_some_and(|found| match plan {
                Some(_) => found.source.file() == expected,
                None => found.source == disk.source,
            });
            (!as_expected).then(|| {
                format!(
                    "as it {how} now, its disk `{}` is on another image than planned",
                    disk.target
                )
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(sources: &[(&str, &str)]) -> Domain {
        let disks: String = sources
            .iter()
            .map(|(target, file)| {
                format!("<disk type='file'><source file='{file}'/><target dev='{target}'/></disk>")
            })
            .collect();
        let xml = format!(
            "<domain id='1'><name>n</name><uuid>u</uuid><devices>{disks}</devices></domain>"
        );
        Domain::parse(&xml).unwrap()
    }

    fn both(sources: &[(&str, &str)]) -> Both {
        Both { live: domain(sources), persistent: domain(sources) }
    }

    fn plan(target: &str, overlay: &str) -> PlannedOverlay {
        PlannedOverlay { target: target.to_owned(), overlay: overlay.into() }
    }

    #[test]
    fn every_disk_is_named_and_commas_are_doubled() {
        let domain = domain(&[("vda", "/vm/a"), ("vdb", "/x/b"), ("sda", "/cd.iso")]);
        assert_eq!(
            options(&domain, &[plan("vda", "/vm/a,b.qcow2")]),
            [
                "--disk-only",
                "--atomic",
                "--no-metadata",
                "--diskspec",
                "vda,snapshot=external,driver=qcow2,file=/vm/a,,b.qcow2",
                "--diskspec",
                "vdb,snapshot=no",
                "--diskspec",
                "sda,snapshot=no",
            ]
        );
    }

    #[test]
    fn all_is_well_where_the_planned_disks_moved_and_no_other() {
        let before = both(&[("vda", "/vm/a"), ("vdb", "/vm/b")]);
        let planned = [plan("vda", "/vm/o")];
        let after = both(&[("vda", "/vm/o"), ("vdb", "/vm/b")]);
        assert_eq!(unexpected(&before, &after, &planned), None);
    }

    #[test]
    fn a_disk_that_moved_unasked_or_did_not_move_is_found_in_either_description() {
        let before = both(&[("vda", "/vm/a"), ("vdb", "/vm/b")]);
        let planned = [plan("vda", "/vm/o")];
        let good = || domain(&[("vda", "/vm/o"), ("vdb", "/vm/b")]);
        for bad in [
            &[("vda", "/vm/a"), ("vdb", "/vm/b")][..],
            &[("vda", "/vm/o"), ("vdb", "/vm/b.s")],
            &[("vda", "/vm/o")],
        ] {
            let live = Both { live: domain(bad), persistent: good() };
            assert!(unexpected(&before, &live, &planned).unwrap().contains("as it runs now"));
            let persistent = Both { live: good(), persistent: domain(bad) };
            assert!(unexpected(&before, &persistent, &planned).unwrap().contains("is defined"));
        }
    }

    #[test]
    fn a_file_that_is_there_is_never_taken_for_an_overlay() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let planned = [PlannedOverlay { target: "vda".into(), overlay: file.path().into() }];
        let error = check(&both(&[("vda", "/vm/a")]), &planned).unwrap_err();
        assert!(error.to_string().contains("exists"), "{error}");
    }

    #[test]
    fn a_domain_that_does_not_run_or_will_run_from_another_image_gets_no_overlay() {
        let planned = [plan("vda", "/nowhere/o.qcow2")];
        let mut off = both(&[("vda", "/vm/a")]);
        off.live.id = None;
        assert!(matches!(check(&off, &planned), Err(Error::Unfit { .. })));
        let edited =
            Both { live: domain(&[("vda", "/vm/a")]), persistent: domain(&[("vda", "/vm/z")]) };
        assert!(matches!(check(&edited, &planned), Err(Error::Unfit { .. })));
        let fine = both(&[("vda", "/vm/a")]);
        assert_eq!(check(&fine, &planned).unwrap(), [PathBuf::from("/vm/a")]);
    }
}
