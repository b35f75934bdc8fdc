//! Whatever goes wrong with a submit, one transfer comes of it, and nothing is sent again before a query has answered.

use crate::support::{SIDES, Setup, Side, TestApp, until};
use jiff::SignedDuration;
use league_gateway::lifecycle::Ended;
use league_sandbox::{Credentials, Fault, FaultKind, Faults, Identity, Operation, Rule, Step};
use serde_json::json;

fn waiting() -> Vec<Rule> {
    vec![Rule { steps: vec![Step::None], ..Rule::default() }]
}

/// How often a transfer was submitted, and how often with effect.
fn submits(test: &TestApp, request_id: &str) -> (u32, u32) {
    test.at_partner(request_id).map_or((0, 0), |line| (line.submits, line.effective))
}

/// The fault strikes the first submit; what the gateway does then, exchange by exchange.
async fn struck(side: &Side, fault: Fault, then: &[&str], states: &[&str]) {
    let name = format!("{}: {fault:?}", side.system);
    let config = format!("[systems.{}]\ntimeout = \"400ms\"\n", side.system);
    let hangs = fault.kind == Some(FaultKind::Hang);
    let setup = Setup::by_hand().rules(waiting()).faults(vec![fault]);
    let test = if hangs { setup.config(&config) } else { setup }.start().await;
    // The partner's news would end the doubt, too.
    test.cut_callbacks();
    test.submit(&side.document("STRUCK", 1)).await;
    test.deliver().await;
    // What waits for its backoff is due by then, several times over.
    for _ in 0..4 {
        test.app.clock.advance(SignedDuration::from_secs(1));
        test.deliver().await;
    }
    let exchanges = test.exchanges("STRUCK").await;
    let exchanges: Vec<&str> =
        exchanges.iter().map(String::as_str).filter(|one| !one.starts_with("check")).collect();
    assert_eq!(exchanges, then, "{name}");
    let expected: Vec<&str> = states.iter().copied().chain([side.waits]).collect();
    assert_eq!(test.states("STRUCK").await, expected, "{name}");
    let again = then.iter().filter(|one| one.starts_with("submit")).count();
    assert_eq!(submits(&test, "STRUCK"), (u32::try_from(again).expect("few"), 1), "{name}");
    test.mend_callbacks();
    test.sandbox.advance("STRUCK", &side.completes).await;
    test.run_until_idle().await;
    assert_eq!(test.get("STRUCK").await["state"], "completed", "{name}");
    test.finish().await;
}

#[tokio::test]
async fn a_lost_answer_is_found_again_by_a_query() {
    for side in &SIDES {
        for kind in [FaultKind::DropAfter, FaultKind::Garbage, FaultKind::Hang] {
            let then = ["submit:unclear", "query:answered"];
            struck(side, side.fault(kind, 1), &then, &["queued", "sending", "unconfirmed"]).await;
        }
        for kind in [FaultKind::Status500, FaultKind::Internal] {
            let fault = Fault { effect: Some(true), ..side.fault(kind, 1) };
            let then = ["submit:unclear", "query:answered"];
            struck(side, fault, &then, &["queued", "sending", "unconfirmed"]).await;
        }
    }
    // Fujian signs no answer.
    for side in &SIDES[..2] {
        let then = ["submit:unclear", "query:answered"];
        let fault = side.fault(FaultKind::WrongSignature, 1);
        struck(side, fault, &then, &["queued", "sending", "unconfirmed"]).await;
    }
}

#[tokio::test]
async fn what_never_arrived_is_sent_again_after_a_query() {
    let then = ["submit:unclear", "query:answered", "submit:answered"];
    let states = ["queued", "sending", "unconfirmed", "queued", "sending"];
    for side in &SIDES {
        for kind in [FaultKind::DropBefore, FaultKind::Status500, FaultKind::Internal] {
            struck(side, side.fault(kind, 1), &then, &states).await;
        }
        for kind in [FaultKind::Garbage, FaultKind::Hang] {
            struck(side, Fault { effect: Some(false), ..side.fault(kind, 1) }, &then, &states).await;
        }
    }
    for side in &SIDES[..2] {
        let fault = Fault { effect: Some(false), ..side.fault(FaultKind::WrongSignature, 1) };
        struck(side, fault, &then, &states).await;
    }
}

