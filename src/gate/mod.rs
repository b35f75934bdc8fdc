//! The gate before each system: may it be spoken to now, how much, or only to see whether it is back?
//!
//! Pure: time is given, and what it remembers ([`Health`]) is read and written by the caller under the lock of the
//! system's row, so that it holds for all daemons together. In a turn:
//!
//! ```text
//! health.note(sign, …)        each exchange that ended          → the breaker opened or closed just now
//! gate(asked, now, wanted)    Open    → start at most so many,   health.bucket.take(…)
//!                             Probe   → one harmless exchange,   health.begin_probe(…), later health.note_probe(…)
//!                             Closed  → look again at `until`
//! ```

mod breaker;
mod bucket;
mod calendar;

pub use breaker::{Breaker, Change};
pub use bucket::Bucket;
pub use calendar::Calendar;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A whole system waits no longer than this for anything but its operator or its calendar: others than the one whose
/// answer named a day may be served, and a wrong `Retry-After` must not stop a province.
pub const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// What the configuration allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Exchanges in a second, 1 to 100,000, over all daemons.
    pub rate_per_second: u32,
    /// Failures in a row that open the breaker, at least 1.
    pub breaker_failures: u32,
    /// When the system is in maintenance.
    pub calendar: Calendar,
}

/// An operator's switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when; without one, until `systems resume`.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

impl Pause {
    /// Whether it holds still.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What an exchange that ended says about the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It answered, be it with a no.
    Answered,
    /// It answered that it does not want more now: load, or maintenance.
    Throttled {
        /// Not before, where it named an instant.
        until: Option<Timestamp>,
    },
    /// No answer, or none that can be read or trusted.
    Failed,
    /// Its clock and ours are too far apart: nothing would pass.
    Skewed,
}

/// What is remembered of a system's health. As JSON all fields may be missing, and unknown ones are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Failures in a row, and what follows from them.
    pub breaker: Breaker,
    /// What was taken of the rate.
    pub bucket: Bucket,
    /// Until when it asked for rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Timestamp>,
    /// Rests in a row, without an answer in between.
    #[serde(skip_serializing_if = "is_zero")]
    pub rests: u32,
    /// When it answered last, be it with a no; to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// When an exchange brought no answer, or none that can be used; to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Health {
    /// Takes note of an exchange that was no probe. `again` says when to try again after so many steps in a row
    /// (from 1): [`crate::retry::Schedule::next`]. Returns what became of the breaker just now.
    ///
    /// While the breaker is open failures count no more: they are of exchanges that began before.
    pub fn note(
        &mut self,
        sign: Sign,
        now: Timestamp,
        limits: &Limits,
        again: impl FnOnce(u32) -> Timestamp,
    ) -> Option<Change> {
        self.remember(sign, now);
        match sign {
            Sign::Answered | Sign::Throttled { .. } => self.answered(sign, now, again),
            Sign::Failed => self.breaker.failed(now, limits.breaker_failures, again),
            Sign::Skewed => self.breaker.skewed(now, again),
        }
    }

    /// Takes note of the probe that [`Health::begin_probe`] let out: an answer closes the breaker, everything else
    /// opens it again, longer. Parameters as of [`Health::note`].
    pub fn note_probe(
        &mut self,
        sign: Sign,
        now: Timestamp,
        again: impl FnOnce(u32) -> Timestamp,
    ) -> Option<Change> {
        self.breaker.probe_ended();
        self.remember(sign, now);
        match sign {
            Sign::Answered | Sign::Throttled { .. } => self.answered(sign, now, again),
            Sign::Failed => self.breaker.probe_failed(now, false, again),
            Sign::Skewed => self.breaker.probe_failed(now, true, again),
        }
    }

    /// Lets a probe out: no other goes before it is noted or `until` has passed, by which it must have ended.
    pub fn begin_probe(&mut self, now: Timestamp, until: Timestamp, limits: &Limits) {
        self.breaker.begin_probe(capped(until, now));
        self.bucket.take(1, limits.rate_per_second, now);
    }

    /// Forgets failures and rests, as an operator wishes; what was taken of the rate stays taken. Returns what became
    /// of the breaker just now.
    pub fn clear(&mut self) -> Option<Change> {
        self.resume_at = None;
        self.rests = 0;
        self.breaker.answered()
    }

    /// When it served us last, and when not. Within a second nothing moves: most turns then leave the row as it is.
    fn remember(&mut self, sign: Sign, now: Timestamp) {
        let slot = match sign {
            Sign::Answered | Sign::Throttled { .. } => &mut self.answered_at,
            Sign::Failed | Sign::Skewed => &mut self.failed_at,
        };
        if slot.is_none_or(|before| now.duration_since(before).abs() >= SignedDuration::from_secs(1)) {
            *slot = Some(now);
        }
    }

    /// It answered, be it that it wants rest: the breaker closes.
    fn answered(
        &mut self,
        sign: Sign,
        now: Timestamp,
        again: impl FnOnce(u32) -> Timestamp,
    ) -> Option<Change> {
        if let Sign::Throttled { until } = sign {
            self.rest(until, now, again);
        } else {
            self.rests = 0;
        }
        self.breaker.answered()
    }

    fn rest(&mut self, until: Option<Timestamp>, now: Timestamp, again: impl FnOnce(u32) -> Timestamp) {
        // What was under way together is told together: it counts as one rest.
        if awaited(self.resume_at, now).is_none() {
            self.rests = self.rests.saturating_add(1);
            self.resume_at = None;
        }
        let until = until.filter(|until| *until > now).unwrap_or_else(|| again(self.rests));
        self.resume_at = self.resume_at.max(Some(capped(until, now)));
    }
}

