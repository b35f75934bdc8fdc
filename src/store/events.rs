//! The timeline of every transfer, and the event feed that upstream reads.

use super::StoreError;
use super::batch::Batch;
use super::row::Cell;
use super::tx::{Tx, execute, on};
use crate::transfer::{Cause, Line, State};
use jiff::Timestamp;
use league_contract::RequestId;
use serde::Serialize;

/// One event of the feed, as upstream sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FeedEvent {
    /// Its place: ask for what comes after it.
    pub cursor: i64,
    /// Upstream's key of the transfer.
    pub request_id: String,
    /// `state_changed` or `milestone`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The state before.
    pub from: Option<String>,
    /// The state after.
    pub to: Option<String>,
    /// Which milestone.
    pub milestone: Option<String>,
    /// Who or what brought it about.
    pub cause: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// One line of a transfer's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimelineLine {
    /// The event, if it is in the feed too; else its kind alone says what it is (`conflict`, `note`).
    #[serde(flatten)]
    pub event: FeedEvent,
    /// More words, for people.
    pub detail: Option<String>,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    cursor: i64,
    request_id: String,
    kind: String,
    from_state: Option<String>,
    to_state: Option<String>,
    milestone: Option<String>,
    cause: String,
    detail: Option<String>,
    at: i64,
}

impl TryFrom<EventRow> for TimelineLine {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let at = Cell { table: "events", column: "at", id: row.cursor }.time(row.at)?;
        Ok(Self {
            event: FeedEvent {
                cursor: row.cursor,
                request_id: row.request_id,
                kind: row.kind,
                from: row.from_state,
                to: row.to_state,
                milestone: row.milestone,
                cause: row.cause,
                at,
            },
            detail: row.detail,
        })
    }
}

/// A line that waits for its transaction's commit.
pub(super) struct PendingLine {
    transfer_id: i64,
    request_id: RequestId,
    kind: &'static str,
    from: Option<&'static str>,
    to: Option<&'static str>,
    milestone: Option<&'static str>,
    cause: &'static str,
    detail: Option<String>,
    at: i64,
}

static INSERT: Batch = Batch::new(
    "INSERT INTO events (transfer_id, request_id, kind, from_state, to_state, milestone, cause, detail, at) VALUES ",
    9,
    "",
);

impl Tx {
    /// Appends lines to a transfer's timeline. They are written with the commit, all of a transaction's together.
    pub(super) fn append_lines(
        &mut self,
        id: i64,
        request_id: &RequestId,
        lines: &[Line],
        cause: Cause,
        at: Timestamp,
    ) {
        for line in lines {
            let (kind, from, to, milestone, detail) = match line {
                Line::StateChanged { from, to } => ("state_changed", *from, Some(*to), None, None),
                Line::Milestone(milestone) => ("milestone", None, None, Some(milestone.as_str()), None),
                Line::Conflict { state, event } => (
                    "conflict",
                    Some(*state),
                    None,
                    None,
                    Some(format!("与“{}”矛盾 ({event:?} contradicts {state})", state.zh())),
                ),
                Line::Note { code, text } => ("note", None, None, None, Some(format!("{code}: {text}"))),
            };
            self.lines.push(PendingLine {
                transfer_id: id,
                request_id: request_id.clone(),
                kind,
                from: from.map(State::as_str),
                to: to.map(State::as_str),
                milestone,
                cause: cause.as_str(),
                detail,
                at: at.as_millisecond(),
            });
        }
    }

    /// Writes the lines that the transaction gathered.
    pub(super) async fn write_lines(&mut self) -> Result<(), StoreError> {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return Ok(());
        }
        self.lock_feed().await?;
        for (text, piece) in INSERT.pieces(&lines) {
            execute!(
                self,
                "writing the timeline",
                piece.iter().fold(sqlx::query(text), |query, line| {
                    query
                        .bind(line.transfer_id)
                        .bind(line.request_id.as_str())
                        .bind(line.kind)
                        .bind(line.from)
                        .bind(line.to)
                        .bind(line.milestone)
                        .bind(line.cause)
                        .bind(line.detail.as_deref())
                        .bind(line.at)
                })
            )?;
        }
        Ok(())
    }

    /// The feed after a cursor, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn feed(&mut self, after: i64, limit: u32) -> Result<Vec<FeedEvent>, StoreError> {
        let rows: Vec<EventRow> = on!(self, "reading the event feed", db => sqlx::query_as(
            "SELECT cursor, request_id, kind, from_state, to_state, milestone, cause, detail, at FROM events \
             WHERE cursor > $1 AND kind IN ('state_changed', 'milestone') ORDER BY cursor LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(db))?;
        rows.into_iter().map(|row| TimelineLine::try_from(row).map(|line| line.event)).collect()
    }

    /// The cursor after which the newest `count` events of the feed come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn feed_before_newest(&mut self, count: u32) -> Result<i64, StoreError> {
        on!(self, "finding the newest events", db => sqlx::query_scalar(
            "SELECT COALESCE(MIN(cursor) - 1, 0) FROM (SELECT cursor FROM events \
             WHERE kind IN ('state_changed', 'milestone') ORDER BY cursor DESC LIMIT $1) AS newest")
            .bind(i64::from(count))
            .fetch_one(db))
    }

    /// The timeline of one transfer, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn timeline(&mut self, id: i64) -> Result<Vec<TimelineLine>, StoreError> {
        let rows: Vec<EventRow> = on!(self, "reading a timeline", db => sqlx::query_as(
            "SELECT cursor, request_id, kind, from_state, to_state, milestone, cause, detail, at FROM events \
             WHERE transfer_id = $1 ORDER BY cursor")
            .bind(id)
            .fetch_all(db))?;
        rows.into_iter().map(TimelineLine::try_from).collect()
    }
}
