//! Fujian, operation by operation and breach by breach, and its feed.

use crate::support::{FUJIAN, Token, World, fj_transfer, inside, world};
use jiff::SignedDuration;
use league_sandbox::{Rule, Script, Step};

fn waiting() -> Script {
    Script { rules: vec![Rule { steps: vec![Step::None], ..Rule::default() }] }
}

#[tokio::test]
async fn a_transfer_goes_through_every_operation() {
    let world = world(|config| config.script = waiting()).await;
    let call = async |operation: &str, input: &str| world.fj(operation, input).await.expect("answered");
    let first = call("SubmitTransfer", &fj_transfer("r-1")).await;
    assert_eq!((first.status, inside(&first.text, "status").as_deref()), (200, Some("ACCEPTED")));
    // The same instant, written otherwise, is the same content.
    let same = fj_transfer("r-1").replace("2024-07-01T09:00:00+08:00", "2024-07-01T01:00:00Z");
    let again = call("SubmitTransfer", &same).await;
    assert_eq!(inside(&again.text, "duplicate").as_deref(), Some("true"));
    assert_eq!(inside(&again.text, "receiptNo"), inside(&first.text, "receiptNo"));
    let other = fj_transfer("r-1").replace("李四", "李五");
    let conflict = call("SubmitTransfer", &other).await;
    assert_eq!((conflict.status, conflict.code.as_deref()), (500, Some("DUPLICATE_CONFLICT")));

    let query = call("QueryTransfer", "<requestId>r-1</requestId>").await;
    assert_eq!(inside(&query.text, "checkInDeadline").as_deref(), Some("2024-07-31T09:30:00+08:00"));
    let unknown = call("QueryTransfer", "<requestId>r-2</requestId>").await;
    assert_eq!(unknown.code.as_deref(), Some("NOT_FOUND"));
    let withdraw = "<requestId>r-1</requestId><reason>x</reason>";
    for _ in 0..2 {
        let answer = call("WithdrawTransfer", withdraw).await;
        assert_eq!(inside(&answer.text, "status").as_deref(), Some("WITHDRAWN"));
    }
    call("SubmitTransfer", &fj_transfer("r-3")).await;
    assert!(world.sandbox.advance("r-3", &Step::Overdue).await);
    let late = call("WithdrawTransfer", &withdraw.replace("r-1", "r-3")).await;
    assert_eq!(late.code.as_deref(), Some("TOO_LATE"));
    let nowhere = call("SubmitTransfer", &fj_transfer("r-4").replace(FUJIAN, "共青团没有的委员会")).await;
    assert_eq!(nowhere.code.as_deref(), Some("ORG_NOT_FOUND"));
    let list =
        "<provinceCode>350000</provinceCode><keyword>厦门</keyword><offset>0</offset><limit>200</limit>";
    assert_eq!(inside(&call("ListOrganizations", list).await.text, "fullName").as_deref(), Some(FUJIAN));
    assert_eq!(world.violations(), Vec::<String>::new());
}

/// A page: sequences with types, `last`, `more`.
async fn page(world: &World, after: i64, limit: i64) -> (Vec<(i64, String)>, i64, bool) {
    let input = format!("<after>{after}</after><limit>{limit}</limit>");
    let text = world.fj("ListStatusChanges", &input).await.expect("answered").text;
    let changes = text
        .split("change>")
        .filter_map(|part| Some((inside(part, "sequence")?.parse().ok()?, inside(part, "type")?)));
    let last = inside(&text, "last").and_then(|last| last.parse().ok()).expect("a last");
    (changes.collect(), last, inside(&text, "more").as_deref() == Some("true"))
}

#[tokio::test]
async fn the_feed_has_holes_pages_and_an_end() {
    let world = world(|config| config.script = waiting()).await;
    assert_eq!(page(&world, 0, 500).await, (vec![], 0, false));
    for id in ["r-1", "r-2"] {
        world.fj("SubmitTransfer", &fj_transfer(id)).await.expect("answered");
        world.sandbox.pushes_idle().await;
    }
    world.fj("WithdrawTransfer", "<requestId>r-1</requestId><reason>x</reason>").await.expect("answered");
    // Three changes, and the fourth sequence is a hole.
    let [one, two, three] =
        [(1, "ACCEPTED"), (2, "ACCEPTED"), (3, "WITHDRAWN")].map(|(at, kind)| (at, kind.to_owned()));
    assert_eq!(page(&world, 0, 500).await, (vec![one.clone(), two.clone(), three.clone()], 4, false));
    assert_eq!(page(&world, 0, 2).await, (vec![one, two], 2, true));
    assert_eq!(page(&world, 2, 1).await, (vec![three], 4, false));
    assert_eq!(page(&world, 4, 1).await, (vec![], 4, false));
    assert!(world.sandbox.advance("r-2", &Step::CheckIn).await);
    assert_eq!(page(&world, 4, 1).await, (vec![(5, "CHECKED_IN".to_owned())], 5, false));
    let beyond = world.fj("ListStatusChanges", "<after>6</after><limit>1</limit>").await.expect("answered");
    assert_eq!(beyond.code.as_deref(), Some("CURSOR_EXPIRED"));
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn prefixes_change_from_answer_to_answer() {
    let world = world(|_| {}).await;
    let mut starts = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let text = world.fj("QueryTransfer", "<requestId>r-1</requestId>").await.expect("answered").text;
        starts.insert(text.lines().nth(1).expect("an envelope")[..10].to_owned());
    }
    assert_eq!(starts.len(), 3);
}

