//! A pool as it lies at the other site, with images that qemu-img made, and a stand-in for virsh.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program;

/// The run whose manifest lies in the pool.
pub const RUN: &str = "georep-20261124T020000Z";

/// Keeps what it is told to define in files, and starts domains by writing what `console` holds to
/// their consoles. `agent` there is the agent's answer, `broken` what fails.
const VIRSH: &str = r#"#!/bin/sh
world=$(dirname "$0")/world
mkdir -p "$world/defined" "$world/running"
echo "$*" >>"$world/calls"
[ "$1" != --connect ] || shift 2
call=$1
if grep -qsx "$call" "$world/broken"; then echo "error: $call is broken" >&2; exit 1; fi
tag() { sed -n "s:.*<$1>\(.*\)</$1>.*:\1:p" "$2" | head -n 1; }
find_domain() {
    for file in "$world"/running/* "$world"/defined/*; do
        [ ! -e "$file" ] || [ "$(tag name "$file")" != "$1" ] && [ "$(tag uuid "$file")" != "$1" ] || return 0
    done
    echo "error: failed to get domain '$1'" >&2
    exit 1
}
for last; do :; done
case $call in
    list)
        for file in "$world"/running/* "$world"/defined/*; do
            [ ! -e "$file" ] || tag "${last#--}" "$file"
        done ;;
    define) cat "$last" >"$world/new"; mv "$world/new" "$world/defined/$(tag uuid "$world/new")" ;;
    create)
        cat "$last" >"$world/running/$(tag uuid "$last")"
        sed -n "s:.*<source path='\([^']*\)'/>.*:\1:p" "$last" | while read -r console; do
            [ ! -e "$world/console" ] || cat "$world/console" >"$console"
        done ;;
    dumpxml) find_domain "$3"; cat "$file" ;;
    domstate) find_domain "$3"; case $file in */running/*) echo running ;; *) echo 'shut off' ;; esac ;;
    destroy) find_domain "$3"; rm "$file" ;;
    undefine) find_domain "$3"; rm "$file" ;;
    qemu-agent-command)
        [ -e "$world/agent" ] && exit
        echo 'error: Guest agent is not responding: QEMU guest agent is not connected' >&2
        exit 1 ;;
esac
"#;

/// The other site.
#[derive(Debug)]
pub struct Secondary(TempDir);

impl Secondary {
    /// An empty pool, and a virsh that knows no domains.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn new() -> Self {
        let site = Self(tempfile::tempdir().expect("a directory"));
        for directory in ["pool/.georep", "bin/world", "work"] {
            fs::create_dir_all(site.path(directory)).expect("a directory");
        }
        let write = "printf '%s' \"$1\" >\"$2\" && chmod +x \"$2\"";
        let virsh = site.path("bin/virsh");
        let status = Command::new("sh").args(["-c", write, "sh", VIRSH]).arg(virsh).status();
        assert!(status.is_ok_and(|status| status.success()));
        site
    }

    /// A path at the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Runs a line of shell in the pool.
    ///
    /// # Panics
    /// Where it fails.
    #[track_caller]
    pub fn shell(&self, line: &str) -> String {
        let mut command = Command::new("sh");
        let output = command.current_dir(self.path("pool")).args(["-ec", line]).output();
        let output = output.expect("a shell");
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Tells the stand-in for virsh what to be like: see the script.
    ///
    /// # Panics
    /// Where that cannot be written.
    pub fn virsh(&self, file: &str, content: &str) {
        fs::write(self.path("bin/world").join(file), content).expect("a file");
    }

    /// The domains that virsh knows, in the state `defined` or `running`: their XML.
    ///
    /// # Panics
    /// Where they cannot be read.
    pub fn domains(&self, state: &str) -> Vec<String> {
        match fs::read_dir(self.path("bin/world").join(state)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries
                .expect("a directory")
                .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("text"))
                .collect(),
        }
    }

    /// A command line of `georep`.
    pub fn georep(&self, args: &[&str]) -> Command {
        let mut command = program::command();
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(args).env("PATH", format!("{}:{path}", self.text("bin")));
        command
    }

    /// Runs `georep` on the pool.
    ///
    /// # Panics
    /// Where it cannot be run.
    pub fn run(&self, command: &str, args: &[&str]) -> Output {
        let pool = self.text("pool");
        self.georep(&[&[command, "--path", &pool], args].concat()).output().expect("georep")
    }

    /// Writes the manifest of a run over `domains`, each with its disks: target and image.
    ///
    /// # Panics
    /// Where an image cannot be read.
    pub fn record(&self, method: &str, domains: &[(&str, &[(&str, &str)])], images: &[&str]) {
        let domains: Vec<_> =
            domains.iter().map(|(name, disks)| domain_record(name, disks)).collect();
        let images: Vec<_> = images.iter().map(|image| self.image_record(image)).collect();
        let manifest = json!({
            "version": 1, "run": RUN, "method": method, "created": "2026-11-24T02:00:00Z",
            "primary": "gv1", "secondary": "dr::gv2", "pool": "",
            "domains": domains, "images": images,
        });
        self.write_manifest(&manifest);
    }

    /// Reads the manifest.
    ///
    /// # Panics
    /// Where there is none.
    pub fn manifest(&self) -> Value {
        let text = fs::read(self.path("pool/.georep").join(format!("{RUN}.json")));
        serde_json::from_slice(&text.expect("a manifest")).expect("JSON")
    }

    /// Replaces the manifest.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write_manifest(&self, manifest: &Value) {
        let file = self.path("pool/.georep").join(format!("{RUN}.json"));
        fs::write(file, manifest.to_string()).expect("a file");
    }

    fn image_record(&self, image: &str) -> Value {
        let format = if image.ends_with(".img") { "raw" } else { "qcow2" };
        let info = self.shell(&format!("qemu-img info -U --output=json -f {format} {image}"));
        let info: Value = serde_json::from_str(&info).expect("JSON");
        let size = fs::metadata(self.path("pool").join(image)).expect("an image").len();
        let sample = size.min(65536);
        let digest = self.shell(&format!("head -c {sample} {image} | sha256sum | cut -c1-64"));
        let snapshots = info.get("snapshots").and_then(Value::as_array);
        let snapshot = |snapshot: &Value| {
            let field = |name: &str| snapshot[name].clone();
            json!({
                "id": field("id"), "name": field("name"), "vm-state-size": field("vm-state-size"),
                "date-sec": field("date-sec"), "date-nsec": field("date-nsec"),
            })
        };
        let mut record = json!({
            "path": image, "format": format, "size": size, "virtual-size": info["virtual-size"],
            "allocated": size, "samples": [{"offset": 0, "length": sample, "sha256": digest}],
            "snapshots": snapshots.into_iter().flatten().map(snapshot).collect::<Vec<_>>(),
        });
        for (ours, theirs) in
            [("cluster-size", "cluster-size"), ("backing-file", "backing-filename")]
        {
            if let Some(value) = info.get(theirs).filter(|_| format == "qcow2") {
                record[ours] = value.clone();
            }
        }
        record
    }
}

impl Default for Secondary {
    fn default() -> Self {
        Self::new()
    }
}

/// A domain with an agent and a serial port, whose disks were in `/vm` of the primary.
fn domain_record(name: &str, disks: &[(&str, &str)]) -> Value {
    let format = |image: &str| if image.ends_with(".img") { "raw" } else { "qcow2" };
    let disk = |(target, image): &(&str, &str)| {
        format!(
            "  <disk type='file' device='disk'>\n<driver name='qemu' type='{}' cache='none'/>\n\
             <source file='/vm/{image}'/>\n<target dev='{target}' bus='virtio'/>\n</disk>\n",
            format(image)
        )
    };
    let uuid = format!("00000000-0000-4000-8000-{:0>12}", name.len());
    let xml = format!(
        "<domain type='kvm'>\n<name>{name}</name>\n<uuid>{uuid}</uuid>\n<memory>131072</memory>\n\
         <os><type>hvm</type></os>\n<devices>\n{}\
         <disk type='file' device='cdrom'><source file='/iso/{name}.iso'/><target dev='sda'/></disk>\n\
         <interface type='bridge'><source bridge='br0'/></interface>\n\
         <serial type='pty'><target port='0'/></serial>\n<channel type='unix'>\n\
         <target type='virtio' name='org.qemu.guest_agent.0'/></channel>\n</devices>\n</domain>\n",
        disks.iter().map(disk).collect::<String>()
    );
    let disk = |(target, image): &(&str, &str)| json!({"target": target, "image": image});
    let disks: Vec<_> = disks.iter().map(disk).collect();
    json!({"name": name, "uuid": uuid, "state": "running", "disks": disks, "xml": xml})
}

/// Everything a program wrote.
pub fn text(output: &Output) -> String {
    crate::testbed::text(output)
}

/// Whether nothing is in a directory, or there is none.
pub fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none())
}
