//! Taking a transfer in: every refusal, with code, field, and a sentence in both languages.

use crate::support::{SIDES, Setup, TestApp};
use serde_json::{Value, json};

/// Refusals as `code field` in the order in which they are told.
fn told(problem: &Value) -> Vec<String> {
    let line = |one: &Value| {
        format!("{} {}", one["code"].as_str().unwrap_or_default(), one["field"].as_str().unwrap_or_default())
    };
    match problem["problems"].as_array() {
        Some(all) => all.iter().map(line).collect(),
        None => vec![line(problem)],
    }
}

fn set(document: &mut Value, path: &str, value: Value) {
    let pointer = format!("/{}", path.replace('.', "/"));
    if let Some(slot) = document.pointer_mut(&pointer) {
        *slot = value;
    } else {
        let (parent, key) = pointer.rsplit_once('/').expect("a path");
        document.pointer_mut(parent).expect("its object")[key] = value;
    }
}

async fn refused(test: &TestApp, changes: &[(&str, Value)]) -> Value {
    let mut document = SIDES[0].document("BAD", 1);
    for (path, value) in changes {
        set(&mut document, path, value.clone());
    }
    let answer = test.client.post("/v1/transfers", &document).await;
    let problem = answer.json();
    let status = u16::try_from(problem["status"].as_u64().unwrap_or_default()).expect("a status");
    assert!(matches!(status, 400 | 409 | 422), "{changes:?}: {problem}");
    answer.problem(status, problem["code"].as_str().unwrap_or_default())
}

/// Code, field, the value at fault, and words of the two sentences.
type Case = (&'static str, &'static str, Value, &'static str, &'static str);

fn places_and_people() -> Vec<Case> {
    vec![
        ("unknown_province", "destination.province_code", json!("999999"), "省级单位", "province"),
        ("unknown_province", "destination.province_code", json!("江 苏"), "省级单位", "province"),
        (
            "internal_transfer",
            "destination.province_code",
            json!("110000"),
            "应使用系统内部转移",
            "internal transfer",
        ),
        ("no_route", "destination.province_code", json!("710000"), "没有可接收转接的团组织系统", "no system"),
        ("id_number_invalid", "member.id_number", json!("1101051949123100"), "18 位", "18 characters"),
        ("id_number_invalid", "member.id_number", json!("11010519490231002X"), "出生日期", "birth date"),
        ("id_number_invalid", "member.id_number", json!("110105194912310021"), "校验码", "check character"),
        ("id_number_invalid", "member.id_number", json!("66010519491231002X"), "地址码", "address code"),
        ("id_number_invalid", "member.id_number", json!("1101051949A231002X"), "17 位数字", "17 digits"),
        ("id_document_not_supported", "member.id_number", json!("110105491231002"), "15 位", "15-digit"),
        ("id_document_not_supported", "member.id_number", json!("E12345678"), "其他证件", "other documents"),
        ("field_invalid", "member.phone", json!("1380013800"), "11 位", "11 digits"),
        ("field_invalid", "member.phone", json!("23800138000"), "11 位", "11 digits"),
        ("field_invalid", "member.phone", json!(13_800_138_000_u64), "字符串", "a string"),
        ("field_invalid", "member.name", json!(""), "1 至 50", "1 to 50"),
        ("field_invalid", "member.name", json!("某".repeat(51)), "1 至 50", "1 to 50"),
        ("field_invalid", "member.name", json!("张\u{0}三"), "可见字符", "visible"),
        ("field_invalid", "member.joined_on", json!("2018-13"), "YYYY-MM", "YYYY-MM"),
        ("field_invalid", "member.joined_on", json!("1921-12"), "1922", "1922"),
        ("field_invalid", "member.joined_on", json!("2026-08"), "不晚于本月", "not in the future"),
        (
            "league_number_invalid",
            "member.league_number",
            json!("201611000001"),
            "发展团员编号",
            "year of joining",
        ),
        ("league_number_invalid", "member.league_number", json!("20181100000"), "12 位", "12 digits"),
        ("league_number_invalid", "member.league_number", json!(null), "2017 年", "from 2017"),
        ("field_invalid", "member.ethnicity", json!("汉"), "民族代码", "two digits"),
    ]
}

