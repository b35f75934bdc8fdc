//! Status events as partners reported them, and the nonces that were seen.

use super::StoreError;
use super::batch::Batch;
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
    /// The partner's id of it.
    pub event_id: String,
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

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    event_id: String,
    event: String,
    verdict: String,
    received_at: i64,
    repeats: i64,
    event_sealed: Vec<u8>,
}

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
            "SELECT id, event_id, event, verdict, received_at, repeats, event_sealed FROM callbacks \
             WHERE request_id = $1 AND system = $2 ORDER BY id")
            .bind(request_id)
            .bind(system.as_str())
            .fetch_all(db))?;
        rows.into_iter()
            .map(|row| {
                let received_at =
                    Cell { table: "callbacks", column: "received_at", id: row.id }.time(row.received_at)?;
                Ok(CallbackRow {
                    id: row.id,
                    event_id: row.event_id,
                    event: row.event,
                    verdict: row.verdict,
                    received_at,
                    repeats: row.repeats,
                    event_sealed: row.event_sealed,
                })
            })
            .collect()
    }
}
