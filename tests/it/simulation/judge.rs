//! The end of a world: everything is healed and comes to rest, and all books must agree.

use super::world::World;
use crate::support::SIDES;
use jiff::SignedDuration;
use league_gateway::store::Abandoned;
use league_gateway::transfer::State;
use league_gateway::transport::SendError;
use league_sandbox::{Status, Step};
use std::collections::BTreeMap;

/// So many rounds of an hour each may pass before everything has come to its end.
const ROUNDS: usize = 40;

impl World {
    /// Heals everything, runs until nothing is left to do, and returns what does not hold.
    pub(super) async fn end(&mut self) -> Vec<String> {
        for at in 0..self.daemons.len() {
            if self.daemons[at].is_none() {
                self.start(at).await;
            }
        }
        for round in 0..ROUNDS {
            self.tell(|| format!("round {round} of the end"));
            self.heal(round > 0).await;
            if round > 1 && self.is_quiet().await {
                return self.judge().await;
            }
            self.pass(SignedDuration::from_hours(1)).await;
            self.finish_reading().await;
        }
        let mut wrong = vec![format!("it comes to no rest: {}", self.unrest().await)];
        for id in self.asked.clone() {
            wrong.extend(self.story(id.as_str()).await);
        }
        wrong
    }

    /// Nothing goes wrong any more.
    async fn heal(&mut self, decide: bool) {
        let sweeper = self.daemon(0).app.sweeper();
        for instance in &self.dead {
            sweeper.bury(instance).await.expect("the dead are buried");
        }
        sweeper.rescue(Abandoned::Before(self.clock.now())).await.expect("leases are taken back");
        self.work_until_idle().await;
        for id in self.asked.clone() {
            if self.stored(&id).await.entry.state == State::Returned {
                self.amend(0, &id).await;
            }
            if decide {
                self.sandbox.advance(id.as_str(), &Step::CheckIn).await;
            }
            self.push_what_is_not_stored(id.as_str()).await;
        }
        self.work_until_idle().await;
        self.upstream_reads_all().await;
    }

    async fn work_until_idle(&mut self) {
        loop {
            let mut worked = false;
            for at in 0..self.daemons.len() {
                for side in 0..SIDES.len() {
                    worked |= self.work(at, side).await;
                }
            }
            self.begin_reading(0).await;
            worked |= self.deliver_all().await;
            if !worked {
                return;
            }
        }
    }

    /// Every request arrives, and every answer. Returns whether a delivery was among them.
    pub(super) async fn deliver_all(&mut self) -> bool {
        let mut worked = false;
        loop {
            self.network.forget();
            if self.network.under_way().is_empty() {
                return worked;
            }
            let (answered, stale, feed) = {
                let message = &self.network.under_way()[0];
                (message.answer.is_some(), message.stale, message.asks_the_feed())
            };
            worked |= !feed;
            if !answered && stale {
                self.lose(0, SendError::Unclear("cut".into()));
            } else {
                if !answered {
                    self.arrive(0, None).await;
                }
                self.let_go(0);
            }
            self.calm().await;
            self.finish_reading().await;
        }
    }

    async fn push_what_is_not_stored(&mut self, id: &str) {
        self.pushes.clear();
        self.send_pushes(id);
        for which in 0..self.pushes.len() {
            self.deliver_push(0, which, false).await;
        }
    }

    async fn upstream_reads_all(&mut self) {
        loop {
            let before = self.heard.len();
            self.upstream_reads().await;
            if self.heard.len() == before {
                return;
            }
        }
    }

    async fn is_quiet(&mut self) -> bool {
        self.unrest().await.is_empty()
    }

    /// What is not at its end.
    async fn unrest(&mut self) -> String {
        let mut open = Vec::new();
        for id in self.asked.clone() {
            let stored = self.stored(&id).await;
            if !stored.entry.state.is_final() {
                open.push(format!(
                    "{id} {} due {:?} {:?}",
                    stored.entry.state, stored.entry.due_at, stored.entry.last_error
                ));
            }
        }
        for what in
            ["transfers WHERE lease_token IS NOT NULL", "attempts WHERE finished_at IS NULL", "intake"]
        {
            let count = self.database.number(&format!("SELECT COUNT(*) FROM {what}")).await;
            if count > 0 {
                open.push(format!("{count} {what}"));
            }
        }
        open.join("; ")
    }

