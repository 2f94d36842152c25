//! `georep rehearse`: does last night's copy boot?
//!
//! Every domain of a run is started on throw-away images on top of those on the secondary, which
//! are only read, under another name, without network or any other end outside of itself. Nothing
//! of it is defined, and all of it goes away again, also after a signal; what a killed rehearsal
//! left, the next one removes.

mod images;
mod leftovers;
mod report;
mod sign;
mod watch;
mod workplace;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use qcow2_snap::definition::{Part, Rehearsal, Stage, rehearsal};
use qcow2_snap::domain::Domain;
use qcow2_snap::qemu_img::QemuImg;
use qcow2_snap::virsh::{Virsh, VirshFailure};
use tool_command::Stop;

use self::images::Images;
use self::report::{End, Fate};
pub(crate) use self::sign::Sign;
use self::watch::{Seen, watch};
use self::workplace::{PREFIX, Workplace};
use crate::args::RehearseArgs;
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::manifest::DomainRecord;
use crate::restore::{Choice, Needed, copy, differences, in_pool, needed, open};
use crate::say::Say;
use crate::say::{Progress, count};
use crate::side_by_side::side_by_side;
use crate::signals;
use crate::tools::search_path;

/// How many guests run at once: each has the memory that it has at home.
const AT_ONCE: usize = 2;

/// Everything a rehearsal works with.
#[derive(Debug)]
struct Rehearse<'a> {
    choice: &'a Choice,
    args: &'a RehearseArgs,
    virsh: Virsh,
    qemu_img: QemuImg,
    say: Say,
    stop: Stop,
    left_behind: Mutex<Vec<String>>,
}

/// Runs `georep rehearse`.
///
/// # Errors
/// Where not all domains came up, with the exit code that says why.
pub(crate) fn run(args: &RehearseArgs) -> Result<Exit, CliError> {
    let choice = Choice::make(&args.path, args.run.as_deref(), &args.domain)?;
    let path = search_path();
    let virsh = Virsh::new(path.find("virsh")?, args.connect.clone());
    let needed = needed(&choice)?;
    let stop = signals::catch()?;
    let qemu_img = QemuImg::new(path.find("qemu-img")?.stopped_by(&stop));
    let say = Say::begin(
        format_args!(
            "rehearsal of {} ({}) on `{}`",
            choice.manifest.run,
            choice.manifest.method,
            choice.pool.display()
        ),
        args.progress.mode,
    );
    leftovers::clean_up(&virsh, &args.work_dir, &say)?;
    let left_behind = Mutex::new(Vec::new());
    let rehearse = Rehearse { choice: &choice, args, virsh, qemu_img, say, stop, left_behind };
    let workplace = Workplace::make(&args.work_dir)?;
    let fates = rehearse.run(&needed, workplace.path());
    let shown = workplace.path().display().to_string();
    let mut left = rehearse.left_behind.lock().map(|mut left| std::mem::take(&mut *left));
    if let (Err(error), Ok(left)) = (workplace.remove(), &mut left) {
        left.push(format!("`{shown}` could not be removed: {error}"));
    }
    report::report(&rehearse, &fates?, &left.unwrap_or_default(), args.json)
}

