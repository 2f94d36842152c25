//! `georep restore`: VMs out of the secondary, at the other site, with the primary gone.
//!
//! The secondary is only read. Everything is compared with the manifest twice: where it lies,
//! before anything is copied, and what was copied, before anything is defined. On every way out but
//! the good one all that was made is taken away again. To fail over nothing is copied, and the
//! domains are defined on what lies there.

mod chain;
mod choice;
mod copy;
mod plan;
mod report;
mod script;
mod take_out;
mod undo;

use std::path::Path;

use qcow2_snap::qemu_img::QemuImg;
use qcow2_snap::virsh::Virsh;
use tempfile::NamedTempFile;
use tool_command::Stop;

pub(crate) use self::chain::{Needed, in_pool, needed, open};
pub(crate) use self::choice::Choice;
use self::copy::Copied;
pub(crate) use self::copy::{copy, has_unreadable_holes};
use self::plan::Plan;
use self::report::{RestoredImage, Stopped};
use self::undo::Made;
use crate::args::RestoreArgs;
use crate::compare::{self, Mismatch};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::image_file::ImageFile;
use crate::say::{Progress, count};
use crate::say::{Say, bytes};
use crate::signals;
use crate::tools::search_path;

/// Everything a restore works with.
#[derive(Debug)]
struct Restore<'p, 'm> {
    plan: &'p Plan<'m>,
    virsh: Virsh,
    qemu_img: QemuImg,
    say: Say,
    stop: Stop,
}

/// Runs `georep restore`.
///
/// # Errors
/// What failed, with the exit code that says in which state everything was left.
pub(crate) fn run(args: &RestoreArgs) -> Result<Exit, CliError> {
    let choice = Choice::make(&args.path, args.run.as_deref(), &args.domain)?;
    let path = search_path();
    let virsh = Virsh::new(path.find("virsh")?, args.connect.clone());
    let plan = match &args.to {
        Some(to) => Plan::copy_into(&choice, to)?,
        None => Plan::in_place(&choice)?,
    };
    plan.must_be_new(&virsh)?;
    if args.dry_run {
        let qemu_img = QemuImg::new(path.find("qemu-img")?);
        anstream::print!("{}", script::script(&plan, &qemu_img, args.connect.as_deref())?);
        return Ok(Exit::Done);
    }
    let say = Say::begin(headline(&plan), args.progress.mode);
    let stop = signals::catch()?;
    let qemu_img = QemuImg::new(path.find("qemu-img")?.stopped_by(&stop));
    let restore = Restore { plan: &plan, virsh, qemu_img, say, stop };
    let result = restore.run();
    report::report(&plan, &restore.say, args.json, result)
}

fn headline(plan: &Plan<'_>) -> String {
    let Choice { pool, manifest } = plan.choice;
    let from = format!("restore of {} ({})", manifest.run, manifest.method);
    match plan.is_in_place() {
        true => format!("{from} in place, in `{}`", pool.display()),
        false => format!("{from} from `{}` to `{}`", pool.display(), plan.to.display()),
    }
}

impl Restore<'_, '_> {
    fn run(&self) -> Result<Vec<RestoredImage>, Stopped> {
        let plan = self.plan;
        for domain in &plan.domains {
            let (name, disks) = (&domain.record.name, &domain.record.disks);
            let disks: Vec<_> = disks.iter().map(|disk| disk.target.as_str()).collect();
            self.say.step("plan", format_args!("{name}: {}", disks.join(", ")));
            for warning in &domain.warnings {
                self.say.warn("plan", format_args!("{name}: {warning}"));
            }
        }
        for left in copy::left_in(&plan.to) {
            self.say.warn(
                "plan",
                format_args!("`{}` is of a restore that was killed, or is at work", left.display()),
            );
        }
        self.compare()?;
        if plan.is_in_place() {
            self.define()?;
            return Ok(Vec::new());
        }
        let mut made = Made::default();
        made.directory(&plan.to)?;
        plan.must_have_room()?;
        let images = self.images(&mut made)?;
        self.define()?;
        made.keep();
        Ok(images)
    }

    /// Holds every image on the secondary against its record: hours of copying are better not begun
    /// where it is for nothing.
    fn compare(&self) -> Result<(), Stopped> {
        let choice = self.plan.choice;
        let mut found = Vec::new();
        for image in &self.plan.images {
            if self.stop.is_due() {
                return Err(CliError::failed("interrupted").into());
            }
            found.extend(differences(choice, image, &choice.pool.join(image.path()))?);
        }
        if found.is_empty() {
            let images = count(self.plan.images.len(), "image");
            self.say.step("compare", format_args!("{images} as recorded"));
            return Ok(());
        }
        Err(Stopped::Mismatch(found))
    }

