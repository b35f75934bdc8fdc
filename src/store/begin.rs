//! How a transaction begins on PostgreSQL.

use super::dialect::FALLEN_POSTGRES;
use super::tx::{POSTGRES_CONNECTIONS, in_time};
use sqlx::postgres::PgPool;
use sqlx::{Postgres, Transaction};
use std::io::ErrorKind;

/// Begins on a connection that lives. One that came back a moment ago is taken without a proof: where it fell meanwhile, `BEGIN` finds
/// that out before anything was done, and another one is taken. A server that is started anew has cut all of them.
pub(super) async fn begin(
    pool: &PgPool,
    words: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    for _ in 0..POSTGRES_CONNECTIONS {
        match in_time(pool.begin_with(words)).await {
            Err(error) if fell(&error) => {
                tracing::debug!(%error, "a connection was cut: another one is taken")
            }
            begun => return begun,
        }
    }
    in_time(pool.begin_with(words)).await
}

/// Whether a connection was cut. One that is silent is not: it was waited for already.
fn fell(error: &sqlx::Error) -> bool {
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
