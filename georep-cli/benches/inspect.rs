//! `georep inspect` on 1,000 images, one process, against `qemu-img info --output=json` on the same
//! images, one process each: there is no other way to ask it. Both are run in turn, whole process,
//! and only their ratio means anything on another machine.
//!
//! `cargo bench -p georep-cli --bench inspect`
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark runs programs, prints, and may end"
)]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const IMAGES: usize = 1_000;
const ROUNDS: usize = 5;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let images = make_images(directory.path());
    let mut rounds: Vec<[Duration; 3]> =
        (0..ROUNDS).map(|_| [georep(&images), qemu_img(&images), reads(&images)]).collect();
    rounds.sort_unstable_by_key(|[georep, ..]| *georep);
    let median = |index: usize| {
        let mut times: Vec<_> = rounds.iter().filter_map(|round| round.get(index)).collect();
        times.sort_unstable();
        **times.get(times.len() / 2).unwrap()
    };
    let [georep, qemu_img, reads] = [0, 1, 2].map(median);
    println!("{IMAGES} images with two snapshots each, medians of {ROUNDS} rounds");
    for (what, time) in [
        ("georep inspect --json, one process", georep),
        ("qemu-img info --output=json, a process each", qemu_img),
        ("opening and reading the same bytes, one thread", reads),
    ] {
        let each = time.as_secs_f64() * 1e6 / IMAGES as f64;
        println!("{what:<48} {:8.1} ms {each:10.1} µs an image", time.as_secs_f64() * 1e3);
    }
    println!(
        "georep inspect is {:.0} times as fast",
        qemu_img.as_secs_f64() / georep.as_secs_f64()
    );
}

/// One image with two snapshots, and copies of it.
fn make_images(directory: &Path) -> Vec<PathBuf> {
    let path = |number: usize| directory.join(format!("{number}.qcow2"));
    let qemu_img = |args: &[&str], size: Option<&str>| {
        let status = Command::new("qemu-img").args(args).arg(path(0)).args(size).status().unwrap();
        assert!(status.success(), "qemu-img {args:?}");
    };
    qemu_img(&["create", "-q", "-f", "qcow2"], Some("1G"));
    qemu_img(&["snapshot", "-c", "georep-20261123T020000Z"], None);
    qemu_img(&["snapshot", "-c", "georep-20261124T020000Z"], None);
    for number in 1..IMAGES {
        std::fs::copy(path(0), path(number)).unwrap();
    }
    (0..IMAGES).map(path).collect()
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn georep(images: &[PathBuf]) -> Duration {
    timed(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_georep"));
        let status =
            command.args(["inspect", "--json"]).args(images).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
    })
}

fn qemu_img(images: &[PathBuf]) -> Duration {
    timed(|| {
        for image in images {
            let mut command = Command::new("qemu-img");
            let command = command.args(["info", "--output=json", "-f", "qcow2"]).arg(image);
            assert!(command.stdout(Stdio::null()).status().unwrap().success());
        }
    })
}

/// What cannot be saved: the first cluster and the snapshot table of each image.
fn reads(images: &[PathBuf]) -> Duration {
    timed(|| {
        for image in images {
            let mut file = File::open(image).unwrap();
            let mut cluster = vec![0; 64 << 10];
            file.read_exact(&mut cluster).unwrap();
            let table = cluster.get(64..72).unwrap().try_into().map(u64::from_be_bytes).unwrap();
            file.seek(SeekFrom::Start(table)).unwrap();
            file.read_exact(cluster.get_mut(..160).unwrap()).unwrap();
        }
    })
}
