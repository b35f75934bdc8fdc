//! What is erased of transfers that ended long ago: the document, what is shown of the person and what finds them again, the
//! sealed messages. State, dates, counts, timeline and the document's keyed digest stay, so that a request that comes once
//! more is known.

use super::StoreError;
use super::batch::Batch;
use super::row::Cell;
use super::tx::{Tx, execute, on};
use crate::transfer::{Cause, Line, State};
use jiff::Timestamp;

/// So many transfers are looked at in one transaction.
const PAGE: i64 = 250;

/// What one step erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erased {
    /// Transfers whose personal data is gone.
    pub transfers: u64,
    /// From where to go on; nothing where no transfer that is old enough comes any more.
    pub next: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct Kept {
    id: i64,
    state: String,
    created_at: i64,
    updated_at: i64,
}

/// Only what has ended, and long ago, whatever else was seen a moment before.
macro_rules! over {
    () => {
        "transfers.id = v.id AND transfers.updated_at < v.ended \
         AND transfers.state IN ('completed', 'rejected', 'overdue', 'withdrawn')"
    };
}

static ERASE: Batch<3> = Batch::new(
    ["id", "ended", "empty"],
    concat!(
        "UPDATE transfers SET masked_name = '', masked_id_number = '', masked_phone = '', person = v.empty, \
         version = transfers.version + 1 FROM v WHERE ",
        over!(),
        " RETURNING transfers.id, transfers.request_id"
    ),
);

/// Before the person's index is gone from the transfers: it leads to these rows.
static PEOPLE: Batch<2> = Batch::new(
    ["id", "ended"],
    concat!(
        "DELETE FROM people WHERE person IN (SELECT person FROM transfers JOIN v ON ",
        over!(),
        ") AND transfer_id IN (SELECT transfers.id FROM transfers JOIN v ON ",
        over!(),
        ")"
    ),
);

static DOCUMENTS: Batch<1> =
    Batch::new(["id"], "DELETE FROM documents WHERE transfer_id IN (SELECT id FROM v)");

static ATTEMPTS: Batch<1> = Batch::new(
    ["id"],
    "UPDATE attempts SET request_sealed = NULL, response_sealed = NULL WHERE transfer_id IN (SELECT id FROM v)",
);

/// Whichever system it came from: an amended transfer may have gone to two.
static CALLBACKS: Batch<2> = Batch::new(
    ["name", "empty"],
    "UPDATE callbacks SET event_sealed = v.empty, raw_sealed = v.empty FROM v WHERE callbacks.request_id = v.name",
);

const NOBODYS_EVENTS: &str = "DELETE FROM callbacks WHERE id IN (SELECT id FROM callbacks WHERE verdict = $1 AND received_at < $2 \
     ORDER BY received_at LIMIT $3)";

const REFUSED_ROWS: &str = "DELETE FROM intake_refused WHERE id IN (SELECT id FROM intake_refused WHERE refused_at < $1 ORDER BY id LIMIT $2)";

/// The words that an act on many looked for may be a person's, and its reason may name one.
const BULKS: &str = "UPDATE bulk_acts SET filter = '{}', reason = '' WHERE id IN (SELECT id FROM bulk_acts WHERE ended_at < $1 \
     AND filter <> '{}' ORDER BY id LIMIT $2)";

impl Tx {
    /// Erases personal data of some transfers after a key that ended before an instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn erase_ended(
        &mut self,
        after: i64,
        before: Timestamp,
        at: Timestamp,
    ) -> Result<Erased, StoreError> {
        let ended = before.as_millisecond();
        let page: Vec<Kept> = on!(self, "looking for what ended long ago", db => sqlx::query_as(
            "SELECT t.id, t.state, t.created_at, t.updated_at FROM documents d JOIN transfers t ON t.id = d.transfer_id \
             WHERE d.transfer_id > $1 ORDER BY d.transfer_id LIMIT $2")
            .bind(after)
            .bind(PAGE)
            .fetch_all(db))?;
        let full = i64::try_from(page.len()).is_ok_and(|rows| rows == PAGE);
        // Keys follow the time of creation, but for what came in at the same moment.
        let old = page.iter().any(|row| row.created_at < ended);
        let next = page.last().map(|row| row.id).filter(|_| full && old);
        let is_final = |row: &Kept| State::parse(&row.state).is_some_and(State::is_final);
        let mut due: Vec<i64> =
            page.iter().filter(|row| row.updated_at < ended && is_final(row)).map(|row| row.id).collect();
        due.sort_unstable();
        let empty: &[u8] = &[];
        self.for_all("erasing persons", &PEOPLE, &due, |id| [(*id).into(), ended.into()]).await?;
        let erased: Vec<(i64, String)> = self
            .of_all("erasing personal data", &ERASE, &due, |id| [(*id).into(), ended.into(), empty.into()])
            .await?;
        self.for_all("erasing documents", &DOCUMENTS, &erased, |(id, _)| [(*id).into()]).await?;
        self.for_all("erasing exchanges", &ATTEMPTS, &erased, |(id, _)| [(*id).into()]).await?;
        self.for_all("erasing events", &CALLBACKS, &erased, |(_, name)| [name.as_str().into(), empty.into()])
            .await?;
        for (id, name) in &erased {
            let request_id = Cell { table: "transfers", column: "request_id", id: *id }.request_id(name)?;
            let text =
                "保留期限已过，个人信息已清除 (personal data was erased after its retention)".to_owned();
            let line = Line::Note { code: "erased", text };
            self.append_lines(*id, &request_id, &[line], Cause::Clock, at);
        }
        Ok(Erased { transfers: erased.len() as u64, next })
    }

    /// Removes up to `most` events that came before an instant and belong to no transfer, or can't be read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_events(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let mut gone = 0;
        for verdict in ["unmatched", "refused"] {
            gone += execute!(
                self,
                "forgetting nobody's events",
                sqlx::query(NOBODYS_EVENTS).bind(verdict).bind(before.as_millisecond()).bind(i64::from(most))
            )?;
        }
        Ok(gone)
    }

    /// Removes up to `most` refused rows of the intake table from before an instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_refused(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        execute!(
            self,
            "forgetting refused rows",
            sqlx::query(REFUSED_ROWS).bind(before.as_millisecond()).bind(i64::from(most))
        )
    }

    /// Erases what up to `most` acts on many that ended before an instant looked for, and why; what they did stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn erase_bulks(&mut self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        execute!(
            self,
            "erasing acts on many",
            sqlx::query(BULKS).bind(before.as_millisecond()).bind(i64::from(most))
        )
    }

    /// How much is older than an instant: transfers, nobody's events, refused rows, acts on many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_old(&mut self, before: Timestamp) -> Result<[i64; 4], StoreError> {
        let mut counts = [0; 4];
        let questions = [
            "SELECT COUNT(*) FROM documents d JOIN transfers t ON t.id = d.transfer_id WHERE t.updated_at < $1 \
             AND t.state IN ('completed', 'rejected', 'overdue', 'withdrawn')",
            "SELECT COUNT(*) FROM callbacks WHERE verdict IN ('unmatched', 'refused') AND received_at < $1",
            "SELECT COUNT(*) FROM intake_refused WHERE refused_at < $1",
            "SELECT COUNT(*) FROM bulk_acts WHERE ended_at < $1 AND filter <> '{}'",
        ];
        for (count, question) in counts.iter_mut().zip(questions) {
            *count = on!(self, "counting what is old", db => sqlx::query_scalar(question)
                .bind(before.as_millisecond())
                .fetch_one(db))?;
        }
        Ok(counts)
    }
}
