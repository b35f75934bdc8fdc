//! The database of a world, from outside: as upstream and an inspector reach it.

use crate::support::postgres;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use std::path::{Path, PathBuf};

/// Which database a world runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// One that is there.
pub(super) enum Database {
    Sqlite(PathBuf),
    /// A schema of its own on the tests' server.
    Postgres(String),
}

/// A connection to it.
pub(super) enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    /// A new one, with nothing in it.
    pub(super) async fn make(kind: Kind, folder: &Path) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(folder.join("gateway.db")),
            Kind::Postgres => Self::Postgres(postgres::own_schema().await),
        }
    }

    /// For `database.url`.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    pub(super) async fn connect(&self) -> sqlx::Result<Link> {
        match self {
            Self::Sqlite(_) => SqliteConnection::connect(&self.url()).await.map(Link::Sqlite),
            Self::Postgres(url) => PgConnection::connect(url).await.map(Link::Postgres),
        }
    }

    /// How many rows a table has; `what` may go on with a WHERE.
    pub(super) async fn count(&self, what: &'static str) -> sqlx::Result<i64> {
        let query = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {what}"));
        match self.connect().await? {
            Link::Sqlite(mut link) => sqlx::query_scalar(query).fetch_one(&mut link).await,
            Link::Postgres(mut link) => sqlx::query_scalar(query).fetch_one(&mut link).await,
        }
    }
}

impl Link {
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
