//! What stands in the way on a node, by what it has answered.

use super::super::finding::Finding;
use super::super::version::Version;
use super::{Answer, Node};

/// What gsyncd calls, since which Python that is no more, what comes of it, and its successor.
const GONE_FROM_PYTHON: [(&str, Version, &str, &str); 2] = [
    ("isAlive", Version(3, 9, 0), "every worker turns Faulty", "is_alive"),
    ("readfp", Version(3, 12, 0), "no session can be made", "read_file"),
];

/// rsyncs that copy nothing for geo-replication, and report success.
const BROKEN_RSYNC: [Version; 2] = [Version(3, 5, 0), Version(3, 5, 1)];

/// From here on nothing is known of rsync.
const UNTRIED_RSYNC: Version = Version(3, 5, 0);

/// The first glusterfs whose status knows checkpoints.
const FIRST_GLUSTER: Version = Version(3, 7, 0);

/// Its command line and its glusterd speak another language than those before.
const RENAMED_GLUSTER: Version = Version(10, 0, 0);

/// The releases of glusterfs that georep is tried on.
const TRIED_GLUSTER: std::ops::RangeInclusive<u32> = 9..=11;

/// How far apart two clocks may be, in seconds: checkpoints are in whole ones.
const SKEW: f64 = 1.0;

/// What is said of `nodes`, and of all of them together.
pub(super) fn judge(nodes: &[Node], uses_rsync: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for node in nodes {
        match &node.answer {
            Ok(answer) => found.extend(judge_node(node, answer, uses_rsync)),
            Err(reason) => {
                let enable = format!(
                    "let root log in there without a password, for this or any other node to look \
                     (try `ssh {0} true`); or run `rsync --version` and `date` on {0} yourself",
                    node.host
                );
                found.push(Finding::unseen("node", &node.host, reason, enable));
            }
        }
    }
    found.extend(mixed(nodes));
    found
}

fn judge_node(node: &Node, answer: &Answer, uses_rsync: bool) -> Vec<Finding> {
    let host = &node.host;
    let mut found = Vec::new();
    found.extend(clock(node, answer.skew));
    found.extend(sshd(node, &answer.session));
    found.extend(gsyncd(host, answer));
    let gluster = gluster(host, &answer.gluster);
    let rsync = if uses_rsync { rsync(host, &answer.rsync) } else { Ok("rsync not used".into()) };
    match (gluster, rsync) {
        (Ok(gluster), Ok(rsync)) if found.is_empty() => {
            found.push(Finding::ok("node", host, format!("{gluster}, {rsync}, clock as here")));
        }
        (gluster, rsync) => found.extend([gluster.err(), rsync.err()].into_iter().flatten()),
    }
    found
}

fn rsync(host: &str, said: &str) -> Result<String, Finding> {
    let Some(version) = Version::find(said).filter(|_| said.starts_with("rsync")) else {
        let mend = format!("install rsync on {host}; geo-replication copies with it");
        return Err(Finding::fail("rsync", host, format!("no rsync there: {said}"), mend));
    };
    if BROKEN_RSYNC.contains(&version) {
        let what = format!(
            "rsync {version} makes geo-replication create files of 0 bytes, while every status is \
             green and every checkpoint completes"
        );
        let mend = format!("install another one on {host}, such as 3.2.7, and hold it there");
        return Err(Finding::fail("rsync", host, what, mend));
    }
    if version >= UNTRIED_RSYNC {
        let what = format!("rsync {version} was never tried; 3.5.0 and 3.5.1 copy nothing");
        let mend = "look at the first backup with `georep verify --level full`, or install 3.2.7";
        return Err(Finding::warn("rsync", host, what, mend));
    }
    Ok(format!("rsync {version}"))
}

fn gluster(host: &str, said: &str) -> Result<String, Finding> {
    let version = Version::find(said).filter(|_| said.starts_with("glusterfs"));
    match version {
        None => {
            let mend = format!("install glusterfs-server on {host}");
            Err(Finding::fail("gluster", host, format!("no gluster there: {said}"), mend))
        }
        Some(version) if version < FIRST_GLUSTER => {
            let what = format!("{said} says nothing about checkpoints");
            Err(Finding::fail("gluster", host, what, "upgrade to 3.7 or later"))
        }
        Some(version) if !TRIED_GLUSTER.contains(&version.0) => {
            let what = format!("{said} was never tried with georep, only 9, 10 and 11 were");
            let mend = "look at the first backup with `georep verify --level full`";
            Err(Finding::warn("gluster", host, what, mend))
        }
        Some(_) => Ok(said.to_owned()),
    }
}

