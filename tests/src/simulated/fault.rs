//! One call that goes wrong, named in a way that is the same in every run.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The call that goes wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedFault {
    /// Which call.
    pub call: CallId,
    /// How it goes wrong.
    pub kind: Kind,
}

/// A call, whatever run it is part of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId {
    /// Its command line, without what differs from run to run.
    pub line: String,
    /// Which of the calls with this line it is, counted from 1.
    pub occurrence: usize,
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// It does nothing, and says that it failed.
    FailsBefore,
    /// It does what it is asked, and says that it failed.
    FailsAfter,
    /// `georep` is killed, and the tool does nothing.
    KilledBefore,
    /// The tool does what it is asked, and then `georep` is killed.
    KilledAfter,
    /// `georep` is killed, and the tool, which lives on, does what it is asked a moment later.
    Orphaned,
    /// It does nothing, and never ends.
    HangsBefore,
    /// It does what it is asked, and never ends.
    HangsAfter,
    /// It does what it is asked, and what it prints is cut short and goes on with bytes that mean
    /// nothing.
    Garbage,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::FailsBefore,
        Self::FailsAfter,
        Self::KilledBefore,
        Self::KilledAfter,
        Self::Orphaned,
        Self::HangsBefore,
        Self::HangsAfter,
        Self::Garbage,
    ];

    /// Whether it ends `georep`.
    pub fn kills(self) -> bool {
        matches!(self, Self::KilledBefore | Self::KilledAfter | Self::Orphaned)
    }

    /// Whether it takes the tool's time limit.
    pub fn hangs(self) -> bool {
        matches!(self, Self::HangsBefore | Self::HangsAfter)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FailsBefore => "fails before its effect",
            Self::FailsAfter => "fails after its effect",
            Self::KilledBefore => "georep is killed before its effect",
            Self::KilledAfter => "georep is killed after its effect",
            Self::Orphaned => "georep is killed, its effect comes later",
            Self::HangsBefore => "hangs before its effect",
            Self::HangsAfter => "hangs after its effect",
            Self::Garbage => "prints garbage",
        })
    }
}

impl CallId {
    /// Whether the call may change something. The others only ask.
    pub fn changes_something(&self) -> bool {
        let words: Vec<_> = self.line.split(' ').collect();
        match words.as_slice() {
            ["mount" | "umount", ..] => true,
            ["gluster", "--mode=script", "volume", "set" | "reset", ..] => true,
            ["gluster", rest @ ..] => {
                matches!(rest, [.., "start" | "stop" | "force" | "now", "--xml"])
            }
            ["qemu-img", subcommand, ..] => matches!(*subcommand, "commit" | "snapshot"),
            ["virsh", rest @ ..] => {
                let asks = ["list", "dumpxml", "domstate", "snapshot-list", "domblkerror", "--raw"];
                !rest.iter().any(|word| asks.contains(word))
            }
            _ => false,
        }
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.line, self.occurrence)
    }
}

/// A command line without what differs from run to run: where the world is, the run's name, and the
/// names of temporary files.
pub fn usual(line: &str, world: &Path) -> String {
    let line = line.replace(&*world.to_string_lossy(), "");
    let line = without(&line, "georep-", "00000000T000000Z", "georep-RUN");
    let line = without(&line, "/tmp/georep-mount-", "aaaaaa", "/tmp/MOUNT");
    without(&line, "/tmp/.tmp", "aaaaaa", "/tmp/FILE")
}

/// Puts `instead` in place of every `prefix` that is followed by text of this shape: a digit where
/// the shape has `0`, a letter or digit where it has `a`.
fn without(line: &str, prefix: &str, shape: &str, instead: &str) -> String {
    let mut rest = line;
    let mut changed = String::new();
    while let Some((before, after)) = rest.split_once(prefix) {
        changed.push_str(before);
        let fits = after.len() >= shape.len()
            && shape.bytes().zip(after.bytes()).all(|(shape, byte)| match shape {
                b'0' => byte.is_ascii_digit(),
                b'a' => byte.is_ascii_alphanumeric(),
                shape => shape == byte,
            });
        if fits {
            changed.push_str(instead);
            rest = &after[shape.len()..];
        } else {
            changed.push_str(prefix);
            rest = after;
        }
    }
    changed + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_the_same_name_in_every_run() {
        let world = Path::new("/w/1");
        let line = "mount -o log-file=/tmp/georep-mount-a1B2c3/client.log p:/v \
                    /tmp/georep-mount-a1B2c3/volume";
        assert_eq!(
            usual(line, world),
            "mount -o log-file=/tmp/MOUNT/client.log p:/v /tmp/MOUNT/volume"
        );
        assert_eq!(
            usual(
                "--name georep-20261123T064512Z --file /w/1/vm/a.georep-20261123T064512Z.x",
                world
            ),
            "--name georep-RUN --file /vm/a.georep-RUN.x"
        );
        assert_eq!(usual("/tmp/.tmpAAAAAA georep-mine", world), "/tmp/FILE georep-mine");
    }

    #[test]
    fn calls_that_change_something_are_told_from_those_that_ask() {
        let changes =
            |line: &str| CallId { line: line.to_owned(), occurrence: 1 }.changes_something();
        for line in [
            "virsh domfsfreeze --domain u",
            "virsh blockjob --domain u --path vda --pivot",
            "gluster --mode=script volume geo-replication gv1 dr::gv2 stop force --xml",
            "gluster --mode=script volume geo-replication gv1 dr::gv2 config checkpoint now --xml",
            "gluster --mode=script volume reset gv1 o --xml",
            "umount /tmp/MOUNT/volume",
        ] {
            assert!(changes(line), "{line}");
        }
        for line in [
            "virsh dumpxml --domain u --inactive",
            "virsh blockjob --domain u --path vda --raw",
            "gluster --mode=script volume geo-replication gv1 dr::gv2 status --xml",
            "gluster --mode=script volume geo-replication gv1 dr::gv2 config checkpoint --xml",
            "findmnt --json --target /x",
            "qemu-img check --output=json -- /x",
        ] {
            assert!(!changes(line), "{line}");
        }
    }
}
