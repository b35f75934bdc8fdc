//! How long a single transfer takes from enqueue to the partner when nothing else is going on.

use super::daemon::Daemon;
use super::database::Server;
use super::fill::{Side, document, queue, request_id};
use super::http::Letter;
use super::lab::{Lab, Setup};
use super::peers::Plain;
use super::queues::NAMES;
use super::report::{Goal, Report};
use super::watch::{self, percentile};
use anyhow::{Context as _, ensure};
use league_gateway::access::{Role, create_token};
use league_gateway::clock::Clock;
use std::time::Duration;

/// A pause that falls on no beat of a poll.
const PAUSE: Duration = Duration::from_millis(37);

pub(super) async fn figures(lab: &Lab, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let count = lab.pick(300, 100);
    let (mut posted, mut answered) = daemon(lab, server, count).await?;
    let (p50, p99) = (percentile(&mut posted, 0.5), percentile(&mut posted, 0.99));
    report.figure("idle, from sending the POST to the partner, p50", p50, "ms", Goal::Most(6.0));
    report.figure("idle, from sending the POST to the partner, p99", p99, "ms", Goal::Most(15.0));
    report.figure(
        "idle, from the POST's answer to the partner, p50",
        percentile(&mut answered, 0.5),
        "ms",
        Goal::None,
    );
    report.figure(
        "idle, from the POST's answer to the partner, p99",
        percentile(&mut answered, 0.99),
        "ms",
        Goal::None,
    );
    let letter = lab.letter(Side::Guangdong).await?;
    let mut plain = Plain::new(server, &letter).await?.latencies(lab, count).await?;
    ensure!(plain.len() == count, "{} of {count} jobs of the plain loop arrived", plain.len());
    let (plain_50, plain_99) = (percentile(&mut plain, 0.5), percentile(&mut plain, 0.99));
    report.figure("plain loop, from the insert's beginning to the partner, p50", plain_50, "ms", Goal::None);
    report.figure("plain loop, the same, p99", plain_99, "ms", Goal::None);
    report.figure("idle, p50 from sending the POST / the plain loop's", p50 / plain_50, "", Goal::None);
    report.figure("idle, p99 from sending the POST / the plain loop's", p99 / plain_99, "", Goal::None);
    let rivals = rivals(lab, server, &letter, count).await;
    for Rival { name, p50, p99 } in rivals.iter().flatten() {
        report.figure(&format!("{name}, idle, from enqueue to the sink, p50"), *p50, "ms", Goal::None);
        report.figure(&format!("{name}, idle, from enqueue to the sink, p99"), *p99, "ms", Goal::None);
    }
    beside(report, "p50", p50, best(&rivals, |rival| rival.p50));
    beside(report, "p99", p99, best(&rivals, |rival| rival.p99));
    Ok(())
}

/// An idle job queue.
struct Rival {
    name: &'static str,
    p50: f64,
    p99: f64,
}

/// All job queues, one after the other, or why there are none.
async fn rivals(lab: &Lab, server: &Server, letter: &Letter, count: usize) -> Result<Vec<Rival>, String> {
    let queues = lab.queues(server)?;
    let mut rivals = Vec::new();
    for name in NAMES {
        let took = queues.latencies(lab, server, letter, (name, count)).await;
        let mut took = took.map_err(|error| format!("{error:#}"))?;
        rivals.push(Rival { name, p50: percentile(&mut took, 0.5), p99: percentile(&mut took, 0.99) });
    }
    Ok(rivals)
}

/// Whose figure is the lowest, and what it is.
fn best(
    rivals: &Result<Vec<Rival>, String>,
    figure: fn(&Rival) -> f64,
) -> Result<(&'static str, f64), String> {
    let all = rivals.as_ref().map_err(Clone::clone)?.iter().map(|rival| (rival.name, figure(rival)));
    all.min_by(|one, other| one.1.total_cmp(&other.1)).ok_or_else(|| "there are no job queues".to_owned())
}

/// The daemon's figure beside the best job queue's.
fn beside(report: &mut Report, what: &str, own: f64, best: Result<(&'static str, f64), String>) {
    let row = format!("idle, {what} from sending the POST / the best peer's");
    match best {
        Ok((name, value)) => report.figure(&format!("{row} ({name})"), own / value, "", Goal::Most(0.7)),
        Err(why) => report.failed(&row, &why),
    }
}

/// Milliseconds from sending the POST, and from its answer.
async fn daemon(lab: &Lab, server: &Server, count: usize) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let database = server.create("latency").await?;
    queue(lab, &database, Side::Guangdong, "I", 0..0).await?;
    let setup = Setup::of(&database, &[Side::Guangdong]);
    let app = lab.app(&setup).await?;
    let token = create_token(&app.store, "bench", &[Role::Submit], Clock::Wall.now()).await?;
    let authorization = format!("Bearer {}", token.context("the database is not new")?.as_str());
    app.store.close().await;
    lab.sink.reset().await?;
    let mut daemon = Daemon::start(lab, &setup)?;
    let url = format!("{}/v1/transfers", daemon.url().await?);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let mut times = Vec::with_capacity(count);
    // The first ones open connections.
    let warm = 10;
    for n in 0..count + warm {
        let body = document(Side::Guangdong, "I", n)?.to_string().into_bytes();
        let letter = Letter::new(url.clone(), headers, body)?;
        let sent = watch::nanos();
        let status = lab.http.post(letter).await?;
        ensure!(status == 201, "a transfer was answered with {status}");
        times.push((n, sent, watch::nanos()));
        tokio::time::sleep(PAUSE).await;
    }
    watch::until("the last transfer", Duration::from_secs(60), PAUSE, async || {
        daemon.lives()?;
        Ok((lab.sink.summary().await?.submits == count + warm).then_some(()))
    })
    .await?;
    let arrivals = lab.sink.arrivals().await?;
    daemon.kill().await?;
    let arrived =
        |n: &usize| arrivals.get(&request_id("I", *n)).copied().context("a transfer did not arrive");
    let mut posted = Vec::with_capacity(count);
    let mut answered = Vec::with_capacity(count);
    for (n, sent, told) in times.iter().skip(warm) {
        let at = arrived(n)?;
        posted.push(watch::seconds(*sent, at) * 1000.0);
        answered.push(watch::seconds(*told, at) * 1000.0);
    }
    Ok((posted, answered))
}
