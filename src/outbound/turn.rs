//! One turn of a system's queue, in one transaction: what was checked goes on, as much as may start now is claimed, and while
//! that is made ready what ended is settled. The attempts of all that starts are on record with it: only then do their bytes go out.

use super::Delivery;
use super::exchange::{Checked, Finished, Hand, Started};
use super::ready::{Opening, Ready};
use super::settle::{Consequence, Situation, consequence};
use super::step::{self, End};
use crate::gate::{Gate, Why, gate};
use crate::inbound::apply::{alarm, ended_badly};
use crate::organization::check::Finding;
use crate::partner::{Exchange, Outcome, Partner};
use crate::store::{
    Claimant, Fence, Lease, LeaseChange, Named, NewAttempt, Save, Sharing, StoreError, SystemRow, Tx, Work,
};
use crate::suspension::{note, note_probe};
use crate::telemetry::TraceId;
use crate::transfer::{Cause, Entry, Event, Facts, Verdict, advance};
use jiff::Timestamp;
use league_contract::{Operation, RequestId};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// What a turn has to do.
pub(super) struct Turn {
    pub(super) delivery: Delivery,
    pub(super) partner: Arc<Partner>,
    pub(super) finished: Vec<Arc<Finished>>,
    pub(super) checked: Vec<Arc<Checked>>,
    /// A probe that ended.
    pub(super) probed: Option<Arc<Exchange>>,
    /// How many may be claimed; none by a daemon that stops.
    pub(super) free: u32,
    /// The turn before this one failed, or its end is unknown: this one does its work again.
    pub(super) again: bool,
    /// Exchanges that were made beside the turns since the last one: they count for the rate.
    pub(super) spent: u32,
}

/// What a turn brought.
#[derive(Default)]
pub(super) struct Turned {
    /// Calls to make now.
    pub(super) started: Vec<Started>,
    /// Organizations to ask for now.
    pub(super) to_check: Vec<Arc<Hand>>,
    /// How many were claimed.
    pub(super) claimed: usize,
    /// Whether the system is to be probed now.
    pub(super) probe: bool,
}

impl Work for Turn {
    const NAME: &'static str = "turn";

    type Done = Turned;

    fn sharing(&self) -> Sharing {
        Sharing::Alone
    }

    async fn run(&self, tx: &mut Tx) -> Result<Turned, StoreError> {
        let mut turned = Turned::default();
        let mut openings = Vec::new();
        let now = self.delivery.clock.now();
        // Its lock comes before the transfers': whoever changes many of a system's transfers waits here.
        let mut row = tx.system(&self.partner.system).await?;
        let before = row.clone();
        let limits = &self.partner.limits;
        let rate = limits.rate_per_second;
        row.health.bucket.take(self.spent, rate, now);
        // What may have to wait for other transactions' locks on transfers comes before the claim, which passes over what is
        // locked: nobody waits in a circle.
        let held = self.hold(tx).await?;
        self.take_note(tx, &mut row).await?;
        let gate = gate(&row.asked(limits), now, self.free);
        self.go_on(tx, gate, &mut openings).await?;
        let counted = openings.len();
        let limit = match gate {
            Gate::Open { exchanges } => self.startable(exchanges),
            Gate::Probe | Gate::Closed { .. } => 0,
        };
        let leases = self.claim(tx, limit).await?;
        turned.claimed = leases.len();
        // One waits for the database, the other computes meanwhile: its first statement goes out first.
        let (settled, ready) =
            tokio::join!(self.settle(tx, &held), self.delivery.make_ready(&self.partner, leases));
        settled?;
        self.begin(tx, ready, &mut turned, &mut openings).await?;
        // A daemon that stops asks nothing more.
        if gate == Gate::Probe && self.free > 0 {
            turned.probe = true;
            row.health.begin_probe(now, self.partner.probe_until(now), limits);
        }
        // A submit counts when its check begins: what was checked must not wait for the rate. The check counts itself.
        let begun = openings.len() - counted + turned.to_check.len();
        row.health.bucket.take(u32::try_from(begun).unwrap_or(u32::MAX), rate, now);
        self.open(tx, openings, &mut turned).await?;
        if row != before {
            tx.save_system(&self.partner.system, &row).await?;
        }
        Ok(turned)
    }
}

