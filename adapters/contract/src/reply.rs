//! What a partner said, sorted by what the gateway does next.

use crate::{OrganizationCheck, OrganizationPage, PartnerStatus, RequestId, StatusEvent};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The outcome of a call: each kind has one consequence, and no other reading of codes exists.
///
/// | reply | when | next |
/// |---|---|---|
/// | `Answered` | they answered the question, or have the transfer (a duplicate counts) | go on |
/// | `Refused` | their no, or data that they don't take | `returned` or `failed`, with their words |
/// | `TryLater` | they did not do it, and say to come again | schedule |
/// | `Unclear` | it may have been done | a query decides |
/// | `Blocked` | credentials or clock: no transfer of ours would pass | suspend the system, one alarm |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The answer.
    Answered(Answer),
    /// Their no.
    Refused {
        /// What it means for the transfer.
        why: Refusal,
        /// Their words.
        remark: Remark,
    },
    /// Not now.
    TryLater {
        /// Not before this instant, where they named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Timestamp>,
        /// Maintenance, which uses up no attempt; else load, which does.
        maintenance: bool,
        /// Their words.
        remark: Remark,
    },
    /// Perhaps.
    Unclear {
        /// Their words.
        remark: Remark,
    },
    /// Not with these credentials, or not with this clock.
    Blocked {
        /// Which of the two.
        why: Blockage,
        /// Their words.
        remark: Remark,
    },
}

/// An answer, by call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `CheckOrganization`.
    Organization(OrganizationCheck),
    /// To `SearchOrganizations`.
    Organizations(OrganizationPage),
    /// To `Submit`.
    Receipt(Receipt),
    /// To `Query` and `Withdraw`.
    Record(Record),
    /// To `Query` and `Withdraw`: they have no such request, so a submit is safe.
    NotReceived,
    /// To `ListChanges`.
    Changes(ChangePage),
    /// To `ListChanges`: the cursor is gone; query what is open and begin again at 0.
    CursorExpired,
}

/// They have the transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Their number for it.
    pub receipt_no: String,
    /// Its state when they took it in; of a duplicate, the *first* answer's, which may be stale.
    pub status: PartnerStatus,
    /// They had it already.
    pub duplicate: bool,
}

/// What they have on file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Our key.
    pub request_id: RequestId,
    /// Their number.
    pub receipt_no: String,
    /// Its state.
    pub status: PartnerStatus,
    /// Their words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Words>,
    /// Until when the member must check in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in_by: Option<Timestamp>,
    /// When an account was made for the member, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_created_at: Option<Timestamp>,
    /// When the state last changed, by their clock.
    pub updated_at: Timestamp,
}

/// A page of a change feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePage {
    /// In order of sequence.
    pub changes: Vec<StatusEvent>,
    /// In order of sequence: changes that stand among the others but can't be read. Asked again they come again as
    /// they are, so they are set aside for somebody to look at, and the cursor goes past them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<UnreadableChange>,
    /// The next cursor.
    pub last: i64,
    /// There are more now.
    pub more: bool,
}

/// A change that has its place in the feed, and else can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableChange {
    /// Its place.
    pub sequence: i64,
    /// What is wrong with it; it names fields and rules, never values.
    pub problem: String,
}

/// What a no means for the transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// 未查询到该组织: back to the submitter.
    OrganizationNotFound,
    /// A field is at fault: back to the submitter.
    InvalidData,
    /// The same key with other content: an operator looks.
    Conflict,
    /// Too late to withdraw: the current status stands.
    TooLate,
}

/// Why no exchange with the system would pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blockage {
    /// Signature, password or application id.
    Authentication,
    /// Their clock and ours are too far apart.
    ClockSkew,
}

/// A partner's own code and words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The profile's code, as text: `40401`, `2001`, `ORG_NOT_FOUND`.
    pub code: String,
    /// The partner's message.
    pub message: Words,
}

/// Text that a partner wrote, as it came. It may name a person, so `Debug` shows its length alone; what is kept or
/// shown of it goes through [`crate::Transfer::redact`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Words(String);

impl Words {
    /// Takes a partner's text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it came.
    #[must_use]
    pub fn as_received(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({} characters)", self.0.chars().count())
    }
}

/// An answer that can't be trusted or read. For a call that changes state its outcome is then unknown.
///
/// The texts name fields and rules, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The signature, nonce or window of the answer does not hold.
    #[error("the answer is not genuine: {0}")]
    NotGenuine(String),
    /// Not the profile's form.
    #[error("the answer can't be read: {0}")]
    Malformed(String),
    /// A status or code that the profile does not know.
    #[error("the answer has an unknown code: {0}")]
    UnknownCode(String),
}
