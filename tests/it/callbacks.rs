//! The partners' door, with messages that the test makes and signs itself.

use crate::support::{
    Answer, GUANGDONG_SECRET, SIDES, SMART_LEAGUE_SECRET, Setup, TestApp, guangdong, guangdong_body,
    smart_league,
};
use jiff::{SignedDuration, Timestamp};
use league_sandbox::{Rule, Step};
use serde_json::{Value, json};

const UTF8: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

async fn waiting() -> TestApp {
    Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await
}

/// Pushes a message as the national system does.
async fn push(test: &TestApp, secret: &str, at: Timestamp, nonce: &str, body: &[u8]) -> Answer {
    let headers = smart_league(secret, at, nonce, body);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    test.client.with_token("").send("POST", "/callbacks/smart-league", &headers, body.to_vec()).await
}

async fn notify(test: &TestApp, message: Vec<u8>) -> Answer {
    let headers = [("content-type", "text/xml")];
    test.client.with_token("").send("POST", "/callbacks/guangdong", &headers, message).await
}

fn event(event_id: &str, request_id: &str, kind: &str) -> Value {
    json!({"eventId": event_id, "eventType": kind, "requestId": request_id, "transferNo": "T-1",
        "occurredAt": 1_782_869_400_000_i64, "data": {"reason": "信息有误"}})
}

fn nonce(n: u32) -> String {
    format!("{n:032x}")
}

/// Asserts the form, the signature's presence, status and code of an answer to the national system.
fn assert_envelope(answer: &Answer, status: u16, code: i64) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let envelope = answer.json();
    assert_eq!(envelope["code"], code, "{envelope}");
    assert!(envelope["msg"].is_string() && envelope["traceId"].is_string(), "{envelope}");
    for name in ["x-app-id", "x-timestamp", "x-nonce", "x-signature"] {
        assert!(!answer.header(name).is_empty(), "{name}");
    }
}

fn assert_exchange(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.header("content-type").starts_with("text/xml"), "{}", answer.header("content-type"));
    let text = answer.text();
    assert!(text.contains(&format!("<Code>{code}</Code>")) && text.contains("<Body/>"), "{text}");
    assert!(text.contains("<Digest>"), "{text}");
}

/// How many rows a refusal must not add to.
async fn kept(test: &TestApp) -> (i64, i64, i64) {
    (test.count("callbacks").await, test.count("nonces").await, test.count("events").await)
}

#[tokio::test]
async fn a_signed_push_is_stored_before_it_is_answered() {
    let test = waiting().await;
    let now = test.app.clock.now();
    test.submit(&SIDES[0].document("A", 1)).await;
    test.run_until_idle().await;
    let body = event("E-1", "A", "TRANSFER_REJECTED").to_string();
    assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(1), body.as_bytes()).await, 200, 0);
    let shown = test.get("A").await;
    assert_eq!(shown["state"], "rejected", "{shown}");
    assert_eq!(shown["last_error"]["detail"], "接收团组织未通过: 信息有误");
    let rows = test.callbacks("smart_league", "A").await;
    assert_eq!((rows.len(), rows[0].event.as_str(), rows[0].verdict.as_str()), (1, "rejected", "applied"));
    // The same event under a new nonce.
    assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(2), body.as_bytes()).await, 200, 0);
    let rows = test.callbacks("smart_league", "A").await;
    assert_eq!((rows.len(), rows[0].repeats), (1, 1));
    test.finish().await;
}

