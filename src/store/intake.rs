//! Upstream's own door: rows that it inserts in its own transaction.

use super::StoreError;
use super::dialect::INTAKE;
use super::tx::{Tx, execute, on};
use jiff::Timestamp;
use league_contract::RequestId;

/// A row of the intake table, in bytes: SQLite holds anything under the name of text, and one row must not stop the
/// others. Its payload is clear text: it lives until the next look.
#[derive(sqlx::FromRow)]
pub struct IntakeRow {
    /// The store's key.
    pub id: i64,
    /// The key that upstream wrote beside the payload.
    pub request_id: Vec<u8>,
    /// The JSON document.
    pub payload: Vec<u8>,
}

impl IntakeRow {
    /// Its key, if it is one: upstream may have written a person into its place.
    #[must_use]
    pub fn key(&self) -> Option<RequestId> {
        std::str::from_utf8(&self.request_id).ok().and_then(RequestId::parse)
    }
}

impl std::fmt::Debug for IntakeRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "intake row {} ({} bytes)", self.id, self.payload.len())
    }
}

impl Tx {
    /// The next rows, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn intake(&mut self, limit: u32) -> Result<Vec<IntakeRow>, StoreError> {
        let sql = self.locked_free(INTAKE);
        on!(self, "reading the intake", db => sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(db))
    }

    /// Takes a row out, in the transaction that creates its transfer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn intake_taken(&mut self, id: i64) -> Result<(), StoreError> {
        execute!(self, "emptying the intake", sqlx::query("DELETE FROM intake WHERE id = $1").bind(id))?;
        Ok(())
    }

    /// Moves a refused row aside, with its problems and its payload sealed. A key that is none stands there as `?`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn intake_refused(
        &mut self,
        row: &IntakeRow,
        problems: &str,
        payload_sealed: &[u8],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(self, "moving a refused intake row", sqlx::query(
            "INSERT INTO intake_refused (request_id, problems, payload_sealed, refused_at) VALUES ($1, $2, $3, $4)")
            .bind(row.key().as_ref().map_or("?", RequestId::as_str))
            .bind(problems)
            .bind(payload_sealed)
            .bind(at.as_millisecond()))?;
        self.intake_taken(row.id).await
    }
}
