//! What time brings: lapses, check-in deadlines.

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
