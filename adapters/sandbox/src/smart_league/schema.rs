//! The fields of the national profile's requests (`openapi.yaml`).

use crate::partner::{Content, Submission};
use crate::rules::{Field, Rule, Shape, is_male, may, needs, read_json, text};
use serde_json::Value;

const FULL_NAME: Rule = Rule::Length(2, 200);

pub(super) const ORG_EXISTS: &[Field] =
    &[text("provinceCode", Rule::Digits(6)), text("orgFullName", FULL_NAME)];
pub(super) const WITHDRAW: &[Field] = &[text("reason", Rule::Length(0, 200))];

const MEMBER: &[Field] = &[
    text("name", Rule::Length(1, 50)),
    text("idNumber", Rule::IdNumber),
    text("gender", Rule::OneOf(&["1", "2"])),
    may("ethnicity", Shape::Text(Rule::Digits(2))),
    text("phone", Rule::Phone),
    text("joinedOn", Rule::Month),
    may("leagueNumber", Shape::Text(Rule::Digits(12))),
];
const SOURCE: &[Field] = &[text("orgId", Rule::Any), text("orgFullName", Rule::Any)];
const TRANSFER_IN: &[Field] = &[
    text("requestId", Rule::RequestId),
    needs("member", Shape::Object(MEMBER)),
    needs("source", Shape::Object(SOURCE)),
    needs("destination", Shape::Object(ORG_EXISTS)),
    text("initiator", Rule::OneOf(&["MEMBER", "BRANCH"])),
    text("reasonCode", Rule::OneOf(&["10", "20", "21", "30", "40", "90"])),
    may("reasonText", Shape::Text(Rule::Length(0, 200))),
    may("reasonDetail", Shape::Details),
    needs("appliedAt", Shape::Millis),
];

/// Reads `TransferIn`. The error names the field.
pub(super) fn transfer_in(body: &Value) -> Result<Submission, String> {
    let mut content = Content::new();
    read_json(body, TRANSFER_IN, "", &mut content)?;
    let field = |name: &str| content.get(name).cloned().unwrap_or_default();
    if field("reasonCode") == "90" && field("reasonText").trim().is_empty() {
        return Err("reasonText 缺失".into());
    }
    if (field("member.gender") == "1") != is_male(&field("member.idNumber")) {
        return Err("member.gender 与 idNumber 不符".into());
    }
    Ok(Submission {
        request_id: field("requestId"),
        id_number: field("member.idNumber"),
        province_code: field("destination.provinceCode"),
        full_name: field("destination.orgFullName"),
        content,
    })
}
