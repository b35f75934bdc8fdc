//! How a system stands: may it be spoken to, why not and since when, within which limits, and what waits for it.

use crate::alarm::AlarmKind;
use crate::gate::{Gate, Why, gate};
use crate::partner::Partner;
use crate::store::{Alarm, StoreError, SystemRow, Tx};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// What waits is counted so far: "ten thousand or more" says enough.
const MOST_COUNTED: i64 = 10_000;
/// More than can be open: one of a kind per system.
const OPEN_ALARMS: u32 = 1_000;

/// How a system stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SystemView {
    /// Its name: `smart_league`, `guangdong`, `fujian`.
    pub system: String,
    /// Its name for people, in Chinese.
    pub name: String,
    /// Its name for people, in English.
    pub name_en: String,
    /// `ready`, or why it is not spoken to: `suspended`, `paused`, `maintenance`, `resting`, `breaker`, `clock_skew`, `probing`.
    pub state: &'static str,
    /// The reason that was found or given.
    pub reason: Option<String>,
    /// Who paused it.
    pub by: Option<String>,
    /// Since when, where that is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Until when, or when it is probed next, where time alone changes it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// When it answered last, to the second.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success_at: Option<Timestamp>,
    /// When an exchange brought no usable answer last, to the second.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_failure_at: Option<Timestamp>,
    /// Transfers whose submit or its outcome is open, counted up to 10,000.
    pub backlog: i64,
    /// There are more than were counted.
    pub backlog_more: bool,
    /// When the next transfer is or was due.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_due: Option<Timestamp>,
    /// How long it has been due, in seconds.
    pub backlog_age_seconds: i64,
    /// The last sequence of its feed that is stored; 0 where it has none.
    pub feed_cursor: i64,
    /// What the configuration allows.
    pub limits: LimitsView,
}

/// What the configuration allows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LimitsView {
    /// Exchanges at a time, of each daemon.
    pub concurrency: u32,
    /// Exchanges in a second, over all daemons.
    pub rate_per_second: u32,
    /// The longest that one exchange may take, in seconds.
    pub timeout_seconds: f64,
    /// Submits that count before an operator is asked.
    pub max_attempts: u32,
    /// Failures in a row that open the breaker.
    pub breaker_failures: u32,
    /// Maintenance windows, in the time of Beijing.
    pub maintenance: Vec<String>,
}

impl SystemView {
    /// How a system stands now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(tx: &mut Tx, partner: &Partner, now: Timestamp) -> Result<Self, StoreError> {
        let row = tx.system(&partner.system).await?;
        let backlog = tx.backlog(&partner.system, MOST_COUNTED + 1).await?;
        let oldest_due = tx.next_due(&partner.system).await?;
        let (why, until) = standing(partner, &row, now);
        let since = match why.and_then(alarm) {
            Some(kind) => since(&tx.alarms(true, OPEN_ALARMS).await?, partner, kind),
            None => row.paused.as_ref().filter(|_| why == Some(Why::Paused)).map(|pause| pause.at),
        };
        let (reason, by) = match why {
            Some(Why::Suspended) => (row.suspended, None),
            Some(Why::Paused) => row.paused.map(|pause| (pause.reason, pause.by)).unzip(),
            Some(
                Why::Maintenance | Why::Resting | Why::Breaker | Why::ClockSkew | Why::Probing | Why::Rate,
            )
            | None => (None, None),
        };
        let age = oldest_due.map_or(0, |due| now.duration_since(due).as_secs().max(0));
        Ok(Self {
            system: partner.system.to_string(),
            name: partner.registration.name_zh.to_owned(),
            name_en: partner.registration.name_en.to_owned(),
            state: why.map_or("ready", Why::as_str),
            reason,
            by,
            since,
            until,
            failures: row.health.breaker.failures,
            last_success_at: row.health.answered_at,
            last_failure_at: row.health.failed_at,
            backlog: backlog.min(MOST_COUNTED),
            backlog_more: backlog > MOST_COUNTED,
            oldest_due,
            backlog_age_seconds: age,
            feed_cursor: row.feed_cursor,
            limits: LimitsView::of(partner),
        })
    }
}

impl LimitsView {
    fn of(partner: &Partner) -> Self {
        Self {
            concurrency: partner.policy.concurrency,
            rate_per_second: partner.limits.rate_per_second,
            timeout_seconds: partner.link().transport.longest().as_secs_f64(),
            max_attempts: partner.policy.max_attempts,
            breaker_failures: partner.limits.breaker_failures,
            maintenance: partner.limits.calendar.windows(),
        }
    }
}

/// The alarm that tells of it, and since when.
const fn alarm(why: Why) -> Option<AlarmKind> {
    match why {
        Why::Suspended => Some(AlarmKind::Suspended),
        Why::Breaker => Some(AlarmKind::Breaker),
        Why::ClockSkew => Some(AlarmKind::ClockSkew),
        Why::Paused | Why::Maintenance | Why::Resting | Why::Probing | Why::Rate => None,
    }
}

/// Since when an alarm of a system has been open.
fn since(open: &[Alarm], partner: &Partner, kind: AlarmKind) -> Option<Timestamp> {
    let ours = |alarm: &&Alarm| {
        alarm.kind == kind.as_str() && alarm.system.as_deref() == Some(partner.system.as_str())
    };
    open.iter().find(ours).map(|alarm| alarm.raised_at)
}

/// Why a system is not spoken to, and until when; nothing for one that is ready, also where its rate is used up for a
/// moment.
#[must_use]
pub fn standing(partner: &Partner, row: &SystemRow, now: Timestamp) -> (Option<Why>, Option<Timestamp>) {
    match gate(&row.asked(&partner.limits), now, 1) {
        Gate::Open { .. } | Gate::Closed { why: Why::Rate, .. } => (None, None),
        // Its time has come, and nobody has asked yet.
        Gate::Probe => (row.health.breaker.open(), None),
        Gate::Closed { why, until } => (Some(why), until),
    }
}

/// What came of a probe.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProbeView {
    /// Which system.
    pub system: String,
    /// What it was asked.
    pub operation: &'static str,
    /// `answered`, `refused`, `try_later`, `unclear`, `blocked`, `not_sent`.
    pub outcome: &'static str,
    /// Its code, if it gave one.
    pub code: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took.
    pub milliseconds: i64,
    /// `opened` or `closed`, where the breaker did just now.
    pub breaker: Option<&'static str>,
    /// It is suspended still: `resume` lifts that.
    pub suspended: bool,
}
