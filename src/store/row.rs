//! Rows as the database has them, and their conversion: a bad value names table, column and row.

use super::{Fence, NewTransfer, StoreError};
use crate::transfer::{Entry, Milestones, State};
use jiff::Timestamp;
use league_contract::{ProvinceCode, RequestId, System};
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// The columns of [`EntryRow`], in any query's SELECT.
macro_rules! entry_columns {
    () => {
        "id, request_id, system, state, province_code, destination_name, sent_name, organization_id, receipt_no, \
         attempts, tries, due_at, deadline_at, held, withdrawal, last_error, milestones, warnings, created_at, updated_at"
    };
}
pub(super) use entry_columns;

/// The columns of [`TransferRow`], in any query's SELECT.
macro_rules! transfer_columns {
    () => {
        concat!(
            $crate::store::row::entry_columns!(),
            ", lease_token, source_id, source_name, reason, masked_name, masked_id_number, masked_phone, \
             created_digest, document_digest, ",
            $crate::store::row::document_column!()
        )
    };
}
pub(super) use transfer_columns;

/// The sealed document, beside the columns of `transfers`: a lock of the row does not lock it. On PostgreSQL, where a row was
/// waited for, it is the document from before that wait: good for a person's names to be starred out, not to be sent. (What is
/// claimed is never waited for.)
macro_rules! document_column {
    () => {
        "(SELECT document_sealed FROM documents WHERE transfer_id = transfers.id) AS document_sealed"
    };
}
pub(super) use document_column;

/// The columns of [`KnownRow`], in any query's SELECT.
macro_rules! known_columns {
    () => {
        concat!($crate::store::row::entry_columns!(), ", version, ", $crate::store::row::document_column!())
    };
}
pub(super) use known_columns;

/// What moves of a transfer.
#[derive(sqlx::FromRow)]
pub(super) struct EntryRow {
    id: i64,
    request_id: String,
    system: String,
    state: String,
    province_code: String,
    destination_name: String,
    sent_name: Option<String>,
    organization_id: Option<String>,
    receipt_no: Option<String>,
    attempts: i64,
    tries: i64,
    due_at: Option<i64>,
    deadline_at: Option<i64>,
    held: Option<String>,
    withdrawal: Option<String>,
    last_error: Option<String>,
    milestones: String,
    warnings: String,
    created_at: i64,
    updated_at: i64,
}

/// What moves of a transfer that is leased, the lease's token, and how often it was written.
#[derive(sqlx::FromRow)]
pub(super) struct LeasedRow {
    #[sqlx(flatten)]
    entry: EntryRow,
    lease_token: i64,
    version: i64,
}

/// What whoever moves a transfer reads: what moves, how often it was written, and the sealed document.
#[derive(sqlx::FromRow)]
pub(super) struct KnownRow {
    #[sqlx(flatten)]
    entry: EntryRow,
    version: i64,
    document_sealed: Option<Vec<u8>>,
}

/// A transfer as far as an occurrence can move it.
#[derive(Debug)]
pub struct Known {
    /// What moves.
    pub entry: Entry,
    /// How often it was written.
    pub version: i64,
    /// The document, sealed.
    pub document_sealed: Vec<u8>,
}

/// The whole of it.
#[derive(sqlx::FromRow)]
pub(super) struct TransferRow {
    #[sqlx(flatten)]
    entry: EntryRow,
    lease_token: Option<i64>,
    source_id: String,
    source_name: String,
    reason: String,
    masked_name: String,
    masked_id_number: String,
    masked_phone: String,
    created_digest: Vec<u8>,
    document_digest: Vec<u8>,
    document_sealed: Option<Vec<u8>>,
}

/// A row of transfers, whatever of it was read.
pub(super) trait OfTransfer {
    /// What of it moves.
    fn entry(&self) -> &EntryRow;

    /// The store's key, which is there whatever else is damaged.
    fn id(&self) -> i64 {
        self.entry().id
    }

    /// Upstream's key, as it stands there.
    fn request_id(&self) -> &str {
        &self.entry().request_id
    }

    /// Which system, if that can be read.
    fn system(&self) -> Option<System> {
        System::parse(&self.entry().system)
    }
}

impl OfTransfer for LeasedRow {
    fn entry(&self) -> &EntryRow {
        &self.entry
    }
}

impl OfTransfer for KnownRow {
    fn entry(&self) -> &EntryRow {
        &self.entry
    }
}

impl OfTransfer for TransferRow {
    fn entry(&self) -> &EntryRow {
        &self.entry
    }
}

/// A transfer as it is stored: the entry, what may be shown of the person, and the sealed document.
#[derive(Clone)]
pub struct Stored {
    /// The entry.
    pub entry: Entry,
    /// What may be shown of the person, and where they come from.
    pub shown: Shown,
    /// Who works on it, if somebody does.
    pub lease_token: Option<i64>,
    /// Keyed digest of the document that created it.
    pub created_digest: Vec<u8>,
    /// Keyed digest of the document as it is now.
    pub document_digest: Vec<u8>,
    /// The document, sealed.
    pub document_sealed: Vec<u8>,
}

/// What lists show without opening the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// `张*`
    pub name: String,
    /// `110***************`
    pub id_number: String,
    /// `138********`
    pub phone: String,
    /// The source's id.
    pub source_id: String,
    /// The source's full name.
    pub source_name: String,
    /// The reason's word.
    pub reason: String,
}