fn the_rest() -> Vec<Case> {
    let long = "团".repeat(201);
    vec![
        ("field_invalid", "initiator", json!("system"), "member 或 branch", "member or branch"),
        ("field_invalid", "request_id", json!("BJ 2024"), "64", "64"),
        ("field_invalid", "request_id", json!("A".repeat(65)), "64", "64"),
        ("field_invalid", "source.full_name", json!(""), "2 至 200", "2 to 200"),
        ("field_invalid", "source.organization_id", json!(null), "缺少", "required"),
        ("field_invalid", "destination.full_name", json!(""), "2 至 200", "2 to 200"),
        ("field_invalid", "destination.full_name", json!(long), "2 至 200", "2 to 200"),
        ("field_invalid", "destination.full_name", json!("\u{3000}  "), "2 至 200", "2 to 200"),
        ("field_invalid", "destination.full_name", json!("\u{200B}\u{FEFF}\u{200B}"), "为空", "blank"),
        ("branch_only_offline", "reason", json!("enlistment"), "线下", "offline"),
        ("branch_only_offline", "reason", json!("classified_unit"), "线下", "offline"),
        ("field_invalid", "reason", json!("holiday"), "education", "education"),
        ("detail_missing", "details.stage", json!(null), "须填写此项", "asks for it"),
        ("detail_missing", "details.school_name", json!("  "), "须填写此项", "asks for it"),
        ("field_invalid", "details.stage", json!("kindergarten"), "以下之一", "one of"),
        ("field_invalid", "details.school_address", json!("路".repeat(201)), "200", "200"),
        ("field_invalid", "details.hobby", json!("象棋"), "未知字段", "unknown field"),
        ("field_invalid", "applied_at", json!("2024-07-01T09:30:00"), "带时区", "offset"),
        ("field_invalid", "applied_at", json!("yesterday"), "带时区", "offset"),
        ("field_invalid", "member.nick", json!("小张"), "未知字段", "unknown field"),
        ("field_invalid", "colour", json!("red"), "未知字段", "unknown field"),
        ("field_invalid", "member", json!("张三"), "对象", "object"),
        ("field_invalid", "destination", json!(null), "缺少", "required"),
    ]
}

#[tokio::test]
async fn one_fault_one_refusal() {
    let test = Setup::by_hand().start().await;
    for (code, field, value, zh, en) in places_and_people().into_iter().chain(the_rest()) {
        let problem = refused(&test, &[(field, value.clone())]).await;
        assert_eq!(told(&problem), [format!("{code} {field}")], "{field} = {value}: {problem}");
        assert_eq!(problem["status"], 422, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(zh)), "{zh}: {problem}");
        assert!(problem["detail_en"].as_str().is_some_and(|text| text.contains(en)), "{en}: {problem}");
    }
    assert_eq!(test.count("transfers").await, 0);
    assert_eq!(test.count("events").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn each_reason_asks_for_its_details() {
    let test = Setup::by_hand().start().await;
    let cases = [
        ("employment", vec!["employer_name", "employer_address", "employer_has_organization"]),
        ("work_transfer", vec!["employer_name", "employer_address"]),
        ("abroad", vec!["country", "purpose", "until", "contact_name", "contact_phone"]),
        ("residence", vec!["address", "basis"]),
        ("other", vec!["text"]),
    ];
    for (reason, keys) in cases {
        let problem = refused(&test, &[("reason", json!(reason)), ("details", json!({}))]).await;
        let expected: Vec<String> = keys.iter().map(|key| format!("detail_missing details.{key}")).collect();
        assert_eq!(told(&problem), expected, "{problem}");
    }
    let problem = refused(&test, &[("reason", json!("other")), ("details", json!({"text": "太短"}))]).await;
    assert_eq!(told(&problem), ["field_invalid details.text"]);
    test.finish().await;
}

#[tokio::test]
async fn all_problems_at_once() {
    let test = Setup::by_hand().start().await;
    let problem = refused(
        &test,
        &[
            ("request_id", json!("?")),
            ("initiator", json!(1)),
            ("member.name", json!(null)),
            ("member.id_number", json!("110105194912310021")),
            ("member.phone", json!("1")),
            ("source.full_name", json!("x")),
            ("destination.province_code", json!("110000")),
            ("destination.full_name", json!("")),
            ("details.stage", json!("x")),
            ("applied_at", json!(5)),
            ("extra", json!(5)),
        ],
    )
    .await;
    let mut told = told(&problem);
    told.sort();
    assert_eq!(
        told,
        [
            "field_invalid applied_at",
            "field_invalid destination.full_name",
            "field_invalid details.stage",
            "field_invalid extra",
            "field_invalid initiator",
            "field_invalid member.name",
            "field_invalid member.phone",
            "field_invalid request_id",
            "field_invalid source.full_name",
            "id_number_invalid member.id_number",
            "internal_transfer destination.province_code",
        ]
    );
    for one in problem["problems"].as_array().expect("all of them") {
        assert!(one["detail"].is_string() && one["detail_en"].is_string(), "{one}");
    }
    test.finish().await;
}

#[tokio::test]
async fn an_age_that_nobody_has_is_refused() {
    let test = Setup::by_hand().start().await;
    // Valid numbers of people born in 1880 and in 2020.
    for born in ["18800101", "20200101"] {
        let body = format!("440524{born}001");
        let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        let sum: u32 =
            body.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        let number = format!("{body}{}", char::from(b"10X98765432"[sum as usize % 11]));
        let problem = refused(&test, &[("member.id_number", json!(number))]).await;
        assert!(told(&problem).contains(&"id_number_invalid member.id_number".to_owned()), "{problem}");
    }
    test.finish().await;
}

#[tokio::test]
async fn an_application_of_tomorrow_is_refused() {
    let test = Setup::by_hand().start().await;
    let problem = refused(&test, &[("applied_at", json!("2026-07-03T09:30:00+08:00"))]).await;
    assert_eq!(told(&problem), ["field_invalid applied_at"]);
    test.finish().await;
}

#[tokio::test]
async fn a_system_that_is_not_configured_takes_nothing() {
    let test = Setup::by_hand().config("[systems.smart_league]\nenabled = false\n").start().await;
    let answer = test.client.post("/v1/transfers", &SIDES[0].document("NONE", 1)).await;
    let problem = answer.problem(422, "no_route");
    assert_eq!(problem["field"], "destination.province_code");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("尚未接通")));
    // It comes with everything else that is wrong.
    let mut bad = SIDES[0].document("NONE", 1);
    bad["destination"]["full_name"] = json!("\u{200B}\u{200B}");
    bad["member"]["phone"] = json!("1");
    let problem = test.client.post("/v1/transfers", &bad).await.json();
    let mut told = told(&problem);
    told.sort();
    assert_eq!(
        told,
        [
            "field_invalid destination.full_name",
            "field_invalid member.phone",
            "no_route destination.province_code"
        ]
    );
    test.finish().await;
}

