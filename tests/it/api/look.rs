//! What administrators see over HTTP: lists, counts, failures, exports.

use crate::support::{Client, Person, SIDES, Setup, TestApp, person};
use league_gateway::access::Role;
use league_gateway::store::Filter;
use serde_json::{Value, json};

/// Six transfers, two for each system, an hour apart; those to nowhere are returned.
async fn filled() -> (TestApp, Client) {
    let test = Setup::by_hand().start().await;
    for (n, side) in SIDES.iter().chain(&SIDES).enumerate() {
        let mut document = side.document(&format!("LIST-{n}"), n);
        if n == 3 {
            document["destination"]["full_name"] = json!("共青团查无此校委员会");
        }
        test.submit(&document).await;
        test.later(3600).await;
    }
    let viewer = test.client_with("viewer", &[Role::View]).await;
    (test, viewer)
}

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["request_id"].as_str().expect("a key")).collect()
}

async fn listed(client: &Client, query: &str) -> Value {
    let answer = client.get(&format!("/v1/operator/transfers{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn lists_are_narrowed_sorted_and_paged() {
    let (test, viewer) = filled().await;
    for (query, wanted) in [
        ("", vec!["LIST-5", "LIST-4", "LIST-3", "LIST-2", "LIST-1", "LIST-0"]),
        ("?sort=oldest&limit=2", vec!["LIST-0", "LIST-1"]),
        ("?system=guangdong", vec!["LIST-4", "LIST-1"]),
        ("?state=returned", vec!["LIST-3"]),
        ("?state=returned,failed&system=fujian", vec![]),
        ("?error=org_not_found", vec!["LIST-3"]),
        ("?province=35", vec!["LIST-5", "LIST-2"]),
        ("?province=%E7%A6%8F%E5%BB%BA", vec!["LIST-5", "LIST-2"]),
        ("?organization=%E4%B8%AD%E5%B1%B1", vec!["LIST-4", "LIST-1"]),
        ("?request_id=LIST-4", vec!["LIST-4"]),
        ("?older_than=210m", vec!["LIST-2", "LIST-1", "LIST-0"]),
        ("?newer_than=150m", vec!["LIST-5", "LIST-4"]),
        ("?created_after=2026-07-02", vec![]),
        ("?reason=abroad", vec![]),
        ("?held=true", vec![]),
        ("?held=false&limit=1", vec!["LIST-5"]),
        ("?due=true", vec![]),
        ("?unchanged_for=1y", vec![]),
    ] {
        let page = listed(&viewer, query).await;
        assert_eq!(ids(&page), wanted, "{query}");
        assert_eq!((&page["searched_to"], &page["unreadable"]), (&Value::Null, &json!(0)), "{query}");
    }
    for sort in ["newest", "oldest", "updated"] {
        let (mut seen, mut query) = (Vec::new(), format!("?limit=4&sort={sort}"));
        loop {
            let page = listed(&viewer, &query).await;
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next"].as_str() else { break };
            // A cursor knows its order.
            query = format!("?limit=4&cursor={next}");
        }
        assert_eq!(seen.len(), 6, "{sort}: {seen:?}");
        seen.dedup();
        assert_eq!(seen.len(), 6, "{sort}: each once");
    }
    test.finish().await;
}

#[tokio::test]
async fn a_person_is_found_by_a_number_that_stands_in_no_address() {
    let (test, viewer) = filled().await;
    let Person { id_number, name, phone } = person(2);
    let found = viewer.post("/v1/operator/transfers:search", &json!({"id_number": id_number})).await;
    assert_eq!(found.status, 200, "{}", found.text());
    assert_eq!(ids(&found.json()), ["LIST-2"]);
    for clear in [&id_number, &name, &phone] {
        assert!(!found.text().contains(clear.as_str()), "{}", found.text());
    }
    let none = json!({"id_number": id_number, "state": "returned"});
    assert_eq!(ids(&viewer.post("/v1/operator/transfers:search", &none).await.json()), [""; 0]);
    let open = viewer.get(&format!("/v1/operator/transfers?id_number={id_number}")).await;
    assert_eq!(open.problem(422, "field_invalid")["field"], "id_number");
    let open = viewer.get(&format!("/v1/operator/transfers:export?id_number={id_number}")).await;
    open.problem(422, "field_invalid");
    let wrong = viewer.post("/v1/operator/transfers:search", &json!({"id_number": &id_number[1..]})).await;
    let problem = wrong.problem(422, "id_number_invalid");
    assert!(!problem.to_string().contains(&id_number[10..]), "{problem}");
    // What stands in the wrong place is not repeated.
    for body in [json!({"limit": id_number}), json!({&id_number: 1}), json!({"held": id_number})] {
        let problem = viewer.post("/v1/operator/transfers:search", &body).await.problem(400, "malformed");
        assert!(!problem.to_string().contains(&id_number[10..]), "{problem}");
    }
    test.finish().await;
}

#[tokio::test]
async fn words_that_say_nothing_are_refused_all_at_once() {
    let (test, viewer) = filled().await;
    for (query, field) in [
        ("state=sent", "state"),
        ("system=beijing", "system"),
        ("created_before=yesterday", "created_before"),
        ("request_id=%E5%BC%A0", "request_id"),
        ("organization=", "organization"),
        ("sort=best", "sort"),
        ("reason=eduction", "reason"),
        ("due=false", "due"),
        ("sort=due&held=true", "sort"),
        ("cursor=AAAA", "cursor"),
        ("cursor=", "cursor"),
    ] {
        let problem =
            viewer.get(&format!("/v1/operator/transfers?{query}")).await.problem(422, "field_invalid");
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
    viewer.get("/v1/operator/transfers?province=99").await.problem(422, "unknown_province");
    let newest = listed(&viewer, "?limit=1").await;
    let next = newest["next"].as_str().expect("a cursor");
    let other = viewer.get(&format!("/v1/operator/transfers?sort=oldest&cursor={next}")).await;
    assert_eq!(other.problem(422, "field_invalid")["field"], "cursor");
    let several =
        viewer.get("/v1/operator/transfers?state=sent&sort=best").await.problem(422, "field_invalid");
    assert_eq!(several["problems"].as_array().map(Vec::len), Some(2), "{several}");
    for query in ["limit=x", "held=perhaps", "colour=red"] {
        viewer.get(&format!("/v1/operator/transfers?{query}")).await.problem(400, "malformed");
        viewer.get(&format!("/v1/operator/transfers:export?{query}")).await.problem(400, "malformed");
    }
    viewer.get("/v1/operator/transfers:export?format=xls").await.problem(400, "malformed");
    test.finish().await;
}

#[tokio::test]
async fn counts_and_failures_are_told() {
    let (test, viewer) = filled().await;
    let stats = viewer.get("/v1/operator/stats").await.json();
    let systems = &stats["systems"];
    assert_eq!(systems["smart_league"]["returned"], 1, "{stats}");
    let total: i64 = systems
        .as_object()
        .expect("systems")
        .values()
        .flat_map(|states| states.as_object().expect("states").values())
        .map(|count| count.as_i64().expect("a count"))
        .sum();
    assert_eq!(total, 6, "{stats}");
    let pace = &stats["pace"]["guangdong"];
    assert_eq!((&pace["last_day"]["taken"], &pace["last_hour"]["taken"]), (&json!(2), &json!(0)), "{stats}");
    let ended = systems["guangdong"]["completed"].as_i64().unwrap_or_default();
    assert_eq!(pace["last_day"]["ended"]["completed"].as_i64().unwrap_or_default(), ended, "{stats}");

    let failures = viewer.get("/v1/operator/failures").await.json();
    assert_eq!(failures["at_least"], false);
    let group = &failures["groups"][0];
    assert_eq!(
        (&group["system"], &group["state"], &group["code"], &group["count"], &group["sample"]),
        (&json!("smart_league"), &json!("returned"), &json!("org_not_found"), &json!(1), &json!("LIST-3")),
        "{failures}"
    );
    assert!(
        group["problem"]["zh"].as_str().is_some_and(|text| text.contains("未查询到该组织")),
        "{failures}"
    );
    test.finish().await;
}

#[tokio::test]
async fn an_export_is_the_whole_list_masked() {
    let (test, viewer) = filled().await;
    let Person { id_number, name, .. } = person(1);
    let lines = viewer.get("/v1/operator/transfers:export?sort=oldest").await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let rows: Vec<Value> =
        lines.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 6);
    for (n, row) in rows.iter().enumerate() {
        let id = format!("LIST-{n}");
        assert_eq!(*row, test.get(&id).await, "as the interface shows it");
    }
    let csv = viewer.get("/v1/operator/transfers:export?format=csv&system=guangdong").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.header("content-disposition").contains("transfers.csv"));
    let text = csv.text();
    let text = text.strip_prefix('\u{FEFF}').expect("a mark for spreadsheets");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!((header.get(0), rows.len()), (Some("request_id"), 2));
    assert_eq!((rows[0].get(0), rows[1].get(0)), (Some("LIST-4"), Some("LIST-1")));
    let posted =
        viewer.post("/v1/operator/transfers:export?format=jsonl", &json!({"id_number": id_number})).await;
    assert_eq!(posted.text().lines().count(), 1, "{}", posted.text());
    for answer in [lines, csv, posted] {
        for clear in [&id_number, &name] {
            assert!(!answer.text().contains(clear.as_str()), "{}", answer.text());
        }
    }
    test.finish().await;
}

/// A list in pages of an export: what is there once is in it once.
#[tokio::test]
async fn an_export_goes_on_past_a_page() {
    let test = Setup::by_hand().start().await;
    test.submit(&SIDES[1].document("MANY", 1)).await;
    test.run_until_idle().await;
    let columns = "system, state, province_code, destination_name, attempts, tries, milestones, warnings, source_id, source_name, \
        reason, initiator, masked_name, masked_id_number, masked_phone, person, created_digest, document_digest, created_at, updated_at";
    test.database
        .execute(&format!(
            "INSERT INTO transfers (request_id, {columns}) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) \
             SELECT 'MANY-' || i, {columns} FROM n, transfers WHERE request_id = 'MANY'"
        ))
        .await;
    test.database.execute("UPDATE arrivals SET last_id = (SELECT MAX(id) FROM transfers)").await;
    let mut tx = test.app.store.write("test").await.expect("it begins");
    tx.recount().await.expect("it is counted");
    tx.commit().await.expect("it commits");
    let exported = test.client.get("/v1/operator/transfers:export").await.text();
    let mut ids: Vec<String> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["request_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1201);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1201, "each once");
    // A preview says how far it looked.
    let operator = test.app.operator();
    let foreseen = operator.preview(&Filter::default(), 1).await.expect("it looks");
    assert_eq!((foreseen.count, foreseen.more, foreseen.searched_to.is_some()), (1000, true, true));
    let foreseen = operator.preview(&Filter::default(), 2).await.expect("it looks");
    assert_eq!((foreseen.count, foreseen.more, foreseen.searched_to), (1201, false, None));
    for page in ["limit=1", "cursor=AAAA"] {
        let refused = test.client.get(&format!("/v1/operator/transfers:export?{page}")).await;
        let problem = refused.problem(422, "field_invalid");
        assert!(page.starts_with(problem["field"].as_str().expect("a field")), "{problem}");
    }
    test.client
        .post("/v1/operator/transfers:export", &json!({"limit": 1}))
        .await
        .problem(422, "field_invalid");
    test.finish().await;
}
