//! A pushed message: verify, decode, store, answer.

use super::apply::{Arrival, InboundError, keep};
use crate::clock::Clock;
use crate::notify::Bell;
use crate::partner::{Partner, fresh_nonce};
use crate::seal::Sealer;
use crate::store::{Sharing, Store, StoreError, Tx, Work};
use crate::transfer::Cause;
use jiff::Timestamp;
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
    pub async fn receive(&self, partner: &Arc<Partner>, request: WireRequest) -> WireResponse {
        let verdict = match partner.adapter.open_callback(&request, self.clock.now()) {
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
        partner.adapter.answer_callback(request, verdict, &at)
    }

    async fn store(&self, partner: &Arc<Partner>, body: &[u8], callback: Callback) -> CallbackVerdict {
        let request_id = callback.event.request_id.clone();
        let pushed = Pushed {
            partner: partner.clone(),
            sealer: self.sealer.clone(),
            callback,
            raw: body.to_vec(),
            at: self.clock.now(),
        };
        match self.store.grouped(pushed).await.map_err(InboundError::from).and_then(|kept| kept) {
            Ok(true) => {
                self.bell.ring();
                CallbackVerdict::Stored
            }
            Ok(false) => {
                self.refused(partner, "the nonce was used before");
                CallbackVerdict::Replayed
            }
            Err(error) => {
                tracing::error!(system = %partner.system, %request_id, %error,
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

/// A message that is to be kept; many that come together share a commit.
struct Pushed {
    partner: Arc<Partner>,
    sealer: Arc<Sealer>,
    callback: Callback,
    raw: Vec<u8>,
    at: Timestamp,
}

impl Work for Pushed {
    /// `false` when the nonce was seen before.
    type Done = Result<bool, InboundError>;

    fn sharing(&self) -> Sharing {
        Sharing::Key(self.callback.event.request_id.as_str().to_owned())
    }

    async fn run(&self, tx: &mut Tx) -> Result<Self::Done, StoreError> {
        let Self { partner, sealer, callback, raw, at } = self;
        if !tx.remember_nonce(&partner.system, &callback.replay_key, *at).await? {
            return Ok(Ok(false));
        }
        let arrival = Arrival {
            system: &partner.system,
            following: partner.policy.following,
            cause: Cause::Callback,
            at: *at,
            raw,
        };
        match keep(tx, sealer, arrival, &callback.event).await {
            Ok(_) => Ok(Ok(true)),
            Err(InboundError::Store(error)) => Err(error),
            // Its nonce stays remembered: a partner signs a repeat anew.
            Err(error @ InboundError::Seal(_)) => Ok(Err(error)),
        }
    }
}
