//! Transfers: take in, look up, list, and the one function that writes what an occurrence changed.

use super::batch::{Batch, Value};
use super::dialect::{Text, in_order, text};
use super::row::{TransferRow, json, storable, transfer_columns};
use super::session::TxInner;
use super::tx::{Tx, execute, on};
use super::{Shown, StoreError, Stored};
use crate::seal::SealedTransfer;
use crate::transfer::{Advance, Cause, Entry, Line};
use jiff::Timestamp;
use league_contract::RequestId;
use std::borrow::Borrow;
use std::collections::HashSet;
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

/// What was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inserted {
    /// The store's key.
    pub id: i64,
    /// Whether events about it came before it, and wait.
    pub awaited: bool,
}

/// What an occurrence changed in one transfer.
#[derive(Debug, Clone)]
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

/// As whoever has the lease on a transfer knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The lease's token.
    pub token: i64,
    /// How often the transfer had been written when they saw it last.
    pub version: i64,
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

/// The name under which a transfer that was checked is sent, and the lease on it, which lasts anew.
#[derive(Debug)]
pub struct Named {
    /// The store's key.
    pub id: i64,
    /// The name.
    pub sent_name: String,
    /// The receiving organization's id at the partner, if it told.
    pub organization_id: Option<String>,
    /// The lease's new end.
    pub until: Timestamp,
}

macro_rules! insert {
    () => {
        "INSERT INTO transfers (request_id, system, state, province_code, destination_name, attempts, tries, \
         due_at, milestones, warnings, source_id, source_name, reason, initiator, masked_name, masked_id_number, \
         masked_phone, person, created_digest, document_digest, created_at, updated_at, deadline_at) \
         VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $18, $18, $19)"
    };
}

macro_rules! awaited {
    () => {
        "SELECT id, EXISTS (SELECT 1 FROM callbacks WHERE callbacks.request_id = $1 AND callbacks.system = $2 \
         AND verdict = 'unmatched') AS awaited"
    };
}

/// A transfer, its document, its person, and whether it was awaited: one round trip. SQLite takes several statements at once,
/// PostgreSQL one with several parts.
const TAKE_IN: Text = text!(
    sqlite: concat!(
        insert!(),
        "; INSERT INTO documents (transfer_id, document_sealed) SELECT id, $20 FROM transfers WHERE request_id = $1; \
         INSERT INTO open_people (person, transfer_id) SELECT person, id FROM transfers WHERE request_id = $1 AND $21; \
         INSERT INTO people (person, transfer_id) SELECT person, id FROM transfers WHERE request_id = $1; ",
        awaited!(),
        " FROM transfers WHERE request_id = $1"
    ),
    postgres: concat!(
        "WITH new AS (",
        insert!(),
        " RETURNING id, person), \
         document AS (INSERT INTO documents (transfer_id, document_sealed) SELECT id, $20 FROM new), \
         open AS (INSERT INTO open_people (person, transfer_id) SELECT person, id FROM new WHERE $21), \
         whose AS (INSERT INTO people (person, transfer_id) SELECT person, id FROM new) ",
        awaited!(),
        " FROM new"
    )
);

/// Two looks by one row each: PostgreSQL keeps the plan that it made for a table with few rows, and would read all of it for two
/// rows at once. One of them finds something, or none, and that row alone is locked: nobody holds one and waits for another.
macro_rules! in_the_way {
    ($lock:literal) => {
        concat!(
            "SELECT * FROM (SELECT ",
            transfer_columns!(),
            " FROM transfers WHERE request_id = $1",
            $lock,
            ") AS same UNION ALL SELECT * FROM (SELECT ",
            transfer_columns!(),
            " FROM transfers WHERE NOT EXISTS (SELECT 1 FROM transfers WHERE request_id = $1) \
              AND id = (SELECT transfer_id FROM open_people WHERE person = $2) AND person = $2 \
              AND state NOT IN ('completed', 'rejected', 'overdue', 'withdrawn')",
            $lock,
            ") AS open"
        )
    };
}

/// What follows `UPDATE`, or SQLite's own words for it, in the writing of a [`Save`].
macro_rules! save_tail {
    ($update:literal) => {
        concat!(
            $update, " transfers SET state = v.state, sent_name = v.sent_name, organization_id = v.organization_id, \
             receipt_no = v.receipt_no, attempts = v.attempts, tries = v.tries, due_at = v.due_at, held = v.held, \
             withdrawal = v.withdrawal, last_error = v.last_error, milestones = v.milestones, updated_at = v.updated_at, \
             deadline_at = v.deadline_at, version = transfers.version + 1, \
             lease_token = CASE WHEN v.keep_lease = 1 THEN transfers.lease_token ELSE v.lease_token END, \
             lease_until = CASE WHEN v.keep_lease = 1 THEN transfers.lease_until ELSE v.lease_until END, \
             leased_by = CASE WHEN v.keep_lease = 1 THEN transfers.leased_by ELSE v.leased_by END \
             FROM v WHERE transfers.id = v.id"
        )
    };
}

