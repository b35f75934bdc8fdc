//! How many stand where, how fast they move, and what failed.

use crate::store::{Failures, Flow, Store, StoreError};
use crate::view::Bilingual;
use jiff::{SignedDuration, Timestamp};
use league_contract::System;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// So many days of verdicts are looked at.
const DAYS: i64 = 7;
/// What the flow calls a transfer that came in.
const TAKEN: &str = "taken";

/// How many transfers stand where, and how fast they move.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatsView {
    /// How many are in a state now: by system, by state.
    pub systems: BTreeMap<String, BTreeMap<String, i64>>,
    /// How they move, by system.
    pub pace: BTreeMap<String, PaceView>,
}

/// How a system's transfers move.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaceView {
    /// When the first of those that wait for their time is or was due.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_due: Option<Timestamp>,
    /// In the last hour, or up to ten minutes more.
    pub last_hour: FlowView,
    /// In the last day, or up to ten minutes more.
    pub last_day: FlowView,
    /// How long verdicts took lately; nothing where there was none.
    pub verdict: Option<VerdictView>,
}

/// What came in and what ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlowView {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Taken in.
    pub taken: i64,
    /// Ended, by state.
    pub ended: BTreeMap<String, i64>,
    /// Taken in, per hour.
    pub taken_per_hour: i64,
    /// Ended, per hour.
    pub ended_per_hour: i64,
}

/// From coming in until completed or rejected.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerdictView {
    /// Of today and so many days before, in UTC.
    pub days: i64,
    /// How many there were.
    pub number: i64,
    /// Half of them took this long or less, in milliseconds, within an eighth.
    pub p50_ms: i64,
    /// Nine of ten did.
    pub p90_ms: i64,
}

impl StatsView {
    /// Reads what is kept. Nothing is counted for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of(store: &Store, now: Timestamp) -> Result<Self, StoreError> {
        let mut tx = store.read("stats").await?;
        let before = |span: SignedDuration| now.checked_sub(span).unwrap_or(now);
        let mut systems: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        for one in tx.standing().await? {
            systems.entry(one.system).or_default().insert(one.state, one.number);
        }
        let hour = tx.flow(before(SignedDuration::from_hours(1))).await?;
        let day = tx.flow(before(SignedDuration::from_hours(24))).await?;
        let durations = tx.durations(before(SignedDuration::from_hours(24 * DAYS))).await?;
        let mut pace = BTreeMap::new();
        for name in systems.keys() {
            let oldest_due = match System::parse(name) {
                Some(system) => tx.next_due(&system).await?,
                None => None,
            };
            let verdict = durations.get(name).and_then(|durations| {
                let (p50_ms, p90_ms) = (durations.permille(500)?, durations.permille(900)?);
                Some(VerdictView { days: DAYS, number: durations.number(), p50_ms, p90_ms })
            });
            let (last_hour, last_day) = (FlowView::of(name, &hour, now), FlowView::of(name, &day, now));
            pace.insert(name.clone(), PaceView { oldest_due, last_hour, last_day, verdict });
        }
        Ok(Self { systems, pace })
    }
}

impl FlowView {
    fn of(system: &str, (since, flow): &(Timestamp, Vec<Flow>), now: Timestamp) -> Self {
        let own = flow.iter().filter(|one| one.system == system);
        let (mut taken, mut ended) = (0, BTreeMap::new());
        for Flow { what, number, .. } in own {
            if what == TAKEN {
                taken = *number;
            } else {
                ended.insert(what.clone(), *number);
            }
        }
        let millis = (now.as_millisecond() - since.as_millisecond()).max(1);
        let per_hour = |number: i64| (number * 3_600_000 + millis / 2) / millis;
        let all: i64 = ended.values().sum();
        Self { since: *since, taken, ended, taken_per_hour: per_hour(taken), ended_per_hour: per_hour(all) }
    }
}

/// What failed or was returned, by system and cause, the most first.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailuresView {
    /// The groups.
    pub groups: Vec<GroupView>,
    /// Of some system there are more than the newest 5,000 that were looked at: the counts are "at least".
    pub at_least: bool,
}

/// Transfers of a system that failed, or were returned, for one cause.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupView {
    /// Which system.
    pub system: String,
    /// `failed` or `returned`.
    pub state: String,
    /// The code of their last problem; empty where none stands there.
    pub code: String,
    /// How many.
    pub count: i64,
    /// When the first of them came to this.
    #[schema(value_type = String, format = DateTime)]
    pub oldest: Timestamp,
    /// When the last of them did.
    #[schema(value_type = String, format = DateTime)]
    pub newest: Timestamp,
    /// One of them.
    pub sample: String,
    /// What its problem was.
    pub problem: Option<Bilingual>,
}

impl From<Failures> for FailuresView {
    fn from(failures: Failures) -> Self {
        let groups = failures.groups.into_iter().map(|group| GroupView {
            system: group.system,
            state: group.state.to_string(),
            code: group.code,
            count: group.number,
            oldest: group.oldest,
            newest: group.newest,
            sample: group.sample.to_string(),
            problem: group.problem.map(|problem| Bilingual { zh: problem.zh, en: problem.en }),
        });
        Self { groups: groups.collect(), at_least: failures.at_least }
    }
}
