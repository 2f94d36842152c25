//! `georep restore` and `georep rehearse` as whole programs, with the real qemu-img and a stand-in
//! for virsh, on a pool as it lies at the other site.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use georep_tests::images::run_all;
use georep_tests::output::{assert_exit, assert_says};
use georep_tests::secondary::{RUN, Secondary, is_empty, text};
use serde_json::{Value, json};

const TESTS: &[(&str, fn())] = &[
    ("an_external_run_is_restored_with_its_chains_and_paths", external),
    ("an_internal_run_is_restored_to_its_snapshot", internal),
    ("an_external_run_is_defined_where_it_lies", in_place),
    ("what_cannot_be_run_on_where_it_lies_is_not_defined_there", unfit_in_place),
    ("a_dry_run_prints_what_does_the_same_and_changes_nothing", dry_run),
    ("a_copy_that_is_not_as_recorded_defines_nothing_and_leaves_nothing", mismatch),
    ("what_is_there_already_is_not_touched", taken),
    ("a_definition_that_fails_takes_all_of_it_back", define_fails),
    ("a_kill_leaves_no_image_under_its_own_name", killed),
    ("an_unknown_domain_or_run_is_told_what_there_is", unknown),
    ("a_manifest_that_leads_outside_is_refused", hostile),
    ("a_rehearsal_says_which_copies_come_up_and_leaves_nothing", rehearsal),
    ("a_rehearsal_that_sees_no_sign_of_life_ends_with_4", no_sign),
    ("a_signal_ends_a_rehearsal_and_its_domains", rehearsal_signalled),
    ("what_a_killed_rehearsal_left_the_next_one_removes", rehearsal_killed),
];

fn main() -> ExitCode {
    run_all("`georep restore` and `georep rehearse`", TESTS)
}

/// `web` is on a chain that is named relatively, from another directory, and on a raw disk; `db` on
/// the same template, which it names as it lies on the primary.
fn site() -> Secondary {
    let site = Secondary::new();
    site.shell(
        "mkdir a
         qemu-img create -q -f qcow2 golden.qcow2 8M
         qemu-io -f qcow2 -c 'write -q -P 1 0 1M' golden.qcow2
         (cd a; qemu-img create -q -f qcow2 -b ../golden.qcow2 -F qcow2 web.qcow2)
         qemu-io -f qcow2 -c 'write -q -P 2 1M 1M' a/web.qcow2
         truncate -s 9M data.img; qemu-io -f raw -c 'write -q -P 3 8M 64k' data.img
         qemu-img create -q -f qcow2 -b golden.qcow2 -F qcow2 db.qcow2
         qemu-io -f qcow2 -c 'write -q -P 4 2M 1M' db.qcow2
         qemu-img rebase -q -u -f qcow2 -F qcow2 -b /vm/golden.qcow2 db.qcow2",
    );
    record(&site, "external");
    site
}

fn record(site: &Secondary, method: &str) {
    let web: &[(&str, &str)] = &[("vda", "a/web.qcow2"), ("vdb", "data.img")];
    let images = ["golden.qcow2", "a/web.qcow2", "data.img", "db.qcow2"];
    let (web, images) = if method == "internal" {
        (&web[..1], &[images[0], images[1], images[3]][..])
    } else {
        (web, &images[..])
    };
    site.record(method, &[("web", web), ("db", &[("vda", "db.qcow2")])], images);
}

/// The same, of the internal method: each image holds the run's snapshot, and went on being
/// written.
fn internal_site() -> Secondary {
    let site = site();
    site.shell(&format!(
        "qemu-img snapshot -c {RUN} a/web.qcow2; qemu-io -f qcow2 -c 'write -q -P 9 0 4M' a/web.qcow2
         qemu-img rebase -q -u -f qcow2 -F qcow2 -b golden.qcow2 db.qcow2
         qemu-img snapshot -c {RUN} db.qcow2; qemu-io -f qcow2 -c 'write -q -P 9 0 4M' db.qcow2
         qemu-img rebase -q -u -f qcow2 -F qcow2 -b /vm/golden.qcow2 db.qcow2",
    ));
    record(&site, "internal");
    site
}

