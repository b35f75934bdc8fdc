//! Pushed callbacks: verified, stored and answered, by a daemon on one core.

use super::daemon::Daemon;
use super::database::{Database, Server};
use super::drain::drain;
use super::fill::{Side, queue, request_id};
use super::http::Letter;
use super::lab::{Lab, Setup};
use super::report::{Goal, Report};
use super::watch::{self, percentile};
use anyhow::ensure;
use league_sandbox::Pusher;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// Pushes at a time, each on a connection of its own.
const PUSHERS: usize = 32;

pub(super) async fn figures(lab: &Lab, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let count = lab.pick(20_000, 4_000);
    let database = server.create("callbacks").await?;
    queue(lab, &database, Side::Guangdong, "Q", 0..count).await?;
    let setup = Setup::of(&database, &[Side::Guangdong]);
    lab.sink.reset().await?;
    drain(lab, server, &setup, (Side::Guangdong, count)).await?;

    let store = server.cpu_ms().await?;
    let mut daemon = Daemon::start_on_one_core(lab, &setup)?;
    let url = daemon.url().await?;
    let pusher = Pusher::new()?;
    let letters = (0..count).map(|n| {
        let push = pusher.checked_in(&request_id("Q", n));
        let headers = push.headers.iter().map(|(name, value)| (*name, value.as_str()));
        Letter::new(format!("{url}{}", push.path), headers, push.body)
    });
    let letters = letters.collect::<anyhow::Result<VecDeque<_>>>()?;
    let before = daemon.cpu_ms()?;
    let began = watch::start();
    let mut took = push(lab, letters).await?;
    let seconds = began.elapsed().as_secs_f64();
    let pushed = watch::float(count);
    let cpu = (daemon.cpu_ms()? - before + server.cpu_ms().await? - store) / pushed;
    daemon.kill().await?;
    ensure!(
        completed(&database).await? == i64::try_from(count)?,
        "not every callback completed its transfer"
    );
    report.figure(
        &format!("callbacks, daemon on one core, {PUSHERS} connections"),
        pushed / seconds,
        "/s",
        Goal::Least(3000.0),
    );
    report.figure("callbacks, time to the answer, p50", percentile(&mut took, 0.5), "ms", Goal::None);
    report.figure("callbacks, time to the answer, p99", percentile(&mut took, 0.99), "ms", Goal::Most(20.0));
    report.figure("callbacks, processor time each, daemon and store", cpu, "ms", Goal::None);
    Ok(())
}

/// Pushes all of them; milliseconds to each answer.
async fn push(lab: &Lab, letters: VecDeque<Letter>) -> anyhow::Result<Vec<f64>> {
    let letters = Arc::new(Mutex::new(letters));
    let mut pushers = JoinSet::new();
    for _ in 0..PUSHERS {
        let (letters, http) = (letters.clone(), lab.http.clone());
        let next = move || letters.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        pushers.spawn(async move {
            let mut took = Vec::new();
            while let Some(letter) = next() {
                let began = watch::start();
                let status = http.post(letter).await?;
                ensure!(status == 200, "a callback was answered with {status}");
                took.push(began.elapsed().as_secs_f64() * 1000.0);
            }
            Ok(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = pushers.join_next().await {
        all.extend(took??);
    }
    Ok(all)
}

async fn completed(database: &Database) -> anyhow::Result<i64> {
    let mut db = database.connect().await?;
    let count = db.number("SELECT COUNT(*) FROM transfers WHERE state = 'completed'").await?;
    db.close().await?;
    Ok(count)
}
