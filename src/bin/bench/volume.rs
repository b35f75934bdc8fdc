//! A million finished transfers, and a million queued.

use super::daemon::Daemon;
use super::database::{Database, Server};
use super::drain::drain;
use super::fill::{Side, multiply, queue};
use super::lab::{Lab, Setup};
use super::report::{Goal, Report};
use super::{process, watch};
use std::time::Duration;

pub(super) async fn figures(lab: &Lab, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let total = lab.pick(1_000_000, 50_000);
    if let Err(error) = finished(lab, server, report, total).await {
        report.failed("drain with finished transfers in the store", &format!("{error:#}"));
    }
    queued(lab, server, report, total).await
}

/// Drains of the same size in an empty store and in a full one, in turns.
async fn finished(lab: &Lab, server: &Server, report: &mut Report, total: usize) -> anyhow::Result<()> {
    let count = lab.pick(20_000, 4_000);
    let full = full(lab, server, total).await?;
    let mut rates = [0.0, 0.0];
    for (turn, which) in [0, 1, 1, 0].into_iter().enumerate() {
        let database = if which == 0 { server.create("empty").await? } else { full.clone() };
        let first = 100_000 + turn * count;
        queue(lab, &database, Side::Guangdong, "V", first..first + count).await?;
        lab.sink.reset().await?;
        let setup = Setup::of(&database, &[Side::Guangdong]);
        rates[which] += drain(lab, server, &setup, (Side::Guangdong, count)).await?.rate / 2.0;
    }
    let [empty, with] = rates;
    report.figure(&format!("drain with {total} finished transfers in the store"), with, "/s", Goal::None);
    report.figure("the same in an empty store", empty, "/s", Goal::None);
    report.figure(&format!("drain with {total} finished / empty"), with / empty, "", Goal::Least(0.9));
    Ok(())
}

/// Some transfers really delivered, made final, and multiplied with all that belongs to them.
async fn full(lab: &Lab, server: &Server, total: usize) -> anyhow::Result<Database> {
    let count = lab.pick(2_000, 500);
    let database = server.create("full").await?;
    queue(lab, &database, Side::Guangdong, "F", 0..count).await?;
    lab.sink.reset().await?;
    drain(lab, server, &Setup::of(&database, &[Side::Guangdong]), (Side::Guangdong, count)).await?;
    let mut db = database.connect_loose().await?;
    db.execute("UPDATE transfers SET state = 'completed', due_at = NULL").await?;
    db.close().await?;
    multiply(&database, total).await?;
    Ok(database)
}

/// Memory of a daemon that works on a queue of a million.
async fn queued(lab: &Lab, server: &Server, report: &mut Report, total: usize) -> anyhow::Result<()> {
    let (real, sent) = (lab.pick(40_000, 5_000), lab.pick(20_000, 2_000));
    let database = server.create("crowd").await?;
    queue(lab, &database, Side::Guangdong, "C", 0..real).await?;
    multiply(&database, total).await?;
    lab.sink.reset().await?;
    let mut daemon = Daemon::start(lab, &Setup::of(&database, &[Side::Guangdong]))?;
    let began = watch::start();
    watch::until(
        "the first of a long queue",
        Duration::from_secs(300),
        Duration::from_millis(20),
        async || {
            daemon.lives()?;
            // Memory has settled long before, however slow the daemon is.
            let enough = began.elapsed() > Duration::from_secs(30);
            Ok((lab.sink.summary().await?.submits >= if enough { 1 } else { sent }).then_some(()))
        },
    )
    .await?;
    let (peak, present) =
        (process::memory_mib(daemon.pid(), "VmHWM")?, process::memory_mib(daemon.pid(), "VmRSS")?);
    daemon.kill().await?;
    report.figure(
        &format!("resident memory while draining {total} queued"),
        present,
        "MiB",
        Goal::Most(32.0),
    );
    report.figure("the same, peak", peak, "MiB", Goal::None);
    Ok(())
}