impl Stored {
    /// As it is read back once it was taken in.
    #[must_use]
    pub fn new(id: i64, new: NewTransfer) -> Self {
        let NewTransfer { entry, shown, person, .. } = new;
        Self {
            entry: Entry { id, ..entry },
            shown,
            lease_token: None,
            created_digest: person.digest.clone(),
            document_digest: person.digest,
            document_sealed: person.sealed,
        }
    }

    /// Whether the personal data was erased, after its retention.
    #[must_use]
    pub const fn erased(&self) -> bool {
        self.shown.id_number.is_empty() && self.document_sealed.is_empty()
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("entry", &self.entry)
            .field("lease_token", &self.lease_token)
            .finish_non_exhaustive()
    }
}

/// A value of one column of one row.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    pub(super) id: i64,
}

impl Cell {
    pub(super) fn bad(self, problem: impl Into<String>) -> StoreError {
        StoreError::BadRow { table: self.table, column: self.column, id: self.id, problem: problem.into() }
    }

    pub(super) fn time(self, millis: i64) -> Result<Timestamp, StoreError> {
        Timestamp::from_millisecond(millis).map_err(|_| self.bad("not a time"))
    }

    pub(super) fn json<T: DeserializeOwned>(self, text: &str) -> Result<T, StoreError> {
        // The parser's own words may repeat the value.
        serde_json::from_str(text)
            .map_err(|error| self.bad(format!("not the expected JSON from character {} on", error.column())))
    }

    pub(super) fn system(self, text: &str) -> Result<System, StoreError> {
        System::parse(text).ok_or_else(|| self.bad("not a system's name"))
    }

    pub(super) fn request_id(self, text: &str) -> Result<RequestId, StoreError> {
        RequestId::parse(text).ok_or_else(|| self.bad("not a request id"))
    }

    pub(super) fn state(self, text: &str) -> Result<State, StoreError> {
        State::parse(text).ok_or_else(|| self.bad("not a state"))
    }

    pub(super) fn count(self, number: i64) -> Result<u32, StoreError> {
        u32::try_from(number).map_err(|_| self.bad("not a count"))
    }
}

/// A text from outside, without the character 0: PostgreSQL holds none, and what a partner said must not be lost for it.
pub(super) fn storable(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(|text| if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() })
}

/// JSON of our own types can't fail to be written; an empty text would be found by the next reader.
pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl TryFrom<EntryRow> for Entry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        let cell = |column| Cell { table: "transfers", column, id: row.id };
        let held = row.held.as_deref().map(|text| cell("held").json(text)).transpose()?;
        let withdrawal = row.withdrawal.as_deref().map(|text| cell("withdrawal").json(text)).transpose()?;
        let last_error = row.last_error.as_deref().map(|text| cell("last_error").json(text)).transpose()?;
        let milestones: Milestones = cell("milestones").json(&row.milestones)?;
        Ok(Self {
            id: row.id,
            request_id: cell("request_id").request_id(&row.request_id)?,
            system: cell("system").system(&row.system)?,
            state: cell("state").state(&row.state)?,
            province_code: ProvinceCode::parse(&row.province_code)
                .ok_or_else(|| cell("province_code").bad("not six digits"))?,
            destination_name: row.destination_name,
            sent_name: row.sent_name,
            organization_id: row.organization_id,
            receipt_no: row.receipt_no,
            attempts: cell("attempts").count(row.attempts)?,
            tries: cell("tries").count(row.tries)?,
            due_at: row.due_at.map(|at| cell("due_at").time(at)).transpose()?,
            deadline_at: row.deadline_at.map(|at| cell("deadline_at").time(at)).transpose()?,
            held,
            withdrawal,
            last_error,
            milestones,
            warnings: cell("warnings").json(&row.warnings)?,
            created_at: cell("created_at").time(row.created_at)?,
            updated_at: cell("updated_at").time(row.updated_at)?,
        })
    }
}

/// What is leased, and what its writer proves.
impl TryFrom<LeasedRow> for (Fence, Entry) {
    type Error = StoreError;

    fn try_from(row: LeasedRow) -> Result<Self, StoreError> {
        Ok((Fence { token: row.lease_token, version: row.version }, Entry::try_from(row.entry)?))
    }
}

impl TryFrom<KnownRow> for Known {
    type Error = StoreError;

    fn try_from(row: KnownRow) -> Result<Self, StoreError> {
        let KnownRow { entry, version, document_sealed } = row;
        Ok(Self { entry: entry.try_into()?, version, document_sealed: document_sealed.unwrap_or_default() })
    }
}

impl TryFrom<TransferRow> for Stored {
    type Error = StoreError;

    fn try_from(row: TransferRow) -> Result<Self, StoreError> {
        Ok(Self {
            entry: Entry::try_from(row.entry)?,
            shown: Shown {
                name: row.masked_name,
                id_number: row.masked_id_number,
                phone: row.masked_phone,
                source_id: row.source_id,
                source_name: row.source_name,
                reason: row.reason,
            },
            lease_token: row.lease_token,
            created_digest: row.created_digest,
            document_digest: row.document_digest,
            // One that is missing can't be opened, as one that is damaged.
            document_sealed: row.document_sealed.unwrap_or_default(),
        })
    }
}