/// A checkpoint is a second of the clock of the node that sets it; each brick compares it with its
/// own node's. The clocks of the other site decide nothing.
fn clock(node: &Node, skew: f64) -> Option<Finding> {
    if skew.abs() <= SKEW {
        return None;
    }
    let (by, way) = (skew.abs(), if skew > 0.0 { "ahead of" } else { "behind" });
    let what = format!("its clock is {by:.1} s {way} this node's");
    let mend = format!(
        "synchronize it: `chronyc makestep` or `timedatectl set-ntp true` on {}",
        node.host
    );
    Some(if node.is_primary {
        let what = format!("{what}: a checkpoint may be called complete too early, or never");
        Finding::fail("clock", &node.host, what, mend)
    } else {
        Finding::warn("clock", &node.host, what, mend)
    })
}

/// gsyncd lets rsync in only below a process called `sshd`, and from OpenSSH 9.8 on that one is
/// called otherwise.
fn sshd(node: &Node, session: &str) -> Option<Finding> {
    let program = session.split_whitespace().nth(1)?;
    if node.is_primary || program.ends_with("/sshd") {
        return None;
    }
    let what = format!(
        "its sshd starts `{program}` for each login; gsyncd lets rsync in only below `sshd`, and \
         every worker turns Faulty as soon as there is data to copy"
    );
    let mend = format!(
        "on {}: link a file called `sshd` to it, and name the link as SshdSessionPath in \
         /etc/ssh/sshd_config.d/",
        node.host
    );
    Some(Finding::fail("sshd", &node.host, what, mend))
}

/// gsyncd and the Python that it runs on are of different age on some releases.
fn gsyncd(host: &str, answer: &Answer) -> Vec<Finding> {
    let Some(python) = Version::find(&answer.python) else { return Vec::new() };
    let gone = GONE_FROM_PYTHON.iter();
    let gone = gone.filter(|(call, since, ..)| answer.gsyncd.contains(call) && python >= *since);
    gone.map(|(call, _, comes_of_it, successor)| {
        let what =
            format!("gsyncd calls `{call}`, which Python {python} does not know: {comes_of_it}");
        let mend = format!(
            "in glusterfs/python/syncdaemon/*.py on {host}, put `{successor}` in its place, which \
             every Python 3 knows"
        );
        Finding::fail("gsyncd", host, what, mend)
    })
    .collect()
}

