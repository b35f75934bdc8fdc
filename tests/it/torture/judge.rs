//! What must hold when all is quiet again.

use super::people::Life;
use super::report::Counts;
use super::world::World;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long the end of everything may take once nothing goes wrong any more.
const QUIET: Duration = Duration::from_secs(60);

impl World {
    /// Ends a world: nothing goes wrong any more, all that is open comes to its end, the daemons stop, and all books are
    /// compared. Returns what does not hold, and keeps the daemons' logs then.
    pub(super) async fn end(self, counts: &mut Counts) -> Vec<String> {
        self.sandbox.set_faults(league_sandbox::Faults::default());
        let mut wrong = self.upstream.until_all_ended(QUIET).await;
        if tokio::time::timeout(QUIET, self.sandbox.pushes_idle()).await.is_err() {
            wrong.push("the partners still wait for answers to their pushes".to_owned());
        }
        if tokio::time::timeout(QUIET, self.dead_are_buried()).await.is_err() {
            wrong.push("a daemon that is gone was not noticed".to_owned());
        }
        wrong.extend(self.fleet.fallen());
        if wrong.is_empty() {
            wrong.extend(self.shown().await);
            wrong.extend(self.read_again().await);
        }
        self.upstream.end().await;
        wrong.extend(self.fleet.stop_all().await);
        wrong.extend(self.left_behind().await);
        wrong.extend(self.partners());
        wrong.extend(self.chains());
        self.count(counts);
        wrong.append(&mut self.upstream.memory().wrong);
        if !wrong.is_empty() {
            wrong.push(format!("the daemons' logs are in {}", self.keep().display()));
        }
        wrong
    }

    /// Waits until the living have looked after what the dead left: then nobody knows of them any more.
    async fn dead_are_buried(&self) {
        let living = i64::try_from(self.fleet.count()).unwrap_or(i64::MAX);
        while self.database.number("SELECT COUNT(*) FROM daemons").await > living {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn count(&self, counts: &mut Counts) {
        let memory = self.upstream.memory();
        let report = self.sandbox.report();
        let sum = |of: fn(&league_sandbox::TransferReport) -> u32| {
            report.transfers.iter().map(|line| u64::from(of(line))).sum::<u64>()
        };
        counts.add("transfers", memory.states.len() as u64);
        counts.add("taken in by the API", memory.posted);
        counts.add("taken in by the intake table", memory.inserted);
        counts.add("calls repeated by upstream", memory.repeated);
        counts.add("submits at the partners", sum(|line| line.submits));
        counts.add("effective transfers", sum(|line| line.effective));
        counts.add("pushes", sum(|line| line.callbacks_sent));
        counts.add("events", memory.heard.len() as u64);
    }

    /// Every transfer as the API shows it is where its life and its feed say.
    async fn shown(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let states = self.upstream.memory().states.clone();
        for (id, state) in states {
            let answer = self.upstream.insist("GET", &format!("/v1/transfers/{id}"), None).await;
            if answer.status != 200 {
                wrong.push(format!("{id} is lost: {}", answer.text()));
                continue;
            }
            let (shown, life) = (answer.json(), Life::of(&id));
            if shown["state"].as_str() != state.as_deref() {
                wrong.push(format!("{id} is {} but its feed ended with {state:?}", shown["state"]));
            }
            let account = life.account && shown["system"] == "smart_league";
            if account && shown["milestones"]["account_created_at"].is_null() {
                wrong.push(format!("{id}: nobody noted that an account was made"));
            }
        }
        wrong
    }

    /// A second reading of the feed shows nothing but what the first one heard, each event once and in order.
    async fn read_again(&self) -> Vec<String> {
        let mut again: Vec<Value> = Vec::new();
        loop {
            let after = again.last().map_or(0, |event| event["cursor"].as_i64().expect("a cursor"));
            let page =
                self.upstream.insist("GET", &format!("/v1/events?after={after}&limit=1000"), None).await;
            let page = page.json();
            let events = page["events"].as_array().expect("events");
            if events.is_empty() {
                break;
            }
            again.extend(events.iter().cloned());
        }
        let memory = self.upstream.memory();
        let cursor = |event: &Value| event["cursor"].as_i64();
        let last = memory.heard.last().and_then(cursor);
        let heard: BTreeSet<_> = memory.heard.iter().map(cursor).collect();
        // What has come since the follower's last look it has not missed.
        let missed = again.iter().filter(|event| cursor(event) <= last && !heard.contains(&cursor(event)));
        let mut wrong: Vec<String> = missed.map(|event| format!("the follower missed {event}")).collect();
        if !memory.heard.is_sorted_by_key(cursor) || heard.len() != memory.heard.len() {
            wrong.push("the feed's cursors did not rise".to_owned());
        }
        wrong
    }

    /// Rows that nobody will look at again.
    async fn left_behind(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for what in [
            "transfers WHERE lease_token IS NOT NULL",
            "attempts WHERE finished_at IS NULL",
            "callbacks WHERE verdict <> 'applied'",
            "intake",
            "intake_refused",
        ] {
            let count = self.database.number(&format!("SELECT COUNT(*) FROM {what}")).await;
            if count != 0 {
                wrong.push(format!("{count} row(s) left: {what}"));
            }
        }
        wrong.extend(self.database.miscounted().await);
        wrong
    }

    /// The partners' books: one effective transfer each, none sent again without need, no breach of a profile.
    fn partners(&self) -> Vec<String> {
        let report = self.sandbox.report();
        let mut wrong: Vec<String> =
            report.violations.iter().map(|one| format!("{}: {}", one.system, one.what)).collect();
        let mut effective: BTreeMap<&str, u32> = BTreeMap::new();
        for line in &report.transfers {
            *effective.entry(&line.request_id).or_default() += line.effective;
            if line.blind_submits > 0 || line.resubmits > 0 {
                wrong.push(format!("{} was sent again without need: {line:?}", line.request_id));
            }
        }
        let memory = self.upstream.memory();
        for id in memory.states.keys() {
            match effective.remove(id.as_str()) {
                Some(1) => {}
                other => wrong.push(format!("{id} has {other:?} effective transfers instead of one")),
            }
        }
        wrong.extend(effective.into_keys().map(|id| format!("nobody asked for {id}")));
        wrong
    }

    /// In the feed, every transfer goes from state to state without a gap.
    fn chains(&self) -> Vec<String> {
        let memory = self.upstream.memory();
        let mut at: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for event in memory.heard.iter().filter(|event| event["type"] == "state_changed") {
            let id = event["request_id"].as_str().unwrap_or_default();
            let before = at.entry(id).or_default();
            if event["from"].as_str() != *before {
                wrong.push(format!("a gap in the feed: {id} was {before:?}, then {event}"));
            }
            *before = event["to"].as_str();
        }
        wrong
    }
}
