//! The original script: where it is found, and what of it is changed for a test.
//!
//! It is not part of this repository. The copy that is run differs from it in [`REPLACED`] only.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use georep_tests::program;

/// The script itself, where it is not where this looks for it.
const SCRIPT: &str = "GEOREP_SCRIPT";

const NAME: &str = "schedule_georep.py";

/// What is replaced, each at least once: the programs are found on `PATH`, the world says what is
/// a mount point, and the fixed wait after the start is 2 s.
const REPLACED: [(&str, &str); 4] = [
    ("\"/usr/sbin/gluster\"", "\"gluster\""),
    ("\"/usr/sbin/glusterfs\"", "\"glusterfs\""),
    ("os.path.ismount(mnt)", "subprocess.call([\"mountpoint\", \"-q\", mnt]) == 0"),
    ("time.sleep(60)", "time.sleep(2)"),
];

/// The script, ready for the simulated world.
pub struct Original {
    /// The python that runs it.
    pub python: PathBuf,
    /// The changed copy.
    pub script: PathBuf,
}

impl Original {
    /// Makes the copy in `directory`; `None` where there is no script, or no python.
    pub fn find(directory: &Path) -> Option<Self> {
        let found = named().or_else(in_testbed).or_else(|| downloaded(directory))?;
        let mut text = fs::read_to_string(&found).expect("a readable script");
        for (old, new) in REPLACED {
            assert!(text.contains(old), "{} has no {old}", found.display());
            text = text.replace(old, new);
        }
        let script = directory.join(NAME);
        fs::write(&script, text).expect("a writable directory");
        Some(Self { python: python()?, script })
    }
}

/// Not a wrapper that needs an environment of its own, which worlds do not have.
fn python() -> Option<PathBuf> {
    let command = ["-c", "import sys; print(sys.executable)"];
    let output = Command::new("python3").args(command).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().into())
}

fn named() -> Option<PathBuf> {
    env::var_os(SCRIPT).map(PathBuf::from)
}

/// The packages of the testbed's nodes lie unpacked in its cache.
fn in_testbed() -> Option<PathBuf> {
    let directory = env::var_os("GEOREP_TESTBED_DIR").unwrap_or("/var/lib/georep-testbed".into());
    entries(&Path::new(&directory).join("cache")).iter().find_map(|root| in_root(root))
}

fn downloaded(directory: &Path) -> Option<PathBuf> {
    // Once downloaded it is kept.
    let root = program::target_directory().join("glusterfs-common");
    if let Some(script) = in_root(&root) {
        return Some(script);
    }
    run(Command::new("apt-get").args(["download", "-q", "glusterfs-common"]), directory)?;
    let package =
        entries(directory).into_iter().find(|file| file.extension() == Some("deb".as_ref()))?;
    run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root), directory)?;
    in_root(&root)
}

fn run(command: &mut Command, directory: &Path) -> Option<()> {
    let command = command.current_dir(directory).stdout(Stdio::null());
    command.status().ok()?.success().then_some(())
}

fn in_root(root: &Path) -> Option<PathBuf> {
    let script = |triplet: PathBuf| triplet.join("glusterfs/scripts").join(NAME);
    entries(&root.join("usr/lib")).into_iter().map(script).find(|script| script.is_file())
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
