//! All that differs between the databases, as whole texts.

/// One query in the words of each database and each purpose. SQLite has one writer, who needs no locks; on PostgreSQL
/// what a transaction reads in order to write it is locked, so that no other transaction writes it in between.
#[derive(Clone, Copy)]
pub(super) struct Text {
    /// SQLite's words.
    pub(super) sqlite: &'static str,
    /// PostgreSQL's, to look.
    pub(super) postgres: &'static str,
    /// PostgreSQL's, to lock what is found: it waits for rows that another transaction has.
    pub(super) locking: &'static str,
    /// PostgreSQL's, to lock what is free: rows that another transaction has are left to it.
    pub(super) skipping: &'static str,
}

/// The [`Text`] of a query whose words are the same everywhere, or differ: `text!(sqlite: "…", postgres: "…")`.
macro_rules! text {
    (sqlite: $sqlite:expr, postgres: $postgres:expr) => {
        $crate::store::dialect::Text { sqlite: $sqlite, ..$crate::store::dialect::text!($postgres) }
    };
    ($($part:expr),+) => {
        $crate::store::dialect::Text {
            sqlite: concat!($($part),+),
            postgres: concat!($($part),+),
            locking: concat!($($part,)+ " FOR UPDATE"),
            skipping: concat!($($part,)+ " FOR UPDATE SKIP LOCKED"),
        }
    };
}
pub(super) use text;

/// PostgreSQL: the order in which rows of `transfers` are locked, whatever the database's collation; Rust sorts request ids
/// alike.
macro_rules! in_order {
    () => {
        "ORDER BY transfers.request_id COLLATE \"C\""
    };
}
pub(super) use in_order;

/// SQLite: a transaction that will write takes the write lock at once, so that it can't fail half-way.
pub(super) const BEGIN_WRITE_SQLITE: &str = "BEGIN IMMEDIATE";

/// PostgreSQL: each statement sees what was committed before it; what must not change meanwhile is locked.
pub(super) const BEGIN_WRITE_POSTGRES: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// PostgreSQL: all statements see what was committed before the first.
pub(super) const BEGIN_READ_POSTGRES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// SQLite: its log still holds the pages that were overwritten; this empties it, and says first whether
/// somebody was in the way.
pub(super) const EMPTY_LOG_SQLITE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// SQLite: how long the log's emptying may wait for readers, since the only writer waits with it.
pub(super) const WAIT_SHORT_SQLITE: &str = "PRAGMA busy_timeout = 100";

/// SQLite: how long everything else waits.
pub(super) const WAIT_LONG_SQLITE: &str = "PRAGMA busy_timeout = 10000";

/// SQLite: the last key that an exchange was given, also where a hand or a copy left the counter behind the rows. No other
/// transaction gives keys meanwhile, and none is given twice.
pub(super) const LAST_ATTEMPT_SQLITE: &str = "SELECT MAX(COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'attempts'), 0), \
     COALESCE((SELECT MAX(id) FROM attempts), 0))";

/// Is there anything in this database (on PostgreSQL: in this schema)?
pub(super) const COUNT_TABLES: Text = text!(
    sqlite: "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'",
    postgres: "SELECT COUNT(to_regclass('_sqlx_migrations'))"
);

/// PostgreSQL: whoever writes to the event feed keeps others from it until its commit, so that cursors become visible
/// in their order: a reader that has seen one has seen all before it. The lock is this feed's, not the whole database's.
/// The commit announces it to all who listen, and says who did it.
macro_rules! lock_feed_postgres {
    () => {
        "SELECT pg_advisory_xact_lock(1, 'events'::regclass::oid::int), \
         pg_notify('league_gateway', current_setting('league.announcer', TRUE))"
    };
}
pub(super) use lock_feed_postgres;

/// PostgreSQL, each session: what its announcements carry, so that whoever made them need not hear them.
pub(super) const ANNOUNCER_POSTGRES: &str = "league.announcer";

/// PostgreSQL: where wake-ups are announced, over all schemas of a database; the payload is a word, or who announces it.
pub(super) const CHANNEL_POSTGRES: &str = "league_gateway";

/// The word of the intake table's trigger.
pub(super) const INTAKE_WORD: &str = "intake";

/// PostgreSQL: deadlock, serialization failure, and a unique violation: every row is looked for before it is written, so
/// another transaction wrote it between the two.
pub(super) const LOST_RACES_POSTGRES: [&str; 3] = ["40P01", "40001", "23505"];

/// PostgreSQL's last word on a connection that it ends: by hand or with the server, after another process's crash, because nobody
/// used it.
pub(super) const FALLEN_POSTGRES: [&str; 3] = ["57P01", "57P02", "57P05"];

