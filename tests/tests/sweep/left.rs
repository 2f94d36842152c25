//! What a run must not leave, and must not change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use georep_tests::qcow2::{self, Snapshot};
use georep_tests::simulated::libvirt::Domain;
use georep_tests::simulated::vms::{DISKS, Images, TEMPLATE};
use georep_tests::simulated::{World, read};

use crate::records;

/// How long a tool may take to end where nobody waits for it.
const TOOLS_END_WITHIN: Duration = Duration::from_secs(10);

/// Everything in `world` that should not be there.
pub fn left(world: &World, images: &Images) -> Vec<String> {
    let state = world.state();
    let mut left: Vec<String> = state.domains.iter().flat_map(|d| of_domain(d, world)).collect();
    let mounted = state.mounted.iter().filter(|mounted| mounted.0 != world.path().join("gv1"));
    left.extend(mounted.map(|(path, _)| format!("{} is mounted", path.display())));
    left.extend(names(&world.path().join("tmp")).into_iter().map(|name| format!("/tmp/{name}")));
    left.extend(strangers(world));
    left.extend(locks(world));
    let template = |directory: &Path| fs::read(directory.join(TEMPLATE)).expect("the template");
    if template(&world.pool()) != template(images.path()) {
        left.push("the template was changed".to_owned());
    }
    left.extend(records::lost(world));
    left
}

fn of_domain(domain: &Domain, world: &World) -> Vec<String> {
    let mut left = Vec::new();
    let name = &domain.name;
    if domain.frozen {
        left.push(format!("{name} is frozen"));
    }
    if !domain.has_secret {
        left.push(format!("the definition of {name} has lost its secret"));
    }
    for (disk, (_, target, file, _)) in
        domain.disks.iter().zip(DISKS.iter().filter(|disk| disk.0 == name))
    {
        let base = world.pool().join(file);
        if disk.job.is_some() {
            left.push(format!("{name} has a block job on {target}"));
        }
        if disk.image() != base {
            left.push(format!("{name} runs with {target} on {}", disk.image().display()));
        }
        if disk.defined != [base] {
            left.push(format!("{name} is defined with {target} on {:?}", disk.defined));
        }
    }
    left
}

/// Files in the volume that are neither images nor manifests.
fn strangers(world: &World) -> Vec<String> {
    let expected = DISKS.iter().map(|disk| disk.2).chain([TEMPLATE, ".georep"]);
    let expected: BTreeSet<_> = expected.map(str::to_owned).collect();
    let in_pool = names(&world.pool()).into_iter().filter(|name| !expected.contains(name));
    let is_manifest = |name: &String| name.starts_with("georep-") && name.ends_with(".json");
    let beside = names(&world.pool().join(".georep")).into_iter().filter(|name| !is_manifest(name));
    let in_root = names(&world.path().join("gv1")).into_iter().filter(|name| name != "vm");
    in_pool.chain(beside).chain(in_root).map(|name| format!("{name} is in the volume")).collect()
}

/// Locks that somebody holds, and goes on holding: a tool that was killed, or has nobody any more who
/// waits for it, takes a moment to end.
fn locks(world: &World) -> Vec<String> {
    let directory = world.path().join("locks");
    let is_held = |name: &String| {
        let file = File::open(directory.join(name)).expect("a lock file");
        let began = Instant::now();
        while file.try_lock().is_err() {
            if began.elapsed() > TOOLS_END_WITHIN {
                return true;
            }
            thread::sleep(Duration::from_millis(50));
        }
        false
    };
    names(&directory).into_iter().filter(is_held).map(|name| format!("{name} is held")).collect()
}

/// Whether a run has left a note of how the session was before.
pub fn is_session_noted(world: &World) -> bool {
    !notes(world).is_empty()
}

fn notes(world: &World) -> Vec<String> {
    names(&world.path().join("state")).into_iter().filter(|name| name != "runs").collect()
}

