//! Leases: who works on what, and what becomes of the work of a daemon that is gone.

use super::batch::Batch;
use super::dialect::{in_order, text};
use super::row::{
    Known, KnownRow, LeasedRow, OfTransfer, TransferRow, entry_columns, known_columns, transfer_columns,
};
use super::tx::{Tx, execute, on};
use super::{Fence, LeaseChange, Save, StoreError, Stored};
use crate::alarm::AlarmKind;
use crate::transfer::{self, Cause, Entry, Event, Facts, Following, State, advance};
use jiff::Timestamp;
use league_contract::System;
use std::collections::HashMap;
use std::sync::Arc;

/// A transfer that is claimed once its `save` is written, and the right to work on it from then on for a while. Not `Clone`: it is settled once.
#[derive(Debug)]
pub struct Lease {
    /// The claim's write, with the entry as it is under the lease.
    pub save: Save,
    /// What every write of this work proves.
    pub fence: Fence,
    /// Until when.
    pub until: Timestamp,
    /// The document, sealed.
    pub document_sealed: Vec<u8>,
}

impl Lease {
    /// The entry as it is under the lease.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.save.step.entry
    }
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

macro_rules! leased {
    () => {
        concat!(
            "SELECT ",
            entry_columns!(),
            ", lease_token, version FROM transfers JOIN v ON transfers.id = v.held_id AND transfers.lease_token = v.held_token "
        )
    };
}

/// Only whoever writes asks for it.
static LEASED: Batch<2> = Batch::of(
    ["held_id", "held_token"],
    leased!(),
    concat!(leased!(), in_order!(), " FOR UPDATE OF transfers"),
);

macro_rules! named {
    () => {
        concat!("SELECT ", known_columns!(), " FROM transfers JOIN v ON transfers.request_id = v.name ")
    };
}

/// Only whoever writes asks for it.
static NAMED: Batch<1> =
    Batch::of(["name"], named!(), concat!(named!(), in_order!(), " FOR UPDATE OF transfers"));

macro_rules! renew {
    () => {
        "UPDATE transfers SET lease_until = v.until FROM v WHERE transfers.id = v.id AND transfers.lease_token = v.token"
    };
}

static RENEW: Batch<3> = Batch::of(
    ["id", "token", "until"],
    renew!(),
    concat!(
        ", mine AS MATERIALIZED (SELECT transfers.id FROM transfers JOIN v ON transfers.id = v.id ",
        in_order!(),
        " FOR UPDATE OF transfers) ",
        renew!(),
        " AND transfers.id IN (SELECT id FROM mine)"
    ),
);

/// In the words of the claim's index; MIN() would read all of it on PostgreSQL.
macro_rules! next_due {
    () => {
        "SELECT due_at FROM transfers WHERE system = $1 AND due_at IS NOT NULL AND lease_token IS NULL AND held IS NULL \
         ORDER BY due_at, id LIMIT 1"
    };
}
pub(super) use next_due;

impl Tx {
    /// Finds up to `limit` of a system's due transfers to claim, those that are due longest first, and keeps other
    /// transactions from them. A queued one becomes `sending`; one that the partner has stays in its state and is leased for a
    /// query or a withdrawal. Nothing is written yet: a lease holds once its `save` was given to [`Tx::save_all`] in this
    /// transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    #[must_use = "nothing is claimed until it is saved"]
    pub async fn claim(
        &mut self,
        system: &System,
        following: Following,
        limit: u32,
        claimant: Claimant<'_>,
    ) -> Result<Vec<Lease>, StoreError> {
        let sql = self.locked_free(text!("SELECT ", known_columns!(), " FROM transfers WHERE system = $1 \
            AND due_at IS NOT NULL AND due_at <= $2 AND lease_token IS NULL AND held IS NULL ORDER BY due_at, id LIMIT $3"));
        let rows: Vec<KnownRow> = on!(self, "claiming", db => sqlx::query_as(sql)
            .bind(system.as_str())
            .bind(claimant.now.as_millisecond())
            .bind(i64::from(limit))
            .fetch_all(db))?;
        let mut leases = Vec::with_capacity(rows.len());
        let by: Arc<str> = claimant.worker.into();
        for row in rows {
            let Some(Known { entry, version, document_sealed }) = self.readable(row, claimant.now).await?
            else {
                continue;
            };
            let event = (entry.state == State::Queued).then_some(Event::Claimed);
            let mut step = advance(following, &entry, event, Facts::default(), claimant.now);
            // The backoff counts failures in a row: a claim is none yet.
            step.entry.tries = entry.tries;
            let token = fresh_token(entry.id)?;
            let lease = LeaseChange::Take { token, until: claimant.until, by: by.clone() };
            leases.push(Lease {
                save: Save { step, lease, cause: Cause::Delivery, at: claimant.now },
                fence: Fence { token, version: version + 1 },
                until: claimant.until,
                document_sealed,
            });
        }
        Ok(leases)
    }

