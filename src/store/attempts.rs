//! Exchanges with systems, kept for good.

use super::StoreError;
use super::batch::Batch;
use super::row::{Cell, storable};
use super::tx::{Tx, execute, on};
use jiff::Timestamp;
use league_contract::{Operation, System};
use std::collections::HashMap;

/// An exchange that begins, or that is over already (`result` given).
#[derive(Debug)]
pub struct NewAttempt<'a> {
    /// The store's key of the transfer.
    pub transfer_id: i64,
    /// With whom.
    pub system: &'a System,
    /// What is asked.
    pub operation: Operation,
    /// Who asks.
    pub worker: &'a str,
    /// When.
    pub started_at: Timestamp,
    /// The request, sealed.
    pub request_sealed: &'a [u8],
}

/// How an exchange ended.
#[derive(Debug, Clone)]
pub struct AttemptResult {
    /// When.
    pub finished_at: Timestamp,
    /// A word of the error taxonomy: `answered`, `refused`, `try_later`, `unclear`, `blocked`, `not_sent`, `lost`.
    pub outcome: &'static str,
    /// The partner's code, if it gave one.
    pub code: Option<String>,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// What went wrong, redacted.
    pub error: Option<String>,
    /// The answer, sealed.
    pub response_sealed: Option<Vec<u8>>,
}

/// An exchange as it is kept.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The store's key.
    pub id: i64,
    /// What was asked.
    pub operation: String,
    /// Who asked.
    pub worker: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; nothing while it may be under way.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<String>,
    /// The partner's code.
    pub code: Option<String>,
    /// The HTTP status.
    pub http_status: Option<i64>,
    /// What went wrong, redacted.
    pub error: Option<String>,
    /// The request, sealed.
    pub request_sealed: Option<Vec<u8>>,
    /// The answer, sealed.
    pub response_sealed: Option<Vec<u8>>,
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    id: i64,
    operation: String,
    worker: String,
    started_at: i64,
    finished_at: Option<i64>,
    outcome: Option<String>,
    code: Option<String>,
    http_status: Option<i64>,
    error: Option<String>,
    request_sealed: Option<Vec<u8>>,
    response_sealed: Option<Vec<u8>>,
}

static OPEN: Batch = Batch::new(
    "INSERT INTO attempts (transfer_id, system, operation, worker, started_at, request_sealed) VALUES ",
    6,
    " RETURNING transfer_id, id",
);

static CLOSE: Batch = Batch::new(
    "WITH v (id, finished_at, outcome, code, http_status, error, response_sealed) AS (VALUES ",
    7,
    ") UPDATE attempts SET finished_at = v.finished_at, outcome = v.outcome, code = v.code, \
     http_status = v.http_status, error = v.error, response_sealed = v.response_sealed \
     FROM v WHERE attempts.id = v.id AND attempts.finished_at IS NULL",
);

static RECORD: Batch = Batch::new(
    "INSERT INTO attempts (transfer_id, system, operation, worker, started_at, request_sealed, finished_at, outcome, \
     code, http_status, error, response_sealed) VALUES ",
    12,
    "",
);

/// Binds the six columns with which an exchange begins.
macro_rules! begins {
    ($query:expr, $one:expr) => {
        $query
            .bind($one.transfer_id)
            .bind($one.system.as_str())
            .bind($one.operation.as_str())
            .bind($one.worker)
            .bind($one.started_at.as_millisecond())
            .bind($one.request_sealed)
    };
}

/// Binds the six columns with which it ends.
macro_rules! ends {
    ($query:expr, $result:expr) => {
        $query
            .bind($result.finished_at.as_millisecond())
            .bind($result.outcome)
            .bind(storable($result.code.as_deref()))
            .bind($result.http_status.map(i64::from))
            .bind(storable($result.error.as_deref()))
            .bind($result.response_sealed.as_deref())
    };
}

