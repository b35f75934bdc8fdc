//! Each system, each ending.

use crate::support::{SIDES, Setup, document};
use league_sandbox::{FaultKind, Manner, Rule, Status, Step};
use serde_json::json;

fn rule(request_id: &str, steps: Vec<Step>, callbacks: Vec<Manner>) -> Rule {
    Rule { request_id: Some(request_id.to_owned()), steps, callbacks, ..Rule::default() }
}

#[tokio::test]
async fn completed_with_the_daemon_and_its_tasks() {
    let test = Setup::daemon().start().await;
    for (n, side) in SIDES.iter().enumerate() {
        test.submit(&side.document(side.system, n)).await;
    }
    for side in &SIDES {
        let shown = test.wait_for_state(side.system, "completed").await;
        assert_eq!(shown["attempts"], 1, "{shown}");
        assert_eq!(shown["last_error"], json!(null));
        assert_eq!(shown["guidance"]["zh"], "转接已完成。");
        assert!(
            shown["receipt_no"].is_string() && shown["milestones"]["completed_at"].is_string(),
            "{shown}"
        );
        let milestone = if side.system == "smart_league" { "approved_at" } else { "checked_in_at" };
        assert!(shown["milestones"][milestone].is_string(), "{shown}");
    }
    let report = test.finish().await;
    assert_eq!(report.transfers.len(), 3);
    assert!(report.transfers.iter().all(|line| line.submits == 1 && line.effective == 1));
}

#[tokio::test]
async fn completed_step_by_step() {
    let test =
        Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await;
    for (n, side) in SIDES.iter().enumerate() {
        let id = side.system;
        test.submit(&side.document(id, n)).await;
        assert_eq!(test.get(id).await["state"], "queued");
        test.run_until_idle().await;
        let shown = test.get(id).await;
        assert_eq!(shown["state"], side.waits, "{shown}");
        assert!(shown["milestones"]["submitted_at"].is_string(), "{shown}");
        assert!(test.sandbox.advance(id, &side.completes).await);
        test.run_until_idle().await;
        assert_eq!(test.get(id).await["state"], "completed");
        let expected = ["queued", "sending", side.waits, "completed"];
        assert_eq!(test.states(id).await, expected, "{id}");
    }
    let awaiting = test.timeline("guangdong").await;
    assert!(awaiting.iter().any(|line| line.event.cause == "callback"));
    assert!(test.timeline("fujian").await.iter().any(|line| line.event.cause == "feed"));
    test.finish().await;
}

#[tokio::test]
async fn a_check_in_has_a_day_and_a_sentence() {
    let test =
        Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await;
    for (n, side) in SIDES.iter().enumerate().skip(1) {
        test.submit(&side.document(side.system, n)).await;
        test.run_until_idle().await;
        let shown = test.get(side.system).await;
        assert_eq!(shown["milestones"]["check_in_by"], "2026-07-31T01:30:00Z", "{shown}");
        assert_eq!(shown["guidance"]["zh"], "请于 2026-07-31 前到接收团组织报到，逾期将被退回。");
        assert!(shown["guidance"]["en"].as_str().is_some_and(|text| text.contains("by 2026-07-31")));
    }
    test.finish().await;
}

#[tokio::test]
async fn with_an_account_before_or_after_the_approval() {
    let rules = vec![
        rule("BEFORE", vec![Step::AccountCreated, Step::Approve], vec![]),
        rule("AFTER", vec![Step::Approve, Step::AccountCreated], vec![]),
        rule("TURNED", vec![Step::Approve, Step::AccountCreated], vec![Manner::Reorder, Manner::Duplicate]),
    ];
    let test = Setup::by_hand().rules(rules).start().await;
    for (n, id) in ["BEFORE", "AFTER", "TURNED"].into_iter().enumerate() {
        test.submit(&SIDES[0].document(id, n)).await;
        test.run_until_idle().await;
        let shown = test.get(id).await;
        assert_eq!(shown["state"], "completed", "{shown}");
        assert!(shown["milestones"]["account_created_at"].is_string(), "{shown}");
        assert!(shown["milestones"]["approved_at"].is_string(), "{shown}");
        let guidance = shown["guidance"]["zh"].as_str().expect("a sentence");
        assert!(guidance.contains("用户名为本人身份证号码") && guidance.contains("后八位"), "{guidance}");
        let told = test.timeline(id).await.into_iter().filter_map(|line| line.event.milestone);
        let told: Vec<_> = told.filter(|milestone| milestone == "account_created").collect();
        assert_eq!(told.len(), 1, "told once");
    }
    test.finish().await;
}

