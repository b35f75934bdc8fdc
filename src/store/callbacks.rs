//! Status events as partners reported them, and the nonces that were seen.

use super::StoreError;
use super::batch::Batch;
use super::dialect::text;
use super::row::Cell;
use super::tx::{Tx, execute, on};
use jiff::Timestamp;
use league_contract::System;
use std::collections::HashSet;

/// What became of a status event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackVerdict {
    /// It moved the transfer, or said what was known.
    Applied,
    /// It came before; nothing was done.
    Duplicate,
    /// Its transfer is not here (yet).
    Unmatched,
    /// It contradicts what is known.
    Conflict,
    /// It can't be read: somebody must look.
    Refused,
}

impl CallbackVerdict {
    /// The word in the store and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Unmatched => "unmatched",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
        }
    }

    /// The verdicts that a kept event can have. (A duplicate is no event of its own: it is counted.)
    pub const KEPT: [Self; 4] = [Self::Applied, Self::Unmatched, Self::Conflict, Self::Refused];

    /// Reads the word of one that a kept event can have.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::KEPT.into_iter().find(|verdict| verdict.as_str() == word)
    }

    /// Whether somebody should look at such an event.
    #[must_use]
    pub const fn is_odd(self) -> bool {
        match self {
            Self::Applied | Self::Duplicate => false,
            Self::Unmatched | Self::Conflict | Self::Refused => true,
        }
    }
}

/// A status event to keep.
#[derive(Debug)]
pub struct NewCallback<'a> {
    /// Who reported it.
    pub system: &'a System,
    /// The partner's id of it.
    pub event_id: &'a str,
    /// The transfer that it is about.
    pub request_id: &'a str,
    /// What it says, as a word.
    pub event: &'a str,
    /// What became of it.
    pub verdict: CallbackVerdict,
    /// When it came.
    pub received_at: Timestamp,
    /// The decoded event, sealed: its words may name a person.
    pub event_sealed: &'a [u8],
    /// The message as it came, sealed.
    pub raw_sealed: &'a [u8],
}

/// A status event as it is kept.
#[derive(Debug, Clone)]
pub struct CallbackRow {
    /// The store's key.
    pub id: i64,
    /// Who reported it.
    pub system: String,
    /// The partner's id of it.
    pub event_id: String,
    /// The transfer that it is about; `?` where that can't be read.
    pub request_id: String,
    /// What it says.
    pub event: String,
    /// What became of it.
    pub verdict: String,
    /// When it came.
    pub received_at: Timestamp,
    /// How often it came again.
    pub repeats: i64,
    /// The decoded event, sealed.
    pub event_sealed: Vec<u8>,
}

/// What a list of status events is narrowed to. Everything left out does not narrow.
#[derive(Debug, Clone, Default)]
pub struct CallbackFilter {
    /// Only what this became of.
    pub verdict: Option<CallbackVerdict>,
    /// Only this system's.
    pub system: Option<System>,
    /// Only about this request.
    pub request_id: Option<String>,
    /// Only keys below this one: the `next` of the page before.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A page of status events, newest first.
#[derive(Debug)]
pub struct CallbackPage {
    /// The page: perhaps empty, though more comes after it.
    pub rows: Vec<CallbackRow>,
    /// The next page's `before`, if there may be one.
    pub next: Option<i64>,
}

/// A page looks at so many events and no more, however few of them it finds.
const LOOKED_AT: i64 = 20_000;

/// The columns of [`Row`].
macro_rules! columns {
    () => {
        "id, system, event_id, request_id, event, verdict, received_at, repeats, event_sealed"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    system: String,
    event_id: String,
    request_id: String,
    event: String,
    verdict: String,
    received_at: i64,
    repeats: i64,
    event_sealed: Vec<u8>,
}

impl TryFrom<Row> for CallbackRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let received_at =
            Cell { table: "callbacks", column: "received_at", id: row.id }.time(row.received_at)?;
        Ok(Self {
            id: row.id,
            system: row.system,
            event_id: row.event_id,
            request_id: row.request_id,
            event: row.event,
            verdict: row.verdict,
            received_at,
            repeats: row.repeats,
            event_sealed: row.event_sealed,
        })
    }
}

