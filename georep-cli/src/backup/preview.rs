//! What a backup would do, for `--dry-run`: what happens to each disk and why, and the commands in
//! their order, made by the same code that makes those of a run.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use gluster_georep::{Planned, planned_look, planned_run};
use qcow2_snap::external::{commit_commands, create_commands};
use qcow2_snap::internal;
use qcow2_snap::plan::{DiskPlan, Disposition, Format};
use serde::Serialize;

use super::external::{Ready, commit_options, prepare_all};
use super::{Run, checkpoint};
use crate::args::{Level, Method};
use crate::error::CliError;
use crate::manifest::Manifest;
use crate::plan::{Chains, PlannedDomain};
use crate::stdout;

/// The JSON document of a dry run.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    run: &'a str,
    method: String,
    primary: &'a str,
    secondary: String,
    domains: Vec<Domain<'a>>,
    /// What lies behind the disks' images, and is copied with them.
    backing: Vec<Image>,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Domain<'a> {
    name: &'a str,
    uuid: &'a str,
    state: String,
    disks: Vec<Disk<'a>>,
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct Disk<'a> {
    target: &'a str,
    image: Option<&'a Path>,
    format: Option<&'a str>,
    copied: bool,
    why: String,
}

#[derive(Serialize)]
struct Image {
    path: PathBuf,
    format: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    /// Can be pasted into a shell, but for what stands in `<…>`.
    Command(String),
    Note(String),
}

impl From<Planned> for Step {
    fn from(planned: Planned) -> Self {
        match planned {
            Planned::Command(command) => Self::Command(command.to_string()),
            Planned::Note(note) => Self::Note(note),
        }
    }
}

/// Prints what the run would do, as lines of shell or as one JSON document.
///
/// # Errors
/// Where gluster cannot be asked, or a domain cannot be put on overlays.
pub(super) fn show(
    run: &Run<'_>,
    planned: &[PlannedDomain],
    chains: &Chains,
) -> Result<(), CliError> {
    let backing = chains.backing.iter().map(|(in_pool, format)| Image {
        path: run.pool.directory().join(in_pool),
        format: format.to_string(),
    });
    let document = Document {
        run: run.name.as_str(),
        method: run.args.method.to_string(),
        primary: &run.session.primary,
        secondary: run.session.secondary.to_string(),
        domains: planned.iter().map(|planned| domain(run.args.method, planned)).collect(),
        backing: backing.collect(),
        steps: steps(run, planned)?,
    };
    if run.args.json {
        return stdout::json(&document);
    }
    stdout::print(script(&document) + "\n").map(drop)
}

fn domain(method: Method, planned: &PlannedDomain) -> Domain<'_> {
    let is_active = planned.domain.is_active();
    Domain {
        name: &planned.domain.name,
        uuid: &planned.domain.uuid,
        state: planned.state.to_string(),
        disks: planned.disks.iter().map(|plan| disk(method, is_active, plan)).collect(),
        note: planned.note.as_deref(),
    }
}

/// What happens to a disk, and why.
fn disk(method: Method, is_active: bool, plan: &DiskPlan) -> Disk<'_> {
    let copied = matches!(plan.disposition, Disposition::Snapshot(_));
    let why = match (&plan.disposition, method, is_active) {
        (Disposition::Snapshot(_), Method::Internal, _) => {
            "copied, as a snapshot inside holds it".to_owned()
        }
        (Disposition::Snapshot(_), Method::External, true) => {
            "copied, while an overlay takes the writes".to_owned()
        }
        (Disposition::Snapshot(_), Method::External, false) => {
            "copied as it is, the domain does not run".to_owned()
        }
        (Disposition::Skip(reason), ..) => format!("left out: {reason}"),
        (Disposition::Refuse(reason), ..) => format!("refused: {reason}"),
    };
    let format = match plan.disposition {
        Disposition::Snapshot(Format::Qcow2) => Some("qcow2"),
        Disposition::Snapshot(Format::Raw) => Some("raw"),
        _ => plan.disk.format.as_deref(),
    };
    Disk { target: &plan.disk.target, image: plan.disk.source.file(), format, copied, why }
}

