//! What was claimed is made ready to go: its document is opened, its next step decided, the call encoded, signed, and sealed for
//! the record. Nothing but computing: it runs beside the turn's statements, on whatever core is free.

use super::Delivery;
use super::exchange::Hand;
use super::step::{self, End, Step, step};
use crate::partner::{Partner, Prepared};
use crate::seal::SealError;
use crate::store::Lease;
use futures_util::future::join_all;
use jiff::Timestamp;
use league_contract::Call;
use std::panic::resume_unwind;
use std::sync::Arc;
use tokio::task::JoinError;

/// So many at a time are handed to another core; fewer are done sooner than handed over.
const HANDFUL: usize = 16;

/// A call that is about to be put on record.
pub(super) struct Opening {
    pub(super) hand: Arc<Hand>,
    pub(super) prepared: Prepared,
    pub(super) request_sealed: Vec<u8>,
}

/// What a claimed transfer begins with.
pub(super) enum Ready {
    /// The organization is asked for.
    Check(Arc<Hand>),
    /// A call goes out.
    Open(Opening),
    /// Nothing goes out.
    End(Box<End>),
    /// Its document can't be opened.
    Unreadable(SealError),
}

impl Delivery {
    /// Makes all of them ready; each comes back with what it begins with, in the same order.
    pub(super) async fn make_ready(&self, partner: &Arc<Partner>, leases: Vec<Lease>) -> Vec<(Lease, Ready)> {
        let mut leases = leases.into_iter();
        let mut away = Vec::new();
        while leases.len() > HANDFUL {
            let handful: Vec<Lease> = leases.by_ref().take(HANDFUL).collect();
            let (delivery, partner) = (self.clone(), partner.clone());
            away.push(tokio::spawn(async move { delivery.each_ready(&partner, handful) }));
        }
        let last = self.each_ready(partner, leases);
        let mut ready = Vec::new();
        for done in join_all(away).await {
            match done.map_err(JoinError::try_into_panic) {
                Ok(done) => ready.extend(done),
                // It ends the turn.
                Err(Ok(panic)) => resume_unwind(panic),
                // Only a runtime that ends cancels it, and it cancels this task as well.
                Err(Err(_)) => std::future::pending().await,
            }
        }
        ready.extend(last);
        ready
    }

    fn each_ready(&self, partner: &Partner, leases: impl IntoIterator<Item = Lease>) -> Vec<(Lease, Ready)> {
        let one = |mut lease: Lease| {
            let ready = self.ready(partner, &mut lease);
            (lease, ready)
        };
        leases.into_iter().map(one).collect()
    }

    fn ready(&self, partner: &Partner, lease: &mut Lease) -> Ready {
        let (fence, now) = (lease.fence, lease.save.at);
        let entry = &mut lease.save.step.entry;
        let transfer = match self.sealer.open_transfer(&entry.request_id, &lease.document_sealed) {
            Ok(transfer) => Arc::new(transfer),
            Err(error) => return Ready::Unreadable(error),
        };
        let to = &transfer.destination;
        let spelling = || self.organizations.spelling(to.province_code, &to.full_name);
        let next = step(partner, entry, &transfer, spelling, now);
        let mut hand = Hand { entry: entry.clone(), fence, transfer };
        match next {
            Step::Check => Ready::Check(Arc::new(hand)),
            Step::End(end) => Ready::End(end),
            Step::Call(call) => {
                // A submit fixes the name that is sent.
                if let Call::Submit(sent) = &call {
                    hand.entry.sent_name.get_or_insert_with(|| sent.destination.full_name.clone());
                }
                match self.prepare(partner, hand, call, now) {
                    Ok(opening) => {
                        entry.sent_name.clone_from(&opening.hand.entry.sent_name);
                        Ready::Open(opening)
                    }
                    Err(end) => Ready::End(end),
                }
            }
        }
    }

    /// Encodes, signs and seals a call; one that can't be expressed ends.
    pub(super) fn prepare(
        &self,
        partner: &Partner,
        hand: Hand,
        call: Call,
        now: Timestamp,
    ) -> Result<Opening, Box<End>> {
        match partner.prepare(call, &self.clock) {
            Ok(prepared) => {
                let request_sealed = self.seal_request(&hand.transfer, &prepared.request);
                Ok(Opening { hand: Arc::new(hand), prepared, request_sealed })
            }
            Err(error) => Err(Box::new(step::inexpressible(hand.entry.state, &hand.transfer, &error, now))),
        }
    }
}
