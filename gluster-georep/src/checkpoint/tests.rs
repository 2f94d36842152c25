use proptest::prelude::*;

use super::*;

const SETS: usize = 3;
const WIDTH: usize = 2;

fn this_checkpoint() -> Timestamp {
    Timestamp::from_second(1_795_400_000).unwrap()
}

fn brick(set: usize, place: usize) -> Brick {
    let host = format!("p{place}");
    Brick { path: format!("/b/{set}"), host_uuid: Some(host.clone()), host }
}

fn layout() -> Vec<BrickSet> {
    let set = |set| BrickSet { bricks: (0..WIDTH).map(|place| brick(set, place)).collect() };
    (0..SETS).map(set).collect()
}

fn worker(set: usize, place: usize, status: WorkerStatus, flag: CheckpointFlag) -> Worker {
    let Brick { host, path, host_uuid } = brick(set, place);
    Worker {
        host,
        path,
        host_uuid,
        status,
        crawl: None,
        entry: None,
        data: None,
        meta: None,
        failures: None,
        checkpoint_completed: flag,
        checkpoint_time: Some(this_checkpoint()),
        checkpoint_completion_time: None,
        last_synced: None,
    }
}

/// One active worker at the checkpoint and one passive in every set.
fn complete() -> Vec<Worker> {
    (0..SETS)
        .flat_map(|set| {
            [
                worker(set, 0, WorkerStatus::Active, CheckpointFlag::Yes),
                worker(set, 1, WorkerStatus::Passive, CheckpointFlag::NotApplicable),
            ]
        })
        .collect()
}

fn judge(workers: &[Worker]) -> Verdict {
    verdict(&layout(), workers, this_checkpoint(), &Baseline::default())
}

#[test]
fn it_is_complete_when_every_set_has_an_active_worker_at_this_checkpoint() {
    let verdict = judge(&complete());
    assert!(verdict.is_complete(), "{verdict:?}");
    assert_eq!(verdict.reached(), SETS);
}

#[test]
fn no_active_worker_and_no_checkpoint_is_not_equality_but_nothing() {
    for status in [
        WorkerStatus::Initializing,
        WorkerStatus::Passive,
        WorkerStatus::Stopped,
        WorkerStatus::Paused,
        WorkerStatus::Created,
    ] {
        let all = |set| worker(set, 0, status.clone(), CheckpointFlag::NotApplicable);
        let verdict = judge(&(0..SETS).map(all).collect::<Vec<_>>());
        assert!(!verdict.is_complete() && !verdict.is_at_work(), "{verdict:?}");
    }
    assert!(!judge(&[]).is_complete());
    assert!(!verdict(&[], &[], this_checkpoint(), &Baseline::default()).is_complete());
}

#[test]
fn a_yes_for_an_older_checkpoint_is_a_no() {
    let mut workers = complete();
    workers[2].checkpoint_time = Some(Timestamp::from_second(1_795_399_999).unwrap());
    let verdict = judge(&workers);
    assert_eq!(verdict.sets, [SetState::Reached, SetState::Behind, SetState::Reached]);
    assert!(!verdict.is_complete());
}

#[test]
fn of_two_active_workers_in_a_set_both_must_have_reached_it() {
    let mut workers = complete();
    workers[1] = worker(0, 1, WorkerStatus::Active, CheckpointFlag::No);
    assert_eq!(judge(&workers).sets[0], SetState::Behind);
}

#[test]
fn a_faulty_worker_stands_in_the_way_whatever_the_others_say() {
    let mut workers = complete();
    workers[1] = worker(0, 1, WorkerStatus::Faulty, CheckpointFlag::NotApplicable);
    let verdict = judge(&workers);
    assert!(!verdict.is_complete());
    assert_eq!(verdict.faulty().map(ToString::to_string).collect::<Vec<_>>(), ["p1:/b/0"]);
}

#[test]
fn a_set_with_one_brick_away_counts_and_one_with_none_is_offline() {
    let mut workers = complete();
    workers.remove(1);
    let verdict = judge(&workers);
    assert!(verdict.is_complete() && verdict.offline == [brick(0, 1)], "{verdict:?}");

    workers.remove(0);
    let verdict = judge(&workers);
    assert!(matches!(verdict.troubles.as_slice(), [Trouble::SetOffline(set)] if set.len() == 2));
    assert!(!verdict.is_complete());
}

#[test]
fn only_failures_of_this_run_stand_in_the_way() {
    let mut workers = complete();
    workers[0].failures = Some(3);
    let before = Baseline::before(&workers);
    assert!(verdict(&layout(), &workers, this_checkpoint(), &before).is_complete());

    workers[0].failures = Some(5);
    let verdict = verdict(&layout(), &workers, this_checkpoint(), &before);
    assert_eq!(verdict.troubles, [Trouble::Failures(brick(0, 0), 2)]);
    assert!(!verdict.is_complete() && verdict.has_reached_all());
}

#[test]
fn failures_first_seen_on_the_way_are_old_and_those_first_seen_at_the_end_count() {
    let mut workers = complete();
    workers[0].failures = Some(3);

    let mut at_the_end = Baseline::default();
    at_the_end.learn(&workers, this_checkpoint());
    let late = verdict(&layout(), &workers, this_checkpoint(), &at_the_end);
    assert_eq!(late.troubles, [Trouble::Failures(brick(0, 0), 3)]);

    let mut on_the_way = Baseline::default();
    workers[0].checkpoint_completed = CheckpointFlag::No;
    on_the_way.learn(&workers, this_checkpoint());
    workers[0].checkpoint_completed = CheckpointFlag::Yes;
    on_the_way.learn(&workers, this_checkpoint());
    assert!(verdict(&layout(), &workers, this_checkpoint(), &on_the_way).is_complete());
}

