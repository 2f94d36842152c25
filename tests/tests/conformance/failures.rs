//! Commands that fail, and answers that are not what they seem.

use georep_tests::simulated::{Fault, Row, Scenario as World};

use crate::scenario::*;

const REFUSED: &str = "Staging failed on p2. Please check the log";
const BUSY: &str = "Another transaction is in progress for gv1. Please try again after some time.";
const PEER: &str = "Peer p2, which is a part of gv1 volume, is down. Please bring up the peer";
const COMMAND_FAILED: &str = "geo-replication command failed";
const STOPPED: &str = "[    OK] Stopped Geo-replication\n";
const SET: &str = "[    OK] Set Checkpoint\n";
const UNABLE: &str = "[  WARN] Unable to get Geo-replication Status\n";

pub fn scenarios() -> Vec<Scenario> {
    [refused(), busy(), answers(), mounts(), believed()].concat()
}

fn refused() -> Vec<Scenario> {
    let set = "stop force, config checkpoint now";
    let peer_is_down = Fault { after: 1, ..Fault::refusing("gv2 stop", 1, PEER) };
    vec![
        Scenario::new("there is no such session", healthy())
            .args(&["gv1", "dr", "nosuch", "--no-color"])
            .reason("No active geo-replication sessions between gv1 and dr::nosuch")
            .same(outcome("255", "", "running", &[FAILED])),
        Scenario::new("the stop is refused", fault(Fault::refusing("stop force", 1, REFUSED)))
            .reason(REFUSED)
            .differs(
                &["put-back"],
                outcome("255", "stop force", "running", &[FAILED]),
                outcome("255", "stop force, start", "running", &[FAILED]),
            ),
        Scenario::new(
            "the checkpoint is refused",
            fault(Fault::refusing("checkpoint now", 1, REFUSED)),
        )
        .reason(REFUSED)
        .differs(
            &["put-back"],
            outcome("255", set, "stopped", &[STOPPED, FAILED]),
            outcome("255", STARTED, "running", &[STOPPED, FAILED]),
        ),
        Scenario::new("the start is refused", fault(Fault::refusing("gv2 start", 1, REFUSED)))
            .reason(REFUSED)
            .differs(
                &["put-back"],
                outcome("255", STARTED, "stopped", &[STOPPED, SET, FAILED]),
                outcome("255", &format!("{STARTED}, start"), "running", &[STOPPED, SET, FAILED]),
            ),
        Scenario::new("the last stop is refused as a peer is down", fault(peer_is_down))
            .reason(PEER)
            .differs(
                &["last-stop"],
                outcome("255", WHOLE, "running", &[BEGUN, COMPLETE, FAILED]),
                outcome("0", &format!("{WHOLE}, stop force"), "stopped", &[BEGUN, COMPLETE]),
            ),
    ]
}

fn busy() -> Vec<Scenario> {
    let first = |call| fault(Fault::refusing(call, 1, BUSY));
    vec![
        Scenario::new("the volume is locked at the stop", first("stop force"))
            .reason(BUSY)
            .differs(
                &["locked"],
                outcome("255", "stop force", "running", &[FAILED]),
                outcome(
                    "0",
                    &format!("stop force, {WHOLE}"),
                    "stopped",
                    &[RETRYING, BEGUN, COMPLETE],
                ),
            ),
        Scenario::new("the volume is locked at the start", first("gv2 start"))
            .reason(BUSY)
            .differs(
                &["locked"],
                outcome("255", STARTED, "stopped", &[STOPPED, SET, FAILED]),
                outcome(
                    "0",
                    "stop force, config checkpoint now, start, start, stop",
                    "stopped",
                    &[STOPPED, SET, RETRYING, &BEGUN[STOPPED.len() + SET.len()..], COMPLETE],
                ),
            ),
        Scenario::new(
            "a status since 6 fails",
            fault(Fault {
                stdout: format!("{COMMAND_FAILED}\n"),
                ..Fault::failing("status --xml", 1, "", 2)
            }),
        )
        .reason(COMMAND_FAILED)
        .differs(
            &["status-fails"],
            outcome("255", STARTED, "running", &[BEGUN, FAILED]),
            outcome("0", WHOLE, "stopped", &[RETRYING, BEGUN, COMPLETE]),
        ),
        Scenario::new("a status before 6 fails", fault(Fault::refusing("status --xml", 1, BUSY)))
            .reason(BUSY)
            .differs(
                &["status-fails"],
                complete(&[UNABLE]),
                outcome("0", WHOLE, "stopped", &[RETRYING, BEGUN, COMPLETE]),
            ),
    ]
}

