//! The part of the work that waits for a partner: no transaction is open, and many run side by side.

use super::Delivery;
use crate::organization::check::CheckAnswer;
use crate::organization::suggestion::Suggestion;
use crate::partner::{Exchange, Outcome, Partner, Prepared};
use crate::store::{AttemptResult, Fence};
use crate::telemetry::TraceId;
use crate::transfer::Entry;
use jiff::SignedDuration;
use league_contract::{Refusal, Reply, Transfer, WireRequest};
use std::cmp::Ordering;
use std::sync::Arc;

/// A daemon that stood still for so long between the commit and the first byte may have been taken for gone, and its
/// work been taken over: it sends nothing.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// One leased transfer in this daemon's hands.
pub(super) struct Hand {
    /// As it is under the lease, while nobody else writes to it.
    pub(super) entry: Entry,
    /// What every write of this work proves.
    pub(super) fence: Fence,
    /// The document.
    pub(super) transfer: Arc<Transfer>,
}

impl Hand {
    /// The transfer's key and the lease's token.
    pub(super) const fn lease(&self) -> (i64, i64) {
        (self.entry.id, self.fence.token)
    }

    /// The order in which transfers are locked.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.entry.request_id.as_str().cmp(other.entry.request_id.as_str())
    }
}

/// A call whose attempt is on record: its bytes may go out.
pub(super) struct Started {
    pub(super) hand: Arc<Hand>,
    pub(super) attempt: i64,
    pub(super) prepared: Prepared,
}

/// A call that ended, and is to be settled.
pub(super) struct Finished {
    pub(super) hand: Arc<Hand>,
    pub(super) attempt: i64,
    pub(super) exchange: Exchange,
    pub(super) result: AttemptResult,
    /// Which organizations may have been meant, where the submit was the first to find out that there is none.
    pub(super) suggestions: Vec<Suggestion>,
}

/// An organization check that ended; the submit comes next.
pub(super) struct Checked {
    pub(super) hand: Arc<Hand>,
    pub(super) answer: CheckAnswer,
    /// The exchanges that were made, each with its request sealed: a name may be asked for in two spellings.
    pub(super) asked: Vec<(Exchange, Vec<u8>, AttemptResult)>,
}

impl Delivery {
    /// Sends, and reads the answer.
    pub(super) async fn exchange(&self, partner: &Partner, started: Started) -> Finished {
        let Started { hand, attempt, prepared } = started;
        let now = self.clock.now();
        let exchange = if now.duration_since(prepared.context.now) > LATE {
            partner.not_sent(prepared, "this daemon stood still before it could send", now)
        } else {
            partner.send(prepared, &self.clock).await
        };
        let result = self.attempt_result(&hand.transfer, &exchange);
        let suggestions = self.suggestions(partner, &hand.transfer, &exchange).await;
        Finished { hand, attempt, exchange, result, suggestions }
    }

    /// Asks whether the organization exists.
    pub(super) async fn check(&self, partner: &Partner, hand: Arc<Hand>) -> Checked {
        let destination = &hand.transfer.destination;
        let (answer, exchanges) =
            self.organizations.check(partner, destination.province_code, &destination.full_name).await;
        let asked = exchanges.into_iter().map(|exchange| {
            let request = self.seal_request(&hand.transfer, &exchange.request);
            let result = self.attempt_result(&hand.transfer, &exchange);
            (exchange, request, result)
        });
        let asked = asked.collect();
        Checked { hand, answer, asked }
    }

    async fn suggestions(
        &self,
        partner: &Partner,
        transfer: &Transfer,
        exchange: &Exchange,
    ) -> Vec<Suggestion> {
        let Outcome::Reply(Reply::Refused { why: Refusal::OrganizationNotFound, .. }) = exchange.outcome
        else {
            return Vec::new();
        };
        let destination = &transfer.destination;
        self.organizations.suggest(partner, destination.province_code, &destination.full_name).await.0
    }

    fn attempt_result(&self, transfer: &Transfer, exchange: &Exchange) -> AttemptResult {
        let (code, error) = exchange.outcome.told();
        let response = exchange.response.as_ref().map(league_replay::write_response);
        AttemptResult {
            finished_at: exchange.finished_at,
            outcome: exchange.outcome.word(),
            code,
            http_status: exchange.response.as_ref().map(|response| response.status),
            error: error.map(|text| transfer.redact(&text)),
            response_sealed: response.map(|text| self.seal("response", transfer, text.as_ref())),
        }
    }

    pub(super) fn seal_request(&self, transfer: &Transfer, request: &WireRequest) -> Vec<u8> {
        self.seal("request", transfer, league_replay::write_request(request).as_ref())
    }

    /// A record that can't be sealed is left empty, not left out: what happened stays on record.
    fn seal(&self, context: &'static str, transfer: &Transfer, text: &[u8]) -> Vec<u8> {
        let request_id = &transfer.request_id;
        self.sealer.seal(context, request_id.as_str(), text).unwrap_or_else(|error| {
            tracing::error!(%request_id, trace_id = %TraceId::of(request_id), context, %error, "an exchange is kept without its bytes");
            Vec::new()
        })
    }
}
