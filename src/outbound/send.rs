//! One piece of work: a leased transfer is checked and submitted, queried, or asked back, and settled.

use super::settle::{Consequence, Situation, consequence};
use crate::clock::Clock;
use crate::inbound::apply::ended_badly;
use crate::notify::Bell;
use crate::organization::check::{CheckAnswer, Finding, check, suggest};
use crate::partner::{Exchange, Outcome, Partner, Prepared};
use crate::seal::{SealError, Sealer};
use crate::store::{AttemptResult, Lease, NewAttempt, Store, StoreError, Stored, Tx};
use crate::suspension::suspend;
use crate::transfer::{Advance, Cause, Event, Facts, LastError, State, Verdict, advance};
use jiff::SignedDuration;
use league_contract::{
    Call, EncodeError, Operation, Organization, ProblemCode, Refusal, Reply, Transfer, WireRequest,
    WireResponse,
};
use std::sync::Arc;

/// What every piece of work needs. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    /// The outbox.
    pub store: Store,
    /// What opens documents and seals exchanges.
    pub sealer: Arc<Sealer>,
    /// What time it is.
    pub clock: Clock,
    /// Rung after every settlement.
    pub bell: Bell,
    /// This daemon's name.
    pub worker: Arc<str>,
    /// How long a claim lasts.
    pub lease: SignedDuration,
}

/// Why a piece of work could not be finished. The lease then runs out, and what may have been sent is queried.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The store's fault, or the lease is lost.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The document can't be opened, or an exchange not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// One leased transfer and the system that it goes to.
struct Work {
    delivery: Delivery,
    partner: Arc<Partner>,
    lease: Lease,
    transfer: Transfer,
}

impl Delivery {
    /// Does what a leased transfer's state asks for. One whose document can't be opened is put off.
    ///
    /// # Errors
    /// [`WorkError`]; nothing is lost, the lease runs out.
    pub async fn work(&self, partner: &Arc<Partner>, lease: Lease) -> Result<(), WorkError> {
        let entry = &lease.stored.entry;
        match self.sealer.open_transfer(&entry.request_id, &lease.stored.document_sealed) {
            Ok(transfer) => {
                Work { delivery: self.clone(), partner: partner.clone(), lease, transfer }.run().await
            }
            Err(error) => self.put_off(partner, &lease, &error).await,
        }
    }

    /// Puts it back for later, with the reason: it mends itself once the key is back in the configuration.
    async fn put_off(&self, partner: &Partner, lease: &Lease, why: &SealError) -> Result<(), WorkError> {
        let now = self.clock.now();
        let entry = &lease.stored.entry;
        tracing::error!(request_id = %entry.request_id, error = %why, "a document can't be opened: it is tried again later");
        let sending = entry.state == State::Sending;
        let text = why.to_string();
        let zh = format!("无法打开已加密的申请内容：{text}");
        let facts = Facts {
            uncounted: sending,
            fruitless: true,
            due_at: Some(partner.policy.schedule.next(entry.tries.saturating_add(1), now, None)),
            error: Some(LastError { code: "sealed".into(), zh, en: text, at: now, suggestions: vec![] }),
            ..Facts::default()
        };
        self.change(partner, lease, sending.then_some(Event::Released), facts).await
    }

    /// Settles a lease without an exchange.
    async fn change(
        &self,
        partner: &Partner,
        lease: &Lease,
        event: Option<Event>,
        facts: Facts,
    ) -> Result<(), WorkError> {
        let now = self.clock.now();
        let mut tx = self.store.write("settle without an exchange").await?;
        let current = tx.leased(lease.stored.entry.id, lease.token).await?;
        let step = advance(partner.policy.following, &current.entry, event, facts, now);
        tx.save(&step, true, Cause::Delivery, now).await?;
        tx.commit().await?;
        self.bell.ring();
        Ok(())
    }
}