/// Runs that their journal does not call ended, and notes of what is to be put back.
pub fn unfinished(world: &World) -> Vec<String> {
    let runs = world.path().join("state/runs");
    let is_unfinished = |name: &String| {
        let run: serde_json::Value = read(&runs.join(name)).expect("a journal");
        run.get("ended").is_none_or(serde_json::Value::is_null)
    };
    let unfinished = names(&runs).into_iter().filter(is_unfinished);
    let left = unfinished.map(|name| format!("after recover: {name} is not ended"));
    let notes = notes(world).into_iter();
    left.chain(notes.map(|name| format!("after recover: {name} is in the state directory")))
        .collect()
}

/// What is in a directory; nothing where it is not there.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
}

/// Images that have not arrived as they were when they began to stand still.
pub fn not_as_frozen(world: &World) -> Vec<String> {
    let differs = |&&(domain, target, file, _): &&(&str, &str, &str, bool)| {
        let frozen = fs::read(world.path().join(format!("frozen-{domain}-{target}")));
        frozen.expect("it stood still")
            != fs::read(world.path().join("gv2/vm").join(file)).unwrap_or_default()
    };
    DISKS.iter().filter(differs).map(|disk| format!("{} has not arrived", disk.2)).collect()
}

/// What is wrong with the definitions that the newest manifest at the secondary holds.
pub fn wrong_definitions(world: &World) -> Option<String> {
    let directory = world.path().join("gv2/vm/.georep");
    let Some(newest) = names(&directory).into_iter().max() else {
        return Some("no manifest has arrived".to_owned());
    };
    let manifest: serde_json::Value = read(&directory.join(newest)).expect("a manifest");
    let text = manifest["domains"].to_string();
    let is_right = |domain: &Domain| {
        let definitions = manifest["domains"].as_array().into_iter().flatten();
        let mut definitions = definitions.filter_map(|domain| domain["xml"].as_str());
        definitions.any(|xml| {
            xml.contains(&domain.uuid)
                && xml.trim_end().ends_with("</domain>")
                && domain.disks.iter().all(|disk| {
                    let base = disk.live.iter().rev().find(|image| !image.ends_with(TEMPLATE));
                    xml.contains(&*base.expect("an image").to_string_lossy())
                })
        })
    };
    let wrong = world.state().domains.into_iter().find(|domain| !is_right(domain))?;
    Some(format!("the definition of {} has not arrived: {text}", wrong.name))
}

/// The internal snapshots that there have to be: of each image, and by libvirt's own account.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshots {
    images: BTreeMap<&'static str, Vec<Snapshot>>,
    known: BTreeMap<String, Vec<String>>,
}

impl Snapshots {
    /// Those that there are.
    pub fn of(world: &World) -> Self {
        let in_image = |file| qcow2::snapshots(&world.pool().join(file)).expect("an image");
        let images = DISKS.iter().map(|&(_, _, file, _)| (file, in_image(file))).collect();
        let domains = world.state().domains;
        let known = domains.into_iter().map(|domain| (domain.name, domain.snapshots)).collect();
        Self { images, known }
    }

    /// How those that there are differ from these.
    pub fn changed(&self, world: &World) -> Option<String> {
        let now = Self::of(world);
        (now != *self).then(|| format!("the snapshots are {now:?}, and were {self:?}"))
    }

    /// Takes the snapshot of a run that succeeded for one that there has to be from now on. Returns
    /// what is wrong with it.
    pub fn take_run(&mut self, world: &World) -> Vec<String> {
        let mut now = Self::of(world);
        let mut wrong = Vec::new();
        let mut runs = BTreeSet::new();
        for (file, snapshots) in &now.images {
            let before = self.images[file].len();
            if !snapshots.starts_with(&self.images[file]) || snapshots.len() != before + 1 {
                wrong.push(format!("the snapshots of {file} are {snapshots:?}"));
                continue;
            }
            runs.insert(snapshots[before].name.clone());
            let there = fs::read(world.path().join("gv2/vm").join(file)).unwrap_or_default();
            // Nothing has been written since the session was stopped.
            if there != fs::read(world.pool().join(file)).expect("an image") {
                wrong.push(format!("{file} has not arrived"));
            }
        }
        if runs.len() != 1 {
            wrong.push(format!("the new snapshots are called {runs:?}"));
        }
        std::mem::swap(self, &mut now);
        wrong
    }
}
