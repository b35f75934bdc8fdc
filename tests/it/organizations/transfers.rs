//! What the local directory does for transfers: the name as it is written there, suggestions, warnings.

use super::LISTS;
use crate::support::{SIDES, Setup, TestApp, document};
use league_sandbox::{Fault, FaultKind, Faults, Operation};
use serde_json::{Value, json};

#[tokio::test]
async fn a_transfer_to_nowhere_comes_back_with_what_was_meant() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    // Where the system checks names, and where the submit finds out.
    for (n, province, typed, meant) in [
        (1, "320000", "共青团南京大学医学院2024级临床医学3班团支部", "共青团南京大学医学院2024级临床医学"),
        (2, "440000", "共青团中山大学付属第一医院委员会", "共青团中山大学附属第一医院委员会"),
        (3, "350000", "共青团夏门大学委员会", "共青团厦门大学委员会"),
    ] {
        let id = format!("NEAR-{n}");
        test.submit(&document(&id, n, province, typed)).await;
        test.run_until_idle().await;
        let shown = test.get(&id).await;
        assert_eq!(
            (&shown["state"], &shown["last_error"]["code"]),
            (&json!("returned"), &json!("org_not_found")),
            "{shown}"
        );
        let first = &shown["last_error"]["suggestions"][0];
        assert!(first["full_name"].as_str().is_some_and(|name| name.starts_with(meant)), "{shown}");
        assert!(first["differences"].as_array().is_some_and(|marks| !marks.is_empty()), "{shown}");
    }
    test.finish().await;
}

#[tokio::test]
async fn what_is_sent_is_what_the_directory_calls_it() {
    let test = Setup::by_hand().start().await;
    // As the partners write them, who compare character by character.
    test.import("440000,4401001,共青团中山大学委员会,university-committee\n350000,3501001,共青团厦门大学委员会,university-committee\n");
    for (n, province, typed) in
        [(1, "440000", "中国共产主义青年团中山大学委员会"), (2, "350000", "共青团厦門大學 委员会")]
    {
        let id = format!("SPELLED-{n}");
        test.submit(&document(&id, n, province, typed)).await;
        test.run_until_idle().await;
        let shown = test.get(&id).await;
        assert_eq!(shown["state"], "completed", "{shown}");
        assert_eq!(shown["destination"]["full_name"], typed, "it is shown as it was typed");
        assert_eq!(shown["warnings"], json!([]), "{shown}");
    }
    test.finish().await;
}

#[tokio::test]
async fn where_the_system_checks_names_the_directorys_spelling_is_asked_for_too() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    for (n, typed) in ["中国共产主义青年团南京大学委员会", "共青团南京大学　委员会", "共青团南京大學委员会"]
        .into_iter()
        .enumerate()
    {
        let id = format!("SPELLED-{n}");
        test.submit(&document(&id, n, "320000", typed)).await;
        test.run_until_idle().await;
        let shown = test.get(&id).await;
        assert_eq!(shown["state"], "completed", "{shown}");
        assert_eq!(shown["destination"]["sent_name"], "共青团南京大学委员会", "{shown}");
        let exchanges = test.exchanges(&id).await;
        assert_eq!(
            exchanges[..3],
            ["check_organization:answered", "check_organization:answered", "submit:answered"]
        );
    }
    test.finish().await;
}

#[tokio::test]
async fn while_the_check_is_silent_the_name_goes_out_as_it_was_typed() {
    let silent = Fault {
        operation: Some(Operation::CheckOrganization),
        times: None,
        ..SIDES[0].fault(FaultKind::Status500, 0)
    };
    let test = Setup::by_hand().faults(vec![silent]).start().await;
    // The directory is wrong about how the system writes it.
    test.import("320000,STALE,中国共产主义青年团南京大学委员会,university-committee\n");
    test.submit(&document("SILENT", 1, "320000", "共青团南京大学委员会")).await;
    test.run_until_idle().await;
    let shown = test.get("SILENT").await;
    assert_eq!(shown["state"], "completed", "{shown}");
    assert_ne!(shown["destination"]["organization_id"], "STALE", "{shown}");
    test.finish().await;
}

#[tokio::test]
async fn a_name_that_was_mended_goes_out_as_it_was_mended() {
    let test = Setup::by_hand().start().await;
    // The directory is wrong about how the system writes it.
    test.import("440000,STALE,中国共产主义青年团中山大学委员会,university-committee\n");
    let right = "共青团中山大学委员会";
    test.submit(&document("MENDED", 1, "440000", right)).await;
    test.run_until_idle().await;
    let shown = test.get("MENDED").await;
    assert_eq!(
        (&shown["state"], &shown["last_error"]["code"]),
        (&json!("returned"), &json!("org_not_found")),
        "{shown}"
    );
    // Whoever looks sees what went out.
    assert_eq!(shown["destination"]["sent_name"], "中国共产主义青年团中山大学委员会", "{shown}");
    let amended =
        test.client.post("/v1/transfers/MENDED/amend", &json!({"destination": {"full_name": right}})).await;
    assert_eq!(amended.status, 200, "{}", amended.text());
    test.run_until_idle().await;
    let shown = test.get("MENDED").await;
    assert_eq!(
        (&shown["state"], &shown["destination"]["sent_name"]),
        (&json!("completed"), &Value::Null),
        "{shown}"
    );
    test.finish().await;
}

