//! Block jobs that merge an overlay into an image behind it.

use std::path::Path;

use georep_tests::simulated::libvirt::{Disk, Domain, Job};

use super::guest;
use super::options::Options;
use crate::answer::{Answer, fails, stdout};

/// `blockcommit`: starts a job.
pub fn commit(domain: &mut Domain, options: &Options<'_>) -> Answer {
    let disk = match disk(domain, options) {
        Ok(disk) => disk,
        Err(answer) => return answer,
    };
    let target = &disk.target;
    if disk.job.is_some() {
        return fails(&format!(
            "error: block copy still active: disk '{target}' already in active block job"
        ));
    }
    let top = options.value("--top").expect("georep names the top");
    let base = Path::new(options.value("--base").expect("georep names the base"));
    if disk.image() != Path::new(top) || !disk.live.iter().skip(1).any(|image| image == base) {
        return fails(&format!(
            "error: invalid argument: could not find image '{}' beneath '{top}' in chain for \
             '{target}'",
            base.display()
        ));
    }
    disk.job = Some(Job { base: base.to_owned(), looks: 0 });
    stdout("Active Block Commit started\n")
}

/// `blockjob`: asks about a job, changes it, or ends it.
pub fn job(domain: &mut Domain, options: &Options<'_>) -> Answer {
    let disk = match disk(domain, options) {
        Ok(disk) => disk,
        Err(answer) => return answer,
    };
    let target = &disk.target;
    let Some(job) = &disk.job else {
        if options.has("--raw") {
            return stdout("\n");
        }
        return fails(&format!(
            "error: invalid argument: disk {target} does not have an active block job"
        ));
    };
    if options.has("--pivot") && !job.is_ready() {
        return fails(&format!(
            "error: block copy still active: block job 'commit-{target}-libvirt-5-format' not \
             ready for pivot yet"
        ));
    }
    if options.has("--raw") {
        let done = if job.is_ready() { 4_456_448 } else { 2_162_688 };
        return stdout(format!(
            " type=Active Block Commit\n bandwidth=0\n cur={done}\n end=4456448\n\n"
        ));
    }
    if options.has("--pivot") {
        pivot(disk);
    } else if options.has("--abort") {
        disk.job = None;
    }
    stdout("\n")
}

/// Everything in the overlay is in the base, which the domain goes on with.
fn pivot(disk: &mut Disk) {
    let base = disk.job.take().expect("a job").base;
    let top = disk.image().to_owned();
    guest::merge(&top, &base);
    let place = disk.live.iter().position(|image| *image == base).expect("a base in the chain");
    disk.live.drain(..place);
    if disk.defined.first() == Some(&top) {
        let place = disk.defined.iter().position(|image| *image == base);
        disk.defined.drain(..place.expect("a base in the definition"));
    }
}

fn disk<'a>(domain: &'a mut Domain, options: &Options<'_>) -> Result<&'a mut Disk, Answer> {
    let target = options.value("--path").expect("georep names the disk");
    let unknown =
        || fails(&format!("error: invalid argument: disk '{target}' not found in domain"));
    domain.disks.iter_mut().find(|disk| disk.target == *target).ok_or_else(unknown)
}
