//! One system's queue. It works in turns: a transaction decides and puts on record, exchanges run side by side, and
//! what ended meanwhile is settled together in the next one.

use super::Delivery;
use super::exchange::{Checked, Finished};
use super::turn::{Renew, Turn, Turned};
use crate::notify::Listener;
use crate::partner::{Exchange, Outcome, Partner};
use crate::store::{AttemptResult, StoreError};
use crate::telemetry::{Role, Span, TraceId, record};
use jiff::{SignedDuration, Timestamp};
use league_contract::RequestId;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// How long what ended may wait for company before it is settled, while the system is busy.
const LINGER: SignedDuration = SignedDuration::from_millis(10);

/// How long a database that fails is left alone.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// Drives one system's deliveries. Each system has its own: one that is slow costs the others nothing.
pub struct Driver {
    /// What the work needs.
    pub delivery: Delivery,
    /// Which system.
    pub partner: Arc<Partner>,
    /// The longest between two looks.
    pub poll_interval: SignedDuration,
}

/// Something that ended outside a transaction.
enum News {
    Finished(Finished),
    Checked(Checked),
    Probed(Exchange),
}

/// What a driver holds between two turns. Dropped in the middle, as by a process that ends, its leases run out.
#[derive(Default)]
pub struct Desk {
    /// What is at the partner now. Aborted with the desk.
    away: JoinSet<News>,
    /// The leases of what is away: transfer and token.
    leases: HashMap<Id, (i64, i64)>,
    finished: Vec<Arc<Finished>>,
    checked: Vec<Arc<Checked>>,
    probed: Option<Arc<Exchange>>,
    /// The last turn failed, or its end is unknown.
    again: bool,
    /// When the first of what waits to be settled ended.
    waiting_since: Option<Timestamp>,
    renewed_at: Option<Timestamp>,
    /// When to look again at the latest.
    look_at: Option<Timestamp>,
}

impl Driver {
    /// Claims and delivers until told to stop; then lets what is in flight finish.
    pub async fn run(self, stop: CancellationToken) {
        let mut desk = Desk::default();
        let mut bell = self.delivery.bells.work.listen();
        loop {
            let claiming = !stop.is_cancelled();
            if !claiming && desk.is_empty() {
                return;
            }
            let more = match self.work(&mut desk, claiming).await {
                Ok(more) => more,
                Err(error) => {
                    tracing::error!(system = %self.partner.system, error = %error, source = source(&error),
                        "the outbox can't be written: what was claimed and what ended is kept, and tried again");
                    tokio::select! {
                        () = self.delivery.clock.sleep(self.poll_interval.min(AGAIN)) => {}
                        () = stop.cancelled(), if claiming => {}
                    }
                    continue;
                }
            };
            if !more {
                self.wait(&mut desk, &mut bell, &stop).await;
            }
        }
    }

    /// One pass of [`Driver::run`], for whoever holds time and network in their own hands: takes up what ended, renews
    /// leases, and makes a turn if there is something to do in one. Returns whether there may be more at once.
    ///
    /// # Errors
    /// [`StoreError`] of the turn; the desk keeps what it held.
    pub async fn work(&self, desk: &mut Desk, claiming: bool) -> Result<bool, StoreError> {
        desk.take_what_ended(self.delivery.clock.now());
        self.renew(desk).await;
        self.advance(desk, claiming).await
    }

    /// Claims what is due now, once, and finishes it; returns how many there were, a probe included. For tests and for draining.
    ///
    /// # Errors
    /// [`StoreError`] of a turn.
    pub async fn run_once(&self) -> Result<usize, StoreError> {
        let mut desk = Desk::default();
        let (due, _) = self.delivery.look(&self.partner).await?;
        let (begun, _) = self.turn(&mut desk, if due { self.partner.policy.concurrency } else { 0 }).await?;
        while let Some(ended) = desk.away.join_next_with_id().await {
            desk.take(ended, self.delivery.clock.now());
            if desk.away.is_empty() {
                self.turn(&mut desk, 0).await?;
            }
        }
        Ok(begun)
    }

