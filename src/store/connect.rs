//! How a database is opened: SQLite's file with its one writer, PostgreSQL's connections.

use super::StoreError;
use super::dialect;
use super::group::{Groups, commit_groups};
use super::place::{self, Place};
use super::tx::{Inner, SqlitePools, Store, within};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::num::NonZeroUsize;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::mpsc;

/// A daemon needs few: some that write, some that read, one that listens. Several daemons share what the server allows.
pub(super) const POSTGRES_CONNECTIONS: u32 = 9;

/// How much of a SQLite file the writer and each reader keep in memory, in KiB: the writer comes back to the same pages turn by
/// turn, however large the file is; a look does not.
const WRITERS_CACHE: &str = "-4096";
const READERS_CACHE: &str = "-512";

/// So long a connection may take to prove that it lives, when it comes back to the pool and when it leaves it.
const PROOF: Duration = Duration::from_secs(5);

/// So long after it came back a connection is taken without another proof.
const FRESH: Duration = Duration::from_secs(1);

impl Store {
    /// Opens a database; `sqlite://path` makes the file if it is missing, its owner's alone.
    ///
    /// # Errors
    /// [`StoreError::Url`] or [`StoreError::Database`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::reach(url, place::make).await
    }

    /// Opens a database that is there: nobody looks into another one than meant, and a log whose file was moved away is not
    /// taken for an empty file's.
    ///
    /// # Errors
    /// As [`Store::connect`]; [`StoreError::Schema`] where there is no such file.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::reach(url, place::find).await
    }

    /// Host and port of the server that a URL names: nothing for SQLite, or a socket on this machine.
    #[must_use]
    pub fn server(url: &str) -> Option<(String, u16)> {
        let options: PgConnectOptions = url.starts_with("postgres").then(|| url.parse().ok())??;
        let host = options.get_host();
        (!host.starts_with('/')).then(|| (host.to_owned(), options.get_port()))
    }

    async fn reach(
        url: &str,
        file: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let inner = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let announcer = fresh_announcer()?;
            let pool = Self::connect_postgres(url, &announcer).await?;
            return Ok(Self { announcer: announcer.into(), ..Self::over(Inner::Postgres(pool)) });
        } else {
            let options = SqliteConnectOptions::from_str(url).map_err(|_| {
                StoreError::Url("write sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE".into())
            })?;
            if !url.contains(":memory:") {
                file(options.get_filename())?;
            }
            Inner::Sqlite(Self::connect_sqlite(options).await?)
        };
        Ok(Self::over(inner))
    }

    /// Opens a SQLite file that is there.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn open_file(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().filename(path);
        Ok(Self::over(Inner::Sqlite(Self::connect_sqlite(options).await?)))
    }

    fn over(inner: Inner) -> Self {
        let (sender, jobs) = mpsc::unbounded_channel();
        tokio::spawn(commit_groups(inner.clone(), jobs));
        Self {
            inner,
            groups: Groups::new(sender),
            takes_writes: Arc::new(AtomicBool::new(true)),
            shown_at: Arc::default(),
            announcer: Arc::default(),
        }
    }

    async fn connect_postgres(url: &str, announcer: &str) -> Result<PgPool, StoreError> {
        let options = session_options(url)?.options([(dialect::ANNOUNCER_POSTGRES, announcer)]);
        PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            // One that was given back a moment ago has just proved that it lives.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                Box::pin(async move {
                    if known.idle_for < FRESH {
                        return Ok(true);
                    }
                    within(PROOF, connection.ping()).await.map(|()| true)
                })
            })
            // One that is dead must not keep its place: it is closed without a good-bye.
            .after_release(|connection, _| {
                Box::pin(async move { within(PROOF, connection.ping()).await.map(|()| true) })
            })
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Database { action: "opening it", source })
    }

    async fn connect_sqlite(options: SqliteConnectOptions) -> Result<SqlitePools, StoreError> {
        let failed = |source| StoreError::Database { action: "opening it", source };
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            // What leaves the intake table was clear text: its page must not keep it.
            .pragma("secure_delete", "ON");
        let path = options.get_filename().to_owned();
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            // A thread of this process does not go away.
            .test_before_acquire(false)
            // After a full disk SQLite has rolled back by itself, and the ROLLBACK that follows fails: such a connection
            // would never begin anything again.
            .after_release(|connection, _| {
                Box::pin(async move {
                    if connection.is_in_transaction() {
                        // A rollback may be under way yet.
                        connection.ping().await?;
                    }
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options.clone().pragma("cache_size", WRITERS_CACHE))
            .await
            .map_err(failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(readers())
            .test_before_acquire(false)
            .connect_with(options.pragma("query_only", "ON").pragma("cache_size", READERS_CACHE))
            .await
            .map_err(failed)?;
        let place = Place::of(&path);
        Ok(SqlitePools { writer, readers, path, place })
    }
}

/// SQLite: so many look at once. Each computes, and keeps pages: more than there are cores would be no faster.
fn readers() -> u32 {
    let cores = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    u32::try_from(cores.clamp(2, 4)).unwrap_or(4)
}

/// A word that no other store announces with.
fn fresh_announcer() -> Result<String, StoreError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        let source = sqlx::Error::Io(std::io::Error::other(error));
        StoreError::Database { action: "opening it", source }
    })?;
    Ok(hex::encode(bytes))
}

/// How every session on PostgreSQL begins.
fn session_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    // The parser's own words may repeat the password.
    let mut options = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Url("write postgres://USER:PASSWORD@HOST/DATABASE".into()))?;
    if options.get_application_name().is_none() {
        options = options.application_name("league-gateway");
    }
    Ok(options.options(dialect::SESSION_POSTGRES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_its_own_options_and_lets_go_of_its_locks() {
        let options = session_options("postgres://u@h/d?options=-c%20search_path%3Dgateway").expect("a URL");
        let text = options.get_options().expect("options");
        for part in
            ["search_path=gateway", "idle_in_transaction_session_timeout=10s", "tcp_keepalives_idle=2"]
        {
            assert!(text.contains(part), "{text}");
        }
    }
}
