//! What a partner reports of a transfer.

use crate::{RequestId, Words};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a transfer in a partner's books; the union of the three profiles' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartnerStatus {
    /// Waiting for review (national `PENDING`).
    Pending,
    /// Taken in; the member must now check in locally (Guangdong `RECEIVED`, Fujian `ACCEPTED`).
    AwaitingCheckIn,
    /// Approved: with the national system, the transfer is complete.
    Approved,
    /// Checked in locally: with Guangdong and Fujian, the transfer is complete.
    CheckedIn,
    /// Refused by the receiving organization.
    Rejected,
    /// Nobody reviewed it (national `EXPIRED`), or nobody checked in (`OVERDUE`), in time.
    Overdue,
    /// Withdrawn on our request.
    Withdrawn,
}

impl PartnerStatus {
    /// Every status, for tables and tests.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::AwaitingCheckIn,
        Self::Approved,
        Self::CheckedIn,
        Self::Rejected,
        Self::Overdue,
        Self::Withdrawn,
    ];
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The transfer is now in this state.
    Status(PartnerStatus),
    /// The member had no account and one was made. The profile's user name is dropped where it is decoded: that an
    /// account was made, and when, is all that the gateway keeps.
    AccountCreated,
}

/// A status event, by push or by feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusEvent {
    /// The partner's id of the event; a repeat has the same.
    pub event_id: String,
    /// The transfer that it is about.
    pub request_id: RequestId,
    /// The partner's number of the transfer.
    pub receipt_no: String,
    /// What it says.
    pub kind: EventKind,
    /// When it happened, by the partner's clock.
    pub occurred_at: Timestamp,
    /// The partner's words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Words>,
    /// Until when the member must check in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in_by: Option<Timestamp>,
    /// The receiving organization's id, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
}