fn restore(site: &Secondary, args: &[&str]) -> Output {
    let to = site.text("to");
    site.run("restore", &[&["--to", &to], args].concat())
}

/// What a guest would read at these places of an image, as `qemu-io` says it.
#[track_caller]
fn assert_holds(site: &Secondary, image: &str, format: &str, patterns: &[&str]) {
    let reads: String = patterns.iter().map(|read| format!(" -c 'read -q -P {read}'")).collect();
    let image = site.text(image);
    let said = site.shell(&format!("qemu-io -r -f {format}{reads} {image}"));
    assert_eq!(said, "", "{image}");
}

/// No image, no temporary file, no domain.
#[track_caller]
fn assert_nothing_restored(site: &Secondary) {
    assert!(!site.path("to").exists(), "{}", site.shell("find ../to"));
    assert_eq!(site.domains("defined"), [""; 0]);
}

fn pool_digest(site: &Secondary) -> String {
    site.shell("find . -type f | sort | xargs stat -c '%n %s %y' | sha256sum; sha256sum *.* a/*")
}

fn external() {
    let site = site();
    let before = pool_digest(&site);
    let output = restore(&site, &[]);
    assert_exit(&output, 0);
    assert_says(&output, &["web, db restored on 4 images", "sda stays on `/iso/web.iso`"]);
    assert_eq!(pool_digest(&site), before, "the secondary is only read");
    assert_holds(&site, "to/a/web.qcow2", "qcow2", &["1 0 1M", "2 1M 1M", "0 2M 6M"]);
    assert_holds(&site, "to/data.img", "raw", &["0 0 8M", "3 8M 64k"]);
    assert_holds(&site, "to/db.qcow2", "qcow2", &["1 0 1M", "0 1M 1M", "4 2M 1M"]);
    let backing = |image: &str| {
        site.shell(&format!("qemu-img info ../to/{image} | sed -n 's/^backing file: //p'"))
    };
    assert!(backing("a/web.qcow2").starts_with("../golden.qcow2 "), "relative names stay");
    assert_eq!(backing("db.qcow2"), site.text("to/golden.qcow2"));
    let blocks = site.shell("stat -c %b ../to/data.img").parse::<u64>().unwrap();
    assert!(blocks * 512 < 1 << 20, "{blocks}: holes are holes");

    let manifest = site.manifest();
    let mut defined = site.domains("defined");
    defined.sort();
    let expected = |domain: &Value| {
        let xml = domain["xml"].as_str().unwrap();
        xml.replace("'/vm/", &format!("'{}/", site.text("to")))
    };
    let mut expected: Vec<_> =
        manifest["domains"].as_array().unwrap().iter().map(expected).collect();
    expected.sort();
    assert_eq!(defined, expected, "the paths, and nothing else");
}

fn internal() {
    let site = internal_site();
    let output = restore(&site, &["--json"]);
    assert_exit(&output, 0);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["exit-code"], 0);
    assert_eq!(document["domains"][0]["name"], "web");
    assert_holds(&site, "to/a/web.qcow2", "qcow2", &["1 0 1M", "2 1M 1M", "0 2M 6M"]);
    assert_holds(&site, "to/db.qcow2", "qcow2", &["1 0 1M", "0 1M 1M", "4 2M 1M"]);
    let left = site.shell("cd ../to; find . -type f | sort | xargs");
    assert_eq!(left, "./a/web.qcow2 ./db.qcow2 ./golden.qcow2");
    site.shell("for image in ../to/a/web.qcow2 ../to/db.qcow2; do qemu-img check -q $image; done");
}

