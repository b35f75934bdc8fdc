//! The daemon in simulated time, on a simulated network. Every choice is drawn from a seed: which daemon works, what
//! arrives and what is lost, who dies, how late it is.
//!
//! The parts are the real ones: drivers, receiver, feed, sweeper and intake of up to three daemons over one SQLite file,
//! and the strict partners. Only the transport's carrier and the clock are the simulation's. (A simulated runtime such as
//! turmoil can't serve: reqwest and sqlx bring sockets and threads of their own.) Several daemons on SQLite are possible
//! because nobody starts them: the lock that keeps it for one is taken at the start.
//!
//! A seed that fails tells its last steps, and failing seeds go to [`FAILED_ONCE`], whatever was at fault. What a seed
//! means changes with every change of the steps: then its story is told again as a test of its own where it matters.

mod gate;
mod judge;
mod network;
mod steps;
mod stories;
mod world;

use crate::support::{Database, SIDES, in_time, sealer};
use league_gateway::store::Store;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;
use world::World;

/// Seeds of every run of the tests.
const SHORT: u64 = 12;
/// Seeds of the long form.
const LONG: u64 = 5_000;
/// Steps of one seed.
const STEPS: usize = 300;

/// Seeds that failed once, with what they found.
const FAILED_ONCE: &[u64] = &[
    // The outcome of a submit whose lease was lost was applied under the new lease of the same daemon.
    10,
];

/// An empty database, to be copied: every seed begins with one.
async fn template() -> (TempDir, PathBuf) {
    let folder = world::folder();
    let file = folder.path().join("empty.db");
    let store = Store::connect(&Database::sqlite(&file).url).await.expect("it opens");
    store.prepare(&sealer()).await.expect("the tables are made");
    store.close().await;
    (folder, file)
}

/// No operator is asked, however often a system is busy.
fn patient() -> String {
    let systems = SIDES.iter().map(|side| format!("[systems.{}]\nmax_attempts = 1000\n", side.system));
    systems.collect()
}

async fn run(seed: u64, template: &Path) {
    let daemons = usize::try_from(1 + seed % 3).expect("a few");
    let mut world = World::new(seed, daemons, template, &patient()).await;
    for _ in 0..STEPS {
        world.step().await;
    }
    let wrong = world.end().await;
    assert!(wrong.is_empty(), "seed {seed}, {daemons} daemon(s): {wrong:#?}");
    for at in 0..daemons {
        world.kill(at).await;
    }
}

async fn run_all(seeds: impl Iterator<Item = u64>) {
    let (_folder, template) = template().await;
    for seed in seeds {
        in_time(&format!("seed {seed}"), run(seed, &template)).await;
    }
}

#[tokio::test]
async fn every_seed_ends_well() {
    let others = (0..SHORT).filter(|seed| !FAILED_ONCE.contains(seed));
    run_all(FAILED_ONCE.iter().copied().chain(others)).await;
}

/// The long form, for `scripts/torture`: `cargo test --test it -- --ignored simulation`. A seed is a world of its own, so each
/// core runs one after the other.
#[test]
#[ignore = "takes minutes: the long form"]
fn many_seeds_end_well() {
    let next = AtomicU64::new(SHORT);
    let seeds = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= LONG {
                return;
            }
            runtime.block_on(run_all(std::iter::once(seed)));
            if seed.is_multiple_of(250) {
                println!("simulation: {seed} of {LONG} seeds");
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // A seed that fails ends its thread; the others go on, and the test fails with all that they found.
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(seeds);
        }
    });
}
