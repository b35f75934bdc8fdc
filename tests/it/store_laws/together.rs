//! Many hands at once: nobody's change is lost, nobody waits for what is another's, and the feed skips nothing.

use super::backend::{Bench, write};
use super::samples::{FOLLOWING, GUANGDONG, NATIONAL, at, claim, happen, insert, reported, sample};
use crate::support::in_time;
use jiff::SignedDuration;
use league_contract::{PartnerStatus, System};
use league_gateway::clock::Clock;
use league_gateway::notify::Bells;
use league_gateway::store::{Gathering, Sharing, Store, StoreError, Together, Tx, Work};
use league_gateway::transfer::{Cause, Facts, State, advance};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Barrier;

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
            Box::pin(fill(&bench.store, 0..10)),
            Box::pin(fill(&other, 100..110)),
            Box::pin(fill(&bench.store, 200..210)),
            Box::pin(fill(&other, 300..310))
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
    assert_eq!(claim(&mut first, &NATIONAL, 2, 1).await.expect("it claims").len(), 2);
    let mut second = bench.store.write("law").await.expect("it begins");
    let claim = claim(&mut second, &NATIONAL, 9, 1);
    assert_eq!(in_time("a claim beside another", claim).await.expect("it claims").len(), 1);
    second.commit().await.expect("it commits");
    first.commit().await.expect("it commits");
    assert_eq!(bench.number("SELECT COUNT(*) FROM transfers WHERE lease_token IS NOT NULL").await, 3);
}

/// Until a transaction waits for another one's lock.
async fn somebody_waits(bench: &Bench) {
    let waits = format!(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = '{}'",
        bench.database.name()
    );
    while bench.number(&waits).await == 0 {
        tokio::task::yield_now().await;
    }
}

/// What is found by somebody who waits for a transaction that is committed then.
async fn across_the_end<T>(bench: &Bench, ending: Tx, asked: impl Future<Output = T>) -> T {
    let end = async {
        somebody_waits(bench).await;
        ending.commit().await.expect("it commits");
    };
    in_time("the end of the wait", async { tokio::join!(asked, end) }).await.0
}

/// PostgreSQL alone: what was waited for is looked at again.
pub(super) async fn who_ends_meanwhile_is_not_open(bench: Bench) {
    let first = sample(1);
    let id = bench.put(&first).await;
    let mut ending = bench.store.write("law").await.expect("it begins");
    happen(&mut ending, id, reported(PartnerStatus::Rejected), 1).await.expect("it ends");
    let mut asking = bench.store.write("law").await.expect("it begins");
    let asked = asking.open_transfer_of(&first.person.index);
    let open = across_the_end(&bench, ending, asked).await;
    assert!(open.expect("it is readable").is_none(), "it has ended");
}

/// PostgreSQL alone: likewise where a new transfer asks, which waits for one row and no other.
pub(super) async fn who_ends_meanwhile_is_in_nobodys_way(bench: Bench) {
    let (first, second) = (sample(1), sample(2));
    let id = bench.put(&first).await;
    bench.put(&second).await;
    let mut ending = bench.store.write("law").await.expect("it begins");
    happen(&mut ending, id, reported(PartnerStatus::Rejected), 1).await.expect("it ends");
    let mut asking = bench.store.write("law").await.expect("it begins");
    // Whose request it is says enough: the person's other transfer is not waited for.
    let repeated = asking.in_the_way(&second.entry.request_id, &first.person.index);
    let repeated = in_time("the repeat", repeated).await.expect("it is readable").expect("it is there");
    assert_eq!(repeated.entry.request_id, second.entry.request_id);
    let new = sample(3);
    let asked = asking.in_the_way(&new.entry.request_id, &first.person.index);
    let found = across_the_end(&bench, ending, asked).await;
    assert!(found.expect("it is readable").is_none(), "it has ended");
}

/// PostgreSQL alone: whoever settles goes by what the transfer was when it was held.
pub(super) async fn what_is_held_is_changed_by_nobody_else_until_the_commit(bench: Bench) {
    bench.put(&sample(1)).await;
    let lease = bench.claim_one(1).await;
    let id = lease.entry().id;
    let mut settling = bench.store.write("law").await.expect("it begins");
    assert_eq!(settling.hold(&[(id, lease.fence)]).await.expect("it is looked at"), [true]);
    let other = bench.again().await;
    let change = write(&other, async |tx| happen(tx, id, reported(PartnerStatus::Rejected), 2).await);
    let mut change = Box::pin(change);
    tokio::select! {
        () = &mut change => panic!("it waits for the commit"),
        () = in_time("the change to wait", somebody_waits(&bench)) => {}
    }
    let pending = Some(reported(PartnerStatus::Pending));
    let step = advance(FOLLOWING, lease.entry(), pending, Facts::default(), at(2));
    settling.save(&step, true, Cause::Delivery, at(2)).await.expect("it is written");
    settling.commit().await.expect("it commits");
    in_time("the change", change).await;
    let lines = bench.read(async |tx| tx.timeline(id).await).await;
    let states: Vec<_> = lines.into_iter().filter_map(|line| line.event.to).collect();
    assert_eq!(states, ["queued", "sending", "submitted", "rejected"]);
}

/// Locks two systems, one after the other; the first time, not before another work has locked its own first one.
struct Crossing {
    systems: [&'static System; 2],
    both: Arc<Barrier>,
    before: AtomicBool,
}

impl Work for Crossing {
    const NAME: &'static str = "crossing";

    type Done = ();

