//! One transfer's whole story for operators: who sees what of it, and the whole person for who may.

use crate::support::{Person, SIDES, Setup, TestApp, person};
use league_gateway::access::Role;
use league_sandbox::{Fault, FaultKind, Rule, Step};
use serde_json::{Value, json};

async fn story(test: &TestApp, request_id: &str) -> Vec<Value> {
    let answer = test.client.get(&format!("/v1/operator/transfers/{request_id}/timeline")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["timeline"].as_array().expect("a list").clone()
}

/// The moments of a kind.
fn of<'a>(story: &'a [Value], kind: &str) -> Vec<&'a Value> {
    story.iter().filter(|moment| moment["kind"] == kind).collect()
}

#[tokio::test]
async fn the_story_joins_all_that_happened() {
    for side in &SIDES {
        let test = Setup::by_hand().start().await;
        let desk = test.client_with("desk", &[Role::Operate]).await;
        test.submit(&side.document("S-1", 1)).await;
        let held = desk.post("/v1/operator/transfers/S-1/hold", &json!({"reason": "核对"})).await;
        assert_eq!(held.status, 200, "{}", held.text());
        desk.post("/v1/operator/transfers/S-1/release", &json!({"reason": "核对无误"})).await;
        test.run_until_idle().await;
        let story = story(&test, "S-1").await;
        assert_eq!(of(&story, "upstream")[0]["call"], "create");
        let acts: Vec<_> = of(&story, "act").iter().map(|act| act["act"].clone()).collect();
        assert_eq!(acts, ["hold", "release"]);
        let exchanges = of(&story, "exchange");
        let submit = exchanges.iter().find(|one| one["operation"] == "submit").expect("a submit");
        assert_eq!(
            (&submit["outcome"], &submit["http_status"]),
            (&json!("answered"), &json!(200)),
            "{submit}"
        );
        assert!(submit["milliseconds"].is_number() && submit["worker"].is_string(), "{submit}");
        let reported = of(&story, "callback");
        assert!(
            reported.iter().all(|one| one["verdict"] == "applied") && !reported.is_empty(),
            "{reported:?}"
        );
        let states: Vec<_> = of(&story, "state_changed").iter().map(|one| one["to"].clone()).collect();
        assert_eq!(states.first(), Some(&json!("queued")));
        assert_eq!(states.last(), Some(&json!("completed")));
        let times: Vec<_> = story.iter().map(|one| one["at"].as_str().expect("a time").to_owned()).collect();
        assert!(times.is_sorted(), "{times:?}");
        // The submit's messages, by its number.
        let number = submit["number"].as_u64().expect("a number");
        let shown = test.client.get(&format!("/v1/operator/transfers/S-1/exchanges/{number}")).await;
        assert_eq!(shown.status, 200, "{}", shown.text());
        let Person { name, id_number, phone } = person(1);
        for clear in [&name, &id_number, &id_number[10..].to_owned(), &phone, &"仙林大道".to_owned()] {
            assert!(!shown.text().contains(clear.as_str()), "{clear}: {}", shown.text());
        }
        let body = shown.json()["request"]["body"].as_str().expect("a body").to_owned();
        assert!(body.contains(side.organization) && body.contains("S-1"), "{body}");
        assert!(shown.json()["response"]["body"].is_string(), "{}", shown.text());
        for missing in ["99", "0", "x", "-1"] {
            let path = format!("/v1/operator/transfers/S-1/exchanges/{missing}");
            test.client.get(&path).await.problem(404, "not_found");
        }
        test.finish().await;
    }
}

#[tokio::test]
async fn what_upstream_asked_later_is_told_too() {
    let nowhere = "共青团并不存在大学委员会";
    let test = Setup::by_hand().start().await;
    let mut document = SIDES[0].document("AMENDED", 1);
    document["destination"]["full_name"] = json!(nowhere);
    test.submit(&document).await;
    test.run_until_idle().await;
    let mend = json!({"destination": {"full_name": SIDES[0].organization}});
    assert_eq!(test.client.post("/v1/transfers/AMENDED/amend", &mend).await.status, 200);
    let back = test.client.post("/v1/transfers/AMENDED/withdraw", &json!({"reason": "不去了"})).await;
    assert_eq!(back.status, 200, "{}", back.text());
    let story = story(&test, "AMENDED").await;
    let calls: Vec<_> = of(&story, "upstream").iter().map(|one| one["call"].clone()).collect();
    assert_eq!(calls, ["create", "amend", "withdraw"]);
    // Under whose token, and from where, the audit log knows; who asks again has done nothing.
    test.client.post("/v1/transfers/AMENDED/withdraw", &json!({"reason": "不去了"})).await;
    let desk = test.client_with("desk", &[Role::Operate]).await;
    let audit = desk.get("/v1/operator/audit?subject=transfer:AMENDED").await.json();
    let rows: Vec<_> = audit["items"].as_array().expect("rows").iter().collect();
    let said = |row: &Value| (row["act"].clone(), row["reason"].clone(), row["outcome"].clone());
    assert_eq!(rows.len(), 2, "{audit}");
    assert_eq!(said(rows[0]), (json!("withdraw"), json!("不去了"), json!("withdrawn")));
    assert_eq!(said(rows[1]), (json!("amend"), json!(""), json!("amended: queued for smart_league")));
    for row in rows {
        assert!(row["author"].as_str().is_some_and(|name| name.starts_with("token:")), "{row}");
        assert!(row["origin"].as_str().is_some_and(|from| from.starts_with("http")), "{row}");
    }
    test.finish().await;
}