    async fn judge(&mut self) -> Vec<String> {
        let report = self.sandbox.report();
        let mut wrong: Vec<String> =
            report.violations.iter().map(|one| format!("{}: {}", one.system, one.what)).collect();
        let mut at_partners: BTreeMap<&str, (u32, Option<Status>)> = BTreeMap::new();
        for line in &report.transfers {
            let known = at_partners.entry(&line.request_id).or_default();
            known.0 += line.effective;
            known.1 = known.1.or(line.status);
            if line.blind_submits > 0 || line.resubmits > 0 {
                wrong.push(format!("sent again without need: {line:?}"));
            }
        }
        for id in self.asked.clone() {
            let state = self.stored(&id).await.entry.state;
            let (effective, status) = at_partners.get(id.as_str()).copied().unwrap_or_default();
            if effective > 1 || effective == 0 && state != State::Withdrawn {
                wrong.push(format!("{id} is {state}, with {effective} effective transfers"));
            }
            if !agree(state, status) {
                wrong.push(format!("{id} is {state} here and {status:?} there"));
            }
        }
        for what in
            ["alarms WHERE kind = 'set_aside'", "callbacks WHERE verdict <> 'applied'", "intake_refused"]
        {
            let count = self.database.number(&format!("SELECT COUNT(*) FROM {what}")).await;
            if count > 0 {
                wrong.push(format!("{count} {what}"));
            }
        }
        let conflicts = "SELECT request_id || ': ' || cause || ' ' || COALESCE(detail, '') FROM events WHERE kind = 'conflict'";
        wrong.extend(self.database.column::<String>(conflicts).await);
        wrong.extend(self.chains().await);
        wrong.extend(self.database.miscounted().await);
        for id in self.asked.clone() {
            if wrong.iter().any(|wrong| wrong.contains(id.as_str())) {
                wrong.extend(self.story(id.as_str()).await);
            }
        }
        wrong
    }

    /// What is on record of a transfer, for whoever reads why a seed failed.
    async fn story(&self, id: &str) -> Vec<String> {
        let which = format!("(SELECT id FROM transfers WHERE request_id = '{id}')");
        let events = format!(
            "SELECT at || ' ' || cause || ' ' || kind || ' ' || COALESCE(from_state, '') || ' ' || COALESCE(to_state, milestone, detail, '') FROM events WHERE transfer_id = {which} ORDER BY cursor"
        );
        let attempts = format!(
            "SELECT started_at || '-' || COALESCE(finished_at, '') || ' ' || worker || ' ' || operation || ' ' || COALESCE(outcome, 'open') || ' ' || COALESCE(code, '') FROM attempts WHERE transfer_id = {which} ORDER BY id"
        );
        let [events, attempts] = [self.database.column(&events).await, self.database.column(&attempts).await];
        [vec![id.to_owned()], events, attempts].concat()
    }

    /// Upstream heard every event of the feed once, in order, and every transfer's story has no gap.
    async fn chains(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut tx = self.daemon(0).app.store.read("test").await.expect("the store answers");
        let all = tx.feed(0, 100_000).await.expect("the feed is read");
        drop(tx);
        if all != self.heard {
            wrong.push(format!("upstream heard {} events of {}", self.heard.len(), all.len()));
        }
        let mut at: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for event in all.iter().filter(|event| event.kind == "state_changed") {
            let before = at.entry(event.request_id.as_deref().unwrap_or_default()).or_default();
            if event.from.as_deref() != *before {
                wrong.push(format!("a gap in the feed: {before:?}, then {event:?}"));
            }
            *before = event.to.as_deref();
        }
        for id in self.asked.clone() {
            let state = self.stored(&id).await.entry.state;
            let told = at.get(id.as_str()).copied().flatten();
            if told != Some(state.as_str()) {
                wrong.push(format!("{id} is {state}, but the feed ended with {told:?}"));
            }
        }
        wrong
    }
}

/// Whether a transfer's end here is its end there.
fn agree(state: State, status: Option<Status>) -> bool {
    match status {
        None | Some(Status::Withdrawn) => state == State::Withdrawn,
        Some(Status::Approved | Status::CheckedIn) => state == State::Completed,
        Some(Status::Rejected) => state == State::Rejected,
        Some(Status::Lapsed) => state == State::Overdue,
        Some(Status::Pending | Status::AwaitingCheckIn) => false,
    }
}