    /// Makes a turn, if there is something to do in one. Returns whether there may be more at once.
    async fn advance(&self, desk: &mut Desk, claiming: bool) -> Result<bool, StoreError> {
        let now = self.delivery.clock.now();
        let concurrency = self.partner.policy.concurrency;
        let busy = u32::try_from(desk.away.len()).unwrap_or(u32::MAX);
        let lingers = desk.waiting_since.is_some_and(|since| now.duration_since(since) < LINGER);
        // While it is busy, what ended waits for company: a commit for one costs as much as a commit for many. Where a turn's
        // statements go to a server, each costs more, and there are fewer turns.
        let few = if self.delivery.store.is_one_daemons() { concurrency / 2 } else { concurrency / 4 };
        if lingers && busy > few {
            return Ok(false);
        }
        let free =
            if claiming && self.delivery.store.may_claim(now) { concurrency.saturating_sub(busy) } else { 0 };
        if desk.waiting_since.is_none() {
            if free == 0 {
                return Ok(false);
            }
            let (due, look_at) = self.delivery.look(&self.partner).await?;
            desk.look_at = look_at;
            if !due {
                return Ok(false);
            }
        }
        let (_, moved) = self.turn(desk, free).await?;
        // What was settled may be due again at once, and there may be more than could be claimed: the next look tells.
        Ok(moved)
    }

    /// Returns how many were begun, a probe included, and whether anything was, or something that ended was taken up.
    async fn turn(&self, desk: &mut Desk, free: u32) -> Result<(usize, bool), StoreError> {
        let spent = self.partner.spent();
        let turn = Turn {
            delivery: self.delivery.clone(),
            partner: self.partner.clone(),
            finished: desk.finished.clone(),
            checked: desk.checked.clone(),
            probed: desk.probed.clone(),
            free,
            again: desk.again,
            spent,
        };
        let settled = !desk.finished.is_empty() || !desk.checked.is_empty() || desk.probed.is_some();
        let turned = self.delivery.store.grouped(turn).await;
        desk.again = turned.is_err();
        let turned = turned.inspect_err(|_| self.partner.count(spent))?;
        for one in desk.finished.drain(..) {
            self.tell(&one.hand.entry.request_id, &one.exchange, &one.result);
        }
        for one in desk.checked.drain(..) {
            for (exchange, _, result) in &one.asked {
                self.tell(&one.hand.entry.request_id, exchange, result);
            }
        }
        desk.probed = None;
        desk.waiting_since = None;
        let begun = turned.claimed + usize::from(turned.probe);
        self.begin(desk, turned);
        let moved = settled || begun > 0;
        if moved {
            self.delivery.bells.news.ring();
        }
        Ok((begun, moved))
    }

    /// Sends off what a turn put on record.
    fn begin(&self, desk: &mut Desk, turned: Turned) {
        if turned.probe {
            let (delivery, partner) = (self.delivery.clone(), self.partner.clone());
            desk.away.spawn(async move { News::Probed(partner.probe(&delivery.clock).await) });
        }
        for hand in turned.to_check {
            let lease = hand.lease();
            let (delivery, partner) = (self.delivery.clone(), self.partner.clone());
            desk.send_off(lease, async move { News::Checked(delivery.check(&partner, hand).await) });
        }
        for started in turned.started {
            let lease = started.hand.lease();
            let (delivery, partner) = (self.delivery.clone(), self.partner.clone());
            desk.send_off(lease, async move { News::Finished(delivery.exchange(&partner, started).await) });
        }
    }

