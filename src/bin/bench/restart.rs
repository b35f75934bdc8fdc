//! What a SIGKILL costs: until the daemon that is started again sends, and until another takes up the dead one's work.

use super::daemon::Daemon;
use super::database::{Database, Server};
use super::fill::{Side, queue};
use super::lab::{Lab, Setup};
use super::report::{Goal, Report};
use super::watch;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(5);

pub(super) async fn figures(lab: &Lab, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let template = server.create("queued").await?;
    queue(lab, &template, Side::Guangdong, "Q", 0..lab.pick(20_000, 5_000)).await?;
    for (again, name) in [
        ("bench", "killed and started again, same worker_id: until the first exchange"),
        ("bench-2", "killed and started again, another worker_id: until the first exchange"),
    ] {
        let took = own(lab, server, &template, again).await?;
        report.figure(name, took, "s", Goal::Most(0.5));
    }
    if matches!(server, Server::Postgres { .. }) {
        let took = other(lab, server, &template).await?;
        report.figure(
            "another daemon was killed: until all its work is taken up",
            took,
            "s",
            Goal::Most(3.0),
        );
    }
    Ok(())
}

async fn sent(lab: &Lab, daemon: &mut Daemon, least: usize) -> anyhow::Result<()> {
    watch::until("the first submits", LONGEST, PAUSE, async || {
        daemon.lives()?;
        Ok((lab.sink.summary().await?.submits >= least).then_some(()))
    })
    .await
}

/// Kills a daemon in the middle of its work and starts one again; seconds from its start to its first call.
async fn own(lab: &Lab, server: &Server, template: &Database, again: &str) -> anyhow::Result<f64> {
    let database = server.copy(template, "restart").await?;
    lab.sink.reset().await?;
    let mut daemon = Daemon::start(lab, &Setup::of(&database, &[Side::Guangdong]))?;
    sent(lab, &mut daemon, 200).await?;
    daemon.kill().await?;
    lab.sink.reset().await?;
    let began = watch::nanos();
    let mut daemon =
        Daemon::start(lab, &Setup { worker: again, ..Setup::of(&database, &[Side::Guangdong]) })?;
    let first = watch::until("the first exchange", LONGEST, PAUSE, async || {
        daemon.lives()?;
        Ok(lab.sink.summary().await?.first)
    })
    .await?;
    daemon.kill().await?;
    Ok(watch::seconds(began, first))
}

/// Two daemons, both with their hands full; one is killed. Seconds until none of its leases is left.
async fn other(lab: &Lab, server: &Server, template: &Database) -> anyhow::Result<f64> {
    let database = server.copy(template, "two").await?;
    lab.sink.reset().await?;
    let setup = |worker| Setup { worker, ..Setup::of(&database, &[Side::Guangdong]) };
    let mut dying = Daemon::start(lab, &setup("bench-dying"))?;
    let mut living = Daemon::start(lab, &setup("bench-living"))?;
    dying.url().await?;
    living.url().await?;
    sent(lab, &mut dying, 200).await?;
    // Nobody gets an answer now: both hold as much as they can.
    lab.sink.hang("all").await?;
    let mut db = database.connect().await?;
    let of = |worker| format!("SELECT COUNT(*) FROM transfers WHERE leased_by LIKE '{worker}%'");
    watch::until("both daemons at work", LONGEST, PAUSE, async || {
        let both = (db.number(of("bench-dying")).await?, db.number(of("bench-living")).await?);
        Ok((both.0 > 0 && both.1 > 0).then_some(()))
    })
    .await?;
    let killed = dying.kill().await?;
    lab.sink.hang("none").await?;
    let free = watch::until("the dead daemon's work", LONGEST, PAUSE, async || {
        living.lives()?;
        Ok((db.number(of("bench-dying")).await? == 0).then(watch::nanos))
    })
    .await?;
    living.kill().await?;
    db.close().await?;
    Ok(watch::seconds(killed, free))
}
