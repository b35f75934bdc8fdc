//! Claims and leases: who may work on what.

use super::backend::{Bench, write};
use super::samples::{
    FOLLOWING, GUANGDONG, NATIONAL, at, claim, happen, leased, reported, request_id, sample,
};
use league_contract::PartnerStatus;
use league_gateway::store::{Abandoned, Fence, Lease, LeaseChange, Save, StoreError, Tx};
use league_gateway::transfer::{Cause, Facts, Held, State, Withdrawal, advance};

fn ids(leases: &[Lease]) -> Vec<i64> {
    leases.iter().map(|lease| lease.entry().id).collect()
}

pub(super) async fn what_is_due_longest_is_claimed_first(bench: Bench) {
    for (number, due) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
        bench.put_with(number, |entry| entry.due_at = Some(at(due))).await;
    }
    assert_eq!(ids(&bench.claim(9, 30).await), [2, 4, 3, 1]);
}

pub(super) async fn a_claim_takes_no_more_than_its_limit(bench: Bench) {
    for number in 1..=5 {
        bench.put(&sample(number)).await;
    }
    assert!(bench.claim(0, 1).await.is_empty());
    assert_eq!(ids(&bench.claim(2, 1).await), [1, 2]);
    assert_eq!(ids(&bench.claim(2, 1).await), [3, 4]);
    assert_eq!(ids(&bench.claim(2, 1).await), [5]);
    assert!(bench.claim(2, 1).await.is_empty());
}

pub(super) async fn a_claim_leaves_alone_what_is_not_its_own(bench: Bench) {
    bench.put_with(1, |entry| entry.system = GUANGDONG.clone()).await;
    bench.put_with(2, |entry| entry.due_at = Some(at(2))).await;
    bench.put_with(3, |entry| entry.due_at = None).await;
    let held = bench.put(&sample(4)).await;
    bench
        .write(async |tx| {
            let mut entry = tx.transfer_by_id(held).await?.expect("it is there").entry;
            entry.held = Some(Held { by: "王老师".into(), reason: "核实".into(), at: at(0) });
            let step = advance(FOLLOWING, &entry, None, Facts::default(), at(0));
            tx.save(&step, false, Cause::Operator, at(0)).await
        })
        .await;
    let mine = bench.put(&sample(5)).await;
    assert_eq!(ids(&bench.claim(9, 1).await), [mine]);
    assert!(bench.claim(9, 1).await.is_empty(), "it is leased");
    assert_eq!(ids(&bench.claim(9, 2).await), [2], "now it is due");
    assert!(bench.claim(9, 100_000).await.is_empty(), "an expired lease is for a rescue, not for a claim");
}

pub(super) async fn a_claim_of_a_queued_transfer_begins_an_attempt(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench
        .write(async |tx| {
            let mut entry = tx.transfer_by_id(id).await?.expect("it is there").entry;
            (entry.tries, entry.attempts) = (3, 2);
            let step = league_gateway::transfer::Advance {
                entry,
                lines: vec![],
                verdict: league_gateway::transfer::Verdict::Stays,
            };
            tx.save(&step, false, Cause::Delivery, at(0)).await
        })
        .await;
    let before = bench.read(async |tx| tx.feed(0, 100).await).await.len();
    let lease = bench.claim_one(7).await;

    assert_eq!(lease.until, at(67));
    let found = bench.stored(id).await;
    assert_eq!(found.entry, *lease.entry(), "the lease shows what is stored");
    assert_eq!(found.lease_token, Some(lease.fence.token));
    assert_eq!(found.entry.state, State::Sending);
    assert_eq!((found.entry.attempts, found.entry.tries), (3, 3), "an attempt more, no failure more");
    assert_eq!(found.entry.due_at, None);
    let feed = bench.read(async |tx| tx.feed(0, 100).await).await;
    let [event] = &feed[before..] else { panic!("one event: {feed:?}") };
    assert_eq!((event.from.as_deref(), event.to.as_deref()), (Some("queued"), Some("sending")));
    assert_eq!((event.cause.as_str(), event.at), ("delivery", at(7)));
    assert_eq!(
        bench.number("SELECT COUNT(*) FROM transfers WHERE leased_by = 'gateway-1'").await,
        1,
        "who works on it can be seen"
    );
}

pub(super) async fn a_claim_for_a_query_changes_no_state(bench: Bench) {
    for (number, state) in [(1, State::Unconfirmed), (2, State::Submitted), (3, State::AwaitingCheckIn)] {
        bench.put_with(number, |entry| entry.state = state).await;
    }
    let before = bench.read(async |tx| tx.feed(0, 100).await).await.len();
    let leases = bench.claim(9, 1).await;
    assert_eq!(
        leases.iter().map(|lease| lease.entry().state).collect::<Vec<_>>(),
        [State::Unconfirmed, State::Submitted, State::AwaitingCheckIn]
    );
    for lease in &leases {
        assert_eq!(bench.stored(lease.entry().id).await.entry, *lease.entry());
        assert_eq!(lease.entry().attempts, 0);
    }
    assert_eq!(bench.read(async |tx| tx.feed(0, 100).await).await.len(), before);
}