#[tokio::test]
async fn what_is_not_genuine_leaves_no_trace() {
    let test = waiting().await;
    let now = test.app.clock.now();
    test.submit(&SIDES[0].document("A", 1)).await;
    test.submit(&SIDES[1].document("B", 2)).await;
    test.run_until_idle().await;
    let body = event("E-1", "A", "TRANSFER_APPROVED").to_string();
    let xml = guangdong_body("E-2", "B", "CHECKED_IN", "");
    let message = |secret: &str, at, serial: &str| guangdong(secret, at, serial, UTF8, xml.as_bytes());
    let before = kept(&test).await;
    // A wrong secret, an early and a late clock.
    assert_envelope(&push(&test, "another", now, &nonce(1), body.as_bytes()).await, 401, 40101);
    assert_exchange(&notify(&test, message("another", now, "S-1")).await, 401, "3001");
    for seconds in [-301, 301] {
        let at = now + SignedDuration::from_secs(seconds);
        assert_envelope(&push(&test, SMART_LEAGUE_SECRET, at, &nonce(2), body.as_bytes()).await, 401, 40102);
        assert_exchange(&notify(&test, message(GUANGDONG_SECRET, at, "S-2")).await, 401, "3002");
    }
    // No signature, a changed body, a changed header.
    let bare = test.client.send("POST", "/callbacks/smart-league", &[], body.clone().into_bytes()).await;
    assert_envelope(&bare, 401, 40101);
    let headers = smart_league(SMART_LEAGUE_SECRET, now, &nonce(3), body.as_bytes());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let changed = body.replace("E-1", "E-9").into_bytes();
    let answer = test.client.send("POST", "/callbacks/smart-league", &headers, changed).await;
    assert_envelope(&answer, 401, 40101);
    let changed = String::from_utf8(message(GUANGDONG_SECRET, now, "S-3")).expect("UTF-8");
    for (from, to) in [("CHECKED_IN", "OVERDUE"), ("S-3", "S-4"), ("BJGQT", "OTHER"), ("<Body>", "<Body >")] {
        let answer = notify(&test, changed.replace(from, to).into_bytes()).await;
        assert_exchange(&answer, 401, "3001");
    }
    assert_eq!(kept(&test).await, before);
    assert_eq!(test.get("A").await["state"], "submitted");
    assert_eq!(test.get("B").await["state"], "awaiting_check_in");
    test.finish().await;
}

#[tokio::test]
async fn a_nonce_counts_once() {
    let test = waiting().await;
    let now = test.app.clock.now();
    let body = event("E-1", "A", "TRANSFER_APPROVED").to_string();
    assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(1), body.as_bytes()).await, 200, 0);
    let xml = guangdong_body("E-2", "B", "CHECKED_IN", "");
    let message = guangdong(GUANGDONG_SECRET, now, "S-1", UTF8, xml.as_bytes());
    assert_exchange(&notify(&test, message.clone()).await, 200, "0000");
    let before = kept(&test).await;
    assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(1), body.as_bytes()).await, 401, 40101);
    let other = event("E-3", "A", "TRANSFER_EXPIRED").to_string();
    assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(1), other.as_bytes()).await, 401, 40101);
    assert_exchange(&notify(&test, message.clone()).await, 401, "3002");
    // At the end of the window the nonce is still known.
    test.app.clock.advance(SignedDuration::from_secs(299));
    assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(1), body.as_bytes()).await, 401, 40101);
    assert_exchange(&notify(&test, message).await, 401, "3002");
    assert_eq!(kept(&test).await, before);
    test.finish().await;
}

#[tokio::test]
async fn what_comes_before_its_transfer_waits_for_it() {
    let test = waiting().await;
    let now = test.app.clock.now();
    let body = event("E-1", "A", "ACCOUNT_CREATED");
    let mut account = body.clone();
    account["data"] = json!({"username": "11010519491231002X"});
    for (n, body) in [account, event("E-2", "A", "TRANSFER_APPROVED")].iter().enumerate() {
        let n = u32::try_from(n).expect("few");
        let answer = push(&test, SMART_LEAGUE_SECRET, now, &nonce(n), body.to_string().as_bytes()).await;
        assert_envelope(&answer, 200, 0);
    }
    assert_eq!(test.count("callbacks WHERE verdict = 'unmatched'").await, 2);
    // Another system's transfer of that id is not meant.
    test.submit(&SIDES[0].document("A", 1)).await;
    let shown = test.get("A").await;
    assert_eq!(shown["state"], "completed", "{shown}");
    assert!(shown["milestones"]["account_created_at"].is_string());
    assert_eq!(test.count("callbacks WHERE verdict = 'applied'").await, 2);
    let xml = guangdong_body("E-3", "A", "OVERDUE", "");
    let message = guangdong(GUANGDONG_SECRET, now, "S-1", UTF8, xml.as_bytes());
    assert_exchange(&notify(&test, message).await, 200, "0000");
    assert_eq!(test.get("A").await["state"], "completed");
    assert_eq!(test.count("callbacks WHERE verdict = 'unmatched'").await, 1);
    test.run_until_idle().await;
    assert!(test.at_partner("A").is_none(), "there was nothing left to send");
    test.finish().await;
}

