//! What becomes of the work of a daemon that is gone.

use super::backend::Bench;
use super::samples::{
    FOLLOWING, GUANGDONG, NATIONAL, answered, at, claim, insert, leased, open_attempt, sample, submit,
};
use jiff::Timestamp;
use league_contract::Operation;
use league_gateway::store::{Abandoned, AttemptResult, NewAttempt, Rescued};
use league_gateway::transfer::{Advance, Cause, State, Verdict, Withdrawal};

async fn rescue(bench: &Bench, before: Timestamp) -> Rescued {
    bench.write(async |tx| tx.rescue(&NATIONAL, FOLLOWING, Abandoned::Before(before), at(200)).await).await
}

async fn open(bench: &Bench, id: i64, operation: Operation) {
    bench.write(async |tx| open_attempt(tx, &NewAttempt { operation, ..submit(id, 2) }).await).await;
}

/// How the exchanges of a transfer ended.
async fn endings(bench: &Bench, id: i64) -> Vec<Option<String>> {
    let attempts = bench.read(async |tx| tx.attempts(id).await).await;
    for attempt in &attempts {
        assert_eq!(attempt.finished_at, Some(at(200)), "{attempt:?}");
    }
    attempts.into_iter().map(|attempt| attempt.outcome).collect()
}

pub(super) async fn unsent_work_is_queued_again(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench.claim_one(1).await;
    assert_eq!(rescue(&bench, Timestamp::MAX).await, Rescued { queued: 1, ..Rescued::default() });
    let stored = bench.stored(id).await;
    assert_eq!((stored.entry.state, stored.lease_token), (State::Queued, None));
    assert_eq!(stored.entry.attempts, 1, "a transfer that kills its daemon runs out of attempts");
    assert_eq!(stored.entry.due_at, Some(at(200)));
    let last = bench.read(async |tx| tx.timeline(id).await).await.pop().expect("a line").event;
    assert_eq!(
        (last.from.as_deref(), last.to.as_deref(), last.cause.as_str()),
        (Some("sending"), Some("queued"), "clock")
    );
    assert_eq!(rescue(&bench, Timestamp::MAX).await, Rescued::default(), "once");
    assert_eq!(bench.claim_one(200).await.entry().id, id);
}

pub(super) async fn what_may_have_been_sent_is_unconfirmed(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench.claim_one(1).await;
    open(&bench, id, Operation::Submit).await;
    assert_eq!(rescue(&bench, Timestamp::MAX).await, Rescued { unconfirmed: 1, ..Rescued::default() });
    let stored = bench.stored(id).await;
    assert_eq!((stored.entry.state, stored.lease_token), (State::Unconfirmed, None));
    assert_eq!(stored.entry.due_at, Some(at(200)), "to be queried at once");
    assert_eq!(endings(&bench, id).await, [Some("lost".to_owned())]);
}

/// An organization check that was cut off says nothing about the submit.
pub(super) async fn only_an_open_submit_makes_doubt(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench.claim_one(1).await;
    open(&bench, id, Operation::CheckOrganization).await;
    assert_eq!(rescue(&bench, Timestamp::MAX).await, Rescued { queued: 1, ..Rescued::default() });
    assert_eq!(endings(&bench, id).await, [Some("lost".to_owned())]);
}

pub(super) async fn a_question_under_way_frees_the_transfer(bench: Bench) {
    let states = [State::Unconfirmed, State::Submitted, State::AwaitingCheckIn];
    let mut keys = Vec::new();
    for (number, state) in (1..).zip(states) {
        keys.push(bench.put_with(number, |entry| entry.state = state).await);
    }
    bench.claim(9, 1).await;
    open(&bench, keys[0], Operation::Query).await;
    open(&bench, keys[1], Operation::Withdraw).await;
    let events = bench.read(async |tx| tx.feed(0, 100).await).await.len();
    assert_eq!(rescue(&bench, Timestamp::MAX).await, Rescued { freed: 3, ..Rescued::default() });
    for (id, state) in keys.iter().zip(states) {
        let stored = bench.stored(*id).await;
        assert_eq!((stored.entry.state, stored.lease_token), (state, None));
        assert_eq!(stored.entry.due_at, Some(at(0)), "still due");
    }
    assert_eq!(endings(&bench, keys[0]).await, [Some("lost".to_owned())]);
    assert_eq!(endings(&bench, keys[1]).await, [Some("lost".to_owned())]);
    assert_eq!(bench.read(async |tx| tx.feed(0, 100).await).await.len(), events, "nothing happened");
    assert_eq!(bench.claim(9, 1).await.len(), 3);
}

