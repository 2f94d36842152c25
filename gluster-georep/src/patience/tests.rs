use super::*;
use crate::{Brick, CheckpointFlag, SetState};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An active worker in its live crawl, short of the checkpoint; another `synced` is movement.
fn worker(synced: u64) -> Worker {
    Worker {
        host: "p1".into(),
        path: "/b".into(),
        host_uuid: None,
        status: WorkerStatus::Active,
        crawl: Some("Changelog Crawl".into()),
        entry: Some(0),
        data: Some(0),
        meta: Some(0),
        failures: Some(0),
        checkpoint_completed: CheckpointFlag::No,
        checkpoint_time: None,
        checkpoint_completion_time: None,
        last_synced: jiff::Timestamp::from_second(i64::try_from(synced).unwrap()).ok(),
    }
}

fn waits_for(worker: Worker) -> Verdict {
    let (troubles, offline) = (Vec::new(), Vec::new());
    Verdict { sets: vec![SetState::Behind], troubles, offline, awaited: vec![worker] }
}

fn brick() -> Brick {
    Brick { host: "p1".into(), path: "/b".into(), host_uuid: None }
}

fn faulty() -> Verdict {
    let troubles = vec![Trouble::Faulty(brick())];
    Verdict { sets: vec![SetState::NotActive], troubles, ..waits_for(worker(0)) }
}

fn patience() -> Patience {
    Patience::new(seconds(10), seconds(15))
}

/// Plays checks a second apart and returns what was advised but for waiting.
fn play(
    patience: &mut Patience,
    during: std::ops::Range<u64>,
    at: impl Fn(u64) -> Verdict,
) -> Vec<(u64, Advice)> {
    during
        .map(|now| (now, patience.advise(seconds(now), &at(now))))
        .filter(|(_, advice)| !matches!(advice, Advice::Wait(_)))
        .collect()
}

#[test]
fn while_things_move_nobody_helps() {
    assert_eq!(play(&mut patience(), 0..3600, |now| waits_for(worker(now))), []);
}

#[test]
fn while_there_is_work_to_do_nobody_helps_though_nothing_moves() {
    let sends_one_large_file = Worker { data: Some(1), ..worker(0) };
    let looks_for_changes = Worker { crawl: Some("Hybrid Crawl".into()), ..worker(0) };
    for busy in [sends_one_large_file, looks_for_changes] {
        assert_eq!(play(&mut patience(), 0..3600, |_| waits_for(busy.clone())), []);
    }
}

#[test]
fn a_session_at_rest_is_nudged_restarted_once_and_nudged_ever_more_rarely() {
    let advice = play(&mut patience(), 0..600, |_| waits_for(worker(0)));
    let nudge = Advice::Nudge;
    let expected = [(36, nudge), (72, Advice::Restart), (108, nudge), (179, nudge), (320, nudge)];
    assert_eq!(advice, expected);
}

#[test]
fn a_session_that_a_restart_does_not_move_is_given_up_after_ten_minutes() {
    let advice = play(&mut patience(), 0..601, |_| waits_for(worker(0)));
    assert_eq!(advice.last(), Some(&(600, Advice::GiveUp(Hopeless::Stuck))));
}

#[test]
fn a_session_that_is_faulty_for_five_minutes_is_given_up() {
    let advice = play(&mut patience(), 0..301, |_| faulty());
    assert_eq!(advice, [(300, Advice::GiveUp(Hopeless::NotAtWork))]);
}

#[test]
fn a_session_that_somebody_stops_is_given_up_and_not_started_again() {
    let stopped = Verdict {
        troubles: vec![Trouble::NotRunning(vec![brick()], WorkerStatus::Stopped)],
        ..faulty()
    };
    let at = |now| if now < 100 { waits_for(worker(now)) } else { stopped.clone() };
    let advice = play(&mut patience(), 0..131, at);
    assert_eq!(advice.first(), Some(&(129, Advice::GiveUp(Hopeless::NotRunning))));
}

#[test]
fn starting_again_between_two_failures_is_no_break() {
    let starting = Verdict { troubles: Vec::new(), ..faulty() };
    let advice =
        play(
            &mut patience(),
            0..301,
            |now| {
                if now % 70 < 60 { starting.clone() } else { faulty() }
            },
        );
    assert_eq!(advice, [(300, Advice::GiveUp(Hopeless::NotAtWork))]);
}

#[test]
fn a_worker_that_comes_back_now_and_then_is_not_given_up() {
    let flaps = |now| {
        if now % 200 == 0 { waits_for(worker(now)) } else { faulty() }
    };
    assert_eq!(play(&mut patience(), 0..2000, flaps), []);
}

#[test]
fn failures_are_given_up_as_soon_as_all_the_rest_is_synced() {
    let failures = Trouble::Failures(brick(), 2);
    let mut verdict = Verdict { troubles: vec![failures], ..waits_for(worker(0)) };
    assert_eq!(play(&mut patience(), 0..10, |_| verdict.clone()), []);

    verdict.sets = vec![SetState::Reached];
    let advice = patience().advise(seconds(11), &verdict);
    assert_eq!(advice, Advice::GiveUp(Hopeless::Failures));
}

#[test]
fn checks_are_frequent_while_things_move_and_never_rarer_than_asked() {
    let mut patience = patience();
    let mut wait = |now, synced| match patience.advise(seconds(now), &waits_for(worker(synced))) {
        Advice::Wait(wait) => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(0, 0), seconds(1));
    assert_eq!(wait(20, 0), seconds(1));
    assert_eq!(wait(30, 0), seconds(3));
    assert_eq!(wait(31, 1), seconds(1));
    let starting = Verdict { sets: vec![SetState::NotActive], ..waits_for(worker(1)) };
    assert_eq!(patience.advise(seconds(231), &starting), Advice::Wait(seconds(10)));
}

/// A volume option may name any time, and it is gluster that says so, not the caller.
#[test]
fn a_rollover_time_without_end_is_waited_for_without_end() {
    let mut patience = Patience::new(seconds(10), Duration::MAX);
    let rests = |_| waits_for(worker(0));
    assert_eq!(play(&mut patience, 0..2000, rests), []);
}
