//! Their notifications, and our answers.

use crate::Guangdong;
use crate::schema::{self, CONTENT_TYPE, Exchange, Fault, Fields, service};
use crate::sign::Signed;
use jiff::Timestamp;
use league_contract::{
    CallContext, Callback, CallbackError, CallbackVerdict, EventKind, MAX_BODY_BYTES, PartnerStatus,
    StatusEvent, WireRequest, WireResponse,
};

/// The `SerialNo` of an answer to something that has none.
const NO_SERIAL: &str = "0";

pub(crate) fn open(
    adapter: &Guangdong,
    request: &WireRequest,
    now: Timestamp,
) -> Result<Callback, CallbackError> {
    let malformed = |fault: Fault| CallbackError::Malformed(fault.into_text());
    let exchange = Exchange::read(&request.body).map_err(malformed)?;
    if exchange.app_key != adapter.config.identity {
        return Err(CallbackError::Unauthenticated("Head/AppKey is not ours"));
    }
    if !exchange.is_signed_by(&adapter.config.secrets) {
        return Err(CallbackError::Unauthenticated("Head/Digest does not hold"));
    }
    if let Some(away) = exchange.skew(&adapter.stamps, now).map_err(malformed)? {
        return Err(CallbackError::Stale(away));
    }
    // A Code is signed where there is one, so an answer of ours can't come back to us as a notification.
    if exchange.service != service::NOTIFY || exchange.code.is_some() {
        return Err(CallbackError::Malformed("Head is not of a TransferIn.Notify".to_owned()));
    }
    let event = event(exchange.body(&adapter.stamps)).map_err(malformed)?;
    Ok(Callback { replay_key: exchange.serial_no, event })
}

fn event(body: Fields<'_>) -> Result<StatusEvent, Fault> {
    let event = body.inside("Event")?;
    let status = event.status("Type")?;
    if status == PartnerStatus::Withdrawn {
        return Err(event.invalid("Type", "one of RECEIVED, CHECKED_IN, REJECTED, OVERDUE"));
    }
    Ok(StatusEvent {
        event_id: event.id("EventId")?,
        request_id: event.request_id()?,
        receipt_no: event.id("ReceiptNo")?,
        kind: EventKind::Status(status),
        occurred_at: event.stamp("OccurredAt")?,
        reason: event.words("Reason")?,
        check_in_by: event.stamp_if_any("CheckInBy")?,
        organization_id: None,
    })
}

pub(crate) fn answer(
    adapter: &Guangdong,
    request: &WireRequest,
    verdict: CallbackVerdict,
    at: &CallContext,
) -> WireResponse {
    let (status, code, message) = terms(verdict);
    let small = request.body.len() <= MAX_BODY_BYTES;
    let serial_no = small.then(|| schema::serial_of(&request.body)).flatten();
    let timestamp = adapter.stamps.write(at.now);
    let signed = Signed {
        app_key: &adapter.config.identity,
        service: service::NOTIFY,
        serial_no: serial_no.as_deref().unwrap_or(NO_SERIAL),
        timestamp: &timestamp,
        code: Some(code),
    };
    WireResponse {
        status,
        headers: vec![("Content-Type".to_owned(), CONTENT_TYPE.to_owned())],
        body: schema::write(&signed, Some(message), &adapter.config.secrets[0], "<Body/>"),
    }
}

/// HTTP status, `Code` and `Message` (the profile's "Pushed notifications").
const fn terms(verdict: CallbackVerdict) -> (u16, &'static str, &'static str) {
    match verdict {
        CallbackVerdict::Stored => (200, "0000", "成功"),
        CallbackVerdict::Unauthenticated => (401, "3001", "签名或应用标识有误"),
        CallbackVerdict::Stale => (401, "3002", "时间戳超出允许范围"),
        CallbackVerdict::Replayed => (401, "3002", "流水号重复"),
        CallbackVerdict::Malformed => (400, "2002", "报文格式有误"),
        CallbackVerdict::TooLarge => (413, "2002", "报文过大"),
        CallbackVerdict::Unavailable => (503, "4001", "暂时无法接收，请稍后重发"),
    }
}
