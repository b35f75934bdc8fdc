//! The databases that the laws are held on.

use crate::support::postgres;
use league_gateway::store::{Store, StoreError, Tx};

use sqlx::{Connection as _, Decode, PgConnection, SqliteConnection, Type};
use tempfile::TempDir;

/// A kind of database.
pub(super) trait Backend {
    /// A database of the law's own, without a table.
    async fn empty() -> Bench;

    /// A database of the law's own, ready for work.
    async fn migrated() -> Bench {
        let bench = Self::empty().await;
        bench.store.migrate().await.expect("the schema is made");
        bench
    }
}

/// SQLite, on a file.
pub(super) struct Sqlite;

impl Backend for Sqlite {
    async fn empty() -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("outbox.db").display());
        let store = Store::connect(&url).await.expect("the file is made");
        Bench { store, url, raw: Raw::Sqlite { _folder: folder } }
    }
}

/// PostgreSQL, in a schema of the law's own.
pub(super) struct Postgres;

impl Backend for Postgres {
    async fn empty() -> Bench {
        let url = postgres::own_schema().await;
        let store = Store::connect(&url).await.expect("the server is there");
        Bench { store, url, raw: Raw::Postgres }
    }
}

enum Raw {
    Sqlite { _folder: TempDir },
    Postgres,
}

/// One law's database.
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) url: String,
    raw: Raw,
}

impl Bench {
    /// The same database as another process sees it.
    pub(super) async fn again(&self) -> Store {
        Store::connect(&self.url).await.expect("it opens again")
    }

    /// A statement from outside the gateway: upstream's, or a vandal's.
    pub(super) async fn execute(&self, sql: &str) {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        let done = match self.raw {
            Raw::Sqlite { .. } => {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("it opens");
                sql.execute(&mut connection).await.map(|done| done.rows_affected())
            }
            Raw::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await.expect("it opens");
                sql.execute(&mut connection).await.map(|done| done.rows_affected())
            }
        };
        done.expect("the statement is sound");
    }

    /// A number from outside the gateway.
    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.column(sql).await.remove(0)
    }

    /// Texts from outside the gateway.
    pub(super) async fn texts(&self, sql: &str) -> Vec<String> {
        self.column(sql).await
    }

    async fn column<T>(&self, sql: &str) -> Vec<T>
    where
        T: Send + Unpin + Type<sqlx::Sqlite> + Type<sqlx::Postgres>,
        T: for<'r> Decode<'r, sqlx::Sqlite> + for<'r> Decode<'r, sqlx::Postgres>,
    {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let found = match self.raw {
            Raw::Sqlite { .. } => {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("it opens");
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
            Raw::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await.expect("it opens");
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
        };
        found.expect("the query is sound")
    }

    /// One committed transaction that must succeed.
    pub(super) async fn write<T>(&self, work: impl AsyncFnOnce(&mut Tx) -> Result<T, StoreError>) -> T {
        write(&self.store, work).await
    }

    /// One look that must succeed.
    pub(super) async fn read<T>(&self, look: impl AsyncFnOnce(&mut Tx) -> Result<T, StoreError>) -> T {
        self.try_read(look).await.expect("the look succeeds")
    }

    /// One look.
    pub(super) async fn try_read<T>(
        &self,
        look: impl AsyncFnOnce(&mut Tx) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        look(&mut self.store.read("law").await?).await
    }
}

/// One committed transaction on a store, which must succeed.
pub(super) async fn write<T>(store: &Store, work: impl AsyncFnOnce(&mut Tx) -> Result<T, StoreError>) -> T {
    let mut tx = store.write("law").await.expect("it begins");
    let done = work(&mut tx).await.expect("the work succeeds");
    tx.commit().await.expect("it commits");
    done
}