#[tokio::test]
async fn json_that_cannot_be_read() {
    let test = waiting().await;
    let now = test.app.clock.now();
    let before = kept(&test).await;
    let mut bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        vec![b'{', 0xD5, 0xC5, b'}'],
        format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000)).into_bytes(),
        "{\"data\":".repeat(50_000).into_bytes(),
        [vec![b'{'; 900_000], b"}".to_vec()].concat(),
    ];
    for (field, value) in [
        ("eventId", json!("")),
        ("eventId", json!(null)),
        ("requestId", json!("../../etc")),
        ("requestId", json!("张三")),
        ("eventType", json!("TRANSFER_LOST")),
        ("occurredAt", json!("yesterday")),
        ("occurredAt", json!(i64::MAX)),
        ("transferNo", json!(5)),
    ] {
        let mut body = event("E-1", "A", "TRANSFER_APPROVED");
        body[field] = value;
        bodies.push(body.to_string().into_bytes());
    }
    for (n, body) in bodies.into_iter().enumerate() {
        let n = u32::try_from(n).expect("few");
        let answer = push(&test, SMART_LEAGUE_SECRET, now, &nonce(n), &body).await;
        let start = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        assert_eq!(answer.status, 400, "{start}: {}", answer.text());
        assert_envelope(&answer, 400, 40001);
    }
    assert_eq!(kept(&test).await, before);
    test.finish().await;
}

#[tokio::test]
async fn xml_that_cannot_be_read() {
    let test = waiting().await;
    let now = test.app.clock.now();
    let before = kept(&test).await;
    let good = guangdong_body("E-1", "A", "CHECKED_IN", "");
    let message = |declaration: &str, body: &[u8]| guangdong(GUANGDONG_SECRET, now, "S-1", declaration, body);
    let doctype = "<!DOCTYPE Exchange [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let wrapped = String::from_utf8(message(UTF8, good.as_bytes())).expect("UTF-8");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("half", wrapped.as_bytes()[..wrapped.len() - 30].to_vec()),
        ("text", b"hello".to_vec()),
        ("a doctype", message(&format!("{UTF8}{doctype}"), good.as_bytes())),
        (
            "an outside entity",
            message(
                &format!("{UTF8}<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>"),
                good.as_bytes(),
            ),
        ),
        ("a processing instruction", message(&format!("{UTF8}<?php echo 1?>"), good.as_bytes())),
        ("a second Body", wrapped.replace("</Exchange>", "<Body/></Exchange>").into_bytes()),
        ("a Body before", wrapped.replace("<Head>", "<Body/><Head>").into_bytes()),
        ("a Body inside", message(UTF8, good.replace("<Event>", "<Event><Body/>").as_bytes())),
        (
            "no Head",
            format!("{UTF8}<Exchange xmlns=\"urn:gd-league:exchange:v1\" version=\"1.0\">{good}</Exchange>")
                .into_bytes(),
        ),
        ("another root", wrapped.replace("Exchange", "Wechsel").into_bytes()),
        (
            "deep",
            message(
                UTF8,
                format!("<Body>{}{}</Body>", "<a>".repeat(20_000), "</a>".repeat(20_000)).as_bytes(),
            ),
        ),
        ("wide", message(UTF8, format!("<Body>{}</Body>", "<a/>".repeat(100_000)).as_bytes())),
        ("an unknown encoding", message("<?xml version=\"1.0\" encoding=\"Shift_JIS\"?>", good.as_bytes())),
        ("UTF-16 in name", message("<?xml version=\"1.0\" encoding=\"UTF-16\"?>", good.as_bytes())),
        (
            "not its encoding",
            message(UTF8, &gbk(&guangdong_body("E-1", "A", "REJECTED", "信息有误"), encoding_rs::GBK)),
        ),
        (
            "half a character",
            message("<?xml version=\"1.0\" encoding=\"GBK\"?>", b"<Body><Event>\xD5</Event></Body>"),
        ),
        ("a control character", message(UTF8, good.replace("E-1", "E&#1;1").as_bytes())),
        ("an unknown type", message(UTF8, good.replace("CHECKED_IN", "LOST").as_bytes())),
        ("withdrawn by them", message(UTF8, good.replace("CHECKED_IN", "WITHDRAWN").as_bytes())),
        ("no such day", message(UTF8, good.replace("20260701093000", "20260230093000").as_bytes())),
        ("no event id", message(UTF8, good.replace("E-1", "").as_bytes())),
        ("an odd request id", message(UTF8, good.replace(">A<", ">张三<").as_bytes())),
        ("an empty Body", message(UTF8, b"<Body/>")),
    ];
    for (name, message) in cases {
        let answer = notify(&test, message).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert_exchange(&answer, 400, "2002");
    }
    assert_eq!(kept(&test).await, before);
    test.finish().await;
}

