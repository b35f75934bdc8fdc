//! Leases: who works on what, and what becomes of the work of a daemon that is gone.

use super::batch::Batch;
use super::dialect::text;
use super::row::{LeasedRow, OfTransfer, TransferRow, entry_columns, transfer_columns};
use super::tx::{Tx, execute, on};
use super::{LeaseChange, Save, StoreError, Stored};
use crate::alarm::AlarmKind;
use crate::transfer::{Cause, Entry, Event, Facts, Following, Held, State, advance};
use jiff::Timestamp;
use league_contract::System;
use std::sync::Arc;

/// The right to work on one transfer for a while. Not `Clone`: it is settled once.
#[derive(Debug)]
pub struct Lease {
    /// The transfer as it was claimed.
    pub stored: Stored,
    /// What every write of this work proves.
    pub token: i64,
    /// Until when.
    pub until: Timestamp,
}

/// What became of a gone daemon's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rescued {
    /// Back in the queue: nothing had gone out.
    pub queued: u32,
    /// To be queried: something may have gone out.
    pub unconfirmed: u32,
    /// Free again: a question was under way.
    pub freed: u32,
}

impl std::ops::AddAssign for Rescued {
    fn add_assign(&mut self, more: Self) {
        self.queued += more.queued;
        self.unconfirmed += more.unconfirmed;
        self.freed += more.freed;
    }
}

/// Which leases nobody works on any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandoned<'a> {
    /// Those that ended before an instant; all of them, where a daemon has just started alone.
    Before(Timestamp),
    /// Those of a run of a daemon that is gone.
    Of(&'a str),
}

/// Who claims, until when.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    /// The daemon's name.
    pub worker: &'a str,
    /// Now.
    pub now: Timestamp,
    /// The end of the lease.
    pub until: Timestamp,
}

const LEASED_HEAD: &str = "WITH v (held_id, held_token) AS (VALUES ";

macro_rules! leased_tail {
    () => {
        concat!(
            ") SELECT ",
            entry_columns!(),
            ", lease_token FROM transfers JOIN v ON transfers.id = v.held_id AND transfers.lease_token = v.held_token \
             ORDER BY transfers.request_id"
        )
    };
}

static LEASED: Batch = Batch::new(LEASED_HEAD, 2, leased_tail!());
static LEASED_LOCKING: Batch =
    Batch::new(LEASED_HEAD, 2, concat!(leased_tail!(), " FOR UPDATE OF transfers"));

static RENEW: Batch = Batch::new(
    "WITH v (id, token, until) AS (VALUES ",
    3,
    ") UPDATE transfers SET lease_until = v.until FROM v WHERE transfers.id = v.id AND transfers.lease_token = v.token",
);

