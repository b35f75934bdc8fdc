//! From an answer to a reply.

use crate::Guangdong;
use crate::codes::{self, Meaning};
use crate::encode;
use crate::schema::{Exchange, Fault, Fields};
use league_contract::{
    Answer, Call, CallContext, DecodeError, Organization, OrganizationKind, OrganizationPage, Receipt,
    Record, Remark, Reply, RequestId, WireResponse,
};

/// HTTP says nothing but this; their codes say the rest.
const OK: u16 = 200;

pub(crate) fn reply(
    adapter: &Guangdong,
    call: &Call,
    at: &CallContext,
    response: &WireResponse,
) -> Result<Reply, DecodeError> {
    if response.status != OK {
        return Err(DecodeError::Malformed(format!("HTTP status {}", response.status)));
    }
    let exchange = Exchange::read(&response.body)?;
    let code =
        exchange.code.as_deref().filter(|code| code.len() == 4 && code.bytes().all(|b| b.is_ascii_digit()));
    let code = code.ok_or_else(|| DecodeError::Malformed("Head/Code is not four digits".to_owned()))?;
    let meaning = codes::meaning(code, call.operation());
    repeats_the_request(call, at, &exchange)?;
    if matches!(meaning, Some(Meaning::Blocked(_))) {
        was_not_changed(adapter, code, &exchange)?;
    } else {
        is_genuine(adapter, at, &exchange)?;
    }
    let meaning =
        meaning.ok_or_else(|| DecodeError::UnknownCode(format!("{code} to {}", call.operation())))?;
    let remark = Remark { code: code.to_owned(), message: exchange.message.clone() };
    let body = exchange.body(&adapter.stamps);
    Ok(match meaning {
        Meaning::Success => Reply::Answered(answer(call, body)?),
        Meaning::Duplicate => {
            let receipt = receipt(body)?;
            Reply::Answered(Answer::Receipt(Receipt { duplicate: true, ..receipt }))
        }
        Meaning::NotReceived => Reply::Answered(Answer::NotReceived),
        Meaning::Refused(why) => Reply::Refused { why, remark },
        Meaning::Blocked(why) => Reply::Blocked { why, remark },
        Meaning::Busy => Reply::TryLater { not_before: None, maintenance: false, remark },
        Meaning::Maintenance => {
            Reply::TryLater { not_before: Some(body.stamp("Until")?), maintenance: true, remark }
        }
        Meaning::Unclear => Reply::Unclear { remark },
    })
}

fn repeats_the_request(call: &Call, at: &CallContext, exchange: &Exchange<'_>) -> Result<(), DecodeError> {
    let fault = |text: &str| Err(DecodeError::NotGenuine(text.to_owned()));
    if encode::service_of(call.operation()) != Ok(exchange.service.as_str()) {
        return fault("Head/Service is not the request's");
    }
    if exchange.serial_no != at.nonce.to_hex() {
        return fault("Head/SerialNo is not the request's");
    }
    Ok(())
}

fn is_genuine(adapter: &Guangdong, at: &CallContext, exchange: &Exchange<'_>) -> Result<(), DecodeError> {
    let fault = |text: &str| Err(DecodeError::NotGenuine(text.to_owned()));
    if !exchange.is_signed_by(&adapter.config.secrets) {
        return fault("Head/Digest does not hold");
    }
    if exchange.app_key != adapter.config.identity {
        return fault("Head/AppKey is not ours");
    }
    match exchange.skew(&adapter.stamps, at.now)? {
        None => Ok(()),
        Some(away) => fault(&format!("Head/Timestamp is {away} s away from our clock")),
    }
}

/// What says that we are blocked can't be held to a secret or a clock. But where its digest holds for another code,
/// that code was the answer, and this one was put in its place.
fn was_not_changed(adapter: &Guangdong, code: &str, exchange: &Exchange<'_>) -> Result<(), DecodeError> {
    let holds = |other: &&str| exchange.holds_with(Some(other), &adapter.config.secrets);
    match codes::CODES.iter().filter(|other| **other != code).find(|other| holds(other)) {
        None => Ok(()),
        Some(_) => Err(DecodeError::NotGenuine("Head/Code is not the one that was signed".to_owned())),
    }
}

fn answer(call: &Call, body: Fields<'_>) -> Result<Answer, DecodeError> {
    Ok(match call {
        Call::SearchOrganizations { .. } => Answer::Organizations(organizations(body)?),
        Call::Submit(_) => Answer::Receipt(receipt(body)?),
        Call::Query { request_id } | Call::Withdraw { request_id, .. } => {
            Answer::Record(state(request_id, body)?)
        }
        Call::CheckOrganization { .. } | Call::ListChanges { .. } => {
            return Err(DecodeError::Malformed(format!("nothing answers {}", call.operation())));
        }
    })
}

fn receipt(body: Fields<'_>) -> Result<Receipt, Fault> {
    let receipt = body.inside("Receipt")?;
    Ok(Receipt {
        receipt_no: receipt.id("ReceiptNo")?,
        status: receipt.status("Status")?,
        duplicate: receipt.flag("Duplicate")?,
    })
}

fn state(asked: &RequestId, body: Fields<'_>) -> Result<Record, Fault> {
    let state = body.inside("State")?;
    let request_id = state.request_id()?;
    if request_id != *asked {
        return Err(state.invalid("RequestId", "the one that was asked for"));
    }
    Ok(Record {
        request_id,
        receipt_no: state.id("ReceiptNo")?,
        status: state.status("Status")?,
        reason: state.words("Reason")?,
        check_in_by: state.stamp_if_any("CheckInBy")?,
        account_created_at: None,
        updated_at: state.stamp("UpdatedAt")?,
    })
}

fn organizations(body: Fields<'_>) -> Result<OrganizationPage, Fault> {
    let page = body.inside("Orgs")?;
    let organization = |org: Fields<'_>| {
        Ok(Organization {
            organization_id: org.id("OrgId")?,
            full_name: org.text("FullName")?.to_owned(),
            kind: OrganizationKind::from_wire(org.text("Type")?),
        })
    };
    let items = page.each("Org").map(organization).collect::<Result<_, Fault>>()?;
    Ok(OrganizationPage { total: page.number("Total")?, items })
}