#[tokio::test]
async fn unconfirmed_stays_so_until_a_query_answers() {
    for side in &SIDES {
        let lost = side.fault(FaultKind::DropAfter, 1);
        let deaf = |kind| Fault { operation: Some(Operation::Query), ..side.fault(kind, 1) };
        let faults =
            vec![lost, deaf(FaultKind::DropBefore), deaf(FaultKind::Status500), deaf(FaultKind::Garbage)];
        let test = Setup::by_hand().rules(waiting()).faults(faults).start().await;
        test.cut_callbacks();
        test.submit(&side.document("DEAF", 1)).await;
        test.deliver().await;
        let mut shown = test.get("DEAF").await;
        assert_eq!(shown["state"], "unconfirmed", "{shown}");
        for _ in 0..3 {
            assert_eq!(shown["state"], "unconfirmed", "{shown}");
            assert!(
                shown["next_attempt_at"].is_string() && shown["last_error"]["code"].is_string(),
                "{shown}"
            );
            test.app.clock.advance(SignedDuration::from_secs(1));
            test.deliver().await;
            shown = test.get("DEAF").await;
        }
        test.app.clock.advance(SignedDuration::from_secs(1));
        test.deliver().await;
        assert_eq!(test.get("DEAF").await["state"], side.waits);
        assert_eq!(submits(&test, "DEAF"), (1, 1));
        test.mend_callbacks();
        test.finish().await;
    }
}

#[tokio::test]
async fn a_partner_that_is_not_there_costs_no_attempt() {
    let config = "[systems.smart_league]\nbase_url = \"http://127.0.0.1:9\"\nmax_attempts = 1\n";
    let test = Setup::by_hand().config(config).start().await;
    test.submit(&SIDES[0].document("AWAY", 1)).await;
    for _ in 0..5 {
        test.later(1).await;
    }
    let shown = test.get("AWAY").await;
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("queued"), &json!(0)), "{shown}");
    assert_eq!(shown["last_error"]["code"], "not_sent");
    assert!(test.exchanges("AWAY").await.contains(&"submit:not_sent".to_owned()));
    // It is there again.
    let test = test.restart("").await;
    test.later(1).await;
    assert_eq!(test.get("AWAY").await["state"], "completed");
    test.finish().await;
}

/// Runs up to a refusal for load or maintenance, and gives the row as it is then.
async fn refused_once(side: &Side, fault: Fault) -> (TestApp, serde_json::Value) {
    let test = Setup::by_hand().rules(waiting()).faults(vec![fault]).start().await;
    test.submit(&side.document("LATER", 1)).await;
    test.run_until_idle().await;
    let shown = test.get("LATER").await;
    assert_eq!(shown["state"], "queued", "{shown}");
    (test, shown)
}

#[tokio::test]
async fn a_time_that_the_partner_names_is_kept() {
    for side in &SIDES {
        let mut faults = vec![Fault { retry_after: Some(600), ..side.fault(FaultKind::Maintenance, 1) }];
        if side.system == "smart_league" {
            faults.push(Fault { http_date: true, ..faults[0].clone() });
        }
        // Guangdong's 4001 names no time.
        if side.system != "guangdong" {
            faults.push(Fault { retry_after: Some(600), ..side.fault(FaultKind::TooMany, 1) });
        }
        for fault in faults {
            let name = format!("{} {fault:?}", side.system);
            let maintenance = fault.kind == Some(FaultKind::Maintenance);
            let (test, shown) = refused_once(side, fault).await;
            assert_eq!(shown["next_attempt_at"], "2026-07-01T01:40:00Z", "{name}: {shown}");
            assert_eq!(shown["attempts"], i32::from(!maintenance), "{name}: maintenance counts no attempt");
            test.later(599).await;
            assert_eq!(submits(&test, "LATER"), (1, 0), "{name}: too early");
            // A restart changes nothing about it.
            let test = test.restart("").await;
            test.run_until_idle().await;
            assert_eq!(submits(&test, "LATER"), (1, 0), "{name}: too early");
            test.later(1).await;
            assert_eq!(submits(&test, "LATER"), (2, 1), "{name}");
            assert_eq!(test.get("LATER").await["state"], side.waits, "{name}");
            test.finish().await;
        }
    }
}

#[tokio::test]
async fn busy_without_a_time_follows_our_own_schedule() {
    let (test, shown) = refused_once(&SIDES[1], SIDES[1].fault(FaultKind::TooMany, 1)).await;
    assert_eq!(shown["attempts"], 1);
    let next: jiff::Timestamp = shown["next_attempt_at"].as_str().expect("a time").parse().expect("a time");
    let wait = next.duration_since(test.app.clock.now()).as_millis();
    assert!((7..=13).contains(&wait), "10 ms and a quarter either way, not {wait}");
    test.later(1).await;
    assert_eq!(submits(&test, "LATER"), (2, 1));
    test.finish().await;
}

