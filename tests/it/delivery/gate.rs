//! The gate before each system, as deliveries meet it.

use crate::support::{SIDES, Setup, TestApp};
use league_gateway::inbound::Polled;
use league_sandbox::{Fault, FaultKind, Operation};

async fn alarms(test: &TestApp) -> Vec<String> {
    let mut tx = test.app.store.read("test").await.expect("the store answers");
    let all = tx.alarms(false, 100).await.expect("alarms can be read");
    all.into_iter().map(|one| format!("{} {}", one.kind, one.cleared_at.is_some())).collect()
}

/// What the check's answer says about the system counts for the submit behind it.
#[tokio::test]
async fn a_gate_that_closes_during_the_check_stops_the_submit() {
    let operation = Some(Operation::CheckOrganization);
    let busy = Fault { operation, retry_after: Some(60), ..SIDES[0].fault(FaultKind::TooMany, 1) };
    let test = Setup::by_hand().faults(vec![busy]).start().await;
    test.submit(&SIDES[0].document("LATER", 1)).await;
    test.run_until_idle().await;
    let shown = test.get("LATER").await;
    assert_eq!((&shown["state"], &shown["attempts"]), (&"queued".into(), &0.into()), "{shown}");
    assert_eq!(shown["next_attempt_at"], "2026-07-01T01:31:00Z");
    assert!(test.at_partner("LATER").is_none(), "nothing was sent");
    test.later(59).await;
    assert!(test.at_partner("LATER").is_none(), "not before its time");
    test.later(1).await;
    assert_eq!(test.get("LATER").await["state"], "completed");
    assert_eq!(test.exchanges("LATER").await, ["check_organization:try_later", "submit:answered"]);
    test.finish().await;
}

/// The feed's failures open the breaker, and nothing is due: a probe closes it all the same.
#[tokio::test]
async fn a_breaker_that_the_feed_opened_is_probed_in_a_quiet_queue() {
    let fails = Fault { operation: Some(Operation::ListChanges), ..SIDES[2].fault(FaultKind::Status500, 3) };
    let config = "[systems.fujian]\nbreaker_failures = 3";
    let test = Setup::by_hand().faults(vec![fails]).config(config).start().await;
    let feed = test.app.feed(test.partner("fujian"));
    for _ in 0..3 {
        assert_eq!(feed.poll().await.expect("it is noted"), Polled::Unavailable);
    }
    assert_eq!(feed.poll().await.expect("it is looked at"), Polled::Stopped, "the breaker is open");
    assert_eq!(alarms(&test).await, ["breaker false"]);
    test.later(1).await;
    assert_eq!(alarms(&test).await, ["breaker true"], "raised once, cleared once");
    assert_eq!(feed.poll().await.expect("it is read"), Polled::UpToDate);
    test.finish().await;
}
