//! The machine's own faults: databases and partners out of reach, a full disk, SIGTERM under load, a clock that jumps.

use super::database::{Kind, Link};
use super::report::{Counts, Round};
use super::world::{Setting, World};
use crate::support::Dice;
use crate::support::proxy::{Mood, Proxy};
use crate::support::{SIDES, Setup, until};
use jiff::SignedDuration;
use league_sandbox::{Rule, Step, Urls};
use std::process::Command;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// So many transfers are open at a time.
const OPEN: usize = 40;

/// Upstream at work, until it is told to stop.
struct Load {
    stop: CancellationToken,
    works: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(world: &World) -> Self {
        let stop = CancellationToken::new();
        let work = |_| tokio::spawn(world.upstream.clone().load(OPEN, stop.clone()));
        Self { works: (0..2).map(work).collect(), stop }
    }

    async fn end(self) {
        self.stop.cancel();
        for work in self.works {
            work.await.expect("no panic");
        }
    }
}

/// The trouble lasts for so long: it is what is tried, not what is waited for.
async fn trouble(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

fn round(what: &str, seed: u64, counts: Counts, wrong: Vec<String>) -> Round {
    Round { area: "Machine", what: what.to_owned(), seed, counts, wrong }
}

fn host(url: &str) -> String {
    let rest = url.split("://").nth(1).expect("a URL");
    let rest = rest.split('/').next().expect("a host");
    rest.rsplit('@').next().expect("a host").to_owned()
}

/// Connections to partners that are open by halves: silent, stalled in the middle of an answer, cut there, not there.
pub(super) async fn half_open(seed: u64, lasting: u64) -> Round {
    let proxies = std::sync::OnceLock::new();
    let setting = Setting::calm(seed, Kind::Sqlite);
    let mut world = World::make_behind(setting, async |urls, database| {
        let through = async |url: &str| Proxy::to(host(url)).await;
        let made =
            [through(&urls.smart_league).await, through(&urls.guangdong).await, through(&urls.fujian).await];
        let [smart_league, guangdong, fujian] = made.each_ref().map(Proxy::url);
        assert!(proxies.set(made).is_ok(), "once");
        (Urls { smart_league, guangdong, fujian }, database)
    })
    .await;
    let proxies = proxies.get().expect("made");
    world.begin().await;
    let load = Load::on(&world);
    let mut counts = Counts::default();
    for mood in [Mood::Silent, Mood::Stalls, Mood::Cuts, Mood::Gone] {
        for proxy in proxies {
            // Not all at once: a partner that is in order must not suffer from the others.
            proxy.set(if world.dice.percent(75) { mood } else { Mood::Fair });
        }
        trouble(lasting).await;
        proxies.iter().for_each(|proxy| proxy.set(Mood::Fair));
        trouble(lasting / 2).await;
        counts.add("moods of the network", 1);
    }
    load.end().await;
    counts.add("connections", proxies.iter().map(|proxy| proxy.taken() as u64).sum());
    let wrong = world.end(&mut counts).await;
    round("half-open connections to partners", seed, counts, wrong)
}

/// Another writer holds the file for a while.
pub(super) async fn locked(seed: u64, lasting: u64) -> Round {
    let world = World::make(Setting::calm(seed, Kind::Sqlite)).await;
    world.begin().await;
    let load = Load::on(&world);
    let mut counts = Counts::default();
    for _ in 0..2 {
        let mut link = Link::to(&world.database).await.expect("it opens");
        // The daemon may have it now: it is given back.
        while link.run("BEGIN IMMEDIATE").await.is_err() {}
        trouble(lasting).await;
        link.run("ROLLBACK").await.expect("it lets go");
        trouble(100).await;
        counts.add("times locked", 1);
    }
    load.end().await;
    let wrong = world.end(&mut counts).await;
    round("SQLite held by another writer", seed, counts, wrong)
}

/// PostgreSQL is gone, and back: connections are cut, or say nothing.
pub(super) async fn database_gone(seed: u64, daemons: usize, lasting: u64) -> Round {
    let proxy = std::sync::OnceLock::new();
    let setting = Setting { daemons, ..Setting::calm(seed, Kind::Postgres) };
    let world = World::make_behind(setting, async |urls, database| {
        let made = Proxy::to(host(&database)).await;
        let through = database.replace(&host(&database), &made.address.to_string());
        assert!(proxy.set(made).is_ok(), "once");
        (urls, through)
    })
    .await;
    let proxy = proxy.get().expect("made");
    world.begin().await;
    let load = Load::on(&world);
    let mut counts = Counts::default();
    for mood in [Mood::Gone, Mood::Gone, Mood::Cuts] {
        trouble(200).await;
        proxy.set(mood);
        trouble(lasting).await;
        proxy.set(Mood::Fair);
        counts.add("times gone", 1);
    }
    load.end().await;
    let wrong = world.end(&mut counts).await;
    round(&format!("PostgreSQL gone and back, {daemons} daemon(s)"), seed, counts, wrong)
}

/// No room for another byte, log included; then there is room again.
pub(super) async fn disk_full(seed: u64, lasting: u64) -> Round {
    // Where a limit is reached, a write fails instead of ending the process, as on a full disk.
    let setting = Setting { shell: "trap '' XFSZ", ..Setting::calm(seed, Kind::Sqlite) };
    let world = World::make(setting).await;
    world.begin().await;
    let load = Load::on(&world);
    let mut counts = Counts::default();
    let mut wrong = Vec::new();
    let pid = world.fleet.pid(0).expect("it runs").to_string();
    for _ in 0..2 {
        trouble(200).await;
        limit(&pid, "4096:");
        trouble(lasting).await;
        wrong.extend(world.fleet.fallen());
        limit(&pid, "unlimited:");
        counts.add("times full", 1);
    }
    load.end().await;
    if world.fleet.pid(0).is_none_or(|now| now.to_string() != pid) {
        wrong.push("another process than at first".to_owned());
    }
    wrong.extend(world.end(&mut counts).await);
    round("disk full", seed, counts, wrong)
}

/// The largest file that a process may write; after the colon stands what it may raise that to, left as it is.
fn limit(pid: &str, size: &str) {
    let set = Command::new("prlimit").args(["--pid", pid, &format!("--fsize={size}")]).status();
    assert!(set.expect("prlimit runs").success());
}

/// SIGTERM under load, again and again: each stop is clean, and leaves nothing leased and nothing open.
pub(super) async fn stopped(seed: u64, database: Kind, daemons: usize, times: usize) -> Round {
    let setting = Setting { daemons, faults: super::faults::mix(seed, 3), ..Setting::calm(seed, database) };
    let mut world = World::make(setting).await;
    world.begin().await;
    let load = Load::on(&world);
    let (mut counts, mut wrong) = (Counts::default(), Vec::new());
    for _ in 0..times {
        tokio::time::sleep(world.dice.wait_below(400)).await;
        wrong.extend(world.fleet.stop_all().await);
        for what in ["transfers WHERE lease_token IS NOT NULL", "attempts WHERE finished_at IS NULL"] {
            let left = world.database.number(&format!("SELECT COUNT(*) FROM {what}")).await;
            if left != 0 {
                wrong.push(format!("a soft stop left {left} row(s): {what}"));
            }
        }
        world.fleet.start_all();
        until("the daemons to listen", || world.fleet.all_listen()).await;
        counts.add("stops", 1);
    }
    load.end().await;
    wrong.extend(world.end(&mut counts).await);
    round(&format!("SIGTERM under load, {database:?}, {daemons} daemon(s)"), seed, counts, wrong)
}

/// A clock that jumps hours forward and back, with transfers in every stage of their way.
pub(super) async fn clock_jumps(seed: u64, jumps: usize) -> Round {
    let mut dice = Dice::new(seed);
    let waiting = Rule { steps: vec![Step::None], ..Rule::default() };
    let test = Setup::by_hand().rules(vec![waiting]).start().await;
    let (mut counts, mut wrong) = (Counts::default(), Vec::new());
    let ids: Vec<String> = (0..jumps).map(|n| format!("JUMP-{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        let side = dice.pick(&SIDES);
        test.sandbox.set_faults(super::faults::mix(dice.next(), 5));
        test.submit(&side.document(id, n)).await;
        test.deliver().await;
        let minutes = *dice.pick(&[-180, -60, -10, 10, 60, 420]);
        test.app.clock.advance(SignedDuration::from_mins(minutes));
        test.deliver().await;
        if dice.percent(50) {
            test.sandbox.advance(id, &side.completes).await;
        }
        counts.add("jumps", 1);
    }
    test.sandbox.set_faults(league_sandbox::Faults::default());
    // What was put off before a jump back is due by then.
    for _ in 0..48 {
        test.later(3600).await;
    }
    for id in &ids {
        test.sandbox.advance(id, &Step::CheckIn).await;
    }
    test.later(1).await;
    for id in &ids {
        let shown = test.get(id).await;
        if shown["state"] != "completed" || test.at_partner(id).is_none_or(|line| line.effective != 1) {
            wrong.push(format!("{id} is {shown}, at the partner {:?}", test.at_partner(id)));
        }
    }
    // An answer to a push that was on its way while the clock jumped is too old, or of tomorrow: that is nobody's fault.
    let in_the_air = |what: &str| what.starts_with("回调应答") && what.contains("超出范围");
    let report = test.finish_with_breaches().await;
    for breach in report.violations.iter().filter(|breach| !in_the_air(&breach.what)) {
        wrong.push(format!("{breach:?}"));
    }
    for line in report.transfers.iter().filter(|line| line.resubmits > 0) {
        wrong.push(format!("{} was sent again without need", line.request_id));
    }
    round("a clock that jumps", seed, counts, wrong)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_connections_lose_nothing() {
    half_open(super::seed(11), 600).await.must_hold();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_database_is_waited_for() {
    locked(super::seed(12), 700).await.must_hold();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_gone_and_back_loses_nothing() {
    database_gone(super::seed(16), 2, 400).await.must_hold();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_nobody_for_good() {
    disk_full(super::seed(13), 600).await.must_hold();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soft_stop_under_load_leaves_nothing_open() {
    stopped(super::seed(14), Kind::Sqlite, 1, 3).await.must_hold();
}

#[tokio::test]
async fn a_clock_that_jumps_harms_nobody() {
    clock_jumps(super::seed(15), 12).await.must_hold();
}