#[tokio::test]
async fn attempts_that_are_used_up_are_a_matter_for_a_person() {
    for side in &SIDES {
        let config = format!("[systems.{}]\nmax_attempts = 3\n", side.system);
        let busy = Fault { times: None, retry_after: Some(1), ..side.fault(FaultKind::TooMany, 0) };
        let test = Setup::by_hand().config(&config).faults(vec![busy]).start().await;
        test.submit(&side.document("MUCH", 1)).await;
        test.run_until_idle().await;
        for _ in 0..10 {
            test.later(2).await;
        }
        let shown = test.get("MUCH").await;
        assert_eq!((&shown["state"], &shown["attempts"]), (&json!("failed"), &json!(3)), "{shown}");
        assert!(shown["last_error"]["code"].is_string() && shown["next_attempt_at"].is_null(), "{shown}");
        assert_eq!(submits(&test, "MUCH"), (3, 0));
        test.finish().await;
    }
}

fn two_secrets() -> Credentials {
    let identity =
        |one: &str, two: &str| Identity { id: "BJGQT".into(), secrets: vec![one.into(), two.into()] };
    Credentials {
        smart_league: identity("sandbox-smart-league-secret", "new-secret"),
        guangdong: identity("sandbox-guangdong-secret", "new-secret"),
        fujian: identity("sandbox-fujian-password", "new-secret"),
    }
}

#[tokio::test]
async fn refused_credentials_suspend_until_they_are_changed() {
    for side in &SIDES {
        let refusal = Fault { system: Some(side.partner), ..Fault::of(FaultKind::Authentication) };
        let test =
            Setup::by_hand().rules(waiting()).credentials(two_secrets()).faults(vec![refusal]).start().await;
        test.submit(&side.document("FIRST", 1)).await;
        test.run_until_idle().await;
        test.submit(&side.document("SECOND", 2)).await;
        for _ in 0..3 {
            test.later(3600).await;
        }
        for id in ["FIRST", "SECOND"] {
            let shown = test.get(id).await;
            assert_eq!((&shown["state"], &shown["attempts"]), (&json!("queued"), &json!(0)), "{shown}");
        }
        let sent = submits(&test, "FIRST").0 + submits(&test, "SECOND").0;
        assert!(sent <= 1, "{}: a suspended system is left alone, {sent} submits", side.system);
        assert_eq!(test.count("systems WHERE suspended IS NOT NULL").await, 1);
        // The partner would take us again, but the same credentials lift nothing.
        test.sandbox.set_faults(Faults::default());
        let test = restart_as_daemon(test, "").await;
        assert_eq!(test.count("systems WHERE suspended IS NOT NULL").await, 1);
        let list = if side.system == "fujian" { "passwords" } else { "secrets" };
        let config = format!(
            "[systems.{}]\n{list} = [\"new-secret\", \"sandbox-guangdong-secret\", \"sandbox-smart-league-secret\"]\n",
            side.system
        );
        let test = restart_as_daemon(test, &config).await;
        assert_eq!(test.count("systems WHERE suspended IS NOT NULL").await, 0);
        test.later(3600).await;
        for id in ["FIRST", "SECOND"] {
            test.sandbox.advance(id, &side.completes).await;
            test.run_until_idle().await;
            assert_eq!(test.get(id).await["state"], "completed");
            assert_eq!(test.at_partner(id).map(|line| line.effective), Some(1));
        }
        test.finish().await;
    }
}

/// Restarts by hand what [`league_gateway::app::App::start`] does with a suspension.
async fn restart_as_daemon(test: TestApp, config: &str) -> TestApp {
    let test = test.restart(config).await;
    for partner in test.app.partners.values() {
        league_gateway::suspension::lift_if_credentials_changed(
            &test.app.store,
            partner,
            test.app.clock.now(),
        )
        .await
        .expect("it is looked at");
    }
    test
}

#[tokio::test]
async fn a_check_that_fails_never_holds_a_transfer_back() {
    for kind in [FaultKind::DropBefore, FaultKind::Status500, FaultKind::Garbage, FaultKind::Maintenance] {
        let fault =
            Fault { operation: Some(Operation::CheckOrganization), times: None, ..SIDES[0].fault(kind, 0) };
        let test = Setup::by_hand().faults(vec![fault]).start().await;
        test.submit(&SIDES[0].document("GOOD", 1)).await;
        test.submit(&crate::support::document("BAD", 2, "320000", "共青团并不存在大学委员会")).await;
        test.run_until_idle().await;
        // A system that asks for rest gets it first.
        test.later(2).await;
        assert_eq!(test.get("GOOD").await["state"], "completed", "{kind:?}");
        let shown = test.get("BAD").await;
        assert_eq!(shown["state"], "returned", "{shown}");
        assert_eq!(submits(&test, "BAD"), (1, 0), "the system checks with the submit");
        test.finish().await;
    }
}

