//! Mounting: `mount`, `glusterfs`, `umount`, `findmnt` and `mountpoint`. What is mounted is a
//! symbolic link to the volume in the place of the mount point, which as one cannot be removed like a
//! directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use georep_tests::simulated::State;

use crate::answer::{Answer, fails, stdout};
use crate::world;

/// What one of the programs answers.
pub fn answer(state: &mut State, program: &str, args: &[String]) -> Option<Answer> {
    let words: Vec<&str> =
        args.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    Some(match (program, words.as_slice()) {
        ("mount", [.., source, directory]) => {
            let volume = source.rsplit_once('/').map_or(*source, |(_, volume)| volume);
            mount(state, volume, Path::new(directory))
        }
        ("glusterfs", [_server, volume, "-l", _log, directory]) => {
            mount(state, volume, Path::new(directory))
        }
        ("umount", [.., directory]) => umount(state, Path::new(directory)),
        ("findmnt", _) if args.iter().any(|arg| arg == "--list") => all_mounts(state),
        ("findmnt", [.., path]) => findmnt(state, Path::new(path)),
        ("mountpoint", ["-q", directory]) => {
            let mounted = state.mounted.iter().any(|mounted| mounted.0 == Path::new(directory));
            Answer { exit: u8::from(!mounted), ..Answer::default() }
        }
        ("touch", [_directory]) => Answer::default(),
        _ => return None,
    })
}

fn mount(state: &mut State, volume: &str, directory: &Path) -> Answer {
    if let Err(error) = fs::remove_dir(directory) {
        return fails(&format!("mount: {}: {error}", directory.display()));
    }
    symlink(world().join(volume), directory).expect("a directory was there");
    state.mounted.push((directory.into(), volume.to_owned()));
    Answer::default()
}

fn umount(state: &mut State, directory: &Path) -> Answer {
    let Some(place) = state.mounted.iter().position(|mounted| mounted.0 == directory) else {
        let stderr = format!("umount: {}: not mounted.\n", directory.display());
        return Answer { stderr, exit: 32, ..Answer::default() };
    };
    state.mounted.remove(place);
    fs::remove_file(directory).expect("a link is mounted");
    fs::create_dir(directory).expect("a link was there");
    Answer::default()
}

/// Every mount, and the root's.
fn all_mounts(state: &State) -> Answer {
    let root = r#"{"target": "/", "source": "/dev/vda", "fstype": "ext4", "fsroot": "/"}"#;
    let mount = |(target, volume): &(PathBuf, String)| {
        format!(
            r#"{{"target": "{}", "source": "localhost:/{volume}", "fstype": "fuse.glusterfs",
               "fsroot": "/"}}"#,
            target.display()
        )
    };
    let all: Vec<_> =
        [root.to_owned()].into_iter().chain(state.mounted.iter().map(mount)).collect();
    stdout(format!(r#"{{"filesystems": [{}]}}"#, all.join(",")))
}

/// The innermost mount that holds `path`.
fn findmnt(state: &State, path: &Path) -> Answer {
    if !path.exists() {
        return Answer { exit: 1, ..Answer::default() };
    }
    let holds = |mounted: &&(PathBuf, String)| path.starts_with(&mounted.0);
    let mounts = state.mounted.iter().filter(holds);
    let (target, source, fstype) = match mounts.max_by_key(|mounted| mounted.0.components().count())
    {
        Some((target, volume)) => {
            (target.display().to_string(), format!("localhost:/{volume}"), "fuse.glusterfs")
        }
        None => ("/".to_owned(), "/dev/vda".to_owned(), "ext4"),
    };
    stdout(format!(
        r#"{{"filesystems": [{{"target": "{target}", "source": "{source}",
           "fstype": "{fstype}", "fsroot": "/"}}]}}"#
    ))
}