    fn images(&self, made: &mut Made) -> Result<Vec<RestoredImage>, Stopped> {
        let plan = self.plan;
        let mut images = Vec::new();
        for image in &plan.images {
            images.push(self.image(image, made)?);
        }
        for nvram in plan.domains.iter().filter_map(|domain| domain.nvram.as_deref()) {
            let to = plan.to.join(nvram);
            if !to.exists() {
                let from = chain::open(plan.choice, nvram)?;
                let Copied { file, read } = self.copy(&from, &to, made)?;
                made.name(file, &to)?;
                images.push(RestoredImage { file: to, read });
            }
        }
        Ok(images)
    }

    fn copy(&self, from: &ImageFile, to: &Path, made: &mut Made) -> Result<Copied, CliError> {
        let directory = to.parent().unwrap_or(to);
        made.directory(directory)?;
        let name = to.strip_prefix(&self.plan.to).unwrap_or(to);
        let mut progress =
            Progress::new(&self.say, "copy", name.display(), from.size().unwrap_or(0));
        copy(from, directory, &self.stop, &mut progress)
    }

    /// Copies one image, compares what was copied, and makes of it what it is to be here.
    fn image(&self, image: &Needed<'_>, made: &mut Made) -> Result<RestoredImage, Stopped> {
        let (plan, to) = (self.plan, self.plan.to.join(image.path()));
        let from = chain::open(plan.choice, image.path())?;
        let Copied { mut file, read } = self.copy(&from, &to, made)?;
        let found = differences(plan.choice, image, file.path())?;
        if !found.is_empty() {
            return Err(Stopped::Mismatch(found));
        }
        if let Some(rename) = take_out::rename(plan, &self.qemu_img, image, file.path())? {
            rename.run()?;
        }
        if plan.is_snapshot(image) {
            file = self.take_out(image, &file, &to)?;
        }
        take_out::check(plan, image, file.path())?;
        made.name(file, &to)?;
        let how = match (read, plan.is_snapshot(image)) {
            (0, _) => "cloned".to_owned(),
            (read, false) => format!("{} read", bytes(read)),
            (read, true) => format!("{} read, the snapshot taken out", bytes(read)),
        };
        self.say.step("copy", format_args!("{}: {how}", image.path().display()));
        Ok(RestoredImage { file: to, read })
    }

    fn take_out(
        &self,
        image: &Needed<'_>,
        from: &NamedTempFile,
        to: &Path,
    ) -> Result<NamedTempFile, CliError> {
        let directory = to.parent().unwrap_or(to);
        let unwritable = |source| CliError::io("write into", directory, source);
        let file = copy::temporary_in(directory).map_err(unwritable)?;
        take_out::extract(self.plan, &self.qemu_img, image, from.path(), file.path())?.run()?;
        let permissions = from.as_file().metadata().map_err(unwritable)?.permissions();
        file.as_file().set_permissions(permissions).map_err(unwritable)?;
        Ok(file)
    }

    /// Defines the domains, all of them or none.
    fn define(&self) -> Result<(), CliError> {
        let mut defined: Vec<&str> = Vec::new();
        for domain in &self.plan.domains {
            // Somebody may have defined it meanwhile: libvirt would replace it without a word.
            let ready = match self.stop.is_due() {
                true => Err(CliError::failed("interrupted")),
                false => self.plan.must_be_new_but(&self.virsh, &defined),
            };
            let result = ready.and_then(|()| Ok(self.virsh.define(&domain.xml)?));
            match result {
                Ok(()) => defined.push(&domain.record.uuid),
                Err(error) => return Err(self.undefine(&defined, error)),
            }
            let name = &domain.record.name;
            self.say.step("define", format_args!("{name}: defined, not started"));
        }
        Ok(())
    }

    /// What was defined goes before its images do.
    fn undefine(&self, defined: &[&str], error: CliError) -> CliError {
        let failures: Vec<_> =
            defined.iter().filter_map(|uuid| self.virsh.undefine(uuid).err()).collect();
        match failures.first() {
            None => error,
            Some(failure) => CliError::new(
                Exit::LeftBehind,
                format!("{error}; a domain is defined whose images are gone: {failure}"),
            ),
        }
    }
}

/// How the copy of `image` at `file` differs from its record.
///
/// # Errors
/// Where that cannot be told.
pub(crate) fn differences(
    choice: &Choice,
    image: &Needed<'_>,
    file: &Path,
) -> Result<Vec<Mismatch>, CliError> {
    let found = compare::quick(&choice.manifest, image.record, file)?;
    let file = image.path();
    let mismatch = |difference| Mismatch { file: file.to_owned(), difference };
    Ok(found.into_iter().map(mismatch).collect())
}
