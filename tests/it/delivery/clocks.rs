//! What time brings: lapses, check-in deadlines, and the alarms about them.

use crate::support::{SIDES, Setup, Side, TestApp};
use jiff::SignedDuration;
use league_sandbox::{Fault, FaultKind, Faults, Operation, Rule, Step};

const DAY: i64 = 86_400;

/// All three systems have a transfer that nobody there touches, and nobody is listened to.
async fn waiting(config: &str) -> TestApp {
    let untouched = Rule { steps: vec![Step::None], ..Rule::default() };
    let test = Setup::by_hand().rules(vec![untouched]).config(config).start().await;
    test.cut_callbacks();
    for (n, side) in SIDES.iter().enumerate() {
        test.submit(&side.document(side.system, n)).await;
    }
    test.deliver().await;
    test
}

#[tokio::test]
async fn what_nobody_touched_is_asked_for_at_its_deadline_and_lapses() {
    let test = waiting("").await;
    // Ten natural days for a review, the partner's thirty for a check-in.
    let (review, check_in) = (10 * DAY + 14 * 3600 + 1800, 30 * DAY);
    let mut passed = 0;
    for (seconds, systems, words) in
        [(review, &["smart_league"][..], "无人审核"), (check_in, &["guangdong", "fujian"], "未报到")]
    {
        test.app.clock.advance(SignedDuration::from_secs(seconds - passed - 1));
        test.deliver().await;
        let mut asked = Vec::new();
        for id in systems {
            let entry = test.stored(id).await.entry;
            let in_a_second = test.app.clock.now().saturating_add(SignedDuration::from_secs(1)).ok();
            assert_eq!(
                (entry.deadline_at, entry.due_at),
                (in_a_second, in_a_second),
                "{id} waits: {entry:?}"
            );
            asked.push(test.exchanges(id).await.len());
        }
        test.app.clock.advance(SignedDuration::from_secs(1));
        passed = seconds;
        test.deliver().await;
        for (id, asked) in systems.iter().zip(asked) {
            let shown = test.get(id).await;
            assert_eq!(shown["state"], "overdue", "{shown}");
            assert_eq!(shown["last_error"]["code"], "overdue", "{shown}");
            assert!(
                shown["last_error"]["detail"].as_str().is_some_and(|text| text.contains(words)),
                "{shown}"
            );
            assert_eq!(test.exchanges(id).await.len(), asked + 1, "the partner was asked first");
            let lines = test.timeline(id).await;
            assert_eq!(lines.last().map(|line| line.event.cause.as_str()), Some("clock"));
            let entry = test.stored(id).await.entry;
            assert_eq!((entry.deadline_at, entry.due_at), (None, None));
        }
    }
    test.mend_callbacks();
    test.finish().await;
}

