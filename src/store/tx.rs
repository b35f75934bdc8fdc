//! The store, and transactions on it.

use super::alarms::Turned;
use super::counts::Pending;
use super::dialect::{self, Text};
use super::events::PendingLine;
use super::group::Groups;
use super::place::Place;
use super::session::TxInner;
use super::{SchemaState, StoreError};
use crate::seal::Sealer;
use jiff::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// The schema version from which on there is an audit log.
const FIRST_WITH_AUDIT: i64 = 4;

/// No answer to a statement takes longer; what waits for locks of others gives up before.
const LONGEST: Duration = Duration::from_secs(30);

/// So long the connections' end is waited for.
const FAREWELL: Duration = Duration::from_secs(2);

/// A daemon that could not show itself for so many milliseconds claims nothing.
const UNSEEN: u64 = 5_000;

/// The durable outbox. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) inner: Inner,
    pub(super) groups: Groups,
    /// Whether this daemon's last sign of life was written.
    pub(super) takes_writes: Arc<AtomicBool>,
    /// When this daemon last began to show itself to others, in milliseconds; 0 where nobody looks.
    pub(super) shown_at: Arc<AtomicI64>,
    /// What this store's own announcements carry, where the database passes them on.
    pub(super) announcer: Arc<str>,
}

/// A closed set: each database is an arm, not an implementation of a trait that drifts.
#[derive(Clone, Debug)]
pub(super) enum Inner {
    Sqlite(SqlitePools),
    Postgres(PgPool),
}

/// SQLite has one writer; readers see the last commit.
#[derive(Clone, Debug)]
pub(super) struct SqlitePools {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    pub(super) path: PathBuf,
    pub(super) place: Place,
}

/// The mark of the one daemon that owns a SQLite file. The operating system takes it back when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct Owner {
    _lock: Option<Arc<File>>,
}

/// A transaction. Dropped without [`Tx::commit`], it changes nothing.
pub struct Tx {
    pub(super) inner: TxInner,
    name: &'static str,
    /// Lines of timelines, written with the commit.
    pub(super) lines: Vec<PendingLine>,
    /// Alarms that were raised or cleared, told after the commit.
    pub(super) turned: Vec<Turned>,
    /// What changes in the counts, written with the commit.
    pub(super) counts: Pending,
    /// Everything else that logs and metrics are told after the commit.
    told: Vec<Box<dyn FnOnce() + Send>>,
    writes: bool,
}

/// Waits for the server, but not for ever: a host that vanishes says nothing. The answer is boxed at once, so that every
/// statement's does not lie on the stack of whoever waits.
pub(super) fn in_time<'a, T: 'a>(
    answer: impl Future<Output = Result<T, sqlx::Error>> + Send + 'a,
) -> impl Future<Output = Result<T, sqlx::Error>> + Send + 'a {
    let answer: std::pin::Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'a>> =
        Box::pin(answer);
    within(LONGEST, answer)
}

pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let late = |_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(limit, answer).await.unwrap_or_else(late)
}

/// Runs a query in the arm of the transaction's database: `on!(tx, "doing so", db => sqlx::query_as("…").fetch_all(db))`.
macro_rules! on {
    ($tx:expr, $action:literal, $db:ident => $query:expr) => {
        match &mut $tx.inner {
            $crate::store::session::TxInner::Sqlite(transaction) => {
                let $db = &mut **transaction;
                $query.await
            }
            $crate::store::session::TxInner::Postgres(transaction) => {
                let $db = &mut **transaction;
                $crate::store::tx::in_time($query).await
            }
        }
        .map_err(|source| $crate::store::StoreError::Database { action: $action, source })
    };
}
pub(super) use on;

