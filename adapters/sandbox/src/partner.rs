//! The three partners, and the words of what they are asked and answer, before any wire format.

use crate::organizations::{Found, Organization};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One of the three simulated systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partner {
    /// 智慧团建, the national system.
    SmartLeague,
    /// 广东
    Guangdong,
    /// 福建
    Fujian,
}

impl Partner {
    /// All three.
    pub const ALL: [Self; 3] = [Self::SmartLeague, Self::Guangdong, Self::Fujian];

    /// Its name in configuration: `smart_league`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SmartLeague => "smart_league",
            Self::Guangdong => "guangdong",
            Self::Fujian => "fujian",
        }
    }

    /// Whether an organization of that province is in its books (profiles, "Fine print").
    #[must_use]
    pub fn holds(self, province_code: &str) -> bool {
        match self {
            Self::SmartLeague => !matches!(province_code, "110000" | "350000" | "440000"),
            Self::Guangdong => province_code == "440000",
            Self::Fujian => province_code == "350000",
        }
    }
}

impl fmt::Display for Partner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The name of a call, as faults match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Does an organization of this full name exist?
    CheckOrganization,
    /// The list of organizations.
    SearchOrganizations,
    /// A transfer is handed over.
    Submit,
    /// What has become of it?
    Query,
    /// It is taken back.
    Withdraw,
    /// The change feed (Fujian).
    ListChanges,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CheckOrganization,
        Self::SearchOrganizations,
        Self::Submit,
        Self::Query,
        Self::Withdraw,
        Self::ListChanges,
    ];
}

/// A transfer's state in a partner's books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waiting for review (national).
    Pending,
    /// Waiting for the member to check in (Guangdong, Fujian).
    AwaitingCheckIn,
    /// Approved (national): complete.
    Approved,
    /// Checked in (Guangdong, Fujian): complete.
    CheckedIn,
    /// Refused by the receiving organization.
    Rejected,
    /// Not reviewed, or not checked in, in time.
    Lapsed,
    /// Taken back by the gateway.
    Withdrawn,
}

impl Status {
    /// Whether the partner still waits for something.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::AwaitingCheckIn => true,
            Self::Approved | Self::CheckedIn | Self::Rejected | Self::Lapsed | Self::Withdrawn => false,
        }
    }
}

/// What a submit says, path by path with values in one form: two submits are the same content where these are equal.
pub(crate) type Content = BTreeMap<String, String>;

/// A call, read and verified.
#[derive(Debug)]
pub(crate) enum Call {
    Check {
        province_code: String,
        full_name: String,
    },
    /// `skip` and `take` count organizations.
    Search {
        province_code: String,
        keyword: String,
        skip: usize,
        take: usize,
    },
    Submit(Box<Submission>),
    Query {
        request_id: String,
    },
    Withdraw {
        request_id: String,
    },
    Changes {
        after: i64,
        limit: usize,
    },
}

impl Call {
    pub(crate) fn operation(&self) -> Operation {
        match self {
            Self::Check { .. } => Operation::CheckOrganization,
            Self::Search { .. } => Operation::SearchOrganizations,
            Self::Submit(_) => Operation::Submit,
            Self::Query { .. } => Operation::Query,
            Self::Withdraw { .. } => Operation::Withdraw,
            Self::Changes { .. } => Operation::ListChanges,
        }
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Submit(submission) => Some(&submission.request_id),
            Self::Query { request_id } | Self::Withdraw { request_id, .. } => Some(request_id),
            Self::Check { .. } | Self::Search { .. } | Self::Changes { .. } => None,
        }
    }
}

pub(crate) struct Submission {
    pub(crate) request_id: String,
    pub(crate) id_number: String,
    pub(crate) province_code: String,
    pub(crate) full_name: String,
    pub(crate) content: Content,
}

// A submission is a person's data: `Debug` shows its key alone.
impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// A call done.
#[derive(Debug)]
pub(crate) enum Done {
    Organization(Found),
    Organizations { total: usize, items: Vec<Organization> },
    Receipt { receipt_no: String, status: Status, duplicate: bool },
    Record(Record),
    Changes(Changes),
}

/// A page of the feed.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) changes: Vec<(i64, Event)>,
    /// The next cursor.
    pub(crate) last: i64,
    pub(crate) more: bool,
}

/// A call refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A field is at fault, or the message has not the profile's form.
    Invalid(String),
    /// No such path or service.
    NoSuchPlace(String),
    TooLarge,
    Unauthenticated(String),
    /// Outside the time window.
    Stale(String),
    /// A nonce or serial number for the second time.
    Replayed,
    NoOrganization,
    NoSuchRequest,
    Conflict,
    TooLate,
    CursorExpired,
    Busy {
        seconds: u32,
    },
    Internal,
    Maintenance {
        seconds: u32,
        until: Timestamp,
        http_date: bool,
    },
}

impl Refusal {
    /// For people.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Invalid(what) => format!("数据不合法：{what}"),
            Self::NoSuchPlace(what) => format!("无此接口：{what}"),
            Self::TooLarge => "报文超过 1 MiB".into(),
            Self::Unauthenticated(what) => format!("认证失败：{what}"),
            Self::Stale(what) => format!("时间超出范围：{what}"),
            Self::Replayed => "重复的随机数或流水号".into(),
            Self::NoOrganization => "未查询到该组织".into(),
            Self::NoSuchRequest => "无此申请".into(),
            Self::Conflict => "同一申请号的内容不一致".into(),
            Self::TooLate => "已处理，不可撤回".into(),
            Self::CursorExpired => "游标已失效".into(),
            Self::Busy { .. } => "系统繁忙，请稍后再试".into(),
            Self::Internal => "系统内部错误".into(),
            Self::Maintenance { .. } => "系统维护中".into(),
        }
    }

    /// What it says about the sender: a breach of the profile, or nothing but ordinary life.
    pub(crate) fn breach(&self) -> Option<String> {
        match self {
            Self::Invalid(_)
            | Self::NoSuchPlace(_)
            | Self::TooLarge
            | Self::Unauthenticated(_)
            | Self::Stale(_)
            | Self::Replayed => Some(self.message()),
            Self::NoOrganization
            | Self::NoSuchRequest
            | Self::Conflict
            | Self::TooLate
            | Self::CursorExpired
            | Self::Busy { .. }
            | Self::Internal
            | Self::Maintenance { .. } => None,
        }
    }
}

/// A transfer on file.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) request_id: String,
    pub(crate) receipt_no: String,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) check_in_by: Option<Timestamp>,
    pub(crate) updated_at: Timestamp,
    pub(crate) account: Option<Account>,
}

/// An account that was made for the member.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) username: String,
    pub(crate) created_at: Timestamp,
}

// The user name is an ID number.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("created_at", &self.created_at).finish_non_exhaustive()
    }
}

/// Something to tell the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) event_id: String,
    pub(crate) request_id: String,
    pub(crate) receipt_no: String,
    pub(crate) kind: EventKind,
    pub(crate) occurred_at: Timestamp,
    pub(crate) reason: Option<String>,
    pub(crate) check_in_by: Option<Timestamp>,
    pub(crate) organization_id: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum EventKind {
    Status(Status),
    Account(Account),
}
