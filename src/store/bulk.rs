//! Acts on many transfers: what is to be done to which, how far it is, and what happened to each.

use super::look::{Cursor, Filter};
use super::row::{Cell, json};
use super::tx::{Tx, execute, on};
use super::{Author, StoreError};
use jiff::Timestamp;
use serde::Serialize;

/// How an act on many stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkState {
    /// The daemon that leads works on it.
    Running,
    /// Until an operator resumes it.
    Paused,
    /// An operator ended it; what was done stays done.
    Cancelled,
    /// All that fitted were acted on, or refused.
    Done,
}

impl BulkState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Running, Self::Paused, Self::Cancelled, Self::Done];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// An act on many that begins.
#[derive(Debug)]
pub struct NewBulk<'a> {
    /// The act's word.
    pub act: &'a str,
    /// On which transfers.
    pub filter: &'a Filter,
    /// Why.
    pub reason: &'a str,
    /// Who.
    pub author: &'a Author,
    /// So many transfers a second.
    pub rate: u32,
    /// When.
    pub at: Timestamp,
}

/// An act on many.
#[derive(Debug, Clone, PartialEq)]
pub struct Bulk {
    /// The store's key.
    pub id: i64,
    /// The act's word.
    pub act: String,
    /// On which transfers.
    pub filter: Filter,
    /// Why.
    pub reason: String,
    /// Who.
    pub author: Author,
    /// So many transfers a second.
    pub rate: u32,
    /// How it stands.
    pub state: BulkState,
    /// How far it has come.
    pub after: Option<Cursor>,
    /// On so many the act was done.
    pub done: i64,
    /// So many refused it.
    pub refused: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What happened to one transfer of an act on many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BulkResult {
    /// Its place, from 1.
    pub number: i64,
    /// Upstream's key.
    pub request_id: String,
    /// Whether the act was done.
    pub done: bool,
    /// What was done or why not, in Chinese.
    pub told: String,
    /// The same in English.
    pub told_en: String,
}

#[derive(sqlx::FromRow)]
struct BulkRow {
    id: i64,
    act: String,
    filter: String,
    reason: String,
    author: String,
    origin: String,
    rate: i64,
    state: String,
    after: Option<String>,
    done: i64,
    refused: i64,
    created_at: i64,
    ended_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct ResultRow {
    number: i64,
    request_id: String,
    done: i64,
    told: String,
    told_en: String,
}

impl TryFrom<BulkRow> for Bulk {
    type Error = StoreError;

    fn try_from(row: BulkRow) -> Result<Self, StoreError> {
        let cell = |column| Cell { table: "bulk_acts", column, id: row.id };
        let wrong = |column, problem: &str| StoreError::BadRow {
            table: "bulk_acts",
            column,
            id: row.id,
            problem: problem.to_owned(),
        };
        let after = row
            .after
            .as_deref()
            .map(|text| Cursor::parse(text).ok_or_else(|| wrong("after", "not a cursor")));
        Ok(Self {
            id: row.id,
            filter: cell("filter").json(&row.filter)?,
            rate: u32::try_from(row.rate).unwrap_or(1),
            state: BulkState::parse(&row.state).ok_or_else(|| wrong("state", "not a state"))?,
            after: after.transpose()?,
            created_at: cell("created_at").time(row.created_at)?,
            ended_at: row.ended_at.map(|at| cell("ended_at").time(at)).transpose()?,
            act: row.act,
            reason: row.reason,
            author: Author { name: row.author, origin: row.origin },
            done: row.done,
            refused: row.refused,
        })
    }
}

macro_rules! bulk_columns {
    () => {
        "SELECT id, act, filter, reason, author, origin, rate, state, after, done, refused, created_at, ended_at FROM bulk_acts"
    };
}

impl Tx {
    /// Begins an act on many; returns its key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_bulk(&mut self, new: &NewBulk<'_>) -> Result<i64, StoreError> {
        on!(self, "beginning an act on many", db => sqlx::query_scalar(
            "INSERT INTO bulk_acts (act, filter, reason, author, origin, rate, state, done, refused, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 'running', 0, 0, $7) RETURNING id")
            .bind(new.act)
            .bind(json(new.filter))
            .bind(new.reason)
            .bind(&new.author.name)
            .bind(&new.author.origin)
            .bind(i64::from(new.rate))
            .bind(new.at.as_millisecond())
            .fetch_one(db))
    }

    /// An act on many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bulk(&mut self, id: i64) -> Result<Option<Bulk>, StoreError> {
        let row: Option<BulkRow> = on!(self, "looking up an act on many", db =>
            sqlx::query_as(concat!(bulk_columns!(), " WHERE id = $1")).bind(id).fetch_optional(db))?;
        row.map(Bulk::try_from).transpose()
    }

