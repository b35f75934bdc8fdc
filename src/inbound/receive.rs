//! A pushed message: verify, decode, store, answer.

use super::apply::{Arrival, InboundError, keep};
use crate::clock::Clock;
use crate::notify::Bell;
use crate::partner::{Partner, fresh_nonce};
use crate::seal::Sealer;
use crate::store::Store;
use crate::transfer::Cause;
use league_contract::{CallContext, Callback, CallbackVerdict, WireRequest, WireResponse};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Takes pushed messages.
pub struct Receiver {
    /// Where they are kept.
    pub store: Store,
    /// What seals them.
    pub sealer: Arc<Sealer>,
    /// What time it is.
    pub clock: Clock,
    /// Rung when one was applied.
    pub bell: Bell,
    /// When a refusal was last logged, in milliseconds: at full speed they must cost no disk.
    pub logged_at: AtomicI64,
}

impl Receiver {
    /// Takes one message of a system; the answer is the system's own form, made after the commit.
    pub async fn receive(&self, partner: &Partner, request: WireRequest) -> WireResponse {
        let verdict = match partner.adapter.open_callback(&request, self.clock.now()) {
            Ok(callback) => self.store(partner, &request, &callback).await,
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
        partner.adapter.answer_callback(request, verdict, &at)
    }

    async fn store(&self, partner: &Partner, request: &WireRequest, callback: &Callback) -> CallbackVerdict {
        match self.commit(partner, request, callback).await {
            Ok(true) => {
                self.bell.ring();
                CallbackVerdict::Stored
            }
            Ok(false) => {
                self.refused(partner, "the nonce was used before");
                CallbackVerdict::Replayed
            }
            Err(error) => {
                tracing::error!(system = %partner.system, request_id = %callback.event.request_id, %error,
                    "a status event could not be stored: the partner is asked to send it again");
                CallbackVerdict::Unavailable
            }
        }
    }

    /// `false` when the nonce was seen before.
    async fn commit(
        &self,
        partner: &Partner,
        request: &WireRequest,
        callback: &Callback,
    ) -> Result<bool, InboundError> {
        let at = self.clock.now();
        let mut tx = self.store.write("callback").await?;
        if !tx.remember_nonce(&partner.system, &callback.replay_key, at).await? {
            return Ok(false);
        }
        let arrival = Arrival {
            system: &partner.system,
            following: partner.policy.following,
            cause: Cause::Callback,
            at,
            raw: &request.body,
        };
        keep(&mut tx, &self.sealer, arrival, &callback.event).await?;
        tx.commit().await?;
        Ok(true)
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
