//! Batches, amendments and withdrawals.

use crate::support::{SIDES, Setup, document};
use league_sandbox::{Rule, Step};
use serde_json::{Value, json};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[tokio::test]
async fn a_batch_is_answered_line_by_line_in_order() {
    let test = Setup::by_hand().start().await;
    test.submit(&SIDES[0].document("OLD", 1)).await;
    let mut bad = SIDES[0].document("BAD", 2);
    bad["member"]["phone"] = json!("1");
    let batch = [
        SIDES[1].document("NEW", 3).to_string(),
        SIDES[0].document("OLD", 1).to_string(),
        bad.to_string(),
        "{\"request_id\": ".to_owned(),
        SIDES[2].document("NEW", 3).to_string(),
        SIDES[2].document("SAME-PERSON", 3).to_string(),
        SIDES[2].document("LAST", 4).to_string(),
    ]
    .join("\n");
    let answer = test.client.post_text("/v1/transfers:batch", batch).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));
    let lines = lines(&answer.text());
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["line"].as_u64().unwrap_or_default(),
                line["status"].as_u64().unwrap_or_default(),
                line["problem"]["code"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, 201, None),
            (2, 200, None),
            (3, 422, Some("field_invalid")),
            (4, 400, Some("malformed")),
            (5, 409, Some("request_id_conflict")),
            (6, 409, Some("open_transfer_exists")),
            (7, 201, None),
        ]
    );
    assert_eq!(lines[0]["transfer"]["state"], "queued");
    assert_eq!(
        (&lines[2]["request_id"], &lines[2]["problem"]["field"]),
        (&json!("BAD"), &json!("member.phone"))
    );
    test.run_until_idle().await;
    for id in ["NEW", "OLD", "LAST"] {
        assert_eq!(test.get(id).await["state"], "completed", "{id}");
    }
    assert_eq!(test.count("transfers").await, 3);
    test.finish().await;
}

#[tokio::test]
async fn a_batch_has_a_thousand_lines_at_most() {
    let test = Setup::by_hand().start().await;
    let line = |n: usize| format!("{{\"request_id\": \"L-{n}\"}}\n");
    let most: String = (0..1000).map(line).collect();
    let answer = test.client.post_text("/v1/transfers:batch", most.clone()).await;
    assert_eq!((answer.status, lines(&answer.text()).len()), (200, 1000));
    let problem = test
        .client
        .post_text("/v1/transfers:batch", most + &line(1000))
        .await
        .problem(413, "payload_too_large");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("1000 行")));
    let answer = test.client.post_text("/v1/transfers:batch", "\n \n").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    test.finish().await;
}

#[tokio::test]
async fn amended_only_when_returned_and_then_it_completes() {
    let test = Setup::by_hand().start().await;
    let amended = json!({"destination": {"full_name": "共青团南京大学委员会"}});
    test.client.post("/v1/transfers/A/amend", &amended).await.problem(404, "not_found");
    test.submit(&document("A", 1, "320000", "共青团并不存在大学委员会")).await;
    let problem =
        test.client.post("/v1/transfers/A/amend", &amended).await.problem(409, "not_allowed_in_state");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("待发送") && text.contains("修改")));
    test.run_until_idle().await;
    assert_eq!(test.get("A").await["state"], "returned");
    // What is wrong with an amendment changes nothing.
    for (change, code, status) in [
        (json!({}), "malformed", 400),
        (json!([]), "malformed", 400),
        (json!({"request_id": "B"}), "field_invalid", 422),
        (json!({"applied_at": "2024-07-01T09:30:00+08:00"}), "field_invalid", 422),
        (json!({"member": {"phone": "1"}}), "field_invalid", 422),
        (json!({"destination": {"province_code": "110000"}}), "internal_transfer", 422),
        (json!({"reason": "employment"}), "detail_missing", 422),
        (json!({"destination": null}), "field_invalid", 422),
    ] {
        test.client.post("/v1/transfers/A/amend", &change).await.problem(status, code);
        assert_eq!(test.get("A").await["state"], "returned", "{change}");
    }
    let answer = test.client.post("/v1/transfers/A/amend", &amended).await;
    assert_eq!((answer.status, answer.json()["state"].as_str()), (200, Some("queued")), "{}", answer.text());
    assert_eq!(answer.json()["last_error"], json!(null));
    test.run_until_idle().await;
    let shown = test.get("A").await;
    assert_eq!(
        (&shown["state"], &shown["destination"]["full_name"]),
        (&json!("completed"), &amended["destination"]["full_name"])
    );
    test.client.post("/v1/transfers/A/amend", &amended).await.problem(409, "not_allowed_in_state");
    test.finish().await;
}