    /// Those that are to be worked on, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn running_bulks(&mut self) -> Result<Vec<Bulk>, StoreError> {
        let rows: Vec<BulkRow> = on!(self, "looking for acts on many", db =>
            sqlx::query_as(concat!(bulk_columns!(), " WHERE state = 'running' ORDER BY id")).fetch_all(db))?;
        rows.into_iter().map(Bulk::try_from).collect()
    }

    /// Acts on many, newest first, below `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bulks(&mut self, before: Option<i64>, limit: u32) -> Result<Vec<Bulk>, StoreError> {
        let rows: Vec<BulkRow> = on!(self, "listing acts on many", db =>
            sqlx::query_as(concat!(bulk_columns!(), " WHERE id < $1 ORDER BY id DESC LIMIT $2"))
                .bind(before.unwrap_or(i64::MAX))
                .bind(i64::from(limit))
                .fetch_all(db))?;
        rows.into_iter().map(Bulk::try_from).collect()
    }

    /// Notes what happened to the next transfer of an act on many, and how far it has come; `false` where it is no longer running,
    /// or somebody else has come further: then nothing of this transaction may stay.
    ///
    /// # Errors
    /// [`StoreError`].
    #[must_use = "where it was not noted, the act must not be done either"]
    pub async fn step_bulk(
        &mut self,
        bulk: &Bulk,
        after: Cursor,
        result: &BulkResult,
    ) -> Result<bool, StoreError> {
        let done = i64::from(result.done);
        let rows = execute!(
            self,
            "noting how far an act on many is",
            sqlx::query(
                "UPDATE bulk_acts SET after = $2, done = done + $3, refused = refused + 1 - $3 \
                 WHERE id = $1 AND state = 'running' AND done + refused = $4"
            )
            .bind(bulk.id)
            .bind(after.to_string())
            .bind(done)
            .bind(bulk.done + bulk.refused)
        )?;
        if rows == 0 {
            return Ok(false);
        }
        execute!(
            self,
            "noting what an act on many did",
            sqlx::query(
                "INSERT INTO bulk_results (bulk_id, number, request_id, done, told, told_en) VALUES ($1, $2, $3, $4, $5, $6)"
            )
            .bind(bulk.id)
            .bind(result.number)
            .bind(&result.request_id)
            .bind(done)
            .bind(&result.told)
            .bind(&result.told_en)
        )?;
        Ok(true)
    }

    /// Looks on from here, without an act: a stretch in which nothing fitted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pass_bulk(&mut self, bulk: &Bulk, after: Cursor) -> Result<(), StoreError> {
        execute!(
            self,
            "noting how far an act on many is",
            sqlx::query("UPDATE bulk_acts SET after = $2 WHERE id = $1 AND done + refused = $3")
                .bind(bulk.id)
                .bind(after.to_string())
                .bind(bulk.done + bulk.refused)
        )?;
        Ok(())
    }

    /// Brings an act on many from a state into another; `false` where it is not in that state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn turn_bulk(
        &mut self,
        id: i64,
        from: BulkState,
        to: BulkState,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let ended_at = match to {
            BulkState::Done | BulkState::Cancelled => Some(at.as_millisecond()),
            BulkState::Running | BulkState::Paused => None,
        };
        let rows = execute!(
            self,
            "changing an act on many",
            sqlx::query("UPDATE bulk_acts SET state = $3, ended_at = $4 WHERE id = $1 AND state = $2")
                .bind(id)
                .bind(from.as_str())
                .bind(to.as_str())
                .bind(ended_at)
        )?;
        Ok(rows == 1)
    }

    /// What happened to each, in order, after a place; where `refused_only`, those that refused it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bulk_results(
        &mut self,
        id: i64,
        after: i64,
        refused_only: bool,
        limit: u32,
    ) -> Result<Vec<BulkResult>, StoreError> {
        let sql = if refused_only {
            "SELECT number, request_id, done, told, told_en FROM bulk_results \
             WHERE bulk_id = $1 AND number > $2 AND done = 0 ORDER BY number LIMIT $3"
        } else {
            "SELECT number, request_id, done, told, told_en FROM bulk_results \
             WHERE bulk_id = $1 AND number > $2 ORDER BY number LIMIT $3"
        };
        let rows: Vec<ResultRow> = on!(self, "reading what an act on many did", db =>
            sqlx::query_as(sql).bind(id).bind(after).bind(i64::from(limit)).fetch_all(db))?;
        let read = |row: ResultRow| BulkResult {
            number: row.number,
            request_id: row.request_id,
            done: row.done == 1,
            told: row.told,
            told_en: row.told_en,
        };
        Ok(rows.into_iter().map(read).collect())
    }
}
