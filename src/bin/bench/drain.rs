//! Drain rates: the daemon's against raw posting, the plain loop and job queues, and with a partner that hangs.

use super::daemon::Daemon;
use super::database::{Database, Server};
use super::fill::{Side, queue};
use super::http::Letter;
use super::lab::{Lab, Setup};
use super::peers::{self, Pace, Plain};
use super::process;
use super::queues::NAMES;
use super::report::{Goal, Report};
use super::watch::{self, percentile};
use anyhow::Context as _;
use std::time::Duration;

/// The longest that a drain may take.
const LONGEST: Duration = Duration::from_secs(1800);

/// What a drain came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drained {
    /// Transfers a second, from the first exchange to the last settlement.
    pub(super) rate: f64,
    /// Milliseconds of processor time a transfer: the daemon, and the database's server.
    cpu: (f64, f64),
    /// Durable commits a transfer.
    commits: f64,
    /// The most memory that the daemon had, in MiB.
    peak: f64,
}

/// Lets a daemon deliver all that is queued for a system.
pub(super) async fn drain(
    lab: &Lab,
    server: &Server,
    setup: &Setup<'_>,
    (side, count): (Side, usize),
) -> anyhow::Result<Drained> {
    let mut db = setup.database.connect().await?;
    let left = format!(
        "SELECT COUNT(*) FROM (SELECT 1 FROM transfers WHERE system = '{}' AND state IN ('queued', 'sending') LIMIT 1) AS one",
        side.system()
    );
    let store_before = server.cpu_ms().await?;
    let mut daemon = Daemon::start(lab, setup)?;
    let url = daemon.url().await?;
    let end = watch::until("the drain", LONGEST, Duration::from_millis(10), async || {
        daemon.lives()?;
        // The database is asked only once the sink has everything.
        let all_sent = lab.sink.summary().await?.submits >= count;
        Ok((all_sent && db.number(&*left).await? == 0).then(watch::nanos))
    })
    .await?;
    let first = lab.sink.summary().await?.first.context("nothing was sent")?;
    let transfers = watch::float(count);
    let drained = Drained {
        rate: transfers / watch::seconds(first, end),
        cpu: (daemon.cpu_ms()? / transfers, (server.cpu_ms().await? - store_before) / transfers),
        commits: daemon.commits(lab, &url).await? / transfers,
        peak: process::memory_mib(daemon.pid(), "VmHWM")?,
    };
    daemon.kill().await?;
    db.close().await?;
    Ok(drained)
}

/// A fresh copy of a template, drained after the sink has forgotten everything.
async fn drain_copy(
    lab: &Lab,
    server: &Server,
    template: &Database,
    work: (Side, usize),
) -> anyhow::Result<Drained> {
    let database = server.copy(template, "drain").await?;
    lab.sink.reset().await?;
    drain(lab, server, &Setup::of(&database, &[work.0]), work).await
}

/// Raw posting, the plain loop, the job queues and the daemon, one right after the other.
struct Round {
    raw: Pace,
    plain: Pace,
    /// In the order of `NAMES`, or why there are none.
    queues: Result<Vec<Pace>, String>,
    drained: Drained,
}

/// The median of a figure over all rounds.
fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    percentile(&mut rounds.iter().map(figure).collect::<Vec<_>>(), 0.5)
}

/// Every job queue's drain. One that fails costs the rows of the queues, not the daemon's.
async fn race(lab: &Lab, server: &Server, letter: &Letter, count: usize) -> Result<Vec<Pace>, String> {
    let queues = lab.queues(server)?;
    let mut paces = Vec::new();
    for name in NAMES {
        let pace = queues.drain(lab, server, letter, (name, count)).await;
        paces.push(pace.map_err(|error| format!("{error:#}"))?);
    }
    Ok(paces)
}

/// The daemon and what it is compared to. Ratios are each round's own: what else the machine does changes slowly.
pub(super) async fn figures(lab: &Lab, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let count = lab.pick(20_000, 5_000);
    let lone = peers::commits(server, lab.pick(1_000, 200)).await?;
    report.figure("lone durable commits, one after the other", lone, "/s", Goal::None);
    let letter = lab.letter(Side::Guangdong).await?;
    let template = server.create("queued").await?;
    queue(lab, &template, Side::Guangdong, "Q", 0..count).await?;
    let mut rounds = Vec::new();
    for _ in 0..lab.pick(5, 3) {
        let raw = peers::raw(lab, &letter, 2 * count).await?;
        let plain = Plain::new(server, &letter).await?.drain(lab, server, count).await?;
        let queues = race(lab, server, &letter, count).await;
        let drained = drain_copy(lab, server, &template, (Side::Guangdong, count)).await?;
        rounds.push(Round { raw, plain, queues, drained });
    }
    compared(report, &rounds, count);
    costs(report, &rounds);
    let count = count / 2;
    let template = server.create("queued").await?;
    queue(lab, &template, Side::SmartLeague, "Q", 0..count).await?;
    let drained = drain_copy(lab, server, &template, (Side::SmartLeague, count)).await?;
    report.figure(&format!("drain of {count} transfers, check and submit"), drained.rate, "/s", Goal::None);
    report.figure(
        "the same, processor time of daemon and store",
        drained.cpu.0 + drained.cpu.1,
        "ms",
        Goal::None,
    );
    report.figure("the same, durable commits a transfer", drained.commits, "", Goal::None);
    Ok(())
}