#[tokio::test]
async fn many_with_faults_of_every_kind_end_well() {
    let mut faults = Vec::new();
    for side in &SIDES {
        for kind in [
            FaultKind::DropBefore,
            FaultKind::DropAfter,
            FaultKind::Status500,
            FaultKind::Internal,
            FaultKind::Garbage,
            FaultKind::WrongSignature,
            FaultKind::Maintenance,
            FaultKind::TooMany,
        ] {
            faults.push(Fault {
                operation: None,
                probability: Some(0.2),
                retry_after: Some(0),
                ..side.fault(kind, 3)
            });
        }
    }
    let test = Setup::daemon().faults(faults).start().await;
    let ids: Vec<(usize, String)> = (0..45).map(|n| (n, format!("MANY-{n}"))).collect();
    for (n, id) in &ids {
        test.submit(&SIDES[n % 3].document(id, *n)).await;
    }
    for (_, id) in &ids {
        test.wait_for_state(id, "completed").await;
    }
    let report = test.finish().await;
    assert_eq!(report.transfers.iter().filter(|line| line.effective == 1).count(), 45);
}

/// A partner that loses all that it is sent is asked each time, and in the end a person is.
#[tokio::test]
async fn what_is_lost_again_and_again_is_handed_to_a_person() {
    for side in &SIDES {
        let fault = Fault { times: None, ..side.fault(FaultKind::DropBefore, 1) };
        let config = format!("[systems.{}]\nmax_attempts = 3\n", side.system);
        let test = Setup::by_hand().config(&config).faults(vec![fault]).start().await;
        test.submit(&side.document("LOST", 1)).await;
        for _ in 0..40 {
            test.deliver().await;
            test.app.clock.advance(SignedDuration::from_secs(60));
        }
        let shown = test.get("LOST").await;
        assert_eq!((&shown["state"], &shown["attempts"]), (&json!("failed"), &json!(3)), "{shown}");
        assert_eq!(shown["last_error"]["code"], "attempts_used_up");
        let exchanges = test.exchanges("LOST").await;
        let exchanges: Vec<&str> =
            exchanges.iter().map(String::as_str).filter(|one| !one.starts_with("check")).collect();
        assert_eq!(exchanges, ["submit:unclear", "query:answered"].repeat(3), "{}", side.system);
        test.finish().await;
    }
}

/// A submit may have arrived although the partner seems to refuse us: a wish to withdraw asks before it is granted.
#[tokio::test]
async fn a_withdrawal_after_a_doubtful_submit_asks_first() {
    for side in &SIDES {
        // A proxy refuses, after the partner has taken it in.
        let fault = Fault { effect: Some(true), ..side.fault(FaultKind::Garbage, 1) };
        let test = Setup::by_hand()
            .rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }])
            .faults(vec![fault])
            .start()
            .await;
        test.cut_callbacks();
        test.submit(&side.document("DOUBT", 1)).await;
        test.deliver().await;
        // As after an answer that told to come again: queued, with a submit of which nobody knows.
        let mut connection = test.connection().await;
        sqlx::query("UPDATE transfers SET state = 'queued'").execute(&mut connection).await.expect("changed");
        let mut tx = test.app.store.write("test").await.expect("it begins");
        assert!(tx.recount().await.expect("it is counted"), "a hand has changed a state");
        tx.commit().await.expect("it commits");
        let answer = test.client.post("/v1/transfers/DOUBT/withdraw", &json!({"reason": "改变计划"})).await;
        assert_eq!(answer.status, 202, "{}", side.system);
        for _ in 0..4 {
            test.app.clock.advance(SignedDuration::from_secs(2));
            test.deliver().await;
        }
        let shown = test.get("DOUBT").await;
        assert_eq!(
            (&shown["state"], &shown["withdrawal_pending"]),
            (&json!("withdrawn"), &json!(false)),
            "{shown}"
        );
        let exchanges = test.exchanges("DOUBT").await;
        assert_eq!(
            exchanges[exchanges.len() - 2..],
            ["query:answered", "withdraw:answered"],
            "{}",
            side.system
        );
        assert_eq!(test.at_partner("DOUBT").map(|line| line.submits), Some(1));
        test.finish().await;
    }
}

/// Upstream wants it back while the partner finds the data at fault: there is nothing left to take back.
#[tokio::test]
async fn a_withdrawal_meets_a_refusal() {
    let side = &SIDES[1];
    let slow = Fault { delay_ms: 200, ..side.fault(FaultKind::DataRefused, 1) };
    let mut test = Setup::daemon().faults(vec![slow]).start().await;
    test.submit(&side.document("BOTH", 1)).await;
    until("the submit to arrive", || test.at_partner("BOTH").is_some()).await;
    let answer = test.client.post("/v1/transfers/BOTH/withdraw", &json!({"reason": "改变计划"})).await;
    assert_eq!(answer.status, 202);
    let shown = test.wait_for_state("BOTH", "withdrawn").await;
    assert_eq!(shown["withdrawal_pending"], false);
    assert_eq!(test.stop().await, Ended::Clean);
    test.finish().await;
}
