//! What the gateway asks of a partner.

use crate::{Capabilities, ProvinceCode, RequestId, Transfer};
use jiff::Timestamp;
use std::fmt;

/// One question or order to a partner.
#[derive(Debug, Clone)]
pub enum Call {
    /// Is there an organization of exactly this full name? (查询组织全称是否存在)
    CheckOrganization {
        /// Where.
        province_code: ProvinceCode,
        /// The name as typed.
        full_name: String,
    },
    /// The partner's list, by words.
    SearchOrganizations {
        /// Where.
        province_code: ProvinceCode,
        /// Words of the name, at least 2 characters.
        keyword: String,
        /// From 1.
        page: u32,
        /// At most [`crate::Capabilities::search_page_limit`].
        size: u32,
    },
    /// Take this transfer in.
    Submit(Box<Transfer>),
    /// What has become of it?
    Query {
        /// Which.
        request_id: RequestId,
    },
    /// Take it back.
    Withdraw {
        /// Which.
        request_id: RequestId,
        /// Why, for their file; at most 200 characters.
        reason: String,
    },
    /// A page of the partner's change feed.
    ListChanges {
        /// The cursor: the last sequence seen, 0 at first.
        after: i64,
        /// At most how many.
        limit: u32,
    },
}

/// No organization is called so.
const PROBE_NAME: &str = "连通性检查";

/// The name of a call, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// [`Call::CheckOrganization`]
    CheckOrganization,
    /// [`Call::SearchOrganizations`]
    SearchOrganizations,
    /// [`Call::Submit`]
    Submit,
    /// [`Call::Query`]
    Query,
    /// [`Call::Withdraw`]
    Withdraw,
    /// [`Call::ListChanges`]
    ListChanges,
}

impl Operation {
    /// The name in the store, in metrics and in fixtures.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CheckOrganization => "check_organization",
            Self::SearchOrganizations => "search_organizations",
            Self::Submit => "submit",
            Self::Query => "query",
            Self::Withdraw => "withdraw",
            Self::ListChanges => "list_changes",
        }
    }

    /// Whether the partner's books may change by it: after a lost answer the outcome is unknown.
    #[must_use]
    pub const fn changes_state(self) -> bool {
        match self {
            Self::Submit | Self::Withdraw => true,
            Self::CheckOrganization | Self::SearchOrganizations | Self::Query | Self::ListChanges => false,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Call {
    /// A question that changes nothing and is about nobody, to see whether a system answers: for a request that
    /// nobody sent, or, where a system can't be asked for one, for an organization that nobody has.
    #[must_use]
    pub fn probe(capabilities: &Capabilities) -> Self {
        let province_code = ProvinceCode::PROBE;
        if capabilities.query {
            Self::Query { request_id: RequestId::probe() }
        } else if capabilities.organization_check {
            Self::CheckOrganization { province_code, full_name: PROBE_NAME.to_owned() }
        } else {
            Self::SearchOrganizations { province_code, keyword: PROBE_NAME.to_owned(), page: 1, size: 1 }
        }
    }

    /// Its name.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::CheckOrganization { .. } => Operation::CheckOrganization,
            Self::SearchOrganizations { .. } => Operation::SearchOrganizations,
            Self::Submit(_) => Operation::Submit,
            Self::Query { .. } => Operation::Query,
            Self::Withdraw { .. } => Operation::Withdraw,
            Self::ListChanges { .. } => Operation::ListChanges,
        }
    }
}

/// Sixteen random bytes, fresh for every message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 16]);

impl Nonce {
    /// 32 lower-case hex digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(32), |mut out, byte| {
            // Writing to a String can't fail.
            write!(out, "{byte:02x}").ok();
            out
        })
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// What an adapter may not find out for itself: the time, and randomness.
#[derive(Debug, Clone, Copy)]
pub struct CallContext {
    /// Now.
    pub now: Timestamp,
    /// This message's nonce. An answer is decoded with the context that its request was encoded with, but `now`.
    pub nonce: Nonce,
}

/// Why a call can't be put into a system's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The system has no such operation.
    #[error("{operation} is not an operation of this system")]
    Unsupported {
        /// Which.
        operation: Operation,
    },
    /// The profile has no room for a value.
    #[error("{field}: {problem}")]
    Inexpressible {
        /// The field's path in the canonical document: `destination.full_name`.
        field: &'static str,
        /// What is wrong with it, without the value.
        problem: String,
    },
}