#[tokio::test]
async fn a_mended_name_is_not_forgotten_while_the_system_is_away_and_other_mends_leave_the_name() {
    // Nobody listens there.
    let away = "[systems.guangdong]\nbase_url = \"http://127.0.0.1:9\"\n";
    let test = Setup::by_hand().start().await;
    test.import("440000,STALE,中国共产主义青年团中山大学委员会,university-committee\n440000,OK,共青团中山大学附属第一医院委员会,public-committee\n");
    test.submit(&document("MENDED", 1, "440000", "共青团中山大学委员会")).await;
    // Written loosely, and returned for another reason than its name.
    let refused = SIDES[1].fault(FaultKind::DataRefused, 1);
    test.deliver().await;
    test.sandbox.set_faults(Faults { seed: 1, faults: vec![refused] });
    test.submit(&document("LOOSE", 2, "440000", "共青团中山大学附属第一医院 委员会")).await;
    test.run_until_idle().await;
    for id in ["MENDED", "LOOSE"] {
        assert_eq!(test.get(id).await["state"], "returned");
    }
    let amend = async |test: &TestApp, id: &str, changes: Value| {
        let answer = test.client.post(&format!("/v1/transfers/{id}/amend"), &changes).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    amend(&test, "LOOSE", json!({"member": {"phone": "13900139000"}})).await;
    test.run_until_idle().await;
    let shown = test.get("LOOSE").await;
    assert_eq!(
        (&shown["state"], &shown["destination"]["sent_name"]),
        (&json!("completed"), &json!("共青团中山大学附属第一医院委员会")),
        "{shown}"
    );
    let test = test.restart(away).await;
    test.app.organizations.directory.look();
    amend(&test, "MENDED", json!({"destination": {"full_name": "共青团中山大学委员会"}})).await;
    test.deliver().await;
    assert_eq!(test.exchanges("MENDED").await.last().map(String::as_str), Some("submit:not_sent"));
    let test = test.restart("").await;
    test.app.organizations.directory.look();
    test.later(3600).await;
    let shown = test.get("MENDED").await;
    assert_eq!(
        (&shown["state"], &shown["destination"]["sent_name"]),
        (&json!("completed"), &Value::Null),
        "{shown}"
    );
    test.finish().await;
}

#[tokio::test]
async fn a_name_that_was_sent_once_is_sent_again_as_it_was() {
    let test = Setup::by_hand().faults(vec![SIDES[1].fault(FaultKind::Maintenance, 1)]).start().await;
    test.import(LISTS);
    test.submit(&document("TWICE", 1, "440000", "共青团中山大学 委员会")).await;
    test.deliver().await;
    assert_eq!(test.get("TWICE").await["state"], "queued");
    // Meanwhile the directory has come to write it otherwise.
    test.import("440000,4401001,中国共产主义青年团中山大学委员会,university-committee\n");
    test.later(3600).await;
    let shown = test.get("TWICE").await;
    assert_eq!(shown["state"], "completed", "{shown}");
    assert_eq!(shown["destination"]["sent_name"], "共青团中山大学委员会", "{shown}");
    test.finish().await;
}

#[tokio::test]
async fn a_name_that_nobody_checks_is_warned_of_and_sent() {
    let test = Setup::by_hand().start().await;
    test.import("440000,4401009,共青团暨南大学委员会,university-committee\n");
    test.submit(&document("STALE", 1, "440000", "共青团中山大学委员会")).await;
    let warned = test.get("STALE").await;
    assert!(
        warned["warnings"][0]["zh"].as_str().is_some_and(|text| text.contains("本地组织名录中没有此全称")),
        "{warned}"
    );
    test.run_until_idle().await;
    // The directory may be old: the system decides.
    assert_eq!(test.get("STALE").await["state"], "completed");
    // Two of one name are never taken for one.
    test.import("350000,1,共青团厦门大学委员会,a-committee\n350000,2,共青团厦门大学委员会,a-committee\n");
    test.submit(&document("TWINS", 2, "350000", "共青团厦门大学委员会")).await;
    let warned = test.get("TWINS").await;
    assert!(warned["warnings"][0]["zh"].as_str().is_some_and(|text| text.contains("多个组织")), "{warned}");
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn another_provinces_name_is_warned_of_by_its_prefecture_too() {
    let test = Setup::by_hand().start().await;
    for (n, name, warned) in [
        (1, "共青团浙江大学委员会", true),
        (2, "共青团福建省厦门市思明区委员会", true),
        (3, "共青团厦门市思明区委员会", true),
        (4, "共青团南京大学委员会", false),
        (5, "共青团苏州市姑苏区委员会", false),
    ] {
        let id = format!("PLACE-{n}");
        test.submit(&document(&id, n, "320000", name)).await;
        let shown = test.get(&id).await;
        assert_eq!(shown["warnings"].as_array().map(Vec::len), Some(usize::from(warned)), "{shown}");
    }
    test.run_until_idle().await;
    test.finish().await;
}
