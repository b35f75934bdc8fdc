//! The JSON of `openapi.yaml`, as private mirrors. What we send stands in the order in which it is written; what we
//! read ignores additions and demands what the contract requires.

use jiff::Timestamp;
use league_contract::identity::Gender;
use league_contract::reason::Reason;
use league_contract::text;
use league_contract::transfer::Initiator;
use league_contract::{
    EventKind, OpenFields, Organization, OrganizationCheck, OrganizationKind, OrganizationPage,
    PartnerStatus, Receipt, Record, RequestId, StatusEvent, Transfer, Words,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What of these messages may be shown. The user name of an account is an ID number.
pub(crate) const OPEN_FIELDS: OpenFields = OpenFields {
    plain: &[
        "X-App-Id",
        "X-Timestamp",
        "appliedAt",
        "code",
        "created",
        "createdAt",
        "duplicate",
        "eventId",
        "eventType",
        "exists",
        "initiator",
        "occurredAt",
        "orgFullName",
        "orgId",
        "orgType",
        "provinceCode",
        "reasonCode",
        "requestId",
        "status",
        "total",
        "traceId",
        "transferNo",
        "updatedAt",
    ],
    words: &["msg", "reason"],
};

// ---- what we send ----

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrgExistsRequest<'a> {
    pub(crate) province_code: &'a str,
    pub(crate) org_full_name: &'a str,
}

#[derive(Serialize)]
pub(crate) struct WithdrawRequest<'a> {
    pub(crate) reason: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferIn<'a> {
    request_id: &'a str,
    member: Member<'a>,
    source: Source<'a>,
    destination: OrgExistsRequest<'a>,
    initiator: &'static str,
    reason_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_text: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    reason_detail: BTreeMap<&'a str, &'a str>,
    applied_at: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member<'a> {
    name: &'a str,
    id_number: &'a str,
    gender: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ethnicity: Option<&'a str>,
    phone: &'a str,
    joined_on: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    league_number: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    org_id: &'a str,
    org_full_name: &'a str,
}

impl<'a> From<&'a Transfer> for TransferIn<'a> {
    fn from(transfer: &'a Transfer) -> Self {
        let Transfer { request_id, member, source, destination, .. } = transfer;
        Self {
            request_id: request_id.as_str(),
            member: Member {
                name: member.name.expose(),
                id_number: member.id_number.expose(),
                gender: gender(member.id_number.gender()),
                ethnicity: member.ethnicity.as_deref(),
                phone: member.phone.expose(),
                joined_on: member.joined_on.to_string(),
                // Shandong's 16 digits have no room here, and the field is optional.
                league_number: member.league_number.as_ref().and_then(|number| number.expose_twelve()),
            },
            source: Source { org_id: &source.organization_id, org_full_name: &source.full_name },
            destination: OrgExistsRequest {
                province_code: destination.province_code.as_str(),
                org_full_name: &destination.full_name,
            },
            initiator: match transfer.initiator {
                Initiator::Member => "MEMBER",
                Initiator::Branch => "BRANCH",
            },
            reason_code: reason_code(transfer.reason),
            reason_text: transfer.reason_text(),
            reason_detail: transfer.form_details().collect(),
            applied_at: transfer.applied_at.as_millisecond(),
        }
    }
}

/// GB/T 2261.1.
const fn gender(gender: Gender) -> &'static str {
    match gender {
        Gender::Male => "1",
        Gender::Female => "2",
    }
}

const fn reason_code(reason: Reason) -> &'static str {
    match reason {
        Reason::Education => "10",
        Reason::Employment => "20",
        Reason::WorkTransfer => "21",
        Reason::Abroad => "30",
        Reason::Residence => "40",
        Reason::Other => "90",
    }
}

// ---- what we read ----

/// What every answer has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope {
    pub(crate) code: i64,
    pub(crate) msg: String,
    #[serde(rename = "traceId")]
    _trace_id: String,
}

