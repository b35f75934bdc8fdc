//! What is posted, and its signature, as Standard Webhooks 1.0 has them: `v1,` and the base64 of HMAC-SHA256 over
//! `id.timestamp.body`.

use crate::store::FeedEvent;
use crate::telemetry::TraceId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use league_contract::{Method, WireRequest};
use serde::Serialize;
use sha2::Sha256;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// Before the base64 of a secret.
const PREFIX: &str = "whsec_";
/// How many bytes a secret may have.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that signs. Prints nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// What is wrong with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretProblem {
    /// It has another form.
    #[error(
        "must be whsec_ and the base64 of 24 to 64 random bytes (`league-gateway keys generate --webhook` makes one)"
    )]
    Form,
}

impl Secret {
    /// Reads a secret as configuration writes it: `whsec_` and base64.
    ///
    /// # Errors
    /// [`SecretProblem`].
    pub fn parse(text: &str) -> Result<Self, SecretProblem> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(SecretProblem::Form)?;
        let bytes = STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| SecretProblem::Form)?;
        if BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretProblem::Form) }
    }

    /// As configuration writes the 32 bytes of a key that is given in base64.
    #[must_use]
    pub fn written(key: &str) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{key}"))
    }

    /// The signature of a message.
    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The secrets of one address. A running daemon takes over others: all clones have them then.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Arc<RwLock<Arc<[Secret]>>>);

impl Secrets {
    /// These secrets.
    #[must_use]
    pub fn new(secrets: Vec<Secret>) -> Self {
        Self(Arc::new(RwLock::new(secrets.into())))
    }

    /// Those that sign now.
    #[must_use]
    pub fn now(&self) -> Arc<[Secret]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on the others' sign; false where they are the same.
    #[must_use]
    pub fn take_over(&self, others: &Self) -> bool {
        let others = others.now();
        let mut own = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *own != others;
        *own = others;
        changed
    }
}

/// The body: what happened, when, and the event as the feed has it.
#[derive(Serialize)]
struct Body<'a> {
    /// `transfer.state_changed`, `transfer.milestone`, `system.alarm`.
    #[serde(rename = "type")]
    kind: String,
    timestamp: Timestamp,
    data: &'a FeedEvent,
}

/// The type of an event's message: what it is about, and what happened.
fn kind(event: &FeedEvent) -> String {
    let about = if event.news.is_some() { "system" } else { "transfer" };
    format!("{about}.{}", event.kind)
}

/// The name of an event's message, the same at every try. A database that was restored may give out a cursor anew: the time tells
/// the two apart.
fn id(event: &FeedEvent) -> String {
    format!("evt_{}_{}", event.cursor, event.at.as_millisecond())
}

/// A body, signed, for a path.
fn request(path: &str, id: &str, body: Vec<u8>, secrets: &[Secret], now: Timestamp) -> WireRequest {
    let seconds = now.as_second();
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(id, seconds, &body)).collect();
    WireRequest {
        method: Method::Post,
        target: path.to_owned(),
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("webhook-id".to_owned(), id.to_owned()),
            ("webhook-timestamp".to_owned(), seconds.to_string()),
            ("webhook-signature".to_owned(), signatures.join(" ")),
        ],
        body,
    }
}

/// The request that tells of an event.
pub(super) fn of(event: &FeedEvent, path: &str, secrets: &[Secret], now: Timestamp) -> WireRequest {
    let body = Body { kind: kind(event), timestamp: event.at, data: event };
    // Numbers, texts and times alone: it can't fail.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut request = request(path, &id(event), body, secrets, now);
    // What upstream records of it joins the transfer's trace.
    let trace = event.request_id.as_ref().map(TraceId::of);
    request.headers.extend(trace.map(|trace| ("traceparent".to_owned(), trace.parent_header())));
    request
}

/// A request that tells of nothing, to see whether it is taken.
pub(super) fn test(path: &str, secrets: &[Secret], now: Timestamp) -> WireRequest {
    let body = serde_json::json!({"type": "test", "timestamp": now, "data": {}});
    request(path, &format!("evt_test_{}", now.as_millisecond()), body.to_string().into_bytes(), secrets, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification and of its reference libraries.
    #[test]
    fn the_signature_is_the_specifications() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn every_secret_signs() {
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
        let secrets = secrets.map(|text| Secret::parse(text).expect("a secret"));
        let request = request("/hook", "evt_1_2", b"{}".to_vec(), &secrets, Timestamp::UNIX_EPOCH);
        let signatures = request.header("webhook-signature").expect("signed");
        assert_eq!(signatures.split(' ').filter(|one| one.starts_with("v1,")).count(), 2, "{signatures}");
        assert_eq!(format!("{:?}", secrets[0]), "Secret");
    }

    #[test]
    fn secrets_of_another_form_are_refused() {
        for text in
            ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_no base64 at all!!"]
        {
            assert!(Secret::parse(text).is_err(), "{text}");
        }
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        assert!(Secret::parse(&long).is_err());
        let fresh = Secret::written(&STANDARD.encode([7; 32]));
        assert!(Secret::parse(&fresh).is_ok());
    }
}
