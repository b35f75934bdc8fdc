//! The partner's side, in a process of its own: one that the bench starts, asks and steers.

use super::http::{Http, Letter};
use anyhow::Context as _;
use league_sandbox::Sink;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Read as _;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// What the hidden subcommand does: serves until the bench is gone.
pub(super) async fn serve() -> anyhow::Result<()> {
    let sink = Sink::bind().await?;
    println!("{}", sink.url()?);
    // The bench writes nothing: its end closes the pipe.
    let alone = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        served = sink.serve() => Ok(served?),
        ended = alone => Ok(ended?.map(drop)?),
    }
}

/// The sink as the bench sees it.
pub(super) struct Partner {
    /// The base URL of both systems.
    pub(super) url: String,
    http: Http,
    _process: Child,
}

/// What the sink has seen since its last reset.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Summary {
    /// Transfers that were submitted.
    pub(super) submits: usize,
    /// Calls of any kind, repeated ones too.
    pub(super) calls: usize,
    /// The first call of any kind, in nanoseconds since the epoch.
    pub(super) first: Option<i64>,
}

impl Partner {
    pub(super) async fn start(http: Http) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program can't find itself")?;
        let mut process = Command::new(program)
            .arg("sink")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the sink can't be started")?;
        let out = process.stdout.take().context("the sink has no output")?;
        let url = BufReader::new(out).lines().next_line().await?.context("the sink said no URL")?;
        Ok(Self { url, http, _process: process })
    }

    pub(super) async fn summary(&self) -> anyhow::Result<Summary> {
        Ok(serde_json::from_str(&self.http.get(&format!("{}/sink/summary", self.url)).await?)?)
    }

    /// When each submit came first, in nanoseconds since the epoch.
    pub(super) async fn arrivals(&self) -> anyhow::Result<HashMap<String, i64>> {
        Ok(serde_json::from_str(&self.http.get(&format!("{}/sink/arrivals", self.url)).await?)?)
    }

    /// Forgets what it has seen, and answers everybody.
    pub(super) async fn reset(&self) -> anyhow::Result<()> {
        self.hang("none").await?;
        self.order("reset").await
    }

    /// Lets a system (`all` and `none` are allowed) wait for its answers until the next such order.
    pub(super) async fn hang(&self, who: &str) -> anyhow::Result<()> {
        self.order(&format!("hang/{who}")).await
    }

    async fn order(&self, order: &str) -> anyhow::Result<()> {
        let letter = Letter::new(format!("{}/sink/{order}", self.url), [], Vec::new())?;
        self.http.post(letter).await.map(drop)
    }
}