impl Turn {
    /// What ended, each with its transfer as it is now; nothing where the lease is not ours any more. It stays so until the
    /// commit.
    async fn hold(&self, tx: &mut Tx) -> Result<Vec<Held<'_>>, StoreError> {
        // In one order everywhere, so that no two transactions wait for each other.
        let mut finished: Vec<&Finished> = self.finished.iter().map(|one| &**one).collect();
        finished.sort_unstable_by(|one, other| one.hand.order(&other.hand));
        let known: Vec<_> = finished.iter().map(|one| (one.hand.entry.id, one.hand.fence)).collect();
        let unchanged = tx.hold(&known).await?;
        // Somebody else wrote to these meanwhile: what the outcome means is asked of what they are now.
        let behind = finished.iter().zip(&unchanged).filter(|(_, unchanged)| !**unchanged);
        let mut current = self.still_ours(tx, behind.map(|(one, _)| &*one.hand)).await?;
        let held = finished.into_iter().zip(unchanged).map(|(one, unchanged)| Held {
            one,
            entry: if unchanged {
                Some(Cow::Borrowed(&one.hand.entry))
            } else {
                current.remove(&one.hand.lease()).map(|(entry, _)| Cow::Owned(entry))
            },
        });
        Ok(held.collect())
    }

    /// What the exchanges that ended say of their system.
    async fn take_note(&self, tx: &mut Tx, row: &mut SystemRow) -> Result<(), StoreError> {
        if let Some(probed) = &self.probed {
            note_probe(tx, &self.partner, row, &probed.outcome, probed.finished_at).await?;
        }
        let asked = self.checked.iter().flat_map(|one| &one.asked).map(|(exchange, ..)| exchange);
        for exchange in asked.chain(self.finished.iter().map(|one| &one.exchange)) {
            note(tx, &self.partner, row, &exchange.outcome, exchange.finished_at).await?;
        }
        Ok(())
    }

    /// What ended: the attempt's end, and what it means for the transfer.
    async fn settle(&self, tx: &mut Tx, held: &[Held<'_>]) -> Result<(), StoreError> {
        let ends: Vec<_> = held.iter().map(|Held { one, .. }| (one.attempt, &one.result)).collect();
        tx.close_attempts(&ends).await?;
        let mut saves = Vec::with_capacity(held.len());
        for Held { one, entry } in held {
            if let Some(entry) = entry {
                saves.push(self.settled(tx, entry, one).await?);
            } else {
                // A callback was faster, or the lease ran out: the exchange is on record, its outcome is not ours to apply.
                let request_id = &one.hand.entry.request_id;
                tracing::info!(%request_id, trace_id = %TraceId::of(request_id), "the transfer moved on while we waited for the answer");
            }
        }
        tx.save_all(&saves).await?;
        for save in &saves {
            self.tell_conflict(tx, save).await?;
        }
        Ok(())
    }

    /// What an outcome means for its transfer.
    async fn settled(&self, tx: &mut Tx, current: &Entry, finished: &Finished) -> Result<Save, StoreError> {
        let exchange = &finished.exchange;
        let transfer = &finished.hand.transfer;
        let now = exchange.finished_at;
        let policy = self.partner.policy;
        let situation = Situation {
            operation: exchange.operation,
            entry: current,
            transfer,
            policy,
            asked_at: exchange.started_at,
            now,
        };
        let Consequence { event, mut facts, reported } = consequence(situation, &exchange.outcome);
        if let Some((status, words)) = reported {
            let words = words.map(|words| transfer.redact(words.as_received()));
            facts.error = ended_badly(status, words.as_deref(), now).or(facts.error);
        }
        if let Some(error) = &mut facts.error {
            error.suggestions.clone_from(&finished.suggestions);
        }
        let cause = match (event, exchange.operation) {
            (Some(Event::Lapsed), _) => Cause::Clock,
            (_, Operation::Submit) => Cause::Delivery,
            (_, _) => Cause::Query,
        };
        let not_sent = matches!(exchange.outcome, Outcome::NotSent(_));
        let doubtful = (not_sent || current.withdrawal.is_some()) && tx.may_have_arrived(current.id).await?;
        facts.doubtful = doubtful;
        let mut step = advance(policy.following, current, event, facts, now);
        if not_sent && !doubtful && self.partner.checks_names() {
            // No partner has seen this content yet: the organization is checked again next time.
            step.entry.sent_name = None;
        }
        Ok(Save { step, lease: LeaseChange::Release, cause, at: now })
    }

    /// An answer that contradicts what is known.
    async fn tell_conflict(&self, tx: &mut Tx, save: &Save) -> Result<(), StoreError> {
        let Save { step, cause, at, .. } = save;
        if step.verdict != Verdict::Conflict || step.lines.is_empty() {
            return Ok(());
        }
        let (system, request_id, cause) =
            (self.partner.system.clone(), step.entry.request_id.clone(), cause.as_str());
        tx.after_commit(move || {
            metrics::counter!("league_gateway_events_total", "system" => system.to_string(), "verdict" => "conflict")
                .increment(1);
            tracing::error!(%request_id, trace_id = %TraceId::of(&request_id), %system, cause,
                "an answer contradicts the transfer's state: nothing was changed, somebody must look");
        });
        alarm(tx, &step.entry, *at).await
    }

    /// What was checked: the name is fixed and the submit goes out, or there is no such organization.
    async fn go_on(&self, tx: &mut Tx, gate: Gate, openings: &mut Vec<Opening>) -> Result<(), StoreError> {
        if self.checked.is_empty() {
            return Ok(());
        }
        let now = self.delivery.clock.now();
        self.record_checks(tx).await?;
        let current = self.still_ours(tx, self.checked.iter().map(|one| &*one.hand)).await?;
        if self.again {
            // The turn before may have been committed all the same: its attempts are open, and nobody sends for them. Those
            // of a transfer that is another's by now are that one's: an open one is its sign that it may have sent.
            for (id, _) in current.keys() {
                tx.abandon_attempts(*id, now).await?;
            }
        }
        // The submit has a whole lease before it, however long the check took.
        let until = self.delivery.lease_from(now);
        let (mut saves, mut names) = (Vec::new(), Vec::new());
        for checked in &self.checked {
            let hand = &checked.hand;
            let Some((current, fence)) = current.get(&hand.lease()) else { continue };
            let answer = &checked.answer;
            let typed = &hand.transfer.destination.full_name;
            let (name, organization_id) = match answer.result {
                Finding::NotFound | Finding::Ambiguous => {
                    saves.push(self.end(current, step::send_back(answer, now), now));
                    continue;
                }
                Finding::Exists => {
                    (answer.full_name.as_ref().unwrap_or(typed), answer.organization_id.clone())
                }
                // The system checks the name with the submit, too.
                Finding::Unsupported | Finding::Unavailable => {
                    (answer.full_name.as_ref().unwrap_or(typed), None)
                }
            };
            if let Some(end) = put_off(gate, now) {
                // The check is done, and not made again: where it alone is refused, the submit goes without.
                let mut save = self.end(current, end, now);
                save.step.entry.sent_name = Some(name.clone());
                save.step.entry.organization_id = organization_id;
                saves.push(save);
                continue;
            }
            let mut hand = Hand {
                entry: current.clone(),
                fence: Fence { version: fence.version + 1, ..*fence },
                transfer: hand.transfer.clone(),
            };
            hand.entry.sent_name = Some(name.clone());
            hand.entry.organization_id.clone_from(&organization_id);
            let call = step::submit(&hand.transfer, Some(name));
            let named = Named { id: current.id, sent_name: name.clone(), organization_id, until };
            match self.delivery.prepare(&self.partner, hand, call, now) {
                Ok(opening) => {
                    names.push(named);
                    openings.push(opening);
                }
                Err(end) => saves.push(self.end(current, *end, now)),
            }
        }
        tx.fix_names(&names).await?;
        tx.save_all(&saves).await
    }

    /// How many may be claimed where so many exchanges may start: with a check before it, a submit is two of them.
    fn startable(&self, exchanges: u32) -> u32 {
        if self.partner.checks_names() { exchanges.div_ceil(2) } else { exchanges }
    }

    async fn record_checks(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let asked = self.checked.iter().flat_map(|one| one.asked.iter().map(|asked| (&one.hand, asked)));
        let attempts: Vec<_> = asked
            .map(|(hand, (exchange, request_sealed, result))| {
                let opened = self.attempt(hand, exchange.operation, exchange.started_at, request_sealed);
                (opened, result)
            })
            .collect();
        tx.record_attempts(&attempts).await
    }

    /// What is due, as much as may start.
    async fn claim(&self, tx: &mut Tx, limit: u32) -> Result<Vec<Lease>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let now = self.delivery.clock.now();
        let claimant = Claimant { worker: &self.delivery.worker, now, until: self.delivery.lease_from(now) };
        tx.claim(&self.partner.system, self.partner.policy.following, limit, claimant).await
    }

    /// What was claimed is written, and begins.
    async fn begin(
        &self,
        tx: &mut Tx,
        ready: Vec<(Lease, Ready)>,
        turned: &mut Turned,
        openings: &mut Vec<Opening>,
    ) -> Result<(), StoreError> {
        let (mut claims, mut ends, mut unopened) = (Vec::with_capacity(ready.len()), Vec::new(), Vec::new());
        for (lease, ready) in ready {
            let entry = &lease.save.step.entry;
            let request_id = &entry.request_id;
            match ready {
                Ready::Check(hand) => turned.to_check.push(hand),
                Ready::Open(opening) => openings.push(opening),
                Ready::End(end) => {
                    tracing::info!(%request_id, trace_id = %TraceId::of(request_id), system = %self.partner.system, event = ?end.event, "settled without an exchange");
                    ends.push(self.end(entry, *end, lease.save.at));
                }
                Ready::Unreadable(error) => {
                    unopened.push((request_id.clone(), error.to_string()));
                    let mut end = step::unreadable(&self.partner, entry, &error, lease.save.at);
                    end.facts.doubtful = entry.withdrawal.is_some() && tx.may_have_arrived(entry.id).await?;
                    ends.push(self.end(entry, end, lease.save.at));
                }
            }
            claims.push(lease.save);
        }
        tell_unopened(&unopened);
        tx.save_all(&claims).await?;
        tx.save_all(&ends).await
    }

    /// From the commit on, the bytes of these may have gone out.
    async fn open(&self, tx: &mut Tx, openings: Vec<Opening>, turned: &mut Turned) -> Result<(), StoreError> {
        let attempts: Vec<NewAttempt<'_>> = openings
            .iter()
            .map(|one| {
                let (operation, now) = (one.prepared.call.operation(), one.prepared.context.now);
                self.attempt(&one.hand, operation, now, &one.request_sealed)
            })
            .collect();
        let attempts = tx.open_attempts(&attempts).await?;
        turned.started.extend(openings.into_iter().zip(attempts).map(|(opening, attempt)| {
            let Opening { hand, prepared, .. } = opening;
            Started { hand, attempt, prepared }
        }));
        Ok(())
    }

    fn attempt<'a>(
        &'a self,
        hand: &Hand,
        operation: Operation,
        started_at: Timestamp,
        request_sealed: &'a [u8],
    ) -> NewAttempt<'a> {
        NewAttempt {
            transfer_id: hand.entry.id,
            system: &self.partner.system,
            operation,
            worker: &self.delivery.worker,
            started_at,
            request_sealed,
        }
    }

    fn end(&self, entry: &Entry, end: End, now: Timestamp) -> Save {
        let step = advance(self.partner.policy.following, entry, end.event, end.facts, now);
        let cause = if end.event == Some(Event::Lapsed) { Cause::Clock } else { Cause::Delivery };
        Save { step, lease: LeaseChange::Release, cause, at: now }
    }

    /// The transfers as they are now, of those leases that are still ours; from here to the commit it stays so. A daemon
    /// may hold an old lease and a new one on the same transfer: an outcome counts under its own alone.
    async fn still_ours<'a>(
        &self,
        tx: &mut Tx,
        hands: impl Iterator<Item = &'a Hand>,
    ) -> Result<HashMap<(i64, i64), (Entry, Fence)>, StoreError> {
        // In one order everywhere, so that no two transactions wait for each other.
        let mut hands: Vec<&Hand> = hands.collect();
        hands.sort_unstable_by(|one, other| one.order(other));
        let leases: Vec<(i64, i64)> = hands.into_iter().map(Hand::lease).collect();
        let held = tx.leased_all(&leases, self.delivery.clock.now()).await?;
        Ok(held.into_iter().map(|(fence, entry)| ((entry.id, fence.token), (entry, fence))).collect())
    }
}