impl Work {
    /// Does what the transfer's state asks for.
    ///
    /// # Errors
    /// [`WorkError`]; nothing is lost, the lease runs out.
    async fn run(self) -> Result<(), WorkError> {
        let entry = &self.lease.stored.entry;
        let request_id = entry.request_id.clone();
        match entry.state {
            State::Sending => self.deliver().await,
            State::Unconfirmed if !self.partner.adapter.capabilities().query => self.give_up().await,
            State::Submitted | State::AwaitingCheckIn if entry.withdrawal.is_some() => {
                let reason = entry.withdrawal.as_ref().map(|wish| wish.reason.clone()).unwrap_or_default();
                self.exchange(Call::Withdraw { request_id, reason }).await
            }
            State::Unconfirmed | State::Submitted | State::AwaitingCheckIn => {
                self.exchange(Call::Query { request_id }).await
            }
            // Not work: the claim takes no such state.
            State::Queued
            | State::Completed
            | State::Rejected
            | State::Returned
            | State::Overdue
            | State::Withdrawn
            | State::Failed => Ok(()),
        }
    }

    /// Checks the organization, fixes the name that is sent, and submits.
    async fn deliver(mut self) -> Result<(), WorkError> {
        let partner = self.partner.clone();
        if self.lease.stored.entry.withdrawal.is_some() {
            // Taken back while it was queued, after a submit that may have arrived: ask before it is called withdrawn.
            return self.ask_first().await;
        }
        if self.lease.stored.entry.attempts > partner.policy.max_attempts {
            // Counted at the claim, so that one whose sends get lost, or end the process, runs out too.
            return self.attempts_used_up().await;
        }
        if self.lease.stored.entry.sent_name.is_none() && partner.adapter.capabilities().organization_check {
            let destination = &self.transfer.destination;
            let (answer, exchange) =
                check(&partner, &self.delivery.clock, destination.province_code, &destination.full_name)
                    .await;
            if let Some(exchange) = exchange {
                self.record(&exchange).await?;
            }
            match answer.result {
                Finding::NotFound | Finding::Ambiguous => return self.send_back(answer).await,
                Finding::Exists => {
                    self.lease.stored.entry.sent_name =
                        answer.full_name.or_else(|| Some(destination.full_name.clone()));
                    self.lease.stored.entry.organization_id = answer.organization_id;
                }
                // The system checks the name with the submit, too.
                Finding::Unsupported | Finding::Unavailable => {}
            }
        }
        let typed = self.transfer.destination.full_name.clone();
        let name = self.lease.stored.entry.sent_name.get_or_insert(typed).clone();
        let mut sent = self.transfer.clone();
        sent.destination.full_name = name;
        self.exchange(Call::Submit(Box::new(sent))).await
    }

    /// One exchange that may change the partner's books, between two commits.
    async fn exchange(self, call: Call) -> Result<(), WorkError> {
        let prepared = match self.partner.prepare(call, &self.delivery.clock) {
            Ok(prepared) => prepared,
            Err(error) => return self.inexpressible(error).await,
        };
        let left = self.lease.until.duration_since(self.delivery.clock.now());
        if left < self.partner.transport.longest().saturating_mul(4) {
            return self.release().await;
        }
        let attempt = self.open(&prepared).await?;
        let partner = self.partner.clone();
        let exchange = partner.send(prepared, &self.delivery.clock).await;
        self.settle(attempt, exchange).await
    }

    /// The second commit: from here on the bytes may have gone out. The name that is sent is fixed with it.
    async fn open(&self, prepared: &Prepared) -> Result<i64, WorkError> {
        let entry = &self.lease.stored.entry;
        let sealed = self.seal_request(&prepared.request)?;
        let mut tx = self.delivery.store.write("open attempt").await?;
        let current = tx.leased(entry.id, self.lease.token).await?;
        if current.entry.sent_name != entry.sent_name
            || current.entry.organization_id != entry.organization_id
        {
            let named = crate::transfer::Entry {
                sent_name: entry.sent_name.clone(),
                organization_id: entry.organization_id.clone(),
                ..current.entry
            };
            let step = Advance { entry: named, lines: vec![], verdict: crate::transfer::Verdict::Stays };
            tx.save(&step, false, Cause::Delivery, prepared.context.now).await?;
        }
        let attempt = tx
            .open_attempt(&NewAttempt {
                transfer_id: entry.id,
                system: &self.partner.system,
                operation: prepared.call.operation(),
                worker: &self.delivery.worker,
                started_at: prepared.context.now,
                request_sealed: &sealed,
            })
            .await?;
        tx.commit().await?;
        Ok(attempt)
    }

