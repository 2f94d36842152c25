//! `qemu-img`: what it says about an image, a commit while no domain uses the image, and what a copy
//! of an image needs at another place.
//!
//! The format is always given. An image whose format is guessed can be made by its guest to look
//! like another one, with a backing file of the guest's choice. Paths stand after `--` and are
//! absolute: `a:b` would be taken for a protocol, `-x` for an option.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tool_command::{Command, CommandError, Output, Tool};

use crate::Error;
use crate::commas::double_commas;

/// A commit moves the data of a whole overlay; ended half way it can be started again.
const COMMIT_LIMIT: Duration = Duration::from_secs(12 * 3600);
/// A check reads all tables of an image.
const CHECK_LIMIT: Duration = Duration::from_secs(3600);

/// What QEMU says of an image that another QEMU has open.
const LOCKED: &str = "Is another process using the image";

/// The `qemu-img` program.
#[derive(Debug, Clone)]
pub struct QemuImg {
    tool: Tool,
}

/// Whether an image may be looked at while a domain has it open. Without it a lock is an error:
/// where no domain should run, it is an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nothing else may have the image open for writing.
    Exclusive,
    /// What is read may be inconsistent (`-U`).
    Shared,
}

/// What `qemu-img info` says, of that what does not depend on the file system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ImageInfo {
    /// The format that was asked for.
    pub format: String,
    /// Bytes the guest sees.
    pub virtual_size: u64,
    /// Bytes a cluster.
    pub cluster_size: Option<u64>,
    /// The backing file as the header names it.
    pub backing_filename: Option<String>,
    /// The backing file's format as the header names it.
    pub backing_filename_format: Option<String>,
    /// The internal snapshots; the key is absent where there are none.
    #[serde(default)]
    pub snapshots: Vec<SnapshotInfo>,
}

/// One snapshot of [`ImageInfo`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// The id; what is not UTF-8 is U+FFFD.
    pub id: String,
    /// The name; what is not UTF-8 is U+FFFD.
    pub name: String,
    /// Bytes of memory and device state.
    pub vm_state_size: u64,
    /// When it was taken: seconds since 1970, UTC.
    pub date_sec: u32,
    /// And nanoseconds.
    pub date_nsec: u32,
}

/// What `qemu-img check` found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Places where the image is corrupt.
    pub corruptions: u64,
    /// Clusters in use by nothing: lost space, no lost data.
    pub leaks: u64,
    /// Places that could not be checked.
    pub check_errors: u64,
}

impl CheckReport {
    /// Whether all data is as it should be. Leaked clusters waste space and harm nothing; an
    /// image that a running domain writes to always shows some.
    pub fn is_sound(&self) -> bool {
        self.corruptions == 0 && self.check_errors == 0
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { corruptions, leaks, check_errors } = self;
        write!(f, "{corruptions} corruptions, {check_errors} unreadable places, {leaks} leaks")
    }
}

impl QemuImg {
    /// Uses the `qemu-img` that was found.
    pub fn new(tool: Tool) -> Self {
        Self { tool }
    }

    /// The same, with `lock` held by every qemu-img that it starts, see [`Tool::holding`].
    #[must_use]
    pub fn holding(&self, lock: &Arc<File>) -> Self {
        Self { tool: self.tool.holding(lock) }
    }

    /// Asks what the image at `path` is (`qemu-img info`).
    ///
    /// # Errors
    /// Where `path` is relative, or qemu-img fails or says what is no JSON.
    pub fn info(&self, path: &Path, format: &str, sharing: Sharing) -> Result<ImageInfo, Error> {
        let share: &[&str] = if sharing == Sharing::Shared { &["-U"] } else { &[] };
        let command = self.tool.command(["info", "--output=json", "-f", format]).args(share);
        let command = on_image(command, path)?;
        json(&command, &command.run()?)
    }

