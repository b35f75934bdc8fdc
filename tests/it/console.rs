//! Looking into the outbox on the command line: stories, messages, whole persons, what systems reported, how they stand.

use crate::support::{Person, SIDES, SMART_LEAGUE_SECRET, Setup, TestApp, person, program_in, smart_league};
use serde_json::{Value, json};
use std::process::Output;

/// Runs a command of the same gateway; the partners answer meanwhile.
async fn run(test: &TestApp, arguments: &[&str]) -> (i32, String, String) {
    run_in("en", test, arguments).await
}

async fn run_in(lang: &str, test: &TestApp, arguments: &[&str]) -> (i32, String, String) {
    let mut command = program_in(lang);
    for file in test.config_files() {
        command.arg("--config").arg(file);
    }
    command.args(arguments);
    let running = tokio::task::spawn_blocking(move || command.output().expect("runs"));
    let Output { status, stdout, stderr } = running.await.expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("not killed"), text(stdout), text(stderr))
}

async fn json_of(test: &TestApp, arguments: &[&str]) -> Value {
    let (code, out, err) = run(test, &[&["--json"], arguments].concat()).await;
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).expect("one JSON value")
}

fn assert_nobody(text: &str) {
    let Person { name, id_number, phone } = person(1);
    for clear in [&name, &id_number, &id_number[10..].to_owned(), &phone, &"仙林大道".to_owned()] {
        assert!(!text.contains(clear.as_str()), "{clear}: {text}");
    }
}

