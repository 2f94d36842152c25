//! `georep inspect` on images that qemu-img made, and on what is none.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use georep_tests::images::run_all;
use georep_tests::program;
use serde_json::Value;
use tempfile::TempDir;

const TESTS: &[(&str, fn())] = &[
    ("json_says_what_qemu_img_says_and_the_verdict", json_as_qemu_img),
    ("the_exit_code_tells_valid_from_damaged_from_unreadable", exit_codes),
    ("many_images_are_shown_in_the_order_they_were_named", many_images),
    ("a_snapshot_whose_name_is_hostile_is_shown_escaped", hostile_name),
];

fn main() -> ExitCode {
    run_all("`georep inspect`", TESTS)
}

struct Images(TempDir);

impl Images {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn qemu_img(&self, args: &[&str]) -> String {
        let output =
            Command::new("qemu-img").current_dir(self.0.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// An image with a snapshot.
    fn image(&self, name: &str) -> PathBuf {
        self.qemu_img(&["create", "-q", "-f", "qcow2", name, "8M"]);
        self.qemu_img(&["snapshot", "-c", "before", name]);
        self.path(name)
    }

    /// One whose snapshot table was lost: qemu-img shows it as sound.
    fn cut(&self, name: &str) -> PathBuf {
        let path = self.image(name);
        let bytes = std::fs::read(&path).unwrap();
        let table = u64::from_be_bytes(bytes[64..72].try_into().unwrap());
        std::fs::write(&path, &bytes[..usize::try_from(table).unwrap()]).unwrap();
        path
    }
}

fn inspect(args: &[&Path]) -> Output {
    program::command().arg("inspect").args(args).output().unwrap()
}

fn json(args: &[&Path]) -> Value {
    let output = inspect(&[&[Path::new("--json")], args].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn json_as_qemu_img() {
    let images = Images::new();
    images.image("golden.qcow2");
    images.qemu_img(&["create", "-q", "-f", "qcow2", "-b", "golden.qcow2", "-F", "qcow2", "top"]);
    images.qemu_img(&["create", "-q", "-f", "qcow2", "-o", "compat=0.10", "old", "1M"]);
    images.qemu_img(&["create", "-q", "-f", "qcow2", "-o", "extended_l2=on", "extended", "1M"]);
    images.qemu_img(&["create", "-q", "-f", "qcow2", "-o", "data_file=data", "external", "1M"]);
    for name in ["golden.qcow2", "top", "old", "extended", "external"] {
        let path = images.path(name);
        let shown = path.display().to_string();
        let theirs = images.qemu_img(&["info", "--output=json", "-f", "qcow2", &shown]);
        let mut theirs: Value = serde_json::from_str(&theirs).unwrap();
        // Of the file, not of the image; newer versions print it.
        theirs.as_object_mut().unwrap().remove("children");
        let ours = json(&[&path]);
        let mut ours = ours[0].as_object().unwrap().clone();
        assert_eq!(ours.remove("verdict").unwrap(), "valid");
        assert_eq!(ours.remove("problems").unwrap(), Value::Array(Vec::new()));
        assert_eq!(Value::Object(ours), theirs, "{name}");
    }
}

fn exit_codes() {
    let images = Images::new();
    let (good, cut, none) = (images.image("good"), images.cut("cut"), images.path("none"));
    let text = images.path("text");
    std::fs::write(&text, "no image").unwrap();
    for (args, code) in [
        (vec![&*good], 0),
        (vec![&*good, &*cut], 4),
        (vec![&*good, &*text], 4),
        (vec![&*cut, &*none], 1),
        (vec![], 2),
    ] {
        assert_eq!(inspect(&args).status.code(), Some(code), "{args:?}");
    }
    let shown = json(&[&cut, &text, &none]);
    let codes = |index: usize| shown[index]["problems"][0]["code"].clone();
    assert_eq!(
        (&shown[0]["verdict"], codes(0)),
        (&"damaged".into(), "snapshot-table-past-end".into())
    );
    assert_eq!((&shown[1]["verdict"], codes(1)), (&"rejected".into(), "not-qcow2".into()));
    assert!(shown[2]["error"].as_str().unwrap().contains("No such file"));
}

fn many_images() {
    let images = Images::new();
    let all: Vec<_> = (0..60).map(|number| images.image(&format!("{number}.qcow2"))).collect();
    let args: Vec<_> = all.iter().map(PathBuf::as_path).collect();
    let shown = json(&args);
    let names: Vec<_> = shown.as_array().unwrap().iter().map(|image| &image["filename"]).collect();
    let expected: Vec<Value> = all.iter().map(|path| path.display().to_string().into()).collect();
    assert_eq!(names, expected.iter().collect::<Vec<_>>());
}

fn hostile_name() {
    let images = Images::new();
    images.qemu_img(&["create", "-q", "-f", "qcow2", "image", "8M"]);
    images.qemu_img(&["snapshot", "-c", "\u{1b}[2Jgone\n", "image"]);
    let output = inspect(&[&images.path("image")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(r"\u{1b}[2Jgone\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}