#[tokio::test]
async fn the_partners_word_at_the_deadline_decides() {
    let test = waiting("").await;
    for side in &SIDES {
        assert!(test.sandbox.advance(side.system, &side.completes).await);
    }
    test.app.clock.advance(SignedDuration::from_secs(31 * DAY));
    test.deliver().await;
    for side in &SIDES {
        assert_eq!(test.get(side.system).await["state"], "completed", "{}", side.system);
    }
    test.mend_callbacks();
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn no_answer_lapses_nothing() {
    let test = waiting("").await;
    let silence =
        |side: &Side| Fault { operation: Some(Operation::Query), ..side.fault(FaultKind::DropAfter, 3) };
    test.sandbox.set_faults(Faults { seed: 1, faults: SIDES.iter().map(silence).collect() });
    test.app.clock.advance(SignedDuration::from_secs(31 * DAY));
    test.deliver().await;
    for side in &SIDES {
        assert_eq!(test.get(side.system).await["state"], side.waits, "{}", side.system);
    }
    for _ in 0..4 {
        test.app.clock.advance(SignedDuration::from_secs(600));
        test.deliver().await;
    }
    for side in &SIDES {
        assert_eq!(test.get(side.system).await["state"], "overdue", "{}", side.system);
    }
    test.mend_callbacks();
    test.finish().await;
}

#[tokio::test]
async fn an_approval_after_the_lapse_is_a_contradiction() {
    let test = waiting("[systems.smart_league]\nlapse_after = '3s'").await;
    test.app.clock.advance(SignedDuration::from_secs(3));
    test.deliver().await;
    assert_eq!(test.get("smart_league").await["state"], "overdue");
    test.mend_callbacks();
    assert!(test.sandbox.advance("smart_league", &Step::Approve).await);
    test.run_until_idle().await;
    assert_eq!(test.get("smart_league").await["state"], "overdue", "the first word stands");
    assert!(test.tells("smart_league", "conflict").await);
    test.finish().await;
}

/// The open alarms after a look, as `system:kind`.
async fn alarms(test: &TestApp) -> Vec<String> {
    test.app.sweeper().look().await.expect("it looks");
    let mut tx = test.app.store.read("test").await.expect("the store answers");
    let open = tx.alarms(true, 100).await.expect("alarms can be read");
    let mut names: Vec<_> =
        open.into_iter().map(|one| format!("{}:{}", one.system.unwrap_or_default(), one.kind)).collect();
    names.sort_unstable();
    names
}

/// What the feed says of alarms: `system kind raised`.
async fn heard(test: &TestApp) -> Vec<String> {
    let page = test.client.get("/v1/events?after=0&limit=1000").await.json();
    let events = page["events"].as_array().expect("events").clone();
    let alarms = events.into_iter().filter(|one| one["type"] == "alarm");
    alarms
        .map(|one| {
            assert!(one["request_id"].is_null() && one["detail"].is_string(), "{one}");
            format!("{} {} {}", one["system"], one["alarm"], one["raised"]).replace('"', "")
        })
        .collect()
}

#[tokio::test]
async fn a_backlog_is_told_once_and_over_once_also_where_nothing_is_sent() {
    let test = Setup::by_hand().start().await;
    let side = &SIDES[1];
    let pause = async |sql: &'static str| {
        let mut connection = test.connection().await;
        sqlx::query(sql).execute(&mut connection).await.expect("it is changed");
    };
    pause(
        "INSERT INTO systems (system, feed_cursor, paused) VALUES ('guangdong', 0, \
        '{\"by\": \"a\", \"reason\": \"b\", \"at\": \"2026-07-01T00:00:00Z\", \"until\": null}')",
    )
    .await;
    test.submit(&side.document("WAITS", 1)).await;
    test.run_until_idle().await;
    assert_eq!(alarms(&test).await, [""; 0]);
    test.later(3600).await;
    assert_eq!(alarms(&test).await, [""; 0], "an hour is no more than an hour");
    test.later(1).await;
    assert_eq!(alarms(&test).await, ["guangdong:backlog"]);
    test.later(1).await;
    assert_eq!(alarms(&test).await, ["guangdong:backlog"]);
    pause("UPDATE systems SET paused = NULL").await;
    test.run_until_idle().await;
    assert_eq!(test.get("WAITS").await["state"], "completed");
    assert_eq!(alarms(&test).await, [""; 0]);
    assert_eq!(heard(&test).await, ["guangdong backlog true", "guangdong backlog false"]);
    test.finish().await;
}

#[tokio::test]
async fn more_than_can_be_sent_in_time_is_a_backlog() {
    let config = "[systems.smart_league]\nbacklog_limit = '1s'\nrate_per_second = 2";
    let test = Setup::by_hand().config(config).start().await;
    for n in 0..3 {
        test.submit(&SIDES[0].document(&format!("MANY-{n}"), n)).await;
    }
    assert_eq!(alarms(&test).await, ["smart_league:backlog"]);
    test.run_until_idle().await;
    // A check and a submit each, at two a second.
    for _ in 0..6 {
        test.later(1).await;
    }
    assert_eq!(alarms(&test).await, [""; 0]);
    test.finish().await;
}

#[tokio::test]
async fn a_lapse_is_warned_of_before_it_comes() {
    let test = waiting("").await;
    assert_eq!(alarms(&test).await, [""; 0]);
    test.app.clock.advance(SignedDuration::from_secs(9 * DAY));
    test.deliver().await;
    assert_eq!(alarms(&test).await, ["smart_league:lapses"]);
    test.app.clock.advance(SignedDuration::from_secs(2 * DAY));
    test.deliver().await;
    assert_eq!(test.get("smart_league").await["state"], "overdue");
    assert_eq!(alarms(&test).await, [""; 0]);
    assert_eq!(heard(&test).await, ["smart_league lapses true", "smart_league lapses false"]);
    test.mend_callbacks();
    test.finish().await;
}

#[tokio::test]
async fn contradictions_raise_one_alarm_that_waits_for_a_person() {
    let test = waiting("[systems.smart_league]\nlapse_after = '3s'").await;
    test.submit(&SIDES[0].document("SECOND", 7)).await;
    test.deliver().await;
    test.app.clock.advance(SignedDuration::from_secs(3));
    test.deliver().await;
    test.mend_callbacks();
    for id in ["smart_league", "SECOND"] {
        assert!(test.sandbox.advance(id, &Step::Approve).await);
        test.run_until_idle().await;
        assert!(test.tells(id, "conflict").await, "{id}");
    }
    assert_eq!(alarms(&test).await, ["smart_league:conflicts"]);
    assert_eq!(heard(&test).await.iter().filter(|one| one.contains("conflicts")).count(), 1);
    test.finish().await;
}
