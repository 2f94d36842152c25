//! Overlays that QEMU has open while libvirt does not know of them.
//!
//! A libvirtd that is killed while it makes an overlay may not have written down what QEMU has done
//! for it: the file is open, and the guest may write to it already. What is done here libvirt does
//! not see, and after it what libvirt believes is true: QEMU merges the overlay into the image that
//! libvirt has the disk on, and closes it. libvirt marks the domain as tainted by a custom monitor
//! command.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Overlay;
use crate::Error;
use crate::virsh::Virsh;

/// How often the merge is asked how far it is.
const POLL: Duration = Duration::from_millis(200);

/// A file or an image that QEMU has open.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Node {
    node_name: String,
    /// For a file its path.
    file: String,
}

/// A disk, as the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Device {
    /// `None` where there is no medium in the drive.
    inserted: Option<Inserted>,
}

/// What a disk reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Inserted {
    node_name: String,
}

/// A job, such as a merge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Job {
    id: String,
    status: String,
}

/// What is to be done about an overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    /// The overlay's node, without what libvirt puts behind it.
    overlay: String,
    /// The node to merge it into, where a guest writes to it.
    merge_into: Option<String>,
}

/// Has QEMU merge the overlay where a guest is on it, and close it.
///
/// # Errors
/// [`Error::NotCommitted`] where QEMU does not have it open, so that another program has, or where
/// it does not do what it is asked; other errors as virsh fails.
pub(super) fn merge(virsh: &Virsh, overlay: &Overlay) -> Result<(), Error> {
    let monitor = Monitor { virsh, overlay };
    let plan = monitor.plan()?;
    if let Some(base) = &plan.merge_into {
        monitor.commit(&plan.overlay, base)?;
        if monitor.plan()?.merge_into.is_some() {
            return Err(monitor.failed("QEMU has broken the merge off"));
        }
    }
    for part in ["format", "storage"] {
        let name = format!("{}-{part}", plan.overlay);
        monitor.ask::<Value>("blockdev-del", &json!({ "node-name": name }))?;
    }
    Ok(())
}

/// QEMU's monitor, about one overlay.
struct Monitor<'a> {
    virsh: &'a Virsh,
    overlay: &'a Overlay,
}

impl Monitor<'_> {
    fn plan(&self) -> Result<Plan, Error> {
        let nodes: Vec<Node> = self.ask("query-named-block-nodes", &json!({ "flat": true }))?;
        let devices: Vec<Device> = self.ask("query-block", &json!({}))?;
        plan(&nodes, &devices, &self.overlay.overlay, &self.overlay.base)
            .map_err(|reason| self.failed(reason))
    }

    /// Merges, and moves the guest to the base when the merge has caught up. A merge that an
    /// earlier call has started is gone on with.
    fn commit(&self, top: &str, base: &str) -> Result<(), Error> {
        let id = format!("georep-{}", self.overlay.target);
        if self.job(&id)?.is_none() {
            let (top, base) = (format!("{top}-format"), format!("{base}-format"));
            let job = json!({ "job-id": id, "device": top, "base-node": base });
            self.ask::<Value>("block-commit", &job)?;
        }
        while let Some(job) = self.job(&id)? {
            if job.status == "ready" {
                self.ask::<Value>("job-complete", &json!({ "id": id }))?;
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn job(&self, id: &str) -> Result<Option<Job>, Error> {
        let jobs: Vec<Job> = self.ask("query-jobs", &json!({}))?;
        Ok(jobs.into_iter().find(|job| job.id == id))
    }

    fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        execute: &str,
        arguments: &Value,
    ) -> Result<T, Error> {
        let command = json!({ "execute": execute, "arguments": arguments });
        self.virsh
            .monitor(&self.overlay.domain, &command)?
            .map_err(|error| self.failed(&format!("QEMU refuses `{execute}`: {error}")))
    }

    fn failed(&self, reason: &str) -> Error {
        let reason = format!(
            "libvirt says that no disk is on it, but it is open: libvirtd may have been killed while \
             it made it. {reason}. It is merged once the domain is shut off"
        );
        Error::NotCommitted { overlay: Box::new(self.overlay.clone()), reason }
    }
}

/// Decides from what QEMU has open. libvirt calls an image `libvirt-N-format`, and the file it lies
/// in `libvirt-N-storage`.
fn plan(
    nodes: &[Node],
    devices: &[Device],
    overlay: &Path,
    base: &Path,
) -> Result<Plan, &'static str> {
    let image_in = |path: &Path| {
        let storage = nodes.iter().filter(|node| Path::new(&node.file) == path);
        storage.filter_map(|node| node.node_name.strip_suffix("-storage")).next()
    };
    let is_used = |image: &str| {
        let used = devices.iter().filter_map(|device| device.inserted.as_ref());
        used.into_iter().any(|used| used.node_name.strip_suffix("-format") == Some(image))
    };
    let overlay = image_in(overlay).ok_or("The domain's QEMU has not opened it")?;
    let merge_into = if is_used(overlay) {
        Some(image_in(base).ok_or("QEMU does not have its base open")?.to_owned())
    } else {
        None
    };
    Ok(Plan { overlay: overlay.to_owned(), merge_into })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, file: &str) -> Node {
        Node { node_name: name.to_owned(), file: file.to_owned() }
    }

    /// What QEMU 7.2 had open, with libvirt 9.0.
    fn nodes() -> Vec<Node> {
        vec![
            node("libvirt-41-format", "json:{\"backing\": {\"driver\": \"qcow2\"}}"),
            node("libvirt-41-storage", "/vm/vm2-vda.georep.qcow2"),
            node("libvirt-3-format", "json:{\"backing\": {\"driver\": \"qcow2\"}}"),
            node("libvirt-3-storage", "/vm/vm2-root.qcow2"),
            node("libvirt-4-format", "/vm/golden.qcow2"),
            node("libvirt-4-storage", "/vm/golden.qcow2"),
        ]
    }

    fn guest_on(name: &str) -> [Device; 2] {
        let inserted = Some(Inserted { node_name: name.to_owned() });
        [Device { inserted: None }, Device { inserted }]
    }

    fn decide(nodes: &[Node], devices: &[Device]) -> Result<Plan, &'static str> {
        plan(nodes, devices, "/vm/vm2-vda.georep.qcow2".as_ref(), "/vm/vm2-root.qcow2".as_ref())
    }

    #[test]
    fn an_overlay_that_a_guest_writes_to_is_merged_into_what_libvirt_has_the_disk_on() {
        let plan = decide(&nodes(), &guest_on("libvirt-41-format")).unwrap();
        assert_eq!(plan.overlay, "libvirt-41");
        assert_eq!(plan.merge_into.as_deref(), Some("libvirt-3"));
    }

    #[test]
    fn one_that_is_only_open_is_closed() {
        let plan = decide(&nodes(), &guest_on("libvirt-3-format")).unwrap();
        assert_eq!(plan, Plan { overlay: "libvirt-41".to_owned(), merge_into: None });
    }

    #[test]
    fn what_qemu_has_not_opened_is_left_alone() {
        decide(&nodes()[2..], &guest_on("libvirt-3-format")).unwrap_err();
        decide(&nodes()[..2], &guest_on("libvirt-41-format")).unwrap_err();
    }
}
