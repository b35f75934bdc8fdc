//! Counts that are kept instead of taken: how many transfers stand where, what came and went, how long a verdict took.
//!
//! A transaction gathers what it changes and writes it with its commit, in one statement, after it has the event feed's lock.
//! Whoever changes a state has that lock until its commit is visible in any case, so that the few rows here are nobody's
//! bottleneck, and each sum is exact.

use super::StoreError;
use super::batch::{Batch, Value};
use super::row::Cell;
use super::tx::{Tx, execute, on};
use crate::transfer::{Entry, Line, State};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What a transaction changes in the counts.
#[derive(Default)]
pub(super) struct Pending {
    changes: BTreeMap<Place, i64>,
    /// The first and last key of each hour's new transfers.
    arrivals: BTreeMap<i64, (i64, i64)>,
}

/// A row of `counts`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kind: &'static str,
    since: i64,
    system: String,
    what: String,
}

const STANDING: &str = "standing";
const FLOW: &str = "flow";
const VERDICT: &str = "verdict";
/// What the flow calls a transfer that came in; what ends is called by its state.
const TAKEN: &str = "taken";

const TEN_MINUTES: i64 = 600_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 86_400_000;

/// How many transfers of a system are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which system.
    pub system: String,
    /// Which state.
    pub state: String,
    /// How many.
    pub number: i64,
}

/// What came to a system and what ended since an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Which system.
    pub system: String,
    /// `taken`, or the state in which it ended.
    pub what: String,
    /// How many.
    pub number: i64,
}

/// How long verdicts took, from the transfer's coming in until it was completed or rejected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    /// At least so many milliseconds, and how many took that long.
    steps: BTreeMap<i64, i64>,
}

impl Durations {
    /// How many there were.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.steps.values().sum()
    }

    /// So many of a thousand took this many milliseconds or less, within an eighth; nothing where there was none.
    #[must_use]
    pub fn permille(&self, share: i64) -> Option<i64> {
        let wanted = (self.number() * share + 999) / 1000;
        let mut seen = 0;
        for (step, number) in &self.steps {
            if seen + number >= wanted && *number > 0 {
                // As if those of a step were spread over it.
                return Some(step + (next_step(*step) - step) * (wanted - seen) / number);
            }
            seen += number;
        }
        None
    }
}

/// The step that a duration in milliseconds belongs to: eight between a number and its double.
fn step(millis: i64) -> i64 {
    let millis = millis.max(1);
    let shift = i64::from(millis.ilog2()) - 3;
    if shift <= 0 { millis } else { millis >> shift << shift }
}

fn next_step(step: i64) -> i64 {
    let shift = i64::from(step.max(1).ilog2()) - 3;
    if shift <= 0 { step + 1 } else { step + (1 << shift) }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.arrivals.is_empty()
    }

    fn add(&mut self, kind: &'static str, since: i64, system: &str, what: &str, change: i64) {
        let place = Place { kind, since, system: system.to_owned(), what: what.to_owned() };
        *self.changes.entry(place).or_default() += change;
    }

    fn ended(&mut self, entry: &Entry, state: State, at: i64) {
        let system = entry.system.as_str();
        self.add(FLOW, at / TEN_MINUTES * TEN_MINUTES, system, state.as_str(), 1);
        if matches!(state, State::Completed | State::Rejected) {
            let took = step(at - entry.created_at.as_millisecond()).to_string();
            self.add(VERDICT, at / DAY * DAY, system, &took, 1);
        }
    }
}

/// Adds to the counts what it selects. (SQLite takes `ON` for a join's where there is no WHERE.)
macro_rules! add {
    ($selected:literal) => {
        concat!(
            "INSERT INTO counts (kind, since, system, what, number) SELECT ",
            $selected,
            " ON CONFLICT (kind, since, system, what) DO UPDATE SET number = counts.number + excluded.number"
        )
    };
}
pub(super) use add;

/// Widens the hours that it selects.
macro_rules! arrive {
    ($selected:literal) => {
        concat!(
            "INSERT INTO arrivals (hour, first_id, last_id) SELECT ",
            $selected,
            " ON CONFLICT (hour) DO UPDATE SET \
             first_id = CASE WHEN excluded.first_id < arrivals.first_id THEN excluded.first_id ELSE arrivals.first_id END, \
             last_id = CASE WHEN excluded.last_id > arrivals.last_id THEN excluded.last_id ELSE arrivals.last_id END"
        )
    };
}
pub(super) use arrive;