/// Likewise a statement without an answer: `execute!(tx, "doing so", sqlx::query("…"))` is how many rows it changed.
macro_rules! execute {
    ($tx:expr, $action:literal, $query:expr) => {{
        debug_assert!($tx.is_transaction(), "what changes something is undone as a whole");
        match &mut $tx.inner {
            $crate::store::session::TxInner::Sqlite(transaction) => {
                $query.execute(&mut **transaction).await.map(|done| done.rows_affected())
            }
            $crate::store::session::TxInner::Postgres(transaction) => {
                let done = $query.execute(&mut **transaction);
                $crate::store::tx::in_time(done).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|source| $crate::store::StoreError::Database { action: $action, source })
    }};
}
pub(super) use execute;

impl Store {
    /// The server, if there is one.
    pub(super) const fn postgres(&self) -> Option<&PgPool> {
        match &self.inner {
            Inner::Sqlite(_) => None,
            Inner::Postgres(pool) => Some(pool),
        }
    }

    /// Makes this process the database's daemon. On PostgreSQL there may be several.
    ///
    /// # Errors
    /// [`StoreError::Owned`] when another one runs on the same SQLite file.
    pub fn own(&self) -> Result<Owner, StoreError> {
        let Inner::Sqlite(sqlite) = &self.inner else { return Ok(Owner { _lock: None }) };
        if sqlite.path == Path::new(":memory:") {
            return Ok(Owner { _lock: None });
        }
        // The file itself, whatever name it was reached by: a link must not make it two.
        let real = std::fs::canonicalize(&sqlite.path).unwrap_or_else(|_| sqlite.path.clone());
        let path = real.with_added_extension("lock");
        let locked = |source| StoreError::Lock { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(locked)?;
        match file.try_lock() {
            Ok(()) => Ok(Owner { _lock: Some(Arc::new(file)) }),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Owned(sqlite.path.clone())),
            Err(std::fs::TryLockError::Error(source)) => Err(locked(source)),
        }
    }

    /// Looks whether the file that was opened still stands at its path: where it does not, nothing is written until it does.
    ///
    /// # Errors
    /// [`StoreError::Moved`].
    pub(super) fn look_after_file(&self) -> Result<(), StoreError> {
        match &self.inner {
            Inner::Sqlite(sqlite) => sqlite.place.look(),
            Inner::Postgres(_) => Ok(()),
        }
    }

    /// Whether the database took what was written last: a daemon shows a sign of life every second, whatever else it
    /// does. It asks nothing and locks nothing.
    #[must_use]
    pub fn takes_writes(&self) -> bool {
        self.takes_writes.load(Ordering::Relaxed)
    }

    /// Whether a daemon may claim work: one that could not show itself to the others for some seconds counts as gone
    /// soon, and what it began then would be taken from it. It asks nothing and locks nothing.
    #[must_use]
    pub fn may_claim(&self, now: Timestamp) -> bool {
        let shown_at = self.shown_at.load(Ordering::Relaxed);
        shown_at == 0 || now.as_millisecond().abs_diff(shown_at) < UNSEEN
    }

    /// Brings the schema to this program's version.
    ///
    /// # Errors
    /// [`StoreError::Schema`] with the migration that failed.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let done = match &self.inner {
            Inner::Sqlite(sqlite) => SQLITE_MIGRATIONS.run(&sqlite.writer).await,
            Inner::Postgres(pool) => POSTGRES_MIGRATIONS.run(pool).await,
        };
        done.map_err(|error| StoreError::Schema(format!("the schema can't be brought up to date: {error}")))
    }

    /// [`Self::migrate`], and where that made or changed tables, the audit log's beginning is marked. A database that is current gets no
    /// mark: there somebody has taken it away.
    ///
    /// # Errors
    /// [`StoreError::Schema`], [`StoreError::Database`].
    pub async fn prepare(&self, sealer: &Sealer) -> Result<(), StoreError> {
        let may_have_begun = match self.schema().await? {
            SchemaState::Empty => false,
            SchemaState::Behind(version) => version >= FIRST_WITH_AUDIT,
            SchemaState::Current | SchemaState::Ahead(_) => return self.migrate().await,
        };
        self.migrate().await?;
        let mut tx = self.write("begin audit").await?;
        tx.begin_audit(sealer, may_have_begun).await?;
        tx.commit().await
    }

    /// Compares the schema in the database to this program's.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn schema(&self) -> Result<SchemaState, StoreError> {
        let mut look = self.read("schema").await?;
        let sql = look.look(dialect::COUNT_TABLES);
        let tables: i64 =
            on!(look, "reading its schema version", db => sqlx::query_scalar(sql).fetch_one(db))?;
        if tables == 0 {
            return Ok(SchemaState::Empty);
        }
        let found: i64 = on!(look, "reading its schema version", db => sqlx::query_scalar(
            "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE success").fetch_one(db))?;
        let migrations = match &self.inner {
            Inner::Sqlite(_) => &SQLITE_MIGRATIONS,
            Inner::Postgres(_) => &POSTGRES_MIGRATIONS,
        };
        let ours = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
        Ok(match found.cmp(&ours) {
            std::cmp::Ordering::Less => SchemaState::Behind(found),
            std::cmp::Ordering::Equal => SchemaState::Current,
            std::cmp::Ordering::Greater => SchemaState::Ahead(found),
        })
    }

    /// Fails, with the command that mends it, unless the schema is this program's.
    ///
    /// # Errors
    /// [`StoreError::Schema`].
    pub async fn require_current(&self) -> Result<(), StoreError> {
        match self.schema().await? {
            SchemaState::Current => Ok(()),
            SchemaState::Empty => Err(StoreError::Schema(
                "the database is empty: `league-gateway db migrate` makes its tables".into(),
            )),
            SchemaState::Behind(version) => Err(StoreError::Schema(format!(
                "the database is at schema version {version}, older than this program: stop the daemon, back it up, \
                 run `league-gateway db migrate`"
            ))),
            SchemaState::Ahead(version) => Err(StoreError::Schema(format!(
                "the database is at schema version {version}, newer than this program: install the newer league-gateway"
            ))),
        }
    }

    /// Makes clear text that was deleted unreadable in the database's log as well. Returns whether it was
    /// done: a reader in the way puts it off to the next time. PostgreSQL's files are its server's: nothing to do.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        use dialect::{EMPTY_LOG_SQLITE, WAIT_LONG_SQLITE, WAIT_SHORT_SQLITE};
        let Inner::Sqlite(sqlite) = &self.inner else { return Ok(true) };
        let emptying = async {
            let mut writer = sqlite.writer.acquire().await?;
            sqlx::query(WAIT_SHORT_SQLITE).execute(&mut *writer).await?;
            let in_the_way: Result<i64, _> =
                sqlx::query_scalar(EMPTY_LOG_SQLITE).fetch_one(&mut *writer).await;
            sqlx::query(WAIT_LONG_SQLITE).execute(&mut *writer).await?;
            in_the_way
        };
        let in_the_way = emptying.await;
        in_the_way
            .map(|in_the_way| in_the_way == 0)
            .map_err(|source| StoreError::Database { action: "emptying its log", source })
    }

    /// Closes the connections; SQLite's log is folded into the file.
    pub async fn close(&self) {
        match &self.inner {
            Inner::Sqlite(sqlite) => {
                sqlite.readers.close().await;
                sqlite.writer.close().await;
            }
            // The server may be gone, and then answers no good-bye.
            Inner::Postgres(pool) => drop(tokio::time::timeout(FAREWELL, pool.close()).await),
        }
    }
}

