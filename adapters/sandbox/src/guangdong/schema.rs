//! The bodies of Guangdong's services (`guangdong.xsd`).

use crate::partner::{Content, Submission};
use crate::rules::{Field, Rule, Shape, is_male, may, needs, text};

const FULL_NAME: Rule = Rule::Length(2, 200);
const MEMBER: &[Field] = &[
    text("Name", Rule::Length(1, 50)),
    text("IdNumber", Rule::IdNumber),
    text("Gender", Rule::OneOf(&["1", "2"])),
    text("Phone", Rule::Phone),
    text("JoinedOn", Rule::Month),
    may("LeagueNumber", Shape::Text(Rule::Digits(12))),
];
const SOURCE: &[Field] = &[text("OrgId", Rule::Any), text("FullName", FULL_NAME)];
const DESTINATION: &[Field] = &[text("ProvinceCode", Rule::Digits(6)), text("FullName", FULL_NAME)];
const TRANSFER: &[Field] = &[
    text("RequestId", Rule::RequestId),
    needs("Member", Shape::Object(MEMBER)),
    needs("Source", Shape::Object(SOURCE)),
    needs("Destination", Shape::Object(DESTINATION)),
    text("Initiator", Rule::OneOf(&["MEMBER", "BRANCH"])),
    text("ReasonCode", Rule::OneOf(&["01", "02", "03", "04", "05", "99"])),
    may("ReasonText", Shape::Text(Rule::Any)),
    may("Detail", Shape::Details),
    text("AppliedAt", Rule::Stamp),
];

pub(super) const SUBMIT: &[Field] = &[needs("Transfer", Shape::Object(TRANSFER))];
pub(super) const QUERY: &[Field] = &[text("RequestId", Rule::RequestId)];
pub(super) const WITHDRAW: &[Field] = &[text("RequestId", Rule::RequestId), text("Reason", Rule::Any)];
pub(super) const ORG_LIST: &[Field] = &[
    text("Keyword", Rule::Any),
    text("ProvinceCode", Rule::Digits(6)),
    text("Page", Rule::Number(1, 1 << 30)),
    text("Size", Rule::Number(1, 100)),
];

/// The submission in a body that [`SUBMIT`] has passed. The error names the field.
pub(super) fn submission(content: Content) -> Result<Submission, String> {
    let field = |name: &str| content.get(&format!("Transfer.{name}")).cloned().unwrap_or_default();
    if field("ReasonCode") == "99" && field("ReasonText").trim().is_empty() {
        return Err("ReasonText 缺失".into());
    }
    if (field("Member.Gender") == "1") != is_male(&field("Member.IdNumber")) {
        return Err("Member.Gender 与 IdNumber 不符".into());
    }
    Ok(Submission {
        request_id: field("RequestId"),
        id_number: field("Member.IdNumber"),
        province_code: field("Destination.ProvinceCode"),
        full_name: field("Destination.FullName"),
        content,
    })
}
