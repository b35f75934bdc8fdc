//! What goes over the wire of all three, and what a partner's face makes of it.

use crate::partner::{Call, Done, Partner, Refusal};
use axum::body::Bytes;
use axum::http::{HeaderMap, Method};

/// A request as it came.
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query, exactly as sent.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    /// A header's text; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// An answer, or a push, as it goes out.
#[derive(Default)]
pub(crate) struct Message {
    /// Of an answer.
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// The gateway's answer to a push.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What the gateway's answer means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Stored, and genuine.
    Stored,
    /// It can't store now, or there was no answer.
    Again,
    /// It refuses the push, or its answer breaks the profile: no use to repeat.
    Wrong(String),
}

/// The wire format of one partner.
pub(crate) trait Face: Send + Sync + 'static {
    /// What an answer must repeat of its request.
    type Asked: Send + Sync;
    const PARTNER: Partner;

    /// Reads and verifies a request.
    fn open(&self, request: &Request) -> (Self::Asked, Result<Call, Refusal>);
    /// What a request that was not read to its end is answered with.
    fn too_large(&self) -> Message;
    /// Writes an answer and signs it, `genuine` or not.
    fn answer(&self, asked: &Self::Asked, outcome: Result<Done, Refusal>, genuine: bool) -> Message;
}