#[tokio::test]
async fn the_story_is_told_with_its_messages_masked() {
    let test = Setup::by_hand().on_the_wall().start().await;
    test.submit(&SIDES[1].document("CLI-1", 1)).await;
    test.run_until_idle().await;
    let (code, told, _) = run(&test, &["outbox", "show", "CLI-1"]).await;
    assert_eq!(code, 0);
    for part in ["⇣ upstream: create", "⇢ [1] submit answered", "⇠ [", "awaiting_check_in → completed"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (code, told, _) = run(&test, &["outbox", "show", "CLI-1", "--messages"]).await;
    assert_eq!(code, 0);
    assert!(
        told.contains("<FullName>共青团中山大学委员会</FullName>") && told.contains("<IdNumber>110*"),
        "{told}"
    );
    assert_nobody(&told);
    let one = json_of(&test, &["outbox", "show", "CLI-1", "--exchange", "1"]).await;
    assert!(one["request"]["body"].as_str().is_some_and(|body| body.contains("<Digest>***")), "{one}");
    assert_eq!(run(&test, &["outbox", "show", "CLI-1", "--exchange", "9"]).await.0, 3);
    let all = json_of(&test, &["outbox", "show", "CLI-1"]).await;
    assert!(all["timeline"].as_array().is_some_and(|moments| moments.len() > 5), "{all}");
    assert!(all["exchanges"][0]["response"]["body"].is_string(), "{all}");
    assert_nobody(&all.to_string());
    test.finish().await;
}

#[tokio::test]
async fn a_whole_person_is_shown_after_the_look_is_on_record() {
    let test = Setup::by_hand().on_the_wall().start().await;
    test.submit(&SIDES[1].document("CLI-1", 1)).await;
    assert_eq!(run(&test, &["outbox", "show", "CLI-1", "--unmask"]).await.0, 2, "not without a reason");
    assert_eq!(run(&test, &["outbox", "show", "CLI-1", "--unmask", "--reason", " "]).await.0, 4);
    assert_eq!(test.count("audit").await, 0);
    let look = ["outbox", "show", "CLI-1", "--unmask", "--reason", "本人来电", "--by", "王芳"];
    let document = json_of(&test, &look).await;
    assert_eq!(document["member"]["id_number"], json!(person(1).id_number));
    let row = json_of(&test, &["audit", "list"]).await;
    assert_eq!(
        (&row["act"], &row["author"], &row["reason"]),
        (&json!("unmask"), &json!("user:王芳"), &json!("本人来电"))
    );
    assert_eq!(run(&test, &["outbox", "show", "NOBODY", "--unmask", "--reason", "试试"]).await.0, 3);
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn what_systems_reported_is_listed_shown_and_tried_again() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let body =
        json!({"eventId": "E-1", "eventType": "TRANSFER_REJECTED", "requestId": "EARLY", "transferNo": "T-1",
        "occurredAt": 1_782_869_400_000_i64, "data": {"reason": person(1).name}})
        .to_string();
    let headers =
        smart_league(SMART_LEAGUE_SECRET, test.app.clock.now(), &format!("{:032x}", 1), body.as_bytes());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = test.client.send("POST", "/callbacks/smart-league", &headers, body.into_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let listed =
        json_of(&test, &["callbacks", "list", "--verdict", "unmatched", "--system", "smart_league"]).await;
    assert_eq!((&listed["request_id"], &listed["event"]), (&json!("EARLY"), &json!("rejected")), "{listed}");
    let id = listed["id"].to_string();
    let (code, shown, _) = run(&test, &["callbacks", "show", &id]).await;
    assert_eq!(code, 0);
    assert!(shown.contains("their words: ***") && shown.contains("\"requestId\": \"EARLY\""), "{shown}");
    assert_nobody(&shown);
    assert_eq!(run(&test, &["callbacks", "show", "99"]).await.0, 3);
    let (code, _, said) = run(&test, &["callbacks", "reapply", &id, "99", "--reason", "looked"]).await;
    assert_eq!(code, 4);
    assert!(said.contains("waits for the transfer EARLY") && said.contains("there is no event 99"), "{said}");
    assert_eq!(run(&test, &["callbacks", "reapply", "99", "--reason", "looked"]).await.0, 3);
    assert_eq!(run(&test, &["callbacks", "list", "--system", "hunan"]).await.0, 2);
    test.finish().await;
}

#[tokio::test]
async fn a_system_tells_how_it_stands() {
    let test = Setup::by_hand().on_the_wall().start().await;
    test.submit(&SIDES[1].document("CLI-1", 1)).await;
    let waits = json_of(&test, &["systems", "show", "guangdong"]).await;
    assert_eq!((&waits["state"], &waits["backlog"]), (&json!("ready"), &json!(1)), "{waits}");
    assert_eq!(run(&test, &["systems", "pause", "guangdong", "--reason", "检修"]).await.0, 0);
    let (code, told, _) = run(&test, &["systems", "show", "guangdong"]).await;
    assert_eq!(code, 0);
    assert!(
        told.contains("state: paused") && told.contains("reason: 检修") && told.contains("concurrency: 16"),
        "{told}"
    );
    assert_eq!(run(&test, &["systems", "resume", "guangdong", "--reason", "检修完毕"]).await.0, 0);
    assert_eq!(run(&test, &["systems", "probe", "guangdong", "--reason", "看看"]).await.0, 0);
    let after = json_of(&test, &["systems", "show", "guangdong"]).await;
    assert!(after["last_success_at"].is_string(), "{after}");
    assert_eq!(run(&test, &["systems", "show", "hunan"]).await.0, 3);
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn a_chinese_console_is_answered_in_chinese() {
    let test = Setup::by_hand().on_the_wall().start().await;
    for (arguments, code) in [
        (&["systems", "show", "hunan"][..], 3),
        (&["systems", "pause", "fujian", "--reason", "检修", "--until", "2020-01-01 00:00"], 2),
        (&["tokens", "revoke", "nobody", "--reason", "离职"], 3),
        (&["tokens", "revoke", "nobody", "--reason", " "], 2),
        (&["tokens", "create", "--name", "\u{1b}", "--role", "view"], 2),
        (&["webhooks", "test", "nobody"], 3),
        (&["webhooks", "skip", "nobody", "--reason", " "], 3),
        (&["callbacks", "list", "--system", "hunan"], 2),
        (&["alarms", "clear", "--system", "hunan", "--kind", "backlog", "--reason", "已查"], 3),
        (&["outbox", "bulk", "hold", "--all", "--yes"], 2),
        (&["outbox", "bulk", "hold", "--all", "--limit", "3", "--because", "核查", "--yes"], 2),
        (&["outbox", "bulk", "show", "9"], 3),
        (&["outbox", "bulk", "cancel", "9", "--because", "核查"], 3),
    ] {
        let (found, _, said) = run_in("zh", &test, arguments).await;
        assert_eq!(found, code, "{arguments:?}: {said}");
        let told = said.trim_start_matches("league-gateway: ");
        assert!(told.chars().any(|c| ('一'..='龥').contains(&c)), "{arguments:?}: {said}");
    }
    test.finish().await;
}

#[tokio::test]
async fn who_acts_is_a_name_and_gives_a_reason() {
    let test = Setup::by_hand().on_the_wall().start().await;
    test.submit(&SIDES[1].document("CLI-1", 1)).await;
    for by in ["", "  ", "\u{1b}[31m王芳", "a\nb", &"长".repeat(65)] {
        let (code, _, said) = run(&test, &["outbox", "hold", "CLI-1", "--reason", "核对", "--by", by]).await;
        assert!(code == 2 && said.contains("--by"), "{by:?}: {said}");
    }
    for name in ["\u{2060}", "王\u{200b}芳", "王芳\u{ad}", "a\u{e0041}"] {
        for (flag, arguments) in [
            ("--by", &["outbox", "hold", "CLI-1", "--reason", "核对", "--by", name][..]),
            ("--name", &["tokens", "create", "--name", name, "--role", "view"]),
        ] {
            for (lang, word) in [("zh", "不可见"), ("en", "invisible")] {
                let (code, _, said) = run_in(lang, &test, arguments).await;
                assert!(code == 2 && said.contains(flag) && said.contains(word), "{name:?}: {said}");
            }
        }
    }
    assert_eq!(test.count("audit").await, 0);
    let number = person(1).id_number;
    let hold = ["outbox", "hold", "CLI-1", "--reason", "核对", "--by", &number];
    assert_eq!(run(&test, &hold).await.0, 0);
    let held = test.get("CLI-1").await["held"]["by"].clone();
    assert_eq!(held, json!("user:110***************"));
    let made = run(&test, &["tokens", "create", "--name", "a", "--role", "view", "--reason", "新同事"]).await;
    assert_eq!(made.0, 0, "{}", made.2);
    assert_eq!(run(&test, &["tokens", "create", "--name", "b", "--role", "view"]).await.0, 0);
    assert_eq!(run(&test, &["tokens", "revoke", "a"]).await.0, 2, "not without a reason");
    assert_eq!(run(&test, &["tokens", "revoke", "a", "--reason", "离职"]).await.0, 0);
    assert_eq!(run(&test, &["systems", "resume", "fujian"]).await.0, 2, "not without a reason");
    let rows: Vec<String> = test.database.column("SELECT act || ' ' || reason FROM audit ORDER BY id").await;
    assert_eq!(rows, ["hold 核对", "create_token 新同事", "create_token ", "revoke_token 离职"]);
    assert_eq!(run(&test, &["outbox", "release", "CLI-1", "--reason", "核对无误"]).await.0, 0);
    test.run_until_idle().await;
    test.finish().await;
}
