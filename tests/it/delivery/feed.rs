//! Fujian's change feed.

use crate::support::{SIDES, Setup};
use league_gateway::inbound::Polled;
use league_sandbox::{Fault, FaultKind, Faults, Operation, Rule, Step};

fn waiting() -> Vec<Rule> {
    vec![Rule { steps: vec![Step::None], ..Rule::default() }]
}

#[tokio::test]
async fn the_cursor_outlives_a_restart() {
    let test = Setup::by_hand().rules(waiting()).start().await;
    for n in 0..4 {
        test.submit(&SIDES[2].document(&format!("FJ-{n}"), n)).await;
    }
    test.run_until_idle().await;
    let cursor: i64 = test.count("systems WHERE feed_cursor >= 4").await;
    assert_eq!(cursor, 1, "four events were read");
    let kept = test.count("callbacks").await;
    let test = test.restart("").await;
    let feed = test.app.feed(test.partner("fujian"));
    assert_eq!(feed.poll().await.expect("a page"), Polled::UpToDate);
    assert_eq!(test.count("callbacks").await, kept);
    assert_eq!(test.count("callbacks WHERE repeats > 0").await, 0, "nothing is read twice");
    test.sandbox.advance("FJ-2", &Step::CheckIn).await;
    test.run_until_idle().await;
    assert_eq!(test.get("FJ-2").await["state"], "completed");
    assert_eq!(test.count("callbacks").await, kept + 1);
    test.finish().await;
}

#[tokio::test]
async fn many_pages_are_read_to_the_end() {
    let test = Setup::by_hand().rules(waiting()).start().await;
    test.submit(&SIDES[2].document("FJ", 0)).await;
    test.deliver().await;
    for _ in 0..1100 {
        test.sandbox.push_now("FJ").await;
    }
    let feed = test.app.feed(test.partner("fujian"));
    assert_eq!(feed.poll().await.expect("a page"), Polled::More);
    test.run_until_idle().await;
    assert_eq!(test.count("callbacks").await, 1);
    assert_eq!(test.callbacks("fujian", "FJ").await[0].repeats, 1100);
    test.finish().await;
}

#[tokio::test]
async fn a_cursor_that_is_forgotten_has_the_open_ones_queried() {
    let test = Setup::by_hand().rules(waiting()).start().await;
    for (n, id) in ["OPEN", "DONE"].into_iter().enumerate() {
        test.submit(&SIDES[2].document(id, n)).await;
    }
    test.run_until_idle().await;
    test.sandbox.advance("DONE", &Step::CheckIn).await;
    test.run_until_idle().await;
    let fault =
        Fault { operation: Some(Operation::ListChanges), ..SIDES[2].fault(FaultKind::CursorExpired, 1) };
    test.sandbox.set_faults(Faults { seed: 0, faults: vec![fault] });
    test.run_until_idle().await;
    assert_eq!(test.exchanges("OPEN").await, ["submit:answered", "query:answered"]);
    assert_eq!(test.exchanges("DONE").await, ["submit:answered"], "what has ended is left alone");
    assert_eq!(test.get("OPEN").await["state"], "awaiting_check_in");
    // The feed is read from its beginning: all is known already.
    assert!(test.count("callbacks WHERE repeats = 1").await >= 3);
    test.sandbox.advance("OPEN", &Step::CheckIn).await;
    test.run_until_idle().await;
    assert_eq!(test.get("OPEN").await["state"], "completed");
    test.finish().await;
}

#[tokio::test]
async fn a_feed_in_trouble_loses_nothing() {
    let faults = [
        FaultKind::DropAfter,
        FaultKind::Garbage,
        FaultKind::Status500,
        FaultKind::Maintenance,
        FaultKind::TooMany,
    ]
    .map(|kind| Fault { operation: Some(Operation::ListChanges), ..SIDES[2].fault(kind, 2) });
    let test = Setup::daemon().faults(faults.to_vec()).start().await;
    test.submit(&SIDES[2].document("FJ", 0)).await;
    test.wait_for_state("FJ", "completed").await;
    test.finish().await;
}

#[tokio::test]
async fn an_event_of_somebody_elses_transfer_waits() {
    let test = Setup::by_hand().start().await;
    test.submit(&SIDES[2].document("MINE", 0)).await;
    test.deliver().await;
    // Another gateway's file reads the same feed, and gets its transfer only later.
    let other = Setup::by_hand()
        .config(&format!("[systems.fujian]\nbase_url = \"{}\"\n", test.sandbox.urls().fujian))
        .start()
        .await;
    other.run_until_idle().await;
    assert_eq!(other.count("callbacks WHERE verdict = 'unmatched'").await, 2);
    other.submit(&SIDES[2].document("MINE", 0)).await;
    let shown = other.get("MINE").await;
    assert_eq!(shown["state"], "completed", "{shown}");
    assert_eq!(other.count("callbacks WHERE verdict = 'applied'").await, 2);
    other.finish().await;
    test.run_until_idle().await;
    test.finish().await;
}
