//! The next step towards a disk that is back on its base: a pure decision from what libvirt says.

use std::fmt;
use std::path::Path;

use super::Overlay;
use crate::domain::{Disk, Domain, Mirror};

/// libvirt's name of the job that merges the active image of a disk.
const ACTIVE_COMMIT: &str = "active-commit";

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Start the block job.
    Start,
    /// The block job is at work.
    Wait,
    /// The block job has caught up: move the domain to the base.
    Pivot,
    /// The domain does not run: merge with qemu-img, then [`Step::Redefine`].
    MergeOffline,
    /// libvirt does not know that the overlay is in use, but it holds what the base does not: merge
    /// with qemu-img, and that is all.
    MergeStray,
    /// The domain runs on its base as libvirt has it, but its QEMU has the overlay open: have QEMU
    /// merge it, where a guest is on it, and close it.
    MergeHidden,
    /// The domain runs on its base, but would start on the overlay the next time.
    Redefine,
    /// Nothing is left to do.
    Done,
    /// Not what this crate made: a person must look.
    Stop(String),
}

/// Decides from the domain as it runs, where that is enough: the definition matters only when the
/// disk has left the overlay.
pub(super) fn while_running(overlay: &Overlay, live: &Domain) -> Option<Step> {
    let disk = live.disk(&overlay.target).filter(|_| live.is_active())?;
    match place(overlay, disk) {
        Place::Overlay => Some(running_on_overlay(overlay, disk.mirror.as_ref())),
        Place::Base | Place::Elsewhere => None,
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "merge the overlay back with a block job",
            Self::Wait => "wait for the block job that is at work",
            Self::Pivot => "pivot, the block job is ready",
            Self::MergeOffline => "merge the overlay back with qemu-img, then redefine the domain",
            Self::MergeHidden => {
                "have QEMU merge and close the overlay, which it has open without libvirt's knowing"
            }
            Self::MergeStray => {
                "merge the overlay back with qemu-img: it holds what the base does not"
            }
            Self::Redefine => "redefine the domain, which runs on its base already",
            Self::Done => "nothing, the disk is on its base",
            Self::Stop(reason) => return write!(f, "nothing, a person must look: {reason}"),
        })
    }
}

/// Why the overlay of a domain that libvirt does not know any more must be left alone, from all
/// domains that it does know, live and as they are defined.
///
/// Where another domain is on either of the two files, its guest may have written to it since, and
/// nobody can say which of them is right.
pub(super) fn used_by_another(overlay: &Overlay, all: &[Domain]) -> Option<Step> {
    let uses = |domain: &&Domain| {
        domain.uuid == overlay.domain
            || domain.mentions(&overlay.overlay)
            || domain.mentions(&overlay.base)
    };
    let other = all.iter().find(uses)?;
    Some(Step::Stop(format!(
        "its domain is not defined any more, but domain `{}` is on the same image",
        other.name
    )))
}

/// Decides from the two descriptions of the domain.
pub fn next_step(overlay: &Overlay, live: &Domain, persistent: &Domain) -> Step {
    if let Some(step) = while_running(overlay, live) {
        return step;
    }
    let (Some(disk), Some(defined)) =
        (live.disk(&overlay.target), persistent.disk(&overlay.target))
    else {
        return Step::Stop("the domain no longer has the disk".to_owned());
    };
    match (live.is_active(), place(overlay, disk), place(overlay, defined)) {
        (true, Place::Base, Place::Overlay) => Step::Redefine,
        (false, _, Place::Overlay) => Step::MergeOffline,
        (true, Place::Base, Place::Base) if disk.mirror.is_none() => Step::Done,
        (true, Place::Base, Place::Base) => Step::Wait,
        (false, _, Place::Base) => Step::Done,
        (true, ..) | (_, _, Place::Elsewhere) => Step::Stop(elsewhere(overlay, [disk, defined])),
    }
}

/// Says where the disk is: the overlay of somebody else may be on top of this one.
fn elsewhere(overlay: &Overlay, disks: [&Disk; 2]) -> String {
    let other = disks.into_iter().find(|disk| matches!(place(overlay, disk), Place::Elsewhere));
    let found = match other.and_then(|disk| disk.source.file()) {
        Some(file) => format!("the disk is on `{}`, and", file.display()),
        None => "the disk is".to_owned(),
    };
    format!("{found} neither on the overlay nor on `{}`", overlay.base.display())
}

