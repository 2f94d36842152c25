//! What happens to each disk of a domain, decided before anything is touched.
//!
//! Pure: from the domain's XML and the question where a source lies.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::domain::{Disk, Domain, Source};

/// Part of the name of every overlay that a run makes. A domain that is on such a file is in the
/// middle of another run, or of one that was interrupted.
pub const OVERLAY_MARK: &str = "georep-";

/// How the images are made to stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// An overlay takes the writes, the image itself stands still.
    External,
    /// The image holds a snapshot of memory and all disks.
    Internal,
}

/// The format of an image, as the domain or the image before it in the chain names it; never
/// guessed from its content, which a guest may have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Has a header, tables, and may hold snapshots.
    Qcow2,
    /// The disk's bytes and nothing else.
    Raw,
}

impl Format {
    /// The format by the name that libvirt and QEMU give it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "qcow2" => Some(Self::Qcow2),
            "raw" => Some(Self::Raw),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
        })
    }
}

/// Where a source lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the pool, whichever way it is reached.
    Pool,
    /// On the volume of the pool, but not in the pool.
    Volume,
    /// Somewhere else.
    Elsewhere,
}

/// One disk, and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskPlan {
    /// The disk.
    pub disk: Disk,
    /// What happens to it.
    pub disposition: Disposition,
}

/// What happens to a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// It is part of the copy, with an image of this format.
    Snapshot(Format),
    /// It is left alone.
    Skip(SkipReason),
    /// The domain cannot be copied as long as this disk is as it is.
    Refuse(RefuseReason),
}

/// Why a disk is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// A drive without a medium.
    Empty,
    /// The guest cannot change it.
    ReadOnly,
    /// It lies on the volume of the pool, but not in the pool.
    OutsidePool,
    /// It lies somewhere else.
    OutsideVolume,
}

/// Why a domain with this disk cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefuseReason {
    /// The image has a format that cannot be copied by this method, or none is given.
    Format(Option<String>),
    /// An internal snapshot covers every writable disk, and this one would be missing at the
    /// other site.
    NotAllInPool,
    /// The disk lies in the pool, but QEMU reaches it through libgfapi, where virsh can make no
    /// overlay of it and qemu-img no snapshot.
    Libgfapi(String),
    /// The disk may lie in the pool: what it is on does not say where that is.
    Unknown(String),
    /// Other domains write to it too.
    Shareable,
    /// It is thrown away when the domain stops.
    Transient,
    /// A block job is active on it.
    BlockJob(String),
    /// It is on an overlay of a run.
    OnOverlay(PathBuf),
}

/// Decides what happens to each disk of `domain`, the live one where it runs.
///
/// `place` says where a source lies; it is asked about files and `gluster://` sources only. Of a
/// domain without any disk in the pool nothing is refused for lying elsewhere: it has no part in
/// the run.
pub fn plan(domain: &Domain, method: Method, place: &dyn Fn(&Source) -> Place) -> Vec<DiskPlan> {
    let place = |source: &Source| match source {
        Source::File(_) => place(source),
        Source::Network { protocol, .. } if protocol == "gluster" => place(source),
        _ => Place::Elsewhere,
    };
    let lies_in_pool = |disk: &Disk| writable(disk) && place(&disk.source) == Place::Pool;
    let takes_part = domain.disks.iter().any(lies_in_pool);
    let outside = |reason| match method {
        Method::Internal if takes_part => Disposition::Refuse(RefuseReason::NotAllInPool),
        _ => Disposition::Skip(reason),
    };
    let decide = |disk: &Disk| match (&disk.source, place(&disk.source)) {
        (Source::Empty, _) => Disposition::Skip(SkipReason::Empty),
        _ if !writable(disk) => Disposition::Skip(SkipReason::ReadOnly),
        (Source::File(file), Place::Pool) => in_the_pool(disk, file, method),
        (Source::Network { name, .. }, Place::Pool) => {
            Disposition::Refuse(RefuseReason::Libgfapi(name.clone()))
        }
        (Source::Volume { pool, volume }, _) => unknown(format!(
            "the volume `{volume}` of storage pool `{pool}`, which does not say where it is"
        )),
        (Source::Other(kind), _) => unknown(format!("a source of type `{kind}`")),
        (_, Place::Volume) => outside(SkipReason::OutsidePool),
        (Source::File(_) | Source::Block(_) | Source::Network { .. }, _) => {
            outside(SkipReason::OutsideVolume)
        }
    };
    let plan = |disk: &Disk| DiskPlan { disk: disk.clone(), disposition: decide(disk) };
    domain.disks.iter().map(plan).collect()
}