/// Not later than [`LONGEST_WAIT`] from now.
fn capped(at: Timestamp, now: Timestamp) -> Timestamp {
    at.min(now.saturating_add(LONGEST_WAIT).unwrap_or(Timestamp::MAX))
}

/// An instant that is still to come. One further away than any wait was written before a clock went backwards: it
/// holds nobody up.
fn awaited(at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    at.filter(|at| *at > now && at.duration_since(now) <= LONGEST_WAIT + LONGEST_WAIT)
}

/// What the gate decides by.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// It refused our credentials, or an operator has to look at something else before anything passes.
    pub suspended: bool,
    /// An operator's switch, if one is set.
    pub paused: Option<&'a Pause>,
    /// What the configuration allows.
    pub limits: &'a Limits,
    /// What is remembered.
    pub health: &'a Health,
}

/// Whether a system may be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open {
        /// In at most so many exchanges, 0 only where none was wanted.
        exchanges: u32,
    },
    /// One harmless exchange, to see whether it is back.
    Probe,
    /// It may not.
    Closed {
        /// Why.
        why: Why,
        /// When to ask again, where time alone can change it.
        until: Option<Timestamp>,
    },
}

/// Why a gate is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It refused our credentials.
    Suspended,
    /// An operator's switch.
    Paused,
    /// The calendar says so.
    Maintenance,
    /// It asked for rest.
    Resting,
    /// Too many failures in a row.
    Breaker,
    /// Its clock and ours are too far apart.
    ClockSkew,
    /// A probe is out.
    Probing,
    /// The rate is used up for the moment.
    Rate,
}

impl Why {
    /// The word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Paused => "paused",
            Self::Maintenance => "maintenance",
            Self::Resting => "resting",
            Self::Breaker => "breaker",
            Self::ClockSkew => "clock_skew",
            Self::Probing => "probing",
            Self::Rate => "rate",
        }
    }
}

/// Decides. Changes nothing: what is started is told to [`Health`] by whoever starts it.
#[must_use]
pub fn gate(asked: &Asked<'_>, now: Timestamp, wanted: u32) -> Gate {
    let closed = |why, until| Gate::Closed { why, until };
    let Asked { suspended, paused, limits, health } = asked;
    if *suspended {
        return closed(Why::Suspended, None);
    }
    if let Some(pause) = paused.filter(|pause| pause.holds(now)) {
        return closed(Why::Paused, pause.until);
    }
    if let Some(until) = limits.calendar.closed_until(now) {
        return closed(Why::Maintenance, Some(until));
    }
    if let Some(until) = awaited(health.resume_at, now) {
        return closed(Why::Resting, Some(until));
    }
    if let Some(why) = health.breaker.open() {
        return match (health.breaker.probe_ends(now), health.breaker.probe_due(now)) {
            (Some(until), _) => closed(Why::Probing, Some(until)),
            (None, Some(until)) => closed(why, Some(until)),
            (None, None) => Gate::Probe,
        };
    }
    let rate = limits.rate_per_second;
    match wanted.min(health.bucket.available(rate, now)) {
        0 if wanted > 0 => closed(Why::Rate, Some(health.bucket.next_at(rate, now))),
        exchanges => Gate::Open { exchanges },
    }
}

#[cfg(test)]
mod tests;
