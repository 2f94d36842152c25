use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Overlay;
use super::freeze::{Freeze, Quiesce, while_frozen};
use super::settle::settle;
use crate::Error;
use crate::commas::double_commas;
use crate::domain::Domain;
use crate::virsh::{Definition, Virsh, VirshFailure};

/// Creating overlays takes a second; libvirt waits 30 s for a lock on the domain.
const LIMIT: Duration = Duration::from_secs(120);
/// How long libvirt is waited for where virsh has failed.
const SETTLE: Duration = Duration::from_secs(60);

/// An overlay to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedOverlay {
    /// The disk's target, such as `vda`.
    pub target: String,
    /// The file to be made: absolute, not there yet, and called `….qcow2`, because libvirt's
    /// helper for `AppArmor` may read no other names.
    pub overlay: PathBuf,
}

/// Overlays that can be made; nothing has been changed yet.
#[derive(Debug, Clone)]
pub struct Prepared {
    before: Both,
    overlays: Vec<Overlay>,
}

impl Prepared {
    /// What [`create`] will make, in the order they were planned in.
    pub fn overlays(&self) -> &[Overlay] {
        &self.overlays
    }

    /// The domain as it runs, and the same.
    pub(super) fn live(&self) -> (&Domain, &[Overlay]) {
        (&self.before.live, &self.overlays)
    }
}

/// A step of [`create`] that is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateStep {
    /// The guest is asked to freeze its file systems.
    Freeze,
    /// libvirt is asked for the overlays.
    Overlay,
    /// The guest is thawed.
    Thaw,
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
    /// When they were made.
    pub made: Instant,
    /// Why the guest may be frozen still; [`super::thaw`] can be tried again.
    pub still_frozen: Option<String>,
}

/// Looks whether the planned disks of a domain that runs (or is paused) can be put on overlays.
/// `domain` is a name or UUID. Changes nothing.
///
/// # Errors
/// [`Error::Unfit`] where the domain or a disk is not as it must be, [`Error::Io`] where the file
/// of an overlay is there already, [`Error::RelativePath`]; others as virsh fails.
pub fn prepare(virsh: &Virsh, domain: &str, planned: &[PlannedOverlay]) -> Result<Prepared, Error> {
    let before = Both::read(virsh, domain)?;
    let overlays = check(&before, planned)?;
    Ok(Prepared { before, overlays })
}

/// Puts the prepared disks on overlays, all at once. Every other disk stays as it is.
///
/// `name` is the snapshot's, of which libvirt keeps nothing. The guest's file systems are frozen by
/// `quiesce` for this one call to libvirt and for at most half a minute before it, and thawed
/// whatever happens. `before` is told of each step before it is done, and may break it off; it is
/// called while the guest is frozen, and should not take long.
///
/// # Errors
/// [`Error::BrokenOff`] and [`Error::NotFrozen`] where no overlay was made. After any other error
/// the overlays may be in use, whatever it says: give all of [`Prepared::overlays`] to
/// [`super::commit`] and [`super::remove_overlay`].
pub fn create(
    virsh: &Virsh,
    prepared: &Prepared,
    name: &str,
    quiesce: Quiesce,
    before: &mut dyn FnMut(CreateStep) -> ControlFlow<()>,
) -> Result<Created, Error> {
    let Prepared { before: domain, overlays } = prepared;
    let options = options(&domain.live, overlays);
    let uuid = &domain.live.uuid;
    let ((result, duration, made), freeze, still_frozen) =
        while_frozen(virsh, &domain.live, quiesce, before, || {
            let began = Instant::now();
            let result = virsh.snapshot_create(uuid, name, options, LIMIT);
            (result, began.elapsed(), Instant::now())
        })?;
    let not_overlaid = |failure, reason: String| Error::NotOverlaid {
        domain: domain.live.name.clone(),
        failure,
        reason,
        still_frozen: still_frozen.clone(),
    };
    let other = |reason| not_overlaid(VirshFailure::Other, reason);
    if let Err(error) = result {
        let failure = error.virsh_failure().unwrap_or(VirshFailure::Other);
        // A virsh that was killed does not end what libvirt is doing.
        let unsettled = settle(virsh, uuid, SETTLE).err();
        let and = unsettled.map(|error| format!("; {error}")).unwrap_or_default();
        return Err(not_overlaid(failure, format!("{error}{and}")));
    }
    // Whatever virsh said: only the XML says what the domain is on.
    let after = Both::read(virsh, uuid).map_err(|error| other(error.to_string()))?;
    if let Some(reason) = unexpected(domain, &after, overlays) {
        return Err(other(reason));
    }
    let overlays = overlays.iter().map(looked_at).collect::<Result<_, _>>();
    let overlays = overlays.map_err(|error| other(error.to_string()))?;
    Ok(Created { overlays, freeze, duration, made, still_frozen })
}

/// The overlay with its inode number.
fn looked_at(overlay: &Overlay) -> Result<Overlay, Error> {
    let path = &overlay.overlay;
    let inode = std::fs::symlink_metadata(path).map(|metadata| metadata.ino());
    match inode {
        Ok(inode) => Ok(Overlay { inode: Some(inode), ..overlay.clone() }),
        Err(source) => Err(Error::Io { tried: "look at", path: path.clone(), source }),
    }
}

/// Both descriptions of a domain.
#[derive(Debug, Clone)]
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

/// Whether the planned overlays can be made.
fn check(before: &Both, planned: &[PlannedOverlay]) -> Result<Vec<Overlay>, Error> {
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
            Ok(Overlay {
                domain: before.live.uuid.clone(),
                target: target.clone(),
                base: base.to_owned(),
                overlay: overlay.clone(),
                inode: None,
                merge_begun: false,
            })
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
pub(super) fn options(domain: &Domain, planned: &[Overlay]) -> Vec<OsString> {
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

/// What is not as it should be after the overlays were made.
fn unexpected(before: &Both, after: &Both, planned: &[Overlay]) -> Option<String> {
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

    fn overlay(target: &str, base: &str, overlay: &str) -> Overlay {
        Overlay {
            domain: "u".into(),
            target: target.into(),
            base: base.into(),
            overlay: overlay.into(),
            inode: None,
            merge_begun: false,
        }
    }

    #[test]
    fn every_disk_is_named_and_commas_are_doubled() {
        let domain = domain(&[("vda", "/vm/a"), ("vdb", "/x/b"), ("sda", "/cd.iso")]);
        assert_eq!(
            options(&domain, &[overlay("vda", "/vm/a", "/vm/a,b.qcow2")]),
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
        let planned = [overlay("vda", "/vm/a", "/vm/o")];
        let after = both(&[("vda", "/vm/o"), ("vdb", "/vm/b")]);
        assert_eq!(unexpected(&before, &after, &planned), None);
    }

    #[test]
    fn a_disk_that_moved_unasked_or_did_not_move_is_found_in_either_description() {
        let before = both(&[("vda", "/vm/a"), ("vdb", "/vm/b")]);
        let planned = [overlay("vda", "/vm/a", "/vm/o")];
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
        let overlays = [overlay("vda", "/vm/a", "/nowhere/o.qcow2")];
        assert_eq!(check(&fine, &planned).unwrap(), overlays);
    }
}
