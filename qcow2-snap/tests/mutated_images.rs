//! Hundreds of images, each with one thing changed, against what qemu-img says of them.
//!
//! - QEMU opens an image if and only if it is not rejected here.
//! - Where it opens one, both read the same values.
//! - Where `qemu-img check` finds corruption, or shows a snapshot without a name, the image is not
//!   valid here, but for what [`BEYOND_HEADER_AND_SNAPSHOT_TABLE`] lists.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test may end, and says so aloud"
)]

mod mutations;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::{Arguments, Failed, Trial};
use mutations::{Base, Mutation, bases, mutations};
use qcow2_snap::image::{Image, Inspection, Verdict, inspect};
use serde_json::Value;
use tool_command::{CommandError, SearchPath, Tool};

/// Mutations that are valid here although a check fails, by how their names begin, and why.
const BEYOND_HEADER_AND_SNAPSHOT_TABLE: &[(&str, &str)] = &[
    ("header crypt_method = 0x1", "a check needs the key"),
    ("header backing_file_", "names another backing file, which a check wants to open"),
    ("extension data file", "names another data file, which a check wants to open"),
];

fn main() -> ExitCode {
    let tool = SearchPath::new(std::env::var_os("PATH").as_deref()).find("qemu-img");
    if let Err(error) = &tool {
        eprintln!("SKIPPED: the comparison of mutated images with QEMU: {error}");
        if std::env::var_os("GEOREP_TEST_NOTHING_SKIPPED").is_some() {
            return ExitCode::FAILURE;
        }
    }
    let ignored = tool.is_err();
    let trial = Trial::test("every_mutated_image_is_to_us_what_it_is_to_qemu", move || {
        tool.map_err(Failed::from).and_then(|qemu_img| compare_all(&qemu_img))
    });
    let trials = vec![trial.with_ignored_flag(ignored)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// How the images fared, for the line at the end: verdict and number.
type Tally = BTreeMap<Verdict, usize>;

fn compare_all(qemu_img: &Tool) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let bases = bases(qemu_img, directory.path());
    let cases: Vec<_> =
        bases.iter().flat_map(|base| mutations(base).into_iter().map(move |m| (base, m))).collect();
    assert!(cases.len() >= 400, "only {} cases", cases.len());
    let next = AtomicUsize::new(0);
    let (failures, tally) = (Mutex::new(Vec::new()), Mutex::new(Tally::new()));
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let path = directory.path().join(format!("{worker}.qcow2"));
            let (next, cases, failures, tally) = (&next, &cases, &failures, &tally);
            scope.spawn(move || {
                while let Some((base, mutation)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match compare(qemu_img, base, mutation, &path) {
                        Ok(verdict) => *tally.lock().unwrap().entry(verdict).or_default() += 1,
                        Err(reason) => failures
                            .lock()
                            .unwrap()
                            .push(format!("{}: {}: {reason}", base.name, mutation.name)),
                    }
                }
            });
        }
    });
    eprintln!("{} images: {:?}", cases.len(), tally.into_inner()?);
    let failures = failures.into_inner()?;
    if failures.is_empty() {
        return Ok(());
    }
    let (count, shown) = (failures.len(), failures.join("\n"));
    Err(format!("{count} of {} images:\n{shown}", cases.len()).into())
}

