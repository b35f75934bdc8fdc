//! The event feed: a cursor, and a long poll.

use crate::support::{SIDES, Setup, in_time};
use serde_json::{Value, json};

#[tokio::test]
async fn every_change_is_in_the_feed_once_and_in_order() {
    let test = Setup::by_hand().start().await;
    test.submit(&SIDES[0].document("A", 1)).await;
    test.run_until_idle().await;
    let page = test.client.get("/v1/events").await.json();
    let events = page["events"].as_array().expect("events");
    let told: Vec<Value> = events
        .iter()
        .map(|one| json!([one["type"], one["from"], one["to"], one["milestone"], one["cause"]]))
        .collect();
    assert_eq!(
        told[..3],
        [
            json!(["milestone", null, null, "received", "upstream"]),
            json!(["state_changed", null, "queued", null, "upstream"]),
            json!(["state_changed", "queued", "sending", null, "delivery"]),
        ]
    );
    assert!(told.contains(&json!(["milestone", null, null, "approved", "callback"])), "{page}");
    assert_eq!(told.last().map(|one| one[2].clone()), Some(json!("completed")), "{page}");
    let cursors: Vec<i64> = events.iter().filter_map(|one| one["cursor"].as_i64()).collect();
    assert!(cursors.is_sorted_by(|one, next| one < next) && cursors.len() == events.len());
    assert_eq!(page["next"], *cursors.last().expect("some"));
    for one in events {
        assert_eq!((&one["request_id"], &one["at"]), (&json!("A"), &json!("2026-07-01T01:30:00Z")));
    }
    // Page by page it is the same.
    let (mut after, mut paged) = (0, Vec::new());
    loop {
        let page = test.client.get(&format!("/v1/events?after={after}&limit=2")).await.json();
        let events = page["events"].as_array().expect("events").clone();
        if events.is_empty() {
            assert_eq!(page["next"], after, "the cursor stays where it is");
            break;
        }
        assert!(events.len() <= 2);
        after = page["next"].as_i64().expect("a cursor");
        paged.extend(events);
    }
    assert_eq!(&paged, events);
    test.finish().await;
}

#[tokio::test]
async fn a_long_poll_wakes_when_something_happens() {
    let test = Setup::by_hand().start().await;
    // The clock stands: only what happens can wake it.
    let client = test.client.clone();
    let poll = async move { client.get("/v1/events?after=0&wait=60").await.json() };
    let act = async {
        tokio::task::yield_now().await;
        test.submit(&SIDES[0].document("A", 1)).await;
    };
    let (page, ()) = in_time("the poll to wake", async { tokio::join!(poll, act) }).await;
    assert_eq!(page["events"][0]["request_id"], "A", "{page}");
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn a_long_poll_ends_when_its_time_is_over() {
    let test = Setup::by_hand().start().await;
    let clock = test.app.clock.clone();
    let client = test.client.clone();
    let mut poll = Box::pin(async move { client.get("/v1/events?after=0&wait=5").await });
    let ended = async {
        loop {
            tokio::select! {
                answer = &mut poll => return answer,
                () = tokio::task::yield_now() => clock.advance(jiff::SignedDuration::from_secs(1)),
            }
        }
    };
    let page = in_time("the poll to end", ended).await.json();
    assert_eq!(page, json!({"events": [], "next": 0}));
    test.finish().await;
}