static ADD: Batch<5> = Batch::new(
    ["kind", "since", "system", "what", "change"],
    add!("kind, since, system, what, change FROM v WHERE TRUE"),
);

static ARRIVE: Batch<3> =
    Batch::new(["hour", "first_id", "last_id"], arrive!("hour, first_id, last_id FROM v WHERE TRUE"));

/// What a transaction counted, as rows.
pub(super) struct Counted {
    pub(super) changes: Vec<Change>,
    pub(super) arrivals: Vec<Arrivals>,
}

/// By how much a row of `counts` changes.
pub(super) struct Change(Place, i64);

/// The first and last key of an hour's new transfers.
pub(super) struct Arrivals(i64, (i64, i64));

impl Change {
    /// Kind, since, system, what, change; all empty where there is none.
    pub(super) fn columns(one: Option<&Self>) -> [Value<'_>; 5] {
        let place = one.map(|Self(place, _)| place);
        [
            place.map(|place| place.kind).into(),
            place.map(|place| place.since).into(),
            place.map(|place| place.system.as_str()).into(),
            place.map(|place| place.what.as_str()).into(),
            one.map(|Self(_, change)| *change).into(),
        ]
    }
}

impl Arrivals {
    /// Hour, first key, last key; all empty where there is none.
    pub(super) fn columns(one: Option<&Self>) -> [Value<'_>; 3] {
        let Some(Self(hour, (first, last))) = one else { return [const { Value::Int(None) }; 3] };
        [(*hour).into(), (*first).into(), (*last).into()]
    }
}

impl Tx {
    /// Counts what the lines of a transfer say of its state.
    pub(super) fn count_lines(&mut self, entry: &Entry, lines: &[Line], at: Timestamp) {
        for line in lines {
            let Line::StateChanged { from, to } = line else { continue };
            self.count_move(entry.system.as_str(), from.map(State::as_str), to.as_str());
            let at = at.as_millisecond();
            if from.is_none() {
                let since = at / TEN_MINUTES * TEN_MINUTES;
                self.counts.add(FLOW, since, entry.system.as_str(), TAKEN, 1);
            }
            if to.is_final() {
                self.counts.ended(entry, *to, at);
            }
        }
    }

    /// Counts a transfer from one state to another of the same system.
    pub(super) fn count_move(&mut self, system: &str, from: Option<&str>, to: &str) {
        if let Some(from) = from {
            self.counts.add(STANDING, 0, system, from, -1);
        }
        self.counts.add(STANDING, 0, system, to, 1);
    }

    /// Counts a transfer out of one system and into another, in the same state.
    pub(super) fn count_system(&mut self, state: &str, from: &str, to: &str) {
        self.counts.add(STANDING, 0, from, state, -1);
        self.counts.add(STANDING, 0, to, state, 1);
    }

    /// Notes the key of a new transfer with its hour.
    pub(super) fn count_arrival(&mut self, id: i64, created_at: Timestamp) {
        let hour = created_at.as_millisecond() / HOUR * HOUR;
        let (first, last) = self.counts.arrivals.entry(hour).or_insert((id, id));
        (*first, *last) = ((*first).min(id), (*last).max(id));
    }

    /// Whether there is something to write.
    pub(super) fn counted(&self) -> bool {
        !self.counts.is_empty()
    }

    /// What was counted so far, to be written.
    pub(super) fn take_counts(&mut self) -> Counted {
        let Pending { changes, arrivals } = std::mem::take(&mut self.counts);
        let changes = changes.into_iter().filter(|(_, change)| *change != 0);
        Counted {
            changes: changes.map(|(place, change)| Change(place, change)).collect(),
            arrivals: arrivals.into_iter().map(|(hour, keys)| Arrivals(hour, keys)).collect(),
        }
    }

    /// Writes what was counted. The caller has the feed's lock.
    pub(super) async fn write_counts(&mut self, counted: &Counted) -> Result<(), StoreError> {
        self.for_all("counting", &ADD, &counted.changes, |one| Change::columns(Some(one))).await?;
        self.for_all("noting arrivals", &ARRIVE, &counted.arrivals, |one| Arrivals::columns(Some(one))).await
    }

