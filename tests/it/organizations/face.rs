//! Checks and searches over HTTP, with a local directory.

use super::LISTS;
use crate::support::{SIDES, Setup, TestApp};
use jiff::SignedDuration;
use league_sandbox::{Fault, FaultKind, Faults};
use serde_json::{Value, json};

async fn check(test: &TestApp, province: &str, name: &str) -> Value {
    let body = json!({"province_code": province, "full_name": name});
    let answer = test.client.post("/v1/organizations/check", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn search(test: &TestApp, province: &str, words: &str, more: &str) -> Value {
    let words = words.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let url = format!("/v1/organizations?province_code={province}&q={words}{more}");
    let answer = test.client.get(&url).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn names(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    items.iter().filter_map(|item| item["full_name"].as_str()).collect()
}

#[tokio::test]
async fn the_systems_own_word_comes_first_and_the_directorys_suggestions_beside_it() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    let found = check(&test, "320000", "共青团南京大学委员会").await;
    assert_eq!((&found["result"], &found["source"]), (&json!("exists"), &json!("system")), "{found}");
    assert_eq!((&found["age_seconds"], &found["suggestions"]), (&json!(0), &json!([])), "{found}");
    // The directory holds it, the system does not: the system's no stands.
    let no = check(&test, "320000", "共青团南京大学医学院2024级临床医学1班团支部").await;
    assert_eq!((&no["result"], &no["source"]), (&json!("not_found"), &json!("system")), "{no}");
    let missing = check(&test, "320000", "共青团南京大学医学院二〇二四级临床医学一班支部委员会").await;
    assert_eq!(missing["result"], "not_found", "{missing}");
    let first = &missing["suggestions"][0];
    assert_eq!(
        (&first["organization_id"], &first["equivalent"]),
        (&json!("3201005"), &json!(true)),
        "{missing}"
    );
    assert!(first["differences"].as_array().is_some_and(|differences| !differences.is_empty()), "{missing}");
    let twins = check(&test, "330000", "共青团西湖区文新街道工作委员会").await;
    assert_eq!(twins["result"], "ambiguous", "{twins}");
    let ids: Vec<_> =
        twins["suggestions"].as_array().expect("two").iter().map(|one| &one["organization_id"]).collect();
    assert_eq!(ids, ["3301001", "3301002"], "{twins}");
    test.finish().await;
}

#[tokio::test]
async fn guangdong_and_fujian_check_nothing_and_suggest_all_the_same() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    for (province, typed, meant) in [
        ("440000", "共青团中山大学（深圳）委员会", "4401003"),
        ("440000", "共青团中山大学付属第一医院委员会", "4401002"),
        ("350000", "共青团夏门大学委员会", "3501001"),
    ] {
        let answer = check(&test, province, typed).await;
        assert_eq!(answer["result"], "unsupported", "{answer}");
        assert!(answer["message"].as_str().is_some_and(|text| text.contains("不可使用此功能")), "{answer}");
        assert_eq!(answer["suggestions"][0]["organization_id"], meant, "{answer}");
        // Nobody else was asked.
        assert_eq!((&answer["source"], &answer["age_seconds"]), (&json!("directory"), &json!(0)), "{answer}");
    }
    test.finish().await;
}

#[tokio::test]
async fn what_was_imported_shows_at_once_also_beside_an_answer_that_is_remembered() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    for province in ["350000", "320000"] {
        let name = format!("共青团{province}号新大学委员会");
        assert_ne!(check(&test, province, &name).await["suggestions"][0]["organization_id"], "NEW");
        test.import(&format!("{LISTS}{province},NEW,{name},university-committee\n"));
        let again = check(&test, province, &name).await;
        assert_eq!(again["suggestions"][0]["organization_id"], "NEW", "{again}");
        assert_eq!(again["suggestions_as_of"], "2026-07-01T01:30:00Z", "{again}");
    }
    test.finish().await;
}

