use anstream::adapter::strip_str;
use clap::ValueEnum;
use gluster_georep::{SessionStatus, VolumeInfo, WorkerStatus};
use proptest::prelude::*;

use unicode_width::UnicodeWidthStr;

use super::*;

/// Recorded on a 2×2 volume.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../fixtures/gluster-10.3/", $name))
    };
}

const COMPLETE: &str = fixture!("status-active-checkpoint-yes.xml");
const FAULTY: &str = fixture!("status-faulty.xml");
const STOPPED: &str = fixture!("status-stopped.xml");

fn overview(status: &str) -> Overview {
    let session = SessionStatus::parse_all(status).unwrap().remove(0);
    let volume = VolumeInfo::parse_all(fixture!("volume-info-gv1.xml")).unwrap().remove(0);
    Overview { roster: Roster::new(&volume.sets, &session.workers), session, proven: None }
}

fn shown(overviews: &[Overview], states: &[State], columns: Option<usize>) -> String {
    let now = "2026-11-23T23:00:00Z".parse().unwrap();
    let lines = lines(overviews, states, now, columns);
    lines.iter().map(|line| format!("{}\n", strip_str(line))).collect()
}

#[test]
fn a_session_is_a_headline_its_workers_and_a_summary() {
    assert_eq!(
        shown(&[overview(COMPLETE)], &[], None),
        "\
gv1 → dr::gv2: running
BRICK         STATUS   CRAWL    SYNCED      CHECKPOINT      PENDING  FAILED
p1:/bricks/a  Active   History  14h36m ago  yes 14h36m ago  0/0/0    0
p2:/bricks/a  Passive  -        -           -               -        -
p1:/bricks/b  Active   History  14h36m ago  yes 14h36m ago  0/0/0    0
p2:/bricks/b  Passive  -        -           -               -        -
4 bricks in 2 sets: 2 Active, 2 Passive
checkpoint of 2026-11-23T08:23:06Z: reached by 2 of 2 sets
"
    );
}

#[test]
fn a_brick_without_a_worker_is_there_all_the_same() {
    let mut overview = overview(COMPLETE);
    overview.roster.places[1].worker = None;
    let shown = shown(&[overview], &[], Some(80));
    assert!(shown.contains("p2:/bricks/a  Offline"), "{shown}");
    assert!(shown.contains("4 bricks in 2 sets: 2 Active, 1 Passive, 1 Offline"), "{shown}");
}

#[test]
fn only_the_states_that_were_asked_for_are_shown_and_all_are_counted() {
    let all = [overview(STOPPED), overview(FAULTY)];
    let shown_faulty = shown(&all, &[State::Faulty], None);
    assert_eq!(shown_faulty.matches("::").count(), 1, "one headline: {shown_faulty}");
    assert!(shown_faulty.contains("Faulty"), "{shown_faulty}");
    assert!(shown_faulty.contains("4 bricks in 2 sets"), "{shown_faulty}");
    assert_eq!(shown(&all, &[State::Offline], None), "no worker is in that state\n");
}

#[test]
fn on_80_columns_nothing_of_a_usual_session_is_left_out() {
    let session = [overview(COMPLETE)];
    assert_eq!(shown(&session, &[], Some(80)), shown(&session, &[], None));
}

#[test]
fn a_narrow_terminal_still_shows_brick_and_status() {
    for line in shown(&[overview(COMPLETE)], &[], Some(24)).lines().skip(2).take(4) {
        assert!(line.contains(":/bricks/"), "{line}");
        assert!(line.contains("Active") || line.contains("Passive"), "{line}");
    }
}

#[test]
fn a_name_cannot_move_the_cursor() {
    let mut overview = overview(COMPLETE);
    overview.roster.places[0].brick.path = "/b\x1b[2J\r\n".to_owned();
    let shown = shown(&[overview], &[], None);
    assert!(shown.contains("p1:/b?[2J??"), "{shown}");
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal(
        columns in 1_usize..200,
        path in "/.{0,60}",
        word in ".{0,30}",
        failures in any::<Option<u64>>(),
        entry in any::<u64>(),
        states in proptest::collection::vec(proptest::sample::select(State::value_variants()), 0..3),
    ) {
        let mut overview = overview(COMPLETE);
        overview.session.secondary = word.clone();
        for place in &mut overview.roster.places {
            place.brick.path.clone_from(&path);
            if let Some(worker) = &mut place.worker {
                worker.failures = failures;
                worker.entry = Some(entry);
                worker.crawl = Some(word.clone());
            }
        }
        overview.roster.places[2].worker.as_mut().unwrap().status = WorkerStatus::Other(word);
        let shown = shown(&[overview], &states, Some(columns));
        for line in shown.lines().filter(|line| line != &"no worker is in that state") {
            prop_assert!(line.width() <= columns, "{} > {columns}: {line}", line.width());
        }
    }
}
