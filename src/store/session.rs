//! What statements run on, and how it begins.

use super::StoreError;
use super::connect::POSTGRES_CONNECTIONS;
use super::dialect::{self, FALLEN_POSTGRES};
use super::tx::{Inner, Store, Tx, in_time};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::{Database, Postgres, Sqlite, Transaction};
use std::error::Error;
use std::io::ErrorKind;
use std::ops::{Deref, DerefMut};

pub(super) enum TxInner {
    Sqlite(Session<Sqlite>),
    Postgres(Session<Postgres>),
}

/// What statements run on.
pub(super) enum Session<D: Database> {
    /// All of them as one.
    Transaction(Transaction<'static, D>),
    /// Each by itself: begun and ended by nothing that would have to be waited for.
    Alone(PoolConnection<D>),
}

impl<D: Database> Deref for Session<D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        match self {
            Self::Transaction(transaction) => transaction,
            Self::Alone(connection) => connection,
        }
    }
}

impl<D: Database> DerefMut for Session<D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        match self {
            Self::Transaction(transaction) => transaction,
            Self::Alone(connection) => connection,
        }
    }
}

impl<D: Database> Session<D> {
    pub(super) const fn is_transaction(&self) -> bool {
        matches!(self, Self::Transaction(_))
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Transaction(transaction) => transaction.commit().await,
            Self::Alone(_) => Ok(()),
        }
    }

    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Transaction(transaction) => transaction.rollback().await,
            Self::Alone(_) => Ok(()),
        }
    }
}

impl Store {
    /// Begins to change something. `name` says what for, in logs.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn write(&self, name: &'static str) -> Result<Tx, StoreError> {
        self.inner.write(name).await
    }

    /// Begins a consistent look.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn read(&self, name: &'static str) -> Result<Tx, StoreError> {
        let begun = match &self.inner {
            Inner::Sqlite(sqlite) => {
                sqlite.readers.begin().await.map(|tx| TxInner::Sqlite(Session::Transaction(tx)))
            }
            Inner::Postgres(pool) => begin(pool, dialect::BEGIN_READ_POSTGRES).await,
        };
        let inner = begun.map_err(|source| StoreError::Database { action: "beginning to read", source })?;
        Ok(Tx::new(inner, name, false))
    }

    /// A look of a single statement, which is consistent by itself: a beginning and an end would be two more round trips. Where its
    /// connection was cut, it looks again on another one.
    ///
    /// # Errors
    /// The look's own; [`StoreError::Database`].
    pub async fn glance<T, F: Future<Output = Result<T, StoreError>> + Send>(
        &self,
        name: &'static str,
        look: impl Fn(Tx) -> F + Send + Sync,
    ) -> Result<T, StoreError> {
        let look = &look;
        on_one_that_lives(|| async move { look(self.alone(name).await?).await }).await
    }

    async fn alone(&self, name: &'static str) -> Result<Tx, StoreError> {
        let taken = match &self.inner {
            Inner::Sqlite(sqlite) => {
                sqlite.readers.acquire().await.map(|one| TxInner::Sqlite(Session::Alone(one)))
            }
            Inner::Postgres(pool) => {
                in_time(pool.acquire()).await.map(|one| TxInner::Postgres(Session::Alone(one)))
            }
        };
        let inner = taken.map_err(|source| StoreError::Database { action: "beginning to read", source })?;
        Ok(Tx::new(inner, name, false))
    }
}

impl Inner {
    pub(super) async fn write(&self, name: &'static str) -> Result<Tx, StoreError> {
        let begun = match self {
            Self::Sqlite(sqlite) => {
                sqlite.place.require()?;
                let begun = sqlite.writer.begin_with(dialect::BEGIN_WRITE_SQLITE).await;
                begun.map(|tx| TxInner::Sqlite(Session::Transaction(tx)))
            }
            Self::Postgres(pool) => begin(pool, dialect::BEGIN_WRITE_POSTGRES).await,
        };
        let inner = begun.map_err(|source| StoreError::Database { action: "beginning to write", source })?;
        Ok(Tx::new(inner, name, true))
    }
}

/// Begins on a connection that lives. One that came back a moment ago is taken without a proof: where it fell meanwhile, `BEGIN` finds
/// that out before anything was done, and another one is taken. A server that is started anew has cut all of them.
async fn begin(pool: &PgPool, words: &'static str) -> Result<TxInner, sqlx::Error> {
    let begun = on_one_that_lives(|| in_time(pool.begin_with(words))).await;
    begun.map(|transaction| TxInner::Postgres(Session::Transaction(transaction)))
}

/// Does something on one connection after the other until one was not cut.
async fn on_one_that_lives<T, E: Error + 'static, F: Future<Output = Result<T, E>>>(
    once: impl Fn() -> F,
) -> Result<T, E> {
    for _ in 0..POSTGRES_CONNECTIONS {
        match once().await {
            Err(error) if fell(&error) => {
                tracing::debug!(%error, "a connection was cut: another one is taken");
            }
            done => return done,
        }
    }
    once().await
}

/// Whether a connection was cut. One that is silent is not: it was waited for already.
fn fell(error: &(dyn Error + 'static)) -> bool {
    let words = std::iter::successors(Some(error), |error| (*error).source());
    let Some(error) = words.into_iter().find_map(|error| error.downcast_ref::<sqlx::Error>()) else {
        return false;
    };
    if let sqlx::Error::Io(error) = error {
        let cut = [
            ErrorKind::BrokenPipe,
            ErrorKind::ConnectionAborted,
            ErrorKind::ConnectionReset,
            ErrorKind::UnexpectedEof,
        ];
        return cut.contains(&error.kind());
    }
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| FALLEN_POSTGRES.contains(&&*code))
}