#[tokio::test]
async fn while_a_system_is_silent_the_directorys_yes_is_told_and_its_no_is_not() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    test.app.clock.advance(SignedDuration::from_hours(30));
    let silent = Fault { operation: None, times: None, ..SIDES[0].fault(FaultKind::Status500, 0) };
    test.sandbox.set_faults(Faults { seed: 0, faults: vec![silent] });
    let yes = check(&test, "320000", "中国共产主义青年团南京大学委员会").await;
    assert_eq!((&yes["result"], &yes["source"]), (&json!("exists"), &json!("directory")), "{yes}");
    assert_eq!(
        (&yes["organization_id"], &yes["age_seconds"]),
        (&json!("3201001"), &json!(30 * 3600)),
        "{yes}"
    );
    for typed in ["共青团南京大学医学院总支部委员会", "共青团西湖区文新街道工作委员会"]
    {
        let province = if typed.contains("西湖") { "330000" } else { "320000" };
        let unknown = check(&test, province, typed).await;
        assert_eq!(unknown["result"], "unavailable", "{unknown}");
        assert!(unknown["message"].as_str().is_some_and(|text| !text.contains("未查询到")), "{unknown}");
        assert!(unknown["suggestions"].as_array().is_some_and(|found| !found.is_empty()), "{unknown}");
    }
    // It was not kept as the system's own word.
    test.sandbox.set_faults(Faults::default());
    assert_eq!(check(&test, "320000", "共青团南京大学委员会").await["source"], "system");
    test.finish().await;
}

#[tokio::test]
async fn a_name_of_another_province_is_suggested_with_its_province() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    let answer = check(&test, "320000", "共青团厦门大学委员会").await;
    assert_eq!(answer["result"], "not_found", "{answer}");
    let suggestions = answer["suggestions"].as_array().expect("a list");
    let there = suggestions.iter().find(|one| one["province_code"] == "350000").expect("Fujian's");
    assert_eq!(there["organization_id"], "3501001", "{answer}");
    test.finish().await;
}

#[tokio::test]
async fn the_directory_is_searched_page_by_page_and_the_system_where_it_holds_nothing() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    let page = search(&test, "440000", "大学 中山", "").await;
    assert_eq!(
        (&page["total"], &page["source"], &page["next_offset"]),
        (&json!(3), &json!("directory"), &Value::Null)
    );
    let mut walked: Vec<String> = Vec::new();
    let mut offset = json!(0);
    while let Some(at) = offset.as_u64() {
        let page = search(&test, "440000", "中山", &format!("&limit=2&offset={at}")).await;
        assert_eq!(page["total"], 3, "{page}");
        walked.extend(names(&page).into_iter().map(str::to_owned));
        offset = page["next_offset"].clone();
    }
    let mut all: Vec<String> =
        names(&search(&test, "440000", "中山", "").await).into_iter().map(str::to_owned).collect();
    assert_eq!(walked, all, "pages are the list in pieces");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 3);
    assert_eq!(names(&search(&test, "440000", "zsdxfsdyyy", "").await), ["共青团中山大学附属第一医院委员会"]);
    assert_eq!(search(&test, "440000", "不存在", "").await["total"], 0);
    // Zhejiang's list is known, Hubei's is not: its system answers.
    assert_eq!(search(&test, "330000", "文", "").await["total"], 2);
    assert_eq!(search(&test, "420000", "武汉", "").await["source"], "system");
    test.finish().await;
}

#[tokio::test]
async fn a_system_is_searched_page_by_page_too() {
    let test = Setup::by_hand().start().await;
    let mut walked = Vec::new();
    let mut offset = json!(0);
    while let Some(at) = offset.as_u64() {
        let page = search(&test, "320000", "南京", &format!("&limit=2&offset={at}")).await;
        assert_eq!((&page["total"], &page["source"]), (&json!(3), &json!("system")), "{page}");
        walked.extend(names(&page).into_iter().map(str::to_owned));
        offset = page["next_offset"].clone();
    }
    walked.sort();
    walked.dedup();
    assert_eq!(walked.len(), 3, "{walked:?}");
    // From the middle of a page.
    assert_eq!(names(&search(&test, "320000", "南京", "&limit=2&offset=1").await).len(), 1);
    test.finish().await;
}
