//! What every measurement shares: a folder, the sink, a client, the daemon's keys, and made-up transfers.

use super::daemon::Program;
use super::database::{Database, Server};
use super::fill::{Side, document};
use super::http::{Http, Letter};
use super::queues::Queues;
use super::sink::Partner;
use anyhow::Context as _;
use league_contract::Call;
use league_gateway::app::{App, REGISTRATIONS};
use league_gateway::clock::Clock;
use league_gateway::seal::generate_key;
use league_gateway::settings;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Exchanges at a time: the daemon's, the peers', raw posting's.
pub(super) const CONCURRENCY: usize = 128;

pub(super) struct Lab {
    folder: TempDir,
    quick: bool,
    keys: String,
    /// Or why there are none.
    queues: Result<Queues, String>,
    pub(super) http: Http,
    pub(super) sink: Partner,
    pub(super) program: Program,
    /// How many transfers lists are looked for among.
    pub(super) rows: i64,
}

/// What a daemon is configured with, beside what all have.
pub(super) struct Setup<'a> {
    /// Where its outbox is.
    pub(super) database: &'a Database,
    /// The systems that are enabled.
    pub(super) sides: &'a [Side],
    /// `delivery.worker_id`
    pub(super) worker: &'a str,
}

impl<'a> Setup<'a> {
    /// One daemon for one system.
    pub(super) const fn of(database: &'a Database, sides: &'a [Side]) -> Self {
        Self { database, sides, worker: "bench" }
    }
}

impl Lab {
    /// With `peers`, the job queues are installed: where that fails, the rows that need them say so.
    pub(super) async fn open(
        folder: Option<&Path>,
        quick: bool,
        peers: bool,
        program: Program,
    ) -> anyhow::Result<Self> {
        // The provider is the process's; a second one is refused, and the first stays.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = tempfile::Builder::new();
        builder.prefix("league-gateway-bench-");
        let folder = folder.map_or_else(|| builder.tempdir(), |parent| builder.tempdir_in(parent))?;
        let (key, index) = (generate_key()?, generate_key()?);
        let keys = format!("keys = ['bench:{}']\nindex_key = '{}'\n", key.as_str(), index.as_str());
        let http = Http::new()?;
        let sink = Partner::start(http.clone()).await?;
        let queues = if peers {
            Queues::install(folder.path()).await.map_err(|error| format!("{error:#}"))
        } else {
            Err("no --peers: no job queue was run".to_owned())
        };
        Ok(Self { folder, quick, keys, queues, http, sink, program, rows: 1_000_000 })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The job queues that can be compared to a daemon on such a database, or why there are none.
    pub(super) fn queues(&self, server: &Server) -> Result<&Queues, String> {
        match server {
            Server::Sqlite { .. } => Err("no job queue here runs on SQLite".to_owned()),
            Server::Postgres { .. } => self.queues.as_ref().map_err(Clone::clone),
        }
    }

    /// The number of a full run, or of a quick one.
    pub(super) const fn pick(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Writes a configuration.
    pub(super) fn configure(&self, setup: &Setup<'_>) -> anyhow::Result<PathBuf> {
        let Setup { database, sides, worker } = setup;
        let mut text = format!(
            "[http]\nlisten = '127.0.0.1:0'\n[database]\nurl = '{}'\n[privacy]\n{}[delivery]\nworker_id = '{worker}'\n",
            database.url, self.keys
        );
        for side in Side::ALL {
            let system = side.system();
            text += &if sides.contains(&side) {
                format!(
                    "[systems.{system}]\nbase_url = '{}'\nsecrets = ['{}']\nconcurrency = {CONCURRENCY}\nrate_per_second = 100000\n",
                    self.sink.url,
                    side.secret()
                )
            } else {
                format!("[systems.{system}]\nenabled = false\n")
            };
        }
        text += "[systems.fujian]\nenabled = false\n";
        let path = self.folder.path().join(format!("{worker}.toml"));
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The gateway's parts under such a configuration, in this process: nothing is started.
    pub(super) async fn app(&self, setup: &Setup<'_>) -> anyhow::Result<App> {
        let config = self.configure(setup)?;
        let settings = settings::load(&[config], &REGISTRATIONS).map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", problems.join("; "))
        })?;
        App::open(settings, Clock::Wall).await
    }

    /// The signed bytes of one transfer's submit.
    pub(super) async fn letter(&self, side: Side) -> anyhow::Result<Letter> {
        let server = Server::Sqlite { folder: self.folder().to_owned() };
        let database = server.create("letter").await?;
        let app = self.app(&Setup::of(&database, &[side])).await?;
        let read = app.intake.read(&document(side, "L", 0)?);
        let (transfer, system) = read.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let partner = app.partners.get(&system).context("the system is not configured")?;
        let request = partner.prepare(Call::Submit(Box::new(transfer)), &Clock::Wall)?.request;
        app.store.close().await;
        let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Letter::new(format!("{}{}", self.sink.url, request.target), headers, request.body)
    }
}