/// Where a disk is.
enum Place {
    Base,
    Overlay,
    Elsewhere,
}

fn place(overlay: &Overlay, disk: &Disk) -> Place {
    match disk.source.file() {
        Some(file) if file == overlay.base => Place::Base,
        Some(file) if file == overlay.overlay => Place::Overlay,
        _ => Place::Elsewhere,
    }
}

fn running_on_overlay(overlay: &Overlay, mirror: Option<&Mirror>) -> Step {
    let to_base = |mirror: &Mirror| mirror.source.file() == Some(Path::new(&overlay.base));
    match mirror {
        None => Step::Start,
        Some(mirror) if mirror.job != ACTIVE_COMMIT || !to_base(mirror) => {
            Step::Stop(format!("another block job (`{}`) is active on the disk", mirror.job))
        }
        Some(mirror) if mirror.ready => Step::Pivot,
        Some(_) => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay() -> Overlay {
        Overlay {
            domain: "u".into(),
            target: "vda".into(),
            base: "/vm/base".into(),
            overlay: "/vm/overlay".into(),
            inode: None,
            merge_begun: false,
        }
    }

    fn domain(id: &str, file: &str, mirror: &str) -> Domain {
        let xml = format!(
            "<domain {id}><name>n</name><uuid>u</uuid><devices><disk type='file'>\
             <source file='{file}'/>{mirror}<target dev='vda'/></disk></devices></domain>"
        );
        Domain::parse(&xml).unwrap()
    }

    fn running(file: &str, mirror: &str, defined: &str) -> Step {
        next_step(&overlay(), &domain("id='1'", file, mirror), &domain("", defined, ""))
    }

    fn shut_off(file: &str) -> Step {
        next_step(&overlay(), &domain("", file, ""), &domain("", file, ""))
    }

    fn job(job: &str, to: &str, ready: &str) -> String {
        format!("<mirror type='file' job='{job}' {ready}><source file='{to}'/></mirror>")
    }

    #[test]
    fn a_running_domain_goes_from_start_over_wait_and_pivot_to_done() {
        let (waiting, ready) =
            (job("active-commit", "/vm/base", ""), job("active-commit", "/vm/base", "ready='yes'"));
        assert_eq!(running("/vm/overlay", "", "/vm/overlay"), Step::Start);
        assert_eq!(running("/vm/overlay", &waiting, "/vm/overlay"), Step::Wait);
        assert_eq!(running("/vm/overlay", &ready, "/vm/overlay"), Step::Pivot);
        assert_eq!(running("/vm/base", "", "/vm/base"), Step::Done);
    }

    #[test]
    fn a_job_that_vanished_without_moving_the_disk_is_started_again() {
        assert_eq!(running("/vm/overlay", "", "/vm/overlay"), Step::Start);
    }

    #[test]
    fn a_definition_left_on_the_overlay_is_put_right() {
        assert_eq!(running("/vm/base", "", "/vm/overlay"), Step::Redefine);
    }

    #[test]
    fn a_domain_that_was_shut_off_is_merged_without_it() {
        assert_eq!(shut_off("/vm/overlay"), Step::MergeOffline);
        assert_eq!(shut_off("/vm/base"), Step::Done);
    }

    #[test]
    fn an_overlay_without_its_domain_is_left_where_another_domain_uses_the_image() {
        let others =
            |file| [domain("", file, "")].map(|other| Domain { uuid: "v".into(), ..other });
        assert_eq!(used_by_another(&overlay(), &others("/vm/other")), None);
        for file in ["/vm/overlay", "/vm/base"] {
            assert!(used_by_another(&overlay(), &others(file)).is_some(), "{file}");
        }
        let itself = [domain("", "/vm/other", "")];
        assert!(used_by_another(&overlay(), &itself).is_some(), "it is there again");
    }

    #[test]
    fn what_is_not_ours_is_left_to_a_person() {
        for step in [
            running("/vm/overlay", &job("copy", "/vm/base", "ready='yes'"), "/vm/overlay"),
            running("/vm/overlay", &job("active-commit", "/vm/golden", ""), "/vm/overlay"),
            running("/vm/golden", "", "/vm/overlay"),
            running("/vm/base", "", "/vm/other"),
            shut_off("/vm/other"),
        ] {
            assert!(matches!(step, Step::Stop(_)), "{step:?}");
        }
    }
}
