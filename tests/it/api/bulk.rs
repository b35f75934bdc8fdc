//! Acts on many transfers: a preview, a rate, a pause, an end, and what happened to each.

use crate::support::{Client, SIDES, Setup, TestApp, program};
use jiff::SignedDuration;
use league_gateway::access::Role;
use serde_json::{Value, json};
use std::collections::HashMap;

async fn desk(test: &TestApp) -> Client {
    test.client_with("desk", &[Role::Operate, Role::View]).await
}

async fn submitted(test: &TestApp, many: usize) {
    for n in 0..many {
        test.submit(&SIDES[n % 3].document(&format!("M-{n:02}"), n)).await;
    }
}

async fn begin(client: &Client, body: Value) -> Value {
    let answer = client.post("/v1/operator/bulk", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["bulk"].clone()
}

async fn shown(client: &Client, id: &Value) -> Value {
    client.get(&format!("/v1/operator/bulk/{id}")).await.json()
}

async fn results(client: &Client, id: &Value) -> Vec<Value> {
    let answer = client.get(&format!("/v1/operator/bulk/{id}/results?limit=1000")).await;
    answer.json().as_array().expect("results").clone()
}

/// Lets the daemon's part work until nothing runs, or as many rounds as are given.
async fn work(test: &TestApp, rounds: usize) {
    let mut due = HashMap::new();
    for _ in 0..rounds {
        if !test.app.operator().work(&mut due).await.expect("the store answers") {
            return;
        }
        test.app.clock.advance(SignedDuration::from_millis(100));
    }
}

/// State, done and refused.
fn standing(bulk: &Value) -> (&str, i64, i64) {
    let number = |name: &str| bulk[name].as_i64().expect("a number");
    (bulk["state"].as_str().expect("a state"), number("done"), number("refused"))
}

async fn acts_on_all_that_fit(setup: Setup) {
    let test = setup.start().await;
    let desk = desk(&test).await;
    submitted(&test, 9).await;
    let system = SIDES[0].system;
    let preview = json!({"act": "hold", "filter": {"system": system}, "dry_run": true});
    let foreseen = desk.post("/v1/operator/bulk", &preview).await.json();
    assert_eq!((&foreseen["preview"]["count"], &foreseen["bulk"]), (&json!(3), &Value::Null), "{foreseen}");
    assert_eq!(test.count("transfers WHERE held IS NOT NULL").await, 0, "a preview changes nothing");
    let hold = json!({"act": "hold", "filter": {"system": system}, "reason": "核查材料", "rate": 1000});
    let bulk = begin(&desk, hold).await;
    // What comes in later was not meant.
    test.app.clock.advance(SignedDuration::from_millis(5));
    test.submit(&SIDES[0].document("LATER", 90)).await;
    work(&test, 100).await;
    assert_eq!(standing(&shown(&desk, &bulk["id"]).await), ("done", 3, 0));
    assert_eq!(test.count("transfers WHERE held IS NOT NULL").await, 3);
    assert_eq!(test.get("LATER").await["held"], Value::Null);
    let told = results(&desk, &bulk["id"]).await;
    let ids: Vec<_> = told.iter().map(|one| one["request_id"].clone()).collect();
    assert_eq!(ids, ["M-00", "M-03", "M-06"].map(|id| json!(id)), "in order");
    for one in &told {
        assert!(
            one["done"] == true && one["told_en"].as_str().is_some_and(|text| text.contains("held")),
            "{one}"
        );
    }
    // Again: each says why not, and nothing is changed.
    let filter = json!({"system": system, "request_id": "M-"});
    let again = begin(&desk, json!({"act": "hold", "filter": filter, "reason": "核查材料"})).await;
    work(&test, 100).await;
    assert_eq!(standing(&shown(&desk, &again["id"]).await), ("done", 0, 3));
    let why = desk.get(&format!("/v1/operator/bulk/{}/results?refused=true", again["id"])).await.json();
    assert!(why[0]["told"].as_str().is_some_and(|text| text.contains("核查材料")), "{why}");
    // Each stands in the audit log with where it came from.
    let audit = desk.get("/v1/operator/audit?subject=transfer:M-03").await.json();
    let origin = audit["items"][0]["origin"].as_str().expect("an origin");
    assert!(origin.ends_with(&format!("bulk {}", bulk["id"])), "{origin}");
    assert_eq!(test.count("audit WHERE act = 'begin_bulk'").await, 2);
    let release =
        begin(&desk, json!({"act": "release", "filter": {"held": true}, "reason": "核查完毕"})).await;
    work(&test, 100).await;
    assert_eq!(standing(&shown(&desk, &release["id"]).await), ("done", 3, 0));
    let listed = desk.get("/v1/operator/bulk").await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn an_act_on_many_is_done_to_all_that_fit() {
    acts_on_all_that_fit(Setup::by_hand()).await;
}

#[tokio::test]
async fn an_act_on_many_is_done_to_all_that_fit_on_postgres() {
    acts_on_all_that_fit(Setup::by_hand().on_postgres()).await;
}

#[tokio::test]
async fn it_is_paused_resumed_and_cancelled_and_keeps_its_rate() {
    let test = Setup::by_hand().start().await;
    let desk = desk(&test).await;
    submitted(&test, 12).await;
    let hold = json!({"act": "hold", "filter": {"state": "queued"}, "reason": "核查材料", "rate": 10});
    let bulk = begin(&desk, hold).await;
    let turn = async |word: &str| {
        desk.post(&format!("/v1/operator/bulk/{}/{word}", bulk["id"]), &json!({"reason": "值班"})).await
    };
    // Ten a second is one in a tenth of it.
    work(&test, 4).await;
    assert_eq!(standing(&shown(&desk, &bulk["id"]).await), ("running", 4, 0));
    assert_eq!(turn("pause").await.json()["state"], "paused");
    work(&test, 4).await;
    assert_eq!(standing(&shown(&desk, &bulk["id"]).await), ("paused", 4, 0));
    turn("pause").await.problem(409, "not_allowed_in_state");
    assert_eq!(turn("resume").await.json()["state"], "running");
    // Whoever takes it up goes on where it stands.
    work(&test, 3).await;
    assert_eq!(standing(&turn("cancel").await.json()), ("cancelled", 7, 0));
    work(&test, 20).await;
    let ended = shown(&desk, &bulk["id"]).await;
    assert_eq!(standing(&ended), ("cancelled", 7, 0));
    assert!(ended["ended_at"].is_string(), "{ended}");
    assert_eq!(results(&desk, &bulk["id"]).await.len(), 7);
    assert_eq!(test.count("transfers WHERE held IS NOT NULL").await, 7);
    turn("resume").await.problem(409, "not_allowed_in_state");
    test.finish().await;
}

/// Each has its time, whenever somebody looks, and what was missed for long is not made up for at once.
#[tokio::test]
async fn a_rate_is_kept_whatever_the_looks() {
    let test = Setup::by_hand().start().await;
    let desk = desk(&test).await;
    submitted(&test, 60).await;
    for (rate, seconds) in [(19, 2), (7, 5), (1, 20)] {
        let hold = json!({"act": "hold", "all": true, "reason": "核查材料", "rate": rate});
        let bulk = begin(&desk, hold).await;
        work(&test, seconds * 10).await;
        let (_, done, refused) = standing(&shown(&desk, &bulk["id"]).await);
        let meant = i64::from(rate) * i64::try_from(seconds).expect("small");
        assert!((meant - 1..=meant + 1).contains(&(done + refused)), "{rate} a second: {done} + {refused}");
        let cancel = format!("/v1/operator/bulk/{}/cancel", bulk["id"]);
        assert_eq!(desk.post(&cancel, &json!({"reason": "够了"})).await.status, 200);
    }
    let bulk = begin(&desk, json!({"act": "hold", "all": true, "reason": "核查材料", "rate": 10})).await;
    let mut due = HashMap::new();
    for _ in 0..2 {
        test.app.operator().work(&mut due).await.expect("the store answers");
        test.app.clock.advance(SignedDuration::from_secs(60));
    }
    let (_, done, refused) = standing(&shown(&desk, &bulk["id"]).await);
    assert_eq!(done + refused, 12, "one, and a second's");
    test.finish().await;
}

async fn one_that_is_damaged_stops_no_other(setup: Setup) {
    let test = setup.start().await;
    let desk = desk(&test).await;
    submitted(&test, 5).await;
    test.database.execute("CREATE TABLE sound AS SELECT * FROM documents").await;
    let document = "UPDATE documents SET document_sealed = (SELECT document_sealed FROM documents WHERE transfer_id = 1) \
                    WHERE transfer_id = 2";
    test.database.execute(document).await;
    test.database.execute("UPDATE transfers SET milestones = '?' WHERE id = 4").await;
    let all = json!({"act": "hold", "all": true, "dry_run": true});
    let foreseen = desk.post("/v1/operator/bulk", &all).await.json()["preview"].clone();
    assert_eq!((&foreseen["count"], &foreseen["unreadable"]), (&json!(4), &json!(1)), "{foreseen}");
    let bulk = begin(&desk, json!({"act": "hold", "all": true, "reason": "核查材料"})).await;
    work(&test, 100).await;
    assert_eq!(standing(&shown(&desk, &bulk["id"]).await), ("done", 3, 2));
    let told = results(&desk, &bulk["id"]).await;
    let ids: Vec<_> = told.iter().map(|one| one["request_id"].clone()).collect();
    assert_eq!(ids, ["M-00", "M-01", "M-02", "M-03", "M-04"].map(|id| json!(id)), "each has its line");
    for at in [1, 3] {
        let text = told[at]["told_en"].as_str().expect("a text");
        assert!(told[at]["done"] == false && text.contains("damaged"), "{text}");
    }
    assert_eq!(test.count("transfers WHERE held IS NOT NULL").await, 3);
    let mend = "UPDATE documents SET document_sealed = (SELECT document_sealed FROM sound s WHERE s.transfer_id = documents.transfer_id)";
    for mend in [mend, "UPDATE transfers SET milestones = '{}' WHERE id = 4", "DROP TABLE sound"] {
        test.database.execute(mend).await;
    }
    test.finish().await;
}

#[tokio::test]
async fn one_that_is_damaged_refuses_the_act_and_stops_no_other() {
    one_that_is_damaged_stops_no_other(Setup::by_hand()).await;
}

#[tokio::test]
async fn one_that_is_damaged_refuses_the_act_and_stops_no_other_on_postgres() {
    one_that_is_damaged_stops_no_other(Setup::by_hand().on_postgres()).await;
}

/// A reason is for many to read, and so is what was looked for.
#[tokio::test]
async fn no_number_of_a_persons_stands_in_an_act_on_many() {
    let test = Setup::by_hand().start().await;
    let desk = desk(&test).await;
    submitted(&test, 3).await;
    let (number, phone) = ("110105199203030028", "13810000002");
    let why = format!("因为 {number} 电话 {phone} 要求");
    let filter = json!({"error": number, "organization": phone, "request_id": "20260101123"});
    let bulk = begin(&desk, json!({"act": "hold", "filter": filter, "reason": why})).await;
    for turn in ["pause", "resume", "cancel"] {
        let path = format!("/v1/operator/bulk/{}/{turn}", bulk["id"]);
        assert_eq!(desk.post(&path, &json!({"reason": why})).await.status, 200);
    }
    let shown = [
        desk.get("/v1/operator/bulk").await.text(),
        desk.get(&format!("/v1/operator/bulk/{}", bulk["id"])).await.text(),
        desk.get("/v1/operator/audit").await.text(),
        test.database.column::<String>("SELECT reason FROM bulk_acts").await.concat(),
        test.database.column::<String>("SELECT reason FROM audit").await.concat(),
    ];
    for text in shown {
        assert!(!text.contains(number) && !text.contains(phone), "{text}");
        assert!(text.contains("110***************"), "{text}");
    }
    test.finish().await;
}

/// Two that lead for a moment act on each transfer once.
#[tokio::test]
async fn two_that_work_at_once_do_each_once() {
    let test = Setup::by_hand().on_postgres().start().await;
    let desk = desk(&test).await;
    submitted(&test, 15).await;
    let hold = json!({"act": "hold", "filter": {"state": "queued"}, "reason": "核查材料", "rate": 1000});
    let bulk = begin(&desk, hold).await;
    tokio::join!(work(&test, 60), work(&test, 60));
    assert_eq!(standing(&shown(&desk, &bulk["id"]).await), ("done", 15, 0));
    assert_eq!(test.count("audit WHERE act = 'hold'").await, 15);
    test.finish().await;
}

#[tokio::test]
async fn what_is_not_meant_is_refused() {
    let test = Setup::by_hand().start().await;
    let desk = desk(&test).await;
    let post = async |body: Value| desk.post("/v1/operator/bulk", &body).await;
    for body in [
        json!({"act": "hold", "reason": "核查材料"}),
        json!({"act": "hold", "all": true}),
        json!({"act": "hold", "all": true, "reason": "核查材料", "rate": 0}),
        json!({"act": "hold", "filter": {"state": "nowhere"}, "reason": "核查材料"}),
        json!({"act": "hold", "filter": {"request_id": "M-", "limit": 3}, "reason": "核查材料"}),
        json!({"act": "hold", "filter": {"request_id": "M-", "sort": "newest"}, "reason": "核查材料"}),
        json!({"act": "hold", "filter": {"due": false}, "reason": "核查材料"}),
        // What may be left out may be null.
        json!({"act": "hold", "filter": null, "all": null, "dry_run": null, "rate": null, "reason": "核查材料"}),
    ] {
        post(body).await.problem(422, "field_invalid");
    }
    for body in [
        json!({"act": "explode", "all": true, "reason": "核查材料"}),
        json!({"act": "hold", "filtre": {}, "all": true, "reason": "核查材料"}),
        json!(["hold", {}, true, "核查材料"]),
    ] {
        post(body).await.problem(400, "malformed");
    }
    let viewer = test.client_with("viewer", &[Role::View]).await;
    let body = json!({"act": "hold", "all": true, "reason": "核查材料"});
    viewer.post("/v1/operator/bulk", &body).await.problem(403, "forbidden");
    for path in ["/v1/operator/bulk/7", "/v1/operator/bulk/7/results", "/v1/operator/bulk/none"] {
        viewer.get(path).await.problem(404, "not_found");
    }
    for path in ["/v1/operator/bulk/7/pause", "/v1/operator/bulk/7/explode"] {
        desk.post(path, &json!({"reason": "值班"})).await.problem(404, "not_found");
    }
    assert_eq!(test.count("bulk_acts").await, 0);
    // A person is looked for, and shown to nobody.
    submitted(&test, 1).await;
    let number = SIDES[0].document("M-00", 0)["member"]["id_number"].clone();
    let hold = json!({"act": "hold", "filter": {"id_number": number}, "reason": "核查材料"});
    let bulk = begin(&desk, hold).await;
    assert_eq!(bulk["filter"]["person"], true, "{bulk}");
    work(&test, 10).await;
    assert_eq!(standing(&shown(&desk, &bulk["id"]).await), ("done", 1, 0));
    test.finish().await;
}

// The command line blocks a thread while the daemon works.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_waits_for_the_daemon() {
    let test = Setup::daemon().config("[systems.fujian]\nfeed_interval = \"1h\"\n").start().await;
    test.cut_callbacks();
    // Of two systems that push: what they say does not arrive.
    for (n, id) in ["M-00", "M-01"].into_iter().enumerate() {
        test.submit(&SIDES[n].document(id, n)).await;
    }
    test.wait_for_state("M-00", "submitted").await;
    test.wait_for_state("M-01", "awaiting_check_in").await;
    let run = |arguments: &[&str]| {
        let mut command = program();
        for file in test.config_files() {
            command.arg("--config").arg(file);
        }
        let output = command.arg("--json").args(["outbox", "bulk"]).args(arguments).output().expect("runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), told + &String::from_utf8_lossy(&output.stderr))
    };
    let hold = ["hold", "--request-id", "M-", "--because", "核查材料"];
    assert_eq!(run(&["hold", "--because", "核查材料", "--yes"]).0, Some(2), "nothing narrows it");
    let (code, told) = run(&["hold", "--request-id", "M-", "--dry-run"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("\"count\":2"), "{told}");
    assert_eq!(run(&hold).0, Some(2), "nobody can be asked");
    for (wrong, said) in [
        (vec!["--because", "核查材料", "--limit", "3"], "--limit"),
        (vec!["--because", "核查材料", "--sort", "newest"], "--sort"),
        (vec!["--because", "核查材料", "--due=false"], "due"),
        (vec!["--because", "核查材料", "--by", ""], "--by"),
        (vec![], "--because"),
    ] {
        let (code, told) = run(&[&["hold", "--request-id", "M-", "--yes"], &wrong[..]].concat());
        assert!(code == Some(2) && told.contains(said), "{wrong:?}: {told}");
    }
    let agreed = [&hold[..], &["--yes"]].concat();
    let (code, told) = run(&agreed);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = run(&agreed);
    assert_eq!(code, Some(4), "each refuses it: {told}");
    let (code, told) = run(&["show", "2", "--refused"]);
    assert_eq!((code, told.lines().count()), (Some(0), 3), "{told}");
    assert_eq!(run(&["show", "9"]).0, Some(3));
    let (code, told) = run(&["release", "--held", "--because", "核查完毕", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    test.mend_callbacks();
    for id in ["M-00", "M-01"] {
        test.wait_for_state(id, "completed").await;
    }
    test.finish().await;
}