/// What ended, and its transfer as it is now; nothing where the lease is not ours any more.
struct Held<'a> {
    one: &'a Finished,
    entry: Option<Cow<'a, Entry>>,
}

/// While it was checked, the gate closed: the submit goes back to the queue, uncounted. Its rate is taken already.
fn put_off(gate: Gate, now: Timestamp) -> Option<End> {
    let until = match gate {
        Gate::Open { .. } | Gate::Closed { why: Why::Rate, .. } => return None,
        Gate::Probe => None,
        Gate::Closed { until, .. } => until,
    };
    let due_at = Some(until.unwrap_or(now));
    let facts = Facts { uncounted: true, due_at, ..Facts::default() };
    Some(End { event: Some(Event::Released), facts })
}

/// Extends the leases that a driver holds, all in one statement.
pub(super) struct Renew {
    pub(super) leases: Vec<(i64, i64)>,
    pub(super) until: Timestamp,
}

impl Work for Renew {
    const NAME: &'static str = "renew leases";

    type Done = ();

    fn sharing(&self) -> Sharing {
        Sharing::Alone
    }

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.renew(&self.leases, self.until).await
    }
}

impl Delivery {
    /// Whether a turn has something to begin now, and when to look again; costs no write.
    pub(super) async fn look(&self, partner: &Partner) -> Result<(bool, Option<Timestamp>), StoreError> {
        let (row, next) = self
            .store
            .glance("look", |mut tx| async move { tx.system_and_next_due(&partner.system).await })
            .await?;
        let now = self.clock.now();
        Ok(match gate(&row.asked(&partner.limits), now, 1) {
            // Also while nothing is due: a feed's failures may have opened the breaker, and only a probe closes it.
            Gate::Probe => (true, next),
            Gate::Open { .. } => (next.is_some_and(|due| due <= now), next),
            Gate::Closed { until, .. } => {
                (false, until.into_iter().chain(next.filter(|due| *due > now)).min())
            }
        })
    }
}

/// One line, however many there are: where a key is missing, it is missing for all that it sealed.
fn tell_unopened(unopened: &[(RequestId, String)]) {
    if let Some((request_id, error)) = unopened.first() {
        tracing::error!(%request_id, trace_id = %TraceId::of(request_id), error, with_it = unopened.len() - 1,
            "a document can't be opened: it is tried again later");
    }
}