fn gbk(text: &str, encoding: &'static encoding_rs::Encoding) -> Vec<u8> {
    let (bytes, _, lossy) = encoding.encode(text);
    assert!(!lossy);
    bytes.into_owned()
}

#[tokio::test]
async fn every_encoding_of_the_profile_is_read() {
    let test = waiting().await;
    let now = test.app.clock.now();
    let cases = [
        ("UTF-8", encoding_rs::UTF_8, "姓名与证件不符"),
        ("GBK", encoding_rs::GBK, "姓名与证件不符"),
        ("GB18030", encoding_rs::GB18030, "姓名“𠮷”与证件不符"),
    ];
    for (n, (name, encoding, reason)) in cases.into_iter().enumerate() {
        let id = name.to_owned();
        test.submit(&SIDES[1].document(&id, n)).await;
        test.run_until_idle().await;
        let body = gbk(&guangdong_body(&format!("X-{n}"), &id, "REJECTED", reason), encoding);
        let declaration = format!("<?xml version=\"1.0\" encoding=\"{name}\"?>");
        let message = guangdong(GUANGDONG_SECRET, now, &format!("S-{n}"), &declaration, &body);
        assert_exchange(&notify(&test, message).await, 200, "0000");
        let shown = test.get(&id).await;
        assert_eq!(shown["state"], "rejected", "{shown}");
        assert_eq!(shown["last_error"]["detail"], format!("接收团组织未通过: {reason}"));
    }
    test.finish().await;
}

#[tokio::test]
async fn too_large_a_message_is_refused_in_the_partners_form() {
    let test = waiting().await;
    let now = test.app.clock.now();
    let before = kept(&test).await;
    for size in [1024 * 1024 + 1, 10 * 1024 * 1024] {
        let large = vec![b' '; size];
        assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(1), &large).await, 413, 40001);
        assert_exchange(&notify(&test, large).await, 413, "2002");
    }
    // At the limit it is read.
    let mut body = event("E-1", "A", "TRANSFER_APPROVED").to_string();
    body.push_str(&" ".repeat(1024 * 1024 - body.len()));
    assert_eq!(kept(&test).await, before);
    assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(2), body.as_bytes()).await, 200, 0);
    test.finish().await;
}

#[tokio::test]
async fn a_system_without_a_door_is_not_found() {
    let test = waiting().await;
    for path in ["/callbacks/hunan", "/callbacks/smart_league", "/callbacks/", "/callbacks"] {
        let answer = test.client.post_text(path, "{}").await;
        assert_eq!(answer.status, 404, "{path}");
    }
    // Fujian pushes nothing: whatever comes there is refused.
    let answer = test.client.post_text("/callbacks/fujian", "{}").await;
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    assert_eq!(kept(&test).await, (0, 0, 0));
    test.finish().await;
}

