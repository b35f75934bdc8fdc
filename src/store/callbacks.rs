//! Status events as partners reported them, and the nonces that were seen.

use super::StoreError;
use super::row::Cell;
use super::tx::{Tx, execute, on};
use jiff::Timestamp;
use league_contract::System;

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

impl Tx {
    /// Remembers a nonce; `false` when it was seen within the memory that the profiles ask for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember_nonce(
        &mut self,
        system: &System,
        nonce: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        // One that is due to be forgotten may be there still.
        let forgotten = at.as_millisecond() - league_contract::NONCE_MEMORY_SECONDS * 1000;
        let rows = execute!(
            self,
            "remembering a nonce",
            sqlx::query(
                "INSERT INTO nonces (system, nonce, seen_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (system, nonce) DO UPDATE SET seen_at = excluded.seen_at WHERE nonces.seen_at < $4"
            )
            .bind(system.as_str())
            .bind(nonce)
            .bind(at.as_millisecond())
            .bind(forgotten)
        )?;
        Ok(rows == 1)
    }

    /// Counts a repeat of an event; `false` when it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn repeat_callback(&mut self, system: &System, event_id: &str) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "counting a repeated event",
            sqlx::query("UPDATE callbacks SET repeats = repeats + 1 WHERE system = $1 AND event_id = $2")
                .bind(system.as_str())
                .bind(event_id)
        )?;
        Ok(rows > 0)
    }

    /// Keeps an event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_callback(&mut self, new: &NewCallback<'_>) -> Result<(), StoreError> {
        execute!(self, "keeping an event", sqlx::query(
            "INSERT INTO callbacks (system, event_id, request_id, event, verdict, received_at, repeats, event_sealed, raw_sealed) \
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)")
            .bind(new.system.as_str())
            .bind(new.event_id)
            .bind(new.request_id)
            .bind(new.event)
            .bind(new.verdict.as_str())
            .bind(new.received_at.as_millisecond())
            .bind(new.event_sealed)
            .bind(new.raw_sealed))?;
        Ok(())
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
