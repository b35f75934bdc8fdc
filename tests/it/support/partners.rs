//! Pushed messages, made and signed here: neither by the adapters nor by the sandbox.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sm3::Sm3;

pub(crate) const SMART_LEAGUE_SECRET: &str = "sandbox-smart-league-secret";
pub(crate) const GUANGDONG_SECRET: &str = "sandbox-guangdong-secret";

/// Headers of a push of the national system.
pub(crate) fn smart_league(
    secret: &str,
    at: Timestamp,
    nonce: &str,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let timestamp = at.as_millisecond().to_string();
    let hash = hex::encode(Sm3::digest(body));
    let text = ["POST", "/callbacks/smart-league", &timestamp, nonce, &hash].join("\n");
    let mut mac = Hmac::<Sm3>::new_from_slice(secret.as_bytes()).expect("any length is a key");
    mac.update(text.as_bytes());
    vec![
        ("content-type", "application/json".to_owned()),
        ("x-app-id", "BJGQT".to_owned()),
        ("x-timestamp", timestamp),
        ("x-nonce", nonce.to_owned()),
        ("x-signature", hex::encode(mac.finalize().into_bytes())),
    ]
}

/// A notification of Guangdong; `declaration` and `body` are its exact bytes, in whatever encoding.
pub(crate) fn guangdong(
    secret: &str,
    at: Timestamp,
    serial_no: &str,
    declaration: &str,
    body: &[u8],
) -> Vec<u8> {
    let timestamp = jiff::tz::offset(8).to_datetime(at).strftime("%Y%m%d%H%M%S").to_string();
    let hash = STANDARD.encode(Sha256::digest(body));
    let text = ["BJGQT", "TransferIn.Notify", serial_no, &timestamp, &hash].join("\n");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is a key");
    mac.update(text.as_bytes());
    let digest = STANDARD.encode(mac.finalize().into_bytes());
    let head = format!(
        "{declaration}<Exchange xmlns=\"urn:gd-league:exchange:v1\" version=\"1.0\"><Head><AppKey>BJGQT</AppKey>\
         <Service>TransferIn.Notify</Service><SerialNo>{serial_no}</SerialNo><Timestamp>{timestamp}</Timestamp>\
         <Digest>{digest}</Digest></Head>"
    );
    [head.as_bytes(), body, b"</Exchange>"].concat()
}

/// The `Body` of a notification.
pub(crate) fn guangdong_body(event_id: &str, request_id: &str, kind: &str, reason: &str) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!("<Reason>{reason}</Reason>") };
    format!(
        "<Body><Event><EventId>{event_id}</EventId><RequestId>{request_id}</RequestId><ReceiptNo>GD-1</ReceiptNo>\
         <Type>{kind}</Type><OccurredAt>20260701093000</OccurredAt>{reason}</Event></Body>"
    )
}
