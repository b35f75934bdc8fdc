//! The timeline of every transfer, and the event feed that upstream reads.

use super::StoreError;
use super::alarms::Turned;
use super::batch::{Batch, Value};
use super::counts::{Arrivals, Change, Counted, add, arrive};
use super::dialect::lock_feed_postgres;
use super::row::{Cell, json, storable};
use super::tx::{Tx, on};
use crate::transfer::{Cause, Line, State};
use jiff::Timestamp;
use league_contract::RequestId;
use serde::Serialize;

/// One event of the feed, as upstream sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FeedEvent {
    /// Its place: ask for what comes after it.
    pub cursor: i64,
    /// Upstream's key of the transfer; nothing for an alarm.
    pub request_id: Option<String>,
    /// `state_changed`, `milestone` or `alarm`.
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
    /// Of an alarm alone.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = AlarmNews)]
    pub news: Option<AlarmNews>,
}

/// What an event of type `alarm` says beside the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AlarmNews {
    /// Which system; nothing where it is the gateway itself.
    pub system: Option<String>,
    /// `suspended`, `breaker`, `backlog`, `conflicts`, `lapses`, `clock_skew`, `set_aside`, `webhook`, `keys`, `audit`.
    #[schema(required = false)]
    pub alarm: String,
    /// Raised, or cleared.
    #[schema(required = false)]
    pub raised: bool,
    /// What was found, or who cleared it and why, in Chinese.
    #[schema(required = false)]
    pub detail: String,
    /// The same in English.
    #[schema(required = false)]
    pub detail_en: String,
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
    request_id: Option<String>,
    kind: String,
    from_state: Option<String>,
    to_state: Option<String>,
    milestone: Option<String>,
    cause: String,
    detail: Option<String>,
    at: i64,
    system: Option<String>,
    alarm: Option<String>,
}

impl TryFrom<EventRow> for TimelineLine {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let cell = |column| Cell { table: "events", column, id: row.cursor };
        let at = cell("at").time(row.at)?;
        let mut to = row.to_state;
        let news = match row.alarm {
            None => None,
            Some(alarm) => {
                let [detail, detail_en] = cell("detail").json(row.detail.as_deref().unwrap_or_default())?;
                let raised = to.take().as_deref() == Some(RAISED);
                Some(AlarmNews { system: row.system, alarm, raised, detail, detail_en })
            }
        };
        Ok(Self {
            event: FeedEvent {
                cursor: row.cursor,
                request_id: row.request_id,
                kind: row.kind,
                from: row.from_state,
                to,
                milestone: row.milestone,
                cause: row.cause,
                at,
                news,
            },
            detail: row.detail,
        })
    }
}

/// A line that waits for its transaction's commit.
pub(super) struct PendingLine {
    transfer_id: Option<i64>,
    request_id: Option<RequestId>,
    kind: &'static str,
    from: Option<&'static str>,
    to: Option<&'static str>,
    milestone: Option<&'static str>,
    cause: &'static str,
    detail: Option<String>,
    at: i64,
    system: Option<String>,
    alarm: Option<&'static str>,
}

/// Where a change of state has the state after it, an alarm has one of these.
const RAISED: &str = "raised";
const CLEARED: &str = "cleared";

macro_rules! insert {
    ($from:literal) => {
        concat!(
            "INSERT INTO events (transfer_id, request_id, kind, from_state, to_state, milestone, cause, detail, at, system, alarm) \
             SELECT transfer_id, request_id, kind, from_state, to_state, milestone, cause, detail, at, system, alarm ",
            $from
        )
    };
}

/// The columns of a line, and more.
macro_rules! line_columns {
    ($($more:literal),*) => {
        [
            "kind",
            "transfer_id",
            "request_id",
            "from_state",
            "to_state",
            "milestone",
            "cause",
            "detail",
            "at",
            "system",
            "alarm",
            $($more),*
        ]
    };
}

/// The kind comes first: it is never NULL, and an alarm has no transfer.
static INSERT: Batch<11> = Batch::new(line_columns!(), insert!("FROM v"));

/// PostgreSQL: everything with which a transaction ends, in one statement: the feed's lock, and only then what is counted and the
/// lines. Their rows stand side by side, and are of different numbers: each part passes over those that are empty.
static END_POSTGRES: Batch<19> = Batch::new(
    line_columns!("count_kind", "since", "count_system", "what", "change", "hour", "first_id", "last_id"),
    concat!(
        ", feed AS MATERIALIZED (",
        lock_feed_postgres!(),
        "), counted AS (",
        add!("count_kind, since, count_system, what, change FROM feed, v WHERE count_kind IS NOT NULL"),
        "), arrived AS (",
        arrive!("hour, first_id, last_id FROM feed, v WHERE hour IS NOT NULL"),
        ") ",
        insert!("FROM feed, v WHERE kind IS NOT NULL")
    ),
);

