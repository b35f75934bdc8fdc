//! How far each of upstream's addresses has taken the event feed.

use super::StoreError;
use super::row::Cell;
use super::tx::{Tx, execute, on};
use jiff::Timestamp;

/// What is remembered of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// Everything up to here was taken, or was stepped over.
    pub cursor: i64,
    /// Failures in a row.
    pub failures: u32,
    /// Not before, after a failure.
    pub next_attempt_at: Option<Timestamp>,
    /// Why nothing is sent until an operator resumes it.
    pub disabled: Option<String>,
    /// The last failure, until something is taken again.
    pub last_error: Option<String>,
    /// When it took something last.
    pub last_success_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Columns {
    name: String,
    cursor: i64,
    failures: i64,
    next_attempt_at: Option<i64>,
    disabled: Option<String>,
    last_error: Option<String>,
    last_success_at: Option<i64>,
}

impl Columns {
    fn read(self) -> Result<(String, WebhookRow), StoreError> {
        let cell = |column| Cell { table: "webhooks", column, id: self.cursor };
        let row = WebhookRow {
            cursor: self.cursor,
            failures: u32::try_from(self.failures).unwrap_or(u32::MAX),
            next_attempt_at: self.next_attempt_at.map(|at| cell("next_attempt_at").time(at)).transpose()?,
            disabled: self.disabled,
            last_error: self.last_error,
            last_success_at: self.last_success_at.map(|at| cell("last_success_at").time(at)).transpose()?,
        };
        Ok((self.name, row))
    }
}

impl Tx {
    /// What is remembered of an address; nothing of a new one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn webhook(&mut self, name: &str) -> Result<Option<WebhookRow>, StoreError> {
        let row: Option<Columns> = on!(self, "reading a webhook", db => sqlx::query_as(
            "SELECT name, cursor, failures, next_attempt_at, disabled, last_error, last_success_at FROM webhooks \
             WHERE name = $1")
            .bind(name)
            .fetch_optional(db))?;
        Ok(row.map(Columns::read).transpose()?.map(|(_, row)| row))
    }

    /// A new address begins at the feed's end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_webhook(&mut self, name: &str) -> Result<(), StoreError> {
        execute!(
            self,
            "beginning a webhook",
            sqlx::query(
                "INSERT INTO webhooks (name, cursor, failures) SELECT $1, COALESCE(MAX(cursor), 0), 0 FROM events WHERE true \
                 ON CONFLICT (name) DO NOTHING"
            )
            .bind(name)
        )?;
        Ok(())
    }

    /// How many events of the feed come after a cursor, counted as far as `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn feed_behind(&mut self, cursor: i64, most: i64) -> Result<i64, StoreError> {
        on!(self, "counting events", db => sqlx::query_scalar(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM events WHERE cursor > $1 \
             AND kind IN ('state_changed', 'milestone', 'alarm') ORDER BY cursor LIMIT $2) AS behind")
            .bind(cursor)
            .bind(most)
            .fetch_one(db))
    }

    /// All addresses that were ever sent to, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn webhooks(&mut self) -> Result<Vec<(String, WebhookRow)>, StoreError> {
        let rows: Vec<Columns> = on!(self, "reading webhooks", db => sqlx::query_as(
            "SELECT name, cursor, failures, next_attempt_at, disabled, last_error, last_success_at FROM webhooks ORDER BY name")
            .fetch_all(db))?;
        rows.into_iter().map(Columns::read).collect()
    }

    /// Writes what became of an address, if it still stands as it was read; else another wrote to it meanwhile, and nothing is
    /// changed. Returns whether it was written.
    ///
    /// # Errors
    /// [`StoreError`].
    #[must_use = "where it was not written, it is to be read again"]
    pub async fn save_webhook(
        &mut self,
        name: &str,
        before: &WebhookRow,
        after: &WebhookRow,
    ) -> Result<bool, StoreError> {
        let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
        let rows = execute!(
            self,
            "writing a webhook",
            sqlx::query(
                "UPDATE webhooks SET cursor = $2, failures = $3, next_attempt_at = $4, disabled = $5, last_error = $6, \
                 last_success_at = $7 WHERE name = $1 AND cursor = $8 AND failures = $9 \
                 AND COALESCE(disabled, '') = COALESCE($10, '')"
            )
            .bind(name)
            .bind(after.cursor)
            .bind(i64::from(after.failures))
            .bind(millis(after.next_attempt_at))
            .bind(&after.disabled)
            .bind(&after.last_error)
            .bind(millis(after.last_success_at))
            .bind(before.cursor)
            .bind(i64::from(before.failures))
            .bind(&before.disabled)
        )?;
        Ok(rows == 1)
    }
}
