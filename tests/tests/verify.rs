//! `georep verify` on copies that `georep backup` made: of images that qemu-img made, with a
//! simulated cluster that copies them, and domains that are shut off.
//!
//! Every damage that a copy can take is done to it with plain writes.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::sync::OnceLock;

use georep_tests::images::run_all;
use georep_tests::output::assert_exit;
use georep_tests::program;
use georep_tests::simulated::{Scenario, World};
use serde_json::Value;
use tempfile::TempDir;

const TESTS: &[(&str, fn())] = &[
    ("fifty_images_of_every_kind_are_as_recorded_at_every_level", fifty_images),
    ("old_and_new_internal_snapshots_are_as_recorded_while_others_come_and_go", internal),
    ("a_volume_is_mounted_and_its_pool_found", volume),
    ("what_is_missing_cut_or_no_file_is_named", missing_and_cut),
    ("a_damaged_snapshot_table_is_named", snapshot_table),
    ("one_flipped_byte_is_always_found_by_a_full_comparison", flipped_full),
    ("a_quick_comparison_finds_one_flipped_byte_in_the_256_pieces_it_reads", flipped_quick),
    ("a_copy_that_is_stale_by_one_run_is_named", stale),
    ("a_manifest_of_another_run_or_a_damaged_one_is_named", manifests),
    ("tables_that_go_round_in_a_circle_end_and_are_named", circle),
    ("what_cannot_be_verified_is_no_mismatch", cannot_be_verified),
    ("the_json_document_says_what_was_compared", json_document),
    ("a_session_that_copies_nothing_is_caught_by_the_backup", copies_nothing),
    ("the_most_scattered_image_takes_no_more_memory_than_64_mib", memory),
];

fn main() -> ExitCode {
    run_all("`georep verify`", TESTS)
}

/// A libvirt whose domains are all shut off.
const VIRSH: &str = r#"#!/bin/sh
cd "$SIM_DIR/domains" || exit 1
images() { sed -n "s/.*<source file='\([^']*\)'.*/\1/p" "$1"; }
case $1 in
    list) ls | grep -v ^00000000 ;;
    dumpxml) cat "$3" ;;
    domstate) echo 'shut off' ;;
    snapshot-create-as) images "$3" | while read -r image; do qemu-img snapshot -c "$5" "$image"; done ;;
    *) echo "error: unknown command: '$1'" >&2; exit 1 ;;
esac
"#;

/// A cluster with images, whose primary volume is mounted where it lies.
struct Site {
    world: World,
}

impl Site {
    fn new(scenario: &Scenario) -> Self {
        let site = Self { world: World::new(scenario) };
        let bin = site.world.path().join("bin");
        // Another process writes it: this one's children could hold it open, and then it cannot
        // be executed.
        let write = "printf %s \"$1\" >\"$0\" && chmod +x \"$0\"";
        let virsh = bin.join("virsh");
        let made = Command::new("sh").args(["-c", write]).arg(&virsh).arg(VIRSH).status().unwrap();
        assert!(made.success());
        fs::create_dir(site.world.path().join("domains")).unwrap();
        let mut state = site.world.state();
        state.mounted.push((site.pool(), "gv1".to_owned()));
        let text = serde_json::to_vec(&state).unwrap();
        fs::write(site.world.path().join("state.json"), text).unwrap();
        site
    }

    fn healthy() -> Self {
        Self::new(&Scenario::healthy())
    }

    fn pool(&self) -> PathBuf {
        fs::canonicalize(self.world.path()).unwrap().join("gv1")
    }

    /// What the secondary volume holds.
    fn there(&self) -> PathBuf {
        self.world.path().join("gv2")
    }

