//! What the gateway remembers of each system: its feed's cursor, whether it is suspended or paused.

use super::StoreError;
use super::dialect::text;
use super::tx::{Tx, execute, on};
use league_contract::System;

/// What is remembered of a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct SystemRow {
    /// The last sequence of its feed that is stored.
    pub feed_cursor: i64,
    /// Why no exchange with it is tried, as the gateway found.
    pub suspended: Option<String>,
    /// Why an operator stopped it.
    pub paused: Option<String>,
    /// Keyed digest of the credentials that were refused: others lift the suspension.
    pub credentials: Option<Vec<u8>>,
}

impl Tx {
    /// What is remembered of a system; nothing special for a new one. A transaction that writes keeps others away from
    /// the row until its end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn system(&mut self, system: &System) -> Result<SystemRow, StoreError> {
        if self.locks() {
            // A row that is missing can't be locked.
            execute!(
                self,
                "beginning a system's row",
                sqlx::query(
                    "INSERT INTO systems (system, feed_cursor) VALUES ($1, 0) ON CONFLICT DO NOTHING"
                )
                .bind(system.as_str())
            )?;
        }
        let sql = self.locked(text!(
            "SELECT feed_cursor, suspended, paused, credentials FROM systems WHERE system = $1"
        ));
        let row: Option<SystemRow> = on!(self, "reading a system's row", db =>
            sqlx::query_as(sql).bind(system.as_str()).fetch_optional(db))?;
        Ok(row.unwrap_or_default())
    }

    /// Remembers it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save_system(&mut self, system: &System, row: &SystemRow) -> Result<(), StoreError> {
        execute!(self, "writing a system's row", sqlx::query(
            "INSERT INTO systems (system, feed_cursor, suspended, paused, credentials) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (system) DO UPDATE SET feed_cursor = $2, suspended = $3, paused = $4, credentials = $5")
            .bind(system.as_str())
            .bind(row.feed_cursor)
            .bind(&row.suspended)
            .bind(&row.paused)
            .bind(&row.credentials))?;
        Ok(())
    }
}
