//! Exchanges with systems, kept for good.

use super::batch::{Batch, Value};
use super::row::{Cell, storable};
use super::session::TxInner;
use super::tx::{Tx, execute, on};
use super::{StoreError, dialect};
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
    /// With whom: an amended transfer may have gone elsewhere before.
    pub system: String,
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
    system: String,
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

/// PostgreSQL gives the keys.
static OPEN: Batch<6> = Batch::new(
    ["transfer_id", "system", "operation", "worker", "started_at", "request_sealed"],
    "INSERT INTO attempts (transfer_id, system, operation, worker, started_at, request_sealed) \
     SELECT transfer_id, system, operation, worker, started_at, request_sealed FROM v RETURNING transfer_id, id",
);

/// SQLite's one writer gives them itself: each row that comes back from SQLite's thread costs a switch to it.
static OPEN_KEYED: Batch<7> = Batch::new(
    ["id", "transfer_id", "system", "operation", "worker", "started_at", "request_sealed"],
    "INSERT INTO attempts (id, transfer_id, system, operation, worker, started_at, request_sealed) \
     SELECT id, transfer_id, system, operation, worker, started_at, request_sealed FROM v",
);

/// An open one is not asked for in the words of the index of open ones: PostgreSQL would walk that, with all that was closed since it
/// was last swept, in place of the keys.
static CLOSE: Batch<7> = Batch::new(
    ["id", "finished_at", "outcome", "code", "http_status", "error", "response_sealed"],
    "UPDATE attempts SET finished_at = v.finished_at, outcome = v.outcome, code = v.code, \
     http_status = v.http_status, error = v.error, response_sealed = v.response_sealed \
     FROM v WHERE attempts.id = v.id AND COALESCE(attempts.finished_at, -1) = -1",
);

static RECORD: Batch<12> = Batch::new(
    [
        "transfer_id",
        "system",
        "operation",
        "worker",
        "started_at",
        "request_sealed",
        "finished_at",
        "outcome",
        "code",
        "http_status",
        "error",
        "response_sealed",
    ],
    "INSERT INTO attempts (transfer_id, system, operation, worker, started_at, request_sealed, finished_at, outcome, \
     code, http_status, error, response_sealed) SELECT transfer_id, system, operation, worker, started_at, request_sealed, \
     finished_at, outcome, code, http_status, error, response_sealed FROM v",
);

impl NewAttempt<'_> {
    /// The columns with which it begins.
    fn begins(&self) -> [Value<'_>; 6] {
        [
            self.transfer_id.into(),
            self.system.as_str().into(),
            self.operation.as_str().into(),
            self.worker.into(),
            self.started_at.as_millisecond().into(),
            self.request_sealed.into(),
        ]
    }
}

impl AttemptResult {
    /// The columns with which it ends.
    fn ends(&self) -> [Value<'_>; 6] {
        [
            self.finished_at.as_millisecond().into(),
            self.outcome.into(),
            storable(self.code.as_deref()).into(),
            self.http_status.map(i64::from).into(),
            storable(self.error.as_deref()).into(),
            self.response_sealed.as_deref().into(),
        ]
    }
}

impl Tx {
    /// Notes that exchanges begin, before their first byte goes out; returns their keys in the same order. At most one
    /// a transfer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_attempts(&mut self, new: &[NewAttempt<'_>]) -> Result<Vec<i64>, StoreError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        if let TxInner::Sqlite(transaction) = &mut self.inner {
            let last: i64 = sqlx::query_scalar(dialect::LAST_ATTEMPT_SQLITE)
                .fetch_one(&mut **transaction)
                .await
                .map_err(|source| StoreError::Database { action: "looking for the last exchange", source })?;
            let keyed: Vec<(i64, &NewAttempt<'_>)> = (last + 1..).zip(new).collect();
            self.for_all("noting exchanges", &OPEN_KEYED, &keyed, |(id, one)| {
                let [transfer, system, operation, worker, started_at, request] = one.begins();
                [(*id).into(), transfer, system, operation, worker, started_at, request]
            })
            .await?;
            return Ok(keyed.into_iter().map(|(id, _)| id).collect());
        }
        let rows: Vec<(i64, i64)> = self.of_all("noting exchanges", &OPEN, new, NewAttempt::begins).await?;
        let keys: HashMap<i64, i64> = rows.into_iter().collect();
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
        self.for_all("noting the end of exchanges", &CLOSE, ends, |(id, result)| {
            let [finished_at, outcome, code, http_status, error, response] = result.ends();
            [(*id).into(), finished_at, outcome, code, http_status, error, response]
        })
        .await
    }

    /// Keeps exchanges that only asked something and are over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_attempts(
        &mut self,
        over: &[(NewAttempt<'_>, &AttemptResult)],
    ) -> Result<(), StoreError> {
        self.for_all("noting exchanges", &RECORD, over, |(one, result)| {
            let [transfer, system, operation, worker, started_at, request] = one.begins();
            let [finished_at, outcome, code, http_status, error, response] = result.ends();
            [
                transfer,
                system,
                operation,
                worker,
                started_at,
                request,
                finished_at,
                outcome,
                code,
                http_status,
                error,
                response,
            ]
        })
        .await
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

    /// The transfer of an exchange, by the exchange's key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn transfer_of_attempt(&mut self, attempt: i64) -> Result<Option<i64>, StoreError> {
        on!(self, "looking up an exchange", db => sqlx::query_scalar(
            "SELECT transfer_id FROM attempts WHERE id = $1")
            .bind(attempt)
            .fetch_optional(db))
    }

    /// All exchanges of a transfer, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attempts(&mut self, transfer_id: i64) -> Result<Vec<Attempt>, StoreError> {
        let rows: Vec<AttemptRow> = on!(self, "reading exchanges", db => sqlx::query_as(
            "SELECT id, system, operation, worker, started_at, finished_at, outcome, code, http_status, error, request_sealed, \
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
                    system: row.system,
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