impl Tx {
    /// Claims up to `limit` of a system's due transfers, those that are due longest first. A queued one becomes
    /// `sending`; one that the partner has stays in its state and is leased for a query or a withdrawal.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim(
        &mut self,
        system: &System,
        following: Following,
        limit: u32,
        claimant: Claimant<'_>,
    ) -> Result<Vec<Lease>, StoreError> {
        let sql = self.locked_free(text!("SELECT ", transfer_columns!(), " FROM transfers WHERE system = $1 \
            AND due_at IS NOT NULL AND due_at <= $2 AND lease_token IS NULL AND held IS NULL ORDER BY due_at, id LIMIT $3"));
        let rows: Vec<TransferRow> = on!(self, "claiming", db => sqlx::query_as(sql)
            .bind(system.as_str())
            .bind(claimant.now.as_millisecond())
            .bind(i64::from(limit))
            .fetch_all(db))?;
        let mut leases = Vec::with_capacity(rows.len());
        let mut saves = Vec::with_capacity(rows.len());
        let by: Arc<str> = claimant.worker.into();
        for row in rows {
            let Some(mut stored) = self.readable::<_, Stored>(row, claimant.now).await? else { continue };
            let event = (stored.entry.state == State::Queued).then_some(Event::Claimed);
            // The backoff counts failures in a row: a claim is none yet.
            let tries = stored.entry.tries;
            let mut step = advance(following, &stored.entry, event, Facts::default(), claimant.now);
            step.entry.tries = tries;
            let token = fresh_token(stored.entry.id)?;
            let lease = LeaseChange::Take { token, until: claimant.until, by: by.clone() };
            stored.entry = step.entry.clone();
            stored.lease_token = Some(token);
            saves.push(Save { step, lease, cause: Cause::Delivery, at: claimant.now });
            leases.push(Lease { stored, token, until: claimant.until });
        }
        self.save_all(&saves).await?;
        Ok(leases)
    }

    /// A row that can't be read is set aside for a person, so that it stops nothing but itself. One that was being sent
    /// is queried, should it be mended.
    async fn readable<R, T>(&mut self, row: R, at: Timestamp) -> Result<Option<T>, StoreError>
    where
        R: OfTransfer,
        T: TryFrom<R, Error = StoreError>,
    {
        let (id, system) = (row.id(), row.system());
        let error = match T::try_from(row) {
            Ok(read) => return Ok(Some(read)),
            Err(error) => error,
        };
        self.hold_damaged(id, system.as_ref(), &error, at).await?;
        Ok(None)
    }

    /// Sets a transfer aside that can't be read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hold_damaged(
        &mut self,
        id: i64,
        system: Option<&System>,
        error: &StoreError,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        tracing::error!(id, %error, "a damaged transfer is set aside (held): mend the row, then set its held to NULL");
        let held = Held { by: "league-gateway".into(), reason: error.to_string(), at };
        execute!(
            self,
            "setting a damaged transfer aside",
            sqlx::query(
                "UPDATE transfers SET held = $2, lease_token = NULL, lease_until = NULL, leased_by = NULL, \
             state = CASE WHEN state = 'sending' THEN 'unconfirmed' ELSE state END, \
             due_at = CASE WHEN state = 'sending' THEN COALESCE(due_at, $3) ELSE due_at END WHERE id = $1"
            )
            .bind(id)
            .bind(super::row::json(&held))
            .bind(at.as_millisecond())
        )?;
        let detail = [
            format!("transfers 表第 {id} 行无法读取，已搁置（held）；修复后将 held 置为 NULL"),
            format!("row {id} of transfers can't be read and is held: mend it, then set its held to NULL"),
        ];
        self.raise_alarm(system, AlarmKind::SetAside, detail, at).await?;
        Ok(())
    }

    /// The transfers as they are now, each under its lease (transfer and token), of those that still hold. Nobody else changes them
    /// before this transaction ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn leased_all(
        &mut self,
        leases: &[(i64, i64)],
        at: Timestamp,
    ) -> Result<Vec<((i64, i64), Entry)>, StoreError> {
        let mut held = Vec::with_capacity(leases.len());
        let leased = if self.locks() { &LEASED_LOCKING } else { &LEASED };
        for (text, piece) in leased.pieces(self.places(), leases) {
            let rows: Vec<LeasedRow> = on!(self, "looking up leased transfers", db => piece
                .iter()
                .fold(sqlx::query_as(text), |query, (id, token)| query.bind(*id).bind(*token))
                .fetch_all(db))?;
            for row in rows {
                held.extend(self.readable(row, at).await?);
            }
        }
        Ok(held)
    }

    /// Extends leases (transfer and token) that still hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renew(&mut self, leases: &[(i64, i64)], until: Timestamp) -> Result<(), StoreError> {
        for (text, piece) in RENEW.pieces(self.places(), leases) {
            execute!(
                self,
                "renewing leases",
                piece.iter().fold(sqlx::query(text), |query, (id, token)| {
                    query.bind(*id).bind(*token).bind(until.as_millisecond())
                })
            )?;
        }
        Ok(())
    }

    /// Takes back a system's abandoned leases, at most a thousand. What may have been sent is queried, never sent again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rescue(
        &mut self,
        system: &System,
        following: Following,
        abandoned: Abandoned<'_>,
        at: Timestamp,
    ) -> Result<Rescued, StoreError> {
        let (expired_before, by) = match abandoned {
            Abandoned::Before(end) => (end.as_millisecond(), ""),
            Abandoned::Of(instance) => (i64::MIN, instance),
        };
        let sql = self.locked_free(text!(
            "SELECT ",
            transfer_columns!(),
            " FROM transfers WHERE system = $1 \
            AND lease_token IS NOT NULL AND (lease_until < $2 OR leased_by = $3) ORDER BY id LIMIT 1000"
        ));
        let rows: Vec<TransferRow> = on!(self, "looking for abandoned leases", db => sqlx::query_as(sql)
            .bind(system.as_str())
            .bind(expired_before)
            .bind(by)
            .fetch_all(db))?;
        let mut rescued = Rescued::default();
        for row in rows {
            let Some(stored) = self.readable::<_, Stored>(row, at).await? else { continue };
            let open = self.has_open_attempt(stored.entry.id).await?;
            self.abandon_attempts(stored.entry.id, at).await?;
            let event = match (stored.entry.state == State::Sending, open) {
                (true, true) => Some(Event::Lost),
                (true, false) => Some(Event::Released),
                (false, _) => None,
            };
            match event {
                Some(Event::Lost) => rescued.unconfirmed += 1,
                Some(_) => rescued.queued += 1,
                None => rescued.freed += 1,
            }
            let facts = Facts { doubtful: self.may_have_arrived(stored.entry.id).await?, ..Facts::default() };
            let step = advance(following, &stored.entry, event, facts, at);
            self.save(&step, true, Cause::Clock, at).await?;
        }
        Ok(rescued)
    }

    /// Makes every open transfer of a system due for a query: its feed has forgotten our place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn query_all_open(&mut self, system: &System, at: Timestamp) -> Result<u64, StoreError> {
        let rows = execute!(self, "scheduling queries", sqlx::query(
            "UPDATE transfers SET due_at = $2 WHERE system = $1 AND state IN ('unconfirmed', 'submitted', 'awaiting_check_in')")
            .bind(system.as_str())
            .bind(at.as_millisecond()))?;
        Ok(rows)
    }

    /// When the next transfer of a system is due.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_due(&mut self, system: &System) -> Result<Option<Timestamp>, StoreError> {
        let due: Option<i64> = on!(self, "looking for what is due next", db => sqlx::query_scalar(
            "SELECT MIN(due_at) FROM transfers WHERE system = $1 AND due_at IS NOT NULL AND lease_token IS NULL AND held IS NULL")
            .bind(system.as_str())
            .fetch_one(db))?;
        due.map(|at| super::row::Cell { table: "transfers", column: "due_at", id: 0 }.time(at)).transpose()
    }
}

pub(super) fn fresh_token(id: i64) -> Result<i64, StoreError> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::LeaseLost(id))?;
    Ok(i64::from_le_bytes(bytes))
}