#[test]
fn a_session_that_somebody_stopped_is_trouble() {
    for status in [WorkerStatus::Stopped, WorkerStatus::Paused] {
        let mut workers = complete();
        for worker in &mut workers[0..2] {
            worker.status = status.clone();
        }
        let trouble = Trouble::NotRunning(layout()[0].bricks.clone(), status);
        assert_eq!(judge(&workers).troubles, [trouble]);
    }
}

#[test]
fn a_brick_listed_twice_counts_with_all_its_rows() {
    let mut workers = complete();
    workers.push(worker(0, 0, WorkerStatus::Active, CheckpointFlag::No));
    assert_eq!(judge(&workers).sets[0], SetState::Behind);
}

#[test]
fn what_is_awaited_are_the_workers_of_the_sets_that_are_behind() {
    let mut workers = complete();
    workers[2].checkpoint_completed = CheckpointFlag::No;
    assert_eq!(judge(&workers).awaited, workers[2..4]);
    assert_eq!(judge(&complete()).awaited, []);
}

#[test]
fn a_worker_for_a_brick_not_in_the_volume_means_that_the_layout_changed() {
    let mut workers = complete();
    workers.push(worker(SETS, 0, WorkerStatus::Active, CheckpointFlag::No));
    assert_eq!(judge(&workers).troubles, [Trouble::Stranger(format!("p0:/b/{SETS}"))]);
}

#[test]
fn a_brick_is_found_by_its_hosts_uuid_and_without_trailing_slash() {
    let mut workers = complete();
    workers[0].host = "another.name".to_owned();
    workers[0].path.push('/');
    assert!(judge(&workers).is_complete());

    // Without UUIDs the name decides.
    workers[0].host_uuid = None;
    assert!(!judge(&workers).is_complete());
    workers[0].host = "P0".to_owned();
    assert!(judge(&workers).is_complete());
}

fn any_status() -> impl Strategy<Value = WorkerStatus> {
    prop_oneof![
        4 => Just(WorkerStatus::Active),
        2 => Just(WorkerStatus::Passive),
        1 => prop::sample::select(vec![
            WorkerStatus::Initializing, WorkerStatus::Faulty, WorkerStatus::Created,
            WorkerStatus::Started, WorkerStatus::Paused, WorkerStatus::Stopped,
            WorkerStatus::Inconsistent, WorkerStatus::ConfigCorrupted,
            WorkerStatus::NotApplicable, WorkerStatus::Other("Resting".into()),
        ]),
    ]
}

fn any_flag() -> impl Strategy<Value = CheckpointFlag> {
    prop_oneof![
        4 => Just(CheckpointFlag::Yes),
        1 => Just(CheckpointFlag::No),
        1 => Just(CheckpointFlag::NotApplicable),
        1 => Just(CheckpointFlag::Unknown),
    ]
}

/// Any worker of any brick, also of bricks that are not in the layout.
fn any_worker() -> impl Strategy<Value = Worker> {
    let age = prop_oneof![4 => Just(Some(0)), 1 => (-5_i64..5).prop_map(Some), 1 => Just(None)];
    let failures = prop_oneof![3 => Just(Some(0)), 1 => Just(None), 1 => Just(Some(1_u64))];
    (0..=SETS, 0..WIDTH, any_status(), any_flag(), age, failures).prop_map(
        |(set, place, status, flag, age, failures)| {
            let mut worker = worker(set, place, status, flag);
            worker.checkpoint_time =
                age.map(|age| Timestamp::from_second(this_checkpoint().as_second() - age).unwrap());
            worker.failures = failures;
            worker
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    /// The promise: whatever else a status holds, it is never complete while a set lacks an active
    /// worker that says Yes for this very checkpoint.
    #[test]
    fn never_complete_while_a_set_lacks_an_active_worker_at_this_checkpoint(
        workers in prop::collection::vec(any_worker(), 0..14),
    ) {
        let verdict = judge(&workers);
        for set in 0..SETS {
            let reached = workers.iter().any(|worker| {
                worker.path == format!("/b/{set}")
                    && worker.status == WorkerStatus::Active
                    && worker.checkpoint_completed == CheckpointFlag::Yes
                    && worker.checkpoint_time == Some(this_checkpoint())
            });
            prop_assert!(reached || !verdict.is_complete(), "set {set}: {verdict:?}");
        }
    }

    /// And the other half: one faulty worker, one failure, one unknown word, and it is not complete.
    #[test]
    fn never_complete_beside_trouble(extra in any_worker()) {
        let mut workers = complete();
        let place = workers.iter().position(|w| w.host == extra.host && w.path == extra.path);
        match place {
            Some(place) => workers[place] = extra.clone(),
            None => workers.push(extra.clone()),
        }
        let harmless = match extra.status {
            WorkerStatus::Active => {
                place.is_some()
                    && extra.checkpoint_completed == CheckpointFlag::Yes
                    && extra.checkpoint_time == Some(this_checkpoint())
                    && extra.failures.unwrap_or(0) == 0
            }
            WorkerStatus::Faulty | WorkerStatus::Inconsistent | WorkerStatus::ConfigCorrupted
            | WorkerStatus::NotApplicable | WorkerStatus::Other(_) => false,
            // Standing by: fine where another of the set is active.
            _ => place.is_none_or(|place| place % WIDTH == 1) && (place.is_none() || extra.failures.unwrap_or(0) == 0),
        };
        prop_assert_eq!(judge(&workers).is_complete(), harmless);
    }
}