/// On SQLite a statement for many rows would copy each page that it touches, to take itself back; whatever fails here takes
/// back the whole transaction.
static SAVE: Batch<18> = Batch::of(
    [
        "id",
        "state",
        "sent_name",
        "organization_id",
        "receipt_no",
        "attempts",
        "tries",
        "due_at",
        "held",
        "withdrawal",
        "last_error",
        "milestones",
        "updated_at",
        "deadline_at",
        "keep_lease",
        "lease_token",
        "lease_until",
        "leased_by",
    ],
    save_tail!("UPDATE OR FAIL"),
    save_tail!("UPDATE"),
);

macro_rules! fence {
    () => {
        "transfers.id = v.id AND transfers.lease_token = v.held_token AND transfers.version = v.held_version"
    };
}

/// On SQLite those that are lost: each row that comes back from its thread costs a switch, and here there is hardly ever one. On
/// PostgreSQL those that are held, and locked.
static HOLD: Batch<3> = Batch::of(
    ["id", "held_token", "held_version"],
    concat!(
        "SELECT v.id, v.held_token FROM v WHERE NOT EXISTS (SELECT 1 FROM transfers WHERE ",
        fence!(),
        ")"
    ),
    concat!(
        "SELECT v.id, v.held_token FROM v JOIN transfers ON ",
        fence!(),
        " ",
        in_order!(),
        " FOR UPDATE OF transfers"
    ),
);

/// Their persons may move again.
static END: Batch<1> = Batch::new(
    ["id"],
    "DELETE FROM open_people WHERE person IN (SELECT person FROM transfers JOIN v ON transfers.id = v.id) \
     AND transfer_id IN (SELECT id FROM v)",
);

