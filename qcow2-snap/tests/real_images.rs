//! What is read here, against what qemu-img says of the same image.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test may end, and says so aloud"
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use qcow2_snap::image::{Extent, ExtentKind, Image, Point, extents};
use qcow2_snap::qemu_img::{QemuImg, Sharing};
use tempfile::TempDir;
use tool_command::{CommandError, SearchPath, Tool};

const TESTS: &[(&str, fn())] = &[
    (
        "header_and_snapshots_are_as_qemu_img_sees_them",
        header_and_snapshots_are_as_qemu_img_sees_them,
    ),
    (
        "the_data_of_the_active_state_is_where_qemu_img_maps_it",
        the_data_of_the_active_state_is_where_qemu_img_maps_it,
    ),
    (
        "a_snapshot_stays_byte_for_byte_while_the_disk_is_written_on",
        a_snapshot_stays_byte_for_byte_while_the_disk_is_written_on,
    ),
    (
        "a_truncated_image_that_qemu_img_shows_as_sound_is_damaged",
        a_truncated_image_that_qemu_img_shows_as_sound_is_damaged,
    ),
    ("a_check_tells_sound_from_corrupt", a_check_tells_sound_from_corrupt),
    ("a_check_needs_no_backing_file", a_check_needs_no_backing_file),
];

/// Without the tools every test here is shown as ignored; where nothing may be skipped, as in CI,
/// that is a failure.
fn main() -> ExitCode {
    let missing = tools().err();
    if let Some(error) = &missing {
        eprintln!("SKIPPED: {} comparisons with QEMU: {error}", TESTS.len());
        if std::env::var_os("GEOREP_TEST_NOTHING_SKIPPED").is_some() {
            return ExitCode::FAILURE;
        }
    }
    let trial = |&(name, test): &(&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
        .with_ignored_flag(missing.is_some())
    };
    libtest_mimic::run(&Arguments::from_args(), TESTS.iter().map(trial).collect()).exit_code()
}

fn tools() -> Result<[Tool; 2], CommandError> {
    let path = SearchPath::new(std::env::var_os("PATH").as_deref());
    Ok([path.find("qemu-img")?, path.find("qemu-io")?])
}