#[tokio::test]
async fn a_contradiction_by_push_is_answered_as_stored_and_changes_nothing() {
    let test = waiting().await;
    let now = test.app.clock.now();
    test.submit(&SIDES[0].document("A", 1)).await;
    test.run_until_idle().await;
    for (n, (kind, verdict)) in [
        ("TRANSFER_EXPIRED", "applied"),
        ("TRANSFER_APPROVED", "conflict"),
        ("TRANSFER_REJECTED", "conflict"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = event(&format!("E-{n}"), "A", kind).to_string();
        let n = u32::try_from(n).expect("few");
        assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(n), body.as_bytes()).await, 200, 0);
        let rows = test.callbacks("smart_league", "A").await;
        assert_eq!(rows.last().map(|row| row.verdict.clone()), Some(verdict.to_owned()), "{kind}");
        assert_eq!(test.get("A").await["state"], "overdue");
    }
    assert!(test.tells("A", "conflict").await);
    test.finish().await;
}

/// Many pushes at once: those of one transfer among them, repeats, and a nonce that was used before.
#[tokio::test]
async fn what_is_pushed_at_once_is_kept_as_if_one_by_one() {
    let test = waiting().await;
    let now = test.app.clock.now();
    for n in 0..12 {
        test.submit(&SIDES[0].document(&format!("A-{n}"), n)).await;
    }
    test.run_until_idle().await;
    let (mut pushes, mut n) = (Vec::new(), 0);
    let mut add = |event_id: String, id: String, kind: &str, fresh: bool| {
        n += u32::from(fresh);
        let mut event = event(&event_id, &id, kind);
        event["data"]["username"] = "11010519491231002X".into();
        pushes.push((nonce(n), event.to_string()));
    };
    for n in 0..12 {
        let id = format!("A-{n}");
        add(format!("C-{n}"), id.clone(), "ACCOUNT_CREATED", true);
        add(format!("E-{n}"), id.clone(), "TRANSFER_APPROVED", true);
        add(format!("E-{n}"), id.clone(), "TRANSFER_APPROVED", true);
        add(format!("R-{n}"), id, "TRANSFER_APPROVED", false);
    }
    add("E-X".into(), "NOBODY".into(), "TRANSFER_APPROVED", true);
    let sent =
        pushes.iter().map(|(nonce, body)| push(&test, SMART_LEAGUE_SECRET, now, nonce, body.as_bytes()));
    let answers = futures_util::future::join_all(sent).await;
    let refused: Vec<String> =
        answers.iter().filter(|answer| answer.status != 200).map(Answer::text).collect();
    assert_eq!(refused.len(), 12, "of two with the same nonce one is refused: {refused:?}");
    for n in 0..12 {
        let id = format!("A-{n}");
        let shown = test.get(&id).await;
        assert_eq!(shown["state"], "completed", "{shown}");
        assert!(shown["milestones"]["account_created_at"].is_string(), "{shown}");
        let rows = test.callbacks("smart_league", &id).await;
        assert!(rows.iter().all(|row| row.verdict == "applied"), "{rows:?}");
        let kept: i64 = rows.iter().map(|row| 1 + row.repeats).sum();
        assert_eq!(kept, 3, "each that was answered is kept or counted: {rows:?}");
    }
    assert_eq!(test.callbacks("smart_league", "NOBODY").await[0].verdict, "unmatched");
    test.finish().await;
}

/// A transfer and its event that are committed at the same time don't see each other.
#[tokio::test]
async fn what_missed_its_transfer_is_found() {
    let test = waiting().await;
    let now = test.app.clock.now();
    test.submit(&SIDES[0].document("A", 1)).await;
    test.run_until_idle().await;
    let early = event("E-1", "B", "TRANSFER_APPROVED").to_string();
    assert_envelope(&push(&test, SMART_LEAGUE_SECRET, now, &nonce(1), early.as_bytes()).await, 200, 0);
    let mut connection = test.connection().await;
    let moved = sqlx::query("UPDATE callbacks SET request_id = 'A' WHERE verdict = 'unmatched'");
    assert_eq!(moved.execute(&mut connection).await.expect("changed").rows_affected(), 1);
    assert_eq!(test.get("A").await["state"], "submitted");
    test.app.sweeper().look().await.expect("it looks");
    assert_eq!(test.get("A").await["state"], "completed");
    assert_eq!(test.callbacks("smart_league", "A").await[0].verdict, "applied");
    test.finish().await;
}
