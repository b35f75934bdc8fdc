//! What administrators look at: lists of transfers, narrowed and sorted, and what failed by its cause.
//!
//! However many transfers there are, a page takes about as long. Either an index leads to what is looked for, or the page looks
//! at a stretch of [`STRETCH`] rows and says how far it came: its cursor goes on from there.

mod failures;
mod find;
mod query;

pub use failures::{Failures, Group};

use super::StoreError;
use super::batch::Batch;
use super::row::{Cell, TransferRow, transfer_columns};
use super::tx::Tx;
use super::{Stored, row::OfTransfer as _};
use crate::transfer::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use league_contract::{ProvinceCode, RequestId, System};
use query::{Query, Spot};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;

/// A page looks at no more rows than this, where no index leads to what is looked for.
pub const STRETCH: i64 = 20_000;
/// Nor at more than these, where they lie scattered: by an index, or along the timelines.
const SCATTERED: i64 = STRETCH / 8;

/// What a list is narrowed to: all of it together. What is left out does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// One of these states.
    #[serde(with = "words")]
    pub states: Vec<State>,
    /// This system.
    pub system: Option<System>,
    /// To this province.
    pub province_code: Option<ProvinceCode>,
    /// For this reason: its word.
    pub reason: Option<String>,
    /// Whose last problem has this code.
    pub error: Option<String>,
    /// Taken in at this instant or later.
    pub created_from: Option<Timestamp>,
    /// Taken in before this instant.
    pub created_before: Option<Timestamp>,
    /// Changed at this instant or later.
    pub updated_from: Option<Timestamp>,
    /// Not changed since this instant.
    pub updated_before: Option<Timestamp>,
    /// Held by an operator, or not.
    pub held: Option<bool>,
    /// Due at this instant or before: nobody works on it, nobody holds it.
    pub due_by: Option<Timestamp>,
    /// The receiving organization's name, typed or sent, has these characters in it.
    pub organization: Option<String>,
    /// This person's.
    pub person: Option<Person>,
    /// The request id begins so.
    pub request_id: Option<String>,
}

/// A person by blind index, as [`crate::seal::Sealer::person`] makes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Person(pub Vec<u8>);

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person")
    }
}

impl Serialize for Person {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Person {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map(Self).map_err(|_| serde::de::Error::custom("not a blind index"))
    }
}

/// States by their words.
mod words {
    use super::State;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(states: &[State], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(states.iter().map(|state| state.as_str()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<State>, D::Error> {
        let state = |word: String| State::parse(&word).ok_or_else(|| serde::de::Error::custom("not a state"));
        Vec::<String>::deserialize(deserializer)?.into_iter().map(state).collect()
    }
}

/// In which order a list is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// What came in last first.
    #[default]
    Newest,
    /// What came in first first.
    Oldest,
    /// What happened something to last first, by the timelines.
    Updated,
    /// What is due first first, of what waits for its time: held and leased ones do not.
    Due,
}

impl Sort {
    /// Every order.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Oldest, Self::Updated, Self::Due];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Updated => "updated",
            Self::Due => "due",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == word)
    }

    const fn descends(self) -> bool {
        matches!(self, Self::Newest | Self::Updated)
    }
}

/// Where a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Of a list in this order.
    pub sort: Sort,
    after: Spot,
}

/// A cursor's form.
const CURSOR_VERSION: u8 = 1;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = self.sort.as_str().as_bytes()[0];
        let mut bytes = vec![CURSOR_VERSION, letter];
        bytes.extend(self.after.place.to_be_bytes());
        bytes.extend(self.after.id.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl Cursor {
    /// A list from the oldest on goes on behind this transfer.
    #[must_use]
    pub const fn oldest(id: i64) -> Self {
        Self { sort: Sort::Oldest, after: Spot { place: id, id } }
    }

    /// Reads what a page gave out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let ([CURSOR_VERSION, letter], rest) = bytes.split_first_chunk()? else { return None };
        let (place, id) = rest.split_first_chunk()?;
        let sort = Sort::ALL.into_iter().find(|sort| sort.as_str().as_bytes()[0] == *letter)?;
        let after = Spot { place: i64::from_be_bytes(*place), id: i64::from_be_bytes(id.try_into().ok()?) };
        Some(Self { sort, after })
    }
}

/// A transfer that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The store's key.
    pub id: i64,
    /// Upstream's key, if that is sound.
    pub request_id: Option<RequestId>,
}

/// A page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// The transfers.
    pub rows: Vec<Stored>,
    /// Those that are damaged and can't be shown; the log names each.
    pub unreadable: Vec<Unreadable>,
    /// Where the list goes on; nothing at its end.
    pub next: Option<Cursor>,
    /// The page is not full and yet not the last: it looked as far as what came in (changed, is due) then.
    pub searched_to: Option<Timestamp>,
}