#[tokio::test]
async fn an_amendment_may_go_to_another_system_and_give_another_reason() {
    let test = Setup::by_hand().start().await;
    test.submit(&document("A", 1, "320000", "共青团并不存在大学委员会")).await;
    test.run_until_idle().await;
    let change = json!({
        "destination": {"province_code": "440000", "full_name": "共青团中山大学委员会"},
        "reason": "work_transfer",
        "details": {"employer_name": "某公司", "employer_address": "广州市"},
    });
    let answer = test.client.post("/v1/transfers/A/amend", &change).await;
    assert_eq!(
        (answer.status, answer.json()["system"].as_str()),
        (200, Some("guangdong")),
        "{}",
        answer.text()
    );
    test.run_until_idle().await;
    let shown = test.get("A").await;
    assert_eq!(
        (&shown["state"], &shown["reason"]),
        (&json!("completed"), &json!("work_transfer")),
        "{shown}"
    );
    test.finish().await;
}

#[tokio::test]
async fn an_amendment_cannot_take_an_open_persons_place() {
    let test = Setup::by_hand().start().await;
    test.submit(&document("A", 1, "320000", "共青团并不存在大学委员会")).await;
    test.run_until_idle().await;
    test.submit(&SIDES[0].document("B", 2)).await;
    let other = json!({"member": {"id_number": crate::support::document("X", 2, "320000", "x")["member"]["id_number"]}});
    test.client.post("/v1/transfers/A/amend", &other).await.problem(409, "open_transfer_exists");
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn withdrawals() {
    let test =
        Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await;
    let why = json!({"reason": "改变计划"});
    test.client.post("/v1/transfers/Q/withdraw", &why).await.problem(404, "not_found");
    test.submit(&SIDES[0].document("Q", 1)).await;
    for bad in [json!({}), json!({"reason": ""}), json!({"reason": "因".repeat(201)}), json!({"reason": 5})]
    {
        let problem = test.client.post("/v1/transfers/Q/withdraw", &bad).await.problem(422, "field_invalid");
        assert_eq!(problem["field"], "reason");
    }
    let answer = test.client.post("/v1/transfers/Q/withdraw", &why).await;
    assert_eq!((answer.status, answer.json()["state"].as_str()), (200, Some("withdrawn")));
    assert_eq!(
        test.client.post("/v1/transfers/Q/withdraw", &why).await.status,
        200,
        "twice is as good as once"
    );
    test.run_until_idle().await;
    assert!(test.at_partner("Q").is_none(), "it was never sent");
    // The person is free again.
    test.submit(&SIDES[0].document("S", 1)).await;
    test.run_until_idle().await;
    for _ in 0..2 {
        let answer = test.client.post("/v1/transfers/S/withdraw", &why).await;
        assert_eq!((answer.status, answer.json()["withdrawal_pending"].as_bool()), (202, Some(true)));
    }
    test.run_until_idle().await;
    assert_eq!(test.get("S").await["state"], "withdrawn");
    // A returned one needs no partner.
    test.submit(&document("R", 3, "320000", "共青团并不存在大学委员会")).await;
    test.run_until_idle().await;
    let answer = test.client.post("/v1/transfers/R/withdraw", &why).await;
    assert_eq!((answer.status, answer.json()["state"].as_str()), (200, Some("withdrawn")));
    test.submit(&SIDES[0].document("C", 4)).await;
    test.run_until_idle().await;
    test.sandbox.advance("C", &Step::Approve).await;
    test.run_until_idle().await;
    let problem =
        test.client.post("/v1/transfers/C/withdraw", &why).await.problem(409, "not_allowed_in_state");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("已完成") && text.contains("撤回")));
    test.finish().await;
}
