//! The national system's wire format (`docs/profiles/smart-league`).

pub(crate) mod push;
mod schema;
pub(crate) mod sign;

use crate::organizations::Found;
use crate::partner::{Call, Content, Done, Record, Refusal};
use crate::rules::{Field, Rule, read_json};
use crate::shared::Shared;
use crate::wire::{Face, Message, Request};
use crate::{Partner, Status};
use axum::http::Method;
use jiff::{Timestamp, fmt::rfc2822};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sign::Seal;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct SmartLeague(pub(crate) Arc<Shared>);

/// The answer's nonce where the request had none that can be used.
const NO_NONCE: &str = "00000000000000000000000000000000";

impl Face for SmartLeague {
    /// The request's nonce.
    type Asked = String;
    const PARTNER: Partner = Partner::SmartLeague;

    fn open(&self, request: &Request) -> (String, Result<Call, Refusal>) {
        let nonce = request.header("x-nonce");
        let usable = nonce.len() == 32 && nonce.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let asked = if usable { nonce } else { NO_NONCE };
        let call = self.verify(request, usable).and_then(|()| read(request));
        (asked.to_owned(), call)
    }

    fn too_large(&self) -> Message {
        self.answer(&NO_NONCE.to_owned(), Err(Refusal::TooLarge), true)
    }

    fn answer(&self, nonce: &String, outcome: Result<Done, Refusal>, genuine: bool) -> Message {
        let trace = format!("t-{}", hex::encode(&self.0.fresh()[8..]));
        let ((status, code), msg, data) = match &outcome {
            Ok(done @ Done::Receipt { duplicate: true, .. }) => {
                ((200, 20901), "重复提交".to_owned(), data(done))
            }
            Ok(done) => ((200, 0), "成功".to_owned(), data(done)),
            Err(refusal) => (codes(refusal), refusal.message(), Value::Null),
        };
        let body = json!({"code": code, "msg": msg, "traceId": trace, "data": data}).to_string().into_bytes();
        let timestamp = self.0.now().as_millisecond().to_string();
        let seal = Seal { first: "RESPONSE", second: &status.to_string(), timestamp: &timestamp, nonce };
        let signature = seal.sign(self.0.signing_secret(Partner::SmartLeague, genuine), &body);
        let mut headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("x-app-id", self.0.identity(Partner::SmartLeague).id.clone()),
            ("x-timestamp", timestamp),
            ("x-nonce", nonce.clone()),
            ("x-signature", signature),
        ];
        headers.extend(
            outcome.err().and_then(|refusal| retry_after(&refusal)).map(|value| ("retry-after", value)),
        );
        Message { status, headers, body }
    }
}

impl SmartLeague {
    /// Identity and signature first, then the window, then the nonce.
    fn verify(&self, request: &Request, usable_nonce: bool) -> Result<(), Refusal> {
        let identity = self.0.identity(Partner::SmartLeague);
        let refuse = |what: &str| Err(Refusal::Unauthenticated(what.to_owned()));
        if request.header("x-app-id") != identity.id {
            return refuse("X-App-Id");
        }
        if !usable_nonce {
            return refuse("X-Nonce");
        }
        let (timestamp, nonce) = (request.header("x-timestamp"), request.header("x-nonce"));
        let Some(sent_at) = millis(timestamp) else { return refuse("X-Timestamp") };
        let seal = Seal { first: request.method.as_str(), second: &request.target, timestamp, nonce };
        if !seal.verify(&identity.secrets, &request.body, request.header("x-signature")) {
            return refuse("X-Signature");
        }
        if let Some(skew) = self.0.skew(sent_at) {
            return Err(Refusal::Stale(skew));
        }
        if self.0.accept_nonce(Partner::SmartLeague, nonce) { Ok(()) } else { Err(Refusal::Replayed) }
    }
}

/// Milliseconds since the epoch as the headers carry them.
pub(crate) fn millis(text: &str) -> Option<Timestamp> {
    let plain = Rule::Number(0, i64::MAX).holds(text);
    plain.then(|| text.parse().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok())).flatten()
}

/// The call that method, path and body make.
fn read(request: &Request) -> Result<Call, Refusal> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let parts: Vec<_> = path.split('/').skip(1).collect();
    let post = request.method == Method::POST;
    if post && !request.header("content-type").starts_with("application/json") {
        return Err(Refusal::Invalid("Content-Type".into()));
    }
    if !query.is_empty() && path != "/api/v2/org/search" {
        return Err(Refusal::Invalid("查询参数".into()));
    }
    match parts[..] {
        ["api", "v2", "org", "exists"] if post => {
            let mut fields = object(request, schema::ORG_EXISTS)?;
            Ok(Call::Check {
                province_code: take(&mut fields, "provinceCode"),
                full_name: take(&mut fields, "orgFullName"),
            })
        }
        ["api", "v2", "org", "search"] if request.method == Method::GET => search(query),
        ["api", "v2", "transfer", "in"] if post => {
            let submission = schema::transfer_in(&parse(request)?).map_err(Refusal::Invalid)?;
            Ok(Call::Submit(Box::new(submission)))
        }
        ["api", "v2", "transfer", "in", id] if request.method == Method::GET => {
            Ok(Call::Query { request_id: request_id(id)? })
        }
        ["api", "v2", "transfer", "in", id, "withdraw"] if post => {
            object(request, schema::WITHDRAW)?;
            Ok(Call::Withdraw { request_id: request_id(id)? })
        }
        _ => Err(Refusal::NoSuchPlace(format!("{} {path}", request.method))),
    }
}

