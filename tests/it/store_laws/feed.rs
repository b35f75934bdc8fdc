//! The timeline and the event feed.

use super::backend::Bench;
use super::samples::{
    FOLLOWING, NATIONAL, answered, at, beginning, happen, insert, open_attempt, remember, reported,
    request_id, sample, submit,
};
use league_contract::PartnerStatus;
use league_gateway::store::{CallbackVerdict, NewCallback, StoreError, Tx};
use league_gateway::transfer::{Advance, Cause, Event, Facts, Line, State, Verdict, advance};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Everything that one arrival from a feed writes, in one transaction.
async fn arrival(tx: &mut Tx, id: i64) -> Result<(), StoreError> {
    happen(tx, id, reported(PartnerStatus::Approved), 5).await?;
    tx.insert_callbacks(&[NewCallback {
        system: &NATIONAL,
        event_id: "E-1",
        request_id: "BJ-1",
        event: "approved",
        verdict: CallbackVerdict::Applied,
        received_at: at(5),
        event_sealed: b"event",
        raw_sealed: b"raw",
    }])
    .await?;
    assert!(remember(tx, &NATIONAL, "n-1", at(5)).await?);
    assert!(tx.move_feed_cursor(&NATIONAL, 0, 7).await?);
    let attempt = open_attempt(tx, &submit(id, 4)).await?;
    tx.close_attempts(&[(attempt, &answered(5))]).await?;
    insert(tx, &sample(2)).await?;
    Ok(())
}

/// What an arrival left: state, timeline, feed, callbacks, feed cursor, attempts, the other transfer.
async fn traces(bench: &Bench, id: i64) -> (State, usize, usize, usize, i64, usize, bool) {
    bench
        .read(async |tx| {
            Ok((
                tx.transfer_by_id(id).await?.expect("it is there").entry.state,
                tx.timeline(id).await?.len(),
                tx.feed(0, 100).await?.len(),
                tx.callbacks_of(&NATIONAL, "BJ-1").await?.len(),
                tx.system(&NATIONAL).await?.feed_cursor,
                tx.attempts(id).await?.len(),
                tx.transfer(&request_id(2)).await?.is_some(),
            ))
        })
        .await
}

pub(super) async fn one_commit_moves_state_timeline_and_feed(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench.write(async |tx| arrival(tx, id).await).await;
    assert_eq!(traces(&bench, id).await, (State::Completed, 4, 6, 1, 7, 1, true));
    assert_eq!(bench.number("SELECT COUNT(*) FROM nonces").await, 1);
}

pub(super) async fn without_a_commit_nothing_happened(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    let mut tx = bench.store.write("law").await.expect("it begins");
    arrival(&mut tx, id).await.expect("it is written");
    assert_eq!(traces(&bench, id).await, (State::Queued, 2, 2, 0, 0, 0, false), "seen from outside");
    drop(tx);
    assert_eq!(traces(&bench, id).await, (State::Queued, 2, 2, 0, 0, 0, false));
    assert_eq!(bench.number("SELECT COUNT(*) FROM nonces").await, 0);
    // And the writer is free again.
    bench.write(async |tx| arrival(tx, id).await).await;
}

pub(super) async fn the_cursor_only_grows(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    let mut cursors = Vec::new();
    for (second, event) in (1..).zip([
        Event::Claimed,
        Event::Lost,
        Event::NotReceived,
        Event::Claimed,
        reported(PartnerStatus::Pending),
        reported(PartnerStatus::Approved),
    ]) {
        // A cursor that was given out and taken back must not come again with other content after a reader saw it.
        let mut tx = bench.store.write("law").await.expect("it begins");
        happen(&mut tx, id, event, second).await.expect("it is written");
        drop(tx);
        bench.write(async |tx| happen(tx, id, event, second).await).await;
        let after = cursors.last().copied().unwrap_or(0);
        let news = bench.read(async |tx| tx.feed(after, 100).await).await;
        assert!(!news.is_empty(), "{event:?} is heard");
        cursors.extend(news.into_iter().map(|event| event.cursor));
    }
    assert!(cursors.is_sorted_by(|a, b| a < b), "{cursors:?}");

    let all = bench.read(async |tx| tx.feed(0, 100).await).await;
    assert_eq!(all.iter().map(|event| event.cursor).collect::<Vec<_>>(), cursors);
    let mut paged = Vec::new();
    while let page = bench.read(async |tx| tx.feed(paged.last().copied().unwrap_or(0), 2).await).await
        && !page.is_empty()
    {
        assert!(page.len() <= 2);
        paged.extend(page.into_iter().map(|event| event.cursor));
    }
    assert_eq!(paged, cursors);
}