impl<'a> Rehearse<'a> {
    /// # Errors
    /// Where no domain could be tried.
    fn run(&self, needed: &'a [Needed<'a>], workplace: &Path) -> Result<Vec<Fate<'a>>, CliError> {
        let wrong = self.compare(needed)?;
        let mut images = Images::new(self.choice, &self.qemu_img, workplace, &self.say, &self.stop);
        for image in needed {
            if wrong.iter().any(|(path, _)| *path == image.path()) {
                continue;
            }
            if let Some(done) = images.add(image)? {
                self.say.step("image", format_args!("{}: {done}", image.path().display()));
            }
        }
        let domains: Vec<_> = self.choice.manifest.domains.iter().enumerate().collect();
        Ok(side_by_side(&domains, AT_ONCE, |&(number, record)| {
            let fate = match wrong_of(record, needed, &wrong) {
                Some(reason) => Fate {
                    name: &record.name,
                    sign: None,
                    left_out: Vec::new(),
                    end: End::DidNot(reason),
                },
                None => self.domain(number, record, needed, &images, workplace),
            };
            match &fate.end {
                End::CameUp(after) => {
                    let seen = fate.sign.as_ref().map(Sign::seen).unwrap_or_default();
                    let seconds = after.as_secs_f64();
                    let text = format!("{}: {seen} after {seconds:.1} s", fate.name);
                    self.say.step("came up", text);
                }
                End::DidNot(reason) => {
                    self.say.warn("failed", format_args!("{}: {reason}", fate.name));
                }
                End::NotTried(error) => {
                    self.say.warn("not tried", format_args!("{}: {error}", fate.name));
                }
            }
            fate
        }))
    }

    /// What is not as recorded, image by image: that it boots would prove nothing.
    fn compare(&self, needed: &'a [Needed<'a>]) -> Result<Vec<(&'a Path, String)>, CliError> {
        let mut found = Vec::new();
        for image in needed {
            if self.stop.is_due() {
                return Err(CliError::failed("interrupted"));
            }
            let wrong = differences(self.choice, image, &self.choice.pool.join(image.path()))?;
            found.extend(wrong.iter().map(|mismatch| (image.path(), mismatch.to_string())));
        }
        if found.is_empty() {
            self.say.step("compare", format_args!("{} as recorded", count(needed.len(), "image")));
        }
        Ok(found)
    }

    /// Starts one domain, waits for its sign, and ends it.
    fn domain(
        &self,
        number: usize,
        record: &'a DomainRecord,
        needed: &[Needed<'_>],
        images: &Images<'_>,
        workplace: &Path,
    ) -> Fate<'a> {
        let mut fate = Fate {
            name: &record.name,
            sign: None,
            left_out: Vec::new(),
            end: End::NotTried(CliError::failed("interrupted")),
        };
        if self.stop.is_due() {
            return fate;
        }
        fate.end = match self.prepare(number, record, needed, images, workplace) {
            Err(error) => End::NotTried(error),
            Ok((stage, made, sign)) => {
                fate.left_out = made.left_out.iter().map(shown).collect();
                fate.sign = Some(sign.clone());
                self.boot(&stage, &made, &sign, &fate)
            }
        };
        fate
    }

    fn prepare(
        &self,
        number: usize,
        record: &DomainRecord,
        needed: &[Needed<'_>],
        images: &Images<'_>,
        workplace: &Path,
    ) -> Result<(Stage, Rehearsal, Sign), CliError> {
        // Names come from the manifest; files here are numbered instead.
        let file = |name: &str| workplace.join(format!("domain-{number}-{name}"));
        let mut disks = Vec::new();
        for (index, disk) in record.disks.iter().enumerate() {
            let image = needed.iter().find(|image| image.path() == disk.image);
            let image = image.ok_or_else(|| CliError::failed("an image was not prepared"))?;
            let place = images.throw_away(image, &file(&format!("disk-{index}")))?;
            disks.push((disk.target.clone(), place));
        }
        let nvram = file("nvram");
        self.copy_nvram(record, &nvram)?;
        let mut stage = Stage {
            name: format!("{PREFIX}{}", record.name),
            uuid: new_uuid(),
            description: leftovers::description(workplace),
            disks,
            nvram,
            console: file("console"),
            may_reboot: false,
        };
        let mut made = rehearsal(&record.xml, &stage)?;
        let sign = self.args.sign.clone().unwrap_or_else(|| Sign::usual(made.agent));
        match &sign {
            Sign::Agent if !made.agent => {
                return Err(CliError::failed("it has no channel for the guest agent"));
            }
            Sign::Serial(_) if made.consoles.is_empty() => {
                return Err(CliError::failed("it has no serial port or console"));
            }
            Sign::Running(_) => {}
            // A guest may set itself up at its first start, and then start again.
            Sign::Agent | Sign::Serial(_) => {
                stage.may_reboot = true;
                made = rehearsal(&record.xml, &stage)?;
            }
        }
        Ok((stage, made, sign))
    }

    /// The variables of UEFI, where the pool has them; else libvirt makes new ones.
    fn copy_nvram(&self, record: &DomainRecord, to: &Path) -> Result<(), CliError> {
        let nvram = Domain::parse(&record.xml)?.nvram;
        let file = nvram.as_ref().and_then(|nvram| nvram.source.file());
        let Some(file) = file.and_then(|file| in_pool(self.choice, file)) else { return Ok(()) };
        let directory = to.parent().unwrap_or(to);
        let mut progress = Progress::new(&self.say, "image", file.display(), 0);
        let copied = copy(&open(self.choice, &file)?, directory, &self.stop, &mut progress)?;
        copied.file.persist(to).map_err(|error| CliError::io("write", to, error.error))?;
        Ok(())
    }

    fn boot(&self, stage: &Stage, made: &Rehearsal, sign: &Sign, fate: &Fate<'_>) -> End {
        if let Err(error) = self.virsh.create(&made.xml) {
            // It may run all the same, where virsh was killed.
            self.end(stage);
            return End::NotTried(error.into());
        }
        let left_out = match fate.left_out.as_slice() {
            [] => String::new(),
            parts => format!(", without {}", parts.join(", ")),
        };
        self.say.step("boot", format_args!("{}: started{left_out}", fate.name));
        let limit = match sign {
            Sign::Running(time) => *time + Duration::from_secs(1),
            Sign::Agent | Sign::Serial(_) => Duration::from_secs(self.args.timeout),
        };
        let consoles: &[PathBuf] = &made.consoles;
        let seen = watch(&self.virsh, &stage.uuid, consoles, sign, limit, &self.stop);
        self.end(stage);
        match seen {
            Ok(Seen::Sign(after)) => End::CameUp(after),
            Ok(Seen::Nothing(reason)) => End::DidNot(reason),
            Err(error) => End::NotTried(error),
        }
    }

    /// Ends the domain, where it has not done so itself.
    fn end(&self, stage: &Stage) {
        let Err(error) = self.virsh.destroy(&stage.uuid) else { return };
        let is_gone = [Some(VirshFailure::NoSuchDomain), Some(VirshFailure::NotRunning)];
        if !is_gone.contains(&error.virsh_failure())
            && let Ok(mut left) = self.left_behind.lock()
        {
            left.push(format!("domain `{}` may still run: {error}", stage.name));
        }
    }
}