#[tokio::test]
async fn rejected_with_the_partners_words() {
    let steps = vec![Step::Reject("该团员组织关系不在我处".into())];
    let test = Setup::by_hand().rules(vec![Rule { steps, ..Rule::default() }]).start().await;
    for (n, side) in SIDES.iter().enumerate() {
        test.submit(&side.document(side.system, n)).await;
        test.run_until_idle().await;
        let shown = test.get(side.system).await;
        assert_eq!(shown["state"], "rejected", "{shown}");
        assert_eq!(shown["last_error"]["code"], "rejected");
        assert_eq!(shown["last_error"]["detail"], "接收团组织未通过: 该团员组织关系不在我处");
        assert!(shown["guidance"]["zh"].is_string());
    }
    test.finish().await;
}

#[tokio::test]
async fn lapsed() {
    let test =
        Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await;
    for (n, side) in SIDES.iter().enumerate() {
        test.submit(&side.document(side.system, n)).await;
        test.run_until_idle().await;
        assert!(test.sandbox.advance(side.system, &side.lapses).await);
        test.run_until_idle().await;
        let shown = test.get(side.system).await;
        assert_eq!(shown["state"], "overdue", "{shown}");
        assert_eq!(shown["last_error"]["code"], "overdue");
    }
    test.finish().await;
}

#[tokio::test]
async fn an_unknown_organization_is_returned_before_any_submit_where_it_can_be_checked() {
    let test = Setup::by_hand().start().await;
    test.submit(&document("NEAR", 1, "320000", "共青团南京大学医学院总支部委员会")).await;
    test.submit(&document("TWINS", 2, "330000", "共青团西湖区文新街道工作委员会")).await;
    test.run_until_idle().await;
    let shown = test.get("NEAR").await;
    assert_eq!(shown["state"], "returned", "{shown}");
    assert_eq!(shown["last_error"]["code"], "org_not_found");
    assert!(shown["last_error"]["detail"].as_str().is_some_and(|text| text.starts_with("未查询到该组织")));
    assert_eq!(shown["last_error"]["suggestions"][0]["full_name"], "共青团南京大学医学院委员会", "{shown}");
    assert_eq!(shown["last_error"]["suggestions"][0]["organization_id"], "3201002");
    let shown = test.get("TWINS").await;
    assert_eq!(shown["state"], "returned", "{shown}");
    assert_eq!(shown["last_error"]["code"], "org_ambiguous");
    for id in ["NEAR", "TWINS"] {
        assert_eq!(test.exchanges(id).await, ["check_organization:answered"], "{id}");
        assert!(test.at_partner(id).is_none(), "{id} was never submitted");
    }
    test.finish().await;
}

#[tokio::test]
async fn an_unknown_organization_is_returned_by_the_systems_without_a_check() {
    let test = Setup::by_hand().start().await;
    for (n, side) in SIDES.iter().enumerate().skip(1) {
        let near = side.organization.replace("委员会", "总支部委员会");
        test.submit(&document(side.system, n, side.province, &near)).await;
        test.run_until_idle().await;
        let shown = test.get(side.system).await;
        assert_eq!(shown["state"], "returned", "{shown}");
        assert!(
            shown["last_error"]["detail"].as_str().is_some_and(|text| text.contains("未查询到该组织")),
            "{shown}"
        );
        assert_eq!(shown["last_error"]["code"], "org_not_found");
        assert_eq!(shown["last_error"]["suggestions"][0]["full_name"], side.organization, "{shown}");
        let line = test.at_partner(side.system).expect("it was submitted");
        assert_eq!((line.submits, line.effective), (1, 0));
        // Mended, it goes through under the same key.
        let amended = json!({"destination": {"full_name": side.organization}});
        assert_eq!(
            test.client.post(&format!("/v1/transfers/{}/amend", side.system), &amended).await.status,
            200
        );
        test.run_until_idle().await;
        assert_eq!(test.get(side.system).await["state"], "completed");
    }
    test.finish().await;
}