pub(super) async fn the_feed_hears_changes_and_milestones_alone(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench
        .write(async |tx| {
            happen(tx, id, reported(PartnerStatus::Approved), 1).await?;
            happen(tx, id, reported(PartnerStatus::Rejected), 2).await?;
            let stored = tx.transfer_by_id(id).await?.expect("it is there");
            let note = Line::Note { code: "held", text: "王老师".into() };
            let step = Advance { entry: stored.entry, lines: vec![note], verdict: Verdict::Stays };
            tx.save(&step, false, Cause::Operator, at(3)).await?;
            let stored = tx.transfer_by_id(id).await?.expect("it is there");
            let facts = Facts { account_created_at: Some(at(1)), ..Facts::default() };
            let step = advance(FOLLOWING, &stored.entry, None, facts, at(4));
            tx.save(&step, false, Cause::Callback, at(4)).await
        })
        .await;

    let timeline = bench.read(async |tx| tx.timeline(id).await).await;
    let told: Vec<String> = timeline
        .iter()
        .map(|line| {
            let event = &line.event;
            let words = [&event.from, &event.to, &event.milestone, &line.detail];
            let words: Vec<&str> = words.into_iter().map(|word| word.as_deref().unwrap_or("-")).collect();
            format!(
                "{} {} {} {}",
                event.kind,
                words.join(" "),
                event.cause,
                event.at.as_second() - at(0).as_second()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "state_changed - queued - - upstream 0",
            "milestone - - received - upstream 0",
            "milestone - - approved - callback 1",
            "state_changed queued completed - - callback 1",
            "conflict completed - - 与“已完成”矛盾 (Reported(Rejected) contradicts completed) callback 2",
            "note - - - held: 王老师 operator 3",
            "milestone - - account_created - callback 4",
        ]
    );
    let feed = bench.read(async |tx| tx.feed(0, 100).await).await;
    let heard: Vec<_> = timeline
        .into_iter()
        .map(|line| line.event)
        .filter(|event| event.kind == "state_changed" || event.kind == "milestone")
        .collect();
    assert_eq!(feed, heard);
    assert!(feed.iter().all(|event| event.request_id.as_deref() == Some("BJ-1")));
}

pub(super) async fn timelines_do_not_mix(bench: Bench) {
    let (one, two) = (bench.put(&sample(1)).await, bench.put(&sample(2)).await);
    bench.write(async |tx| happen(tx, two, reported(PartnerStatus::Pending), 1).await).await;
    let lines = async |id| bench.read(async |tx| tx.timeline(id).await).await;
    assert_eq!(lines(one).await.len(), beginning(State::Queued).len());
    assert_eq!(lines(two).await.len(), 3);
    assert!(lines(two).await.iter().all(|line| line.event.request_id.as_deref() == Some("BJ-2")));
}

pub(super) async fn what_is_told_is_durable(bench: Bench) {
    let told = Arc::new(AtomicU32::new(0));
    for commits in [false, true] {
        let mut tx = bench.store.write("law").await.expect("it begins");
        let told = told.clone();
        tx.after_commit(move || {
            told.fetch_add(1, Ordering::Relaxed);
        });
        if commits {
            tx.commit().await.expect("it commits");
        }
    }
    assert_eq!(told.load(Ordering::Relaxed), 1, "once, and not without a commit");
}