#[tokio::test]
async fn every_breach_is_refused() {
    let world = world(|_| {}).await;
    let now = world.now();
    let input =
        "<QueryTransfer xmlns=\"urn:fj-league:transfer:v1\"><requestId>r-1</requestId></QueryTransfer>";
    let good = || Token::at(now).envelope(input);
    let old = Token::at(now - SignedDuration::from_mins(6)).envelope(input);
    let password = Token { password: "other", ..Token::at(now) }.envelope(input);
    let long = Token { expires: "2024-07-01T10:30:00+08:00".into(), ..Token::at(now) }.envelope(input);
    let breaches = [
        (good().replace(" e:mustUnderstand=\"1\"", ""), "AUTHENTICATION_FAILED"),
        (good().replace("<w:Username>BJGQT", "<w:Username>OTHER"), "AUTHENTICATION_FAILED"),
        (good().replace("#PasswordDigest", "#PasswordText"), "AUTHENTICATION_FAILED"),
        (good().replace("e:Header", "e:Footer"), "INVALID_DATA"),
        (password, "AUTHENTICATION_FAILED"),
        (long, "AUTHENTICATION_FAILED"),
        (old, "MESSAGE_EXPIRED"),
        (good().replace("QueryTransfer", "QueryNothing"), "INVALID_DATA"),
        (good().replace("</requestId>", "</requestId><more/>"), "INVALID_DATA"),
        (good().replace("r-1", "r 1"), "INVALID_DATA"),
        (good().replace("<e:Envelope", "<!DOCTYPE x><e:Envelope"), "INVALID_DATA"),
        ("{}".to_owned(), "INVALID_DATA"),
    ];
    let count = breaches.len();
    for (envelope, code) in breaches {
        let answer = world.fj_raw("QueryTransfer", &envelope).await.expect("answered");
        assert_eq!((answer.status, answer.code.as_deref()), (500, Some(code)), "{envelope}");
    }
    let action = world.fj_raw("SubmitTransfer", &good()).await.expect("answered");
    assert_eq!(action.code.as_deref(), Some("INVALID_DATA"));
    let envelope = good();
    assert_eq!(
        world.fj_raw("QueryTransfer", &envelope).await.expect("answered").code.as_deref(),
        Some("NOT_FOUND")
    );
    let replayed = world.fj_raw("QueryTransfer", &envelope).await.expect("answered");
    assert_eq!(replayed.code.as_deref(), Some("AUTHENTICATION_FAILED"));
    let fields = [
        ("<phone>1", "<phone>2"),
        ("MALE", "FEMALE"),
        ("<name>李四", "<name>"),
        ("EDUCATION", "OTHER"),
        ("EDUCATION", "HOLIDAY"),
        ("350000", "35"),
        ("+08:00", ""),
        ("<joinedOn>2018-05", "<joinedOn>2018"),
    ];
    for (from, to) in fields {
        let answer =
            world.fj("SubmitTransfer", &fj_transfer("r-1").replace(from, to)).await.expect("answered");
        assert_eq!(answer.code.as_deref(), Some("INVALID_DATA"), "{to}");
    }
    for (operation, input) in [
        ("ListStatusChanges", "<after>0</after><limit>501</limit>"),
        ("ListStatusChanges", "<after>-1</after><limit>1</limit>"),
        (
            "ListOrganizations",
            "<provinceCode>350000</provinceCode><keyword>x</keyword><offset>0</offset><limit>201</limit>",
        ),
        ("WithdrawTransfer", "<requestId>r-1</requestId>"),
    ] {
        assert_eq!(
            world.fj(operation, input).await.expect("answered").code.as_deref(),
            Some("INVALID_DATA"),
            "{input}"
        );
    }
    assert_eq!(world.violations().len(), count + 2 + fields.len() + 4);
}