#[tokio::test]
async fn refused_data_is_returned_and_mended() {
    let faults = SIDES.iter().map(|side| side.fault(FaultKind::DataRefused, 1)).collect();
    let test = Setup::by_hand().faults(faults).start().await;
    for (n, side) in SIDES.iter().enumerate() {
        let id = side.system;
        test.submit(&side.document(id, n)).await;
        test.run_until_idle().await;
        let shown = test.get(id).await;
        assert_eq!(shown["state"], "returned", "{shown}");
        assert!(shown["last_error"]["detail"].as_str().is_some_and(|text| text.len() > 5), "{shown}");
        assert_eq!(shown["next_attempt_at"], json!(null));
        let amended = json!({"member": {"phone": "13700000000"}});
        let answer = test.client.post(&format!("/v1/transfers/{id}/amend"), &amended).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["state"], "queued");
        assert_eq!(answer.json()["member"]["phone"], "137********");
        test.run_until_idle().await;
        assert_eq!(test.get(id).await["state"], "completed");
        let line = test.at_partner(id).expect("it was submitted");
        assert_eq!((line.submits, line.effective), (2, 1));
    }
    test.finish().await;
}

#[tokio::test]
async fn withdrawn_after_the_submit() {
    let test =
        Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await;
    for (n, side) in SIDES.iter().enumerate() {
        let id = side.system;
        test.submit(&side.document(id, n)).await;
        test.run_until_idle().await;
        let answer =
            test.client.post(&format!("/v1/transfers/{id}/withdraw"), &json!({"reason": "改变计划"})).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert_eq!(answer.json()["withdrawal_pending"], true);
        test.run_until_idle().await;
        let shown = test.get(id).await;
        assert_eq!(shown["state"], "withdrawn", "{shown}");
        assert_eq!(shown["withdrawal_pending"], false);
        assert_eq!(test.at_partner(id).and_then(|line| line.status), Some(Status::Withdrawn));
    }
    test.finish().await;
}

#[tokio::test]
async fn too_late_to_withdraw() {
    let test =
        Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await;
    for (n, side) in SIDES.iter().enumerate() {
        let id = side.system;
        test.submit(&side.document(id, n)).await;
        test.run_until_idle().await;
        // The partner decides while the wish is under way, and its word has not come yet.
        test.cut_callbacks();
        assert!(test.sandbox.advance(id, &side.completes).await);
        let answer =
            test.client.post(&format!("/v1/transfers/{id}/withdraw"), &json!({"reason": "改变计划"})).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        test.deliver().await;
        let shown = test.get(id).await;
        assert_eq!(shown["state"], "completed", "{shown}");
        assert_eq!(shown["withdrawal_pending"], false);
        assert!(test.tells(id, "note").await, "the refusal is in the timeline");
        test.mend_callbacks();
        test.run_until_idle().await;
    }
    test.finish().await;
}

#[tokio::test]
async fn a_duplicate_counts_as_accepted_and_is_asked_about() {
    let test =
        Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).start().await;
    for (n, side) in SIDES.iter().enumerate() {
        let id = side.system;
        test.submit(&side.document(id, n)).await;
        // The same transfer reached the partner before, by another way; it has been decided since, and nobody told us.
        test.cut_callbacks();
        let stored = test.stored(id).await;
        let transfer = test.app.sealer.open_transfer(&stored.entry.request_id, &stored.document_sealed);
        let call = league_contract::Call::Submit(Box::new(transfer.expect("the document opens")));
        test.partner(id).ask(call, &test.app.clock).await.expect("it can be said");
        assert!(test.sandbox.advance(id, &side.completes).await);
        test.deliver().await;
        assert_eq!(test.get(id).await["state"], "completed", "{id}");
        assert_eq!(test.at_partner(id).map(|line| (line.submits, line.effective)), Some((2, 1)));
        test.mend_callbacks();
        test.run_until_idle().await;
    }
    test.finish_with_resubmits().await;
}