/// Why a domain cannot be copied by this method at all, whatever its disks are: libvirt takes no
/// internal snapshot of a domain that runs with the variables of UEFI in a raw file (before 10.9.0
/// in any file).
pub fn unfit(domain: &Domain, method: Method) -> Option<Unfit> {
    let nvram =
        domain.nvram.as_ref().filter(|_| method == Method::Internal && domain.is_active())?;
    let held = nvram.format.as_deref() == Some("qcow2");
    (!held).then(|| Unfit { nvram: nvram.source.file().map(Path::to_owned) })
}

/// A domain that runs with the variables of UEFI in a file that can hold no snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The file, where it is one.
    pub nvram: Option<PathBuf>,
}

impl Unfit {
    /// What can be done about it.
    pub const MEND: &'static str = "use the external method, or shut the domain off";

    /// What is in the way.
    pub fn what(&self) -> String {
        let file = self.nvram.as_ref().map_or_else(String::new, |f| format!(" `{}`", f.display()));
        format!("it keeps its UEFI variables in a raw file{file}, which cannot hold a snapshot")
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), Self::MEND)
    }
}

fn writable(disk: &Disk) -> bool {
    !disk.read_only
}

fn unknown(what: String) -> Disposition {
    Disposition::Refuse(RefuseReason::Unknown(what))
}

/// A writable disk whose image lies in the pool.
fn in_the_pool(disk: &Disk, file: &Path, method: Method) -> Disposition {
    let on_overlay =
        file.file_name().is_some_and(|name| name.to_string_lossy().contains(OVERLAY_MARK));
    let format = disk.format.as_deref();
    let refuse = match (&disk.mirror, format.and_then(Format::named)) {
        (Some(mirror), _) => RefuseReason::BlockJob(mirror.job.clone()),
        _ if on_overlay => RefuseReason::OnOverlay(file.to_owned()),
        _ if disk.shareable => RefuseReason::Shareable,
        _ if disk.transient => RefuseReason::Transient,
        (None, Some(format @ Format::Qcow2)) => return Disposition::Snapshot(format),
        (None, Some(format @ Format::Raw)) if method == Method::External => {
            return Disposition::Snapshot(format);
        }
        (None, _) => RefuseReason::Format(format.map(str::to_owned)),
    };
    Disposition::Refuse(refuse)
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the drive is empty",
            Self::ReadOnly => "the guest cannot write to it",
            Self::OutsidePool => "lies on the volume, but outside the pool, not part of the copy",
            Self::OutsideVolume => "lies outside the volume, not part of the copy",
        })
    }
}

impl RefuseReason {
    /// What is in the way.
    pub fn what(&self) -> String {
        match self {
            Self::Format(Some(format)) if format == "raw" => {
                "the image is raw and can hold no snapshot".to_owned()
            }
            Self::Format(Some(format)) => format!("the image is {format}"),
            Self::Format(None) => "the domain does not say which format the image has".to_owned(),
            Self::NotAllInPool => "lies outside the pool, but an internal snapshot is of use only \
                                   with every writable disk"
                .to_owned(),
            Self::Libgfapi(name) => {
                format!("it is on gluster://…/{name}, where no overlay and no snapshot can be made")
            }
            Self::Unknown(what) => format!("it is on {what}"),
            Self::Shareable => "other domains may write to it at the same time".to_owned(),
            Self::Transient => "what is written to it is lost when the domain stops".to_owned(),
            Self::BlockJob(job) => format!("a block job (`{job}`) is active"),
            Self::OnOverlay(file) => {
                format!("it is on the overlay `{}` of an unfinished run", file.display())
            }
        }
    }

