//! Many hands at once: nobody's change is lost, nobody waits for what is another's, and the feed skips nothing.

use super::backend::{Bench, write};
use super::samples::{FOLLOWING, NATIONAL, at, claimant, happen, insert, reported, sample};
use crate::support::in_time;
use league_contract::PartnerStatus;
use league_gateway::store::{Store, StoreError, Tx};
use league_gateway::transfer::{Cause, Facts, State, advance};
use std::cell::Cell;

/// Everybody reads a number and writes the next one; between the two the others have their chance.
async fn count_together(bench: &Bench, next: impl AsyncFn(&mut Tx) -> Result<(), StoreError>) {
    let other = bench.again().await;
    let count = async |store: &Store| {
        for _ in 0..10 {
            write(store, async |tx| next(tx).await).await;
        }
    };
    in_time("the counting", async {
        tokio::join!(count(&bench.store), count(&other), count(&bench.store), count(&other))
    })
    .await;
}

pub(super) async fn no_change_of_a_transfer_is_lost(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    count_together(&bench, async |tx| {
        let stored = tx.transfer_by_id(id).await?.expect("it is there");
        tokio::task::yield_now().await;
        let mut step = advance(FOLLOWING, &stored.entry, None, Facts::default(), at(1));
        step.entry.tries = stored.entry.tries + 1;
        tx.save(&step, false, Cause::Clock, at(1)).await
    })
    .await;
    assert_eq!(bench.stored(id).await.entry.tries, 40);
}

/// Its row is not there yet.
pub(super) async fn no_change_of_a_new_system_is_lost(bench: Bench) {
    count_together(&bench, async |tx| {
        let mut row = tx.system(&NATIONAL).await?;
        tokio::task::yield_now().await;
        row.health.rests += 1;
        tx.save_system(&NATIONAL, &row).await
    })
    .await;
    assert_eq!(bench.read(async |tx| tx.system(&NATIONAL).await).await.health.rests, 40);
}

/// Whoever reads the feed up to a cursor has seen all that will ever be before it.
pub(super) async fn a_reader_of_the_feed_misses_nothing(bench: Bench) {
    let other = bench.again().await;
    let fill = async |store: &Store, numbers: std::ops::Range<i64>| {
        for number in numbers {
            write(store, async |tx| {
                let id = insert(tx, &sample(number)).await?;
                tokio::task::yield_now().await;
                happen(tx, id, reported(PartnerStatus::Pending), 1).await
            })
            .await;
        }
    };
    let written = Cell::new(false);
    let write_all = async {
        tokio::join!(
            fill(&bench.store, 0..10),
            fill(&other, 100..110),
            fill(&bench.store, 200..210),
            fill(&other, 300..310)
        );
        written.set(true);
    };
    let read = async {
        let (mut after, mut seen) = (0, Vec::new());
        loop {
            let last = written.get();
            let page = bench.read(async |tx| tx.feed(after, 1000).await).await;
            after = page.last().map_or(after, |event| event.cursor);
            seen.extend(page);
            if last {
                return seen;
            }
        }
    };
    let (seen, ()) = in_time("the feed's end", async { tokio::join!(read, write_all) }).await;
    assert_eq!(bench.read(async |tx| tx.feed(0, 1000).await).await, seen);
}

/// PostgreSQL alone: SQLite has one writer.
pub(super) async fn a_claim_passes_over_what_is_being_claimed(bench: Bench) {
    for number in 1..=3 {
        bench.put_with(number, |entry| entry.state = State::Submitted).await;
    }
    let mut first = bench.store.write("law").await.expect("it begins");
    assert_eq!(first.claim(&NATIONAL, FOLLOWING, 2, claimant(1)).await.expect("it claims").len(), 2);
    let mut second = bench.store.write("law").await.expect("it begins");
    let claim = second.claim(&NATIONAL, FOLLOWING, 9, claimant(1));
    assert_eq!(in_time("a claim beside another", claim).await.expect("it claims").len(), 1);
    second.commit().await.expect("it commits");
    first.commit().await.expect("it commits");
    assert_eq!(bench.number("SELECT COUNT(*) FROM transfers WHERE lease_token IS NOT NULL").await, 3);
}