#[tokio::test]
async fn another_content_under_the_same_key_is_a_matter_for_a_person() {
    let test = Setup::by_hand().start().await;
    for (n, side) in SIDES.iter().enumerate() {
        let id = side.system;
        test.submit(&side.document(id, n)).await;
        let stored = test.stored(id).await;
        let transfer = test.app.sealer.open_transfer(&stored.entry.request_id, &stored.document_sealed);
        let mut transfer = transfer.expect("the document opens");
        transfer.source.organization_id = "another".into();
        let call = league_contract::Call::Submit(Box::new(transfer));
        test.cut_callbacks();
        test.partner(id).ask(call, &test.app.clock).await.expect("it can be said");
        test.deliver().await;
        let shown = test.get(id).await;
        assert_eq!(shown["state"], "failed", "{shown}");
        assert!(shown["last_error"]["detail"].is_string(), "{shown}");
    }
    test.finish_with_resubmits().await;
}

#[tokio::test]
async fn a_railway_unit_in_guangdong_goes_to_the_national_system() {
    let test = Setup::by_hand().start().await;
    test.submit(&document("RAIL", 1, "990001", "共青团中国铁路广州局集团有限公司委员会")).await;
    test.run_until_idle().await;
    let shown = test.get("RAIL").await;
    assert_eq!((&shown["system"], &shown["state"]), (&json!("smart_league"), &json!("completed")), "{shown}");
    test.finish().await;
}

#[tokio::test]
async fn news_in_disorder_ends_in_the_same_state() {
    let rules = vec![
        rule("EARLY-*", vec![Step::Approve], vec![Manner::BeforeAnswer]),
        rule("TWICE-*", vec![Step::Approve], vec![Manner::Duplicate]),
        rule("LATE-*", vec![Step::Approve], vec![Manner::Late, Manner::Duplicate]),
        rule("TURNED-*", vec![Step::Approve], vec![Manner::Reorder, Manner::Duplicate]),
        rule("ALL-*", vec![Step::Approve], vec![Manner::BeforeAnswer, Manner::Reorder, Manner::Duplicate]),
    ];
    let test = Setup::daemon().rules(rules).start().await;
    let mut n = 0;
    let mut ids = Vec::new();
    for side in &SIDES {
        for manner in ["EARLY", "TWICE", "LATE", "TURNED", "ALL"] {
            let id = format!("{manner}-{}", side.system);
            test.submit(&side.document(&id, n)).await;
            ids.push((side, id));
            n += 1;
        }
    }
    for (side, id) in &ids {
        test.wait_for_state(id, "completed").await;
        test.sandbox.pushes_idle().await;
        let states = test.states(id).await;
        assert_eq!(states.last().map(String::as_str), Some("completed"), "{id}");
        assert_eq!(states.iter().filter(|state| *state == "completed").count(), 1, "{id}: {states:?}");
        assert!(!test.tells(id, "conflict").await, "{id}");
        if side.system != "fujian" && !id.starts_with("EARLY") {
            assert!(test.callbacks(side.system, id).await.iter().any(|row| row.repeats > 0), "{id}");
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn a_contradiction_changes_nothing_and_is_kept() {
    let rules = vec![
        rule("YES-*", vec![Step::Approve], vec![Manner::Conflicting]),
        rule("NO-*", vec![Step::Reject("不符合条件".into())], vec![Manner::Conflicting]),
    ];
    let test = Setup::by_hand().rules(rules).start().await;
    let mut n = 0;
    for side in &SIDES {
        for (word, end) in [("YES", "completed"), ("NO", "rejected")] {
            let id = format!("{word}-{}", side.system);
            test.submit(&side.document(&id, n)).await;
            n += 1;
            test.run_until_idle().await;
            let shown = test.get(&id).await;
            assert_eq!(shown["state"], end, "{shown}");
            assert!(test.tells(&id, "conflict").await, "{id}: the timeline tells of it");
            let kept = test.callbacks(side.system, &id).await;
            assert!(kept.iter().any(|row| row.verdict == "conflict"), "{id}");
        }
    }
    // What contradicts is not in upstream's feed.
    let feed = test.client.get("/v1/events?after=0&limit=1000").await.json();
    assert!(feed["events"].as_array().is_some_and(|all| all.iter().all(|one| one["type"] != "conflict")));
    test.finish().await;
}