    /// What can be done about it, where there is more to say.
    pub fn mend(&self) -> Option<&'static str> {
        Some(match self {
            Self::Format(Some(format)) if format == "raw" => {
                "use the external method, or convert it to qcow2 (`qemu-img convert`)"
            }
            Self::Format(Some(_)) => "convert it to qcow2 (`qemu-img convert`)",
            Self::NotAllInPool => "use the external method",
            Self::Libgfapi(_) | Self::Unknown(_) => {
                "use the path on the mounted volume (`virsh edit`)"
            }
            Self::BlockJob(_) => "finish it first",
            Self::Format(None) | Self::Shareable | Self::Transient | Self::OnOverlay(_) => {
                return None;
            }
        })
    }
}

impl fmt::Display for RefuseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        self.mend().map_or(Ok(()), |mend| write!(f, "; {mend}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Disposition::{Refuse, Skip, Snapshot};
    use SkipReason::{OutsidePool, OutsideVolume};

    const IN_POOL: &str = "<disk type='file'><driver type='qcow2'/>\
        <source file='/vm/a.qcow2'/><target dev='vda'/></disk>";

    /// The pool is /vm, which is `pool` in the volume gv1, of which /other is a mount too.
    fn place(source: &Source) -> Place {
        match source {
            Source::File(file) if file.starts_with("/vm") => Place::Pool,
            Source::File(file) if file.starts_with("/other") => Place::Volume,
            Source::Network { name, .. } if name.starts_with("gv1/pool/") => Place::Pool,
            Source::Network { name, .. } if name.starts_with("gv1/") => Place::Volume,
            _ => Place::Elsewhere,
        }
    }

    /// What happens to the last of these disks.
    fn decide(method: Method, disks: &str) -> Disposition {
        let xml = format!(
            "<domain id='1'><name>n</name><uuid>u</uuid><devices>{disks}</devices></domain>"
        );
        let domain = Domain::parse(&xml).unwrap();
        let mut plan = plan(&domain, method, &place);
        assert_eq!(plan.len(), domain.disks.len(), "every disk has its disposition");
        plan.pop().unwrap().disposition
    }

    fn both(disks: &str) -> Disposition {
        let external = decide(Method::External, disks);
        assert_eq!(external, decide(Method::Internal, disks));
        external
    }

    #[test]
    fn a_qcow2_image_in_the_pool_is_copied() {
        assert_eq!(both(IN_POOL), Snapshot(Format::Qcow2));
    }

    #[test]
    fn what_the_guest_cannot_change_is_left_alone() {
        let empty = "<disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk>";
        assert_eq!(both(empty), Skip(SkipReason::Empty));
        let iso = "<disk type='file' device='cdrom'><driver type='raw'/>\
            <source file='/vm/cd.iso'/><target dev='sda'/><readonly/></disk>";
        assert_eq!(both(iso), Skip(SkipReason::ReadOnly));
    }

    #[test]
    fn a_disk_elsewhere_is_left_alone_but_makes_an_internal_snapshot_useless() {
        for elsewhere in [
            "<disk type='file'><driver type='qcow2'/><source file='/x'/><target dev='b'/></disk>",
            "<disk type='block'><driver type='raw'/><source dev='/dev/s'/><target dev='b'/></disk>",
            "<disk type='network'><source protocol='rbd' name='r/b'/><target dev='b'/></disk>",
            "<disk type='network'><source protocol='gluster' name='gv9/a'/><target dev='b'/></disk>",
            "<disk type='network'><source protocol='gluster' name='gv1/a'/><target dev='b'/></disk>",
            "<disk type='file'><driver type='raw'/><source file='/other/a'/><target dev='b'/></disk>",
        ] {
            let disks = format!("{IN_POOL}{elsewhere}");
            let reason = if disks.contains("gv1/") || disks.contains("/other") {
                OutsidePool
            } else {
                OutsideVolume
            };
            assert_eq!(decide(Method::External, &disks), Skip(reason.clone()));
            assert_eq!(decide(Method::Internal, &disks), Refuse(RefuseReason::NotAllInPool));
            assert_eq!(both(elsewhere), Skip(reason), "the domain has no part");
        }
    }

    #[test]
    fn a_format_that_the_method_cannot_copy_is_refused_and_never_probed() {
        let of = |format: &str| {
            format!(
                "<disk type='file'><driver type='{format}'/><source file='/vm/a'/>\
                 <target dev='a'/></disk>"
            )
        };
        assert_eq!(decide(Method::External, &of("raw")), Snapshot(Format::Raw));
        let refused = |format: &str| Refuse(RefuseReason::Format(Some(format.into())));
        assert_eq!(decide(Method::Internal, &of("raw")), refused("raw"));
        assert_eq!(both(&of("vmdk")), refused("vmdk"));
        let unsaid = "<disk type='file'><source file='/vm/a.qcow2'/><target dev='a'/></disk>";
        assert_eq!(both(unsaid), Refuse(RefuseReason::Format(None)));
    }

    #[test]
    fn a_source_that_may_lie_in_the_pool_by_another_way_is_refused() {
        let disk = "<disk type='network'><source protocol='gluster' name='gv1/pool/a'/>\
            <target dev='a'/></disk>";
        assert_eq!(both(disk), Refuse(RefuseReason::Libgfapi("gv1/pool/a".into())));
        for disk in [
            "<disk type='volume'><source pool='p' volume='v'/><target dev='a'/></disk>",
            "<disk type='dir'><source dir='/vm/d'/><target dev='a'/></disk>",
        ] {
            assert!(matches!(both(disk), Refuse(RefuseReason::Unknown(_))), "{disk}");
        }
    }

    #[test]
    fn a_running_domain_with_uefi_variables_in_a_raw_file_has_no_internal_snapshot() {
        let unfit = |id: &str, nvram: &str, method| {
            let xml = format!("<domain {id}><name>n</name><uuid>u</uuid><os>{nvram}</os></domain>");
            super::unfit(&Domain::parse(&xml).unwrap(), method)
        };
        let raw = "<nvram>/nv/n.fd</nvram>";
        let reason = unfit("id='1'", raw, Method::Internal).unwrap().to_string();
        assert!(reason.contains("/nv/n.fd"), "{reason}");
        assert_eq!(unfit("id='1'", raw, Method::External), None);
        assert_eq!(unfit("", raw, Method::Internal), None);
        let qcow2 = "<nvram format='qcow2'>/nv/n.fd</nvram>";
        assert_eq!(unfit("id='1'", qcow2, Method::Internal), None);
        assert_eq!(unfit("id='1'", "", Method::Internal), None);
    }

    #[test]
    fn a_disk_with_a_job_a_partner_or_no_future_is_refused() {
        let with = |inner: &str| IN_POOL.replace("</disk>", &format!("{inner}</disk>"));
        assert_eq!(both(&with("<shareable/>")), Refuse(RefuseReason::Shareable));
        assert_eq!(both(&with("<transient/>")), Refuse(RefuseReason::Transient));
        let job = with("<mirror type='file' job='copy'><source file='/x'/></mirror>");
        assert_eq!(both(&job), Refuse(RefuseReason::BlockJob("copy".into())));
    }

    #[test]
    fn a_domain_on_an_overlay_of_ours_is_refused_by_its_name() {
        let overlay = IN_POOL.replace("a.qcow2", "a.georep-20261123T020000Z.qcow2");
        let Refuse(reason) = both(&overlay) else { panic!("not refused") };
        assert!(reason.to_string().contains("/vm/a.georep-20261123T020000Z.qcow2"), "{reason}");
    }
}