    /// The third commit: the attempt's end, and what it means for the transfer.
    async fn settle(self, attempt: i64, exchange: Exchange) -> Result<(), WorkError> {
        let result = self.attempt_result(&exchange)?;
        let suggestions = self.suggestions(&exchange).await;
        let mut tx = self.delivery.store.write("settle").await?;
        tx.close_attempt(attempt, &result).await?;
        let request_id = self.lease.stored.entry.request_id.clone();
        match tx.leased(self.lease.stored.entry.id, self.lease.token).await {
            Ok(current) => self.apply(&mut tx, &current, &exchange, suggestions).await?,
            // A callback was faster, or the lease ran out: the exchange is on record, its outcome is not ours to apply.
            Err(StoreError::LeaseLost(_)) => {
                tracing::info!(%request_id, "the transfer moved on while we waited for the answer");
            }
            Err(error) => return Err(error.into()),
        }
        tx.commit().await?;
        self.delivery.bell.ring();
        if let Some((why, code)) = exchange.outcome.blocked() {
            suspend(&self.delivery.store, &self.partner, why, code).await?;
        }
        tracing::info!(%request_id, system = %self.partner.system, operation = %exchange.operation,
            outcome = exchange.outcome.word(), code = result.code.as_deref(), "exchange settled");
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut Tx,
        current: &Stored,
        exchange: &Exchange,
        suggestions: Vec<Organization>,
    ) -> Result<(), WorkError> {
        let now = exchange.finished_at;
        let situation = Situation {
            operation: exchange.operation,
            entry: &current.entry,
            transfer: &self.transfer,
            policy: self.partner.policy,
            now,
        };
        let Consequence { event, mut facts, reported } = consequence(situation, &exchange.outcome);
        if let Some((status, words)) = &reported {
            facts.error =
                ended_badly(&self.delivery.sealer, current, *status, words.as_ref(), now).or(facts.error);
        }
        if let Some(error) = &mut facts.error {
            error.suggestions = suggestions;
        }
        let cause = if exchange.operation == Operation::Submit { Cause::Delivery } else { Cause::Query };
        let mut step = advance(self.partner.policy.following, &current.entry, event, facts, now);
        if matches!(exchange.outcome, Outcome::NotSent(_)) && !tx.may_have_arrived(current.entry.id).await? {
            // No partner has seen this content yet: the organization is checked again next time.
            step.entry.sent_name = None;
        }
        if step.verdict == Verdict::Conflict && !step.lines.is_empty() {
            metrics::counter!("league_gateway_events_total", "system" => self.partner.system.to_string(), "verdict" => "conflict")
                .increment(1);
            tracing::error!(request_id = %current.entry.request_id, system = %self.partner.system, operation = %exchange.operation,
                "an answer contradicts the transfer's state: nothing was changed, somebody must look");
        }
        Ok(tx.save(&step, true, cause, now).await?)
    }

    /// Which organizations may have been meant, where the submit was the first to find out that there is none.
    async fn suggestions(&self, exchange: &Exchange) -> Vec<Organization> {
        let Outcome::Reply(Reply::Refused { why: Refusal::OrganizationNotFound, .. }) = exchange.outcome
        else {
            return Vec::new();
        };
        let destination = &self.transfer.destination;
        suggest(&self.partner, &self.delivery.clock, destination.province_code, &destination.full_name).await
    }

    /// No submit: the organization is not there, or the name says too little.
    async fn send_back(self, answer: CheckAnswer) -> Result<(), WorkError> {
        let code = if answer.result == Finding::Ambiguous {
            ProblemCode::OrgAmbiguous
        } else {
            ProblemCode::OrgNotFound
        };
        let now = self.delivery.clock.now();
        let error = LastError {
            code: code.as_str().to_owned(),
            zh: answer.message,
            en: answer.message_en,
            at: now,
            suggestions: answer.suggestions,
        };
        self.end(Event::DataRefused, error).await
    }

    /// Our own data does not fit the partner's form.
    async fn inexpressible(self, error: EncodeError) -> Result<(), WorkError> {
        let sending = self.lease.stored.entry.state == State::Sending;
        let at = self.delivery.clock.now();
        let text = self.transfer.redact(&error.to_string());
        let zh = format!("对方系统的格式容不下此内容：{text}");
        let error = LastError { code: "inexpressible".into(), zh, en: text, at, suggestions: vec![] };
        if sending {
            return self.end(Event::DataRefused, error).await;
        }
        // A withdrawal that can't be said is given up; the transfer goes on.
        let facts = Facts {
            error: Some(error),
            withdrawal_refused: true,
            fruitless: true,
            due_at: Some(at),
            ..Facts::default()
        };
        self.delivery.change(&self.partner, &self.lease, None, facts).await
    }

