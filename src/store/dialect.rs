//! All that differs between the databases, as whole texts.

/// SQLite: a transaction that will write takes the write lock at once, so that it can't fail half-way.
pub(super) const BEGIN_WRITE_SQLITE: &str = "BEGIN IMMEDIATE";

/// SQLite: its log still holds the pages that were overwritten; this empties it, and says first whether
/// somebody was in the way.
pub(super) const EMPTY_LOG_SQLITE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// SQLite: how long the log's emptying may wait for readers, since the only writer waits with it.
pub(super) const WAIT_SHORT_SQLITE: &str = "PRAGMA busy_timeout = 100";

/// SQLite: how long everything else waits.
pub(super) const WAIT_LONG_SQLITE: &str = "PRAGMA busy_timeout = 10000";

/// SQLite: is there anything in this file?
pub(super) const COUNT_TABLES_SQLITE: &str =
    "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'";
