//! What the daemon is compared to: posting without any store, the store's lone commits, and the plainest outbox.

use super::database::{Connection, Database, Server};
use super::http::{Http, Letter};
use super::lab::{CONCURRENCY, Lab};
use super::{process, watch};
use anyhow::{Context as _, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// How fast, and at what cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// A second.
    pub(super) rate: f64,
    /// Milliseconds of processor time for each.
    pub(super) cpu: f64,
}

/// Posts one letter `count` times.
pub(super) async fn raw(lab: &Lab, letter: &Letter, count: usize) -> anyhow::Result<Pace> {
    post(&lab.http, letter, CONCURRENCY).await?;
    let own = std::process::id();
    let (cpu, began) = (process::cpu_ms(own)?, watch::start());
    post(&lab.http, letter, count).await?;
    let seconds = began.elapsed().as_secs_f64();
    let count = watch::float(count);
    Ok(Pace { rate: count / seconds, cpu: (process::cpu_ms(own)? - cpu) / count })
}

async fn post(http: &Http, letter: &Letter, count: usize) -> anyhow::Result<()> {
    let taken = Arc::new(AtomicUsize::new(0));
    let mut posters = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (http, letter, taken) = (http.clone(), letter.clone(), taken.clone());
        posters.spawn(async move {
            while taken.fetch_add(1, Ordering::Relaxed) < count {
                let status = http.post(letter.clone()).await?;
                ensure!(status == 200, "the sink answered {status}");
            }
            anyhow::Ok(())
        });
    }
    while let Some(posted) = posters.join_next().await {
        posted??;
    }
    Ok(())
}

/// Commits of a single row, one after the other, a second.
pub(super) async fn commits(server: &Server, count: usize) -> anyhow::Result<f64> {
    let mut db = server.create("commits").await?.connect().await?;
    db.execute("CREATE TABLE lone (body TEXT)").await?;
    let began = watch::start();
    for _ in 0..count {
        db.execute("INSERT INTO lone (body) VALUES ('a row')").await?;
    }
    let rate = watch::float(count) / began.elapsed().as_secs_f64();
    db.close().await?;
    Ok(rate)
}

/// The plainest outbox that one could write.
pub(super) struct Plain {
    db: Connection,
    database: Database,
    letter: Letter,
}

impl Plain {
    pub(super) async fn new(server: &Server, letter: &Letter) -> anyhow::Result<Self> {
        let database = server.create("plain").await?;
        let mut db = database.connect().await?;
        db.execute(if database.is_sqlite() {
            "CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL)"
        } else {
            "CREATE TABLE jobs (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body BYTEA NOT NULL)"
        })
        .await?;
        Ok(Self { db, database, letter: letter.clone() })
    }

    /// Puts `count` jobs in, and delivers them all.
    pub(super) async fn drain(&mut self, lab: &Lab, server: &Server, count: usize) -> anyhow::Result<Pace> {
        self.db.execute("BEGIN").await?;
        for _ in 0..count {
            insert(&mut self.db, &self.letter.body).await?;
        }
        self.db.execute("COMMIT").await?;
        let own = std::process::id();
        let cpu = async || anyhow::Ok(process::cpu_ms(own)? + server.cpu_ms().await?);
        let (before, began) = (cpu().await?, watch::start());
        let mut left = count;
        while left > 0 {
            left -= self.batch(&lab.http).await?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let count = watch::float(count);
        Ok(Pace { rate: count / seconds, cpu: (cpu().await? - before) / count })
    }

    /// One batch: read, post side by side, delete, commit. Returns how many there were.
    async fn batch(&mut self, http: &Http) -> anyhow::Result<usize> {
        // The transaction is held over the posts: that saves the second commit, and a crash posts again.
        let (begin, claim) = if self.database.is_sqlite() {
            ("BEGIN IMMEDIATE", "SELECT id, body FROM jobs ORDER BY id LIMIT 128")
        } else {
            ("BEGIN", "SELECT id, body FROM jobs ORDER BY id LIMIT 128 FOR UPDATE SKIP LOCKED")
        };
        self.db.execute(begin).await?;
        let jobs = self.db.pairs(claim).await?;
        let ids: Vec<String> = jobs.iter().map(|(id, _)| id.to_string()).collect();
        let mut posts = JoinSet::new();
        for (_, body) in jobs {
            let (http, letter) = (http.clone(), Letter { body, ..self.letter.clone() });
            posts.spawn(async move { http.post(letter).await });
        }
        while let Some(posted) = posts.join_next().await {
            ensure!(posted?? == 200, "the sink refused a job");
        }
        if !ids.is_empty() {
            self.db.execute(format!("DELETE FROM jobs WHERE id IN ({})", ids.join(","))).await?;
        }
        self.db.execute("COMMIT").await?;
        Ok(ids.len())
    }

    /// Enqueues single jobs into the idle loop; returns for each how long it took from the insert's beginning to the sink,
    /// in milliseconds. A wake-up inside the process is as fast as one can be.
    pub(super) async fn latencies(mut self, lab: &Lab, count: usize) -> anyhow::Result<Vec<f64>> {
        lab.sink.reset().await?;
        let body = String::from_utf8(self.letter.body.clone())?;
        let known = super::fill::request_id("L", 0);
        ensure!(body.contains(&known), "the letter names its transfer");
        let mut front = self.database.connect().await?;
        let bell = Arc::new(Notify::new());
        let (rung, http) = (bell.clone(), lab.http.clone());
        let looping = tokio::spawn(async move {
            loop {
                rung.notified().await;
                while self.batch(&http).await? > 0 {}
            }
            #[expect(unreachable_code, reason = "it gives the loop its type")]
            anyhow::Ok(())
        });
        let mut sent = Vec::with_capacity(count);
        for n in 0..count {
            let request_id = super::fill::request_id("P", n);
            let body = body.replace(&known, &request_id).into_bytes();
            sent.push((request_id, watch::nanos()));
            insert(&mut front, &body).await?;
            bell.notify_one();
            tokio::time::sleep(Duration::from_millis(20)).await;
            if looping.is_finished() {
                break;
            }
        }
        if looping.is_finished() {
            looping.await?.context("the loop ended")?;
            return Ok(Vec::new());
        }
        let arrivals = lab.sink.arrivals().await?;
        looping.abort();
        front.close().await?;
        let took = sent.iter().filter_map(|(id, at)| Some(watch::seconds(*at, *arrivals.get(id)?) * 1000.0));
        Ok(took.collect())
    }
}

async fn insert(db: &mut Connection, body: &[u8]) -> anyhow::Result<()> {
    db.execute_with("INSERT INTO jobs (body) VALUES ($1)", body).await
}