fn in_place() {
    let site = site();
    let before = pool_digest(&site);
    let web =
        |args: &[&str]| site.run("restore", &[&["--in-place", "--domain", "web"], args].concat());
    let output = web(&["--dry-run"]);
    assert_exit(&output, 0);
    assert_eq!(site.domains("defined"), [""; 0]);
    let script = String::from_utf8(output.stdout).unwrap();
    assert!(!script.contains("cp ") && script.contains("virsh define"), "{script}");

    let output = web(&["--json"]);
    assert_exit(&output, 0);
    assert_says(&output, &["in place", "web defined on 3 images of the pool; not started"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["domains"][0]["defined"], true);
    let xml = site.manifest()["domains"][0]["xml"].as_str().unwrap().to_owned();
    let pool = format!("'{}/", fs::canonicalize(site.path("pool")).unwrap().display());
    assert_eq!(site.domains("defined"), [xml.replace("'/vm/", &pool)]);
    assert_eq!(pool_digest(&site), before, "nothing is written");
    assert!(!site.path("to").exists());

    assert_exit(&web(&[]), 1);
    assert_exit(&web(&["--to", &site.text("to")]), 2);
}

fn unfit_in_place() {
    let refused = |site: &Secondary, exit: i32, words: &[&str]| {
        let output = site.run("restore", &["--in-place"]);
        assert_exit(&output, exit);
        assert_says(&output, words);
        assert_nothing_restored(site);
    };
    let words =
        ["`db.qcow2` names its backing file `/vm/golden.qcow2`", "where the primary had it"];
    refused(&site(), 1, &words);
    refused(&internal_site(), 1, &["is internal", "--to"]);
    let damaged = site();
    let rebase = format!("-F qcow2 -b {}/golden.qcow2 db.qcow2", damaged.text("pool"));
    damaged.shell(&format!("qemu-img rebase -q -u -f qcow2 {rebase}"));
    record(&damaged, "external");
    damaged.shell("printf X | dd of=db.qcow2 bs=1 seek=300 conv=notrunc 2>/dev/null");
    refused(&damaged, 4, &["db.qcow2", "nothing was defined"]);
    record(&damaged, "external");
    assert_exit(&damaged.run("restore", &["--in-place"]), 0);
}

fn dry_run() {
    for site in [site(), internal_site()] {
        let output = restore(&site, &["--dry-run"]);
        assert_exit(&output, 0);
        assert_nothing_restored(&site);
        let script = String::from_utf8(output.stdout).unwrap();
        let path = format!("{}:{}", site.text("bin"), std::env::var("PATH").unwrap());
        let mut sh = Command::new("sh");
        let status = sh.args(["-c", &script]).env("PATH", path).status().unwrap();
        assert!(status.success(), "{script}");
        assert_holds(&site, "to/a/web.qcow2", "qcow2", &["1 0 1M", "2 1M 1M", "0 2M 6M"]);
        assert_holds(&site, "to/db.qcow2", "qcow2", &["1 0 1M", "0 1M 1M", "4 2M 1M"]);
        let (typed, ours) = (site.domains("defined"), files(&site));
        site.shell("rm -r ../to ../bin/world/defined");
        assert_exit(&restore(&site, &[]), 0);
        assert_eq!((site.domains("defined"), files(&site)), (typed, ours));
    }
}

/// The names of the restored files, and what a guest reads of each.
fn files(site: &Secondary) -> String {
    site.shell(
        "cd ../to; for file in $(find . -type f | sort); do
            echo $file $(qemu-img convert -O raw $file ../raw; sha256sum <../raw); done",
    )
}

fn mismatch() {
    for (damage, file) in [
        ("printf X | dd of=db.qcow2 bs=1 seek=300 conv=notrunc 2>/dev/null", "db.qcow2"),
        ("truncate -s 100000 a/web.qcow2", "a/web.qcow2"),
        ("rm data.img; truncate -s 8M data.img", "data.img"),
    ] {
        let site = site();
        site.shell(damage);
        let output = restore(&site, &["--json"]);
        assert_exit(&output, 4);
        assert_says(&output, &[file, "nothing was defined"]);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&document["exit-code"], &document["mismatches"][0]["file"]),
            (&json!(4), &json!(file))
        );
        assert_nothing_restored(&site);
    }
    let site = site();
    site.shell("printf X | dd of=db.qcow2 bs=1 seek=300 conv=notrunc 2>/dev/null");
    assert_exit(&restore(&site, &["--domain", "web"]), 0);
}

