//! Other job queues, as peers: each is a Node process of its own (`peers/peer.mjs`) that works on a database of its own.

use super::database::Server;
use super::fill::request_id;
use super::http::Letter;
use super::lab::{CONCURRENCY, Lab};
use super::peers::Pace;
use super::watch;
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// By their names as packages.
pub(super) const NAMES: [&str; 2] = ["graphile-worker", "pg-boss"];

const PACKAGE: &str = include_str!("peers/package.json");
const PEER: &str = include_str!("peers/peer.mjs");

/// The longest that a peer may say nothing, and that their installation may take.
const LONGEST: Duration = Duration::from_secs(900);

/// The queues where they are installed.
pub(super) struct Queues {
    folder: PathBuf,
    versions: String,
}

/// The part of `package.json` that is read here.
#[derive(Deserialize)]
struct Package {
    dependencies: BTreeMap<String, String>,
}

/// What a peer says of its drain.
#[derive(Deserialize)]
struct Drained {
    rate: f64,
    cpu_ms: f64,
}

/// What a peer says of single jobs: their keys, and when the enqueue of each began, in nanoseconds since the epoch.
#[derive(Deserialize)]
struct Sent {
    sent: Vec<(String, i64)>,
}

impl Queues {
    /// Installs them with npm into a new folder below.
    pub(super) async fn install(parent: &Path) -> anyhow::Result<Self> {
        let folder = parent.join("peers");
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("package.json"), PACKAGE)?;
        std::fs::write(folder.join("peer.mjs"), PEER)?;
        let node = said(Command::new("node").arg("--version")).await?;
        // No script of a package runs.
        let options = [
            "install",
            "--ignore-scripts",
            "--no-package-lock",
            "--no-audit",
            "--no-fund",
            "--prefer-offline",
        ];
        said(Command::new("npm").args(options).current_dir(&folder)).await?;
        let Package { dependencies } = serde_json::from_str(PACKAGE)?;
        let versions = dependencies.iter().map(|(name, version)| format!("{name} {version}"));
        let versions = versions.chain([format!("Node {node}")]).collect::<Vec<_>>().join(", ");
        Ok(Self { folder, versions })
    }

    /// What took part, in which versions.
    pub(super) fn describe(&self) -> String {
        format!("peers: {}", self.versions)
    }

    /// A drain of `count` jobs by a queue.
    pub(super) async fn drain(
        &self,
        lab: &Lab,
        server: &Server,
        letter: &Letter,
        (name, count): (&str, usize),
    ) -> anyhow::Result<Pace> {
        let mut peer = self.start(server, letter, (name, "drain", count)).await?;
        lab.sink.reset().await?;
        let before = server.cpu_ms().await?;
        let Drained { rate, cpu_ms } = peer.measure().await?;
        let store = (server.cpu_ms().await? - before) / watch::float(count);
        let calls = lab.sink.summary().await?.calls;
        ensure!(calls == count, "{name} posted {calls} times for {count} jobs");
        Ok(Pace { rate, cpu: cpu_ms + store })
    }

    /// Single jobs of an idle queue: for each the milliseconds from its enqueue's beginning to the sink.
    pub(super) async fn latencies(
        &self,
        lab: &Lab,
        server: &Server,
        letter: &Letter,
        (name, count): (&str, usize),
    ) -> anyhow::Result<Vec<f64>> {
        let mut peer = self.start(server, letter, (name, "latency", count)).await?;
        lab.sink.reset().await?;
        let Sent { sent } = peer.measure().await?;
        let arrivals = lab.sink.arrivals().await?;
        let took = sent.iter().filter_map(|(id, at)| Some(watch::seconds(*at, *arrivals.get(id)?) * 1000.0));
        let took: Vec<f64> = took.collect();
        ensure!(took.len() == count, "{} of {count} jobs of {name} arrived", took.len());
        Ok(took)
    }

    /// Starts a queue on a database of its own; returns once it is warm and waits for its measurement.
    async fn start(
        &self,
        server: &Server,
        letter: &Letter,
        (name, mode, count): (&str, &str, usize),
    ) -> anyhow::Result<Peer> {
        let database = server.create("peer").await?;
        let log = self.folder.join(format!("{name}.log"));
        let mut command = Command::new("node");
        command.current_dir(&self.folder).env("NODE_ENV", "production").args(["peer.mjs", name]);
        command.args([&database.url, &letter.url, &CONCURRENCY.to_string(), mode, &count.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?).kill_on_drop(true);
        let mut process = command.spawn().context("node can't be started")?;
        let input = process.stdin.take().context("the peer has no input")?;
        let out = process.stdout.take().context("the peer has no output")?;
        let out = BufReader::new(out).lines();
        let mut peer = Peer { input, out, log, name: name.to_owned(), _process: process };
        peer.tell(&json(letter)?).await?;
        let line = peer.line().await?;
        ensure!(line == "ready", "{name} said `{line}`");
        Ok(peer)
    }
}

/// The letter as a peer reads it: `known` is the key in its body that single jobs have another one for.
fn json(letter: &Letter) -> anyhow::Result<String> {
    let mut headers = BTreeMap::new();
    for (name, value) in &letter.headers {
        headers.insert(name.as_str(), value.to_str()?);
    }
    let (body, known) = (std::str::from_utf8(&letter.body)?, request_id("L", 0));
    ensure!(body.contains(&known), "the letter names its transfer");
    Ok(json!({"headers": headers, "body": body, "known": known, "series": "J"}).to_string())
}

/// What a program prints; an error where it fails.
async fn said(command: &mut Command) -> anyhow::Result<String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let ended =
        tokio::time::timeout(LONGEST, ended).await.with_context(|| format!("{name} takes too long"))?;
    let ended = ended.with_context(|| format!("{name} can't be started"))?;
    let error = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{name} failed: {}", error.lines().next().unwrap_or_default());
    Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned())
}

/// A queue's process.
struct Peer {
    input: ChildStdin,
    out: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    name: String,
    _process: Child,
}

impl Peer {
    /// Lets it begin, and waits for its figures.
    async fn measure<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        self.tell("go").await?;
        let line = self.line().await?;
        serde_json::from_str(&line).with_context(|| format!("{} said `{line}`", self.name))
    }

    async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let written = self.input.write_all(format!("{line}\n").as_bytes()).await;
        written.with_context(|| self.last_words())
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let waited = tokio::time::timeout(LONGEST, self.out.next_line()).await;
        let line = waited.with_context(|| format!("{} said nothing for {LONGEST:?}", self.name))??;
        line.with_context(|| self.last_words())
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        format!("{} ended: {}", self.name, text.lines().take(2).collect::<Vec<_>>().join(" / "))
    }
}