    /// Whether a QEMU has the qcow2 image at `path` open for writing: its lock, which GlusterFS
    /// carries from host to host, says so.
    ///
    /// # Errors
    /// As [`QemuImg::info`], for any other reason.
    pub(crate) fn is_in_use(&self, path: &Path) -> Result<bool, Error> {
        let command = self.tool.command(["info", "--output=json", "-f", "qcow2"]);
        match on_image(command, path)?.run() {
            Ok(_) => Ok(false),
            Err(error) if error.stderr().contains(LOCKED) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks the tables of the image at `path` (`qemu-img check`), which nothing may have open.
    /// Its backing file is left alone, and need not be there: at another site an absolute name
    /// leads nowhere.
    ///
    /// # Errors
    /// Where `path` is relative or not UTF-8, or the check could not be made; not where it finds
    /// fault.
    pub fn check(&self, path: &Path, format: &str) -> Result<CheckReport, Error> {
        let image = without_backing_file(path, format)?;
        let command = self.tool.command(["check", "--output=json", "--", &image]);
        let command = command.time_limit(CHECK_LIMIT);
        let output = command.output()?;
        match output.status.code() {
            // Sound, corrupt, leaks.
            Some(0 | 2 | 3) => json(&command, &output),
            _ => Err(failed(&command, &output).into()),
        }
    }

    /// Makes the qcow2 image `overlay`, which does not exist, on top of `backing`.
    ///
    /// # Errors
    /// Where a path is relative or qemu-img fails.
    pub fn create_overlay(
        &self,
        overlay: &Path,
        backing: &Path,
        backing_format: &str,
    ) -> Result<(), Error> {
        let command =
            self.tool.command(["create", "-q", "-f", "qcow2", "-F", backing_format, "-b"]);
        on_image(command.arg(absolute(backing)?), overlay)?.run()?;
        Ok(())
    }

    /// The command line that has the qcow2 image at `path` name `backing` as its backing file, and
    /// reads and changes no data (`qemu-img rebase -u`).
    ///
    /// # Errors
    /// Where `path` is relative.
    pub fn rename_backing(
        &self,
        path: &Path,
        backing: &str,
        backing_format: &str,
    ) -> Result<Command, Error> {
        let command = self.tool.command(["rebase", "-q", "-u", "-f", "qcow2"]);
        on_image(command.args(["-F", backing_format, "-b", backing]), path)
    }

    /// The command line that writes what the internal snapshot `name` of `from` holds of the disk
    /// into the qcow2 image `to` (`qemu-img convert -l`). `from` is only read, and of it only what
    /// the snapshot is made of. Where `from` lies on another image, `to` lies on `backing`, a name
    /// as it shall stand in the header and its format, and holds what `from` does.
    ///
    /// # Errors
    /// Where a path is relative.
    pub fn extract_snapshot(
        &self,
        from: &Path,
        name: &str,
        to: &Path,
        backing: Option<(&str, &str)>,
    ) -> Result<Command, Error> {
        let mut command = self.tool.command(["convert", "-q", "-f", "qcow2", "-O", "qcow2"]);
        command = command.args(["-l", &format!("snapshot.name={name}")]);
        if let Some((backing, format)) = backing {
            command = command.args(["-F", format, "-B", backing]);
        }
        let command = command.args([OsStr::new("--"), absolute(from)?, absolute(to)?]);
        Ok(command.time_limit(COMMIT_LIMIT))
    }

    /// Deletes the internal snapshot `name` of the image at `path` (`qemu-img snapshot -d`), which
    /// nothing may have open. The name must be no number: it could be another one's id.
    pub(crate) fn delete_snapshot(&self, path: &Path, name: &str) -> Result<(), Error> {
        if !path.is_absolute() {
            return Err(Error::RelativePath { path: path.to_owned() });
        }
        // Before version 9 the format can be given to this subcommand in no other way.
        let mut options = OsString::from("driver=qcow2,file.driver=file,file.filename=");
        options.push(double_commas(path));
        let command = self.tool.command(["snapshot", "-d", name, "--image-opts", "--"]);
        command.arg(options).time_limit(COMMIT_LIMIT).run()?;
        Ok(())
    }

    /// Writes what `overlay` holds into `base`, some image behind it, and leaves the overlay as it
    /// is (`qemu-img commit -d`). Ended half way it can be started again.
    ///
    /// # Errors
    /// Where `overlay` is relative or qemu-img fails, as it does while a domain has it open.
    pub(crate) fn commit(&self, overlay: &Path, base: &Path) -> Result<(), Error> {
        let command = self.tool.command(["commit", "-q", "-d", "-f", "qcow2", "-b"]).arg(base);
        on_image(command, overlay)?.time_limit(COMMIT_LIMIT).run()?;
        Ok(())
    }
}

fn on_image(command: Command, path: &Path) -> Result<Command, Error> {
    Ok(command.args([OsStr::new("--"), absolute(path)?]))
}

fn absolute(path: &Path) -> Result<&OsStr, Error> {
    if path.is_absolute() {
        Ok(path.as_os_str())
    } else {
        Err(Error::RelativePath { path: path.to_owned() })
    }
}

/// The image at `path` in the words of QEMU's block layer: no other way opens one without what is
/// behind it.
fn without_backing_file(path: &Path, format: &str) -> Result<String, Error> {
    if !path.is_absolute() {
        return Err(Error::RelativePath { path: path.to_owned() });
    }
    let name = path.to_str().ok_or_else(|| Error::NotUtf8 { path: path.to_owned() })?;
    let file = json!({ "driver": "file", "filename": name });
    Ok(format!("json:{}", json!({ "driver": format, "file": file, "backing": null })))
}

fn json<T: DeserializeOwned>(command: &Command, output: &Output) -> Result<T, Error> {
    serde_json::from_slice(&output.stdout)
        .map_err(|source| Error::Json { of: command.to_string(), source })
}

fn failed(command: &Command, output: &Output) -> CommandError {
    CommandError::Failed {
        line: command.to_string(),
        status: output.status,
        stdout: output.stdout_lossy(),
        stderr: output.stderr_lossy(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From qemu-img 10.0.2, shortened; 7.2 has no `children`.
    const INFO: &str = r#"{"children": [{"name": "file", "info": {"format": "file"}}],
        "snapshots": [{"icount": 0, "vm-clock-nsec": 28897630, "name": "s-int",
            "date-sec": 1795411093, "date-nsec": 301647000, "vm-clock-sec": 2, "id": "1",
            "vm-state-size": 803761}],
        "virtual-size": 67108864, "filename": "/vm/vda.qcow2", "cluster-size": 65536,
        "format": "qcow2", "actual-size": 2117632, "dirty-flag": false,
        "format-specific": {"type": "qcow2", "data": {"compat": "1.1"}}}"#;

    #[test]
    fn info_is_read_whatever_else_a_version_adds() {
        let info: ImageInfo = serde_json::from_str(INFO).unwrap();
        assert_eq!((info.virtual_size, info.cluster_size), (67_108_864, Some(65_536)));
        assert_eq!(
            (info.snapshots[0].id.as_str(), info.snapshots[0].vm_state_size),
            ("1", 803_761)
        );
    }

    #[test]
    fn an_image_without_snapshots_has_no_such_key() {
        let info: ImageInfo =
            serde_json::from_str(r#"{"format": "raw", "virtual-size": 1}"#).unwrap();
        assert!(info.snapshots.is_empty());
    }

    #[test]
    fn leaks_are_no_fault_and_corruptions_are() {
        let report = |json| serde_json::from_str::<CheckReport>(json).unwrap();
        assert!(report(r#"{"leaks": 7, "check-errors": 0}"#).is_sound());
        assert!(!report(r#"{"corruptions": 1, "check-errors": 0}"#).is_sound());
        assert!(!report(r#"{"check-errors": 1}"#).is_sound());
    }

    #[test]
    fn a_check_ends_by_its_status() {
        let tool = |script: &str| {
            let dir = tempfile::tempdir().unwrap();
            (QemuImg::new(tool_command::script(&dir.path().join("qemu-img"), script)), dir)
        };
        let check = |script| {
            let (qemu_img, _dir) = tool(script);
            qemu_img.check(Path::new("/image"), "qcow2")
        };
        assert!(!check(r#"echo '{"corruptions": 2}'; exit 2"#).unwrap().is_sound());
        assert!(check(r#"echo '{"leaks": 2}'; exit 3"#).unwrap().is_sound());
        let error = check("echo 'Image is not in qcow2 format' >&2; exit 1").unwrap_err();
        assert!(error.to_string().ends_with("Image is not in qcow2 format"), "{error}");
    }

    #[test]
    fn a_relative_path_is_refused() {
        let qemu_img = QemuImg::new(Tool::at("/bin/false"));
        let (nbd, file) = (Path::new("nbd:unix:x"), Path::new("/a"));
        for error in [
            qemu_img.info(nbd, "qcow2", Sharing::Exclusive).unwrap_err(),
            qemu_img.create_overlay(file, nbd, "raw").unwrap_err(),
            qemu_img.rename_backing(nbd, "b", "raw").unwrap_err(),
            qemu_img.extract_snapshot(file, "s", nbd, None).unwrap_err(),
        ] {
            assert!(matches!(error, Error::RelativePath { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_snapshot_is_taken_out_onto_the_same_backing_file() {
        let qemu_img = QemuImg::new(Tool::at("/bin/qemu-img"));
        let (from, to) = (Path::new("/from"), Path::new("/to"));
        let command = qemu_img.extract_snapshot(from, "s", to, Some(("golden", "raw"))).unwrap();
        assert_eq!(
            command.to_string(),
            "/bin/qemu-img convert -q -f qcow2 -O qcow2 -l 'snapshot.name=s' -F raw -B golden -- \
             /from /to"
        );
    }
}
