//! Pushed notifications of Guangdong (profile, "Pushed notifications").

use super::exchange::{Dress, Exchange, Head, write};
use super::word;
use crate::Partner;
use crate::partner::{Event, EventKind};
use crate::shared::Shared;
use crate::time::{read_stamp, write_stamp};
use crate::wire::{Answer, Message, Verdict};
use crate::xml::is_xml;

const SERVICE: &str = "TransferIn.Notify";

/// The push: its path, its serial number, and the message.
pub(crate) fn message(shared: &Shared, event: &Event) -> (&'static str, String, Message) {
    let fresh = shared.fresh();
    let serial_no = hex::encode(fresh);
    let head = Head {
        app_key: shared.identity(Partner::Guangdong).id.clone(),
        service: SERVICE.into(),
        serial_no: serial_no.clone(),
        timestamp: write_stamp(shared.now()),
        code: None,
    };
    let secret = shared.signing_secret(Partner::Guangdong, true);
    let body = write(&head, secret, Dress::of(u64::from(fresh[15])), |xml| {
        xml.node("Event", |xml| {
            xml.leaf("EventId", &event.event_id);
            xml.leaf("RequestId", &event.request_id);
            xml.leaf("ReceiptNo", &event.receipt_no);
            if let EventKind::Status(status) = event.kind {
                xml.leaf("Type", word(status));
            }
            xml.leaf("OccurredAt", &write_stamp(event.occurred_at));
            xml.maybe("Reason", event.reason.as_deref());
            xml.maybe("CheckInBy", event.check_in_by.map(write_stamp).as_deref());
        });
    });
    (
        "/callbacks/guangdong",
        serial_no,
        Message { status: 0, headers: vec![("content-type", "text/xml".into())], body },
    )
}

/// What the gateway's answer says, once its digest holds.
pub(crate) fn judge(shared: &Shared, serial_no: &str, answer: &Answer) -> Verdict {
    let identity = shared.identity(Partner::Guangdong);
    let wrong = |what: &str| Verdict::Wrong(what.to_owned());
    let exchange = match Exchange::read(&answer.body) {
        Ok(exchange) => exchange,
        Err(failed) => return wrong(&format!("HTTP {}，{}", answer.status, failed.1)),
    };
    let content_type = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
    let head = &exchange.head;
    if !exchange.is_genuine(&identity.secrets) || head.app_key != identity.id {
        return wrong("Digest 错误");
    }
    if head.serial_no != serial_no || head.service != SERVICE {
        return wrong("SerialNo 或 Service 与推送不符");
    }
    if read_stamp(&head.timestamp).is_none_or(|at| shared.skew(at).is_some()) {
        return wrong("Timestamp 超出范围");
    }
    if !is_xml(content_type.unwrap_or_default()) {
        return wrong("Content-Type");
    }
    if let Err(what) = exchange.body(&[]) {
        return wrong(&format!("Body 须为空：{what}"));
    }
    match (answer.status, head.code.as_ref().map(|(code, _)| code.as_str())) {
        (200, Some("0000")) => Verdict::Stored,
        (status, code) => wrong(&format!("HTTP {status}，Code {code:?}")),
    }
}