/// What a success has besides.
#[derive(Deserialize)]
pub(crate) struct Success<T> {
    pub(crate) data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrgExists {
    exists: bool,
    org_id: Option<String>,
    org_full_name: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct OrgPage {
    total: u64,
    items: Vec<Org>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Org {
    org_id: String,
    org_full_name: String,
    org_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubmitResult {
    transfer_no: String,
    status: Status,
    pub(crate) duplicate: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferStatus {
    request_id: RequestId,
    transfer_no: String,
    status: Status,
    reason: Option<String>,
    updated_at: i64,
    account: Option<Account>,
}

/// The user name that may stand here is not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    created: bool,
    created_at: Option<i64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Pending,
    Approved,
    Rejected,
    Expired,
    Withdrawn,
}

impl From<Status> for PartnerStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Approved => Self::Approved,
            Status::Rejected => Self::Rejected,
            Status::Expired => Self::Overdue,
            Status::Withdrawn => Self::Withdrawn,
        }
    }
}

impl From<OrgExists> for OrganizationCheck {
    fn from(answer: OrgExists) -> Self {
        match (answer.exists, answer.org_id) {
            (false, _) => Self::NotFound,
            (true, None) => Self::Ambiguous,
            (true, Some(organization_id)) => {
                Self::Exists { organization_id, full_name: answer.org_full_name }
            }
        }
    }
}

impl From<OrgPage> for OrganizationPage {
    fn from(page: OrgPage) -> Self {
        let items = page.items.into_iter().map(|org| Organization {
            organization_id: org.org_id,
            full_name: org.org_full_name,
            kind: org.org_type.as_deref().and_then(OrganizationKind::from_wire),
        });
        Self { total: page.total, items: items.collect() }
    }
}

impl From<SubmitResult> for Receipt {
    fn from(result: SubmitResult) -> Self {
        Self { receipt_no: result.transfer_no, status: result.status.into(), duplicate: result.duplicate }
    }
}

impl TryFrom<TransferStatus> for Record {
    type Error = &'static str;

    fn try_from(status: TransferStatus) -> Result<Self, &'static str> {
        let updated_at = instant(status.updated_at).ok_or("updatedAt is no time")?;
        let account_created_at = match status.account.filter(|account| account.created) {
            // `createdAt` is optional; that an account was made must not be lost for want of it.
            Some(account) => Some(
                account.created_at.map_or(Some(updated_at), instant).ok_or("account.createdAt is no time")?,
            ),
            None => None,
        };
        Ok(Self {
            request_id: status.request_id,
            receipt_no: status.transfer_no,
            status: status.status.into(),
            reason: status.reason.map(Words::new),
            check_in_by: None,
            account_created_at,
            updated_at,
        })
    }
}

/// A pushed event, by its type. `data` differs.
#[derive(Deserialize)]
#[serde(tag = "eventType", content = "data", rename_all = "SCREAMING_SNAKE_CASE")]
enum Event {
    TransferApproved(Approved),
    TransferRejected(Rejected),
    TransferExpired(Nothing),
    AccountCreated(UserName),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Approved {
    org_id: Option<String>,
}

#[derive(Deserialize)]
struct Rejected {
    reason: String,
}

#[derive(Deserialize)]
struct Nothing {}

/// Required by the profile, and dropped: it never becomes a text here.
#[derive(Deserialize)]
struct UserName {
    #[serde(rename = "username")]
    _username: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Push {
    event_id: String,
    request_id: RequestId,
    transfer_no: String,
    occurred_at: i64,
    #[serde(flatten)]
    event: Event,
}

impl TryFrom<Push> for StatusEvent {
    type Error = &'static str;

    fn try_from(push: Push) -> Result<Self, &'static str> {
        if text::clean(&push.event_id, 1, 64).as_ref() != Ok(&push.event_id) {
            return Err("eventId is not 1 to 64 printable characters");
        }
        let (kind, reason, organization_id) = match push.event {
            Event::TransferApproved(data) => (EventKind::Status(PartnerStatus::Approved), None, data.org_id),
            Event::TransferRejected(data) => {
                (EventKind::Status(PartnerStatus::Rejected), Some(Words::new(data.reason)), None)
            }
            Event::TransferExpired(Nothing {}) => (EventKind::Status(PartnerStatus::Overdue), None, None),
            Event::AccountCreated(_) => (EventKind::AccountCreated, None, None),
        };
        Ok(Self {
            event_id: push.event_id,
            request_id: push.request_id,
            receipt_no: push.transfer_no,
            kind,
            occurred_at: instant(push.occurred_at).ok_or("occurredAt is no time")?,
            reason,
            check_in_by: None,
            organization_id,
        })
    }
}

/// Milliseconds since the epoch, not before it.
fn instant(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds).ok().filter(|at| at.as_millisecond() >= 0)
}

/// Reads JSON. The error names the field, where one is missing, or the place; never a value.
pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        // serde quotes values in every other message, persons among them.
        let known = ["missing field", "duplicate field"].iter().any(|start| text.starts_with(start));
        if known {
            text
        } else {
            format!("not the JSON of the profile at line {}, column {}", error.line(), error.column())
        }
    })
}

/// Writes JSON: compact, as UTF-8, nothing escaped that need not be.
pub(crate) fn write<T: Serialize>(value: &T) -> Vec<u8> {
    // The mirrors above hold texts, numbers and maps keyed by text, and those always serialize.
    serde_json::to_vec(value).unwrap_or_default()
}