/// Versions that cannot work together.
fn mixed(nodes: &[Node]) -> Option<Finding> {
    let primary = nodes.iter().filter(|node| node.is_primary);
    let versions = primary.filter_map(|node| {
        Some((node.host.as_str(), Version::find(&node.answer.as_ref().ok()?.gluster)?))
    });
    let (old, new): (Vec<_>, Vec<_>) = versions.partition(|(_, v)| *v < RENAMED_GLUSTER);
    let ((old, before), (new, after)) = (old.first()?, new.first()?);
    let what = format!(
        "glusterfs {before} here and {after} on {new}: commands of geo-replication fail between \
         versions before 10 and from 10 on"
    );
    Some(Finding::fail("gluster", old, what, format!("upgrade {old}, and all like it")))
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Grade;
    use super::*;

    fn answer() -> Answer {
        Answer {
            rsync: "rsync  version 3.2.7  protocol version 32".into(),
            gluster: "glusterfs 10.3".into(),
            python: "Python 3.11.2".into(),
            gsyncd: String::new(),
            session: String::new(),
            skew: 0.0,
        }
    }

    fn node(host: &str, is_primary: bool, answer: Answer) -> Node {
        Node { host: host.into(), is_primary, answer: Ok(answer) }
    }

    /// Check and grade of what is found on a node.
    fn told(is_primary: bool, answer: Answer) -> Vec<(&'static str, Grade)> {
        let found = judge(&[node("n", is_primary, answer)], true);
        found.iter().map(|finding| (finding.check, finding.grade)).collect()
    }

    #[test]
    fn a_rsync_that_copies_nothing_is_found_and_one_that_nobody_knows_is_told() {
        for (version, expected) in [
            ("3.1.3", ("node", Grade::Ok)),
            ("3.2.7", ("node", Grade::Ok)),
            ("3.4.1", ("node", Grade::Ok)),
            ("3.5.0", ("rsync", Grade::Fail)),
            ("3.5.1", ("rsync", Grade::Fail)),
            ("3.5.2", ("rsync", Grade::Warn)),
            ("4.0.0", ("rsync", Grade::Warn)),
        ] {
            let rsync = format!("rsync  version {version}  protocol version 32");
            assert_eq!(told(true, Answer { rsync, ..answer() }), [expected], "{version}");
        }
        let rsync = "sh: 1: rsync: not found".to_owned();
        assert_eq!(
            told(true, Answer { rsync: rsync.clone(), ..answer() }),
            [("rsync", Grade::Fail)]
        );
        let by_tar = judge(&[node("n", true, Answer { rsync, ..answer() })], false);
        assert_eq!(by_tar[0].grade, Grade::Ok, "{by_tar:?}");
    }

    #[test]
    fn a_gluster_without_checkpoints_is_found_and_one_that_was_never_tried_is_told() {
        for (gluster, expected) in [
            ("glusterfs 9.2", ("node", Grade::Ok)),
            ("glusterfs 11.2", ("node", Grade::Ok)),
            ("glusterfs 3.6.9 built on Mar  2 2016", ("gluster", Grade::Fail)),
            ("glusterfs 3.12.2", ("gluster", Grade::Warn)),
            ("glusterfs 12.0", ("gluster", Grade::Warn)),
            ("sh: 1: gluster: not found", ("gluster", Grade::Fail)),
        ] {
            assert_eq!(told(true, Answer { gluster: gluster.into(), ..answer() }), [expected]);
        }
    }

    #[test]
    fn a_clock_that_is_off_matters_where_checkpoints_are_compared() {
        let off = |skew| Answer { skew, ..answer() };
        assert_eq!(told(true, off(0.9))[0].1, Grade::Ok);
        assert_eq!(told(true, off(-90.0)), [("clock", Grade::Fail)]);
        assert_eq!(told(false, off(90.0)), [("clock", Grade::Warn)]);
    }

    #[test]
    fn an_sshd_that_gsyncd_does_not_know_is_found_at_the_other_site() {
        let session = "sshdsessionpath /usr/lib/openssh/sshd-session".to_owned();
        let there = || Answer { session: session.clone(), ..answer() };
        assert_eq!(told(false, there()), [("sshd", Grade::Fail)]);
        assert_eq!(told(true, there())[0].1, Grade::Ok);
        let mended = session.replace("openssh/sshd-session", "gluster-sshd/sshd");
        assert_eq!(told(false, Answer { session: mended, ..answer() })[0].1, Grade::Ok);
    }

    #[test]
    fn a_gsyncd_that_is_older_than_its_python_is_found() {
        let of = |python: &str, gsyncd: &str| {
            told(true, Answer { python: python.into(), gsyncd: gsyncd.into(), ..answer() })
        };
        assert_eq!(of("Python 3.11.2", ".readfp(")[0].1, Grade::Ok);
        assert_eq!(of("Python 3.11.2", ".isAlive(.readfp("), [("gsyncd", Grade::Fail)]);
        assert_eq!(of("Python 3.13.5", ".readfp("), [("gsyncd", Grade::Fail)]);
        assert_eq!(of("sh: python3: not found", ".readfp(")[0].1, Grade::Ok);
    }

    #[test]
    fn versions_on_both_sides_of_10_do_not_work_together() {
        let old = || node("p2", true, Answer { gluster: "glusterfs 9.2".into(), ..answer() });
        let found = judge(&[node("p1", true, answer()), old()], true);
        let failed: Vec<_> = found.iter().filter(|found| found.grade == Grade::Fail).collect();
        assert_eq!((failed.len(), failed[0].on.as_str()), (1, "p2"));
        let apart = judge(&[node("dr", false, answer()), old()], true);
        assert!(apart.iter().all(|found| found.grade == Grade::Ok), "{apart:?}");
    }

    #[test]
    fn a_node_that_cannot_be_asked_is_never_green() {
        let silent = Node { host: "p2".into(), is_primary: true, answer: Err("no route".into()) };
        let found = judge(&[silent], true);
        assert_eq!((found[0].grade, found[0].on.as_str()), (Grade::Warn, "p2"));
        assert!(found[0].what.contains("could not be looked at: no route"), "{found:?}");
    }
}