fn answers() -> Vec<Scenario> {
    let cut = "<?xml version=\"1.0\"?>\n<cliOutput><opRet>0</opRet><geoRep><volume>";
    vec![
        Scenario::new(
            "a status is cut short",
            fault(Fault { stdout: cut.to_owned(), ..Fault::failing("status --xml", 1, "", 0) }),
        )
        .reason("cut")
        .differs(
            &["cut-short"],
            dies(
                "GlusterBadXmlFormat: Bad XML Format: gluster volume geo-replication gv1 dr::gv2 \
                 status --xml",
            ),
            outcome("0", WHOLE, "stopped", &[RETRYING, BEGUN, COMPLETE]),
        ),
    ]
}

fn mounts() -> Vec<Scenario> {
    let mount = |call: &str, stderr: &str| {
        let faults = [call, "mount -t"].map(|call| Fault::failing(call, 9, stderr, 1));
        World { faults: faults.into(), ..healthy() }
    };
    let unable = "[NOT OK] Unable to Mount Gluster Volume localhost:gv1\n";
    vec![
        Scenario::new("the volume cannot be mounted", mount("glusterfs ", "Mount failed.\n"))
            .reason("Mount failed.")
            .differs(
                &["first-look"],
                outcome("255", STARTED, "running, a directory", &[BEGUN, unable, "<reason>\n"]),
                outcome("255", "", "running", &[FAILED]),
            ),
        Scenario::new(
            "the mount is none",
            World {
                faults: vec![
                    Fault::failing("mountpoint", 9, "", 1),
                    Fault::failing("findmnt", 9, "", 1),
                ],
                ..healthy()
            },
        )
        .reason("findmnt")
        .differs(
            &["first-look"],
            outcome("1", STARTED, "running, a mount, a directory", &[BEGUN, unable]),
            outcome("255", "", "running", &[FAILED]),
        ),
        Scenario::new(
            "the volume cannot be touched",
            fault(Fault::failing("touch ", 1, "touch: it is read-only\n", 1)),
        )
        .reason("touch: it is read-only")
        .differs(
            &["mount-left"],
            outcome("255", STARTED, "running, a mount, a directory", &[BEGUN, FAILED]),
            complete(&[]),
        ),
    ]
}

/// What is reported complete and is not.
fn believed() -> Vec<Scenario> {
    let mut stale = reached();
    stale[2].checkpoint_age = 86400;
    let mut failed = reached();
    failed[0].failures = 2;
    let half = vec![Row::reached(0), Row::passive(1), Row::new(2, "Initializing...", "N/A")];
    vec![
        Scenario::new("a worker speaks of an older checkpoint", polls(vec![stale, reached()]))
            .differs(&["older-checkpoint"], complete(&[]), complete(&[WAITING])),
        Scenario::new("of one set no worker is active", polls(vec![with_last(half), reached()]))
            .differs(&["none-active"], complete(&[]), complete(&[WAITING])),
        Scenario::new("files could not be synced", polls(vec![behind(), failed])).differs(
            &["failures"],
            complete(&[WAITING]),
            outcome(
                "1",
                WHOLE,
                "stopped",
                &[
                    BEGUN,
                    WAITING,
                    NOT_OK,
                    &workers("", ""),
                    "[NOT OK] Hopeless, every worker is at the checkpoint, but some files were not \
                     synced\nthe worker of p1:/b/1 could not sync 2 files\n",
                ],
            ),
        ),
        Scenario::new("nothing is copied", World { copies_nothing: true, ..healthy() })
            .reason("16 files written before the checkpoint are not on the secondary")
            .differs(
                &["data-arrived"],
                complete(&[]),
                outcome(
                    "1",
                    WHOLE,
                    "stopped",
                    &[
                        BEGUN,
                        COMPLETE,
                        "[NOT OK] All Checkpoints COMPLETE, but the data has not arrived\n",
                        "<reason>\n",
                    ],
                ),
            ),
        Scenario::new("the time is up", polls(vec![behind()]))
            .args(&["gv1", "dr", "gv2", "--interval", "1", "--timeout", "1", "--no-color"])
            .differs(
                &["stuck", "timeout"],
                outcome(
                    "1",
                    &format!("{STARTED}, stop force"),
                    "stopped",
                    &[BEGUN, WAITING, TIMED_OUT],
                ),
                outcome(
                    "1",
                    &format!("{STARTED}, stop force, start, stop"),
                    "stopped",
                    &[BEGUN, WAITING, RESTARTED, WAITING, TIMED_OUT],
                ),
            ),
    ]
}

const RESTARTED: &str = "[  WARN] Restarted Geo-replication, it was stuck\n";
const TIMED_OUT: &str = "[NOT OK] Timed out, Stopping Geo-replication(Duration: #sec)\n";

fn with_last(mut rows: Vec<Row>) -> Vec<Row> {
    rows.push(Row::new(3, "Initializing...", "N/A"));
    rows
}