/// What is wrong with the images of a domain, those behind its disks included.
fn wrong_of(
    record: &DomainRecord,
    needed: &[Needed<'_>],
    wrong: &[(&Path, String)],
) -> Option<String> {
    let find = |path: &Path| needed.iter().find(|image| image.path() == path);
    let mut reasons = Vec::new();
    for disk in &record.disks {
        let mut next = find(&disk.image);
        while let Some(image) = next {
            let of_image = wrong.iter().filter(|(path, _)| *path == image.path());
            reasons.extend(of_image.map(|(_, reason)| reason.as_str()));
            next = image.backing.and_then(|backing| find(backing.image));
        }
    }
    let first = reasons.first()?;
    Some(match reasons.len() {
        1 => format!("its copy is not as recorded: {first}"),
        more => format!("its copy is not as recorded: {first}, and {} more", more - 1),
    })
}

/// A part that was left out, for a person.
fn shown(part: &Part) -> String {
    match part {
        Part::Disk(target) => format!("disk {target}"),
        Part::Medium(target) => format!("the medium in {target}"),
        Part::Device(name) => name.clone(),
    }
}

/// A random UUID (version 4 of RFC 9562).
fn new_uuid() -> String {
    let random = fastrand::u128(..) & !(0xf000_u128 << 64) & !(0xc000_u128 << 48)
        | (0x4000_u128 << 64)
        | (0x8000_u128 << 48);
    let digits = format!("{random:032x}");
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_one_of_version_4() {
        let uuid = new_uuid();
        let shape: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(shape, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(&uuid[14..15], "4", "{uuid}");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }
}
