//! A restore as a person would type it: for `--dry-run`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use qcow2_snap::qemu_img::QemuImg;
use tool_command::Tool;

use super::chain::{self, Needed};
use super::copy::has_unreadable_holes;
use super::plan::Plan;
use super::take_out::{backing_name, extract, rename};
use crate::error::CliError;

/// The lines of shell that do what `plan` does, but for the comparing.
///
/// # Errors
/// Where an image cannot be read.
pub(super) fn script(
    plan: &Plan<'_>,
    qemu_img: &QemuImg,
    connect: Option<&str>,
) -> Result<String, CliError> {
    let mut lines = String::from("set -e\n");
    if !plan.is_in_place() {
        copies(&mut lines, plan, qemu_img)?;
    }
    for domain in &plan.domains {
        for warning in &domain.warnings {
            put(&mut lines, &format_args!("# {:?}: {warning:?}", domain.record.name));
        }
        let connect = connect.into_iter().flat_map(|uri| ["--connect", uri]);
        let define = Tool::at("virsh").command(connect).args(["define", "/dev/stdin"]);
        let end = end_of(&domain.xml);
        put(&mut lines, &format_args!("{define} <<'{end}'\n{}\n{end}", domain.xml.trim_end()));
    }
    Ok(lines)
}

fn copies(lines: &mut String, plan: &Plan<'_>, qemu_img: &QemuImg) -> Result<(), CliError> {
    let files = plan.files();
    let directories: BTreeSet<_> =
        files.iter().filter_map(|file| Some(plan.to.join(file.parent()?))).collect();
    for directory in directories {
        line(lines, "mkdir", &["-p", "--"], &[&directory.components().collect::<PathBuf>()]);
    }
    for image in &plan.images {
        let to = plan.to.join(image.path());
        let copy = if plan.is_snapshot(image) { with_suffix(&to, ".copy") } else { to.clone() };
        copy_line(lines, plan, image, &copy)?;
        if let Some(command) = rename(plan, qemu_img, image, &copy)? {
            put(lines, &command);
        }
        if plan.is_snapshot(image) {
            put(lines, &extract(plan, qemu_img, image, &copy, &to)?);
            line(lines, "rm", &["--"], &[&copy]);
        }
        if let Some(name) = backing_name(plan, image) {
            put(lines, &format_args!("# {:?} lies on {name:?}", image.path()));
        }
    }
    for nvram in plan.domains.iter().filter_map(|domain| domain.nvram.as_deref()) {
        line(lines, "cp", &["--"], &[&plan.choice.pool.join(nvram), &plan.to.join(nvram)]);
    }
    Ok(())
}

/// `cp`, or where the read-only volume does not let holes be read, `dd`, which goes on after them.
fn copy_line(
    lines: &mut String,
    plan: &Plan<'_>,
    image: &Needed<'_>,
    to: &Path,
) -> Result<(), CliError> {
    let from = plan.choice.pool.join(image.path());
    let file = chain::open(plan.choice, image.path())?;
    let unreadable = |source| CliError::io("read the image", file.path(), source);
    if !has_unreadable_holes(&file).map_err(unreadable)? {
        line(lines, "cp", &["--sparse", "always", "--"], &[&from, to]);
        return Ok(());
    }
    put(lines, &"# It has holes, which cannot be read on a read-only secondary: they are zeros.");
    let operand = |name: &str, path: &Path| {
        let mut text = std::ffi::OsString::from(name);
        text.push(path);
        text
    };
    let dd = Tool::at("dd").command([operand("if=", &from), operand("of=", to)]);
    put(lines, &dd.args(["bs=1M", "conv=noerror,sync,sparse", "status=none"]));
    let size = file.size().map_err(unreadable)?.to_string();
    line(lines, "truncate", &["--size", &size, "--"], &[to]);
    Ok(())
}

fn line(lines: &mut String, program: &str, options: &[&str], paths: &[&Path]) {
    put(lines, &Tool::at(program).command(options.iter().copied()).args(paths.iter().copied()));
}

fn put(lines: &mut String, text: &dyn std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(lines, "{text}");
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A word that ends a here-document with this text, and is no line of it.
fn end_of(text: &str) -> String {
    let mut end = "END".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    end
}
