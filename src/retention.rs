//! Personal data is kept for a time after a transfer has ended, and then erased, in small transactions: by the daemon that
//! leads once a day, or by `db prune`. Either may be stopped at any time; what is left over the next run does.

use crate::seal::Sealer;
use crate::store::{Author, Deed, Erased, Store, StoreError, despite_races};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::sync::Arc;

/// So many events, and so many refused rows, go in one transaction.
const MOST: u32 = 250;

/// Erases what is old.
#[derive(Clone)]
pub struct Retention {
    /// The outbox.
    pub store: Store,
    /// Chains the audit log.
    pub sealer: Arc<Sealer>,
    /// How long personal data is kept after the end.
    pub keep: SignedDuration,
}

/// How much is old, or was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Old {
    /// Transfers that ended.
    pub transfers: u64,
    /// Events without a transfer, or that can't be read.
    pub events: u64,
    /// Refused rows of the intake table.
    pub refused_rows: u64,
    /// Acts on many that ended: what they looked for, and why.
    pub bulk_acts: u64,
}

impl Old {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl std::ops::AddAssign for Old {
    fn add_assign(&mut self, more: Self) {
        self.transfers += more.transfers;
        self.events += more.events;
        self.refused_rows += more.refused_rows;
        self.bulk_acts += more.bulk_acts;
    }
}

impl Retention {
    /// What ended before this is old.
    #[must_use]
    pub fn limit(&self, now: Timestamp) -> Timestamp {
        now.saturating_sub(self.keep).unwrap_or(Timestamp::MIN)
    }

    /// Counts what is old.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self, now: Timestamp) -> Result<Old, StoreError> {
        let counts = self.store.read("count what is old").await?.count_old(self.limit(now)).await?;
        let [transfers, events, refused_rows, bulk_acts] = counts.map(i64::unsigned_abs);
        Ok(Old { transfers, events, refused_rows, bulk_acts })
    }

    /// One step, in one transaction: erases what is old among some transfers after a key, and some of the rest. Returns what
    /// it erased, and from where to go on, until nothing is left.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the step was kept then.
    pub async fn step(
        &self,
        after: i64,
        (author, reason): (&Author, &str),
        now: Timestamp,
    ) -> Result<(Old, Option<i64>), StoreError> {
        let limit = self.limit(now);
        despite_races(async || {
            let mut tx = self.store.write("erase what is old").await?;
            let Erased { transfers, next } = tx.erase_ended(after, limit, now).await?;
            let events = tx.forget_events(limit, MOST).await?;
            let refused_rows = tx.forget_refused(limit, MOST).await?;
            let bulk_acts = tx.erase_bulks(limit, MOST).await?;
            let old = Old { transfers, events, refused_rows, bulk_acts };
            if old.is_nothing() {
                return Ok((old, next));
            }
            let outcome = format!(
                "erased what ended before {limit}: {transfers} transfers, {events} events, {refused_rows} refused rows, \
                 {bulk_acts} acts on many"
            );
            let subject = "database".to_owned();
            let deed = Deed { author, act: "prune", subject, reason, outcome: &outcome, at: now };
            tx.audit(&self.sealer, deed).await?;
            tx.commit().await?;
            // Where the transfers are through, what was full may have more.
            let more = [events, refused_rows, bulk_acts].iter().any(|gone| *gone >= u64::from(MOST));
            Ok((old, next.or_else(|| more.then_some(after))))
        })
        .await
    }
}
