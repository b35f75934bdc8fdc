//! Upstream's own door: rows that it inserts in its own transaction.

use crate::support::{SIDES, Setup, TestApp};
use serde_json::{Value, json};
use sqlx::Connection as _;

async fn insert(test: &TestApp, request_id: &str, payload: &str) {
    let mut upstream = test.connection().await;
    sqlx::query("INSERT INTO intake (request_id, payload) VALUES ($1, $2)")
        .bind(request_id)
        .bind(payload)
        .execute(&mut upstream)
        .await
        .expect("upstream may insert");
    upstream.close().await.expect("it closes");
}

#[tokio::test]
async fn rows_become_transfers_or_are_put_aside() {
    let test = Setup::by_hand().start().await;
    let good = SIDES[0].document("GOOD", 1);
    let mut bad = SIDES[1].document("BAD", 2);
    bad["member"]["id_number"] = json!("110105194912310021");
    bad["destination"]["province_code"] = json!("110000");
    insert(&test, "GOOD", &good.to_string()).await;
    insert(&test, "BAD", &bad.to_string()).await;
    insert(&test, "OTHER", &SIDES[2].document("ANOTHER", 3).to_string()).await;
    insert(&test, "BROKEN", "{\"request_id\": ").await;
    insert(&test, "GOOD", &good.to_string()).await;
    assert_eq!(test.app.intake.drain_table(500).await.expect("the table is read"), 5);
    assert_eq!(test.count("intake").await, 0);
    assert_eq!(test.count("transfers").await, 1, "the same row twice is one transfer");
    let mut connection = test.connection().await;
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT request_id, problems FROM intake_refused ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .expect("rows");
    connection.close().await.expect("it closes");
    let refused: Vec<(String, Vec<String>)> = rows
        .into_iter()
        .map(|(id, problems)| {
            let problems: Vec<Value> = serde_json::from_str(&problems).expect("JSON");
            (
                id,
                problems
                    .iter()
                    .map(|one| {
                        format!(
                            "{} {}",
                            one["code"].as_str().unwrap_or_default(),
                            one["field"].as_str().unwrap_or_default()
                        )
                    })
                    .collect(),
            )
        })
        .collect();
    assert_eq!(
        refused,
        [
            (
                "BAD".to_owned(),
                vec![
                    "id_number_invalid member.id_number".to_owned(),
                    "internal_transfer destination.province_code".to_owned()
                ]
            ),
            ("OTHER".to_owned(), vec!["field_invalid request_id".to_owned()]),
            ("BROKEN".to_owned(), vec!["malformed ".to_owned()]),
        ]
    );
    test.run_until_idle().await;
    assert_eq!(test.get("GOOD").await["state"], "completed");
    assert_eq!(test.app.intake.drain_table(500).await.expect("the table is read"), 0);
    test.finish().await;
}

#[tokio::test]
async fn a_row_that_meets_damage_stays_and_the_others_go_on() {
    let test = Setup::by_hand().start().await;
    let document = SIDES[0].document("DAMAGED", 1);
    test.submit(&document).await;
    test.database.execute("UPDATE transfers SET milestones = 'none'").await;
    insert(&test, "DAMAGED", &document.to_string()).await;
    insert(&test, "GOOD", &SIDES[1].document("GOOD", 2).to_string()).await;
    assert_eq!(test.app.intake.drain_table(500).await.expect("the table is read"), 1);
    assert_eq!(test.app.intake.drain_table(500).await.expect("the table is read"), 0, "no haste");
    assert_eq!(test.count("intake").await, 1);
    assert_eq!(test.count("transfers").await, 2);
    assert_eq!(test.count("alarms WHERE kind = 'set_aside'").await, 1);
    test.database.execute("UPDATE transfers SET milestones = '{}' WHERE request_id = 'DAMAGED'").await;
    assert_eq!(test.app.intake.drain_table(500).await.expect("the table is read"), 1, "mended");
    assert_eq!(test.count("intake").await, 0);
    test.run_until_idle().await;
    test.finish().await;
}

/// SQLite keeps any bytes as text: what is none of ours is put aside, and the door stays open for the others.
#[tokio::test]
async fn rows_that_are_no_text_are_put_aside_and_name_nobody() {
    let test = Setup::by_hand().start().await;
    let good = SIDES[0].document("GOOD", 1).to_string();
    let mut upstream = test.connection().await;
    for (id, payload) in [("'PAYLOAD'", "CAST(X'7BFF7D' AS TEXT)"), ("CAST(X'41FF' AS TEXT)", "'{}'")] {
        let row = format!("INSERT INTO intake (request_id, payload) VALUES ({id}, {payload})");
        let query = sqlx::query(sqlx::AssertSqlSafe(row));
        query.execute(&mut upstream).await.expect("upstream may insert");
    }
    upstream.close().await.expect("it closes");
    insert(&test, "张三 11010519491231002X", "not JSON").await;
    insert(&test, "GOOD", &good).await;
    assert_eq!(test.app.intake.drain_table(500).await.expect("the table is read"), 4);
    assert_eq!((test.count("intake").await, test.count("transfers").await), (0, 1));
    let mut connection = test.connection().await;
    let rows: Vec<(String, String, Vec<u8>)> =
        sqlx::query_as("SELECT request_id, problems, payload_sealed FROM intake_refused ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .expect("rows");
    connection.close().await.expect("it closes");
    let mut kept = Vec::new();
    for (id, problems, sealed) in rows {
        let problems: Vec<Value> = serde_json::from_str(&problems).expect("JSON");
        let clear = test.app.sealer.open("intake_refused", &id, &sealed).expect("it opens");
        kept.push((id, problems[0]["code"].as_str().expect("a code").to_owned(), clear.to_vec()));
    }
    let expected = [
        ("PAYLOAD", "malformed", b"{\xFF}".to_vec()),
        ("?", "malformed", b"A\xFF\n{}".to_vec()),
        ("?", "malformed", "张三 11010519491231002X\nnot JSON".as_bytes().to_vec()),
    ];
    assert_eq!(kept, expected.map(|(id, code, clear)| (id.to_owned(), code.to_owned(), clear)));
    test.run_until_idle().await;
    assert_eq!(test.get("GOOD").await["state"], "completed");
    test.finish().await;
}

#[tokio::test]
async fn the_daemon_takes_rows_by_itself_and_in_order() {
    let test = Setup::daemon().start().await;
    for n in 0..9 {
        let id = format!("ROW-{n}");
        insert(&test, &id, &SIDES[n % 3].document(&id, n).to_string()).await;
    }
    let mut after = 0;
    let mut received = Vec::new();
    while received.len() < 9 {
        let page = test.client.get(&format!("/v1/events?after={after}&wait=30")).await.json();
        after = page["next"].as_i64().expect("a cursor");
        let events = page["events"].as_array().expect("events").clone();
        received.extend(
            events
                .iter()
                .filter(|one| one["milestone"] == "received")
                .map(|one| one["request_id"].to_string()),
        );
    }
    assert_eq!(received, (0..9).map(|n| format!("\"ROW-{n}\"")).collect::<Vec<_>>());
    for n in 0..9 {
        test.wait_for_state(&format!("ROW-{n}"), "completed").await;
    }
    assert_eq!(test.count("intake").await, 0);
    test.finish().await;
}
