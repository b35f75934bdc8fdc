//! The daemon dies at a commit: what is stored tells the next one where to go on.

use super::backend::Bench;
use super::samples::{
    FOLLOWING, NATIONAL, answered, at, claim, leased, open_attempt, request_id, sample, submit,
};
use jiff::Timestamp;
use league_contract::PartnerStatus;
use league_gateway::store::{Abandoned, Lease, Store, StoreError, Tx};
use league_gateway::transfer::{Cause, Event, Facts, State, advance};

/// The commits of one delivery.
const STEPS: [&str; 3] = ["claim", "attempt", "settle"];

/// What a daemon has in memory between two commits.
#[derive(Default)]
struct Memory {
    lease: Option<Lease>,
    attempt: Option<i64>,
}

async fn step(tx: &mut Tx, name: &str, memory: &mut Memory, second: i64) -> Result<(), StoreError> {
    if name == "claim" {
        memory.lease = claim(tx, &NATIONAL, 1, second).await?.pop();
        assert!(memory.lease.is_some(), "there is work");
        return Ok(());
    }
    let lease = memory.lease.as_ref().expect("claimed before");
    let id = lease.entry().id;
    if name == "attempt" {
        leased(tx, id, lease.fence.token).await?;
        memory.attempt = Some(open_attempt(tx, &submit(id, second)).await?);
        return Ok(());
    }
    tx.close_attempts(&[(memory.attempt.expect("opened before"), &answered(second))]).await?;
    let current = leased(tx, id, lease.fence.token).await?;
    let facts = Facts { receipt_no: Some("R-1".into()), ..Facts::default() };
    let pending = Some(Event::Reported(PartnerStatus::Pending));
    let step = advance(FOLLOWING, &current, pending, facts, at(second));
    tx.save(&step, true, Cause::Delivery, at(second)).await
}

/// Runs the delivery up to the commit `until`, which is not reached.
async fn run(store: &Store, until: usize, second: i64) {
    let mut memory = Memory::default();
    for (place, name) in STEPS.iter().enumerate() {
        let mut tx = store.write("law").await.expect("it begins");
        step(&mut tx, name, &mut memory, second).await.expect("the step succeeds");
        if place == until {
            return;
        }
        tx.commit().await.expect("it commits");
    }
}

/// State, due, attempts that count, how the exchanges ended.
async fn found(bench: &Bench) -> (State, Option<Timestamp>, u32, Vec<Option<String>>) {
    bench
        .read(async |tx| {
            let stored = tx.transfer(&request_id(1)).await?.expect("it is there");
            assert_eq!(stored.lease_token, None, "nobody works on it");
            let attempts = tx.attempts(stored.entry.id).await?;
            let endings = attempts.into_iter().map(|attempt| attempt.outcome).collect();
            Ok((stored.entry.state, stored.entry.due_at, stored.entry.attempts, endings))
        })
        .await
}

/// Every change in the feed begins where the one before ended.
async fn assert_unbroken(bench: &Bench) {
    let feed = bench.read(async |tx| tx.feed(0, 100).await).await;
    let mut state = None;
    for event in feed.iter().filter(|event| event.kind == "state_changed") {
        assert_eq!(event.from, state, "{feed:?}");
        state.clone_from(&event.to);
    }
    let stored = bench.read(async |tx| tx.transfer(&request_id(1)).await).await.expect("it is there");
    assert_eq!(state.as_deref(), Some(stored.entry.state.as_str()));
}

pub(super) async fn a_crash_at_any_commit_leaves_work_to_go_on_with(bench: Bench) {
    bench.put(&sample(1)).await;
    let lost = || Some("lost".to_owned());
    let rescue = async |second| {
        // The next daemon opens the file anew.
        let store = bench.again().await;
        let mut tx = store.write("law").await.expect("it begins");
        tx.rescue(&NATIONAL, FOLLOWING, Abandoned::Before(Timestamp::MAX), at(second))
            .await
            .expect("rescued");
        tx.commit().await.expect("it commits");
    };

    run(&bench.again().await, 0, 10).await;
    rescue(11).await;
    assert_eq!(found(&bench).await, (State::Queued, Some(at(0)), 0, vec![]), "never claimed");
    assert_unbroken(&bench).await;

    run(&bench.again().await, 1, 20).await;
    rescue(21).await;
    assert_eq!(found(&bench).await, (State::Queued, Some(at(21)), 1, vec![]), "claimed, nothing sent");
    assert_unbroken(&bench).await;

    run(&bench.again().await, 2, 30).await;
    rescue(31).await;
    assert_eq!(
        found(&bench).await,
        (State::Unconfirmed, Some(at(31)), 2, vec![lost()]),
        "perhaps sent: a query decides"
    );
    assert_unbroken(&bench).await;

    // The query says that it never arrived: only now it is sent again, and this time to the end.
    bench
        .write(async |tx| {
            let lease = claim(tx, &NATIONAL, 1, 40).await?.pop().expect("due");
            let step = advance(FOLLOWING, lease.entry(), Some(Event::NotReceived), Facts::default(), at(41));
            tx.save(&step, true, Cause::Query, at(41)).await
        })
        .await;
    run(&bench.again().await, STEPS.len(), 50).await;
    rescue(51).await;
    let done = vec![lost(), Some("answered".to_owned())];
    let next_look = at(50).saturating_add(FOLLOWING.reconcile_after).expect("in range");
    assert_eq!(found(&bench).await, (State::Submitted, Some(next_look), 3, done));
    assert_unbroken(&bench).await;
}