pub(super) async fn two_claims_never_share(bench: Bench) {
    bench
        .write(async |tx| {
            for number in 1..=40 {
                super::samples::insert(tx, &sample(number)).await?;
            }
            Ok(())
        })
        .await;
    let other = bench.again().await;
    let claim_all = async |store| {
        let mut claimed = Vec::new();
        loop {
            let leases = write(store, async |tx| claim(tx, &NATIONAL, 3, 1).await).await;
            if leases.is_empty() {
                return claimed;
            }
            claimed.extend(leases);
            tokio::task::yield_now().await;
        }
    };
    let (mine, theirs) = tokio::join!(claim_all(&bench.store), claim_all(&other));
    let mut all = ids(&mine);
    all.extend(ids(&theirs));
    all.sort_unstable();
    assert_eq!(all, (1..=40).collect::<Vec<_>>());
    let mut tokens: Vec<i64> = mine.iter().chain(&theirs).map(|lease| lease.fence.token).collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 40, "every lease has a token of its own");
}

async fn assert_lost(bench: &Bench, lease: &Lease) {
    let id = lease.entry().id;
    let found = bench.try_read(async |tx| leased(tx, id, lease.fence.token).await).await;
    assert!(matches!(found, Err(StoreError::LeaseLost(lost)) if lost == id), "{found:?}");
}

pub(super) async fn a_token_opens_its_own_lease_alone(bench: Bench) {
    bench.put(&sample(1)).await;
    bench.put(&sample(2)).await;
    let leases = bench.claim(9, 1).await;
    let [one, two] = &leases[..] else { panic!("two are due") };
    let open = async |id, token| bench.try_read(async |tx| leased(tx, id, token).await).await.is_ok();
    let (first, second) = (one.entry().id, two.entry().id);
    assert!(open(first, one.fence.token).await && open(second, two.fence.token).await);
    assert!(!open(first, two.fence.token).await && !open(second, one.fence.token).await);
    assert!(!open(99, one.fence.token).await, "nothing is there");

    // Rescued and claimed again: the first holder comes too late.
    bench.write(async |tx| tx.rescue(&NATIONAL, FOLLOWING, Abandoned::Before(at(100)), at(100)).await).await;
    assert_lost(&bench, one).await;
    let again = bench.claim(9, 100).await;
    assert_eq!(ids(&again), [first, second]);
    assert_lost(&bench, one).await;
    assert!(open(first, again[0].fence.token).await);
}

pub(super) async fn a_change_of_state_takes_the_lease_away(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    let lease = bench.claim_one(1).await;
    bench.write(async |tx| happen(tx, id, reported(PartnerStatus::Pending), 2).await).await;
    assert_lost(&bench, &lease).await;
    let stored = bench.stored(id).await;
    assert_eq!((stored.entry.state, stored.lease_token), (State::Submitted, None));
    assert_eq!(
        bench
            .number("SELECT COUNT(*) FROM transfers WHERE lease_until IS NOT NULL OR leased_by IS NOT NULL")
            .await,
        0
    );
}

pub(super) async fn a_milestone_leaves_the_lease(bench: Bench) {
    let id = bench.put_with(1, |entry| entry.state = State::Submitted).await;
    let lease = bench.claim_one(1).await;
    let milestone = async |release: bool, second: i64| {
        bench
            .write(async |tx| {
                let stored = tx.transfer_by_id(id).await?.expect("it is there");
                let facts = Facts { account_created_at: Some(at(second)), ..Facts::default() };
                let step = advance(FOLLOWING, &stored.entry, None, facts, at(second));
                tx.save(&step, release, Cause::Callback, at(second)).await
            })
            .await;
    };
    milestone(false, 2).await;
    let kept = bench.read(async |tx| leased(tx, id, lease.fence.token).await).await;
    assert_eq!(kept.milestones.account_created_at, Some(at(2)), "with the lease comes what is known now");
    milestone(true, 3).await;
    assert_lost(&bench, &lease).await;
}

pub(super) async fn next_due_is_the_earliest_that_can_be_claimed(bench: Bench) {
    let next = async || bench.read(async |tx| tx.next_due(&NATIONAL).await).await;
    assert_eq!(next().await, None);
    bench.put_with(1, |entry| entry.due_at = None).await;
    bench.put_with(2, |entry| (entry.system, entry.due_at) = (GUANGDONG.clone(), Some(at(1)))).await;
    assert_eq!(next().await, None);
    bench.put_with(3, |entry| entry.due_at = Some(at(8))).await;
    bench.put_with(4, |entry| entry.due_at = Some(at(5))).await;
    assert_eq!(next().await, Some(at(5)));
    assert_eq!(ids(&bench.claim(1, 5).await), [4]);
    assert_eq!(next().await, Some(at(8)), "what is leased is not waited for");
    bench.execute("UPDATE transfers SET held = '{\"by\":\"x\",\"reason\":\"y\",\"at\":\"2024-07-01T00:00:00Z\"}' WHERE id = 3").await;
    assert_eq!(next().await, None, "nor what is held");
}

