//! Alarms, and what the clock looks at.

use super::backend::Bench;
use super::samples::{GUANGDONG, NATIONAL, at, happen, reported, sample};
use league_contract::PartnerStatus;
use league_gateway::alarm::AlarmKind::{Backlog, Conflicts};
use league_gateway::store::{StoreError, Tx};

fn detail() -> [String; 2] {
    ["积压".to_owned(), "a queue".to_owned()]
}

async fn raise(tx: &mut Tx, second: i64) -> Result<bool, StoreError> {
    tx.raise_alarm(Some(&NATIONAL), Backlog, detail(), at(second)).await
}

pub(super) async fn one_alarm_is_open_per_system_and_kind(bench: Bench) {
    let raised = bench
        .write(async |tx| {
            Ok([
                raise(tx, 1).await?,
                raise(tx, 2).await?,
                tx.raise_alarm(Some(&GUANGDONG), Backlog, detail(), at(3)).await?,
                tx.raise_alarm(Some(&NATIONAL), Conflicts, detail(), at(4)).await?,
                tx.raise_alarm(None, Backlog, detail(), at(5)).await?,
            ])
        })
        .await;
    assert_eq!(raised, [true, false, true, true, true]);
    let cleared =
        async |by| bench.write(async |tx| tx.clear_alarm(Some(&NATIONAL), Backlog, by, at(9)).await).await;
    assert!(cleared(Some("operator: 已联系对方")).await);
    assert!(!cleared(None).await, "it is over already");
    assert_eq!(bench.read(async |tx| tx.alarms(true, 100).await).await.len(), 3);
    assert!(bench.write(async |tx| raise(tx, 10).await).await, "what comes back is new");
    let all = bench.read(async |tx| tx.alarms(false, 100).await).await;
    let told: Vec<_> =
        all.iter().map(|one| (one.system.as_deref(), one.kind.as_str(), one.cleared_by.as_deref())).collect();
    assert_eq!(
        told,
        [
            (Some("smart_league"), "backlog", None),
            (None, "backlog", None),
            (Some("smart_league"), "conflicts", None),
            (Some("guangdong"), "backlog", None),
            (Some("smart_league"), "backlog", Some("operator: 已联系对方")),
        ]
    );
    assert_eq!((all[4].raised_at, all[4].cleared_at), (at(1), Some(at(9))));
}

pub(super) async fn the_feed_hears_an_alarm_come_and_go(bench: Bench) {
    bench.write(async |tx| raise(tx, 1).await).await;
    bench.write(async |tx| raise(tx, 2).await).await;
    bench.write(async |tx| tx.clear_alarm(Some(&NATIONAL), Backlog, None, at(3)).await).await;
    let feed = bench.read(async |tx| tx.feed(0, 100).await).await;
    let told: Vec<serde_json::Value> = feed.iter().map(|one| serde_json::json!(one)).collect();
    assert_eq!(
        told,
        [
            serde_json::json!({
                "cursor": 1, "request_id": null, "type": "alarm", "from": null, "to": null, "milestone": null,
                "cause": "clock", "at": at(1), "system": "smart_league", "alarm": "backlog", "raised": true,
                "detail": "积压", "detail_en": "a queue"
            }),
            serde_json::json!({
                "cursor": 2, "request_id": null, "type": "alarm", "from": null, "to": null, "milestone": null,
                "cause": "clock", "at": at(3), "system": "smart_league", "alarm": "backlog", "raised": false,
                "detail": "已恢复", "detail_en": "it is over"
            }),
        ]
    );
    assert_eq!(bench.read(async |tx| tx.feed_before_newest(1).await).await, 1);
    // What is about a transfer keeps its shape.
    bench.put(&sample(1)).await;
    let news = bench.read(async |tx| tx.feed(2, 1).await).await;
    let told = serde_json::json!(news[0]);
    let mut keys: Vec<&str> = told.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["at", "cause", "cursor", "from", "milestone", "request_id", "to", "type"]);
}

pub(super) async fn an_alarm_without_a_commit_is_none(bench: Bench) {
    let mut tx = bench.store.write("law").await.expect("it begins");
    assert!(raise(&mut tx, 1).await.expect("it is raised"));
    drop(tx);
    assert!(bench.read(async |tx| tx.alarms(false, 100).await).await.is_empty());
    assert!(bench.read(async |tx| tx.feed(0, 100).await).await.is_empty());
}

pub(super) async fn two_daemons_raise_one_alarm(bench: Bench) {
    let other = bench.again().await;
    let new = async |store: &league_gateway::store::Store| {
        let mut tx = store.write("law").await.expect("it begins");
        let new = raise(&mut tx, 1).await.expect("it is raised");
        tx.commit().await.expect("it commits");
        new
    };
    let (one, two) = tokio::join!(new(&bench.store), new(&other));
    assert!(one != two, "one of them raised it");
    assert_eq!(bench.read(async |tx| tx.feed(0, 100).await).await.len(), 1);
    other.close().await;
}

pub(super) async fn what_falls_due_and_what_lapses_is_counted_as_far_as_asked(bench: Bench) {
    for number in 1..=5 {
        let id = bench.put(&sample(number)).await;
        if number > 2 {
            bench.write(async |tx| happen(tx, id, reported(PartnerStatus::Pending), number).await).await;
        }
    }
    let due =
        async |second, most| bench.read(async |tx| tx.falling_due(&NATIONAL, at(second), most).await).await;
    assert_eq!((due(-1, 9).await, due(0, 9).await, due(0, 1).await), (0, 2, 1));
    assert_eq!(due(7 * 3600, 9).await, 5, "with what is to be asked for");
    let deadline = 3600 * (10 * 24 + 14);
    let lapsing =
        async |second, most| bench.read(async |tx| tx.lapsing(&NATIONAL, at(second), most).await).await;
    assert_eq!((lapsing(deadline - 1, 9).await, lapsing(deadline, 9).await), (0, 3));
    assert_eq!(lapsing(deadline, 2).await, 2);
    assert_eq!(bench.read(async |tx| tx.lapsing(&GUANGDONG, at(deadline), 9).await).await, 0);
}