    fn run(&self, program: &str, args: &[&str]) {
        let output = Command::new(program).current_dir(self.pool()).args(args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
    }

    /// An image of qcow2 with 1 MiB of data.
    fn image(&self, name: &str, options: &str) {
        let create = ["create", "-q", "-f", "qcow2", "-o", options, name, "16M"];
        let created = if options.is_empty() {
            [&create[..4], &create[6..]].concat()
        } else {
            create.to_vec()
        };
        self.run("qemu-img", &created);
        self.write(name, "write -q -P 171 3M 1M");
    }

    fn write(&self, name: &str, what: &str) {
        self.run("qemu-io", &["-f", "qcow2", "-c", what, name]);
    }

    /// Defines a domain with disks of these formats on images of the pool.
    fn define(&self, number: usize, disks: &[(&str, &str)]) {
        let pool = self.pool();
        let disk = |(place, (image, format)): (usize, &(&str, &str))| {
            let letter = char::from(b'a' + u8::try_from(place).unwrap());
            format!(
                "<disk type='file' device='disk'><driver name='qemu' type='{format}'/>\n\
                 <source file='{}'/>\n<target dev='vd{letter}' bus='virtio'/></disk>",
                pool.join(image).display()
            )
        };
        let disks: String = disks.iter().enumerate().map(disk).collect();
        let (name, uuid) = (format!("vm{number}"), format!("00000000-0000-4000-8000-{number:012}"));
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>\
             <memory unit='MiB'>32</memory><os><type arch='x86_64'>hvm</type></os>\
             <devices>{disks}</devices></domain>"
        );
        for file in [name, uuid] {
            fs::write(self.world.path().join("domains").join(file), &xml).unwrap();
        }
    }

    fn backup(&self, method: &str, level: &str) -> Output {
        let pool = self.pool();
        let pool = pool.to_str().unwrap();
        let args = ["backup", "gv1", "dr::gv2", "--pool", pool];
        let more = ["--method", method, "--verify", level];
        self.world.georep(&[&args[..], &more].concat()).output().unwrap()
    }

    /// Backs up, and returns the name of the run.
    #[track_caller]
    fn backed_up(&self, method: &str, level: &str) -> String {
        let before = runs(&self.there());
        let output = self.backup(method, level);
        assert_exit(&output, 0);
        let run = runs(&self.there()).pop().unwrap();
        assert!(!before.contains(&run));
        run
    }
}

