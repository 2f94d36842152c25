//! What happens to each disk of a domain, decided before anything is touched.
//!
//! Pure: from the domain's XML and the question whether a file lies in the pool.

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
    /// It is part of the copy.
    Snapshot,
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
    /// It lies somewhere else.
    OutsidePool,
}

/// Why a domain with this disk cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefuseReason {
    /// The image is not qcow2, or its format is not given.
    NotQcow2(Option<String>),
    /// An internal snapshot covers every writable disk, and this one would be missing at the
    /// other site.
    NotAllInPool,
    /// The disk may lie in the pool, but is not reached through a file there.
    NotAFile(String),
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
/// `in_pool` says whether a file lies in the pool. Of a domain without any disk there nothing is
/// refused for lying elsewhere: it has no part in the run.
pub fn plan(domain: &Domain, method: Method, in_pool: &dyn Fn(&Path) -> bool) -> Vec<DiskPlan> {
    let lies_in_pool = |disk: &Disk| writable(disk) && disk.source.file().is_some_and(in_pool);
    let takes_part = domain.disks.iter().any(lies_in_pool);
    let elsewhere = match method {
        Method::Internal if takes_part => Disposition::Refuse(RefuseReason::NotAllInPool),
        _ => Disposition::Skip(SkipReason::OutsidePool),
    };
    let decide = |disk: &Disk| match &disk.source {
        Source::Empty => Disposition::Skip(SkipReason::Empty),
        _ if !writable(disk) => Disposition::Skip(SkipReason::ReadOnly),
        Source::File(file) if in_pool(file) => in_the_pool(disk, file),
        Source::Network { protocol, name } if protocol == "gluster" => {
            not_a_file(format!("gluster://…/{name}"))
        }
        Source::File(_) | Source::Block(_) | Source::Network { .. } => elsewhere.clone(),
        Source::Volume { pool, volume } => {
            not_a_file(format!("volume `{volume}` of storage pool `{pool}`"))
        }
        Source::Other(kind) => not_a_file(format!("a source of type `{kind}`")),
    };
    let plan = |disk: &Disk| DiskPlan { disk: disk.clone(), disposition: decide(disk) };
    domain.disks.iter().map(plan).collect()
}

fn writable(disk: &Disk) -> bool {
    !disk.read_only
}

fn not_a_file(what: String) -> Disposition {
    Disposition::Refuse(RefuseReason::NotAFile(what))
}

/// A writable disk whose image lies in the pool.
fn in_the_pool(disk: &Disk, file: &Path) -> Disposition {
    let on_overlay =
        file.file_name().is_some_and(|name| name.to_string_lossy().contains(OVERLAY_MARK));
    let refuse = match (&disk.mirror, disk.format.as_deref()) {
        (Some(mirror), _) => RefuseReason::BlockJob(mirror.job.clone()),
        _ if on_overlay => RefuseReason::OnOverlay(file.to_owned()),
        _ if disk.shareable => RefuseReason::Shareable,
        _ if disk.transient => RefuseReason::Transient,
        (None, Some("qcow2")) => return Disposition::Snapshot,
        (None, format) => RefuseReason::NotQcow2(format.map(str::to_owned)),
    };
    Disposition::Refuse(refuse)
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the drive is empty",
            Self::ReadOnly => "the guest cannot write to it",
            Self::OutsidePool => "lies outside the pool, not part of the copy",
        })
    }
}

impl fmt::Display for RefuseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotQcow2(Some(format)) => {
                write!(f, "the image is {format}; convert it to qcow2 (`qemu-img convert`)")
            }
            Self::NotQcow2(None) => {
                f.write_str("the domain does not say which format the image has")
            }
            Self::NotAllInPool => f.write_str(
                "lies outside the pool, but an internal snapshot is of use only with every \
                 writable disk; use the external method",
            ),
            Self::NotAFile(what) => {
                write!(f, "{what} is not a file in the pool; use the path on the mounted volume")
            }
            Self::Shareable => f.write_str("other domains may write to it at the same time"),
            Self::Transient => f.write_str("what is written to it is lost when the domain stops"),
            Self::BlockJob(job) => write!(f, "a block job (`{job}`) is active; finish it first"),
            Self::OnOverlay(file) => {
                write!(f, "it is on the overlay `{}` of an unfinished run", file.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Disposition::{Refuse, Skip, Snapshot};

    const IN_POOL: &str = "<disk type='file'><driver type='qcow2'/>\
        <source file='/vm/a.qcow2'/><target dev='vda'/></disk>";

    /// What happens to the last of these disks.
    fn decide(method: Method, disks: &str) -> Disposition {
        let xml = format!(
            "<domain id='1'><name>n</name><uuid>u</uuid><devices>{disks}</devices></domain>"
        );
        let domain = Domain::parse(&xml).unwrap();
        let mut plan = plan(&domain, method, &|path| path.starts_with("/vm"));
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
        assert_eq!(both(IN_POOL), Snapshot);
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
        ] {
            let disks = format!("{IN_POOL}{elsewhere}");
            assert_eq!(decide(Method::External, &disks), Skip(SkipReason::OutsidePool));
            assert_eq!(decide(Method::Internal, &disks), Refuse(RefuseReason::NotAllInPool));
            assert_eq!(both(elsewhere), Skip(SkipReason::OutsidePool), "the domain has no part");
        }
    }

    #[test]
    fn an_image_that_is_not_qcow2_is_refused_and_never_probed() {
        let raw = "<disk type='file'><driver type='raw'/><source file='/vm/a'/>\
            <target dev='a'/></disk>";
        assert_eq!(both(raw), Refuse(RefuseReason::NotQcow2(Some("raw".into()))));
        let unsaid = "<disk type='file'><source file='/vm/a.qcow2'/><target dev='a'/></disk>";
        assert_eq!(both(unsaid), Refuse(RefuseReason::NotQcow2(None)));
    }

    #[test]
    fn a_source_that_may_lie_in_the_pool_by_another_way_is_refused() {
        for disk in [
            "<disk type='network'><source protocol='gluster' name='gv/a'/><target dev='a'/></disk>",
            "<disk type='volume'><source pool='p' volume='v'/><target dev='a'/></disk>",
            "<disk type='dir'><source dir='/vm/d'/><target dev='a'/></disk>",
        ] {
            assert!(matches!(both(disk), Refuse(RefuseReason::NotAFile(_))), "{disk}");
        }
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
