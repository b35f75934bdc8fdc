//! SIGKILL at any instant, again and again, under load: nothing is lost, nothing is sent twice.

use super::database::Kind;
use super::faults;
use super::report::{Counts, Round};
use super::world::{Setting, World};
use crate::support::until;
use tokio_util::sync::CancellationToken;

/// So many transfers are open at a time.
const OPEN: usize = 60;

/// How many daemons are killed how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) database: Kind,
    pub(super) daemons: usize,
    pub(super) kills: usize,
}

/// One world, killed as the plan says; the seed decides when and what else goes wrong.
pub(super) async fn round(plan: Plan, seed: u64) -> Round {
    let Plan { database, daemons, kills } = plan;
    let setting = Setting { daemons, faults: faults::mix(seed, 3), ..Setting::calm(seed, database) };
    let mut world = World::make(setting).await;
    let mut counts = Counts::default();
    world.begin().await;
    let stop = CancellationToken::new();
    let loads: Vec<_> =
        (0..3).map(|_| tokio::spawn(world.upstream.clone().load(OPEN, stop.clone()))).collect();
    until("some work to be there", || world.upstream.memory().states.len() >= OPEN / 2).await;
    let mut wrong = Vec::new();
    for _ in 0..kills {
        instant(&mut world).await;
        let at = usize::try_from(world.dice.below(daemons as u64)).expect("an index");
        wrong.extend(world.fleet.kill(at));
        world.fleet.start(at);
        counts.add("kills", 1);
    }
    stop.cancel();
    for load in loads {
        load.await.expect("no panic");
    }
    wrong.extend(world.end(&mut counts).await);
    let what = format!("{database:?}, {daemons} daemon(s)");
    Round { area: "Kill", what, seed, counts, wrong }
}

/// Spread over the whole life of a daemon: its start, the burst after it, and the work in peace.
async fn instant(world: &mut World) {
    if world.dice.percent(75) {
        until("the daemons to listen", || world.fleet.all_listen() || !world.fleet.fallen().is_empty()).await;
    }
    let longest = *world.dice.pick(&[20, 100, 250, 500]);
    tokio::time::sleep(world.dice.wait_below(longest)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_daemon_on_sqlite_is_killed_again_and_again() {
    let plan = Plan { database: Kind::Sqlite, daemons: 1, kills: 20 };
    round(plan, super::seed(1)).await.must_hold();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemons_on_postgres_are_killed_again_and_again() {
    for daemons in 1..=3 {
        let plan = Plan { database: Kind::Postgres, daemons, kills: 7 };
        round(plan, super::seed(1 + daemons as u64)).await.must_hold();
    }
}
