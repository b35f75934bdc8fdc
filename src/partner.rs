//! One external system as the daemon holds it: its adapter, the way to reach it, and how patient to be.

use crate::clock::Clock;
use crate::gate::{Limits, Sign};
use crate::retry::Schedule;
use crate::transfer::Following;
use crate::transport::{SendError, Transport};
use jiff::{SignedDuration, Timestamp};
use league_contract::{
    Adapter, Blockage, Call, CallContext, Capabilities, EncodeError, Method, Nonce, Operation, Registration,
    Reply, System, WireRequest, WireResponse,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// One external system.
pub struct Partner {
    /// Its name.
    pub system: System,
    /// Its names for people.
    pub registration: Registration,
    /// How it is spoken to.
    link: RwLock<Arc<Link>>,
    /// How it is treated.
    pub policy: Policy,
    /// When it may be spoken to, and how much.
    pub limits: Limits,
    /// Calls beside the turns of delivery, not yet counted for the rate.
    pub asked: AtomicU32,
}

/// How a system is spoken to: replaced as a whole when secrets or certificates change.
pub struct Link {
    /// Its profile, with our secrets.
    pub adapter: Arc<dyn Adapter>,
    /// The way to reach it.
    pub transport: Transport,
    /// Keyed digest of our credentials there: when it changes, a suspension is lifted.
    pub credentials: Vec<u8>,
    /// Keyed digest of the certificates' files.
    pub certificates: Vec<u8>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// How a system is treated.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How its transfers are followed.
    pub following: Following,
    /// When to try again.
    pub schedule: Schedule,
    /// Submits that count before an operator is asked.
    pub max_attempts: u32,
    /// Exchanges at a time.
    pub concurrency: u32,
    /// How often its feed is polled, where it has one.
    pub feed_interval: SignedDuration,
    /// When its queue is an alarm.
    pub watch: Watch,
}

/// When a system's queue is an alarm.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// The longest that something due may wait, and the time in which all that falls due must be done.
    pub backlog_limit: SignedDuration,
    /// How long before its deadline an open transfer is warned of.
    pub lapse_warning: SignedDuration,
}

/// All systems, by name.
pub type Partners = BTreeMap<System, Arc<Partner>>;

/// A call in the system's words, ready to go.
#[derive(Debug)]
pub struct Prepared {
    /// What is asked.
    pub call: Call,
    /// With which nonce and at what time.
    pub context: CallContext,
    /// The bytes.
    pub request: WireRequest,
    /// What they were made with, and their answer is read with.
    link: Arc<Link>,
}

/// A call that was made.
#[derive(Debug)]
pub struct Exchange {
    /// What was asked.
    pub operation: Operation,
    /// When the request was made.
    pub started_at: Timestamp,
    /// When its outcome was known.
    pub finished_at: Timestamp,
    /// The request, as it went out.
    pub request: WireRequest,
    /// The answer, if one came.
    pub response: Option<WireResponse>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a call. The first kind is the partner's word; the others are what we know without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The partner's word, read and genuine.
    Reply(Reply),
    /// No byte went out.
    NotSent(String),
    /// It may have arrived: no answer, or none that can be trusted or read.
    NoAnswer(String),
}

impl Outcome {
    /// The word of the error taxonomy, for the attempt's record and for metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Reply(Reply::Answered(_)) => "answered",
            Self::Reply(Reply::Refused { .. }) => "refused",
            Self::Reply(Reply::TryLater { .. }) => "try_later",
            Self::Reply(Reply::Unclear { .. }) | Self::NoAnswer(_) => "unclear",
            Self::Reply(Reply::Blocked { .. }) => "blocked",
            Self::NotSent(_) => "not_sent",
        }
    }

    /// What it says of the system's health. A refusal of our credentials is an answer: suspension is another matter.
    #[must_use]
    pub const fn sign(&self) -> Sign {
        match self {
            Self::Reply(
                Reply::Answered(_)
                | Reply::Refused { .. }
                | Reply::Blocked { why: Blockage::Authentication, .. },
            ) => Sign::Answered,
            Self::Reply(Reply::TryLater { not_before, .. }) => Sign::Throttled { until: *not_before },
            Self::Reply(Reply::Blocked { why: Blockage::ClockSkew, .. }) => Sign::Skewed,
            Self::Reply(Reply::Unclear { .. }) | Self::NotSent(_) | Self::NoAnswer(_) => Sign::Failed,
        }
    }

    /// Why no exchange with the system would pass, and the partner's code for it.
    #[must_use]
    pub fn blocked(&self) -> Option<(Blockage, &str)> {
        match self {
            Self::Reply(Reply::Blocked { why, remark }) => Some((*why, &remark.code)),
            Self::Reply(
                Reply::Answered(_) | Reply::Refused { .. } | Reply::TryLater { .. } | Reply::Unclear { .. },
            )
            | Self::NotSent(_)
            | Self::NoAnswer(_) => None,
        }
    }

    /// The partner's code, and the words for what went wrong, as they came.
    #[must_use]
    pub fn told(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Reply(Reply::Answered(_)) => (None, None),
            Self::Reply(
                Reply::Refused { remark, .. }
                | Reply::TryLater { remark, .. }
                | Reply::Unclear { remark }
                | Reply::Blocked { remark, .. },
            ) => (Some(remark.code.clone()), Some(remark.message.as_received().to_owned())),
            Self::NotSent(text) | Self::NoAnswer(text) => (None, Some(text.clone())),
        }
    }
}

