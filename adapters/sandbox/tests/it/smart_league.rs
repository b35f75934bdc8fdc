//! The national system, operation by operation and breach by breach.

use crate::support::{NATIONAL, TWIN, smart_headers, smart_transfer, world};
use jiff::SignedDuration;
use league_sandbox::{Rule, Script, Step};
use serde_json::{Value, json};

fn waiting() -> Script {
    Script { rules: vec![Rule { steps: vec![Step::None], ..Rule::default() }] }
}

#[tokio::test]
async fn organizations_are_checked_and_searched() {
    let world = world(|_| {}).await;
    let check = async |province: &str, name: &str| {
        let body = json!({"provinceCode": province, "orgFullName": name});
        let answer = world.smart("POST", "/api/v2/org/exists", &body).await.expect("answered");
        assert!(answer.genuine);
        (answer.code, answer.data)
    };
    let found = json!({"exists": true, "orgId": "3201001", "orgFullName": NATIONAL, "orgType": "COMMITTEE"});
    assert_eq!(check("320000", NATIONAL).await, (0, found));
    assert_eq!(check("320000", TWIN).await, (0, json!({"exists": true, "orgFullName": TWIN})));
    assert_eq!(check("330000", NATIONAL).await, (0, json!({"exists": false})));
    assert_eq!(check("440000", NATIONAL).await, (40401, Value::Null));

    let target = "/api/v2/org/search?provinceCode=320000&keyword=%E5%85%B1%E9%9D%92%E5%9B%A2&page=2&size=1";
    let answer = world.smart("GET", target, &Value::Null).await.expect("answered");
    assert_eq!(
        (answer.code, &answer.data["total"], &answer.data["items"][0]["orgId"]),
        (0, &json!(3), &json!("7"))
    );
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_transfer_is_taken_in_once_and_withdrawn() {
    let world = world(|config| config.script = waiting()).await;
    let submit =
        async |body: &Value| world.smart("POST", "/api/v2/transfer/in", body).await.expect("answered");
    let first = submit(&smart_transfer("r-1")).await;
    assert_eq!((first.status, first.code, first.genuine), (200, 0, true));
    assert_eq!((&first.data["status"], &first.data["duplicate"]), (&json!("PENDING"), &json!(false)));
    let again = submit(&smart_transfer("r-1")).await;
    assert_eq!((again.code, &again.data["duplicate"]), (20901, &json!(true)));
    assert_eq!(again.data["transferNo"], first.data["transferNo"]);
    let mut other = smart_transfer("r-1");
    other["appliedAt"] = json!(1);
    let conflict = submit(&other).await;
    assert_eq!((conflict.status, conflict.code, conflict.data), (409, 40901, Value::Null));

    let query = world.smart("GET", "/api/v2/transfer/in/r-1", &Value::Null).await.expect("answered");
    assert_eq!((query.code, &query.data["status"]), (0, &json!("PENDING")));
    for _ in 0..2 {
        let reason = json!({"reason": "本人申请"});
        let answer =
            world.smart("POST", "/api/v2/transfer/in/r-1/withdraw", &reason).await.expect("answered");
        assert_eq!((answer.code, &answer.data["status"]), (0, &json!("WITHDRAWN")));
    }
    let unknown = world.smart("GET", "/api/v2/transfer/in/r-2", &Value::Null).await.expect("answered");
    assert_eq!((unknown.status, unknown.code), (404, 40402));

    let report = world.sandbox.report();
    let line = report.transfer("r-1").expect("seen");
    assert_eq!((line.submits, line.effective, line.blind_submits), (3, 1, 0));
    assert_eq!(report.violations, []);
}

#[tokio::test]
async fn a_reviewed_transfer_is_not_withdrawn() {
    let world = world(|config| config.script = waiting()).await;
    world.smart("POST", "/api/v2/transfer/in", &smart_transfer("r-1")).await.expect("answered");
    assert!(world.sandbox.advance("r-1", &Step::AccountCreated).await);
    assert!(world.sandbox.advance("r-1", &Step::Reject("信息有误".into())).await);
    assert!(!world.sandbox.advance("r-1", &Step::Approve).await);
    let reason = json!({"reason": "x"});
    let late = world.smart("POST", "/api/v2/transfer/in/r-1/withdraw", &reason).await.expect("answered");
    assert_eq!((late.status, late.code, late.data), (409, 40902, Value::Null));
    let query = world.smart("GET", "/api/v2/transfer/in/r-1", &Value::Null).await.expect("answered");
    assert_eq!((&query.data["status"], &query.data["reason"]), (&json!("REJECTED"), &json!("信息有误")));
    assert_eq!(query.data["account"]["username"], json!("11010519491231002X"));
}

#[tokio::test]
async fn a_refused_submit_leaves_the_key_free() {
    let world = world(|_| {}).await;
    let mut transfer = smart_transfer("r-1");
    transfer["destination"]["orgFullName"] = json!("共青团没有的委员会");
    let refused = world.smart("POST", "/api/v2/transfer/in", &transfer).await.expect("answered");
    assert_eq!((refused.status, refused.code), (400, 40401));
    let taken = world.smart("POST", "/api/v2/transfer/in", &smart_transfer("r-1")).await.expect("answered");
    assert_eq!(taken.code, 0);
    let mut elsewhere = smart_transfer("r-2");
    elsewhere["destination"]["provinceCode"] = json!("350000");
    let refused = world.smart("POST", "/api/v2/transfer/in", &elsewhere).await.expect("answered");
    assert_eq!(refused.code, 40401);
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn every_field_is_held_to_its_rule() {
    let world = world(|_| {}).await;
    for (pointer, value) in [
        ("/requestId", json!("a b")),
        ("/member/name", json!("")),
        ("/member/idNumber", json!("110105194912310021")),
        ("/member/gender", json!("1")),
        ("/member/gender", json!("3")),
        ("/member/phone", json!("12345")),
        ("/member/joinedOn", json!("2018-13")),
        ("/member/leagueNumber", json!("1")),
        ("/member/ethnicity", json!("汉")),
        ("/source/orgId", json!(7)),
        ("/destination/provinceCode", json!("32")),
        ("/initiator", json!("member")),
        ("/reasonCode", json!("11")),
        ("/reasonCode", json!("90")),
        ("/reasonDetail", json!({"stage": true})),
        ("/appliedAt", json!("20240701")),
        ("/appliedAt", json!(-1)),
        ("/member", json!(null)),
    ] {
        let mut transfer = smart_transfer("r-1");
        *transfer.pointer_mut(pointer).expect("a field") = value.clone();
        let answer = world.smart("POST", "/api/v2/transfer/in", &transfer).await.expect("answered");
        assert_eq!((answer.status, answer.code), (400, 40001), "{pointer} {value}");
    }
    let mut more = smart_transfer("r-1");
    more["member"]["nickname"] = json!("x");
    let mut less = smart_transfer("r-1");
    less.as_object_mut().expect("an object").remove("initiator");
    for transfer in [more, less, json!([])] {
        let answer = world.smart("POST", "/api/v2/transfer/in", &transfer).await.expect("answered");
        assert_eq!(answer.code, 40001);
    }
    assert_eq!(world.violations().len(), 21);
    let all = world.violations().join(" ");
    assert!(!all.contains("110105194912310021"), "violations name no values");
}

#[tokio::test]
async fn every_other_breach_is_refused() {
    let world = world(|_| {}).await;
    let body = smart_transfer("r-1").to_string().into_bytes();
    let target = "/api/v2/transfer/in";
    let minutes = SignedDuration::from_mins(1);
    let fresh = || smart_headers(world.now(), "POST", target, &body);
    let spoilt = |name: &str, value: &str| {
        let mut headers = fresh();
        headers.iter_mut().find(|(one, _)| *one == name).expect("a header").1 = value.to_owned();
        headers
    };
    for (headers, status, code) in [
        (spoilt("x-app-id", "OTHER"), 401, 40101),
        (spoilt("x-nonce", "ABC"), 401, 40101),
        (spoilt("x-timestamp", "now"), 401, 40101),
        (spoilt("x-signature", &"0".repeat(64)), 401, 40101),
        (smart_headers(world.now() - 6 * minutes, "POST", target, &body), 401, 40102),
        (smart_headers(world.now() + 6 * minutes, "POST", target, &body), 401, 40102),
        (spoilt("content-type", "text/plain"), 400, 40001),
    ] {
        let answer = world.smart_raw("POST", target, headers, &body).await.expect("answered");
        assert_eq!((answer.status, answer.code, answer.genuine), (status, code, true));
    }
    let headers = fresh();
    let first = world.smart_raw("POST", target, headers.clone(), &body).await.expect("answered");
    let replayed = world.smart_raw("POST", target, headers, &body).await.expect("answered");
    assert_eq!((first.code, replayed.status, replayed.code), (0, 401, 40101));
    for (method, target, status) in [
        ("GET", "/api/v2/nothing", 404),
        ("GET", "/api/v2/transfer/in", 404),
        ("GET", "/api/v2/transfer/in/a%20b", 400),
        ("GET", "/api/v2/transfer/in/r-1?x=1", 400),
        ("GET", "/api/v2/org/search?provinceCode=320000&keyword=a", 400),
        ("GET", "/api/v2/org/search?provinceCode=320000&keyword=aa&size=51", 400),
        ("GET", "/api/v2/org/search?provinceCode=320000&keyword=aa&sort=up", 400),
    ] {
        let answer = world.smart(method, target, &Value::Null).await.expect("answered");
        assert_eq!((answer.status, answer.code), (status, 40001), "{target}");
    }
    assert_eq!(world.violations().len(), 7 + 1 + 7);
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let world = world(|_| {}).await;
    let body = vec![b' '; (1 << 20) + 1];
    let headers = smart_headers(world.now(), "POST", "/api/v2/transfer/in", &body);
    let answer = world.smart_raw("POST", "/api/v2/transfer/in", headers, &body).await;
    // The rest of the body may still be under way when the answer comes; then the connection is reset.
    assert!(answer.is_none_or(|answer| answer.status == 413));
    assert_eq!(world.violations().len(), 1);
}
