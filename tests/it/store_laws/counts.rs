//! Counts that are kept: right after whatever was done, or not done.

use super::backend::Bench;
use super::samples::{FOLLOWING, GUANGDONG, NATIONAL, at, claim, happen, insert, reported, sample};
use crate::support::{Dice, in_time};
use jiff::SignedDuration;
use league_contract::PartnerStatus;
use league_gateway::store::{Abandoned, Flow, Standing, Store, StoreError, Tx};
use league_gateway::transfer::{Event, State};

const NOBODYS: StoreError = StoreError::LeaseLost(0);

/// Something that happens to some transfer, or to several.
async fn something(
    tx: &mut Tx,
    dice: &mut Dice,
    numbers: &mut std::ops::Range<i64>,
) -> Result<(), StoreError> {
    let id = i64::try_from(dice.below(60)).expect("small");
    let second = i64::try_from(dice.below(1000)).expect("small");
    match dice.below(12) {
        0..=3 => {
            for number in numbers.by_ref().take(2) {
                let mut new = sample(number);
                if dice.percent(30) {
                    new.entry.system = GUANGDONG.clone();
                }
                insert(tx, &new).await?;
            }
        }
        4..=8 if tx.transfer_by_id(id).await?.is_some() => {
            let events = Event::all();
            happen(tx, id, *dice.pick(&events), second).await?;
        }
        9 => drop(claim(tx, &NATIONAL, 3, second).await?),
        10 if tx.transfer_by_id(id).await?.is_some() => {
            let mut new = sample(numbers.next().unwrap_or_default());
            new.entry.system = dice.pick(&[NATIONAL.clone(), GUANGDONG.clone()]).clone();
            tx.replace_document(&new, id).await?;
        }
        11 => {
            tx.rescue(&NATIONAL, FOLLOWING, Abandoned::Before(at(second)), at(second)).await?;
            tx.hold_damaged(id, None, &NOBODYS, at(second)).await?;
        }
        _ => {}
    }
    Ok(())
}

async fn work(store: &Store, mut dice: Dice, mut numbers: std::ops::Range<i64>) {
    for _ in 0..40 {
        let mut tx = store.write("law").await.expect("it begins");
        let mut done = Ok(());
        for _ in 0..=dice.below(3) {
            if done.is_ok() {
                done = something(&mut tx, &mut dice, &mut numbers).await;
            }
        }
        // Now and then it dies before its commit; and who lost a race changed nothing.
        if done.is_ok() && !dice.percent(15) {
            drop(tx.commit().await);
        }
    }
}

pub(super) async fn counts_are_what_a_full_count_finds(bench: Bench) {
    let other = bench.again().await;
    let mut dice = Dice::new(5);
    for round in 0..3 {
        let numbers = |worker: i64| round * 1000 + worker * 200..round * 1000 + worker * 200 + 200;
        in_time("the work", async {
            tokio::join!(
                Box::pin(work(&bench.store, dice.fork(), numbers(0))),
                Box::pin(work(&other, dice.fork(), numbers(1))),
                Box::pin(work(&bench.store, dice.fork(), numbers(2))),
                Box::pin(work(&other, dice.fork(), numbers(3)))
            )
        })
        .await;
        assert_eq!(bench.database.miscounted().await, [""; 0]);
    }
    let standing = bench.read(async |tx| tx.standing().await).await;
    assert!(standing.len() > 8, "all kinds of things happened: {standing:?}");
    let total: i64 = standing.iter().map(|one| one.number).sum();
    assert_eq!(total, bench.number("SELECT COUNT(*) FROM transfers").await);
}

pub(super) async fn counts_are_by_system_and_state(bench: Bench) {
    assert_eq!(bench.read(async |tx| tx.standing().await).await, []);
    for (number, state) in (1..=6).zip([State::Queued, State::Submitted, State::Completed].iter().cycle()) {
        bench.put_with(number, |entry| entry.state = *state).await;
    }
    bench.put_with(7, |entry| entry.system = GUANGDONG.clone()).await;
    let standing = |system: &str, state: State, number| Standing {
        system: system.into(),
        state: state.as_str().into(),
        number,
    };
    let all = [
        standing("guangdong", State::Queued, 1),
        standing("smart_league", State::Completed, 2),
        standing("smart_league", State::Queued, 2),
        standing("smart_league", State::Submitted, 2),
    ];
    assert_eq!(bench.read(async |tx| tx.standing().await).await, all);
    // What is not committed did not happen; what is over leaves no row.
    let mut tx = bench.store.write("law").await.expect("it begins");
    insert(&mut tx, &sample(8)).await.expect("it is taken in");
    drop(tx);
    bench.write(async |tx| happen(tx, 7, Event::WithdrawnHere, 1).await).await;
    let gone = bench.read(async |tx| tx.standing().await).await;
    assert_eq!(gone[0], standing("guangdong", State::Withdrawn, 1));
    assert_eq!(gone[1..], all[1..]);
}

pub(super) async fn a_recount_mends_what_a_hand_has_changed(bench: Bench) {
    for number in 1..=3 {
        bench.put(&sample(number)).await;
    }
    assert!(!bench.write(async |tx| tx.recount().await).await, "all was right");
    bench.execute("UPDATE transfers SET state = 'failed' WHERE id = 2").await;
    assert_eq!(bench.database.miscounted().await.len(), 3);
    assert!(bench.write(async |tx| tx.recount().await).await, "it was wrong");
    assert_eq!(bench.database.miscounted().await, [""; 0]);
}

pub(super) async fn what_comes_and_goes_is_counted_with_its_time(bench: Bench) {
    // Taken in at second 0, one every two minutes ended; the last one by being taken back.
    for number in 1..=4 {
        bench.put(&sample(number)).await;
    }
    for (id, second) in [(1, 60), (2, 180), (3, 300)] {
        bench
            .write(async |tx| {
                happen(tx, id, reported(PartnerStatus::Pending), 1).await?;
                happen(tx, id, reported(PartnerStatus::Approved), second).await
            })
            .await;
    }
    bench.write(async |tx| happen(tx, 4, Event::WithdrawnHere, 3600).await).await;
    let flow = async |second: i64| bench.read(async |tx| tx.flow(at(second)).await).await;
    let one = |what: &str, number| Flow { system: "smart_league".into(), what: what.into(), number };
    let (since, all) = flow(0).await;
    assert!(since <= at(0) && at(0).duration_since(since) < SignedDuration::from_mins(10));
    assert_eq!(all, [one("completed", 3), one("taken", 4), one("withdrawn", 1)]);
    assert_eq!(flow(3000).await.1, [one("withdrawn", 1)], "ten minutes at a time");
    assert_eq!(flow(9000).await.1, []);

    let durations = bench.read(async |tx| tx.durations(at(0)).await).await;
    let own = &durations["smart_league"];
    assert_eq!(own.number(), 3, "what was taken back had no verdict");
    let half = own.permille(500).expect("there are some");
    assert!((half - 180_000).abs() * 8 <= 180_000, "within an eighth: {half}");
    assert!(own.permille(900).expect("there are some") > 280_000);
    let later = bench.read(async |tx| tx.durations(at(2 * 86_400)).await).await;
    assert!(later.is_empty(), "{later:?}");
}