impl Tx {
    /// Notes that exchanges begin, before their first byte goes out; returns their keys in the same order. At most one
    /// a transfer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_attempts(&mut self, new: &[NewAttempt<'_>]) -> Result<Vec<i64>, StoreError> {
        let mut keys = HashMap::with_capacity(new.len());
        for (text, piece) in OPEN.pieces(self.places(), new) {
            let rows: Vec<(i64, i64)> = on!(self, "noting exchanges", db => piece
                .iter()
                .fold(sqlx::query_as(text), |query, one| {
                    begins!(query, one)
                })
                .fetch_all(db))?;
            keys.extend(rows);
        }
        // A database may return rows in any order.
        new.iter()
            .map(|one| keys.get(&one.transfer_id).copied().ok_or(StoreError::LeaseLost(one.transfer_id)))
            .collect()
    }

    /// Notes how exchanges ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn close_attempts(&mut self, ends: &[(i64, &AttemptResult)]) -> Result<(), StoreError> {
        for (text, piece) in CLOSE.pieces(self.places(), ends) {
            execute!(
                self,
                "noting the end of exchanges",
                piece
                    .iter()
                    .fold(sqlx::query(text), |query, (id, result)| { ends!(query.bind(*id), result) })
            )?;
        }
        Ok(())
    }

    /// Keeps exchanges that only asked something and are over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_attempts(
        &mut self,
        over: &[(NewAttempt<'_>, &AttemptResult)],
    ) -> Result<(), StoreError> {
        for (text, piece) in RECORD.pieces(self.places(), over) {
            execute!(
                self,
                "noting exchanges",
                piece
                    .iter()
                    .fold(sqlx::query(text), |query, (one, result)| { ends!(begins!(query, one), result) })
            )?;
        }
        Ok(())
    }

    /// Whether a changing exchange of this transfer may have gone out without its end being known.
    pub(super) async fn has_open_attempt(&mut self, transfer_id: i64) -> Result<bool, StoreError> {
        let open: i64 = on!(self, "looking for open exchanges", db => sqlx::query_scalar(
            "SELECT COUNT(*) FROM attempts WHERE transfer_id = $1 AND finished_at IS NULL AND operation = 'submit'")
            .bind(transfer_id)
            .fetch_one(db))?;
        Ok(open > 0)
    }

    /// Whether a submit of this transfer may have had an effect that no answer told of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn may_have_arrived(&mut self, transfer_id: i64) -> Result<bool, StoreError> {
        let doubtful: i64 = on!(self, "looking for doubtful submits", db => sqlx::query_scalar(
            "SELECT COUNT(*) FROM attempts WHERE transfer_id = $1 AND operation = 'submit' \
             AND (outcome IS NULL OR outcome IN ('unclear', 'lost', 'blocked'))")
            .bind(transfer_id)
            .fetch_one(db))?;
        Ok(doubtful > 0)
    }

    /// Closes what was left open of a transfer, by a dead daemon or by a commit whose end is unknown.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn abandon_attempts(&mut self, transfer_id: i64, at: Timestamp) -> Result<(), StoreError> {
        execute!(self, "closing abandoned exchanges", sqlx::query(
            "UPDATE attempts SET finished_at = $2, outcome = 'lost' WHERE transfer_id = $1 AND finished_at IS NULL")
            .bind(transfer_id)
            .bind(at.as_millisecond()))?;
        Ok(())
    }

    /// Closes the exchanges that nobody can close any more: their daemon is gone (one run of it, or every other), and
    /// their transfer moved on. Of one that is leased or `sending`, the open exchange is the sign that it may have gone
    /// out: a rescue reads it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn abandon_all_attempts(
        &mut self,
        instance: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(self, "closing abandoned exchanges", sqlx::query(
            "UPDATE attempts SET finished_at = $1, outcome = 'lost' WHERE finished_at IS NULL AND ($2 = '' OR worker = $2) \
             AND NOT EXISTS (SELECT 1 FROM transfers t WHERE t.id = attempts.transfer_id \
             AND (t.lease_token IS NOT NULL OR t.state = 'sending'))")
            .bind(at.as_millisecond())
            .bind(instance.unwrap_or_default()))?;
        Ok(())
    }

    /// All exchanges of a transfer, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attempts(&mut self, transfer_id: i64) -> Result<Vec<Attempt>, StoreError> {
        let rows: Vec<AttemptRow> = on!(self, "reading exchanges", db => sqlx::query_as(
            "SELECT id, operation, worker, started_at, finished_at, outcome, code, http_status, error, request_sealed, \
             response_sealed FROM attempts WHERE transfer_id = $1 ORDER BY id")
            .bind(transfer_id)
            .fetch_all(db))?;
        rows.into_iter()
            .map(|row| {
                let cell = |column| Cell { table: "attempts", column, id: row.id };
                Ok(Attempt {
                    started_at: cell("started_at").time(row.started_at)?,
                    finished_at: row.finished_at.map(|at| cell("finished_at").time(at)).transpose()?,
                    id: row.id,
                    operation: row.operation,
                    worker: row.worker,
                    outcome: row.outcome,
                    code: row.code,
                    http_status: row.http_status,
                    error: row.error,
                    request_sealed: row.request_sealed,
                    response_sealed: row.response_sealed,
                })
            })
            .collect()
    }
}