static FIX_NAMES: Batch<4> = Batch::new(
    ["id", "sent_name", "organization_id", "until"],
    "UPDATE transfers SET sent_name = v.sent_name, organization_id = v.organization_id, lease_until = v.until, \
     version = transfers.version + 1 FROM v WHERE transfers.id = v.id",
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

impl Save {
    /// By somebody who does not work on the transfer: whoever does keeps the lease, unless the state moved on without them.
    #[must_use]
    pub fn beside(step: Advance, cause: Cause, at: Timestamp) -> Self {
        let changed = step.lines.iter().any(|line| matches!(line, Line::StateChanged { .. }));
        let lease = if changed { LeaseChange::Release } else { LeaseChange::Keep };
        Self { step, lease, cause, at }
    }

    fn columns(&self) -> [Value<'_>; 18] {
        let entry = &self.step.entry;
        let (token, until, by) = self.lease.columns();
        [
            entry.id.into(),
            entry.state.as_str().into(),
            storable(entry.sent_name.as_deref()).into(),
            storable(entry.organization_id.as_deref()).into(),
            storable(entry.receipt_no.as_deref()).into(),
            i64::from(entry.attempts).into(),
            i64::from(entry.tries).into(),
            entry.due_at.map(Timestamp::as_millisecond).into(),
            entry.held.as_ref().map(json).into(),
            entry.withdrawal.as_ref().map(json).into(),
            entry.last_error.as_ref().map(json).into(),
            json(&entry.milestones).into(),
            entry.updated_at.as_millisecond().into(),
            entry.deadline_at.map(Timestamp::as_millisecond).into(),
            i64::from(self.lease == LeaseChange::Keep).into(),
            token.into(),
            until.into(),
            by.into(),
        ]
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

    /// What a new transfer would be in the way of: the transfer of its request id, or else its person's open one. One look for
    /// both, and what was waited for is looked at again: it may have ended meanwhile, or be somebody else's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn in_the_way(
        &mut self,
        request_id: &RequestId,
        person: &[u8],
    ) -> Result<Option<Stored>, StoreError> {
        let sql = if self.locks() { in_the_way!(" FOR UPDATE") } else { in_the_way!("") };
        let row: Option<TransferRow> = on!(self, "looking whether a transfer is here already", db =>
            sqlx::query_as(sql).bind(request_id.as_str()).bind(person).fetch_optional(db))?;
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
            // What was waited for is looked at again: it may have ended meanwhile, or be somebody else's.
            " FROM transfers WHERE id = (SELECT transfer_id FROM open_people WHERE person = $1) AND person = $1 \
              AND state NOT IN ('completed', 'rejected', 'overdue', 'withdrawn')"
        ));
        let row: Option<TransferRow> = on!(self, "looking for an open transfer of a person", db =>
            sqlx::query_as(sql).bind(person).fetch_optional(db))?;
        row.map(Stored::try_from).transpose()
    }

    /// Writes a new transfer with the first lines of its timeline.
    ///
    /// # Errors
    /// [`StoreError::Database`]; a request id or a person that is there already is the caller's to look for before.
    pub async fn insert_transfer(
        &mut self,
        new: &NewTransfer,
        lines: &[Line],
        cause: Cause,
    ) -> Result<Inserted, StoreError> {
        let entry = &new.entry;
        let sql = self.look(TAKE_IN);
        // All of them: SQLite runs each statement as its rows are asked for.
        let rows: Vec<(i64, bool)> = on!(self, "taking in a transfer", db => sqlx::query_as(sql)
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
            .bind(entry.created_at.as_millisecond())
            .bind(entry.deadline_at.map(Timestamp::as_millisecond))
            .bind(&new.person.sealed)
            .bind(!entry.state.is_final())
            .fetch_all(db))?;
        let Some((id, awaited)) = rows.into_iter().next() else {
            let source = sqlx::Error::RowNotFound;
            return Err(StoreError::Database { action: "taking in a transfer", source });
        };
        self.count_arrival(id, entry.created_at);
        self.count_lines(entry, lines, entry.created_at);
        self.append_lines(id, &entry.request_id, lines, cause, entry.created_at);
        Ok(Inserted { id, awaited })
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
        let mut save = Save::beside(advance.clone(), cause, at);
        if release {
            save.lease = LeaseChange::Release;
        }
        self.save_all(&[save]).await
    }

    /// Writes what several occurrences changed, each in another transfer. Every path ends here: the only writer of a
    /// transfer's state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save_all(&mut self, saves: &[impl Borrow<Save>]) -> Result<(), StoreError> {
        self.for_all("writing transfers", &SAVE, saves, |save| save.borrow().columns()).await?;
        self.written(saves.iter().map(Borrow::borrow)).await
    }

    /// Which transfers are as somebody who works on them knows them: under their lease, and nobody else wrote to them. Those stay
    /// so until this transaction ends. Returns for each, in order, whether it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hold(&mut self, known: &[(i64, Fence)]) -> Result<Vec<bool>, StoreError> {
        let found: Vec<(i64, i64)> = self
            .of_all("holding transfers", &HOLD, known, |(id, fence)| {
                [(*id).into(), fence.token.into(), fence.version.into()]
            })
            .await?;
        let found: HashSet<_> = found.into_iter().collect();
        let tells_lost = matches!(self.inner, TxInner::Sqlite(_));
        Ok(known.iter().map(|(id, fence)| found.contains(&(*id, fence.token)) != tells_lost).collect())
    }

    /// What follows a transfer's being written: the lines of its timeline, and the end of being open.
    async fn written<'a>(&mut self, saves: impl Iterator<Item = &'a Save>) -> Result<(), StoreError> {
        let mut ended = Vec::new();
        for save in saves {
            let Save { step: Advance { entry, lines, .. }, cause, at, .. } = save;
            self.count_lines(entry, lines, *at);
            self.append_lines(entry.id, &entry.request_id, lines, *cause, *at);
            if entry.state.is_final() {
                ended.push(entry.id);
            }
        }
        self.for_all("ending what was open", &END, &ended, |id| [(*id).into()]).await
    }

    /// Fixes the names under which transfers are sent that were checked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fix_names(&mut self, names: &[Named]) -> Result<(), StoreError> {
        self.for_all("fixing the names that are sent", &FIX_NAMES, names, |named| {
            [
                named.id.into(),
                storable(Some(&named.sent_name)).into(),
                storable(named.organization_id.as_deref()).into(),
                named.until.as_millisecond().into(),
            ]
        })
        .await
    }

    /// Puts an amended document in the place of the one that was returned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace_document(&mut self, new: &NewTransfer, id: i64) -> Result<(), StoreError> {
        let was: Option<(String, String)> = on!(self, "looking at what is amended", db => sqlx::query_as(
            "SELECT system, state FROM transfers WHERE id = $1").bind(id).fetch_optional(db))?;
        if let Some((system, state)) = was.filter(|(system, _)| system != new.entry.system.as_str()) {
            self.count_system(&state, &system, new.entry.system.as_str());
        }
        execute!(
            self,
            "amending whose transfer it is",
            sqlx::query("UPDATE people SET person = $2 WHERE person = (SELECT person FROM transfers WHERE id = $1) AND transfer_id = $1")
                .bind(id)
                .bind(&new.person.index)
        )?;
        execute!(
            self,
            "amending a transfer's person",
            sqlx::query("UPDATE open_people SET person = $2 WHERE person = (SELECT person FROM transfers WHERE id = $1) AND transfer_id = $1")
                .bind(id)
                .bind(&new.person.index)
        )?;
        execute!(
            self,
            "amending a document",
            sqlx::query("UPDATE documents SET document_sealed = $2 WHERE transfer_id = $1")
                .bind(id)
                .bind(&new.person.sealed)
        )?;
        execute!(self, "amending a transfer", sqlx::query(
            "UPDATE transfers SET system = $2, province_code = $3, destination_name = $4, warnings = $5, reason = $6, \
             masked_name = $7, masked_id_number = $8, masked_phone = $9, person = $10, document_digest = $11, \
             version = version + 1 WHERE id = $1")
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
            .bind(&new.person.digest))?;
        Ok(())
    }
}
