//! The database of a world, from outside: as upstream and an inspector reach it.

use sqlx::{Connection as _, SqliteConnection};
use std::path::{Path, PathBuf};

/// Which database a world runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
}

/// One that is there.
pub(super) enum Database {
    Sqlite(PathBuf),
}

/// A connection to it.
pub(super) enum Link {
    Sqlite(SqliteConnection),
}

impl Database {
    /// A new one, with nothing in it.
    pub(super) fn make(kind: Kind, folder: &Path) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(folder.join("gateway.db")),
        }
    }

    /// For `database.url`.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
        }
    }

    pub(super) async fn connect(&self) -> sqlx::Result<Link> {
        match self {
            Self::Sqlite(_) => SqliteConnection::connect(&self.url()).await.map(Link::Sqlite),
        }
    }

    /// How many rows a table has; `what` may go on with a WHERE.
    pub(super) async fn count(&self, what: &'static str) -> sqlx::Result<i64> {
        let query = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {what}"));
        match self.connect().await? {
            Link::Sqlite(mut link) => sqlx::query_scalar(query).fetch_one(&mut link).await,
        }
    }
}

impl Link {
    /// Upstream's own transaction.
    pub(super) async fn put_into_intake(&mut self, request_id: &str, payload: &str) -> sqlx::Result<()> {
        let query = "INSERT INTO intake (request_id, payload) VALUES ($1, $2)";
        match self {
            Self::Sqlite(link) => sqlx::query(query).bind(request_id).bind(payload).execute(link).await?,
        };
        Ok(())
    }
}
