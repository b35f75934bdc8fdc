//! Pushed callbacks of the national system (profile, "Pushed callbacks").

use super::millis;
use super::sign::Seal;
use crate::partner::{Event, EventKind};
use crate::shared::Shared;
use crate::wire::{Answer, Message, Verdict};
use crate::{Partner, Status};
use serde_json::{Value, json};

const PATH: &str = "/callbacks/smart-league";

/// The push: its path, its nonce, and the message.
pub(crate) fn message(shared: &Shared, event: &Event) -> (&'static str, String, Message) {
    let (kind, data) = kind_and_data(event);
    let body = json!({
        "eventId": event.event_id,
        "eventType": kind,
        "requestId": event.request_id,
        "transferNo": event.receipt_no,
        "occurredAt": event.occurred_at.as_millisecond(),
        "data": data,
    });
    let body = body.to_string().into_bytes();
    let (timestamp, nonce) = (shared.now().as_millisecond().to_string(), hex::encode(shared.fresh()));
    let seal = Seal { first: "POST", second: PATH, timestamp: &timestamp, nonce: &nonce };
    let signature = seal.sign(shared.signing_secret(Partner::SmartLeague, true), &body);
    let headers = vec![
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("x-app-id", shared.identity(Partner::SmartLeague).id.clone()),
        ("x-timestamp", timestamp),
        ("x-nonce", nonce.clone()),
        ("x-signature", signature),
    ];
    (PATH, nonce, Message { status: 0, headers, body })
}

fn kind_and_data(event: &Event) -> (&'static str, Value) {
    match &event.kind {
        EventKind::Account(account) => ("ACCOUNT_CREATED", json!({"username": account.username})),
        EventKind::Status(Status::Rejected) => {
            ("TRANSFER_REJECTED", json!({"reason": event.reason.as_deref().unwrap_or_default()}))
        }
        EventKind::Status(Status::Lapsed) => ("TRANSFER_EXPIRED", json!({})),
        EventKind::Status(
            Status::Approved
            | Status::CheckedIn
            | Status::Pending
            | Status::AwaitingCheckIn
            | Status::Withdrawn,
        ) => {
            let mut data = json!({"reviewer": "沙箱"});
            if let Some(organization_id) = &event.organization_id {
                data["orgId"] = json!(organization_id);
            }
            ("TRANSFER_APPROVED", data)
        }
    }
}

/// What the gateway's answer says, once its signature holds.
pub(crate) fn judge(shared: &Shared, nonce: &str, answer: &Answer) -> Verdict {
    let header =
        |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let identity = shared.identity(Partner::SmartLeague);
    let wrong = |what: String| Verdict::Wrong(what);
    let status = answer.status.to_string();
    let seal = Seal { first: "RESPONSE", second: &status, timestamp: header("x-timestamp"), nonce };
    if header("x-app-id") != identity.id || header("x-nonce") != nonce {
        return wrong("X-App-Id 或 X-Nonce 与推送不符".into());
    }
    if !seal.verify(&identity.secrets, &answer.body, header("x-signature")) {
        return wrong("签名错误".into());
    }
    if millis(header("x-timestamp")).is_none_or(|at| shared.skew(at).is_some()) {
        return wrong("X-Timestamp 超出范围".into());
    }
    let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let complete = envelope["msg"].is_string() && envelope["traceId"].is_string();
    match (answer.status, envelope["code"].as_i64()) {
        (200, Some(0)) if complete => Verdict::Stored,
        (status, code) => wrong(format!("HTTP {status}，code {code:?}")),
    }
}
