//! The daemon under measurement: a child process with a configuration of its own.

use super::lab::{Lab, Setup};
use super::{process, watch};
use anyhow::Context as _;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

pub(super) struct Daemon {
    process: Child,
    pid: u32,
    out: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Daemon {
    /// Starts it; returns before it serves.
    pub(super) fn start(lab: &Lab, setup: &Setup<'_>) -> anyhow::Result<Self> {
        Self::start_with(Command::new(&lab.program.path), lab, setup)
    }

    /// Starts it on the first core alone.
    pub(super) fn start_on_one_core(lab: &Lab, setup: &Setup<'_>) -> anyhow::Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(&lab.program.path);
        Self::start_with(command, lab, setup).context("taskset (util-linux) is needed")
    }

    fn start_with(mut command: Command, lab: &Lab, setup: &Setup<'_>) -> anyhow::Result<Self> {
        let config = lab.configure(setup)?;
        let log = config.with_extension("log");
        let file = File::options().create(true).append(true).open(&log)?;
        command
            .args(lab.program.first)
            .arg("--config")
            .arg(config)
            .args(["--color", "never", "run", "--log", "warn"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::from(file)).kill_on_drop(true);
        let mut process = command.spawn().context("the daemon can't be started")?;
        let pid = process.id().context("the daemon ended at once")?;
        let out = process.stdout.take().context("the daemon has no output")?;
        Ok(Self { process, pid, out: BufReader::new(out).lines(), log })
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Its URL, once it serves.
    pub(super) async fn url(&mut self) -> anyhow::Result<String> {
        let waited = tokio::time::timeout(Duration::from_secs(30), self.out.next_line()).await;
        let line = waited.context("the daemon said nothing for 30 s")??;
        let line = line.with_context(|| format!("the daemon ended: {}", self.last_words()))?;
        let at = line.find("http://").with_context(|| format!("the daemon said `{line}`"))?;
        Ok(line[at..].to_owned())
    }

    /// Fails where it has ended.
    pub(super) fn lives(&mut self) -> anyhow::Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("the daemon ended ({status}): {}", self.last_words()),
        }
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().rev().take(2).collect::<Vec<_>>().join(" / ")
    }

    /// Its durable commits so far, by its own count.
    pub(super) async fn commits(&self, lab: &Lab, url: &str) -> anyhow::Result<f64> {
        let text = lab.http.get(&format!("{url}/metrics")).await?;
        let lines = text.lines().filter(|line| line.starts_with("league_gateway_commits_total"));
        let counts: Vec<f64> = lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        anyhow::ensure!(!counts.is_empty(), "/metrics counts no commits");
        Ok(counts.iter().sum())
    }

    /// Processor time so far, in milliseconds.
    pub(super) fn cpu_ms(&self) -> anyhow::Result<f64> {
        process::cpu_ms(self.pid)
    }

    /// Ends it as a power cut would; returns when that was, in nanoseconds since the epoch.
    pub(super) async fn kill(mut self) -> anyhow::Result<i64> {
        let at = watch::nanos();
        self.process.kill().await?;
        Ok(at)
    }
}

/// What is run as the daemon.
pub(super) struct Program {
    path: PathBuf,
    first: Option<&'static str>,
}

impl Program {
    /// This program in its other role, or another build.
    pub(super) fn new(other: Option<PathBuf>) -> anyhow::Result<Self> {
        Ok(match other {
            Some(path) => Self { path, first: None },
            None => {
                let own = std::env::current_exe().context("this program can't find itself")?;
                Self { path: own, first: Some("gateway") }
            }
        })
    }
}