/// The real tools, and a place for images.
struct Bench {
    img: Tool,
    io: Tool,
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let [img, io] = tools().unwrap();
        Self { img, io, directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn create(&self, name: &str, options: &[&str]) -> PathBuf {
        let path = self.path(name);
        let command = self.img.command(["create", "-q", "-f", "qcow2"]).args(options);
        command.arg(&path).arg("64M").run().unwrap();
        path
    }

    fn write(&self, path: &Path, what: &str) {
        self.io.command(["-f", "qcow2", "-c", what]).arg(path).run().unwrap();
    }

    fn snapshot(&self, path: &Path, name: &str) {
        self.img.command(["snapshot", "-c", name]).arg(path).run().unwrap();
    }

    /// Data that the active state has in the file itself, as `qemu-img map` sees it.
    fn mapped(&self, path: &Path) -> Vec<(u64, u64)> {
        let command = self.img.command(["map", "--output=json", "-f", "qcow2"]).arg(path);
        let output = command.run().unwrap();
        let map: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let runs = map.as_array().unwrap().iter();
        let data = runs.filter(|run| run["data"] == true && run["depth"] == 0);
        data.map(|run| (run["offset"].as_u64().unwrap(), run["length"].as_u64().unwrap())).collect()
    }
}

fn read(path: &Path) -> Image {
    Image::read(File::open(path).unwrap()).unwrap()
}

fn data(path: &Path, point: Point<'_>) -> Vec<(u64, u64)> {
    let image = read(path);
    extents(File::open(path).unwrap(), &image, point)
        .unwrap()
        .map(Result::unwrap)
        .filter(|extent| extent.kind == ExtentKind::Data)
        .map(|Extent { offset, length, .. }| (offset, length))
        .collect()
}

/// The same ranges in file order, with neighbours joined.
fn joined(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (offset, length) in ranges {
        match joined.last_mut() {
            Some((start, before)) if *start + *before == offset => *before += length,
            _ => joined.push((offset, length)),
        }
    }
    joined
}

fn header_and_snapshots_are_as_qemu_img_sees_them() {
    let bench = Bench::new();
    bench.create("golden.qcow2", &[]);
    let backing = ["-b", "golden.qcow2", "-F", "qcow2"];
    let variants: [&[&str]; 6] = [
        &[],
        &["-o", "compat=0.10"],
        &["-o", "cluster_size=512"],
        &["-o", "cluster_size=2M,refcount_bits=1,lazy_refcounts=on"],
        &["-o", "compression_type=zstd"],
        &backing,
    ];
    for (index, options) in variants.into_iter().enumerate() {
        let path = bench.create(&format!("{index}.qcow2"), options);
        // One bit of refcount leaves no room for a cluster that is used twice.
        let snapshots = !options.iter().any(|option| option.contains("refcount_bits=1"));
        for name in ["one", "name with, spaces and ü"].into_iter().filter(|_| snapshots) {
            bench.write(&path, "write -P 1 1M 3M");
            bench.snapshot(&path, name);
        }
        let info = QemuImg::new(bench.img.clone());
        let info = info.info(&path, "qcow2", Sharing::Exclusive).unwrap();
        let image = read(&path);
        assert_eq!(image.header.virtual_size, info.virtual_size);
        assert_eq!(Some(image.header.cluster_size()), info.cluster_size);
        let backing = image.header.backing;
        assert_eq!(backing.as_ref().map(|b| &b.file), info.backing_filename.as_ref());
        assert_eq!(backing.and_then(|b| b.format).as_ref(), info.backing_filename_format.as_ref());
        assert_eq!(image.snapshots.len(), info.snapshots.len());
        for (ours, theirs) in image.snapshots.iter().zip(&info.snapshots) {
            assert_eq!(String::from_utf8_lossy(&ours.id), theirs.id);
            assert_eq!(String::from_utf8_lossy(&ours.name), theirs.name);
            assert_eq!(ours.vm_state_size, theirs.vm_state_size);
            assert_eq!((ours.date_sec, ours.date_nsec), (theirs.date_sec, theirs.date_nsec));
        }
    }
}

const SUBCLUSTERS: &str = "extended_l2=on,cluster_size=64k";

fn the_data_of_the_active_state_is_where_qemu_img_maps_it() {
    let bench = Bench::new();
    for (index, options) in
        ["cluster_size=64k", "cluster_size=512", "cluster_size=2M", SUBCLUSTERS].iter().enumerate()
    {
        let path = bench.create(&format!("{index}.qcow2"), &["-o", options]);
        for what in
            ["write 0 1M", "write 40M 5M", "write 3M 101k", "write -z 0 64k", "discard 41M 1M"]
        {
            bench.write(&path, what);
        }
        assert_eq!(joined(data(&path, Point::Active)), joined(bench.mapped(&path)), "{options}");
    }
}

fn a_snapshot_stays_byte_for_byte_while_the_disk_is_written_on() {
    let bench = Bench::new();
    let path = bench.create("disk.qcow2", &[]);
    bench.write(&path, "write -P 1 0 8M");
    bench.write(&path, "write -c -P 7 16M 1M");
    bench.snapshot(&path, "before");
    let image = read(&path);
    let held = || -> Vec<(Extent, Vec<u8>)> {
        let extents = extents(File::open(&path).unwrap(), &image, Point::Snapshot(b"before"));
        let bytes = std::fs::read(&path).unwrap();
        let slice = |extent: &Extent| {
            let start = usize::try_from(extent.offset).unwrap();
            bytes[start..start + usize::try_from(extent.length).unwrap()].to_vec()
        };
        extents.unwrap().map(Result::unwrap).map(|extent| (extent, slice(&extent))).collect()
    };
    let before = held();
    assert!(before.iter().any(|(extent, _)| extent.kind == ExtentKind::L2));
    for what in ["write -P 2 0 64M", "discard 0 32M", "write -z 0 8M", "write -c -P 9 16M 1M"] {
        bench.write(&path, what);
        assert!(before == held(), "`{what}` changed the snapshot");
    }
}

fn a_truncated_image_that_qemu_img_shows_as_sound_is_damaged() {
    let bench = Bench::new();
    let path = bench.create("cut.qcow2", &[]);
    bench.snapshot(&path, "one");
    let table = read(&path).header.snapshots_offset;
    File::options().write(true).open(&path).unwrap().set_len(table).unwrap();

    let info = QemuImg::new(bench.img.clone()).info(&path, "qcow2", Sharing::Exclusive).unwrap();
    assert_eq!(info.snapshots[0].name, "", "qemu-img reads zeros past the end");
    let error = Image::read(File::open(&path).unwrap()).unwrap_err();
    assert!(error.to_string().contains("past the end of the file"), "{error}");
}

fn a_check_tells_sound_from_corrupt() {
    let bench = Bench::new();
    let qemu_img = QemuImg::new(bench.img.clone());
    let path = bench.create("checked.qcow2", &[]);
    bench.write(&path, "write 0 1M");
    assert!(qemu_img.check(&path, "qcow2").unwrap().is_sound());
    // The refcount table starts at the second cluster: without it nothing is counted.
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 8], read(&path).header.refcount_table_offset).unwrap();
    assert!(!qemu_img.check(&path, "qcow2").unwrap().is_sound());
}

fn a_check_needs_no_backing_file() {
    let bench = Bench::new();
    let backing = bench.create("backing, \"quoted\".qcow2", &[]);
    let options = format!("backing_file={},backing_fmt=qcow2", backing.display());
    let options = options.replace(", ", ",, ");
    let path = bench.create("top, \"quoted\".qcow2", &["-o", &options]);
    std::fs::remove_file(backing).unwrap();
    assert!(QemuImg::new(bench.img.clone()).check(&path, "qcow2").unwrap().is_sound());
}
