//! The breaker: after too many failures in a row nothing is sent but a probe, one at a time among all daemons.

use super::{Why, awaited, capped, is_zero};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of a breaker just now. An alarm is raised with the one and cleared with the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It opened; [`Breaker::open`] says why.
    Opened,
    /// It closed.
    Closed,
}

/// Failures in a row, and what follows from them. Open is what has openings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breaker {
    /// Failures in a row.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Openings in a row: 0 is closed.
    #[serde(skip_serializing_if = "is_zero")]
    pub openings: u32,
    /// When a probe may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_at: Option<Timestamp>,
    /// A probe is out, and has ended by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probing_until: Option<Timestamp>,
    /// It is open because the clocks are too far apart.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skewed: bool,
}

impl Breaker {
    /// Why it is open; nothing for a closed one.
    #[must_use]
    pub const fn open(&self) -> Option<Why> {
        match (self.openings, self.skewed) {
            (0, _) => None,
            (_, true) => Some(Why::ClockSkew),
            (_, false) => Some(Why::Breaker),
        }
    }

    /// When the probe that is out will have ended, if one is.
    #[must_use]
    pub fn probe_ends(&self, now: Timestamp) -> Option<Timestamp> {
        awaited(self.probing_until, now)
    }

    /// When a probe may go, if not now.
    #[must_use]
    pub fn probe_due(&self, now: Timestamp) -> Option<Timestamp> {
        awaited(self.probe_at, now)
    }

    /// A probe that is out stays out: should it open again at once, no second one goes beside it.
    pub(super) fn answered(&mut self) -> Option<Change> {
        let was = std::mem::take(self);
        self.probing_until = was.probing_until;
        was.open().map(|_| Change::Closed)
    }

    pub(super) fn probe_ended(&mut self) {
        self.probing_until = None;
    }

    pub(super) fn failed(
        &mut self,
        now: Timestamp,
        most: u32,
        again: impl FnOnce(u32) -> Timestamp,
    ) -> Option<Change> {
        if self.openings > 0 {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        (self.failures >= most).then(|| self.reopen(now, false, again))
    }

    pub(super) fn skewed(&mut self, now: Timestamp, again: impl FnOnce(u32) -> Timestamp) -> Option<Change> {
        if self.openings > 0 {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        Some(self.reopen(now, true, again))
    }

    pub(super) fn begin_probe(&mut self, until: Timestamp) {
        self.probing_until = Some(until);
    }

    /// A probe that was asked for by hand may find the breaker closed: then its failure is one of many.
    pub(super) fn probe_failed(
        &mut self,
        now: Timestamp,
        skewed: bool,
        again: impl FnOnce(u32) -> Timestamp,
    ) -> Option<Change> {
        self.failures = self.failures.saturating_add(1);
        if self.openings > 0 {
            self.reopen(now, skewed, again);
            return None;
        }
        skewed.then(|| self.reopen(now, true, again))
    }

    fn reopen(&mut self, now: Timestamp, skewed: bool, again: impl FnOnce(u32) -> Timestamp) -> Change {
        self.openings = self.openings.saturating_add(1);
        self.probe_at = Some(capped(again(self.openings), now));
        self.skewed = skewed;
        Change::Opened
    }
}
