//! The durable outbox. Every query stands once; what differs between databases is in `dialect.rs`.
//!
//! A [`Tx`] is the only way in: [`Store::read`] for a consistent look, [`Store::write`] to change something. All that
//! belongs together (a change of state, its timeline, the event feed, a cursor) is written in one of them.

mod alarms;
mod attempts;
mod audit;
mod backup;
mod batch;
mod bulk;
mod callbacks;
mod clocks;
mod connect;
mod copy;
mod counts;
mod dialect;
mod entries;
mod events;
mod group;
mod intake;
mod listen;
mod look;
mod outbox;
mod place;
mod presence;
mod races;
mod restore;
mod retention;
mod row;
mod sealed;
mod session;
mod systems;
mod together;
mod tokens;
mod tx;
mod webhooks;

pub use alarms::Alarm;
pub use attempts::{Attempt, AttemptResult, NewAttempt};
pub use audit::{AuditRow, Author, Broken, Deed, Verified};
pub use bulk::{Bulk, BulkResult, BulkState, NewBulk};
pub use callbacks::{CallbackFilter, CallbackPage, CallbackRow, CallbackVerdict, NewCallback};
pub use copy::CopiedTable;
pub use counts::{Durations, Flow, Standing};
pub use entries::{Fence, Inserted, LeaseChange, Named, NewTransfer, Save};
pub use events::{AlarmNews, FeedEvent, TimelineLine};
pub use group::{Sharing, Work};
pub use intake::IntakeRow;
pub use look::{Cursor, Failures, Filter, Group, Page, Person, STRETCH, Sort, Unreadable};
pub use outbox::{Abandoned, Claimant, Lease, Rescued};
pub use presence::{Leads, Presence};
pub use races::despite_races;
pub use restore::Restored;
pub use retention::Erased;
pub use row::{Known, Shown, Stored};
pub use sealed::{Heads, SealedValue, Walk};
pub use systems::SystemRow;
pub use together::{Gathering, Together};
pub use tokens::TokenRow;
pub use tx::{Owner, Store, Tx};
pub use webhooks::WebhookRow;

use std::path::PathBuf;

/// What can go wrong with the store. The database's own words stand in `source`, once.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one that the gateway knows.
    #[error("database.url: {0}")]
    Url(String),
    /// The database said no.
    #[error("the database failed while {action}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// The database's words.
        #[source]
        source: sqlx::Error,
    },
    /// The schema is not this program's.
    #[error("{0}")]
    Schema(String),
    /// A database can't be copied into another.
    #[error("{0}")]
    Copy(String),
    /// A backup can't be written, or is not one.
    #[error("{}: {problem}", path.display())]
    Backup {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Another daemon owns the file.
    #[error("another daemon runs on {}: SQLite is for one daemon. Stop the other first", .0.display())]
    Owned(PathBuf),
    /// The file that was opened stands at its path no more.
    #[error(
        "{} was moved, removed or replaced while it was in use: put it back, with its -wal beside it; until then nothing is written",
        .0.display()
    )]
    Moved(PathBuf),
    /// The file that marks the owner can't be made.
    #[error("{} can't be locked", path.display())]
    Lock {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A stored value that this program can't have written.
    #[error("table {table}, column {column}, row {id}: {problem}")]
    BadRow {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Which row.
        id: i64,
        /// What is wrong, without the value.
        problem: String,
    },
    /// The store was closed, or can't be reached just now.
    #[error("the database is closed, or can't be reached")]
    Closed,
    /// Somebody else has the lease now: this outcome comes too late.
    #[error("the lease on transfer {0} was lost")]
    LeaseLost(i64),
}

impl StoreError {
    /// Whether the database could not be reached, so that nothing else will succeed either just now.
    fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Closed
                | Self::Database {
                    source: sqlx::Error::Io(_)
                        | sqlx::Error::PoolTimedOut
                        | sqlx::Error::PoolClosed
                        | sqlx::Error::Tls(_)
                        | sqlx::Error::Protocol(_),
                    ..
                }
        )
    }
}

/// How the schema in the database compares to this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// No table at all.
    Empty,
    /// As this program needs it.
    Current,
    /// Made by an older program, at this version.
    Behind(i64),
    /// Made by a newer program, at this version.
    Ahead(i64),
}