impl Partner {
    /// A system that is spoken to in one way until it is given another.
    #[must_use]
    pub fn new(
        system: System,
        registration: Registration,
        link: Link,
        policy: Policy,
        limits: Limits,
    ) -> Self {
        Self {
            system,
            registration,
            link: RwLock::new(Arc::new(link)),
            policy,
            limits,
            asked: AtomicU32::new(0),
        }
    }

    /// How it is spoken to now.
    #[must_use]
    pub fn link(&self) -> Arc<Link> {
        self.link.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on it is spoken to in another way; what is under way ends in the old one.
    pub fn relink(&self, link: Link) {
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(link);
    }

    /// What its profile can do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.link().adapter.capabilities()
    }

    /// Puts a call into the system's words, with a fresh nonce.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn prepare(&self, call: Call, clock: &Clock) -> Result<Prepared, EncodeError> {
        let context = CallContext { now: clock.now(), nonce: fresh_nonce() };
        let link = self.link();
        let request = link.adapter.encode(&call, &context)?;
        Ok(Prepared { call, context, request, link })
    }

    /// Sends what was prepared, and reads the answer.
    pub async fn send(&self, prepared: Prepared, clock: &Clock) -> Exchange {
        let Prepared { call, context, request, link } = prepared;
        let sent = link.transport.send(&request).await;
        let finished_at = clock.now();
        let (response, outcome) = match sent {
            Ok(response) => {
                let read =
                    link.adapter.decode(&call, &CallContext { now: finished_at, ..context }, &response);
                let outcome = read.map_or_else(|error| Outcome::NoAnswer(error.to_string()), Outcome::Reply);
                (Some(response), self.unless_outdated(&link, outcome))
            }
            Err(SendError::NotSent(text)) => (None, Outcome::NotSent(text)),
            Err(SendError::Unclear(text)) => (None, Outcome::NoAnswer(text)),
        };
        let operation = call.operation();
        metrics::counter!("league_gateway_exchanges_total", "system" => self.system.to_string(),
            "operation" => operation.as_str(), "outcome" => outcome.word())
        .increment(1);
        metrics::histogram!("league_gateway_exchange_seconds", "system" => self.system.to_string(),
            "operation" => operation.as_str())
        .record(finished_at.duration_since(context.now).as_secs_f64().max(0.0));
        Exchange { operation, started_at: context.now, finished_at, request, response, outcome }
    }

    /// A refusal of credentials that were changed while the call was under way says nothing of those that are used now.
    fn unless_outdated(&self, link: &Link, outcome: Outcome) -> Outcome {
        if link.credentials != self.link().credentials
            && let Outcome::Reply(Reply::Blocked { why: Blockage::Authentication, remark }) = outcome
        {
            return Outcome::Reply(Reply::TryLater { not_before: None, maintenance: true, remark });
        }
        outcome
    }

    /// Whether the system can be asked for an organization's name before a submit.
    #[must_use]
    pub fn checks_names(&self) -> bool {
        self.capabilities().organization_check
    }

    /// Counts calls that were made beside the turns.
    pub fn count(&self, calls: u32) {
        self.asked.fetch_add(calls, Ordering::Relaxed);
    }

    /// How many calls were made beside the turns since this was asked last.
    pub fn spent(&self) -> u32 {
        self.asked.swap(0, Ordering::Relaxed)
    }

    /// Asks the harmless question by which a system's breaker, and an operator, learn whether it answers: about nobody's
    /// transfer. Any answer is a good one; a question that can't even be said counts as failed.
    pub async fn probe(&self, clock: &Clock) -> Exchange {
        let call = Call::probe(&self.capabilities());
        let operation = call.operation();
        match self.prepare(call, clock) {
            Ok(prepared) => self.send(prepared, clock).await,
            Err(error) => Exchange {
                operation,
                started_at: clock.now(),
                finished_at: clock.now(),
                request: WireRequest {
                    method: Method::Get,
                    target: String::new(),
                    headers: vec![],
                    body: vec![],
                },
                response: None,
                outcome: Outcome::NotSent(error.to_string()),
            },
        }
    }

    /// When a probe that begins now has ended, however it ends.
    #[must_use]
    pub fn probe_until(&self, now: Timestamp) -> Timestamp {
        let longest = self.link().transport.longest().saturating_add(SignedDuration::from_secs(5));
        now.saturating_add(longest).unwrap_or(Timestamp::MAX)
    }

    /// What comes of a call that was not made after all.
    #[must_use]
    pub fn not_sent(&self, prepared: Prepared, why: &str, at: Timestamp) -> Exchange {
        Exchange {
            operation: prepared.call.operation(),
            started_at: prepared.context.now,
            finished_at: at,
            request: prepared.request,
            response: None,
            outcome: Outcome::NotSent(why.to_owned()),
        }
    }

    /// Makes a call that changes nothing. It counts for the rate with the next turn.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub async fn ask(&self, call: Call, clock: &Clock) -> Result<Exchange, EncodeError> {
        self.count(1);
        let prepared = self.prepare(call, clock)?;
        Ok(self.send(prepared, clock).await)
    }
}

/// Sixteen bytes that nobody can guess. Without randomness from the operating system nothing may be signed; it then
/// repeats a nonce, which every partner refuses.
#[must_use]
pub fn fresh_nonce() -> Nonce {
    let mut bytes = [0u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the operating system gave no randomness: partners will refuse what is sent now");
    }
    Nonce(bytes)
}