impl Tx {
    pub(super) fn new(inner: TxInner, name: &'static str, writes: bool) -> Self {
        let (lines, turned, told) = (Vec::new(), Vec::new(), Vec::new());
        Self { inner, name, lines, turned, counts: Pending::default(), told, writes }
    }

    /// Whether its statements are one: not those of a [`Store::glance`].
    pub(super) const fn is_transaction(&self) -> bool {
        match &self.inner {
            TxInner::Sqlite(session) => session.is_transaction(),
            TxInner::Postgres(session) => session.is_transaction(),
        }
    }

    /// Whether what is read in order to be written needs a lock.
    pub(super) const fn locks(&self) -> bool {
        self.writes && matches!(self.inner, TxInner::Postgres(_))
    }

    /// The words of a query that only looks.
    pub(super) const fn look(&self, text: Text) -> &'static str {
        match self.inner {
            TxInner::Sqlite(_) => text.sqlite,
            TxInner::Postgres(_) => text.postgres,
        }
    }

    /// The words of a query for what this transaction may write: others wait for it.
    pub(super) const fn locked(&self, text: Text) -> &'static str {
        if self.locks() { text.locking } else { self.look(text) }
    }

    /// Likewise, but of rows that another transaction has, none is found.
    pub(super) const fn locked_free(&self, text: Text) -> &'static str {
        if self.locks() { text.skipping } else { self.look(text) }
    }

    /// Makes this transaction the only one that writes to the event feed, until its end, and wakes the other daemons
    /// with its commit.
    pub(super) async fn lock_feed(&mut self) -> Result<(), StoreError> {
        if self.locks() {
            execute!(self, "waiting for the event feed", sqlx::query(dialect::lock_feed_postgres!()))?;
        }
        Ok(())
    }

    /// Tells logs or metrics of something once it is durable: what runs again, or is undone, is told once, or not at all.
    pub fn after_commit(&mut self, tell: impl FnOnce() + Send + 'static) {
        self.told.push(Box::new(tell));
    }

    /// Takes everything of this transaction back, and waits for it: one that is only dropped still has its rows in hand for a
    /// moment, and whoever passes over rows that others have would pass over them.
    pub async fn undo(self) {
        let undone = match self.inner {
            TxInner::Sqlite(transaction) => transaction.rollback().await,
            TxInner::Postgres(transaction) => in_time(transaction.rollback()).await,
        };
        if let Err(error) = undone {
            // The connection is gone, and the transaction with it.
            tracing::debug!(%error, transaction = self.name, "a transaction could not be taken back");
        }
    }

    /// Makes everything of this transaction durable.
    ///
    /// # Errors
    /// [`StoreError::Database`]; then nothing was changed.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.append_alarms();
        if let Err(error) = self.write_lines().await {
            self.undo().await;
            return Err(error);
        }
        let done = match self.inner {
            TxInner::Sqlite(transaction) => transaction.commit().await,
            TxInner::Postgres(transaction) => in_time(transaction.commit()).await,
        };
        metrics::counter!("league_gateway_commits_total", "transaction" => self.name).increment(1);
        done.map_err(|source| StoreError::Database { action: "committing", source })?;
        self.turned.iter().for_each(Turned::tell);
        self.told.into_iter().for_each(|tell| tell());
        Ok(())
    }
}