pub(super) async fn query_all_open_wakes_what_a_partner_has(bench: Bench) {
    for (number, state) in (1..).zip(State::ALL) {
        bench
            .put_with(number, |entry| {
                entry.state = *state;
                entry.due_at = None;
                entry.withdrawal = Some(Withdrawal { reason: "误报".into(), at: at(0) });
            })
            .await;
    }
    bench
        .put_with(90, |entry| {
            (entry.system, entry.state, entry.due_at) = (GUANGDONG.clone(), State::Submitted, None)
        })
        .await;
    assert_eq!(bench.write(async |tx| tx.query_all_open(&NATIONAL, at(3)).await).await, 3);
    for (number, state) in (1..).zip(State::ALL) {
        let stored = bench.read(async |tx| tx.transfer(&request_id(number)).await).await.expect("there");
        let open = matches!(state, State::Unconfirmed | State::Submitted | State::AwaitingCheckIn);
        assert_eq!(stored.entry.due_at, open.then(|| at(3)), "{state}");
    }
}

/// What the holder of a lease would write.
fn settled(lease: &Lease, state: PartnerStatus, second: i64) -> (Fence, Save) {
    let facts = Facts { receipt_no: Some("R-1".into()), ..Facts::default() };
    let step = advance(FOLLOWING, lease.entry(), Some(reported(state)), facts, at(second));
    (lease.fence, Save { step, lease: LeaseChange::Release, cause: Cause::Delivery, at: at(second) })
}

/// Writes what is held alone; returns for each whether it was.
async fn settle(tx: &mut Tx, saves: &[(Fence, Save)]) -> Result<Vec<bool>, StoreError> {
    let known: Vec<_> = saves.iter().map(|(fence, save)| (save.step.entry.id, *fence)).collect();
    let held = tx.hold(&known).await?;
    let kept: Vec<&Save> =
        saves.iter().zip(&held).filter(|(_, held)| **held).map(|((_, save), _)| save).collect();
    tx.save_all(&kept).await?;
    Ok(held)
}

pub(super) async fn what_somebody_else_wrote_is_not_written_over(bench: Bench) {
    for number in 1..=4 {
        bench.put(&sample(number)).await;
    }
    let leases = bench.claim(9, 1).await;
    let ids = ids(&leases);
    // A milestone leaves the lease; an end takes it; a feed that lost our place makes everything due.
    bench
        .write(async |tx| {
            let stored = tx.transfer_by_id(ids[1]).await?.expect("it is there");
            let facts = Facts { account_created_at: Some(at(2)), ..Facts::default() };
            let step = advance(FOLLOWING, &stored.entry, None, facts, at(2));
            tx.save(&step, false, Cause::Callback, at(2)).await?;
            happen(tx, ids[2], reported(PartnerStatus::Rejected), 2).await
        })
        .await;
    let before = bench.read(async |tx| tx.timeline(ids[1]).await).await.len();
    let saves: Vec<_> = leases.iter().map(|lease| settled(lease, PartnerStatus::Pending, 3)).collect();
    assert_eq!(bench.write(async |tx| settle(tx, &saves).await).await, [true, false, false, true]);
    let untouched = bench.stored(ids[1]).await;
    assert_eq!(untouched.entry.milestones.account_created_at, Some(at(2)));
    assert_eq!((untouched.entry.state, untouched.lease_token), (State::Sending, Some(leases[1].fence.token)));
    assert_eq!(
        bench.read(async |tx| tx.timeline(ids[1]).await).await.len(),
        before,
        "no line without its change"
    );
    assert_eq!(bench.stored(ids[2]).await.entry.state, State::Rejected);
    for id in [ids[0], ids[3]] {
        let found = bench.stored(id).await;
        assert_eq!((found.entry.state, found.lease_token), (State::Submitted, None));
    }
    // As it is now, it may be written.
    let held = bench.write(async |tx| tx.leased_all(&[(ids[1], leases[1].fence.token)], at(4)).await).await;
    let [(fence, entry)] = &held[..] else { panic!("it is held: {held:?}") };
    assert_eq!(*entry, untouched.entry);
    let (_, mut save) = settled(&leases[1], PartnerStatus::Pending, 4);
    save.step = advance(FOLLOWING, entry, Some(reported(PartnerStatus::Pending)), Facts::default(), at(4));
    assert_eq!(bench.write(async |tx| settle(tx, &[(*fence, save)]).await).await, [true]);
    assert_eq!(bench.stored(ids[1]).await.entry.milestones.account_created_at, Some(at(2)));
}

/// A daemon that stood still may hold an old lease and a new one on the same transfer.
pub(super) async fn of_two_leases_the_last_writes(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    let old = bench.claim_one(1).await;
    bench.write(async |tx| tx.rescue(&NATIONAL, FOLLOWING, Abandoned::Before(at(70)), at(70)).await).await;
    let new = bench.claim_one(71).await;
    let saves = [settled(&old, PartnerStatus::Rejected, 72), settled(&new, PartnerStatus::Pending, 72)];
    assert_eq!(bench.write(async |tx| settle(tx, &saves).await).await, [false, true]);
    assert_eq!(bench.stored(id).await.entry.state, State::Submitted);
}
