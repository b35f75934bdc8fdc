//! Databases that come and go: made, copied, asked, dropped. The bench looks into them itself: what it measures must not
//! pass through what it measures.

use super::process;
use anyhow::{Context as _, ensure};
use futures_util::TryFutureExt as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

/// The names of PostgreSQL databases that a bench may drop begin so.
const PREFIX: &str = "league_bench_";

/// Where databases are made.
pub(super) enum Server {
    /// Files in a folder.
    Sqlite {
        /// Which folder.
        folder: PathBuf,
    },
    /// A PostgreSQL server on this machine.
    Postgres {
        /// Of a database to which one connects to make others.
        url: String,
    },
}

/// One database.
#[derive(Clone)]
pub(super) struct Database {
    /// As `database.url` has it.
    pub(super) url: String,
    name: String,
    sqlite: Option<PathBuf>,
}

/// A connection of the bench's own.
pub(super) enum Connection {
    /// SQLite.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(Box<PgConnection>),
}

/// The same query in the arm of each database.
macro_rules! on {
    ($connection:expr, $db:ident => $query:expr) => {
        match $connection {
            Connection::Sqlite(connection) => {
                let $db = &mut *connection;
                $query.await
            }
            Connection::Postgres(connection) => {
                let $db = &mut **connection;
                $query.await
            }
        }
    };
}

impl Server {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }

    /// Its version, and how durable its commits are.
    pub(super) async fn describe(&self) -> anyhow::Result<String> {
        match self {
            Self::Sqlite { .. } => {
                let mut asked = self.create("version").await?.connect().await?;
                Ok(format!(
                    "SQLite {}, WAL, synchronous = FULL",
                    asked.text("SELECT sqlite_version()").await?
                ))
            }
            Self::Postgres { .. } => {
                let mut asked = self.front().await?;
                let version = asked.text("SHOW server_version").await?;
                let fsync = asked.text("SHOW fsync").await?;
                let commit = asked.text("SHOW synchronous_commit").await?;
                ensure!(
                    fsync == "on" && commit == "on",
                    "the server runs with fsync = {fsync}, synchronous_commit = {commit}: what it commits is not durable"
                );
                Ok(format!("PostgreSQL {version}, fsync and synchronous_commit on"))
            }
        }
    }

    async fn front(&self) -> anyhow::Result<Connection> {
        let Self::Postgres { url } = self else { anyhow::bail!("SQLite has no server") };
        let connected = PgConnectOptions::from_str(url)?.connect().await;
        Ok(Connection::Postgres(Box::new(connected.context("PostgreSQL can't be reached")?)))
    }

    fn database(&self, name: &str) -> anyhow::Result<Database> {
        let name = format!("{PREFIX}{name}");
        Ok(match self {
            Self::Sqlite { folder } => {
                let path = folder.join(format!("{name}.db"));
                Database { url: format!("sqlite://{}", path.display()), name, sqlite: Some(path) }
            }
            Self::Postgres { url } => {
                let url = PgConnectOptions::from_str(url)?.database(&name).to_url_lossy();
                Database { url: url.to_string(), name, sqlite: None }
            }
        })
    }

    /// An empty database of that name; one that is there is dropped.
    pub(super) async fn create(&self, name: &str) -> anyhow::Result<Database> {
        let database = self.database(name)?;
        self.drop_one(&database).await?;
        if database.sqlite.is_none() {
            self.front().await?.execute(format!("CREATE DATABASE {}", database.name)).await?;
        }
        Ok(database)
    }

    /// A copy under another name. Nobody may be connected to the first one.
    pub(super) async fn copy(&self, from: &Database, name: &str) -> anyhow::Result<Database> {
        let database = self.database(name)?;
        self.drop_one(&database).await?;
        match (&from.sqlite, &database.sqlite) {
            (Some(from), Some(to)) => drop(std::fs::copy(from, to)?),
            _ => {
                let sql = format!("CREATE DATABASE {} TEMPLATE {}", database.name, from.name);
                self.front().await?.execute(sql).await?;
            }
        }
        Ok(database)
    }

    /// Drops all that the bench made.
    pub(super) async fn clear(&self) -> anyhow::Result<()> {
        let names = match self {
            Self::Sqlite { folder } => {
                let files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
                let files = files.collect::<std::io::Result<Vec<_>>>()?;
                let stem = |file: &PathBuf| Some(file.file_name()?.to_str()?.strip_suffix(".db")?.to_owned());
                files.iter().filter_map(stem).collect()
            }
            Self::Postgres { .. } => {
                let mut front = self.front().await?;
                front.texts(format!("SELECT datname FROM pg_database WHERE datname LIKE '{PREFIX}%'")).await?
            }
        };
        for name in names.iter().filter_map(|name| name.strip_prefix(PREFIX)) {
            self.drop_one(&self.database(name)?).await?;
        }
        Ok(())
    }

    async fn drop_one(&self, database: &Database) -> anyhow::Result<()> {
        let Some(path) = &database.sqlite else {
            let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name);
            return self.front().await?.execute(sql).await;
        };
        for end in ["", "-wal", "-shm", ".lock"] {
            match std::fs::remove_file(format!("{}{end}", path.display())) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Processor time of the server and all its processes so far, in milliseconds; SQLite has none of its own.
    pub(super) async fn cpu_ms(&self) -> anyhow::Result<f64> {
        if matches!(self, Self::Sqlite { .. }) {
            return Ok(0.0);
        }
        // The backend lives as long as its connection: it is held until its parent is known.
        let mut front = self.front().await?;
        let backend = u32::try_from(front.number("SELECT pg_backend_pid()::bigint").await?)?;
        let server = process::parent(backend).context("the server is not on this machine")?;
        front.close().await?;
        process::tree_cpu_ms(server)
    }
}

