//! Transfers: take in, look up, list, and the one function that writes what an occurrence changed.

use super::batch::Batch;
use super::dialect::text;
use super::row::{TransferRow, json, storable, transfer_columns};
use super::tx::{Tx, execute, on};
use super::{Shown, StoreError, Stored};
use crate::seal::SealedTransfer;
use crate::transfer::{Advance, Cause, Entry, Line};
use jiff::Timestamp;
use league_contract::RequestId;
use std::borrow::Cow;
use std::sync::Arc;

/// A transfer to take in.
#[derive(Debug)]
pub struct NewTransfer {
    /// The entry as [`crate::transfer`] begins it.
    pub entry: Entry,
    /// What may be shown.
    pub shown: Shown,
    /// Who began it: the word of the interface.
    pub initiator: &'static str,
    /// What identifies the person and the document.
    pub person: SealedTransfer,
}

/// What a list is narrowed to. Everything left out does not narrow.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this state.
    pub state: Option<crate::transfer::State>,
    /// Only this system.
    pub system: Option<league_contract::System>,
    /// Only this province.
    pub province_code: Option<league_contract::ProvinceCode>,
    /// Only ids below this one: the cursor of the page before.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// One page of a list, newest first.
#[derive(Debug)]
pub struct Listed {
    /// The page.
    pub rows: Vec<Stored>,
    /// The next page's `before`, if there may be one.
    pub next: Option<i64>,
}

/// How many transfers of a system are in a state, and the oldest that is due.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Stat {
    /// Which system.
    pub system: String,
    /// Which state.
    pub state: String,
    /// How many.
    pub count: i64,
    /// When the oldest of them is or was due, in milliseconds since the epoch.
    pub oldest_due: Option<i64>,
}

/// What an occurrence changed in one transfer.
#[derive(Debug)]
pub struct Save {
    /// The entry after it, and the lines of its timeline.
    pub step: Advance,
    /// What becomes of the lease.
    pub lease: LeaseChange,
    /// Who or what brought it about.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
}

/// What becomes of a transfer's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseChange {
    /// Whoever has it keeps it.
    Keep,
    /// It falls.
    Release,
    /// Somebody takes it.
    Take {
        /// What every write of this work proves.
        token: i64,
        /// Until when.
        until: Timestamp,
        /// Which daemon.
        by: Arc<str>,
    },
}

/// The name under which a transfer is sent.
#[derive(Debug)]
pub struct Named {
    /// The store's key.
    pub id: i64,
    /// The name.
    pub sent_name: String,
    /// The receiving organization's id at the partner, if it told.
    pub organization_id: Option<String>,
}

static SAVE: Batch = Batch::new(
    "WITH v (id, state, sent_name, organization_id, receipt_no, attempts, tries, due_at, held, withdrawal, last_error, \
     milestones, updated_at, deadline_at, keep_lease, lease_token, lease_until, leased_by) AS (VALUES ",
    18,
    ") UPDATE transfers SET state = v.state, sent_name = v.sent_name, organization_id = v.organization_id, \
     receipt_no = v.receipt_no, attempts = v.attempts, tries = v.tries, due_at = v.due_at, held = v.held, \
     withdrawal = v.withdrawal, last_error = v.last_error, milestones = v.milestones, updated_at = v.updated_at, deadline_at = v.deadline_at, \
     lease_token = CASE WHEN v.keep_lease THEN transfers.lease_token ELSE v.lease_token END, \
     lease_until = CASE WHEN v.keep_lease THEN transfers.lease_until ELSE v.lease_until END, \
     leased_by = CASE WHEN v.keep_lease THEN transfers.leased_by ELSE v.leased_by END \
     FROM v WHERE transfers.id = v.id",
);

static FIX_NAMES: Batch = Batch::new(
    "WITH v (id, sent_name, organization_id) AS (VALUES ",
    3,
    ") UPDATE transfers SET sent_name = v.sent_name, organization_id = v.organization_id FROM v WHERE transfers.id = v.id",
);

impl LeaseChange {
    /// Token, end and holder after it.
    fn columns(&self) -> (Option<i64>, Option<i64>, Option<&str>) {
        match self {
            Self::Keep | Self::Release => (None, None, None),
            Self::Take { token, until, by } => (Some(*token), Some(until.as_millisecond()), Some(by)),
        }
    }
}

