//! What systems reported, for operators: the list, one with its message masked, and another try.

use crate::support::{
    Client, GUANGDONG_SECRET, Person, SIDES, SMART_LEAGUE_SECRET, Setup, TestApp, guangdong, guangdong_body,
    person, smart_league,
};
use league_gateway::access::Role;
use league_sandbox::{Rule, Step};
use serde_json::{Value, json};

async fn waiting(setup: Setup) -> TestApp {
    setup.rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await
}

/// The national system pushes an event; its number here.
async fn push(test: &TestApp, n: u32, request_id: &str, kind: &str, data: Value) -> i64 {
    let event_id = format!("E-{n}");
    let body = json!({"eventId": event_id, "eventType": kind, "requestId": request_id, "transferNo": "T-1",
        "occurredAt": 1_782_869_400_000_i64, "data": data})
    .to_string();
    let headers =
        smart_league(SMART_LEAGUE_SECRET, test.app.clock.now(), &format!("{n:032x}"), body.as_bytes());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer =
        test.client.with_token("").send("POST", "/callbacks/smart-league", &headers, body.into_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    test.database.number(&format!("SELECT id FROM callbacks WHERE event_id = '{event_id}'")).await
}

/// The event ids of a page.
async fn listed(client: &Client, query: &str) -> Vec<String> {
    let answer = client.get(&format!("/v1/operator/callbacks{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.json();
    let items = page["items"].as_array().expect("items").iter();
    items.map(|one| one["event_id"].as_str().expect("a text").to_owned()).collect()
}

async fn reapply(client: &Client, id: i64) -> crate::support::Answer {
    client.post(&format!("/v1/operator/callbacks/{id}/reapply"), &json!({"reason": "已核实"})).await
}

#[tokio::test]
async fn events_are_listed_by_what_came_of_them() {
    for setup in [Setup::by_hand(), Setup::by_hand().on_postgres()] {
        let test = waiting(setup).await;
        test.submit(&SIDES[0].document("A", 1)).await;
        test.run_until_idle().await;
        push(&test, 1, "A", "TRANSFER_REJECTED", json!({"reason": "信息有误"})).await;
        push(&test, 2, "A", "TRANSFER_APPROVED", json!({})).await;
        push(&test, 3, "NOBODY", "TRANSFER_APPROVED", json!({})).await;
        let xml = guangdong_body("G-1", "ELSEWHERE", "CHECKED_IN", "");
        let message = guangdong(GUANGDONG_SECRET, test.app.clock.now(), "S-1", "", xml.as_bytes());
        assert_eq!(test.client.post_text("/callbacks/guangdong", message).await.status, 200);
        let client = &test.client;
        assert_eq!(listed(client, "").await, ["G-1", "E-3", "E-2", "E-1"]);
        assert_eq!(listed(client, "?verdict=conflict").await, ["E-2"]);
        assert_eq!(listed(client, "?verdict=unmatched").await, ["G-1", "E-3"]);
        assert_eq!(listed(client, "?verdict=unmatched&system=guangdong").await, ["G-1"]);
        assert_eq!(listed(client, "?verdict=applied&system=guangdong").await, [""; 0]);
        assert_eq!(listed(client, "?request_id=A").await, ["E-2", "E-1"]);
        assert_eq!(listed(client, "?request_id=A&verdict=applied").await, ["E-1"]);
        assert_eq!(listed(client, "?system=no%20name").await, [""; 0]);
        // Page by page.
        let mut seen = Vec::new();
        let mut query = "?limit=1".to_owned();
        loop {
            seen.extend(listed(client, &query).await);
            let page = client.get(&format!("/v1/operator/callbacks{query}")).await.json();
            let Some(next) = page["next"].as_i64() else { break };
            query = format!("?limit=1&before={next}");
        }
        assert_eq!(seen, ["G-1", "E-3", "E-2", "E-1"]);
        client.get("/v1/operator/callbacks?verdict=odd").await.problem(400, "malformed");
        client.get("/v1/operator/callbacks/99").await.problem(404, "not_found");
        client.get("/v1/operator/callbacks/x").await.problem(404, "not_found");
        test.finish().await;
    }
}

#[tokio::test]
async fn an_event_is_shown_with_its_message_masked() {
    let test = waiting(Setup::by_hand()).await;
    let Person { name, id_number, .. } = person(1);
    test.submit(&SIDES[0].document("A", 1)).await;
    test.run_until_idle().await;
    let words = json!({"reason": format!("{name}（{id_number}）信息有误")});
    let known = push(&test, 1, "A", "TRANSFER_REJECTED", words.clone()).await;
    let stranger = push(&test, 2, "NOBODY", "TRANSFER_REJECTED", words).await;
    let account = push(&test, 3, "A", "ACCOUNT_CREATED", json!({"username": id_number})).await;
    for id in [known, stranger, account] {
        let shown = test.client.get(&format!("/v1/operator/callbacks/{id}")).await;
        assert_eq!(shown.status, 200, "{}", shown.text());
        for clear in [&name, &id_number, &id_number[10..].to_owned()] {
            assert!(!shown.text().contains(clear.as_str()), "{clear}: {}", shown.text());
        }
        let body = shown.json()["message"]["body"].as_str().expect("a body").to_owned();
        assert!(
            body.contains(&format!("\"eventId\": \"E-{}\"", id)) || body.contains("\"eventId\""),
            "{body}"
        );
    }
    let shown = test.client.get(&format!("/v1/operator/callbacks/{known}")).await.json();
    let masked: String = name.chars().take(1).collect();
    assert_eq!(shown["words"], json!(format!("{masked}*（110***************）信息有误")), "{shown}");
    assert_eq!((&shown["receipt_no"], &shown["verdict"]), (&json!("T-1"), &json!("applied")), "{shown}");
    let shown = test.client.get(&format!("/v1/operator/callbacks/{stranger}")).await.json();
    assert_eq!(shown["words"], "***", "nobody knows whom it names: {shown}");
    test.finish().await;
}

#[tokio::test]
async fn a_feeds_page_shows_the_words_of_nobody() {
    let test = Setup::by_hand().start().await;
    test.submit(&SIDES[2].document("F", 1)).await;
    test.run_until_idle().await;
    let page = test.client.get("/v1/operator/callbacks?system=fujian").await.json();
    let first = page["items"].as_array().and_then(|items| items.last()).expect("an event")["id"].clone();
    let shown = test.client.get(&format!("/v1/operator/callbacks/{first}")).await.json();
    let body = shown["message"]["body"].as_str().expect("the page is kept with its first event");
    assert!(body.contains("<requestId>F</requestId>"), "{body}");
    test.finish().await;
}

#[tokio::test]
async fn an_event_that_nothing_came_of_is_applied_again() {
    for setup in [Setup::by_hand(), Setup::by_hand().on_postgres()] {
        let test = waiting(setup).await;
        let desk = test.client_with("desk", &[Role::Operate]).await;
        test.submit(&SIDES[0].document("A", 1)).await;
        test.run_until_idle().await;
        // Somebody wrote into the transfer's row: the event meets what can't be read.
        let milestones: Vec<String> = test.database.column("SELECT milestones FROM transfers").await;
        test.database.execute("UPDATE transfers SET milestones = '?'").await;
        let id = push(&test, 1, "A", "TRANSFER_APPROVED", json!({})).await;
        assert_eq!(listed(&test.client, "?verdict=refused").await, ["E-1"]);
        let mended = format!("UPDATE transfers SET milestones = '{}', held = NULL", milestones[0]);
        test.database.execute(&mended).await;
        assert_eq!(test.get("A").await["state"], "submitted");
        desk.post(&format!("/v1/operator/callbacks/{id}/reapply"), &json!({}))
            .await
            .problem(422, "field_invalid");
        let done = reapply(&desk, id).await;
        assert_eq!(done.status, 200, "{}", done.text());
        let told = done.json();
        assert_eq!(
            (&told["transfer"]["state"], &told["callback"]["verdict"]),
            (&json!("completed"), &json!("applied")),
            "{told}"
        );
        assert!(told["did"]["zh"].as_str().is_some_and(|text| text.contains("已完成")), "{told}");
        let story = test.client.get("/v1/operator/transfers/A/timeline").await.json();
        let acts: Vec<&Value> =
            story["timeline"].as_array().expect("a list").iter().filter(|one| one["kind"] == "act").collect();
        assert_eq!(
            (acts.len(), &acts[0]["act"], &acts[0]["author"]),
            (1, &json!("reapply"), &json!("token:desk"))
        );
        reapply(&desk, id).await.problem(409, "not_allowed_in_state");
        test.finish().await;
    }
}

#[tokio::test]
async fn what_nothing_can_come_of_says_why() {
    let test = waiting(Setup::by_hand()).await;
    let desk = test.client_with("desk", &[Role::Operate]).await;
    test.submit(&SIDES[0].document("A", 1)).await;
    test.run_until_idle().await;
    push(&test, 1, "A", "TRANSFER_REJECTED", json!({"reason": "信息有误"})).await;
    let against = push(&test, 2, "A", "TRANSFER_APPROVED", json!({})).await;
    let early = push(&test, 3, "B", "TRANSFER_APPROVED", json!({})).await;
    let before = (test.count("events").await, test.count("audit").await);
    let said = reapply(&desk, against).await.problem(409, "not_allowed_in_state");
    assert!(said["detail"].as_str().is_some_and(|text| text.contains("已拒绝")), "{said}");
    let said = reapply(&desk, early).await.problem(409, "not_allowed_in_state");
    assert!(said["detail"].as_str().is_some_and(|text| text.contains("尚未收到")), "{said}");
    reapply(&desk, 99).await.problem(404, "not_found");
    assert_eq!((test.count("events").await, test.count("audit").await), before, "nothing was written");
    // It is applied by itself when its transfer comes; another system's transfer of that name is not it.
    test.submit(&SIDES[1].document("B", 2)).await;
    reapply(&desk, early).await.problem(409, "not_allowed_in_state");
    test.run_until_idle().await;
    test.finish().await;
}