/// A page, newest first: the innermost query bounds what is looked at, the next one narrows it, and only then are rows read.
macro_rules! page {
    ($($within:literal),*) => {
        concat!(
            "SELECT ", columns!(), " FROM callbacks WHERE id IN (SELECT id FROM (SELECT id, system, verdict, request_id \
             FROM callbacks WHERE id < $1", $($within,)* " ORDER BY id DESC LIMIT $2) AS looked_at \
             WHERE ($3 = '' OR system = $3) AND ($4 = '' OR verdict = $4) AND ($5 = '' OR request_id = $5) \
             ORDER BY id DESC LIMIT $6) ORDER BY id DESC"
        )
    };
}

/// All of them.
const LIST: &str = page!();
/// Those that somebody must look at have an index of their own.
const LIST_ODD: &str = page!(" AND verdict = $4 AND verdict IN ('unmatched', 'conflict', 'refused')");
/// A request has few.
const LIST_OF_REQUEST: &str = page!(" AND request_id = $5");

static NONCES: Batch<3> = Batch::new(
    ["system", "nonce", "seen_at"],
    // One that is due to be forgotten may be there still: ten minutes, as the profiles say.
    "INSERT INTO nonces (system, nonce, seen_at) SELECT system, nonce, seen_at FROM v WHERE true \
     ON CONFLICT (system, nonce) DO UPDATE SET seen_at = excluded.seen_at WHERE nonces.seen_at < excluded.seen_at - 600000 \
     RETURNING system, nonce",
);

static REPEATS: Batch<2> = Batch::new(
    ["system", "event_id"],
    "UPDATE callbacks SET repeats = repeats + 1 FROM v WHERE callbacks.system = v.system AND callbacks.event_id = v.event_id \
     RETURNING callbacks.system, callbacks.event_id",
);

static KEEP: Batch<8> = Batch::new(
    ["system", "event_id", "request_id", "event", "verdict", "received_at", "event_sealed", "raw_sealed"],
    "INSERT INTO callbacks (system, event_id, request_id, event, verdict, received_at, repeats, event_sealed, raw_sealed) \
     SELECT system, event_id, request_id, event, verdict, received_at, 0, event_sealed, raw_sealed FROM v",
);