fn compared(report: &mut Report, rounds: &[Round], count: usize) {
    let median = |figure: fn(&Round) -> f64| median(rounds, figure);
    let raw = median(|round| round.raw.rate);
    report.figure("raw posting to the sink (is the sink fast enough? 8,000 and more)", raw, "/s", Goal::None);
    report.figure(
        "raw posting, processor time of the poster",
        median(|round| round.raw.cpu),
        "ms",
        Goal::None,
    );
    report.figure("plain loop, drain", median(|round| round.plain.rate), "/s", Goal::None);
    let ratio = median(|round| round.plain.rate / round.raw.rate);
    report.figure("plain loop / raw posting", ratio, "", Goal::None);
    let cpu = median(|round| round.plain.cpu);
    report.figure("plain loop, processor time a job, with the store's", cpu, "ms", Goal::None);
    let best = rivals(report, rounds);
    let name = format!("drain of {count} transfers, one exchange each");
    report.figure(&name, median(|round| round.drained.rate), "/s", Goal::None);
    let ratio = median(|round| round.drained.rate / round.raw.rate);
    report.figure("drain / raw posting", ratio, "", Goal::Least(0.30));
    let ratio = median(|round| round.drained.rate / round.plain.rate);
    report.figure("drain / the plain loop", ratio, "", Goal::None);
    match best {
        Ok((name, ratio)) => {
            report.figure(&format!("drain / the best peer ({name})"), ratio, "", Goal::Least(1.5));
        }
        Err(why) => report.failed("drain / the best peer", &why),
    }
}

/// The job queues' rows. Returns the fastest one's name, and how many times as fast the daemon was.
fn rivals(report: &mut Report, rounds: &[Round]) -> Result<(&'static str, f64), String> {
    let raced = rounds.iter().map(|round| Ok((round, round.queues.as_ref()?)));
    let raced = raced.collect::<Result<Vec<_>, &String>>().map_err(Clone::clone)?;
    let mut best = ("", 0.0, 0.0);
    for (at, name) in NAMES.into_iter().enumerate() {
        let median = |figure: fn(&Round, Pace) -> f64| {
            percentile(
                &mut raced.iter().map(|(round, paces)| figure(round, paces[at])).collect::<Vec<_>>(),
                0.5,
            )
        };
        let rate = median(|_, pace| pace.rate);
        report.figure(&format!("{name}, drain"), rate, "/s", Goal::None);
        let ratio = median(|round, pace| pace.rate / round.raw.rate);
        report.figure(&format!("{name} / raw posting"), ratio, "", Goal::None);
        let cpu = median(|_, pace| pace.cpu);
        report.figure(&format!("{name}, processor time a job, with the store's"), cpu, "ms", Goal::None);
        if rate > best.1 {
            best = (name, rate, median(|round, pace| round.drained.rate / pace.rate));
        }
    }
    Ok((best.0, best.2))
}

fn costs(report: &mut Report, rounds: &[Round]) {
    let median = |figure: fn(&Drained) -> f64| median(rounds, |round| figure(&round.drained));
    let both = median(|drained| drained.cpu.0 + drained.cpu.1);
    report.figure("processor time a transfer, daemon and store", both, "ms", Goal::Most(0.15));
    report.figure("of this the daemon", median(|drained| drained.cpu.0), "ms", Goal::None);
    report.figure("of this the database's server", median(|drained| drained.cpu.1), "ms", Goal::None);
    report.figure("durable commits a transfer", median(|drained| drained.commits), "", Goal::Most(0.05));
    report.figure(
        "peak memory of the daemon while draining",
        median(|drained| drained.peak),
        "MiB",
        Goal::None,
    );
}

/// One partner hangs on every call: what the other system's drain loses.
pub(super) async fn hanging(lab: &Lab, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let count = lab.pick(10_000, 4_000);
    let template = server.create("two").await?;
    queue(lab, &template, Side::Guangdong, "Q", 0..count).await?;
    let alone = server.copy(&template, "alone").await?;
    // Another thousand people, all to the partner that hangs.
    queue(lab, &template, Side::SmartLeague, "H", count..count + 1_000).await?;
    let mut rates = [0.0, 0.0];
    for (which, database) in [(0, &alone), (1, &template), (1, &template), (0, &alone)] {
        let database = server.copy(database, "drain").await?;
        lab.sink.reset().await?;
        if which == 1 {
            lab.sink.hang("smart_league").await?;
        }
        let setup = Setup::of(&database, &Side::ALL);
        rates[which] += drain_of(lab, server, &setup, count).await? / 2.0;
    }
    lab.sink.reset().await?;
    let [undisturbed, disturbed] = rates;
    report.figure("drain while another partner hangs", disturbed, "/s", Goal::None);
    report.figure("the same, nobody hangs", undisturbed, "/s", Goal::None);
    report.figure(
        "one partner hangs: the other's rate / undisturbed",
        disturbed / undisturbed,
        "",
        Goal::Least(0.95),
    );
    Ok(())
}

async fn drain_of(lab: &Lab, server: &Server, setup: &Setup<'_>, count: usize) -> anyhow::Result<f64> {
    Ok(drain(lab, server, setup, (Side::Guangdong, count)).await?.rate)
}