impl Database {
    pub(super) const fn is_sqlite(&self) -> bool {
        self.sqlite.is_some()
    }

    /// A connection whose commits are as durable as the gateway's.
    pub(super) async fn connect(&self) -> anyhow::Result<Connection> {
        self.connected(SqliteSynchronous::Full).await
    }

    /// A connection for filling: nothing is lost by a power cut that can't be made again.
    pub(super) async fn connect_loose(&self) -> anyhow::Result<Connection> {
        let mut connection = self.connected(SqliteSynchronous::Off).await?;
        if !self.is_sqlite() {
            connection.execute("SET synchronous_commit = off").await?;
        }
        Ok(connection)
    }

    async fn connected(&self, synchronous: SqliteSynchronous) -> anyhow::Result<Connection> {
        Ok(match &self.sqlite {
            Some(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(synchronous)
                    .busy_timeout(Duration::from_secs(60));
                Connection::Sqlite(options.connect().await?)
            }
            None => Connection::Postgres(Box::new(PgConnectOptions::from_str(&self.url)?.connect().await?)),
        })
    }
}

impl Connection {
    pub(super) async fn execute(&mut self, sql: impl Into<String>) -> anyhow::Result<()> {
        let sql = sql.into();
        on!(self, db => sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).map_ok(drop)).map_err(Into::into)
    }

    /// Runs a statement with one value, any number of times alike.
    pub(super) async fn execute_with(&mut self, sql: &'static str, bytes: &[u8]) -> anyhow::Result<()> {
        on!(self, db => sqlx::query(sql).bind(bytes).execute(db).map_ok(drop)).map_err(Into::into)
    }

    pub(super) async fn number(&mut self, sql: impl Into<String>) -> anyhow::Result<i64> {
        let sql = AssertSqlSafe(sql.into());
        Ok(on!(self, db => sqlx::query_scalar(sql).fetch_one(db))?)
    }

    pub(super) async fn text(&mut self, sql: &'static str) -> anyhow::Result<String> {
        Ok(on!(self, db => sqlx::query_scalar(sql).fetch_one(db))?)
    }

    pub(super) async fn texts(&mut self, sql: impl Into<String>) -> anyhow::Result<Vec<String>> {
        let sql = AssertSqlSafe(sql.into());
        Ok(on!(self, db => sqlx::query_scalar(sql).fetch_all(db))?)
    }

    /// Rows of a number and bytes.
    pub(super) async fn pairs(&mut self, sql: &'static str) -> anyhow::Result<Vec<(i64, Vec<u8>)>> {
        Ok(on!(self, db => sqlx::query_as(sql).fetch_all(db))?)
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(connection) => connection.close().await?,
            Self::Postgres(connection) => connection.close().await?,
        }
        Ok(())
    }
}
