//! What the clock and operators ask of the outbox. Each question walks an index as far as it must and no further, however much is
//! stored.

use super::StoreError;
use super::tx::{Tx, execute, on};
use jiff::Timestamp;
use league_contract::System;

const FALLING_DUE: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM transfers WHERE system = $1 AND due_at IS NOT NULL \
     AND due_at <= $2 AND lease_token IS NULL AND held IS NULL LIMIT $3) AS falling_due";

const LAPSING: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM transfers WHERE system = $1 AND deadline_at IS NOT NULL \
     AND deadline_at <= $2 AND state IN ('unconfirmed', 'submitted', 'awaiting_check_in') LIMIT $3) AS lapsing";

const BACKLOG: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM transfers WHERE system = $1 \
     AND state IN ('queued', 'sending', 'unconfirmed') LIMIT $2) AS backlog";

const OLD_NONCE: &str =
    "SELECT COUNT(*) FROM (SELECT 1 AS one FROM nonces WHERE seen_at < $1 LIMIT 1) AS old";

const MATCHED: &str = "SELECT DISTINCT t.system, t.id FROM callbacks c JOIN transfers t ON t.request_id = c.request_id \
     AND t.system = c.system AND t.created_at >= c.received_at - 60000 \
     WHERE c.verdict = 'unmatched' AND c.received_at >= $1 LIMIT $2";

const FORGET_NONCES: &str = "DELETE FROM nonces WHERE (system, nonce) IN \
     (SELECT system, nonce FROM nonces WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)";

impl Tx {
    /// How many of a system's transfers are due, or fall due until an instant; counts no further than `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn falling_due(
        &mut self,
        system: &System,
        until: Timestamp,
        most: i64,
    ) -> Result<i64, StoreError> {
        on!(self, "counting what falls due", db => sqlx::query_scalar(FALLING_DUE)
            .bind(system.as_str())
            .bind(until.as_millisecond())
            .bind(most)
            .fetch_one(db))
    }

    /// How many of a system's open transfers have their deadline until an instant; counts no further than `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lapsing(&mut self, system: &System, until: Timestamp, most: i64) -> Result<i64, StoreError> {
        on!(self, "counting what will lapse", db => sqlx::query_scalar(LAPSING)
            .bind(system.as_str())
            .bind(until.as_millisecond())
            .bind(most)
            .fetch_one(db))
    }

    /// How many of a system's transfers have no outcome of their submit; counts no further than `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backlog(&mut self, system: &System, most: i64) -> Result<i64, StoreError> {
        on!(self, "counting what waits", db => sqlx::query_scalar(BACKLOG)
            .bind(system.as_str())
            .bind(most)
            .fetch_one(db))
    }

    /// Transfers (system and key) whose events count as unmatched though the transfer is there, of events that came since an
    /// instant: the two were committed at the same time. At most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn matched(&mut self, since: Timestamp, most: i64) -> Result<Vec<(String, i64)>, StoreError> {
        on!(self, "looking for events whose transfer came", db => sqlx::query_as(MATCHED)
            .bind(since.as_millisecond())
            .bind(most)
            .fetch_all(db))
    }

    /// Whether there is a nonce from before an instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_old_nonces(&mut self, before: Timestamp) -> Result<bool, StoreError> {
        let found: i64 = on!(self, "looking for old nonces", db => sqlx::query_scalar(OLD_NONCE)
            .bind(before.as_millisecond())
            .fetch_one(db))?;
        Ok(found > 0)
    }

    /// Forgets up to `most` nonces from before an instant, the oldest first; says how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_nonces(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        execute!(
            self,
            "forgetting old nonces",
            sqlx::query(FORGET_NONCES).bind(before.as_millisecond()).bind(i64::from(most))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn every_look_walks_its_index() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("outbox.db").display());
        let store = Store::connect(&url).await.expect("the file is made");
        store.migrate().await.expect("the schema is made");
        for (query, index) in [
            (FALLING_DUE, "INDEX transfers_due (system=? AND due_at"),
            (LAPSING, "INDEX transfers_deadline (system=? AND deadline_at"),
            (BACKLOG, "INDEX transfers_state (system=? AND state=?"),
            (OLD_NONCE, "INDEX nonces_seen (seen_at<?)"),
            (FORGET_NONCES, "INDEX nonces_seen (seen_at<?)"),
            (MATCHED, "INDEX callbacks_unmatched (received_at>?)"),
        ] {
            let mut look = store.read("plan").await.expect("it begins");
            let plan = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
            let super::super::session::TxInner::Sqlite(db) = &mut look.inner else { panic!("it is SQLite") };
            let steps: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(plan).fetch_all(&mut **db).await.expect("it can be planned");
            let steps: Vec<String> = steps.into_iter().map(|step| step.3).collect();
            assert!(steps.iter().any(|step| step.contains(index)), "{query}\n{steps:#?}");
            assert!(
                !steps.iter().any(|step| step.contains("SCAN transfers")
                    || step.contains("SCAN nonces")
                    || step.contains("SCAN c")),
                "{steps:#?}"
            );
            // DISTINCT needs one, of as many rows as it gives.
            let sorts = query != MATCHED && steps.iter().any(|step| step.contains("TEMP B-TREE"));
            assert!(!sorts, "{steps:#?}");
        }
    }
}
