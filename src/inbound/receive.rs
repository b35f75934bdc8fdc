//! A pushed message: verify, decode, store, answer.

use super::apply::{Arrival, Arrived, InboundError, Sealed, keep_all};
use crate::clock::Clock;
use crate::notify::Bells;
use crate::partner::{Partner, fresh_nonce};
use crate::seal::Sealer;
use crate::store::{Gathering, Store, StoreError, Together, Tx};
use crate::telemetry::TraceId;
use crate::transfer::Cause;
use jiff::Timestamp;
use league_contract::{CallContext, Callback, CallbackVerdict, System, WireRequest, WireResponse};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Takes pushed messages.
pub struct Receiver {
    /// Where they wait to be kept: those that come together are kept together.
    pushes: Gathering<Pushed>,
    sealer: Arc<Sealer>,
    clock: Clock,
    /// Rung when one was applied.
    bells: Bells,
    /// When a refusal was last logged, in milliseconds: at full speed they must cost no disk.
    logged_at: AtomicI64,
}

impl Receiver {
    /// Keeps messages in a store, sealed, and rings when one was applied.
    #[must_use]
    pub fn new(store: Store, sealer: Arc<Sealer>, clock: Clock, bells: Bells) -> Self {
        Self { pushes: Gathering::new(store), sealer, clock, bells, logged_at: AtomicI64::new(0) }
    }

    /// Takes one message of a system; the answer is the system's own form, made after the commit.
    pub async fn receive(&self, partner: &Arc<Partner>, request: WireRequest) -> WireResponse {
        let verdict = match partner.link().adapter.open_callback(&request, self.clock.now()) {
            Ok(callback) => self.store(partner, &request.body, callback).await,
            Err(error) => {
                self.refused(partner, &error.to_string());
                CallbackVerdict::from(&error)
            }
        };
        self.answer(partner, &request, verdict)
    }

    /// Refuses a message whose body is over the limit and was not read; `request` has its head alone.
    pub fn refuse_too_large(&self, partner: &Partner, request: &WireRequest) -> WireResponse {
        self.refused(partner, "the body is over 1 MiB");
        self.answer(partner, request, CallbackVerdict::TooLarge)
    }

    fn answer(&self, partner: &Partner, request: &WireRequest, verdict: CallbackVerdict) -> WireResponse {
        let at = CallContext { now: self.clock.now(), nonce: fresh_nonce() };
        partner.link().adapter.answer_callback(request, verdict, &at)
    }

    async fn store(&self, partner: &Arc<Partner>, body: &[u8], callback: Callback) -> CallbackVerdict {
        let request_id = callback.event.request_id.clone();
        let stored = match Sealed::new(&self.sealer, &callback.event, body) {
            Ok(sealed) => {
                let (partner, sealer, at) = (partner.clone(), self.sealer.clone(), self.clock.now());
                let pushed =
                    Pushed { partner, sealer, callback: Arc::new(callback), sealed: Arc::new(sealed), at };
                self.pushes.run(pushed).await.map_err(InboundError::from)
            }
            Err(error) => Err(error.into()),
        };
        match stored {
            Ok(true) => {
                self.bells.changed();
                CallbackVerdict::Stored
            }
            Ok(false) => {
                self.refused(partner, "the nonce was used before");
                CallbackVerdict::Replayed
            }
            Err(error) => {
                tracing::error!(system = %partner.system, %request_id, trace_id = %TraceId::of(&request_id), %error,
                    "a status event could not be stored: the partner is asked to send it again");
                CallbackVerdict::Unavailable
            }
        }
    }

    /// Counts a refusal, and logs at most one a second.
    fn refused(&self, partner: &Partner, why: &str) {
        metrics::counter!("league_gateway_callbacks_refused_total", "system" => partner.system.to_string())
            .increment(1);
        let now = self.clock.now().as_millisecond();
        let last = self.logged_at.load(Ordering::Relaxed);
        if now - last >= 1000
            && self.logged_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            tracing::warn!(system = %partner.system, why, "callback refused");
        }
    }
}

/// A message that is to be kept.
#[derive(Clone)]
pub(crate) struct Pushed {
    partner: Arc<Partner>,
    sealer: Arc<Sealer>,
    callback: Arc<Callback>,
    sealed: Arc<Sealed>,
    at: Timestamp,
}

impl Together for Pushed {
    const NAME: &'static str = "callbacks";

    /// `false` when the nonce was seen before.
    type Done = bool;

    async fn run_all(all: &[Self], tx: &mut Tx) -> Result<Vec<bool>, StoreError> {
        let Some(Self { at, sealer, .. }) = all.first() else { return Ok(Vec::new()) };
        let nonce = |one: &Self| (one.partner.system.as_str().to_owned(), one.callback.replay_key.clone());
        let mut nonces: Vec<(&System, &str)> =
            all.iter().map(|one| (&one.partner.system, one.callback.replay_key.as_str())).collect();
        nonces.sort_unstable();
        nonces.dedup();
        let mut fresh = tx.remember_nonces(&nonces, *at).await?;
        // Of two with the same nonce the first counts.
        let fresh: Vec<bool> = all.iter().map(|one| fresh.remove(&nonce(one))).collect();
        let arrived: Vec<Arrived<'_>> = all
            .iter()
            .zip(&fresh)
            .filter(|(_, fresh)| **fresh)
            .map(|(one, _)| Arrived {
                arrival: Arrival {
                    system: &one.partner.system,
                    following: one.partner.policy.following,
                    cause: Cause::Callback,
                    at: one.at,
                },
                event: &one.callback.event,
                sealed: &one.sealed,
            })
            .collect();
        keep_all(tx, sealer, &arrived).await?;
        Ok(fresh)
    }
}
