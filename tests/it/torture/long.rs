//! The long form: everything in turn, with other seeds each time, until the time is used up; then a report.

use super::database::Kind;
use super::report::{Report, Round};
use super::{faults, kill, machine};
use crate::support::SIDES;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// The least that a whole run must have killed.
const KILLS: u64 = 500;
/// So often in one world.
const KILLS_A_ROUND: usize = 50;
/// No trial takes so long.
const NET: Duration = Duration::from_secs(600);

type Trial = Pin<Box<dyn Future<Output = Round> + Send>>;

/// What is tried in one turn: a name, should it not even end, and the trial.
fn trials(seed: u64) -> Vec<(&'static str, Trial)> {
    let mut trials: Vec<(&'static str, Trial)> = Vec::new();
    for (database, daemons) in
        [(Kind::Sqlite, 1), (Kind::Postgres, 1), (Kind::Postgres, 2), (Kind::Postgres, 3)]
    {
        let plan = kill::Plan { database, daemons, kills: KILLS_A_ROUND };
        trials.push(("Kill", Box::pin(kill::round(plan, seed))));
        trials.push(("Faults", Box::pin(faults::mixed(database, daemons, 300, seed))));
        trials.push(("Machine", Box::pin(machine::stopped(seed, database, daemons, 10))));
    }
    for side in &SIDES {
        trials.push(("Faults", Box::pin(faults::table(side, 100, seed))));
    }
    trials.push(("Faults", Box::pin(faults::deaf(seed))));
    trials.push(("Machine", Box::pin(machine::half_open(seed, 3000))));
    // Longer than the gateway waits for the lock.
    trials.push(("Machine", Box::pin(machine::locked(seed, 12_000))));
    trials.push(("Machine", Box::pin(machine::disk_full(seed, 3000))));
    trials.push(("Machine", Box::pin(machine::database_gone(seed, 3, 3000))));
    trials.push(("Machine", Box::pin(machine::clock_jumps(seed, 100))));
    trials
}

/// A trial that panics or hangs has broken, too.
async fn judged(area: &'static str, seed: u64, trial: Trial) -> Round {
    let broke = |what: String| Round {
        area,
        what: "a trial that did not come to its end".to_owned(),
        seed,
        counts: super::report::Counts::default(),
        wrong: vec![what],
    };
    let trial = tokio::spawn(AssertUnwindSafe(trial));
    let stop = trial.abort_handle();
    match tokio::time::timeout(NET, trial).await {
        Ok(Ok(round)) => round,
        Ok(Err(error)) => broke(error.to_string()),
        Err(_) => {
            stop.abort();
            broke(format!("it hangs: {NET:?} were not enough"))
        }
    }
}

fn number(name: &str, own: u64) -> u64 {
    super::variable(name).map_or(own, |text| text.parse().expect("a number"))
}

/// `scripts/torture` runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes as long as LEAGUE_TORTURE_MINUTES says: scripts/torture"]
async fn long() {
    let (minutes, first) = (number("LEAGUE_TORTURE_MINUTES", 10), super::seed(1));
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut report = Report::default();
    for seed in first.. {
        for (area, trial) in trials(seed) {
            // A whole first turn, and the kills that were promised; then until the time is used up.
            if Instant::now() >= end && seed > first && report.total("Kill", "kills") >= KILLS {
                break;
            }
            let round = judged(area, seed, trial).await;
            println!("{}", round.line());
            report.add(round);
            write(&report, first, minutes);
        }
        if Instant::now() >= end && report.total("Kill", "kills") >= KILLS {
            break;
        }
    }
    println!("\n{}", report.markdown(first, minutes));
    assert!(report.all_held(), "something broke: see the report");
}

/// After every trial: a run that is broken off has its report, too.
fn write(report: &Report, seed: u64, minutes: u64) {
    if let Some(path) = super::variable("LEAGUE_TORTURE_REPORT") {
        std::fs::write(path, report.markdown(seed, minutes)).expect("the report is written");
    }
}
