//! Every call of a backup goes wrong, in every way that a call can; then `georep recover` runs, and
//! then another backup, without a fault. Nothing may be left, and nothing lost. The same with every
//! call of a recovery, after which another one runs.
//!
//! The state of the simulated world changes only through calls of tools. So a run that is killed
//! anywhere leaves what it leaves where it is killed at one of its calls.
//!
//! What is run, and how much of it at once, the environment says:
//! - `GEOREP_SWEEP` is `all`, how many cases, spread over all of them, or `list`, to see their names;
//!   without it a sample is run;
//! - `GEOREP_SWEEP_CASE` is a part of the names of those that are run;
//! - `GEOREP_SWEEP_AT_ONCE` is how many worlds there are at the same time.

mod case;
mod left;
mod play;
mod records;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, thread};

use georep_tests::images::run_all;
use georep_tests::simulated::vms::Images;

use self::case::{Case, Method, Stage};
use self::play::Played;

/// How many cases are run where nobody asks for more.
const SAMPLE: usize = 300;

/// How many worlds there are at once: most of the time a run waits.
const AT_ONCE: usize = 48;

const TESTS: &[(&str, fn())] =
    &[("a_run_in_which_a_call_goes_wrong_leaves_nothing_and_loses_nothing", || {
        if let Err(failed) = sweep() {
            panic!("{failed}");
        }
    })];

fn main() -> ExitCode {
    run_all("the sweep", TESTS)
}

fn sweep() -> Result<(), String> {
    let began = Instant::now();
    let images = Images::prepare();
    let all = all_cases(&images)?;
    let chosen = chosen(&all);
    println!("sweep: {} of {} cases", chosen.len(), all.len());

    let played = play_all(&chosen, &images);
    let failed: Vec<_> =
        played.iter().filter(|(_, played)| !played.complaints.is_empty()).collect();
    for (case, _) in &failed {
        println!("FAILED {case}");
    }
    tell_summary(&played);
    println!(
        "sweep: {} of {} cases, {} failed, {:.0} s",
        chosen.len(),
        all.len(),
        failed.len(),
        began.elapsed().as_secs_f64()
    );
    if failed.is_empty() { Ok(()) } else { Err(format!("{} cases failed", failed.len())) }
}

/// Every call of a backup without a fault, by both methods, with every kind of fault; and every call
/// of a recovery.
fn all_cases(images: &Images) -> Result<Vec<Case>, String> {
    let mut all = Vec::new();
    for (stage, method) in Stage::ALL.into_iter().flat_map(|s| Method::ALL.map(|m| (s, m))) {
        let (ids, played) = play::without_fault(stage, method, images);
        if !played.complaints.is_empty() {
            return Err(format!("{method} {stage}, without a fault:\n{}", played.complaint()));
        }
        let cases = case::cases(stage, method, &ids);
        println!("sweep: {method} {stage}: {} calls, {} cases", ids.len(), cases.len());
        all.extend(cases);
    }
    Ok(all)
}

/// The cases that are asked for.
fn chosen(all: &[Case]) -> Vec<&Case> {
    if let Ok(part) = env::var("GEOREP_SWEEP_CASE") {
        return all.iter().filter(|case| case.to_string().contains(&part)).collect();
    }
    // The same ones each time, and no more of one kind than of another.
    let mut spread: Vec<_> = all.iter().collect();
    spread.sort_by_key(|case| digest(&case.to_string()));
    let count = match env::var("GEOREP_SWEEP").as_deref() {
        Ok("all") => all.len(),
        Ok("list") => {
            all.iter().for_each(|case| println!("{case}"));
            0
        }
        Ok(number) => number.parse().expect("GEOREP_SWEEP is `all`, `list` or a number"),
        Err(_) => SAMPLE,
    };
    spread.truncate(count);
    spread
}

/// FNV-1a, with the end of the text mixed into all of it.
fn digest(text: &str) -> u64 {
    let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (digest ^ digest >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn play_all<'a>(cases: &[&'a Case], images: &Images) -> Vec<(&'a Case, Played)> {
    let at_once = env::var("GEOREP_SWEEP_AT_ONCE").ok().and_then(|count| count.parse().ok());
    let next = AtomicUsize::new(0);
    let all_played = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once.unwrap_or(AT_ONCE).min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let played = play::play(case, images);
                    let mark = if played.complaints.is_empty() { "ok" } else { "FAILED" };
                    let seconds = played.seconds;
                    let told = format!("{mark:6} {seconds:5.1} s  {}  {case}\n", played.ends());
                    print!("{told}{}", played.complaint());
                    all_played.lock().expect("no panic").push((*case, played));
                }
            });
        }
    });
    let mut played = all_played.into_inner().expect("no panic");
    played.sort_by_key(|&(case, _)| case);
    played
}

/// How many runs ended how, by the kind of fault.
fn tell_summary(played: &[(&Case, Played)]) {
    let mut ends: BTreeMap<_, BTreeMap<String, usize>> = BTreeMap::new();
    for (case, played) in played {
        let of_kind = ends.entry((case.stage, case.fault.kind)).or_default();
        *of_kind.entry(played.ended.clone()).or_default() += 1;
    }
    for ((stage, kind), ends) in &ends {
        let ends: Vec<_> = ends.iter().map(|(end, count)| format!("{end}: {count}")).collect();
        println!("sweep: {stage}: {kind}: {}", ends.join(", "));
    }
    let missed = played.iter().filter(|(_, played)| !played.befell).count();
    println!("sweep: {missed} faults met no call");
}