impl Tx {
    /// Remembers nonces of systems, each different from the others. Returns those that were not seen within the memory that
    /// the profiles ask for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember_nonces(
        &mut self,
        nonces: &[(&System, &str)],
        at: Timestamp,
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let seen_at = at.as_millisecond();
        let fresh = self.of_all("remembering nonces", &NONCES, nonces, |(system, nonce)| {
            [system.as_str().into(), (*nonce).into(), seen_at.into()]
        });
        Ok(fresh.await?.into_iter().collect())
    }

    /// Counts repeats of events of systems, each different from the others. Returns those that came before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn repeat_callbacks(
        &mut self,
        events: &[(&System, &str)],
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let repeated = self.of_all("counting repeated events", &REPEATS, events, |(system, event_id)| {
            [system.as_str().into(), (*event_id).into()]
        });
        Ok(repeated.await?.into_iter().collect())
    }

    /// Keeps events.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_callbacks(&mut self, new: &[NewCallback<'_>]) -> Result<(), StoreError> {
        self.for_all("keeping events", &KEEP, new, |new| {
            [
                new.system.as_str().into(),
                new.event_id.into(),
                new.request_id.into(),
                new.event.into(),
                new.verdict.as_str().into(),
                new.received_at.as_millisecond().into(),
                new.event_sealed.into(),
                new.raw_sealed.into(),
            ]
        })
        .await
    }

    /// Notes what became of an event after all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle_callback(&mut self, id: i64, verdict: CallbackVerdict) -> Result<(), StoreError> {
        execute!(
            self,
            "noting what became of an event",
            sqlx::query("UPDATE callbacks SET verdict = $2 WHERE id = $1").bind(id).bind(verdict.as_str())
        )?;
        Ok(())
    }

    /// All events about a request of a system, in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callbacks_of(
        &mut self,
        system: &System,
        request_id: &str,
    ) -> Result<Vec<CallbackRow>, StoreError> {
        let rows: Vec<Row> = on!(self, "reading events", db => sqlx::query_as(
            concat!("SELECT ", columns!(), " FROM callbacks WHERE request_id = $1 AND system = $2 ORDER BY id"))
            .bind(request_id)
            .bind(system.as_str())
            .fetch_all(db))?;
        rows.into_iter().map(CallbackRow::try_from).collect()
    }

    /// All events about a request, of every system that reported one: an amended transfer may have been another's before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callbacks_about(&mut self, request_id: &str) -> Result<Vec<CallbackRow>, StoreError> {
        let rows: Vec<Row> = on!(self, "reading events", db => sqlx::query_as(
            concat!("SELECT ", columns!(), " FROM callbacks WHERE request_id = $1 ORDER BY id"))
            .bind(request_id)
            .fetch_all(db))?;
        rows.into_iter().map(CallbackRow::try_from).collect()
    }

    /// The event of a key. A transaction that writes keeps others away from it until its end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callback(&mut self, id: i64) -> Result<Option<CallbackRow>, StoreError> {
        let sql = self.locked(text!("SELECT ", columns!(), " FROM callbacks WHERE id = $1"));
        let row: Option<Row> =
            on!(self, "looking up an event", db => sqlx::query_as(sql).bind(id).fetch_optional(db))?;
        row.map(CallbackRow::try_from).transpose()
    }

    /// The message that an event came in, sealed: of a push its body, of a feed the whole page, kept with its first event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callback_message(&mut self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        on!(self, "looking up an event's message", db => sqlx::query_scalar(
            "SELECT raw_sealed FROM callbacks WHERE id = $1").bind(id).fetch_optional(db))
    }

    /// Events, newest first. What a page costs does not grow with what is stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callbacks(&mut self, filter: &CallbackFilter) -> Result<CallbackPage, StoreError> {
        let before = filter.before.unwrap_or(i64::MAX);
        let verdict = filter.verdict.map_or("", CallbackVerdict::as_str);
        let system = filter.system.as_ref().map_or("", System::as_str);
        let request_id = filter.request_id.as_deref().unwrap_or_default();
        let odd = filter.verdict.is_some_and(CallbackVerdict::is_odd);
        let sql = match (&filter.request_id, odd) {
            (Some(_), _) => LIST_OF_REQUEST,
            (None, true) => LIST_ODD,
            (None, false) => LIST,
        };
        // One more than is wanted tells whether there are more.
        let wanted = i64::from(filter.limit);
        let rows: Vec<Row> = on!(self, "listing events", db => sqlx::query_as(sql)
            .bind(before)
            .bind(LOOKED_AT)
            .bind(system)
            .bind(verdict)
            .bind(request_id)
            .bind(wanted.saturating_add(1))
            .fetch_all(db))?;
        let mut rows: Vec<CallbackRow> =
            rows.into_iter().map(CallbackRow::try_from).collect::<Result<_, _>>()?;
        let full = rows.len() as u64 > u64::from(filter.limit);
        rows.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
        let next = match (full, sql == LIST) {
            (true, _) => rows.last().map(|row| row.id),
            (false, true) => self.callback_before(before).await?,
            (false, false) => None,
        };
        Ok(CallbackPage { rows, next })
    }

    /// Where a look that ends after [`LOOKED_AT`] events goes on; nothing where they were all.
    async fn callback_before(&mut self, before: i64) -> Result<Option<i64>, StoreError> {
        on!(self, "finding where a list goes on", db => sqlx::query_scalar(
            "SELECT id FROM callbacks WHERE id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2")
            .bind(before)
            .bind(LOOKED_AT - 1)
            .fetch_optional(db))
    }
}
