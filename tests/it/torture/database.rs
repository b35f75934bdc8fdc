//! The database of a world: which it is, and a connection to it that stays open, as upstream has one.

use crate::support::Database;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use std::path::Path;

/// Which database a world runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    /// A new one, with nothing in it.
    pub(super) async fn make(self, folder: &Path) -> Database {
        match self {
            Self::Sqlite => Database::sqlite(&folder.join("gateway.db")),
            Self::Postgres => Database::postgres().await,
        }
    }
}

/// A connection.
pub(super) enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Link {
    pub(super) async fn to(database: &Database) -> sqlx::Result<Self> {
        if database.url.starts_with("sqlite:") {
            SqliteConnection::connect(&database.url).await.map(Self::Sqlite)
        } else {
            PgConnection::connect(&database.url).await.map(Self::Postgres)
        }
    }

    /// A statement without a value.
    pub(super) async fn run(&mut self, statement: &'static str) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(link) => sqlx::raw_sql(statement).execute(link).await.map(drop),
            Self::Postgres(link) => sqlx::raw_sql(statement).execute(link).await.map(drop),
        }
    }

    /// Upstream's own transaction.
    pub(super) async fn put_into_intake(&mut self, request_id: &str, payload: &str) -> sqlx::Result<()> {
        let query = "INSERT INTO intake (request_id, payload) VALUES ($1, $2)";
        match self {
            Self::Sqlite(link) => {
                sqlx::query(query).bind(request_id).bind(payload).execute(link).await.map(drop)
            }
            Self::Postgres(link) => {
                sqlx::query(query).bind(request_id).bind(payload).execute(link).await.map(drop)
            }
        }
    }
}
