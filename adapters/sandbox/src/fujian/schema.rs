//! The inputs of Fujian's operations (`fujian.wsdl`). Phone, name and province follow the gateway's own rules
//! although the schema leaves them open (profile, "Fine print").

use crate::partner::{Content, Submission};
use crate::rules::{Field, Rule, Shape, is_male, may, needs, text};
use crate::time::read_instant;

/// SOAP 1.1.
pub(super) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

const MEMBER: &[Field] = &[
    text("name", Rule::Length(1, 50)),
    text("idNumber", Rule::IdNumber),
    text("gender", Rule::OneOf(&["MALE", "FEMALE"])),
    text("phone", Rule::Phone),
    text("joinedOn", Rule::Month),
    // Twelve digits, or Shandong's sixteen: the schema has room for both.
    may("leagueNumber", Shape::Text(Rule::Length(12, 16))),
];
const REASONS: Rule =
    Rule::OneOf(&["EDUCATION", "EMPLOYMENT", "WORK_TRANSFER", "ABROAD", "RESIDENCE", "OTHER"]);
const TRANSFER: &[Field] = &[
    text("requestId", Rule::RequestId),
    needs("member", Shape::Object(MEMBER)),
    text("sourceOrgId", Rule::Any),
    text("sourceOrgName", Rule::Any),
    text("provinceCode", Rule::Digits(6)),
    text("destinationOrgName", Rule::Length(1, 200)),
    text("initiator", Rule::OneOf(&["MEMBER", "BRANCH"])),
    text("reason", REASONS),
    may("reasonText", Shape::Text(Rule::Any)),
    may("detail", Shape::Details),
    text("appliedAt", Rule::DateTime),
];

pub(super) const SUBMIT: &[Field] = &[needs("transfer", Shape::Object(TRANSFER))];
pub(super) const QUERY: &[Field] = &[text("requestId", Rule::RequestId)];
pub(super) const WITHDRAW: &[Field] = &[text("requestId", Rule::RequestId), text("reason", Rule::Any)];
pub(super) const ORGANIZATIONS: &[Field] = &[
    text("provinceCode", Rule::Digits(6)),
    text("keyword", Rule::Any),
    text("offset", Rule::Number(0, i64::MAX)),
    text("limit", Rule::Number(1, 200)),
];
pub(super) const CHANGES: &[Field] =
    &[text("after", Rule::Number(0, i64::MAX)), text("limit", Rule::Number(1, 500))];

/// The submission in an input that [`SUBMIT`] has passed. The error names the field.
pub(super) fn submission(mut content: Content) -> Result<Submission, String> {
    let field = |name: &str| content.get(&format!("transfer.{name}")).cloned().unwrap_or_default();
    if field("reason") == "OTHER" && field("reasonText").trim().is_empty() {
        return Err("reasonText 缺失".into());
    }
    if (field("member.gender") == "MALE") != is_male(&field("member.idNumber")) {
        return Err("member.gender 与 idNumber 不符".into());
    }
    let [request_id, id_number] = ["requestId", "member.idNumber"].map(field);
    let [province_code, full_name, applied_at] =
        ["provinceCode", "destinationOrgName", "appliedAt"].map(field);
    // The same instant under another offset is the same content.
    let instant = read_instant(&applied_at).map(|instant| instant.to_string()).unwrap_or_default();
    content.insert("transfer.appliedAt".into(), instant);
    Ok(Submission { request_id, id_number, province_code, full_name, content })
}
