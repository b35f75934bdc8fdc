use super::*;

fn example() -> Value {
    json!({"request_id": "BJ-2024-000001", "initiator": "member",
        "member": {"name": "张三", "id_number": "11010519491231002X", "phone": "13800138000",
                   "joined_on": "2018-05", "league_number": "201811000001", "ethnicity": "01"},
        "source": {"organization_id": "3421569", "full_name": "中国共产主义青年团北京信息科技大学出国(境)学习研究团员团支部"},
        "destination": {"province_code": "320000", "full_name": "共青团南京大学委员会"},
        "reason": "education",
        "details": {"school_name": "南京大学", "school_address": "南京市栖霞区仙林大道163号", "stage": "graduate"},
        "applied_at": "2024-07-01T09:30:00+08:00"})
}

#[test]
fn the_interfaces_example_reads_and_writes_back_the_same() {
    let transfer = read_canonical(&example()).expect("the example is valid");
    assert_eq!(transfer.applied_at.to_string(), "2024-07-01T01:30:00Z");
    let written: Value = serde_json::from_str(&write(&transfer)).expect("JSON");
    assert_eq!(read_canonical(&written).as_ref(), Ok(&transfer));
}

#[test]
fn nothing_of_the_person_is_in_debug() {
    let shown = format!("{:?}", read_canonical(&example()).expect("valid"));
    for clear in ["张三", "1002X", "19491231", "800138", "仙林大道"] {
        assert!(!shown.contains(clear), "{shown}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let mut value = example();
    value["member"]["id_number"] = json!("110105194912310021");
    value["member"]["phone"] = json!(13_800_138_000_u64);
    value["member"]["joined_on"] = json!("2018-13");
    value["destination"]["province_code"] = json!("999999x");
    value["destination"]["full_name"] = json!("   ");
    value["details"]["stage"] = json!("kindergarten");
    value["details"]["school_name"] = json!("");
    value["extra"] = json!(1);
    let problems = read_canonical(&value).expect_err("refused");
    let found: Vec<(ProblemCode, &str)> =
        problems.iter().map(|problem| (problem.code, problem.field.as_deref().unwrap_or_default())).collect();
    assert_eq!(
        found,
        [
            (ProblemCode::FieldInvalid, "extra"),
            (ProblemCode::IdNumberInvalid, "member.id_number"),
            (ProblemCode::FieldInvalid, "member.phone"),
            (ProblemCode::FieldInvalid, "member.joined_on"),
            (ProblemCode::UnknownProvince, "destination.province_code"),
            (ProblemCode::FieldInvalid, "destination.full_name"),
            (ProblemCode::DetailMissing, "details.school_name"),
            (ProblemCode::FieldInvalid, "details.stage"),
        ]
    );
    assert!(!format!("{problems:?}").contains("1949"), "no personal value in a problem");
}

#[test]
fn enlistment_and_classified_units_stay_offline() {
    for word in ["enlistment", "classified_unit"] {
        let mut value = example();
        value["reason"] = json!(word);
        let problems = read_canonical(&value).expect_err("refused");
        assert_eq!(
            problems.iter().map(|problem| problem.code).collect::<Vec<_>>(),
            [ProblemCode::BranchOnlyOffline]
        );
    }
}

#[test]
fn every_reason_names_its_missing_details() {
    for rule in REASONS {
        let mut value = example();
        value["reason"] = json!(rule.word);
        value["details"] = json!({});
        let problems = read_canonical(&value).expect_err("refused");
        assert_eq!(problems.len(), rule.details.len(), "{}", rule.word);
        assert!(problems.iter().all(|problem| problem.code == ProblemCode::DetailMissing));
    }
}

#[test]
fn foreign_text_is_redacted_with_the_transfer_at_hand() {
    let transfer = read_canonical(&example()).expect("valid");
    assert_eq!(
        transfer.redact("团员张三（11010519491231002X，13800138000）信息有误"),
        "团员张*（110***************，138********）信息有误"
    );
}