    fn tell(&self, request_id: &RequestId, exchange: &Exchange, result: &AttemptResult) {
        let system = &self.partner.system;
        tracing::info!(%request_id, trace_id = %TraceId::of(request_id), %system, operation = %exchange.operation,
            outcome = result.outcome, code = result.code.as_deref(), "exchange settled");
        record(|| {
            let status = result.http_status.map(|status| ("http.response.status_code", status.to_string()));
            let code = result.code.as_ref().map(|code| ("error.type", code.clone()));
            let known = [
                ("league.system", system.to_string()),
                ("league.operation", exchange.operation.to_string()),
                ("league.outcome", result.outcome.to_owned()),
            ];
            let answered = matches!(exchange.outcome, Outcome::Reply(_));
            Span {
                request_id: request_id.to_string(),
                name: exchange.operation.as_str(),
                role: Role::Client,
                began: exchange.started_at,
                ended: exchange.finished_at,
                fields: known.into_iter().chain(status).chain(code).collect(),
                failed: (!answered).then(|| result.error.clone().unwrap_or_default()),
            }
        });
    }

    /// Waits for something to do: news from the partner, a bell, the next due time.
    async fn wait(&self, desk: &mut Desk, bell: &mut Listener, stop: &CancellationToken) {
        let clock = &self.delivery.clock;
        let now = clock.now();
        let pause = match desk.waiting_since {
            Some(since) => LINGER - now.duration_since(since),
            None => desk
                .look_at
                .map(|due| due.duration_since(now))
                // What is due already but was not claimed (suspended, no slot) is looked at again at the usual pace.
                .filter(|wait| wait.is_positive())
                .map_or(self.poll_interval, |wait| wait.min(self.poll_interval)),
        };
        let stopping = stop.is_cancelled();
        if stopping && desk.is_empty() {
            return;
        }
        tokio::select! {
            Some(ended) = desk.away.join_next_with_id() => desk.take(ended, clock.now()),
            () = bell.wait(clock, pause), if !stopping => {}
            () = clock.sleep(pause), if stopping => {}
            () = stop.cancelled(), if !stopping => {}
        }
    }

    /// Keeps the leases of what is at work fresh, all of them in one statement.
    async fn renew(&self, desk: &mut Desk) {
        let now = self.delivery.clock.now();
        let since = *desk.renewed_at.get_or_insert(now);
        if now.duration_since(since) < self.delivery.lease / 3 {
            return;
        }
        let leases = desk.leases();
        if leases.is_empty() {
            return;
        }
        desk.renewed_at = Some(now);
        let renew = Renew { leases, until: self.delivery.lease_from(now) };
        if let Err(error) = self.delivery.store.grouped(renew).await {
            tracing::warn!(system = %self.partner.system, error = %error, "leases could not be renewed: tried again before they run out");
        }
    }
}

impl Desk {
    fn is_empty(&self) -> bool {
        self.away.is_empty() && self.waiting_since.is_none()
    }

    /// The leases of all that is in this driver's hands.
    fn leases(&self) -> Vec<(i64, i64)> {
        let finished = self.finished.iter().map(|one| one.hand.lease());
        let checked = self.checked.iter().map(|one| one.hand.lease());
        self.leases.values().copied().chain(finished).chain(checked).collect()
    }

    fn send_off(&mut self, lease: (i64, i64), exchange: impl Future<Output = News> + Send + 'static) {
        let task = self.away.spawn(exchange);
        self.leases.insert(task.id(), lease);
    }

    fn take_what_ended(&mut self, now: Timestamp) {
        while let Some(ended) = self.away.try_join_next_with_id() {
            self.take(ended, now);
        }
    }

    fn take(&mut self, ended: Result<(Id, News), JoinError>, now: Timestamp) {
        let task = ended.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        self.leases.remove(&task);
        match ended {
            Ok((_, News::Finished(finished))) => self.finished.push(Arc::new(finished)),
            Ok((_, News::Checked(checked))) => self.checked.push(Arc::new(checked)),
            Ok((_, News::Probed(exchange))) => self.probed = Some(Arc::new(exchange)),
            Err(error) => {
                tracing::error!(%error, "an exchange ended early: its lease runs out, and a query decides");
                return;
            }
        }
        self.waiting_since.get_or_insert(now);
    }
}

fn source(error: &dyn std::error::Error) -> Option<String> {
    error.source().map(ToString::to_string)
}
