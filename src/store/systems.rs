//! What the gateway remembers of each system: its feed's cursor, whether it is suspended or paused, its health.

use super::StoreError;
use super::dialect::text;
use super::outbox::{due_at, next_due};
use super::row::json;
use super::tx::{Tx, execute, on};
use crate::gate::{Asked, Health, Limits, Pause};
use jiff::Timestamp;
use league_contract::System;

/// What is remembered of a system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemRow {
    /// The last sequence of its feed that is stored.
    pub feed_cursor: i64,
    /// Why no exchange with it is tried, as the gateway found.
    pub suspended: Option<String>,
    /// An operator stopped it; see whether the pause still holds.
    pub paused: Option<Pause>,
    /// Keyed digest of the credentials that were refused: others lift the suspension.
    pub credentials: Option<Vec<u8>>,
    /// What its gate goes by.
    pub health: Health,
}

impl SystemRow {
    /// What the gate is asked with.
    #[must_use]
    pub fn asked<'a>(&'a self, limits: &'a Limits) -> Asked<'a> {
        Asked {
            suspended: self.suspended.is_some(),
            paused: self.paused.as_ref(),
            limits,
            health: &self.health,
        }
    }

    /// Whether it is suspended or paused now.
    #[must_use]
    pub fn stopped(&self, now: Timestamp) -> bool {
        self.suspended.is_some() || self.paused.as_ref().is_some_and(|pause| pause.holds(now))
    }
}

#[derive(sqlx::FromRow)]
struct Columns {
    feed_cursor: i64,
    suspended: Option<String>,
    paused: Option<String>,
    credentials: Option<Vec<u8>>,
    health: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Looked {
    #[sqlx(flatten)]
    columns: Columns,
    next_due: Option<i64>,
}

impl Columns {
    /// Damage stops nothing, and lets nothing through: health begins anew, a pause stays one.
    fn read(self, system: &System) -> SystemRow {
        let health = self.health.as_deref().map(serde_json::from_str).transpose();
        let health = health.unwrap_or_else(|_| {
            tracing::warn!(%system, "what is remembered of a system's health can't be read: it begins anew");
            None
        });
        let paused = self.paused.as_deref().map(|text| {
            serde_json::from_str(text).unwrap_or_else(|_| {
                tracing::warn!(%system, "a system's pause can't be read: it holds until `systems resume`");
                Pause {
                    by: "?".to_owned(),
                    reason: "(unreadable)".to_owned(),
                    at: Timestamp::UNIX_EPOCH,
                    until: None,
                }
            })
        });
        SystemRow {
            feed_cursor: self.feed_cursor,
            suspended: self.suspended,
            paused,
            credentials: self.credentials,
            health: health.unwrap_or_default(),
        }
    }
}

impl Tx {
    /// What is remembered of a system; nothing special for a new one. A transaction that writes keeps others away from
    /// the row until its end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn system(&mut self, system: &System) -> Result<SystemRow, StoreError> {
        let mut row = self.system_columns(system).await?;
        if row.is_none() && self.locks() {
            // A row that is missing can't be locked.
            self.begin_system(system).await?;
            row = self.system_columns(system).await?;
        }
        Ok(row.map(|row| row.read(system)).unwrap_or_default())
    }

    async fn system_columns(&mut self, system: &System) -> Result<Option<Columns>, StoreError> {
        let sql = self.locked(text!(
            "SELECT feed_cursor, suspended, paused, credentials, health FROM systems WHERE system = $1"
        ));
        on!(self, "reading a system's row", db =>
            sqlx::query_as(sql).bind(system.as_str()).fetch_optional(db))
    }

    /// What is remembered of a system, and when its next transfer is due: in one statement, which a driver makes whenever
    /// something may have come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn system_and_next_due(
        &mut self,
        system: &System,
    ) -> Result<(SystemRow, Option<Timestamp>), StoreError> {
        let found: Looked = on!(self, "looking for what is due", db => sqlx::query_as(concat!(
            "SELECT COALESCE(feed_cursor, 0) AS feed_cursor, suspended, paused, credentials, health, (", next_due!(),
            ") AS next_due FROM (SELECT 1 AS one) AS always LEFT JOIN systems ON systems.system = $1"))
            .bind(system.as_str())
            .fetch_one(db))?;
        Ok((found.columns.read(system), found.next_due.map(due_at).transpose()?))
    }

    /// A new one gets its row.
    async fn begin_system(&mut self, system: &System) -> Result<(), StoreError> {
        execute!(
            self,
            "beginning a system's row",
            sqlx::query("INSERT INTO systems (system, feed_cursor) VALUES ($1, 0) ON CONFLICT DO NOTHING")
                .bind(system.as_str())
        )?;
        Ok(())
    }

    /// Remembers what [`Tx::system`] gave in this transaction and was changed since, but for the feed's cursor.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save_system(&mut self, system: &System, row: &SystemRow) -> Result<(), StoreError> {
        execute!(
            self,
            "writing a system's row",
            sqlx::query(
                "INSERT INTO systems (system, feed_cursor, suspended, paused, credentials, health) \
             VALUES ($1, 0, $2, $3, $4, $5) \
             ON CONFLICT (system) DO UPDATE SET suspended = $2, paused = $3, credentials = $4, health = $5"
            )
            .bind(system.as_str())
            .bind(&row.suspended)
            .bind(row.paused.as_ref().map(json))
            .bind(&row.credentials)
            .bind(json(&row.health))
        )?;
        Ok(())
    }

    /// Moves the cursor of a system's feed, if it still stands where the page was asked from; else somebody else
    /// read on meanwhile, and nothing is changed. Returns whether it was moved.
    ///
    /// # Errors
    /// [`StoreError`].
    #[must_use = "where it was not moved, the page is not this transaction's to store"]
    pub async fn move_feed_cursor(
        &mut self,
        system: &System,
        from: i64,
        to: i64,
    ) -> Result<bool, StoreError> {
        self.begin_system(system).await?;
        let rows = execute!(
            self,
            "moving a feed's cursor",
            sqlx::query("UPDATE systems SET feed_cursor = $3 WHERE system = $1 AND feed_cursor = $2")
                .bind(system.as_str())
                .bind(from)
                .bind(to)
        )?;
        Ok(rows == 1)
    }
}
