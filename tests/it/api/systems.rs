//! The systems' switches and the alarms over HTTP.

use crate::support::{SIDES, Setup, in_time};
use league_gateway::access::Role;
use league_sandbox::{Fault, FaultKind};
use serde_json::{Value, json};

#[tokio::test]
async fn a_system_is_paused_resumed_and_probed() {
    for setup in [Setup::by_hand(), Setup::by_hand().on_postgres()] {
        let test = setup.start().await;
        let desk = test.client_with("desk", &[Role::Operate]).await;
        let shown = async || desk.get("/v1/operator/systems/guangdong").await.json();
        let before = shown().await;
        assert_eq!((&before["state"], &before["name"]), (&json!("ready"), &json!("广东")), "{before}");
        assert_eq!(before["last_success_at"], Value::Null);
        assert_eq!(before["limits"]["rate_per_second"], 100_000, "{before}");

        let pause = json!({"reason": "对方检修", "until": "2026-07-01T10:00:00Z"});
        let paused = desk.post("/v1/operator/systems/guangdong/pause", &pause).await;
        assert_eq!(paused.status, 200, "{}", paused.text());
        let system = &paused.json()["system"];
        assert_eq!(
            (&system["state"], &system["reason"], &system["by"], &system["until"]),
            (&json!("paused"), &json!("对方检修"), &json!("token:desk"), &json!("2026-07-01T10:00:00Z"))
        );
        assert_eq!(system["since"], json!(test.app.clock.now()));
        test.submit(&SIDES[1].document("WAITS", 1)).await;
        test.deliver().await;
        test.app.clock.advance(jiff::SignedDuration::from_secs(90));
        let waiting = shown().await;
        assert_eq!(
            (&waiting["backlog"], &waiting["backlog_age_seconds"]),
            (&json!(1), &json!(90)),
            "{waiting}"
        );

        let mut rung = test.app.bells.work.listen();
        let resumed =
            desk.post("/v1/operator/systems/guangdong/resume", &json!({"reason": "检修结束"})).await;
        assert_eq!(resumed.json()["system"]["state"], "ready", "{}", resumed.text());
        let hour = jiff::SignedDuration::from_hours(1);
        in_time("whoever delivers to be woken", rung.wait(&test.app.clock, hour)).await;
        let probed = desk.post("/v1/operator/systems/guangdong/probe", &json!({"reason": "确认"})).await;
        assert_eq!(probed.json()["probe"]["outcome"], "answered", "{}", probed.text());
        assert_eq!(shown().await["last_success_at"], json!(test.app.clock.now()));
        test.run_until_idle().await;
        assert_eq!(test.get("WAITS").await["state"], "completed");
        let rows = desk.get("/v1/operator/audit?subject=system:guangdong").await.json();
        let acts: Vec<_> =
            rows["items"].as_array().expect("rows").iter().map(|row| row["act"].clone()).collect();
        assert_eq!(acts, ["probe", "resume", "pause"]);
        test.finish().await;
    }
}

#[tokio::test]
async fn what_can_not_be_switched_is_refused() {
    let test = Setup::by_hand().start().await;
    let desk = test.client_with("desk", &[Role::Operate]).await;
    let path = |rest: &str| format!("/v1/operator/systems/{rest}");
    let reason = json!({"reason": "试试"});
    desk.get(&path("hunan")).await.problem(404, "not_found");
    desk.post(&path("hunan/pause"), &reason).await.problem(404, "not_found");
    desk.post(&path("fujian/explode"), &reason).await.problem(404, "not_found");
    for switch in ["pause", "resume", "probe"] {
        for body in [json!({}), json!({"reason": "  "}), json!({"reason": "长".repeat(201)})] {
            let problem =
                desk.post(&path(&format!("fujian/{switch}")), &body).await.problem(422, "field_invalid");
            assert_eq!(problem["field"], "reason");
        }
    }
    for until in [json!("soon"), json!(5), json!("2020-01-01T00:00:00Z")] {
        let body = json!({"reason": "试试", "until": until});
        let problem = desk.post(&path("fujian/pause"), &body).await.problem(422, "field_invalid");
        assert_eq!(problem["field"], "until");
    }
    assert!(desk.get("/v1/operator/audit").await.json()["items"].as_array().is_some_and(Vec::is_empty));
    test.finish().await;
}

#[tokio::test]
async fn why_a_system_is_suspended_and_since_when_is_told() {
    let refusal = Fault { times: None, ..SIDES[0].fault(FaultKind::Authentication, 0) };
    let test = Setup::by_hand().faults(vec![refusal]).start().await;
    let desk = test.client_with("desk", &[Role::Operate]).await;
    test.submit(&SIDES[0].document("STUCK", 1)).await;
    test.run_until_idle().await;
    let since = test.app.clock.now();
    test.app.clock.advance(jiff::SignedDuration::from_secs(60));
    let shown = desk.get("/v1/operator/systems/smart_league").await.json();
    assert_eq!((&shown["state"], &shown["since"]), (&json!("suspended"), &json!(since)), "{shown}");
    assert!(shown["reason"].as_str().is_some_and(|text| text.contains("credentials refused")), "{shown}");

    let open = desk.get("/v1/operator/alarms").await.json();
    assert_eq!(
        (&open[0]["kind"], &open[0]["system"]),
        (&json!("suspended"), &json!("smart_league")),
        "{open}"
    );
    let clear = |system: Value, kind: &str| json!({"system": system, "kind": kind, "reason": "已联系对方"});
    let path = "/v1/operator/alarms/clear";
    desk.post(path, &clear(json!("fujian"), "suspended")).await.problem(404, "not_found");
    desk.post(path, &clear(Value::Null, "suspended")).await.problem(404, "not_found");
    desk.post(path, &clear(json!("smart_league"), "boredom")).await.problem(422, "field_invalid");
    desk.post(path, &clear(json!(7), "suspended")).await.problem(422, "field_invalid");
    assert_eq!(desk.post(path, &clear(json!("smart_league"), "suspended")).await.status, 200);
    assert_eq!(desk.get("/v1/operator/alarms").await.json(), json!([]));
    let all = desk.get("/v1/operator/alarms?all=true").await.json();
    assert_eq!(all[0]["cleared_by"], "operator: 已联系对方", "{all}");
    test.finish().await;
}
