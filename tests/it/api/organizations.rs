//! Organizations: checked, searched; and where everything goes.

use crate::support::{SIDES, Setup, TestApp};
use league_sandbox::{Fault, FaultKind, Faults, Operation};
use serde_json::{Value, json};

async fn check(test: &TestApp, province: &str, name: &str) -> Value {
    let body = json!({"province_code": province, "full_name": name});
    let answer = test.client.post("/v1/organizations/check", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn the_five_results_of_a_check() {
    let test = Setup::by_hand().start().await;
    let found = check(&test, "320000", "共青团南京大学委员会").await;
    assert_eq!(
        (&found["result"], &found["organization_id"], &found["source"]),
        (&json!("exists"), &json!("3201001"), &json!("system"))
    );
    assert_eq!(found["message"], "组织存在");
    assert!(found["message_en"].as_str().is_some_and(|text| text.starts_with("The organization exists")));
    assert_eq!(check(&test, "320000", "共青团南京大学委员会").await["source"], "cache");
    let missing = check(&test, "江苏省", "共青团南京大学医学院总支部委员会").await;
    assert_eq!(missing["result"], "not_found", "{missing}");
    assert!(missing["message"].as_str().is_some_and(|text| text.starts_with("未查询到该组织")));
    assert_eq!(missing["suggestions"][0]["full_name"], "共青团南京大学医学院委员会", "{missing}");
    assert_eq!(check(&test, "330000", "共青团西湖区文新街道工作委员会").await["result"], "ambiguous");
    for side in &SIDES[1..] {
        let unsupported = check(&test, side.province, side.organization).await;
        assert_eq!(unsupported["result"], "unsupported", "{unsupported}");
        assert!(
            unsupported["message"].as_str().is_some_and(|text| text.contains("不可使用此功能")),
            "{unsupported}"
        );
        assert_eq!(unsupported["suggestions"][0]["full_name"], side.organization, "{unsupported}");
    }
    assert!(test.sandbox.report().transfers.is_empty());
    test.finish().await;
}

#[tokio::test]
async fn a_system_in_trouble_is_unavailable_and_never_not_found() {
    let kinds = [
        FaultKind::DropBefore,
        FaultKind::DropAfter,
        FaultKind::Status500,
        FaultKind::Internal,
        FaultKind::Garbage,
        FaultKind::WrongSignature,
        FaultKind::Maintenance,
        FaultKind::TooMany,
        FaultKind::Authentication,
        FaultKind::Hang,
    ];
    let test = Setup::by_hand().config("[systems.smart_league]\ntimeout = \"400ms\"\n").start().await;
    for kind in kinds {
        let faults = vec![Fault { operation: None, times: None, ..SIDES[0].fault(kind, 0) }];
        test.sandbox.set_faults(Faults { seed: 0, faults });
        for name in ["共青团南京大学委员会", "共青团并不存在大学委员会"] {
            let answer = check(&test, "320000", name).await;
            assert_eq!(answer["result"], "unavailable", "{kind:?}: {answer}");
            assert!(
                answer["message"]
                    .as_str()
                    .is_some_and(|text| text.contains("稍后再试") && !text.contains("未查询到")),
                "{answer}"
            );
        }
        let answer = test.client.get("/v1/organizations?province_code=320000&q=%E5%8D%97%E4%BA%AC").await;
        let problem = answer.problem(503, "system_unavailable");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains("稍后再试")));
    }
    // Nothing of it was remembered.
    test.sandbox.set_faults(Faults::default());
    assert_eq!(check(&test, "320000", "共青团南京大学委员会").await["result"], "exists");
    test.finish().await;
}

#[tokio::test]
async fn where_only_the_suggestions_fail_it_is_still_not_found() {
    let deaf = Fault {
        operation: Some(Operation::SearchOrganizations),
        times: None,
        ..SIDES[0].fault(FaultKind::Status500, 0)
    };
    let test = Setup::by_hand().faults(vec![deaf]).start().await;
    let answer = check(&test, "320000", "共青团并不存在大学委员会").await;
    assert_eq!((&answer["result"], &answer["suggestions"]), (&json!("not_found"), &json!([])));
    test.finish().await;
}

