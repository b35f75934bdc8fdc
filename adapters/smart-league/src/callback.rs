//! Pushed events and our answers (profile, "Pushed callbacks").

use crate::config::Settings;
use crate::schema::{Push, read, write};
use crate::sign::{self, Opening, Signed, is_nonce};
use jiff::Timestamp;
use league_contract::{
    CallContext, Callback, CallbackError, CallbackVerdict, MAX_BODY_BYTES, StatusEvent, WireRequest,
    WireResponse,
};
use serde::Serialize;

/// The nonce of an answer to a request that has no usable one.
const NO_NONCE: &str = "00000000000000000000000000000000";

pub(crate) fn open(
    settings: &Settings,
    request: &WireRequest,
    now: Timestamp,
) -> Result<Callback, CallbackError> {
    if request.body.len() > MAX_BODY_BYTES {
        return Err(CallbackError::Malformed(format!("the body is over {MAX_BODY_BYTES} bytes")));
    }
    let opening = Opening(request.method.as_str(), &request.target);
    let signed = Signed::verify(&settings.keys, opening, |name| request.header(name), &request.body, now)
        .map_err(CallbackError::Unauthenticated)?;
    if let Some(seconds) = signed.stale_by() {
        return Err(CallbackError::Stale(seconds));
    }
    let push: Push = read(&request.body).map_err(CallbackError::Malformed)?;
    let event = StatusEvent::try_from(push);
    let event = event.map_err(|problem| CallbackError::Malformed(problem.to_owned()))?;
    Ok(Callback { replay_key: signed.nonce, event })
}

#[derive(Serialize)]
struct Envelope {
    code: u32,
    msg: &'static str,
    #[serde(rename = "traceId")]
    trace_id: String,
    data: Option<()>,
}

pub(crate) fn answer(
    settings: &Settings,
    request: &WireRequest,
    verdict: CallbackVerdict,
    at: &CallContext,
) -> WireResponse {
    let (status, code, msg) = match verdict {
        CallbackVerdict::Stored => (200, 0, "成功"),
        CallbackVerdict::Unauthenticated => (401, 40101, "签名无效"),
        CallbackVerdict::Replayed => (401, 40101, "随机数重复"),
        CallbackVerdict::Stale => (401, 40102, "时间偏差过大"),
        CallbackVerdict::Malformed => (400, 40001, "报文格式有误"),
        CallbackVerdict::TooLarge => (413, 40001, "报文过大"),
        CallbackVerdict::Unavailable => (503, 50301, "暂时无法接收，请稍后重试"),
    };
    // Of our nonce, so that an answer is a function of its input like all else here.
    let trace_id = at.nonce.to_hex()[..16].to_owned();
    let body = write(&Envelope { code, msg, trace_id, data: None });
    let nonce = request.header("X-Nonce").filter(|nonce| is_nonce(nonce)).unwrap_or(NO_NONCE);
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let opening = Opening("RESPONSE", &u16::to_string(&status));
    headers.extend(sign::headers(&settings.keys, opening, at, nonce, &body));
    WireResponse { status, headers, body }
}
