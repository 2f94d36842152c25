//! `ssh` to other nodes, which are as they should be, and this node's `rsync`.

use crate::answer::{Answer, stdout};

/// The first line of `rsync --version`.
const RSYNC: &str = "rsync  version 3.2.7  protocol version 32";

/// The first line of `gluster --version`.
pub const GLUSTER: &str = "glusterfs 10.3";

/// What one of the programs answers.
pub fn answer(program: &str, args: &[String]) -> Option<Answer> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match (program, words.as_slice()) {
        ("rsync", ["--version"]) => Some(stdout(format!("{RSYNC}\n"))),
        // By geo-replication's key gsyncd is asked, which lets gluster be asked.
        ("ssh", [.., "gluster", "--version"]) => Some(stdout(format!("{GLUSTER}\n"))),
        ("ssh", [.., "--", _host, script]) if script.starts_with("sh -c ") => {
            let now = jiff::Timestamp::now().as_duration().as_secs_f64();
            Some(stdout(format!("date={now}\nrsync={RSYNC}\ngluster={GLUSTER}\nsession=\n")))
        }
        _ => None,
    }
}
