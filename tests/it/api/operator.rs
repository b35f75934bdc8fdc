//! What operators do to transfers over HTTP, and what stands of it in timeline, feed and audit log.

use crate::support::{Answer, Client, SIDES, Setup, TestApp};
use jiff::SignedDuration;
use league_gateway::access::Role;
use league_sandbox::{Fault, FaultKind, Faults, Rule, Step};
use serde_json::{Value, json};

async fn act(client: &Client, request_id: &str, act: &str, reason: &str) -> Answer {
    client.post(&format!("/v1/operator/transfers/{request_id}/{act}"), &json!({"reason": reason})).await
}

/// An act that must be done; what it says.
async fn done(client: &Client, request_id: &str, word: &str) -> Value {
    let answer = act(client, request_id, word, "按规定处理").await;
    assert_eq!(answer.status, 200, "{word}: {}", answer.text());
    let told = answer.json();
    assert!(told["did"]["zh"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
    told
}

async fn refused(client: &Client, request_id: &str, word: &str) -> Value {
    act(client, request_id, word, "按规定处理").await.problem(409, "not_allowed_in_state")
}

async fn audit(client: &Client, query: &str) -> Vec<Value> {
    let page = client.get(&format!("/v1/operator/audit{query}")).await.json();
    page["items"].as_array().expect("rows").clone()
}

async fn operator(test: &TestApp) -> Client {
    test.client_with("desk", &[Role::Operate]).await
}

#[tokio::test]
async fn what_failed_is_retried_or_closed() {
    let side = &SIDES[0];
    let lost = Fault { times: None, ..side.fault(FaultKind::DropBefore, 1) };
    let config = format!("[systems.{}]\nmax_attempts = 2\n", side.system);
    let test = Setup::by_hand().config(&config).faults(vec![lost]).start().await;
    let desk = operator(&test).await;
    for (n, id) in ["AGAIN", "NEVER"].into_iter().enumerate() {
        test.submit(&side.document(id, n)).await;
    }
    for _ in 0..40 {
        test.deliver().await;
        test.app.clock.advance(SignedDuration::from_secs(60));
    }
    for id in ["AGAIN", "NEVER"] {
        assert_eq!(test.get(id).await["state"], "failed");
    }
    refused(&desk, "AGAIN", "withdraw").await;
    test.sandbox.set_faults(Faults::default());
    let told = done(&desk, "AGAIN", "retry").await;
    assert_eq!(
        (&told["transfer"]["state"], &told["transfer"]["attempts"]),
        (&json!("queued"), &json!(0)),
        "{told}"
    );
    assert_eq!(done(&desk, "NEVER", "close").await["transfer"]["state"], "withdrawn");
    test.run_until_idle().await;
    assert_eq!(test.get("AGAIN").await["state"], "completed");
    assert_eq!(test.get("NEVER").await["state"], "withdrawn");
    for word in ["retry", "close", "hold"] {
        refused(&desk, "NEVER", word).await;
    }
    // Who, from where and why stand in the log; in the timeline with the change.
    let rows = audit(&desk, "?subject=transfer:NEVER").await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(
        (&row["author"], &row["act"], &row["reason"]),
        (&json!("token:desk"), &json!("close"), &json!("按规定处理"))
    );
    let timeline = test.timeline("NEVER").await;
    let change =
        timeline.iter().find(|line| line.event.to.as_deref() == Some("withdrawn")).expect("a change");
    assert_eq!(change.event.cause, "operator");
    let note = timeline.iter().find_map(|line| line.detail.as_deref()).expect("a note");
    assert!(note.starts_with("operator_close: token:desk: 按规定处理"), "{note}");
    test.finish().await;
}

#[tokio::test]
async fn what_is_held_waits_until_it_is_released() {
    let test = Setup::by_hand().start().await;
    let desk = operator(&test).await;
    for (n, side) in SIDES.iter().enumerate() {
        let id = side.system;
        test.submit(&side.document(id, n)).await;
        let told = done(&desk, id, "hold").await;
        assert_eq!(told["transfer"]["held"]["reason"], "按规定处理", "{told}");
        let again = refused(&desk, id, "hold").await;
        assert!(again["detail"].as_str().is_some_and(|text| text.contains("token:desk")), "{again}");
        refused(&desk, id, "retry").await;
    }
    test.later(3600).await;
    for side in &SIDES {
        assert_eq!(test.get(side.system).await["state"], "queued");
        assert!(test.at_partner(side.system).is_none(), "nothing went out");
        done(&desk, side.system, "release").await;
        refused(&desk, side.system, "release").await;
    }
    test.run_until_idle().await;
    for side in &SIDES {
        let shown = test.get(side.system).await;
        assert_eq!((&shown["state"], &shown["held"]), (&json!("completed"), &Value::Null), "{shown}");
    }
    test.finish().await;
}

#[tokio::test]
async fn what_waits_is_sent_or_asked_about_at_once() {
    let test = Setup::by_hand().faults(vec![SIDES[0].fault(FaultKind::Maintenance, 1)]).start().await;
    let desk = operator(&test).await;
    test.cut_callbacks();
    test.submit(&SIDES[0].document("LATER", 1)).await;
    refused(&desk, "LATER", "retry").await;
    test.deliver().await;
    let waits = test.get("LATER").await;
    assert_eq!(waits["state"], "queued", "{waits}");
    assert!(waits["next_attempt_at"].as_str().is_some(), "{waits}");
    let told = done(&desk, "LATER", "retry").await;
    assert!(told["transfer"]["next_attempt_at"].as_str() < waits["next_attempt_at"].as_str(), "{told}");
    // The partner asked for patience: the gate still stands before it.
    test.app.clock.advance(SignedDuration::from_hours(1));
    test.deliver().await;
    // The partner has it by now, and its callback never came.
    let submitted = test.get("LATER").await;
    assert_eq!(submitted["state"], "submitted", "{submitted}");
    done(&desk, "LATER", "retry").await;
    test.deliver().await;
    assert_eq!(test.get("LATER").await["state"], "completed", "the query has told");
    test.mend_callbacks();
    test.finish().await;
}

#[tokio::test]
async fn taking_back_is_the_partners_to_grant() {
    let test = Setup::by_hand().start().await;
    let desk = operator(&test).await;
    test.submit(&SIDES[0].document("HERE", 1)).await;
    assert_eq!(done(&desk, "HERE", "withdraw").await["transfer"]["state"], "withdrawn");
    assert!(
        done(&desk, "HERE", "withdraw").await["did"]["en"]
            .as_str()
            .is_some_and(|text| text.contains("before"))
    );
    test.finish().await;
}

/// A partner is asked about nobody that is held, so nothing may say so.
#[tokio::test]
async fn who_is_held_is_not_asked_for() {
    let waits = Rule { steps: vec![Step::None], ..Rule::default() };
    let test = Setup::by_hand().rules(vec![waits]).start().await;
    let desk = operator(&test).await;
    for (n, id) in ["THERE", "UPSTREAM", "HERE"].into_iter().enumerate() {
        test.submit(&SIDES[0].document(id, n)).await;
        if id == "HERE" {
            done(&desk, id, "hold").await;
            assert_eq!(
                done(&desk, id, "withdraw").await["transfer"]["state"],
                "withdrawn",
                "nobody is asked"
            );
            continue;
        }
        test.run_until_idle().await;
        assert_eq!(test.get(id).await["state"], "submitted");
        done(&desk, id, "hold").await;
    }
    let why = refused(&desk, "THERE", "withdraw").await;
    assert!(why["detail"].as_str().is_some_and(|text| text.contains("release")), "{why}");
    assert_eq!(test.get("THERE").await["withdrawal_pending"], false);
    let back = test.client.post("/v1/transfers/UPSTREAM/withdraw", &json!({"reason": "不去了"})).await;
    assert_eq!(back.status, 202, "{}", back.text());
    let guidance = &back.json()["guidance"];
    assert!(guidance["en"].as_str().is_some_and(|text| text.contains("once it is released")), "{guidance}");
    for id in ["THERE", "UPSTREAM"] {
        done(&desk, id, "release").await;
    }
    done(&desk, "THERE", "withdraw").await;
    test.run_until_idle().await;
    for id in ["THERE", "UPSTREAM"] {
        assert_eq!(test.get(id).await["state"], "withdrawn", "{id}");
    }
    test.finish().await;
}

#[tokio::test]
async fn the_audit_log_is_verified_over_http() {
    let test = Setup::by_hand().start().await;
    let desk = operator(&test).await;
    let verify = async |client: &Client| client.get("/v1/operator/audit:verify").await;
    assert_eq!(verify(&desk).await.json()["rows"], 0);
    test.submit(&SIDES[0].document("MINE", 1)).await;
    done(&desk, "MINE", "hold").await;
    let sound = verify(&desk).await.json();
    assert_eq!((&sound["rows"], &sound["broken"]), (&json!(1), &Value::Null), "{sound}");
    for (name, role) in [("upstream", Role::Submit), ("viewer", Role::View)] {
        verify(&test.client_with(name, &[role]).await).await.problem(403, "forbidden");
    }
    // One at a time, and it keeps no connection from others for long.
    let many = futures_util::future::join_all((0..8).map(|_| verify(&desk))).await;
    assert!(many.iter().any(|answer| answer.status == 200));
    assert!(many.iter().all(|answer| matches!(answer.status, 200 | 429)));
    test.database.execute("DROP TRIGGER audit_is_not_changed; UPDATE audit SET reason = '另有原因'").await;
    let broken = verify(&desk).await.json();
    assert_eq!((&broken["rows"], &broken["broken"]["how"]), (&json!(0), &json!("changed")), "{broken}");
    done(&desk, "MINE", "withdraw").await;
    test.finish().await;
}

#[tokio::test]
async fn only_operators_act_and_every_act_has_a_reason() {
    let test = Setup::by_hand().start().await;
    test.submit(&SIDES[0].document("MINE", 1)).await;
    act(&test.client, "MINE", "hold", "试试").await.problem(403, "forbidden");
    test.client.get("/v1/operator/audit").await.problem(403, "forbidden");
    let desk = operator(&test).await;
    for reason in ["", "   ", "\u{7}", &"长".repeat(201)] {
        let problem = act(&desk, "MINE", "hold", reason).await.problem(422, "field_invalid");
        assert_eq!(problem["field"], "reason");
    }
    act(&desk, "NOBODY", "hold", "试试").await.problem(404, "not_found");
    act(&desk, "MINE", "explode", "试试").await.problem(404, "not_found");
    assert!(audit(&desk, "").await.is_empty(), "what was not done stands nowhere");
    assert_eq!(test.get("MINE").await["held"], Value::Null);
    // A reason that names the person is kept without.
    let (name, number) = ("张三", test.stored("MINE").await);
    let transfer =
        test.app.sealer.open_transfer(&number.entry.request_id, &number.document_sealed).expect("it opens");
    let reason = format!("{} {} 来电", name, transfer.member.id_number.expose());
    let told = act(&desk, "MINE", "hold", &reason).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let kept = audit(&desk, "").await;
    let last_eight = &transfer.member.id_number.expose()[10..];
    assert!(!kept[0]["reason"].as_str().unwrap_or_default().contains(last_eight), "{kept:?}");
    done(&desk, "MINE", "withdraw").await;
    test.finish().await;
}