fn taken() {
    let site = site();
    fs::create_dir(site.path("to")).unwrap();
    fs::write(site.path("to/golden.qcow2"), "mine").unwrap();
    let output = restore(&site, &[]);
    assert_exit(&output, 1);
    assert_says(&output, &["to/golden.qcow2` exists already"]);
    assert_eq!(fs::read_to_string(site.path("to/golden.qcow2")).unwrap(), "mine");
    assert_eq!(site.shell("ls ../to"), "golden.qcow2");
    site.shell("rm -r ../to");

    assert_exit(&restore(&site, &["--domain", "db"]), 0);
    let other = site.text("other");
    let again = site.run("restore", &["--to", &other]);
    assert_exit(&again, 1);
    assert_says(&again, &["a domain `db` is defined here already", "hint:"]);
    assert!(!site.path("other").exists());

    let inside = site.run("restore", &["--to", &site.text("pool/new")]);
    assert_exit(&inside, 1);
    assert_says(&inside, &["only read"]);
}

fn define_fails() {
    let site = site();
    site.virsh("broken", "define\n");
    let output = restore(&site, &[]);
    assert_exit(&output, 1);
    assert_says(&output, &["define is broken"]);
    assert_nothing_restored(&site);
}

fn killed() {
    for wait in [5, 20, 40, 80] {
        let site = site();
        site.shell("head -c 60000000 /dev/urandom >data.img");
        record(&site, "external");
        let (pool, to) = (site.text("pool"), site.text("to"));
        let mut run = site.georep(&["restore", "--path", &pool, "--to", &to]);
        let mut run = run.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        run.kill().unwrap();
        run.wait().unwrap();
        for image in ["golden.qcow2", "data.img"] {
            let copy = site.path("to").join(image);
            assert!(
                !copy.exists()
                    || fs::read(copy).unwrap() == fs::read(site.path("pool").join(image)).unwrap()
            );
        }
        site.shell("rm -rf ../to/* ../bin/world/defined");
        assert_exit(&restore(&site, &[]), 0);
    }
}

fn unknown() {
    let site = site();
    for command in ["restore", "rehearse"] {
        let to: &[&str] = if command == "restore" { &["--to", "/nonexistent/to"] } else { &[] };
        let run = |more: &[&str]| site.run(command, &[to, more].concat());
        let output = run(&["--domain", "mail"]);
        assert_exit(&output, 1);
        assert_says(&output, &["`mail`", "there are: `web`, `db`"]);
        assert_says(&run(&["--domain", "wbe"]), &["did you mean `web`?"]);
        let output = run(&["--run", "georep-20200101T000000Z"]);
        assert_exit(&output, 1);
        assert_says(&output, &["did you mean `georep-"]);
        assert_exit(&run(&["--run", "../x"]), 2);
    }
    assert_exit(&site.run("rehearse", &["--sign", "port:80"]), 2);
}

/// Each is a manifest that somebody may have written who can write at the other site.
fn hostile() {
    let refused = |change: fn(&mut Value), words: &str| {
        let site = site();
        let mut manifest = site.manifest();
        change(&mut manifest);
        site.write_manifest(&manifest);
        for output in [restore(&site, &[]), rehearse(&site, &[])] {
            assert_exit(&output, 4);
            assert_says(&output, &[words]);
        }
        assert_nothing_restored(&site);
        assert!(is_empty(&site.path("work")));
    };
    refused(|m| m["images"][0]["path"] = json!("../../etc/passwd"), "outside the pool");
    refused(|m| m["domains"][0]["disks"][0]["image"] = json!("/etc/passwd"), "outside the pool");
    refused(|m| m["domains"][0]["disks"][0]["target"] = json!("../../x"), "has no one disk");
    refused(|m| m["domains"][0]["name"] = json!("db"), "another domain");
    refused(|m| m["domains"][0]["xml"] = json!("<domain>"), "not the XML of a domain");
    refused(|m| m["images"][1]["format"] = json!("vmdk"), "what cannot be");
    refused(|m| m["images"][0]["backing-file"] = json!("a/web.qcow2"), "does not end");
    refused(|m| m["images"][0]["backing-file"] = json!("json:{}"), "none of the run's images");

    let site = site();
    site.shell("rm golden.qcow2; ln -s /etc/passwd golden.qcow2");
    let output = restore(&site, &[]);
    assert_exit(&output, 1);
    assert_says(&output, &["leads out of the pool"]);
    assert_nothing_restored(&site);
}