/// All that is done, in order, where nothing goes wrong.
fn steps(run: &Run<'_>, planned: &[PlannedDomain]) -> Result<Vec<Step>, CliError> {
    let mut steps = Vec::new();
    let ready = match run.args.method {
        Method::External => prepare_all(run, planned)?,
        Method::Internal => Vec::new(),
    };
    match run.args.method {
        Method::External => steps.extend(ready.iter().flat_map(|ready| overlay(run, ready))),
        Method::Internal => steps.extend(planned.iter().map(|planned| {
            let command =
                internal::create_command(&planned.virsh, &planned.domain, run.name.as_str());
            Step::Command(command.to_string())
        })),
    }
    let manifest = Manifest::path_in(run.pool.directory(), run.name.as_str());
    steps.push(Step::Note(format!("record what should arrive in {}", manifest.display())));
    let volume = run.gluster.started_volume(&run.session.primary)?;
    let options = checkpoint::options(run);
    let planned_run = planned_run(&run.gluster, &run.mounts, &run.session, &volume, &options);
    steps.extend(planned_run.into_iter().map(Step::from));
    if run.args.verify > Level::None {
        let [mount, umount] = planned_look(&run.mounts, &run.session.secondary);
        steps.push(Step::Command(mount.to_string()));
        steps.push(Step::Note("compare each image with what was recorded".to_owned()));
        steps.push(Step::Command(umount.to_string()));
    }
    steps.extend(ready.iter().flat_map(|ready| put_back(run, ready)));
    if let Some(keep) = run.args.keep {
        steps.push(Step::Note(format!(
            "where the copy is proven: keep the manifests of {keep} runs, and so many snapshots of \
             theirs, and delete older ones"
        )));
    }
    Ok(steps)
}

/// Puts a domain on overlays.
fn overlay(run: &Run<'_>, ready: &Ready<'_>) -> Vec<Step> {
    let (name, quiesce) = (run.name.as_str(), run.args.quiesce.into());
    let commands = create_commands(&ready.planned.virsh, &ready.prepared, name, quiesce);
    let note = format!("{}: its disks on overlays, all at once", ready.planned.domain.name);
    let commands = commands.iter().map(|command| Step::Command(command.to_string()));
    [Step::Note(note)].into_iter().chain(commands).collect()
}

/// Brings a domain back: its disks side by side.
fn put_back(run: &Run<'_>, ready: &Ready<'_>) -> Vec<Step> {
    let (mut starts, mut pivots, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for overlay in ready.prepared.overlays() {
        let [start, pivot] = commit_commands(&ready.planned.virsh, overlay, commit_options(run));
        starts.push(Step::Command(start.to_string()));
        pivots.push(Step::Command(pivot.to_string()));
        files.push(overlay.overlay.display().to_string());
    }
    let name = &ready.planned.domain.name;
    let ready = format!("{name}: each disk as soon as its XML says that the job is ready='yes'");
    let delete = format!("delete {}, which {name} is not on any more", files.join(", "));
    starts.push(Step::Note(ready));
    starts.into_iter().chain(pivots).chain([Step::Note(delete)]).collect()
}

/// The document as lines of shell: all but the commands are comments.
fn script(document: &Document<'_>) -> String {
    let Document { run, method, primary, secondary, domains, backing, steps } = document;
    let mut lines = format!(
        "# {run}: {method} backup of {primary} to {secondary}, as it would be made.\n\
         # A run has the name of the second in which it begins. What only comes to be then is in <...>.\n"
    );
    let width = |of: &dyn Fn(&Disk<'_>) -> usize| {
        domains.iter().flat_map(|domain| &domain.disks).map(of).max().unwrap_or(0)
    };
    let image =
        |disk: &Disk<'_>| disk.image.map_or_else(|| "-".to_owned(), |i| i.display().to_string());
    let (targets, images) = (width(&|disk| disk.target.len()), width(&|disk| image(disk).len()));
    for domain in domains {
        // To a string nothing fails to be written.
        let _ = writeln!(lines, "#\n# domain {} ({}):", domain.name, domain.state);
        for disk in &domain.disks {
            let (target, image, format) = (disk.target, image(disk), disk.format.unwrap_or("-"));
            let _ = writeln!(
                lines,
                "#   {target:<targets$}  {image:<images$}  {format:<5}  {}",
                disk.why
            );
        }
        if let Some(note) = domain.note {
            let _ = writeln!(lines, "#   {note}");
        }
    }
    for Image { path, format } in backing {
        let _ = writeln!(lines, "# behind them, copied as it is: {} ({format})", path.display());
    }
    lines += "#\n";
    for step in steps {
        let _ = match step {
            Step::Command(command) => writeln!(lines, "{command}"),
            Step::Note(note) => writeln!(lines, "# {}", note.replace(char::is_control, "?")),
        };
    }
    lines.trim_end().to_owned()
}