fn compare(
    qemu_img: &Tool,
    base: &Base,
    mutation: &Mutation,
    path: &Path,
) -> Result<Verdict, String> {
    let bytes = mutation.apply(&base.bytes);
    std::fs::write(path, &bytes).unwrap();
    let inspection = inspect(Cursor::new(&bytes)).unwrap();
    let verdict = inspection.verdict();
    let ours = || format!("{verdict} ({})", codes(&inspection));
    let info = qemu_img.command(["info", "--output=json", "-f", "qcow2", "--"]).arg(path).output();
    let info = info.map_err(|error: CommandError| error.to_string())?;
    if info.status.success() != (verdict != Verdict::Rejected) {
        return Err(format!("here {}, but QEMU: {}", ours(), info.stderr_lossy()));
    }
    let Some(image) = &inspection.image else {
        return Ok(verdict);
    };
    let info: Value = serde_json::from_slice(&info.stdout).map_err(|error| error.to_string())?;
    same_values(image, &info)?;
    if verdict == Verdict::Valid {
        let nameless = |snapshot: &Value| snapshot["name"] == "";
        if info["snapshots"].as_array().is_some_and(|all| all.iter().any(nameless)) {
            return Err("valid here, but QEMU shows a snapshot without a name".to_owned());
        }
        let check = qemu_img.command(["check", "--output=json", "-f", "qcow2", "--"]);
        let check = check.arg(path).output().map_err(|error| error.to_string())?;
        let listed = BEYOND_HEADER_AND_SNAPSHOT_TABLE
            .iter()
            .any(|(name, _)| mutation.name.starts_with(name));
        // 0 sound, 3 leaks: no data is lost.
        if !matches!(check.status.code(), Some(0 | 3)) && !listed {
            let said = check.stdout_lossy() + &check.stderr_lossy();
            return Err(format!("valid here, but a check finds: {said}"));
        }
    }
    Ok(verdict)
}

fn codes(inspection: &Inspection) -> String {
    let codes: Vec<_> = inspection.problems.iter().map(|problem| problem.code.as_str()).collect();
    codes.join(", ")
}

/// Holds every value against the one that `qemu-img info` prints.
fn same_values(image: &Image, info: &Value) -> Result<(), String> {
    let header = &image.header;
    let data = &info["format-specific"]["data"];
    let backing = header.backing.as_ref();
    let flag = |holds: bool| Value::from(holds);
    let v3 = header.version == 3;
    let expected = [
        ("virtual-size", &info["virtual-size"], Value::from(header.virtual_size / 512 * 512)),
        ("cluster-size", &info["cluster-size"], Value::from(header.cluster_size())),
        ("backing-filename", &info["backing-filename"], backing.map(|b| b.file.clone()).into()),
        (
            "backing-filename-format",
            &info["backing-filename-format"],
            backing.and_then(|b| b.format.clone()).into(),
        ),
        ("dirty-flag", &info["dirty-flag"], flag(header.is_dirty())),
        ("compat", &data["compat"], Value::from(if v3 { "1.1" } else { "0.10" })),
        ("refcount-bits", &data["refcount-bits"], Value::from(header.refcount_bits())),
    ];
    for (what, theirs, ours) in expected {
        if *theirs != ours {
            return Err(format!("{what}: here {ours}, in QEMU {theirs}"));
        }
    }
    if v3 {
        let expected = [
            ("corrupt", header.is_corrupt()),
            ("lazy-refcounts", header.has_lazy_refcounts()),
            ("extended-l2", header.has_extended_l2()),
        ];
        for (what, ours) in expected {
            if data.get(what).is_some_and(|theirs| *theirs != flag(ours)) {
                return Err(format!("{what}: here {ours}, in QEMU {}", data[what]));
            }
        }
    }
    // Where the data is in another file QEMU shows no snapshots, whatever the table holds.
    if header.has_data_file() {
        return Ok(());
    }
    let none = Vec::new();
    let theirs = info["snapshots"].as_array().unwrap_or(&none);
    if theirs.len() != image.snapshots.len() {
        return Err(format!("{} snapshots, in QEMU {}", image.snapshots.len(), theirs.len()));
    }
    for (ours, theirs) in image.snapshots.iter().zip(theirs) {
        let ours = serde_json::json!({
            "id": ours.id_text(),
            "name": ours.name_text(),
            "vm-state-size": ours.vm_state_size.cast_signed(),
            "date-sec": ours.date_sec,
            "date-nsec": ours.date_nsec,
            "vm-clock-sec": ours.vm_clock_nsec / 1_000_000_000,
            "vm-clock-nsec": ours.vm_clock_nsec % 1_000_000_000,
            "icount": ours.icount.map(u64::cast_signed),
        });
        for (key, ours) in ours.as_object().unwrap() {
            if theirs[key] != *ours {
                return Err(format!("snapshot's {key}: here {ours}, in QEMU {}", theirs[key]));
            }
        }
    }
    Ok(())
}