fn rehearse(site: &Secondary, args: &[&str]) -> Output {
    let work = site.text("work");
    site.run("rehearse", &[&["--work-dir", &work, "--timeout", "1"], args].concat())
}

#[track_caller]
fn assert_nothing_rehearsed(site: &Secondary) {
    assert_eq!(site.domains("running"), [""; 0]);
    assert_eq!(site.domains("defined"), [""; 0]);
    assert!(is_empty(&site.path("work")), "{}", site.shell("find ../work"));
}

fn rehearsal() {
    for site in [site(), internal_site()] {
        let before = pool_digest(&site);
        site.virsh("console", "booting\nlogin: ");
        let output = rehearse(&site, &["--sign", "serial:login:", "--json"]);
        assert_exit(&output, 0);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["domains"][1]["came-up"], true, "{document}");
        assert!(
            document["domains"][0]["left-out"].as_array().unwrap().contains(&json!("interface"))
        );
        assert_nothing_rehearsed(&site);
        assert_eq!(pool_digest(&site), before, "the secondary is only read");

        site.virsh("agent", "");
        let output = rehearse(&site, &["--domain", "web"]);
        assert_exit(&output, 0);
        assert_says(&output, &["web: the guest agent answered", "1 of 1 domain came up"]);
        let output = rehearse(&site, &["--domain", "web", "--sign", "running:1"]);
        assert_exit(&output, 0);
        assert_says(&output, &["web: it still ran"]);
        assert_nothing_rehearsed(&site);
    }
    // A domain whose copy is damaged is not started; the others are.
    let site = site();
    site.virsh("agent", "");
    site.shell("printf X | dd of=db.qcow2 bs=1 seek=300 conv=notrunc 2>/dev/null");
    let output = rehearse(&site, &[]);
    assert_exit(&output, 4);
    assert_says(&output, &["db: its copy is not as recorded", "web: the guest agent answered"]);
    assert_nothing_rehearsed(&site);
}

fn no_sign() {
    let site = site();
    site.virsh("console", "Kernel panic - not syncing\n");
    let output = rehearse(&site, &[]);
    assert_exit(&output, 4);
    assert_says(
        &output,
        &["no sign of life (agent) in 1 s", "Kernel panic", "0 of 2 domains came up"],
    );
    assert_nothing_rehearsed(&site);
    site.virsh("broken", "create\n");
    let output = rehearse(&site, &[]);
    assert_exit(&output, 1);
    assert_says(&output, &["create is broken", "could not be tried: web, db"]);
    assert_nothing_rehearsed(&site);
}

/// Starts a rehearsal that waits for a sign that does not come, until its domains run.
fn waiting(site: &Secondary) -> std::process::Child {
    let (pool, work) = (site.text("pool"), site.text("work"));
    let args = ["rehearse", "--path", &pool, "--work-dir", &work, "--sign", "serial:never"];
    let run = site.georep(&args).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while site.domains("running").len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "no domain was started");
        std::thread::sleep(Duration::from_millis(50));
    }
    run
}

fn rehearsal_signalled() {
    let site = site();
    let mut run = waiting(&site);
    site.shell(&format!("kill -TERM {}", run.id()));
    assert_eq!(run.wait().unwrap().code(), Some(1));
    assert_nothing_rehearsed(&site);
}

fn rehearsal_killed() {
    let site = site();
    let mut run = waiting(&site);
    // As long as it lives, nothing of it is touched.
    let output = rehearse(&site, &["--domain", "web", "--sign", "serial:never"]);
    assert!(!text(&output).contains("clean up"), "{}", text(&output));
    assert_eq!(site.domains("running").len(), 2);
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!is_empty(&site.path("work")));
    site.virsh("agent", "");
    fs::create_dir(site.path("work/mine")).unwrap();
    let output = rehearse(&site, &["--domain", "web"]);
    assert_exit(&output, 0);
    assert_says(&output, &["georep-rehearse-web: left by a rehearsal that was killed; ended"]);
    assert!(Path::new(&site.text("work/mine")).exists());
    fs::remove_dir(site.path("work/mine")).unwrap();
    assert_nothing_rehearsed(&site);
}