impl Tx {
    /// The transfer of a request id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn transfer(&mut self, request_id: &RequestId) -> Result<Option<Stored>, StoreError> {
        let sql = self.locked(text!("SELECT ", transfer_columns!(), " FROM transfers WHERE request_id = $1"));
        let row: Option<TransferRow> = on!(self, "looking up a transfer", db =>
            sqlx::query_as(sql).bind(request_id.as_str()).fetch_optional(db))?;
        row.map(Stored::try_from).transpose()
    }

    /// The transfer of the store's own key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn transfer_by_id(&mut self, id: i64) -> Result<Option<Stored>, StoreError> {
        let sql = self.locked(text!("SELECT ", transfer_columns!(), " FROM transfers WHERE id = $1"));
        let row: Option<TransferRow> = on!(self, "looking up a transfer", db =>
            sqlx::query_as(sql).bind(id).fetch_optional(db))?;
        row.map(Stored::try_from).transpose()
    }

    /// The open transfer of a person, by blind index.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_transfer_of(&mut self, person: &[u8]) -> Result<Option<Stored>, StoreError> {
        let sql = self.locked(text!(
            "SELECT ",
            transfer_columns!(),
            " FROM transfers WHERE person = $1 \
            AND state NOT IN ('completed', 'rejected', 'overdue', 'withdrawn')"
        ));
        let row: Option<TransferRow> = on!(self, "looking for an open transfer of a person", db =>
            sqlx::query_as(sql).bind(person).fetch_optional(db))?;
        row.map(Stored::try_from).transpose()
    }

    /// Writes a new transfer with the first lines of its timeline; returns its key.
    ///
    /// # Errors
    /// [`StoreError::Database`]; a request id or a person that is there already is the caller's to look for before.
    pub async fn insert_transfer(
        &mut self,
        new: &NewTransfer,
        lines: &[Line],
        cause: Cause,
    ) -> Result<i64, StoreError> {
        let entry = &new.entry;
        let id: i64 = on!(self, "taking in a transfer", db => sqlx::query_scalar(
            "INSERT INTO transfers (request_id, system, state, province_code, destination_name, attempts, tries, \
             due_at, milestones, warnings, source_id, source_name, reason, initiator, masked_name, masked_id_number, \
             masked_phone, person, created_digest, document_digest, document_sealed, created_at, updated_at, deadline_at) \
             VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $18, $19, $19, $20) \
             RETURNING id")
            .bind(entry.request_id.as_str())
            .bind(entry.system.as_str())
            .bind(entry.state.as_str())
            .bind(entry.province_code.as_str())
            .bind(&entry.destination_name)
            .bind(entry.due_at.map(Timestamp::as_millisecond))
            .bind(json(&entry.milestones))
            .bind(json(&entry.warnings))
            .bind(&new.shown.source_id)
            .bind(&new.shown.source_name)
            .bind(&new.shown.reason)
            .bind(new.initiator)
            .bind(&new.shown.name)
            .bind(&new.shown.id_number)
            .bind(&new.shown.phone)
            .bind(&new.person.index)
            .bind(&new.person.digest)
            .bind(&new.person.sealed)
            .bind(entry.created_at.as_millisecond())
            .bind(entry.deadline_at.map(Timestamp::as_millisecond))
            .fetch_one(db))?;
        self.append_lines(id, &entry.request_id, lines, cause, entry.created_at);
        Ok(id)
    }

    /// Writes what an occurrence changed: the entry, its timeline and the event feed.
    ///
    /// The lease falls when the state changed or when `release` says so: whoever held it finds it gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save(
        &mut self,
        advance: &Advance,
        release: bool,
        cause: Cause,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = advance.lines.iter().any(|line| matches!(line, Line::StateChanged { .. }));
        let lease = if release || changed { LeaseChange::Release } else { LeaseChange::Keep };
        self.save_all(&[Save { step: advance.clone(), lease, cause, at }]).await
    }

    /// Writes what several occurrences changed, each in another transfer. The second of the two functions that every
    /// path ends in; there is no other writer of a transfer's state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save_all(&mut self, saves: &[Save]) -> Result<(), StoreError> {
        for (text, piece) in SAVE.pieces(self.places(), saves) {
            execute!(
                self,
                "writing transfers",
                piece.iter().fold(sqlx::query(text), |query, save| {
                    let entry = &save.step.entry;
                    let (token, until, by) = save.lease.columns();
                    query
                        .bind(entry.id)
                        .bind(entry.state.as_str())
                        .bind(storable(entry.sent_name.as_deref()))
                        .bind(storable(entry.organization_id.as_deref()))
                        .bind(storable(entry.receipt_no.as_deref()))
                        .bind(i64::from(entry.attempts))
                        .bind(i64::from(entry.tries))
                        .bind(entry.due_at.map(Timestamp::as_millisecond))
                        .bind(entry.held.as_ref().map(json))
                        .bind(entry.withdrawal.as_ref().map(json))
                        .bind(entry.last_error.as_ref().map(json))
                        .bind(json(&entry.milestones))
                        .bind(entry.updated_at.as_millisecond())
                        .bind(entry.deadline_at.map(Timestamp::as_millisecond))
                        .bind(save.lease == LeaseChange::Keep)
                        .bind(token)
                        .bind(until)
                        .bind(by)
                })
            )?;
        }
        for save in saves {
            let entry = &save.step.entry;
            self.append_lines(entry.id, &entry.request_id, &save.step.lines, save.cause, save.at);
        }
        Ok(())
    }

    /// Fixes the names under which transfers are sent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fix_names(&mut self, names: &[&Named]) -> Result<(), StoreError> {
        for (text, piece) in FIX_NAMES.pieces(self.places(), names) {
            execute!(
                self,
                "fixing the names that are sent",
                piece.iter().fold(sqlx::query(text), |query, named| {
                    query
                        .bind(named.id)
                        .bind(storable(Some(&named.sent_name)))
                        .bind(storable(named.organization_id.as_deref()))
                })
            )?;
        }
        Ok(())
    }

    /// Puts an amended document in the place of the one that was returned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace_document(&mut self, new: &NewTransfer, id: i64) -> Result<(), StoreError> {
        execute!(self, "amending a transfer", sqlx::query(
            "UPDATE transfers SET system = $2, province_code = $3, destination_name = $4, warnings = $5, reason = $6, \
             masked_name = $7, masked_id_number = $8, masked_phone = $9, person = $10, document_digest = $11, \
             document_sealed = $12 WHERE id = $1")
            .bind(id)
            .bind(new.entry.system.as_str())
            .bind(new.entry.province_code.as_str())
            .bind(&new.entry.destination_name)
            .bind(json(&new.entry.warnings))
            .bind(&new.shown.reason)
            .bind(&new.shown.name)
            .bind(&new.shown.id_number)
            .bind(&new.shown.phone)
            .bind(&new.person.index)
            .bind(&new.person.digest)
            .bind(&new.person.sealed))?;
        Ok(())
    }

    /// A page of transfers, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&mut self, filter: &Filter) -> Result<Listed, StoreError> {
        let rows: Vec<TransferRow> = on!(self, "listing transfers", db => sqlx::query_as(concat!(
            "SELECT ", transfer_columns!(), " FROM transfers WHERE ($1 IS NULL OR state = $1) \
             AND ($2 IS NULL OR system = $2) AND ($3 IS NULL OR province_code = $3) AND ($4 IS NULL OR id < $4) \
             ORDER BY id DESC LIMIT $5"))
            .bind(filter.state.map(crate::transfer::State::as_str))
            .bind(filter.system.as_ref().map(|system| system.as_str().to_owned()))
            .bind(filter.province_code.map(|code| code.to_string()))
            .bind(filter.before)
            .bind(i64::from(filter.limit))
            .fetch_all(db))?;
        let rows = rows.into_iter().map(Stored::try_from).collect::<Result<Vec<_>, _>>()?;
        let full = u32::try_from(rows.len()).is_ok_and(|count| count == filter.limit);
        let next = rows.last().filter(|_| full).map(|row| row.entry.id);
        Ok(Listed { rows, next })
    }

    /// Counts by system and state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stats(&mut self) -> Result<Vec<Stat>, StoreError> {
        on!(self, "counting transfers", db => sqlx::query_as(
            "SELECT system, state, COUNT(*) AS count, MIN(due_at) AS oldest_due FROM transfers \
             GROUP BY system, state ORDER BY system, state").fetch_all(db))
    }
}
