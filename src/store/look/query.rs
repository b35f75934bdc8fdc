//! Queries that are put together from constant words and places for values: no value ever stands in a text.

use super::Filter;
use crate::store::StoreError;
use crate::store::batch::Value;
use crate::store::tx::{Tx, on};
use jiff::Timestamp;
use sqlx::query::QueryAs;
use sqlx::{AssertSqlSafe, Database, Encode, Type};

/// A place in an order, and the transfer that stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub(super) struct Spot {
    pub(super) place: i64,
    pub(super) id: i64,
}

/// A text and its values, in order.
#[derive(Default)]
pub(super) struct Query<'a> {
    text: String,
    values: Vec<Value<'a>>,
}

/// Which conditions the rows that are read fulfil already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    Nothing,
    /// State and system.
    Standing,
    Held,
    /// System, due, not held, not leased.
    Due,
}

impl<'a> Query<'a> {
    pub(super) fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// The text so far, in a larger one.
    pub(super) fn within(mut self, before: &str, behind: &str) -> Self {
        self.text.insert_str(0, before);
        self.text(behind)
    }

    /// A place for a value.
    pub(super) fn value(mut self, value: impl Into<Value<'a>>) -> Self {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.text(&place)
    }

    fn time(self, at: Timestamp) -> Self {
        self.value(at.as_millisecond())
    }

    /// The states' words, as they stand in the program.
    pub(super) fn states(self, states: &[crate::transfer::State]) -> Self {
        let words: Vec<String> = states.iter().map(|state| format!("'{}'", state.as_str())).collect();
        self.text(&words.join(", "))
    }

    /// Several texts, as a list of places.
    pub(super) fn list(mut self, values: &'a [String]) -> Self {
        for (at, value) in values.iter().enumerate() {
            self = self.text(if at == 0 { "" } else { ", " }).value(value.as_str());
        }
        self
    }

    /// `AND`, and what a filter asks for beside what is served. Nothing where that is all.
    ///
    /// What an index has is said so that none is used for it: a page has chosen its way, and a database that goes by another one,
    /// say by a system's index instead of along the keys, would read and sort all of that system's.
    pub(super) fn narrowed(self, filter: &'a Filter, served: Served) -> Self {
        self.by_standing(filter, served).by_time(filter).by_words(filter)
    }

    fn by_standing(mut self, filter: &'a Filter, served: Served) -> Self {
        let Filter { states, system, held, due_by, .. } = filter;
        if let Some(system) = system.as_ref().filter(|_| !matches!(served, Served::Standing | Served::Due)) {
            self = self.text(" AND COALESCE(transfers.system, '') = ").value(system.as_str());
        }
        if !states.is_empty() && served != Served::Standing {
            self = self.text(" AND COALESCE(transfers.state, '') IN (").states(states).text(")");
        }
        if let Some(held) = held.filter(|_| !matches!(served, Served::Held | Served::Due)) {
            self = self.text(" AND transfers.held IS ").text(if held { "NOT NULL" } else { "NULL" });
        }
        match due_by {
            Some(at) if served != Served::Due => {
                self.text(" AND ").text(WAITS).text(" AND transfers.due_at + 0 <= ").time(*at)
            }
            Some(_) | None => self,
        }
    }

    fn by_time(mut self, filter: &'a Filter) -> Self {
        for (condition, at) in [
            (" AND transfers.created_at >= ", filter.created_from),
            (" AND transfers.created_at < ", filter.created_before),
            (" AND transfers.updated_at >= ", filter.updated_from),
            (" AND transfers.updated_at < ", filter.updated_before),
        ] {
            if let Some(at) = at {
                self = self.text(condition).time(at);
            }
        }
        self
    }

    fn by_words(mut self, filter: &'a Filter) -> Self {
        if let Some(code) = filter.province_code {
            self = self.text(" AND transfers.province_code = ").value(code.to_string());
        }
        if let Some(reason) = &filter.reason {
            self = self.text(" AND transfers.reason = ").value(reason.as_str());
        }
        if let Some(code) = &filter.error {
            // As `LastError` is written, its code first. A function for JSON would fail at a damaged row.
            let begins = format!("{{\"code\":{},", serde_json::Value::from(code.as_str()));
            let length = i64::try_from(begins.chars().count()).unwrap_or(i64::MAX);
            self = self.text(" AND substr(transfers.last_error, 1, ").value_of_length(length).value(begins);
        }
        if let Some(part) = &filter.organization {
            // "Contains" in words of both databases, without wildcards of its own.
            self = self.text(" AND (replace(transfers.destination_name, ").value(part.as_str());
            self = self.text(", '') <> transfers.destination_name OR replace(transfers.sent_name, ");
            self = self.value(part.as_str()).text(", '') <> transfers.sent_name)");
        }
        if let Some(person) = &filter.person {
            self = self.text(" AND transfers.person = ").value(person.0.as_slice());
        }
        if let Some(prefix) = &filter.request_id {
            self = self.text(" AND ").range("COALESCE(transfers.request_id, '')", prefix);
        }
        self
    }

    fn value_of_length(self, length: i64) -> Self {
        self.text(&length.to_string()).text(") = ")
    }

    /// A range of request ids. They are ASCII, and in the order of their bytes.
    pub(super) fn begins(self, prefix: &'a str) -> Self {
        self.range("transfers.request_id", prefix)
    }

    fn range(self, column: &str, prefix: &'a str) -> Self {
        // Behind every character that an id may have.
        let end = format!("{prefix}~");
        let query = self.text(column).text(" >= ").value(prefix).text(" AND ");
        query.text(column).text(" < ").value(end)
    }

    /// Whether something was asked beside `other`.
    pub(super) fn is_longer_than(&self, other: &str) -> bool {
        self.text.len() > other.len()
    }
}

/// Whoever waits for their time, in the words of the claim's index.
pub(super) const WAITS: &str =
    "transfers.due_at IS NOT NULL AND transfers.lease_token IS NULL AND transfers.held IS NULL";

fn bound<'q, DB: Database, O>(
    query: QueryAs<'q, DB, O, DB::Arguments>,
    values: &'q [Value<'q>],
) -> QueryAs<'q, DB, O, DB::Arguments>
where
    Option<i64>: Encode<'q, DB> + Type<DB>,
    Option<&'q str>: Encode<'q, DB> + Type<DB>,
    Option<&'q [u8]>: Encode<'q, DB> + Type<DB>,
{
    values.iter().fold(query, |query, value| match value {
        Value::Int(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.as_deref()),
        Value::Bytes(bytes) => query.bind(*bytes),
    })
}

impl Tx {
    /// What a query finds: places and transfers.
    pub(super) async fn spots(&mut self, query: &Query<'_>) -> Result<Vec<Spot>, StoreError> {
        let found: Vec<(i64, i64)> = on!(self, "looking for transfers", db => bound(
            sqlx::query_as(AssertSqlSafe(query.text.clone())),
            &query.values,
        ).fetch_all(db))?;
        Ok(found.into_iter().map(|(place, id)| Spot { place, id }).collect())
    }
}
