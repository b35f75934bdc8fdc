//! Traces: everything that happens to one transfer is found under one id, in the log of any daemon and in what is
//! exported. A transfer lives for days and through restarts, so its id is not drawn but follows from its request id.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::OnceLock;

/// The id of a transfer's trace: the first 16 bytes of the SHA-256 of its request id, 32 hexadecimal digits in print.
/// Whoever has the request id can compute it: `printf %s BJ-2024-000001 | sha256sum | cut -c1-32`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId {
    digest: [u8; 32],
}

impl TraceId {
    /// The trace of a transfer.
    #[must_use]
    pub fn of(request_id: impl AsRef<str>) -> Self {
        Self { digest: Sha256::digest(request_id.as_ref().as_bytes()).into() }
    }

    /// As W3C Trace Context numbers a trace.
    #[must_use]
    pub fn number(self) -> u128 {
        self.digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
    }

    /// The number of the span that all others of the transfer stand below: the digest's next 8 bytes.
    #[must_use]
    pub fn root(self) -> u64 {
        self.digest.iter().skip(16).take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The header `traceparent` (W3C Trace Context) of a message about the transfer.
    #[must_use]
    pub fn parent_header(self) -> String {
        format!("00-{self}-{:016x}-01", self.root())
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.number())
    }
}

/// Which part somebody had in a span, as OpenTelemetry tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We did it ourselves.
    Internal,
    /// We called somebody.
    Client,
    /// Somebody told us.
    Consumer,
}

/// Something that took time and was about one transfer. No field holds personal data.
#[derive(Debug)]
pub struct Span {
    /// Which transfer.
    pub request_id: String,
    /// What it was, of a small number of names.
    pub name: &'static str,
    /// Our part in it.
    pub role: Role,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// More about it, by OpenTelemetry's names where it has one.
    pub fields: Vec<(&'static str, String)>,
    /// Why it did not succeed.
    pub failed: Option<String>,
}

impl Span {
    /// The span that all others of a transfer stand below: it was taken in.
    pub const RECEIVED: &'static str = "transfer received";
}

type Sink = Box<dyn Fn(Span) + Send + Sync>;

/// Where spans go; nowhere as long as nobody exports them.
static SINK: OnceLock<Sink> = OnceLock::new();

/// Sends spans somewhere, for the whole process; false where they go somewhere already.
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nobody exports spans in this build"))]
pub(super) fn send_to(sink: impl Fn(Span) + Send + Sync + 'static) -> bool {
    SINK.set(Box::new(sink)).is_ok()
}

/// Puts a span on record, if spans are exported.
pub fn record(span: impl FnOnce() -> Span) {
    if let Some(sink) = SINK.get() {
        sink(span());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_can_be_computed_by_hand() {
        let trace = TraceId::of("BJ-2024-000001");
        // printf %s BJ-2024-000001 | sha256sum
        assert_eq!(trace.to_string(), "b0e7ba9dd555020f42f17890de4b6220");
        assert_eq!(trace.parent_header(), "00-b0e7ba9dd555020f42f17890de4b6220-fe1ce5b996600acb-01");
    }
}