async fn wish(bench: &Bench, id: i64) {
    bench
        .write(async |tx| {
            let mut entry = tx.transfer_by_id(id).await?.expect("it is there").entry;
            entry.withdrawal = Some(Withdrawal { reason: "误报".into(), at: at(2) });
            let step = Advance { entry, lines: vec![], verdict: Verdict::Stays };
            tx.save(&step, false, Cause::Upstream, at(2)).await
        })
        .await;
}

pub(super) async fn a_wanted_withdrawal_needs_no_partner_when_nothing_was_sent(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench.claim_one(1).await;
    wish(&bench, id).await;
    rescue(&bench, Timestamp::MAX).await;
    assert_eq!(bench.stored(id).await.entry.state, State::Withdrawn);
}

/// This time nothing was sent, but an earlier submit may have arrived: the partner is asked.
pub(super) async fn a_wanted_withdrawal_in_doubt_is_not_done_by_a_rescue(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench
        .write(async |tx| {
            let attempt = open_attempt(tx, &submit(id, 0)).await?;
            tx.close_attempts(&[(attempt, &AttemptResult { outcome: "unclear", ..answered(0) })]).await
        })
        .await;
    bench.claim_one(1).await;
    wish(&bench, id).await;
    assert_eq!(rescue(&bench, Timestamp::MAX).await, Rescued { queued: 1, ..Rescued::default() });
    let entry = bench.stored(id).await.entry;
    assert_eq!((entry.state, entry.due_at), (State::Queued, Some(at(200))));
    assert!(entry.withdrawal.is_some());
}

pub(super) async fn a_lease_that_lasts_is_left_alone(bench: Bench) {
    bench.put(&sample(1)).await;
    let lease = bench.claim_one(1).await;
    assert_eq!(lease.until, at(61));
    assert_eq!(rescue(&bench, at(61)).await, Rescued::default());
    bench.read(async |tx| leased(tx, lease.entry().id, lease.fence.token).await).await;
    assert_eq!(rescue(&bench, at(62)).await, Rescued { queued: 1, ..Rescued::default() });
}

pub(super) async fn another_systems_leases_are_left_alone(bench: Bench) {
    let id = bench.put_with(1, |entry| entry.system = GUANGDONG.clone()).await;
    bench.write(async |tx| claim(tx, &GUANGDONG, 1, 1).await).await;
    bench.write(async |tx| open_attempt(tx, &NewAttempt { system: &GUANGDONG, ..submit(id, 2) }).await).await;
    assert_eq!(rescue(&bench, Timestamp::MAX).await, Rescued::default());
    assert!(bench.stored(id).await.lease_token.is_some());
    assert_eq!(bench.read(async |tx| tx.attempts(id).await).await[0].finished_at, None);
}

/// A system that is no longer configured may have left any number of leases behind.
pub(super) async fn a_thousand_foreign_leases_hide_nothing(bench: Bench) {
    bench
        .write(async |tx| {
            for number in 1..=1100 {
                let mut new = sample(number);
                new.entry.system = GUANGDONG.clone();
                insert(tx, &new).await?;
            }
            claim(tx, &GUANGDONG, 1100, 1).await
        })
        .await;
    bench.put(&sample(2000)).await;
    bench.claim_one(1).await;
    assert_eq!(rescue(&bench, Timestamp::MAX).await, Rescued { queued: 1, ..Rescued::default() });
}