macro_rules! wanted {
    () => {
        concat!("SELECT ", transfer_columns!(), " FROM transfers JOIN v ON transfers.id = v.wanted")
    };
}

static WANTED: Batch<1> = Batch::new(["wanted"], wanted!());

impl Tx {
    /// A page of at most `limit` transfers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &mut self,
        filter: &Filter,
        sort: Sort,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        let after = after.filter(|cursor| cursor.sort == sort).map(|cursor| cursor.after);
        let mut found = self.find(filter, sort, after, limit + 1).await?;
        let more = found.spots.len() > limit;
        found.spots.truncate(limit);
        let (next, searched_to) = match (more, found.searched) {
            (true, _) => (found.spots.last().copied(), None),
            (false, None) => (None, None),
            (false, Some(spot)) => (Some(spot), Some(self.time_of(sort, spot).await?)),
        };
        let ids: Vec<i64> = found.spots.iter().map(|spot| spot.id).collect();
        let (rows, unreadable) = self.shown(&ids).await?;
        let next = next.map(|after| Cursor { sort, after });
        Ok(Page { rows, unreadable, next, searched_to })
    }

    /// The transfers of keys, in their order, and those of them that can't be read.
    async fn shown(&mut self, ids: &[i64]) -> Result<(Vec<Stored>, Vec<Unreadable>), StoreError> {
        let rows: Vec<TransferRow> =
            self.of_all("reading transfers", &WANTED, ids, |id| [(*id).into()]).await?;
        let mut rows: HashMap<i64, TransferRow> = rows.into_iter().map(|row| (row.id(), row)).collect();
        let (mut shown, mut unreadable) = (Vec::with_capacity(ids.len()), Vec::new());
        for row in ids.iter().filter_map(|id| rows.remove(id)) {
            let request_id = RequestId::parse(row.request_id());
            let damaged = Unreadable { id: row.id(), request_id };
            match Stored::try_from(row) {
                Ok(stored) => shown.push(stored),
                Err(error) => {
                    unreadable.push(damaged);
                    tracing::error!(%error, "a damaged transfer is left out of a list");
                }
            }
        }
        Ok((shown, unreadable))
    }

    /// What a place in an order is a time of.
    async fn time_of(&mut self, sort: Sort, spot: Spot) -> Result<Timestamp, StoreError> {
        let table = if sort == Sort::Updated { "events" } else { "transfers" };
        let (column, text) = match sort {
            Sort::Newest => ("created_at", "SELECT created_at, id FROM transfers WHERE id >= "),
            Sort::Oldest => ("created_at", "SELECT created_at, id FROM transfers WHERE id <= "),
            Sort::Updated => ("at", "SELECT at, cursor FROM events WHERE cursor >= "),
            Sort::Due => {
                return Cell { table, column: "due_at", id: spot.id }.time(spot.place);
            }
        };
        let order = match sort {
            Sort::Oldest => " ORDER BY id DESC LIMIT 1",
            Sort::Newest | Sort::Due => " ORDER BY id LIMIT 1",
            Sort::Updated => " ORDER BY cursor LIMIT 1",
        };
        let found = self.spots(&Query::default().text(text).value(spot.place).text(order)).await?;
        let at = found.first().map_or(0, |at| at.place);
        Cell { table, column, id: spot.id }.time(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        for sort in Sort::ALL {
            for (place, id) in [(0, 0), (1, 2), (-1, i64::MAX), (i64::MIN, 7)] {
                let cursor = Cursor { sort, after: Spot { place, id } };
                let text = cursor.to_string();
                assert_eq!(Cursor::parse(&text), Some(cursor));
                assert_eq!(Cursor::parse(&text[1..]), None);
                assert_eq!(Cursor::parse(&format!("{text}A")), None);
            }
        }
        for text in ["", "7", "x", "=", "AAAA", &URL_SAFE_NO_PAD.encode([1; 18]), &"A".repeat(100)] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_filter_is_kept_as_json() {
        let filter = Filter {
            states: vec![State::Failed, State::Returned],
            person: Some(Person(vec![1, 0xfe])),
            held: Some(false),
            ..Filter::default()
        };
        let text = serde_json::to_string(&filter).expect("it is JSON");
        assert_eq!(serde_json::from_str::<Filter>(&text).expect("it is read"), filter);
        assert!(!format!("{filter:?}").contains("fe"), "{filter:?}");
        assert_eq!(serde_json::from_str::<Filter>("{}").expect("it is read"), Filter::default());
        assert!(serde_json::from_str::<Filter>(r#"{"satte":[]}"#).is_err());
    }
}