    /// A row that can't be read is set aside for a person, so that it stops nothing but itself. One that was being sent
    /// is queried, should it be mended.
    pub(super) async fn readable<R, T>(&mut self, row: R, at: Timestamp) -> Result<Option<T>, StoreError>
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
        let held = transfer::Held { by: "league-gateway".into(), reason: error.to_string(), at };
        // What is counted is what is changed: nobody else changes it in between.
        let sql = self.locked(text!("SELECT system, state FROM transfers WHERE id = $1"));
        let was: Option<(String, String)> = on!(self, "looking at a damaged transfer", db =>
            sqlx::query_as(sql).bind(id).fetch_optional(db))?;
        if let Some((system, _)) = was.filter(|(_, state)| state == State::Sending.as_str()) {
            let (from, to) = (State::Sending.as_str(), State::Unconfirmed.as_str());
            self.count_move(&system, Some(from), to);
        }
        execute!(
            self,
            "setting a damaged transfer aside",
            sqlx::query(
                "UPDATE transfers SET held = $2, version = version + 1, lease_token = NULL, lease_until = NULL, leased_by = NULL, \
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
    ) -> Result<Vec<(Fence, Entry)>, StoreError> {
        let rows: Vec<LeasedRow> = self
            .of_all("looking up leased transfers", &LEASED, leases, |(id, token)| {
                [(*id).into(), (*token).into()]
            })
            .await?;
        let mut held = Vec::with_capacity(rows.len());
        for row in rows {
            held.extend(self.readable(row, at).await?);
        }
        Ok(held)
    }

    /// The transfers of request ids, as they are until this transaction ends: for each that is there, what is known of it;
    /// nothing of one that can't be read and was set aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn known_all(
        &mut self,
        request_ids: &[&str],
        at: Timestamp,
    ) -> Result<HashMap<String, Option<Known>>, StoreError> {
        let rows: Vec<KnownRow> =
            self.of_all("looking up transfers", &NAMED, request_ids, |id| [(*id).into()]).await?;
        let mut known = HashMap::with_capacity(rows.len());
        for row in rows {
            let request_id = row.request_id().to_owned();
            known.insert(request_id, self.readable(row, at).await?);
        }
        Ok(known)
    }

    /// Extends leases (transfer and token) that still hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renew(&mut self, leases: &[(i64, i64)], until: Timestamp) -> Result<(), StoreError> {
        let until = until.as_millisecond();
        self.for_all("renewing leases", &RENEW, leases, |(id, token)| {
            [(*id).into(), (*token).into(), until.into()]
        })
        .await
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
            "UPDATE transfers SET due_at = $2, version = version + 1 WHERE system = $1 AND state IN ('unconfirmed', 'submitted', 'awaiting_check_in')")
            .bind(system.as_str())
            .bind(at.as_millisecond()))?;
        Ok(rows)
    }

    /// When the next transfer of a system is due.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_due(&mut self, system: &System) -> Result<Option<Timestamp>, StoreError> {
        let due: Option<i64> = on!(self, "looking for what is due next", db =>
            sqlx::query_scalar(next_due!()).bind(system.as_str()).fetch_optional(db))?;
        due.map(due_at).transpose()
    }
}

/// A stored time at which a transfer is due.
pub(super) fn due_at(at: i64) -> Result<Timestamp, StoreError> {
    super::row::Cell { table: "transfers", column: "due_at", id: 0 }.time(at)
}

pub(super) fn fresh_token(id: i64) -> Result<i64, StoreError> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::LeaseLost(id))?;
    Ok(i64::from_le_bytes(bytes))
}