#[tokio::test]
async fn an_answer_is_believed_for_a_minute() {
    let test = Setup::by_hand().start().await;
    let name = "共青团南京大学委员会";
    assert_eq!(check(&test, "320000", name).await["source"], "system");
    test.app.clock.advance(jiff::SignedDuration::from_secs(59));
    assert_eq!(check(&test, "320000", name).await["source"], "cache");
    test.app.clock.advance(jiff::SignedDuration::from_secs(1));
    assert_eq!(check(&test, "320000", name).await["source"], "system");
    test.finish().await;
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let test = Setup::by_hand().start().await;
    for (body, code, field) in [
        (json!({"province_code": "999999", "full_name": "共青团"}), "unknown_province", "province_code"),
        (json!({"full_name": "共青团"}), "unknown_province", "province_code"),
        (json!({"province_code": "110000", "full_name": "共青团"}), "internal_transfer", "province_code"),
        (json!({"province_code": "710000", "full_name": "共青团"}), "no_route", "province_code"),
        (json!({"province_code": "320000", "full_name": " "}), "field_invalid", "full_name"),
        (json!({"province_code": "320000", "full_name": "团".repeat(201)}), "field_invalid", "full_name"),
        (json!({"province_code": "320000", "full_name": "共青团\u{7}南京"}), "field_invalid", "full_name"),
        (json!({"province_code": "320000", "full_name": "共青团\u{202E}南京"}), "field_invalid", "full_name"),
        (json!({"province_code": "320000"}), "field_invalid", "full_name"),
    ] {
        let problem = test.client.post("/v1/organizations/check", &body).await.problem(422, code);
        assert_eq!(problem["field"], field, "{body}");
    }
    test.client.post_text("/v1/organizations/check", "{").await.problem(400, "malformed");
    for (query, code, field) in [
        ("province_code=999999&q=ab", "unknown_province", "province_code"),
        ("province_code=320000&q=a", "field_invalid", "q"),
        ("province_code=320000&q=", "field_invalid", "q"),
        ("province_code=320000&q=a%07b", "field_invalid", "q"),
        ("province_code=440000&q=ab%E2%80%AEcd", "field_invalid", "q"),
        ("province_code=350000&q=ab%EF%BF%BFcd", "field_invalid", "q"),
    ] {
        let problem = test.client.get(&format!("/v1/organizations?{query}")).await.problem(422, code);
        assert_eq!(problem["field"], field, "{query}");
    }
    test.finish().await;
}

#[tokio::test]
async fn a_search_in_every_system() {
    let test = Setup::by_hand().start().await;
    for (province, words, count) in
        [("320000", "南京", 3), ("440000", "中山", 2), ("350000", "厦门", 1), ("320000", "长春", 0)]
    {
        let words = words.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let page =
            test.client.get(&format!("/v1/organizations?province_code={province}&q={words}")).await.json();
        assert_eq!(
            (&page["total"], page["items"].as_array().map(Vec::len)),
            (&json!(count), Some(count)),
            "{page}"
        );
        assert_eq!(page["source"], "system");
    }
    let page =
        test.client.get("/v1/organizations?province_code=320000&q=%E5%8D%97%E4%BA%AC&limit=1").await.json();
    assert_eq!((&page["total"], page["items"].as_array().map(Vec::len)), (&json!(3), Some(1)));
    test.finish().await;
}

#[tokio::test]
async fn every_unit_has_a_route() {
    let test = Setup::by_hand().config("[systems.fujian]\nenabled = false\n").start().await;
    let routes = test.client.get("/v1/routes").await.json();
    let routes = routes.as_array().expect("routes");
    let of = |code: &str| routes.iter().find(|route| route["code"] == code).expect("a route");
    assert_eq!(of("320000")["system"], "smart_league");
    assert_eq!(of("320000")["capabilities"]["organization_check"], true);
    assert_eq!(of("440000")["capabilities"]["organization_check"], false);
    assert_eq!((&of("110000")["system"], &of("110000")["available"]), (&json!("internal"), &json!(false)));
    assert_eq!(
        (&of("350000")["system"], &of("350000")["available"], &of("350000")["capabilities"]),
        (&json!("fujian"), &json!(false), &Value::Null)
    );
    assert_eq!((&of("990001")["kind"], &of("990001")["system"]), (&json!("unit"), &json!("smart_league")));
    assert!(routes.len() >= 34 + 6, "{}", routes.len());
    test.finish().await;
}