#[tokio::test]
async fn the_same_again_and_another_under_the_same_key() {
    let test = Setup::by_hand().start().await;
    let document = SIDES[0].document("KEY", 1);
    let first = test.client.post("/v1/transfers", &document).await;
    assert_eq!((first.status, first.header("location")), (201, "/v1/transfers/KEY"));
    let again = test.client.post("/v1/transfers", &document).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json(), first.json());
    // The same content in another form: the province by name, the ID number in full width.
    let mut spelled = document.clone();
    spelled["destination"]["province_code"] = json!("江苏");
    spelled["applied_at"] = json!("2024-07-01T01:30:00Z");
    assert_eq!(test.client.post("/v1/transfers", &spelled).await.status, 200);
    let mut other = document.clone();
    other["member"]["phone"] = json!("13700000000");
    let problem = test.client.post("/v1/transfers", &other).await.problem(409, "request_id_conflict");
    assert_eq!(problem["field"], "request_id");
    assert_eq!(test.get("KEY").await, first.json(), "nothing was changed");
    // After its end it is still the same.
    test.run_until_idle().await;
    let again = test.client.post("/v1/transfers", &document).await;
    assert_eq!((again.status, again.json()["state"].as_str()), (200, Some("completed")));
    assert_eq!(test.count("transfers").await, 1);
    test.finish().await;
}

#[tokio::test]
async fn one_open_transfer_per_person() {
    let test = Setup::by_hand().start().await;
    test.submit(&SIDES[0].document("ONE", 1)).await;
    let answer = test.client.post("/v1/transfers", &SIDES[1].document("TWO", 1)).await;
    let problem = answer.problem(409, "open_transfer_exists");
    assert_eq!(problem["field"], "member.id_number");
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("ONE") && text.contains("待发送")),
        "{problem}"
    );
    test.run_until_idle().await;
    assert_eq!(test.get("ONE").await["state"], "completed");
    test.submit(&SIDES[1].document("TWO", 1)).await;
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn many_at_once_for_one_person_make_one() {
    let test = Setup::daemon().start().await;
    let posts =
        (0..8).map(|n| {
            let client = test.client.clone();
            async move {
                client.post("/v1/transfers", &SIDES[n % 3].document(&format!("RACE-{n}"), 5)).await.status
            }
        });
    let mut statuses = futures_util::future::join_all(posts).await;
    statuses.sort_unstable();
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count()
            + statuses.iter().filter(|status| **status == 409).count(),
        8
    );
    assert!(statuses.contains(&201));
    let same = (0..8).map(|_| {
        let client = test.client.clone();
        async move { client.post("/v1/transfers", &SIDES[0].document("SAME", 6)).await.status }
    });
    let mut statuses = futures_util::future::join_all(same).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    test.wait_for_state("SAME", "completed").await;
    let report = test.finish().await;
    assert!(report.transfers.iter().all(|line| line.effective == 1));
}
