//! What a status can say of the workers.

use georep_tests::simulated::{Row, Scenario as World};
use rustix::process::Signal;

use crate::scenario::*;

pub fn scenarios() -> Vec<Scenario> {
    let mut all = vec![
        Scenario::new("all workers are at the checkpoint", healthy()),
        Scenario::new("workers are behind at first", polls(vec![behind(), reached()]))
            .same(complete(&[WAITING])),
        Scenario::new("a session that was stopped", World { runs_before: false, ..healthy() }),
        Scenario::new("a faulty worker recovers", polls(vec![faulty(), reached()]))
            .same(complete(&[NOT_OK, &workers("'p1:/b/1'", "")])),
        Scenario::new("a peer comes back", polls(vec![offline(), reached()])).differs(
            &["peer-down"],
            complete(&[NOT_OK, &workers("", "'p2:/b/4'")]),
            peer_is_down("'p2:/b/4'"),
        ),
    ];
    // No worker is active, and of none the checkpoint is complete: for the script that is all.
    for status in ["Initializing...", "Passive", "Created", "Paused", "Stopped"] {
        let rows = all_are(status);
        let first = if matches!(status, "Initializing..." | "Passive") {
            WAITING.to_owned()
        } else {
            format!("{NOT_OK}{}", workers("", ""))
        };
        all.push(
            Scenario::new(
                format!("all workers are {status} at first"),
                polls(vec![rows, reached()]),
            )
            .differs(&["none-active"], complete(&[]), complete(&[&first])),
        );
    }
    for status in
        ["inconsistent", "Config Corrupted", "N/A", "Started", "defunct", "Stable", "Unheard Of"]
    {
        let mut rows = reached();
        rows[1] = Row::new(1, status, "N/A");
        let key = status.to_lowercase();
        let first = if status == "Started" {
            String::new()
        } else {
            format!("{NOT_OK}{}", workers("", ""))
        };
        all.push(
            Scenario::new(format!("a worker is {status} at first"), polls(vec![rows, reached()]))
                .differs(
                    &["unknown-states"],
                    dies(&format!("KeyError: '{key}'")),
                    complete(&[&first]),
                ),
        );
    }
    all.push(
        Scenario::new("a worker is faulty for ever", polls(vec![faulty()]))
            .ended(Signal::INT, When::Polls(3))
            .same(outcome(
                "1",
                STARTED,
                "running",
                &[BEGUN, NOT_OK, &workers("'p1:/b/1'", ""), EXITING],
            )),
    );
    all
}

fn all_are(status: &str) -> Vec<Row> {
    (0..4).map(|brick| Row::new(brick, status, "N/A")).collect()
}

fn faulty() -> Vec<Row> {
    let mut rows = reached();
    rows[0] = Row::new(0, "Faulty", "N/A");
    rows
}

/// The second peer is down, and with it the passive worker of the second set.
fn offline() -> Vec<Row> {
    let mut rows = reached();
    rows.truncate(3);
    rows
}