/// The names of the runs in a pool, oldest first.
fn runs(pool: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(pool.join(".georep")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut runs: Vec<_> =
        names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    runs.sort_unstable();
    runs
}

/// A copy of which a test may break what it likes.
struct Copy(TempDir);

impl Copy {
    fn of(pool: &Path) -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        let from = format!("{}/.", pool.display());
        let mut cp = Command::new("cp");
        cp.args(["-r", "--sparse=always", &from]).arg(copy.path());
        assert!(cp.status().unwrap().success());
        copy
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// Writes `bytes` at `offset`, and returns what was there.
    fn put(&self, name: &str, offset: u64, bytes: &[u8]) -> Vec<u8> {
        let file = fs::File::options().read(true).write(true).open(self.file(name)).unwrap();
        let mut before = vec![0; bytes.len()];
        file.read_exact_at(&mut before, offset).unwrap();
        file.write_all_at(bytes, offset).unwrap();
        before
    }

    fn flip(&self, name: &str, offset: u64) {
        let byte = self.put(name, offset, &[0])[0];
        self.put(name, offset, &[byte ^ 1]);
    }

    fn verify(&self, level: &str) -> Output {
        verify(self.path(), &["--level", level])
    }

    /// It is as recorded.
    #[track_caller]
    fn is_right(&self, level: &str) {
        assert_exit(&self.verify(level), 0);
    }

    /// Something is wrong, and a line that begins with the first of the words says so.
    #[track_caller]
    fn is_wrong(&self, level: &str, words: &[&str]) {
        is_wrong(&self.verify(level), words);
    }
}

#[track_caller]
fn is_wrong(output: &Output, words: &[&str]) {
    assert_exit(output, 4);
    let text = text(output);
    let named = |line: &&str| line.contains("differs") && words.iter().all(|w| line.contains(w));
    assert!(text.lines().any(|line| named(&line)), "{words:?} are not in a line of:\n{text}");
    let last = text.lines().rfind(|line| line.starts_with("georep: ")).unwrap();
    assert!(last.contains(words[0]), "{last}");
}

fn verify(pool: &Path, args: &[&str]) -> Output {
    program::command().args(["verify", "--path"]).arg(pool).args(args).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A copy of one image of each kind, `web.qcow2` with a snapshot in it, and `db.img` of 32 MiB.
fn small() -> Copy {
    static SITE: OnceLock<Site> = OnceLock::new();
    let site = SITE.get_or_init(|| {
        let site = Site::healthy();
        site.image("web.qcow2", "");
        site.run("qemu-img", &["snapshot", "-c", "before", "web.qcow2"]);
        site.write("web.qcow2", "write -q -P 205 9M 1M");
        let data: Vec<u8> =
            (0..32_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs::write(site.pool().join("db.img"), data).unwrap();
        site.define(1, &[("web.qcow2", "qcow2"), ("db.img", "raw")]);
        site.backed_up("external", "full");
        site
    });
    Copy::of(&site.there())
}

fn fifty_images() {
    let site = Site::healthy();
    site.image("golden.qcow2", "");
    let golden =
        format!("backing_file={},backing_fmt=qcow2", site.pool().join("golden.qcow2").display());
    let options = [
        "",
        "cluster_size=512",
        "cluster_size=4096",
        "cluster_size=2M",
        "extended_l2=on",
        "compat=0.10",
        "preallocation=metadata",
        "lazy_refcounts=on",
        &golden,
    ];
    let mut images = Vec::new();
    for number in 0..50 {
        let name = format!("{number}.img");
        let format = match number % 11 {
            9 => {
                fs::write(site.pool().join(&name), vec![171; 100_000 + number]).unwrap();
                let file = fs::File::options().write(true).open(site.pool().join(&name)).unwrap();
                file.set_len(9 << 20).unwrap();
                file.write_all_at(b"the end", 8 << 20).unwrap();
                "raw"
            }
            10 => {
                site.image("plain", "");
                let convert = ["convert", "-c", "-f", "qcow2", "-O", "qcow2", "plain", &name];
                site.run("qemu-img", &convert);
                "qcow2"
            }
            kind => {
                site.image(&name, options[kind]);
                "qcow2"
            }
        };
        if format == "qcow2" {
            for write in 0..number % 5 {
                let offset = (number * 7919 + write * 104_729) % 15_000 * 1024;
                site.write(&name, &format!("write -q -P {} {offset} 70k", 1 + number + write));
                if number % 3 == 0 {
                    site.run("qemu-img", &["snapshot", "-c", &format!("s{write}"), &name]);
                }
            }
            if number % 4 == 1 {
                site.write(&name, "write -q -z -u 3100k 200k");
                site.write(&name, "discard 3500k 128k");
            }
        }
        images.push((name, format));
    }
    for (number, disks) in images.chunks(10).enumerate() {
        let disks: Vec<_> = disks.iter().map(|(name, format)| (name.as_str(), *format)).collect();
        site.define(number, &disks);
    }
    site.backed_up("external", "full");
    let copy = Copy::of(&site.there());
    // At another site the backing file's name leads nowhere.
    fs::remove_file(site.pool().join("golden.qcow2")).unwrap();
    for level in ["quick", "check", "full"] {
        copy.is_right(level);
    }
    // And each is looked at.
    for (name, _) in &images {
        let bytes = copy.bytes(name);
        let of_data = bytes.iter().rposition(|&byte| byte == 171);
        let of_table = u64::from_be_bytes(bytes[40..48].try_into().unwrap());
        copy.flip(name, of_data.map_or(of_table, |offset| u64::try_from(offset).unwrap()));
    }
    let output = verify(copy.path(), &["--level", "full", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wrong = document["mismatches"].as_array().unwrap();
    for (name, _) in &images {
        assert!(wrong.iter().any(|mismatch| mismatch["file"] == **name), "{name}: {document}");
    }
}

fn internal() {
    let site = Site::healthy();
    for (name, options) in
        [("a.qcow2", ""), ("b.qcow2", "extended_l2=on"), ("c.qcow2", "cluster_size=4k")]
    {
        site.image(name, options);
    }
    site.define(1, &[("a.qcow2", "qcow2"), ("b.qcow2", "qcow2"), ("c.qcow2", "qcow2")]);
    let mut taken = Vec::new();
    for round in 0..3 {
        taken.push(site.backed_up("internal", "full"));
        for name in ["a.qcow2", "b.qcow2", "c.qcow2"] {
            site.write(name, &format!("write -q -P {} {}k 3M", 20 + round, 2000 + 700 * round));
        }
    }
    let copy = Copy::of(&site.there());
    let qemu_img = |args: &[&str]| {
        let output = Command::new("qemu-img").current_dir(copy.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let is_right = |run: &str| {
        for level in ["quick", "check", "full"] {
            assert_exit(&verify(copy.path(), &["--run", run, "--level", level]), 0);
        }
    };
    taken.iter().for_each(|run| is_right(run));
    // As the next runs and `--keep` leave them: "copied" flags in shared tables change.
    for name in ["a.qcow2", "b.qcow2", "c.qcow2"] {
        qemu_img(&["snapshot", "-c", "another", name]);
        qemu_img(&["snapshot", "-d", &taken[1], name]);
        qemu_img(&["snapshot", "-d", "another", name]);
    }
    is_right(&taken[0]);
    is_right(&taken[2]);
    for level in ["quick", "full"] {
        let output = verify(copy.path(), &["--run", &taken[1], "--level", level]);
        is_wrong(&output, &["a.qcow2", &taken[1], "is missing"]);
    }
    // Of the snapshot's own bytes every one counts.
    let offset = copy.bytes("a.qcow2").iter().position(|&byte| byte == 171).unwrap();
    copy.flip("a.qcow2", u64::try_from(offset).unwrap());
    is_wrong(
        &verify(copy.path(), &["--run", &taken[0], "--level", "full"]),
        &["a.qcow2", "offset"],
    );
}

fn volume() {
    let site = Site::healthy();
    site.image("web.qcow2", "");
    site.define(1, &[("web.qcow2", "qcow2")]);
    let run = site.backed_up("external", "full");
    let verify = |args: &[&str]| {
        site.world.georep(&[&["verify", "dr::gv2"], args].concat()).output().unwrap()
    };
    for level in ["quick", "check", "full"] {
        assert_exit(&verify(&["--level", level]), 0);
    }
    assert_exit(&verify(&["--run", &run]), 0);
    assert_exit(&verify(&["--run", "georep-20200101T000000Z"]), 1);
    fs::remove_file(site.there().join("web.qcow2")).unwrap();
    let output = verify(&[]);
    is_wrong(&output, &["web.qcow2", "No such file"]);
    assert!(text(&output).contains("dr::gv2"));
    fs::remove_dir_all(site.there().join(".georep")).unwrap();
    assert_exit(&verify(&[]), 1);
    assert_eq!(site.world.state().mounted, [(site.pool(), "gv1".to_owned())]);
}

fn missing_and_cut() {
    for level in ["quick", "check", "full"] {
        let copy = small();
        let half = copy.bytes("db.img").len() as u64 / 2;
        fs::File::options().write(true).open(copy.file("db.img")).unwrap().set_len(half).unwrap();
        fs::remove_file(copy.file("web.qcow2")).unwrap();
        copy.is_wrong(level, &["db.img", "16777216 bytes instead of 33554432"]);
        copy.is_wrong(level, &["web.qcow2", "No such file"]);
        fs::create_dir(copy.file("web.qcow2")).unwrap();
        copy.is_wrong(level, &["web.qcow2", "not a file"]);
        fs::remove_dir(copy.file("web.qcow2")).unwrap();
        fs::write(copy.file("web.qcow2"), "").unwrap();
        copy.is_wrong(level, &["web.qcow2", " 0 bytes instead of "]);
    }
}

fn snapshot_table() {
    let table = |copy: &Copy| {
        let header = copy.bytes("web.qcow2");
        u64::from_be_bytes(header[64..72].try_into().unwrap())
    };
    for level in ["quick", "check", "full"] {
        let copy = small();
        copy.put("web.qcow2", table(&copy), &[0; 80]);
        copy.is_wrong(level, &["web.qcow2"]);
        let copy = small();
        // The name follows 40 bytes, 24 of extra data, and the id.
        let name = table(&copy) + 65;
        assert_eq!(copy.put("web.qcow2", name, b"behind"), b"before");
        copy.is_wrong(level, &["web.qcow2", "snapshot `before` is missing"]);
        let copy = small();
        copy.flip("web.qcow2", table(&copy) + 19);
        copy.is_wrong(level, &["web.qcow2", "snapshot `before` differs"]);
    }
}

fn flipped_full() {
    let copy = small();
    copy.is_right("full");
    let word = |offset: u64| {
        u64::from_be_bytes(copy.put("web.qcow2", offset, &[0; 8]).try_into().unwrap())
    };
    let read = |offset: u64| {
        let value = word(offset);
        copy.put("web.qcow2", offset, &value.to_be_bytes());
        value
    };
    let l1 = read(40);
    let l2 = read(l1) & 0x00ff_ffff_ffff_fe00;
    // An entry of data, one of none, and the reserved bits between.
    let of_data = l2 + 8 * (3 << 20 >> 16);
    let entry = read(of_data);
    assert_ne!(entry, 0);
    let data = entry & 0x00ff_ffff_ffff_fe00;
    let mut places = vec![l1 + 1, l1 + 7, l2 + 7, l2 + 4095];
    places.extend((0..8).map(|byte| of_data + byte));
    places.extend((0..8).map(|byte| of_data + 16 * 8 + byte));
    places.extend([0, 1, 4095, 65535, 65536, 500_000, (1 << 20) - 1].map(|byte| data + byte));
    for offset in places {
        copy.flip("web.qcow2", offset);
        copy.is_wrong("full", &["web.qcow2"]);
        copy.flip("web.qcow2", offset);
    }
    for (offset, span) in
        [(0, 0), (1 << 20, 1 << 20), ((5 << 20) + 7, 5 << 20), ((32 << 20) - 1, 31 << 20)]
    {
        copy.flip("db.img", offset);
        copy.is_wrong("full", &["db.img", &format!("1048576 bytes at offset {span} differ")]);
        copy.flip("db.img", offset);
    }
    copy.is_right("full");
}

/// The choice of the pieces is uniform (`sampling.rs`): that of 512 pieces 256 are read, each with
/// its digest, makes the probability one half.
fn flipped_quick() {
    let copy = small();
    let run = runs(copy.path()).pop().unwrap();
    let manifest = copy.bytes(&format!(".georep/{run}.json"));
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let images = manifest["images"].as_array().unwrap();
    let image = images.iter().find(|image| image["path"] == "db.img").unwrap();
    let samples = image["samples"].as_array().unwrap();
    let read: Vec<_> = samples.iter().map(|sample| sample["offset"].as_u64().unwrap()).collect();
    assert_eq!(read.len(), 256);
    let (mut found, mut missed) = (0, 0);
    for number in (0..512).step_by(17) {
        let offset = number * 65536;
        copy.flip("db.img", offset + 12345);
        if read.contains(&offset) {
            copy.is_wrong("quick", &["db.img", &format!("at offset {offset} differ")]);
            found += 1;
        } else {
            copy.is_right("quick");
            missed += 1;
        }
        copy.flip("db.img", offset + 12345);
    }
    assert!(found > 0 && missed > 0, "{found} found, {missed} missed");
}

fn stale() {
    for method in ["external", "internal"] {
        let site = Site::healthy();
        site.image("web.qcow2", "");
        site.image("db.qcow2", "");
        site.define(1, &[("web.qcow2", "qcow2"), ("db.qcow2", "qcow2")]);
        let first = site.backed_up(method, "full");
        let old = Copy::of(&site.there());
        // One cluster, and the file does not grow.
        site.write("db.qcow2", "write -q -P 5 3M 64k");
        let second = site.backed_up(method, "full");
        for level in ["quick", "check", "full"] {
            let copy = Copy::of(&site.there());
            copy.is_right(level);
            fs::copy(old.file("db.qcow2"), copy.file("db.qcow2")).unwrap();
            copy.is_wrong(level, &["db.qcow2"]);
            if method == "internal" {
                copy.is_wrong(level, &["db.qcow2", &second, "is missing"]);
            }
        }
        // With the overwritten images the older run is gone; an older snapshot is still there.
        let copy = Copy::of(&site.there());
        let older = verify(copy.path(), &["--run", &first]);
        assert_exit(&older, if method == "external" { 4 } else { 0 });
    }
}

fn manifests() {
    let site = Site::healthy();
    site.image("web.qcow2", "");
    site.define(1, &[("web.qcow2", "qcow2")]);
    let (first, second) = (site.backed_up("external", "full"), site.backed_up("external", "full"));
    let [first, file] = [first, second].map(|run| format!(".georep/{run}.json"));
    let copy = Copy::of(&site.there());
    let sealed = String::from_utf8(copy.bytes(&file)).unwrap();
    // Without its digest it is taken as it is.
    let (good, _) = sealed.rsplit_once(",\n  \"sha256\"").unwrap();
    let good = format!("{good}\n}}");
    fs::write(copy.file(&file), &good).unwrap();
    copy.is_right("full");
    for (text, reason) in [
        (String::from_utf8(copy.bytes(&first)).unwrap(), "is that of run"),
        // As rsync 3.5.0 leaves it.
        (String::new(), "is broken"),
        (good[..good.len() / 2].to_owned(), "is broken"),
        (sealed.replace("<name>vm1<", "<name>vm2<"), "its own digest"),
        (good.replace("\"web.qcow2\"", "\"../web.qcow2\""), "outside the pool"),
        (good.replace("\"length\": ", "\"length\": 9999999"), "what cannot be"),
        (good.replace("\"span\": ", "\"span\": 1"), "what cannot be"),
        (good.replace("\"format\": \"qcow2\"", "\"format\": \"qcow3\""), "what cannot be"),
    ] {
        fs::write(copy.file(&file), text).unwrap();
        for level in ["quick", "full"] {
            copy.is_wrong(level, &[&file, reason]);
        }
    }
    fs::write(copy.file(&file), good.replace("\"version\": 1", "\"version\": 2")).unwrap();
    assert_exit(&copy.verify("quick"), 1);
}

/// Every entry of a level-2 table is one and the same cluster, and so is that table.
fn circle() {
    let copy = small();
    let l1 = u64::from_be_bytes(copy.bytes("web.qcow2")[40..48].try_into().unwrap());
    let l2 = u64::from_be_bytes(copy.put("web.qcow2", l1, &[0; 8]).try_into().unwrap());
    copy.put("web.qcow2", l1, &l2.to_be_bytes());
    let table = (l2 & 0x00ff_ffff_ffff_fe00).to_be_bytes().repeat(8192);
    copy.put("web.qcow2", l2 & 0x00ff_ffff_ffff_fe00, &table);
    copy.is_wrong("full", &["web.qcow2"]);
}

fn cannot_be_verified() {
    let empty = tempfile::tempdir().unwrap();
    let output = verify(empty.path(), &[]);
    assert_exit(&output, 1);
    assert!(text(&output).contains(".georep"), "{}", text(&output));
    assert_exit(&verify(&empty.path().join("nosuch"), &[]), 1);
    assert_exit(&verify(small().path(), &["--run", "georep-20200101T000000Z"]), 1);
    for usage in [&["--run", "../georep-20200101T000000Z"][..], &["--level", "none"], &["dr::gv2"]]
    {
        assert_exit(&verify(empty.path(), usage), 2);
    }
    let nothing = program::command().arg("verify").output().unwrap();
    assert_exit(&nothing, 2);

    let site = Site::healthy();
    site.image("web.qcow2", "");
    site.define(1, &[("web.qcow2", "qcow2")]);
    site.backed_up("external", "check");
    assert_exit(&verify(&site.there(), &["--level", "check"]), 0);
    let output = verify(&site.there(), &["--level", "full"]);
    assert_exit(&output, 1);
    assert!(text(&output).contains("hint: `georep backup --verify full`"), "{}", text(&output));
}

fn json_document() {
    let document = |copy: &Copy, exit: i32| -> Value {
        let output = verify(copy.path(), &["--level", "full", "--json"]);
        assert_exit(&output, exit);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let copy = small();
    let run = runs(copy.path()).pop().unwrap();
    let good = document(&copy, 0);
    assert_eq!(good["run"], run);
    assert_eq!(
        (&good["level"], &good["exit-code"], &good["images"]),
        (&"full".into(), &0.into(), &2.into())
    );
    assert!(good["compared"].as_u64().unwrap() > 34 << 20, "{good}");
    assert!(good["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(good["mismatches"], Value::Array(Vec::new()));
    copy.flip("db.img", 3 << 20);
    let bad = document(&copy, 4);
    assert_eq!(bad["exit-code"], 4);
    let difference = serde_json::json!(
        { "kind": "bytes", "offset": 3 << 20, "length": 1 << 20, "reason": "differ" }
    );
    let mismatch = serde_json::json!({ "file": "db.img", "difference": difference });
    assert_eq!(bad["mismatches"], Value::Array(vec![mismatch]));
    fs::write(copy.file(&format!(".georep/{run}.json")), "").unwrap();
    let broken = document(&copy, 4);
    assert_eq!(broken["mismatches"][0]["difference"]["kind"], "manifest");
}

fn copies_nothing() {
    let site = Site::new(&Scenario { copies_nothing: true, ..Scenario::healthy() });
    site.image("web.qcow2", "");
    site.define(1, &[("web.qcow2", "qcow2")]);
    let output = site.backup("external", "full");
    assert_exit(&output, 4);
    assert!(text(&output).contains("web.qcow2"), "{}", text(&output));
}

/// An image whose subclusters have 512 bytes, every other of them in use: half a million ranges.
fn scattered(path: &Path) {
    const CLUSTER: u64 = 16 << 10;
    const ENTRIES: u64 = CLUSTER / 16;
    const TABLES: u64 = 36;
    // Of refcounts: 8192 each.
    const BLOCKS: u64 = 5;
    let data = (3 + BLOCKS + TABLES) * CLUSTER;
    let mut header = vec![0; 112];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb\0\0\0\x03");
    put(20, &14_u32.to_be_bytes());
    put(24, &(TABLES * ENTRIES * CLUSTER).to_be_bytes());
    put(36, &u32::try_from(TABLES).unwrap().to_be_bytes());
    put(40, &CLUSTER.to_be_bytes());
    put(48, &(2 * CLUSTER).to_be_bytes());
    put(56, &1_u32.to_be_bytes());
    put(72, &(1_u64 << 4).to_be_bytes());
    put(96, &4_u32.to_be_bytes());
    put(100, &112_u32.to_be_bytes());
    let file = fs::File::create(path).unwrap();
    file.set_len(data + TABLES * ENTRIES * CLUSTER).unwrap();
    file.write_all_at(&header, 0).unwrap();
    for block in 3..3 + BLOCKS {
        file.write_all_at(&(block * CLUSTER).to_be_bytes(), 2 * CLUSTER + (block - 3) * 8).unwrap();
        file.write_all_at(&[0, 1].repeat(8192), block * CLUSTER).unwrap();
    }
    for table in 0..TABLES {
        let place = (3 + BLOCKS + table) * CLUSTER;
        file.write_all_at(&(1 << 63 | place).to_be_bytes(), CLUSTER + table * 8).unwrap();
        let entry = |number: u64| {
            let cluster = data + (table * ENTRIES + number) * CLUSTER;
            [(1 << 63 | cluster).to_be_bytes(), 0x5555_5555_u64.to_be_bytes()].concat()
        };
        let entries: Vec<u8> = (0..ENTRIES).flat_map(entry).collect();
        file.write_all_at(&entries, place).unwrap();
    }
}

fn memory() {
    let site = Site::healthy();
    scattered(&site.pool().join("scattered.qcow2"));
    fs::write(site.pool().join("raw.img"), vec![1; 100 << 20]).unwrap();
    site.define(1, &[("scattered.qcow2", "qcow2"), ("raw.img", "raw")]);
    site.backed_up("external", "full");
    let mut run = program::command()
        .args(["verify", "--level", "full", "--path"])
        .arg(site.there())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", run.id());
    let mut peak = 0;
    while run.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(run.wait().unwrap().success());
    assert!(peak <= 64 << 10, "{peak} KiB at the peak");
    assert!(peak > 16 << 10, "the image was as scattered as it could be: {peak} KiB");
    println!("{} MiB at the peak", peak >> 10);
}
