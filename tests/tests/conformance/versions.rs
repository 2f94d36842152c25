//! Hosts, users, and what the versions of gluster say.

use georep_tests::simulated::{Row, Scenario as World};
use rustix::process::Signal;

use crate::scenario::*;

pub fn scenarios() -> Vec<Scenario> {
    let user = |secondary: &str| World { secondary: secondary.to_owned(), ..healthy() };
    vec![
        Scenario::new("gluster before 10", World { old_words: true, ..healthy() }).differs(
            &["old-words"],
            dies("AttributeError: 'NoneType' object has no attribute 'text'"),
            complete(&[]),
        ),
        Scenario::new("a tiered volume", World { tiered: true, ..healthy() })
            .ended(Signal::INT, When::Polls(3))
            .differs(
                &["tiers"],
                outcome(
                    "1",
                    STARTED,
                    "running",
                    &[BEGUN, "[  WARN] Unable to get Geo-replication Status\n", EXITING],
                ),
                complete(&[]),
            ),
        Scenario::new(
            "a tiered volume in its old words",
            World { tiered: true, old_words: true, ..healthy() },
        )
        .differs(
            &["old-words", "tiers"],
            dies("AttributeError: 'NoneType' object has no attribute 'text'"),
            complete(&[]),
        ),
        Scenario::new("IPv6 bricks", ipv6(vec![behind(), reached()])).same(complete(&[WAITING])),
        Scenario::new("a faulty IPv6 brick", ipv6(vec![with(3, "Faulty"), reached()]))
            .same(complete(&[NOT_OK, &workers("'fd00::2:/b/4'", "")])),
        Scenario::new("an IPv6 brick is offline", ipv6(vec![reached()[..3].to_vec(), reached()]))
            .differs(
                &["ipv6"],
                dies("ValueError: too many values to unpack (expected 2)"),
                peer_is_down("'fd00::2:/b/4'"),
            ),
        Scenario::new("an IPv6 secondary", user("fd00::9")).args(&[
            "gv1",
            "fd00::9",
            "gv2",
            "--interval",
            "1",
            "--no-color",
        ]),
        Scenario::new("a user", user("geo@dr")).args(&[
            "gv1",
            "geo@dr",
            "gv2",
            "--interval",
            "1",
            "--no-color",
        ]),
        Scenario::new("a user through the shim", user("geo@dr"))
            .args(&["gv1", "geo@dr", "gv2", "--int=1", "--no-c"])
            .through_shim(),
        Scenario::new("the user root", healthy()).args(&[
            "gv1",
            "root@dr",
            "gv2",
            "--interval",
            "1",
            "--no-color",
        ]),
        Scenario::new(
            "a user with an @, and a peer is down",
            World { polls: vec![reached()[..3].to_vec()], ..user("geo@site@dr") },
        )
        .args(&["gv1", "geo@site@dr", "gv2", "--interval", "1", "--no-color"])
        .differs(
            &["two-ats"],
            dies("ValueError: too many values to unpack (expected 2)"),
            peer_is_down("'p2:/b/4'"),
        ),
        Scenario::new("through the shim", healthy()).through_shim(),
        Scenario::new("a command that fails, through the shim", healthy())
            .args(&["gv1", "dr", "nosuch", "--no-color"])
            .reason("No active geo-replication sessions between gv1 and dr::nosuch")
            .through_shim()
            .same(outcome("255", "", "running", &[FAILED])),
    ]
}

fn ipv6(polls: Vec<Vec<Row>>) -> World {
    let bricks = ["fd00::1:/b/1", "fd00::2:/b/2", "fd00::1:/b/3", "fd00::2:/b/4"];
    World { bricks: bricks.map(str::to_owned).to_vec(), polls, ..healthy() }
}

fn with(brick: usize, status: &str) -> Vec<Row> {
    let mut rows = reached();
    rows[brick] = Row::new(brick, status, "N/A");
    rows
}
