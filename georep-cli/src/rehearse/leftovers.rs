//! What rehearsals that were killed have left: domains that run on, and their workplaces.

use std::path::{Path, PathBuf};

use qcow2_snap::definition;
use qcow2_snap::domain::{Domain, Source};
use qcow2_snap::virsh::{Definition, Virsh};

use super::workplace::{PREFIX, is_alive, remove_dead};
use crate::error::CliError;
use crate::say::Say;

/// What the description of a rehearsal's domain says before the name of its workplace.
const MARK: &str = "throw-away domain of a georep rehearsal in ";

/// The description of a domain that works in `workplace`.
pub(super) fn description(workplace: &Path) -> String {
    format!("{MARK}{}", workplace.display())
}

/// Ends the domains of rehearsals that were killed, and removes their workplaces in `base`.
///
/// # Errors
/// Where libvirt cannot be asked, or a domain not be ended.
pub(super) fn clean_up(virsh: &Virsh, base: &Path, say: &Say) -> Result<(), CliError> {
    for name in virsh.domain_names()?.into_iter().filter(|name| name.starts_with(PREFIX)) {
        // One that has ended meanwhile is not there any more.
        let Ok(xml) = virsh.dumpxml(&name, Definition::Live) else { continue };
        if is_left_over(&name, &xml) {
            virsh.destroy(&name)?;
            say.warn(
                "clean up",
                format_args!("{name}: left by a rehearsal that was killed; ended"),
            );
        }
    }
    for (directory, removed) in remove_dead(base) {
        let directory = directory.display();
        match removed {
            Ok(()) => say.warn("clean up", format_args!("`{directory}` removed")),
            Err(error) => say.warn("clean up", format_args!("`{directory}` stays: {error}")),
        }
    }
    Ok(())
}

/// Whether it is a domain of this tool, by its name, its description and its disks, and nobody
/// waits for it any more.
fn is_left_over(name: &str, xml: &str) -> bool {
    let (Some(description), Ok(domain)) = (definition::description(xml), Domain::parse(xml)) else {
        return false;
    };
    let Some(workplace) = description.strip_prefix(MARK).map(PathBuf::from) else {
        return false;
    };
    let is_ours = |source: &Source| match source {
        Source::Empty => true,
        source => source.file().is_some_and(|file| file.starts_with(&workplace)),
    };
    let is_workplace = workplace.file_name().and_then(|name| name.to_str());
    name.starts_with(PREFIX)
        && is_workplace.is_some_and(|name| name.starts_with(PREFIX))
        && domain.disks.iter().all(|disk| is_ours(&disk.source))
        && !is_alive(&workplace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::workplace::Workplace;

    fn xml(workplace: &Path, disk: &Path) -> String {
        format!(
            "<domain id='1'><name>georep-rehearse-web</name><uuid>u</uuid>\
             <description>{}</description><devices><disk type='file'><source file='{}'/>\
             <target dev='vda'/></disk></devices></domain>",
            description(workplace),
            disk.display()
        )
    }

    #[test]
    fn only_a_domain_of_a_dead_rehearsal_is_left_over() {
        let base = tempfile::tempdir().unwrap();
        let name = "georep-rehearse-web";
        let dead = base.path().join("georep-rehearse-dead");
        let alive = Workplace::make(base.path()).unwrap();
        assert!(is_left_over(name, &xml(&dead, &dead.join("disk-0"))));
        assert!(!is_left_over(name, &xml(alive.path(), &alive.path().join("disk-0"))));
        assert!(!is_left_over(name, &xml(&dead, Path::new("/vm/web.qcow2"))));
        assert!(!is_left_over(name, &xml(&base.path().join("mine"), &base.path().join("mine/a"))));
        assert!(!is_left_over("web", &xml(&dead, &dead.join("disk-0"))));
        let unmarked = xml(&dead, &dead.join("disk-0")).replace("throw-away", "my");
        assert!(!is_left_over(name, &unmarked));
    }
}
