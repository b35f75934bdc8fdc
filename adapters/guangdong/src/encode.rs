//! From a call to a request.

use crate::Guangdong;
use crate::schema::{self, CONTENT_TYPE, Stamps, service};
use crate::sign::Signed;
use league_contract::document::FULL_NAME_LIMIT;
use league_contract::identity::{Gender, LeagueNumber};
use league_contract::reason::{DETAIL_LIMIT, Reason};
use league_contract::transfer::Initiator;
use league_contract::{Call, CallContext, EncodeError, Method, Operation, Transfer, WireRequest, text};
use league_xml::Writer;

/// The most organizations on a page.
pub(crate) const PAGE_LIMIT: u32 = 100;
/// The most `Detail`s of a transfer.
const DETAILS_LIMIT: usize = 20;
/// The longest reason for a withdrawal, and the longest keyword; the profile sets neither.
const TEXT_LIMIT: usize = 200;
/// The longest id of the source organization.
const SOURCE_ID_LIMIT: usize = 64;

pub(crate) fn request(
    adapter: &Guangdong,
    call: &Call,
    at: &CallContext,
) -> Result<WireRequest, EncodeError> {
    let service = service_of(call.operation())?;
    let body = body(&adapter.stamps, call)?;
    let (serial_no, timestamp) = (at.nonce.to_hex(), adapter.stamps.write(at.now));
    let signed = Signed {
        app_key: &adapter.config.identity,
        service,
        serial_no: &serial_no,
        timestamp: &timestamp,
        code: None,
    };
    Ok(WireRequest {
        method: Method::Post,
        target: format!("{}/exchange", adapter.config.base_path()),
        headers: vec![("Content-Type".to_owned(), CONTENT_TYPE.to_owned())],
        body: schema::write(&signed, None, &adapter.config.secrets[0], &body),
    })
}

/// The service that answers an operation.
pub(crate) fn service_of(operation: Operation) -> Result<&'static str, EncodeError> {
    match operation {
        Operation::SearchOrganizations => Ok(service::ORGANIZATIONS),
        Operation::Submit => Ok(service::SUBMIT),
        Operation::Query => Ok(service::QUERY),
        Operation::Withdraw => Ok(service::WITHDRAW),
        Operation::CheckOrganization | Operation::ListChanges => Err(EncodeError::Unsupported { operation }),
    }
}

fn body(stamps: &Stamps, call: &Call) -> Result<String, EncodeError> {
    let mut writer = Writer::new();
    writer.start("Body", &[]);
    match call {
        Call::SearchOrganizations { province_code, keyword, page, size } => {
            writer.leaf("Keyword", &clean("keyword", keyword, 1, TEXT_LIMIT)?);
            writer.leaf("ProvinceCode", province_code.as_str());
            writer.leaf("Page", &within("page", *page, u32::MAX)?);
            writer.leaf("Size", &within("size", *size, PAGE_LIMIT)?);
        }
        Call::Submit(transfer) => write_transfer(&mut writer, stamps, transfer)?,
        Call::Query { request_id } => writer.leaf("RequestId", request_id.as_str()),
        Call::Withdraw { request_id, reason } => {
            writer.leaf("RequestId", request_id.as_str());
            writer.leaf("Reason", &clean("reason", reason, 1, TEXT_LIMIT)?);
        }
        Call::CheckOrganization { .. } | Call::ListChanges { .. } => {
            return Err(EncodeError::Unsupported { operation: call.operation() });
        }
    }
    Ok(writer.finish())
}

fn write_transfer(writer: &mut Writer, stamps: &Stamps, transfer: &Transfer) -> Result<(), EncodeError> {
    let Transfer { request_id, initiator, member, source, destination, reason, details: _, applied_at } =
        transfer;
    writer.start("Transfer", &[]);
    writer.leaf("RequestId", request_id.as_str());

    writer.start("Member", &[]);
    writer.leaf("Name", member.name.expose());
    writer.leaf("IdNumber", member.id_number.expose());
    writer.leaf("Gender", gender_code(member.id_number.gender()));
    writer.leaf("Phone", member.phone.expose());
    writer.leaf("JoinedOn", &member.joined_on.to_string());
    if let Some(number) = member.league_number.as_ref().and_then(LeagueNumber::expose_twelve) {
        writer.leaf("LeagueNumber", number);
    }
    writer.end();

    let name = |field, text: &str| clean(field, text, 2, FULL_NAME_LIMIT);
    writer.start("Source", &[]);
    writer.leaf("OrgId", &clean("source.organization_id", &source.organization_id, 1, SOURCE_ID_LIMIT)?);
    writer.leaf("FullName", &name("source.full_name", &source.full_name)?);
    writer.end();
    writer.start("Destination", &[]);
    writer.leaf("ProvinceCode", destination.province_code.as_str());
    writer.leaf("FullName", &name("destination.full_name", &destination.full_name)?);
    writer.end();

    writer.leaf("Initiator", initiator_word(*initiator));
    writer.leaf("ReasonCode", reason_code(*reason));
    write_details(writer, transfer)?;
    writer.leaf("AppliedAt", &stamps.write(*applied_at));
    writer.end();
    Ok(())
}

fn write_details(writer: &mut Writer, transfer: &Transfer) -> Result<(), EncodeError> {
    match (transfer.reason, transfer.reason_text()) {
        (Reason::Other, Some(reason)) => {
            writer.leaf("ReasonText", &clean("details.text", reason, 1, DETAIL_LIMIT)?);
        }
        (Reason::Other, None) => return inexpressible("details.text", "the reason needs it"),
        (_, Some(_)) => return inexpressible("details.text", "only the reason `other` has a text"),
        (_, None) => {}
    }
    if transfer.form_details().count() > DETAILS_LIMIT {
        return inexpressible("details", "at most 20 have room");
    }
    for (key, value) in transfer.form_details() {
        let value = clean("details", value, 1, DETAIL_LIMIT)?;
        writer.leaf_with("Detail", &[("name", &clean("details", key, 1, DETAIL_LIMIT)?)], &value);
    }
    Ok(())
}

fn clean(field: &'static str, value: &str, least: usize, most: usize) -> Result<String, EncodeError> {
    text::clean(value, least, most)
        .or_else(|_| inexpressible(field, &format!("must be {least} to {most} printable characters")))
}

fn within(field: &'static str, value: u32, most: u32) -> Result<String, EncodeError> {
    if (1..=most).contains(&value) {
        Ok(value.to_string())
    } else {
        inexpressible(field, &format!("must be 1 to {most}"))
    }
}

fn inexpressible<T>(field: &'static str, problem: &str) -> Result<T, EncodeError> {
    Err(EncodeError::Inexpressible { field, problem: problem.to_owned() })
}

const fn gender_code(gender: Gender) -> &'static str {
    match gender {
        Gender::Male => "1",
        Gender::Female => "2",
    }
}

const fn initiator_word(initiator: Initiator) -> &'static str {
    match initiator {
        Initiator::Member => "MEMBER",
        Initiator::Branch => "BRANCH",
    }
}

/// The profile's "Reason codes".
const fn reason_code(reason: Reason) -> &'static str {
    match reason {
        Reason::Education => "01",
        Reason::Employment => "02",
        Reason::WorkTransfer => "03",
        Reason::Abroad => "04",
        Reason::Residence => "05",
        Reason::Other => "99",
    }
}