/// The intake's rows in bytes.
pub(super) const INTAKE: Text = text!(
    sqlite: "SELECT id, CAST(request_id AS BLOB) AS request_id, CAST(payload AS BLOB) AS payload \
             FROM intake ORDER BY id LIMIT $1",
    postgres: "SELECT id, convert_to(request_id, 'UTF8') AS request_id, convert_to(payload, 'UTF8') AS payload \
               FROM intake ORDER BY id LIMIT $1"
);

/// PostgreSQL: this daemon's sign of life, as long as its session lives.
pub(super) const HOLD_SESSION_POSTGRES: &str = "SELECT pg_advisory_lock($1)";

/// PostgreSQL: whether a daemon's session is gone.
pub(super) const TRY_SESSION_POSTGRES: &str = "SELECT pg_try_advisory_xact_lock($1)";

/// PostgreSQL: one session of this outbox leads. A session that has the lock already gets it again, once more.
pub(super) const LEAD_POSTGRES: &str = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() \
     AND classid = 2 AND objid = 'daemons'::regclass::oid AND objsubid = 2 AND granted) \
     OR pg_try_advisory_lock(2, 'daemons'::regclass::oid::int)";

/// PostgreSQL: ends the session that leads, if it is this daemon's.
pub(super) const UNSEAT_POSTGRES: &str = "SELECT COUNT(pg_terminate_backend(leads.pid)) FROM pg_locks leads JOIN pg_locks own ON own.pid = leads.pid \
     JOIN pg_database b ON b.oid = leads.database AND b.datname = current_database() \
     WHERE leads.locktype = 'advisory' AND leads.classid = 2 AND leads.objid = 'daemons'::regclass::oid \
     AND leads.objsubid = 2 AND leads.granted AND own.locktype = 'advisory' AND own.objsubid = 1 AND own.granted \
     AND (own.classid::bigint << 32 | own.objid::bigint) = $1";

/// PostgreSQL, every session: what a daemon had locked comes free within seconds when its host vanishes or the daemon is
/// stopped in the middle of a transaction. Others wait for its rows and for the feed, and a rescue passes them over.
pub(super) const SESSION_POSTGRES: [(&str, &str); 5] = [
    ("tcp_keepalives_idle", "2"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "3"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "20s"),
];

/// PostgreSQL: this transaction may stand still.
pub(super) const WAIT_IN_TRANSACTION_POSTGRES: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";

/// All columns of all tables: SQLite's kinds, the place in the primary key, whether the database gives out the numbers.
pub(super) const CATALOG: Text = text!(
    sqlite: "SELECT t.name AS table_name, c.name AS column_name, c.type AS kind, c.pk AS key_place, \
             (c.pk = 1 AND t.sql LIKE '%AUTOINCREMENT%') AS counted \
             FROM sqlite_schema t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '_sqlx_migrations' \
             ORDER BY t.name, c.cid",
    postgres: "SELECT t.relname::text AS table_name, c.attname::text AS column_name, \
               CASE c.atttypid WHEN 'bigint'::regtype THEN 'INTEGER' WHEN 'bytea'::regtype THEN 'BLOB' ELSE 'TEXT' END \
               AS kind, COALESCE(array_position(k.conkey, c.attnum), 0)::bigint AS key_place, \
               (c.attidentity <> '')::int::bigint AS counted \
               FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped \
               LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'p' \
               WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind = 'r' \
               AND t.relname <> '_sqlx_migrations' ORDER BY t.relname, c.attnum"
);

/// How many daemons are at work: a daemon of PostgreSQL's holds its session lock; one of SQLite's has the lock file.
pub(super) const RUNNING_DAEMONS: Text = text!(
    sqlite: "SELECT 0",
    postgres: "SELECT COUNT(*) FROM daemons d JOIN pg_locks l ON l.locktype = 'advisory' AND l.objsubid = 1 \
               AND (l.classid::bigint << 32 | l.objid::bigint) = d.session_key \
               JOIN pg_database b ON b.oid = l.database AND b.datname = current_database()"
);

/// The highest number that a column of a table ever had given out.
pub(super) const LAST_COUNT: Text = text!(
    sqlite: "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = $1 AND $2 IS NOT NULL",
    postgres: "SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass), 0)"
);

/// Sets it. SQLite's old one goes first.
pub(super) const SET_COUNT: Text = text!(
    sqlite: "INSERT INTO sqlite_sequence (name, seq) SELECT $1, $3 WHERE $2 IS NOT NULL",
    postgres: "SELECT setval(pg_get_serial_sequence($1, $2)::regclass, $3)"
);

/// SQLite: a name may stand there once.
pub(super) const FORGET_COUNT_SQLITE: &str = "DELETE FROM sqlite_sequence WHERE name = $1";

/// SQLite: the whole database as of one instant into a file of its own, beside whoever reads and writes.
pub(super) const BACK_UP_SQLITE: &str = "VACUUM INTO $1";

/// SQLite: whether every page and every index of a file is sound; `ok`, or what is wrong, line by line.
pub(super) const CHECK_SQLITE: &str = "PRAGMA integrity_check(10)";