    /// How many transfers stand in each state of each system, in order of their names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn standing(&mut self) -> Result<Vec<Standing>, StoreError> {
        let rows: Vec<(String, String, i64)> = on!(self, "reading the counts", db => sqlx::query_as(
            "SELECT system, what, number FROM counts WHERE kind = 'standing' AND since = 0 AND number <> 0 \
             ORDER BY system, what").fetch_all(db))?;
        Ok(rows.into_iter().map(|(system, state, number)| Standing { system, state, number }).collect())
    }

    /// What came and what ended from an instant on, and the instant from which on it was counted: the ten minutes before it are
    /// in it as a whole.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn flow(&mut self, since: Timestamp) -> Result<(Timestamp, Vec<Flow>), StoreError> {
        let begins = since.as_millisecond() / TEN_MINUTES * TEN_MINUTES;
        let rows: Vec<(String, String, i64)> = on!(self, "reading what came and went", db => sqlx::query_as(
            "SELECT system, what, CAST(SUM(number) AS BIGINT) FROM counts WHERE kind = 'flow' AND since >= $1 \
             GROUP BY system, what ORDER BY system, what").bind(begins).fetch_all(db))?;
        let flow = rows.into_iter().map(|(system, what, number)| Flow { system, what, number }).collect();
        Ok((Cell { table: "counts", column: "since", id: 0 }.time(begins)?, flow))
    }

    /// How long the verdicts of the days from an instant's on took, by system.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn durations(&mut self, since: Timestamp) -> Result<BTreeMap<String, Durations>, StoreError> {
        let begins = since.as_millisecond() / DAY * DAY;
        let rows: Vec<(String, String, i64)> = on!(self, "reading how long verdicts took", db => sqlx::query_as(
            "SELECT system, what, CAST(SUM(number) AS BIGINT) FROM counts WHERE kind = 'verdict' AND since >= $1 \
             GROUP BY system, what").bind(begins).fetch_all(db))?;
        let mut found: BTreeMap<String, Durations> = BTreeMap::new();
        for (system, what, number) in rows {
            let cell = Cell { table: "counts", column: "what", id: 0 };
            let step = what.parse().map_err(|_| cell.bad("not a duration"))?;
            found.entry(system).or_default().steps.insert(step, number);
        }
        Ok(found)
    }

    /// Counts the transfers anew, after a hand has changed states in the database: all of them are read, and nobody else changes a
    /// state meanwhile. Returns whether the counts had been wrong.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recount(&mut self) -> Result<bool, StoreError> {
        // Whoever changed a state and has not committed yet adds to what is counted here.
        self.lock_feed().await?;
        let before = self.standing().await?;
        execute!(self, "forgetting the counts", sqlx::query("DELETE FROM counts WHERE kind = 'standing'"))?;
        execute!(
            self,
            "counting anew",
            sqlx::query(
                "INSERT INTO counts (kind, since, system, what, number) \
                 SELECT 'standing', 0, system, state, COUNT(*) FROM transfers GROUP BY system, state"
            )
        )?;
        Ok(self.standing().await? != before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_an_eighth_wide_and_follow_each_other() {
        let mut at = 1;
        while at < 10_000_000_000 {
            assert_eq!(step(at), at, "a step begins with itself");
            let next = next_step(at);
            assert_eq!((step(next - 1), step(next)), (at, next));
            assert!(next - at <= (at / 8).max(1), "{at}");
            at = next;
        }
        assert_eq!((step(0), step(-5)), (1, 1), "a clock that was put back");
    }

    #[test]
    fn shares_of_durations_are_found_within_a_step() {
        assert_eq!(Durations::default().permille(500), None);
        let mut all = Durations::default();
        for millis in 1..=10_000 {
            *all.steps.entry(step(millis)).or_default() += 1;
        }
        assert_eq!(all.number(), 10_000);
        for (share, exact) in [(500, 5_000), (900, 9_000), (990, 9_900)] {
            let found = all.permille(share).expect("there are some");
            assert!((found - exact).abs() * 8 <= exact, "{share}: {found}");
        }
    }
}