impl PendingLine {
    /// The columns of [`INSERT`]; all empty where there is none.
    fn columns(one: Option<&Self>) -> [Value<'_>; 11] {
        [
            one.map(|one| one.kind).into(),
            one.and_then(|one| one.transfer_id).into(),
            one.and_then(|one| one.request_id.as_ref()).map(RequestId::as_str).into(),
            one.and_then(|one| one.from).into(),
            one.and_then(|one| one.to).into(),
            one.and_then(|one| one.milestone).into(),
            one.map(|one| one.cause).into(),
            storable(one.and_then(|one| one.detail.as_deref())).into(),
            one.map(|one| one.at).into(),
            one.and_then(|one| one.system.as_deref()).into(),
            one.and_then(|one| one.alarm).into(),
        ]
    }
}

fn alarm_line(turned: &Turned) -> PendingLine {
    PendingLine {
        transfer_id: None,
        request_id: None,
        kind: "alarm",
        from: None,
        to: Some(if turned.raised { RAISED } else { CLEARED }),
        milestone: None,
        cause: turned.cause.as_str(),
        detail: Some(json(&turned.detail)),
        at: turned.at.as_millisecond(),
        system: Some(turned.system.clone()).filter(|system| !system.is_empty()),
        alarm: Some(turned.kind.as_str()),
    }
}

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
                transfer_id: Some(id),
                request_id: Some(request_id.clone()),
                kind,
                from: from.map(State::as_str),
                to: to.map(State::as_str),
                milestone,
                cause: cause.as_str(),
                detail,
                at: at.as_millisecond(),
                system: None,
                alarm: None,
            });
        }
    }

    /// Gathers the lines of the alarms that the transaction turned.
    pub(super) fn append_alarms(&mut self) {
        self.lines.extend(self.turned.iter().map(alarm_line));
    }

    /// Writes the lines that the transaction gathered so far, and what it counted.
    pub(super) async fn write_lines(&mut self) -> Result<(), StoreError> {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() && !self.counted() {
            return Ok(());
        }
        let counted = self.take_counts();
        if self.locks() {
            return self.end(&lines, &counted).await;
        }
        self.write_counts(&counted).await?;
        self.for_all("writing the timeline", &INSERT, &lines, |line| PendingLine::columns(Some(line))).await
    }

    /// PostgreSQL: the same in one round trip.
    async fn end(&mut self, lines: &[PendingLine], counted: &Counted) -> Result<(), StoreError> {
        let Counted { changes, arrivals } = counted;
        let rows: Vec<_> = (0..lines.len().max(changes.len()).max(arrivals.len()))
            .map(|row| (lines.get(row), changes.get(row), arrivals.get(row)))
            .collect();
        self.for_all("writing the timeline", &END_POSTGRES, &rows, |(line, change, arrival)| {
            let [a, b, c, d, e, f, g, h, i, j, k] = PendingLine::columns(*line);
            let [l, m, n, o, p] = Change::columns(*change);
            let [q, r, s] = Arrivals::columns(*arrival);
            [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s]
        })
        .await
    }

    /// The feed after a cursor, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn feed(&mut self, after: i64, limit: u32) -> Result<Vec<FeedEvent>, StoreError> {
        let rows: Vec<EventRow> = on!(self, "reading the event feed", db => sqlx::query_as(
            "SELECT cursor, request_id, kind, from_state, to_state, milestone, cause, detail, at, system, alarm FROM events \
             WHERE cursor > $1 AND kind IN ('state_changed', 'milestone', 'alarm') ORDER BY cursor LIMIT $2")
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
             WHERE kind IN ('state_changed', 'milestone', 'alarm') ORDER BY cursor DESC LIMIT $1) AS newest")
            .bind(i64::from(count))
            .fetch_one(db))
    }

    /// The timeline of one transfer, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn timeline(&mut self, id: i64) -> Result<Vec<TimelineLine>, StoreError> {
        let rows: Vec<EventRow> = on!(self, "reading a timeline", db => sqlx::query_as(
            "SELECT cursor, request_id, kind, from_state, to_state, milestone, cause, detail, at, system, alarm FROM events \
             WHERE transfer_id = $1 ORDER BY cursor")
            .bind(id)
            .fetch_all(db))?;
        rows.into_iter().map(TimelineLine::try_from).collect()
    }
}