#[tokio::test]
async fn whom_an_amended_document_named_before_is_not_shown_either() {
    let side = &SIDES[0];
    let refused = Fault { request_id: Some("TWO".to_owned()), ..side.fault(FaultKind::DataRefused, 1) };
    let test = Setup::by_hand().faults(vec![refused]).start().await;
    test.submit(&side.document("TWO", 1)).await;
    test.run_until_idle().await;
    assert_eq!(test.get("TWO").await["state"], "returned");
    let Person { name, id_number, phone } = person(2);
    let mend = json!({"member": {"name": name, "id_number": id_number, "phone": phone}});
    let amended = test.client.post("/v1/transfers/TWO/amend", &mend).await;
    assert_eq!(amended.status, 200, "{}", amended.text());
    test.run_until_idle().await;
    let exchanges = of(&story(&test, "TWO").await, "exchange").len();
    for number in 1..=exchanges {
        let shown = test.client.get(&format!("/v1/operator/transfers/TWO/exchanges/{number}")).await.text();
        for n in [1, 2] {
            let Person { name, id_number, phone } = person(n);
            for clear in [name, id_number, phone] {
                assert!(!shown.contains(&clear), "{clear}: {shown}");
            }
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn whole_persons_are_for_administrators_who_say_why() {
    let test = Setup::by_hand().start().await;
    test.submit(&SIDES[1].document("WHOLE", 1)).await;
    let path = "/v1/operator/transfers/WHOLE/unmask";
    let reason = json!({"reason": "13800138000 来电核实"});
    for roles in [&[Role::View][..], &[Role::Operate], &[Role::Submit]] {
        let client = test.client_with(&format!("{roles:?}"), roles).await;
        client.post(path, &reason).await.problem(403, "forbidden");
    }
    let admin = test.client_with("boss", &[Role::Admin]).await;
    for missing in [json!({}), json!({"reason": " "}), json!({"reason": 5}), json!([])] {
        admin.post(path, &missing).await.problem(422, "field_invalid");
    }
    admin.post("/v1/operator/transfers/NOBODY/unmask", &reason).await.problem(404, "not_found");
    let audit =
        || async { admin.get("/v1/operator/audit").await.json()["items"].as_array().expect("rows").clone() };
    assert!(audit().await.is_empty(), "nobody has seen anything");
    let shown = admin.post(path, &reason).await;
    assert_eq!((shown.status, shown.header("cache-control")), (200, "no-store"), "{}", shown.text());
    let document = &shown.json()["document"];
    let Person { name, id_number, phone } = person(1);
    assert_eq!(document["member"]["name"], json!(name));
    assert_eq!(document["member"]["id_number"], json!(id_number));
    assert_eq!(document["member"]["phone"], json!(phone));
    assert_eq!(document["details"]["school_address"], "南京市栖霞区仙林大道163号");
    let rows = audit().await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(
        (&row["act"], &row["subject"], &row["author"], &row["reason"]),
        (&json!("unmask"), &json!("transfer:WHOLE"), &json!("token:boss"), &json!("138******** 来电核实"))
    );
    assert_eq!(of(&story(&test, "WHOLE").await, "act")[0]["act"], "unmask", "it is part of the story");
    test.finish().await;
}

#[tokio::test]
async fn the_operators_face_is_not_for_submitters() {
    let test =
        Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await;
    test.submit(&SIDES[0].document("MINE", 1)).await;
    test.run_until_idle().await;
    let submitter = test.client_with("submitter", &[Role::Submit]).await;
    let viewer = test.client_with("viewer", &[Role::View]).await;
    let none = test.client.with_token("");
    for path in [
        "/v1/operator/transfers/MINE",
        "/v1/operator/transfers/MINE/timeline",
        "/v1/operator/transfers/MINE/exchanges/1",
        "/v1/operator/systems",
        "/v1/operator/systems/fujian",
        "/v1/operator/alarms",
        "/v1/operator/callbacks",
        "/v1/operator/transfers",
        "/v1/operator/transfers:export",
        "/v1/operator/stats",
        "/v1/operator/failures",
        "/v1/operator/bulk",
        "/v1/operator/webhooks",
    ] {
        submitter.get(path).await.problem(403, "forbidden");
        none.get(path).await.problem(401, "unauthorized");
        let shown = viewer.get(path).await;
        assert_eq!(shown.status, 200, "{path}: {}", shown.text());
        let Person { name, id_number, phone } = person(1);
        for clear in [name, id_number, phone] {
            assert!(!shown.text().contains(&clear), "{path} shows {clear}");
        }
    }
    submitter.post("/v1/operator/transfers:search", &json!({})).await.problem(403, "forbidden");
    for (path, body) in [
        ("/v1/operator/systems/fujian/pause", json!({"reason": "试试"})),
        ("/v1/operator/alarms/clear", json!({"kind": "backlog", "reason": "试试"})),
        ("/v1/operator/callbacks/1/reapply", json!({"reason": "试试"})),
    ] {
        for client in [&submitter, &viewer] {
            client.post(path, &body).await.problem(403, "forbidden");
        }
    }
    test.finish().await;
}
