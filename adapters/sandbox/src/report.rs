//! What the partners have seen.

use crate::{Partner, Status};
use jiff::Timestamp;
use serde::Serialize;

/// All that the three partners have seen so far.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// By partner and `request_id`: every transfer that was submitted, or tried to be.
    pub transfers: Vec<TransferReport>,
    /// Breaches of a profile by the gateway, in the order they were seen.
    pub violations: Vec<Violation>,
}

impl Report {
    /// The line of a transfer; the first partner's that knows it.
    #[must_use]
    pub fn transfer(&self, request_id: &str) -> Option<&TransferReport> {
        self.transfers.iter().find(|transfer| transfer.request_id == request_id)
    }
}

/// One transfer at one partner.
#[derive(Debug, Clone, Serialize)]
pub struct TransferReport {
    /// Where.
    pub system: Partner,
    /// Which.
    pub request_id: String,
    /// How many well-formed submits came, with or without effect.
    pub submits: u32,
    /// How many transfers they made: 0 or 1, and never more.
    pub effective: u32,
    /// Submits that came while the outcome of the one before was unknown, without a query in between.
    pub blind_submits: u32,
    /// Submits of a transfer that had been made, where no query since the submit before had found none: a partner that
    /// kept no keys would have made another.
    pub resubmits: u32,
    /// Where it stands, if it was taken in.
    pub status: Option<Status>,
    /// Pushes sent to the gateway, repeats counted; always 0 for Fujian.
    pub callbacks_sent: u32,
    /// Pushes that the gateway answered as stored.
    pub callbacks_answered: u32,
}

/// A breach of a profile by the gateway. It names fields and rules, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// At which partner.
    pub system: Partner,
    /// What was wrong.
    pub what: String,
    /// When.
    pub at: Timestamp,
}