    /// Nothing is sent; a query decides.
    async fn ask_first(self) -> Result<(), WorkError> {
        let due_at = Some(self.delivery.clock.now());
        let facts = Facts { uncounted: true, due_at, ..Facts::default() };
        self.delivery.change(&self.partner, &self.lease, Some(Event::Lost), facts).await
    }

    /// The lease has too little time left for an exchange: nothing is sent, and it is claimed anew.
    async fn release(self) -> Result<(), WorkError> {
        let sending = self.lease.stored.entry.state == State::Sending;
        let due_at = Some(self.delivery.clock.now());
        let facts = Facts { uncounted: sending, due_at, ..Facts::default() };
        self.delivery.change(&self.partner, &self.lease, sending.then_some(Event::Released), facts).await
    }

    /// It was tried often enough: a person decides.
    async fn attempts_used_up(self) -> Result<(), WorkError> {
        let attempts = self.partner.policy.max_attempts;
        let error = LastError {
            code: "attempts_used_up".into(),
            zh: format!("已尝试 {attempts} 次仍未送达，请人工处理"),
            en: format!("tried {attempts} times without success: somebody must find out why"),
            at: self.delivery.clock.now(),
            suggestions: vec![],
        };
        self.end(Event::GivenUp, error).await
    }

    /// The outcome is unknown and can't be asked for: a person decides.
    async fn give_up(self) -> Result<(), WorkError> {
        let error = LastError {
            code: "no_query".into(),
            zh: "发送结果未知，且对方系统不支持查询，请人工核实后处理".into(),
            en: "the outcome is unknown and this system can't be queried: find out by other means".into(),
            at: self.delivery.clock.now(),
            suggestions: vec![],
        };
        self.end(Event::GivenUp, error).await
    }

    async fn end(self, event: Event, error: LastError) -> Result<(), WorkError> {
        let entry = &self.lease.stored.entry;
        tracing::info!(request_id = %entry.request_id, system = %self.partner.system, code = error.code, "settled without a submit");
        // Nothing went out this time.
        let uncounted = entry.state == State::Sending;
        let facts = Facts { error: Some(error), uncounted, ..Facts::default() };
        self.delivery.change(&self.partner, &self.lease, Some(event), facts).await
    }

    /// Keeps an exchange that only asked something.
    async fn record(&self, exchange: &Exchange) -> Result<(), WorkError> {
        let result = self.attempt_result(exchange)?;
        let request = self.seal_request(&exchange.request)?;
        let mut tx = self.delivery.store.write("record exchange").await?;
        let attempt = tx
            .open_attempt(&NewAttempt {
                transfer_id: self.lease.stored.entry.id,
                system: &self.partner.system,
                operation: exchange.operation,
                worker: &self.delivery.worker,
                started_at: exchange.started_at,
                request_sealed: &request,
            })
            .await?;
        tx.close_attempt(attempt, &result).await?;
        Ok(tx.commit().await?)
    }

    fn attempt_result(&self, exchange: &Exchange) -> Result<AttemptResult, WorkError> {
        let (code, error) = exchange.outcome.told();
        Ok(AttemptResult {
            finished_at: exchange.finished_at,
            outcome: exchange.outcome.word(),
            code,
            http_status: exchange.response.as_ref().map(|response| response.status),
            error: error.map(|text| self.transfer.redact(&text)),
            response_sealed: exchange
                .response
                .as_ref()
                .map(|response| self.seal_response(response))
                .transpose()?,
        })
    }

    fn seal_request(&self, request: &WireRequest) -> Result<Vec<u8>, SealError> {
        let text = league_replay::write_request(request);
        self.delivery.sealer.seal("request", self.transfer.request_id.as_str(), &text)
    }

    fn seal_response(&self, response: &WireResponse) -> Result<Vec<u8>, SealError> {
        let text = league_replay::write_response(response);
        self.delivery.sealer.seal("response", self.transfer.request_id.as_str(), &text)
    }
}
