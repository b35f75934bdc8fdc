//! The databases that the laws are held on.

use crate::support::Database;
use league_gateway::store::{Store, StoreError, Tx};
use tempfile::TempDir;

/// A kind of database.
pub(super) trait Backend {
    /// A database of the law's own, without a table.
    async fn empty() -> Bench;

    /// A database of the law's own, ready for work.
    async fn migrated() -> Bench {
        let bench = Self::empty().await;
        bench.store.prepare(&super::audit::sealer()).await.expect("the schema is made");
        bench
    }
}

/// SQLite, on a file.
pub(super) struct Sqlite;

impl Backend for Sqlite {
    async fn empty() -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        Bench::on(Database::sqlite(&folder.path().join("outbox.db")), Some(folder)).await
    }
}

/// PostgreSQL, in a schema of the law's own.
pub(super) struct Postgres;

impl Backend for Postgres {
    async fn empty() -> Bench {
        Bench::on(Database::postgres().await, None).await
    }
}

/// One law's database.
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) database: Database,
    _folder: Option<TempDir>,
}

impl Bench {
    async fn on(database: Database, folder: Option<TempDir>) -> Self {
        let store = Store::connect(&database.url).await.expect("it opens");
        Self { store, database, _folder: folder }
    }

    /// On PostgreSQL: one that no other law's announcements reach.
    pub(super) async fn apart(&self) -> Self {
        let bench = Self::on(self.database.apart().await, None).await;
        bench.store.prepare(&super::audit::sealer()).await.expect("the schema is made");
        bench
    }

    /// The same database as another process sees it.
    pub(super) async fn again(&self) -> Store {
        Store::connect(&self.database.url).await.expect("it opens again")
    }

    /// A statement from outside the gateway: upstream's, or a vandal's.
    pub(super) async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    /// A number from outside the gateway.
    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.database.number(sql).await
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