    fn sharing(&self) -> Sharing {
        Sharing::Alone
    }

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        for system in self.systems {
            let mut row = tx.system(system).await?;
            row.health.rests += 1;
            tx.save_system(system, &row).await?;
            if !self.before.swap(true, Ordering::Relaxed) {
                self.both.wait().await;
            }
        }
        Ok(())
    }
}

/// PostgreSQL alone: it ends one of the two, which is run again.
pub(super) async fn works_that_wait_for_each_other_both_end(bench: Bench) {
    let other = bench.again().await;
    let both = Arc::new(Barrier::new(2));
    let crossing = |systems| Crossing { systems, both: both.clone(), before: AtomicBool::new(false) };
    let (one, another) = in_time("both works", async {
        tokio::join!(
            bench.store.grouped(crossing([&NATIONAL, &GUANGDONG])),
            other.grouped(crossing([&GUANGDONG, &NATIONAL]))
        )
    })
    .await;
    one.expect("the first ends");
    another.expect("the second ends");
    for system in [&NATIONAL, &GUANGDONG] {
        assert_eq!(bench.read(async |tx| tx.system(system).await).await.health.rests, 2);
    }
}

/// PostgreSQL alone: SQLite has one daemon.
pub(super) async fn a_commit_rings_in_other_processes(bench: Bench) {
    let (bells, clock) = (Bells::default(), Clock::manual(at(0)));
    let (mut outbox, mut intake) = (bells.work.listen(), bells.intake.listen());
    let other = bench.again().await;
    let listening = tokio::spawn({
        let clock = clock.clone();
        async move { other.listen(bells, clock).await }
    });
    let hour = SignedDuration::from_hours(1);
    in_time("the listener to begin", async {
        outbox.wait(&clock, hour).await;
        intake.wait(&clock, hour).await;
    })
    .await;
    bench.put(&sample(1)).await;
    in_time("the bell of the outbox", outbox.wait(&clock, hour)).await;
    bench.execute("INSERT INTO intake (request_id, payload) VALUES ('A', '{}')").await;
    in_time("the bell of the intake", intake.wait(&clock, hour)).await;
    listening.abort();
}

/// PostgreSQL alone: what a process does itself rings those who deliver without the database, once.
pub(super) async fn nobody_hears_their_own_announcements(bench: Bench) {
    let bench = bench.apart().await;
    let (bells, clock) = (Bells::default(), Clock::manual(at(0)));
    let (mut work, mut news, mut intake) = (bells.work.listen(), bells.news.listen(), bells.intake.listen());
    let listening = tokio::spawn({
        let (own, clock) = (bench.store.clone(), clock.clone());
        async move { own.listen(bells, clock).await }
    });
    let hour = SignedDuration::from_hours(1);
    in_time("the listener to begin", async {
        work.wait(&clock, hour).await;
        news.wait(&clock, hour).await;
        intake.wait(&clock, hour).await;
    })
    .await;
    bench.put(&sample(1)).await;
    // Announcements come in the order of commits: when this one is here, the one before was.
    bench.execute("INSERT INTO intake (request_id, payload) VALUES ('A', '{}')").await;
    in_time("the bell of the intake", intake.wait(&clock, hour)).await;
    tokio::select! {
        biased;
        () = work.wait(&clock, hour) => panic!("its own announcement rang"),
        () = std::future::ready(()) => {}
    }
    // Those who tell upstream hear of everything: not every writer rings for them.
    in_time("the bell of the news", news.wait(&clock, hour)).await;
    listening.abort();
}

/// Notes how many came with it, on a system's row; one of them can't.
#[derive(Clone)]
struct Noted {
    fails: bool,
}

impl Together for Noted {
    const NAME: &'static str = "noted";

    type Done = usize;

    async fn run_all(all: &[Self], tx: &mut Tx) -> Result<Vec<usize>, StoreError> {
        let mut row = tx.system(&NATIONAL).await?;
        row.health.rests += u32::try_from(all.len()).expect("few");
        tx.save_system(&NATIONAL, &row).await?;
        if all.iter().any(|one| one.fails) {
            return Err(StoreError::LeaseLost(7));
        }
        Ok(vec![all.len(); all.len()])
    }
}

/// All wait before the first go begins.
async fn gather(bench: &Bench, fails: usize) -> Vec<Result<usize, StoreError>> {
    let gathering = Arc::new(Gathering::new(bench.store.clone()));
    let mut pieces: Vec<_> = (0..10)
        .map(|number| {
            let (gathering, piece) = (gathering.clone(), Noted { fails: number == fails });
            Box::pin(async move { gathering.run(piece).await })
        })
        .collect();
    for piece in &mut pieces {
        assert!(futures_util::future::poll_immediate(piece.as_mut()).await.is_none());
    }
    let mut ended = Vec::new();
    for piece in pieces {
        ended.push(in_time("its end", piece).await);
    }
    ended
}

pub(super) async fn what_is_gathered_is_done_together(bench: Bench) {
    let ended = gather(&bench, usize::MAX).await;
    let sizes: Vec<usize> = ended.into_iter().map(|done| done.expect("it is done")).collect();
    assert_eq!(sizes, [10; 10], "all ten in one go");
    assert_eq!(bench.read(async |tx| tx.system(&NATIONAL).await).await.health.rests, 10);
}

pub(super) async fn one_that_fails_fails_alone(bench: Bench) {
    let ended = gather(&bench, 4).await;
    for (number, done) in ended.iter().enumerate() {
        assert_eq!(done.is_err(), number == 4, "{number}: {done:?}");
    }
    assert_eq!(
        bench.read(async |tx| tx.system(&NATIONAL).await).await.health.rests,
        9,
        "nothing of the one is kept"
    );
}