fn parse(request: &Request) -> Result<Value, Refusal> {
    serde_json::from_slice(&request.body).map_err(|_| Refusal::Invalid("请求体须为 JSON".into()))
}

fn object(request: &Request, fields: &[Field]) -> Result<Content, Refusal> {
    let mut content = Content::new();
    read_json(&parse(request)?, fields, "", &mut content).map_err(Refusal::Invalid)?;
    Ok(content)
}

fn take(content: &mut Content, name: &str) -> String {
    content.remove(name).unwrap_or_default()
}

fn request_id(part: &str) -> Result<String, Refusal> {
    let holds = Rule::RequestId.holds(part);
    holds.then(|| part.to_owned()).ok_or_else(|| Refusal::Invalid("requestId".into()))
}

fn search(query: &str) -> Result<Call, Refusal> {
    let invalid = |name: &str| Refusal::Invalid(name.to_owned());
    let mut given = BTreeMap::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or_else(|| invalid("查询参数"))?;
        let value = percent_decode_str(value).decode_utf8().map_err(|_| invalid(name))?.into_owned();
        if given.insert(name, value).is_some() {
            return Err(invalid(name));
        }
    }
    let mut take = |name: &str, default: Option<&str>, rule: Rule| {
        let value = given.remove(name).or(default.map(ToOwned::to_owned)).filter(|value| rule.holds(value));
        value.ok_or_else(|| invalid(name))
    };
    let province_code = take("provinceCode", None, Rule::Digits(6))?;
    let keyword = take("keyword", None, Rule::Length(2, 100))?;
    let page: usize = take("page", Some("1"), Rule::Number(1, 1 << 30))?.parse().unwrap_or(1);
    let size: usize = take("size", Some("20"), Rule::Number(1, 50))?.parse().unwrap_or(20);
    match given.keys().next() {
        Some(unknown) => Err(invalid(unknown)),
        None => Ok(Call::Search { province_code, keyword, skip: (page - 1) * size, take: size }),
    }
}

/// HTTP status and code (profile, "Codes").
fn codes(refusal: &Refusal) -> (u16, u32) {
    match refusal {
        Refusal::Invalid(_) => (400, 40001),
        Refusal::NoSuchPlace(_) => (404, 40001),
        Refusal::TooLarge => (413, 40001),
        Refusal::Unauthenticated(_) | Refusal::Replayed => (401, 40101),
        Refusal::Stale(_) => (401, 40102),
        Refusal::NoOrganization => (400, 40401),
        Refusal::NoSuchRequest => (404, 40402),
        Refusal::Conflict => (409, 40901),
        Refusal::TooLate => (409, 40902),
        Refusal::Busy { .. } => (429, 42901),
        Refusal::Internal | Refusal::CursorExpired => (500, 50000),
        Refusal::Maintenance { .. } => (503, 50301),
    }
}

fn retry_after(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::Maintenance { http_date: true, until, .. } => {
            rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(until).ok()
        }
        Refusal::Maintenance { seconds, .. } | Refusal::Busy { seconds } => Some(seconds.to_string()),
        Refusal::Invalid(_)
        | Refusal::NoSuchPlace(_)
        | Refusal::TooLarge
        | Refusal::Unauthenticated(_)
        | Refusal::Stale(_)
        | Refusal::Replayed
        | Refusal::NoOrganization
        | Refusal::NoSuchRequest
        | Refusal::Conflict
        | Refusal::TooLate
        | Refusal::CursorExpired
        | Refusal::Internal => None,
    }
}

/// The status as this system spells it.
fn word(status: Status) -> &'static str {
    match status {
        Status::Pending | Status::AwaitingCheckIn => "PENDING",
        Status::Approved | Status::CheckedIn => "APPROVED",
        Status::Rejected => "REJECTED",
        Status::Lapsed => "EXPIRED",
        Status::Withdrawn => "WITHDRAWN",
    }
}

fn data(done: &Done) -> Value {
    match done {
        Done::Organization(Found::None) => json!({"exists": false}),
        Done::Organization(Found::Several(one)) => json!({"exists": true, "orgFullName": one.full_name}),
        Done::Organization(Found::One(one)) => {
            json!({"exists": true, "orgId": one.org_id, "orgFullName": one.full_name, "orgType": one.level()})
        }
        Done::Organizations { total, items } => {
            let item = |one: &crate::Organization| json!({"orgId": one.org_id, "orgFullName": one.full_name, "orgType": one.level()});
            json!({"total": total, "items": items.iter().map(item).collect::<Vec<_>>()})
        }
        Done::Receipt { receipt_no, status, duplicate } => {
            json!({"transferNo": receipt_no, "status": word(*status), "duplicate": duplicate})
        }
        Done::Record(record) => status_of(record),
        // Only Fujian has a feed.
        Done::Changes(_) => Value::Null,
    }
}

fn status_of(record: &Record) -> Value {
    let mut status = json!({
        "requestId": record.request_id,
        "transferNo": record.receipt_no,
        "status": word(record.status),
        "updatedAt": record.updated_at.as_millisecond(),
    });
    if let Some(reason) = &record.reason {
        status["reason"] = json!(reason);
    }
    if let Some(account) = &record.account {
        let created_at = account.created_at.as_millisecond();
        status["account"] = json!({"created": true, "username": account.username, "createdAt": created_at});
    }
    status
}
