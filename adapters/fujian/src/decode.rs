//! Answers: a response element with HTTP 200, or a `soap:Fault` with HTTP 500. SOAP 1.1 binds the two together, so an
//! answer that mixes them (a fault with 200, a response with 500) was touched on its way and is not believed.

use crate::codes::{self, Meaning};
use crate::feed;
use crate::schema::{self, LEAGUE, Reader, SOAP, malformed};
use jiff::SignedDuration;
use league_contract::{
    Answer, Call, CallContext, DecodeError, OrganizationPage, Record, Remark, Reply, RequestId, WireResponse,
    Words,
};
use league_xml::{Element, Encoding};

/// The most characters of a fault code: it becomes a name in tables and metrics.
const CODE_LIMIT: usize = 64;

/// Reads the answer to a call.
pub(crate) fn reply(call: &Call, at: &CallContext, response: &WireResponse) -> Result<Reply, DecodeError> {
    if !matches!(response.status, 200 | 500) {
        return Err(DecodeError::UnknownCode(format!("HTTP {}", response.status)));
    }
    let envelope = league_xml::parse(&response.body, &[Encoding::Utf8])
        .map_err(|error| malformed(format!("not SOAP: {error}")))?;
    if !envelope.is(SOAP, "Envelope") {
        return Err(malformed("not a SOAP 1.1 envelope"));
    }
    let [content] = schema::required(&envelope, SOAP, "Body")?.children.as_slice() else {
        return Err(malformed("Body does not hold exactly one element"));
    };
    if response.status == 200 {
        answer(call, content).map(Reply::Answered)
    } else if content.is(SOAP, "Fault") {
        fault(call, at, content)
    } else {
        Err(malformed("HTTP 500 without a Fault"))
    }
}

fn answer(call: &Call, content: &Element) -> Result<Answer, DecodeError> {
    let name = schema::operation_name(call.operation())
        .ok_or_else(|| malformed("an answer to an operation that is not in the profile"))?;
    if !content.is(LEAGUE, &format!("{name}Response")) {
        return Err(malformed(format!("not a {name}Response")));
    }
    match call {
        Call::Submit(_) => schema::receipt(content).map(Answer::Receipt),
        Call::Query { request_id } | Call::Withdraw { request_id, .. } => {
            record(request_id, content).map(Answer::Record)
        }
        Call::SearchOrganizations { .. } => organizations(content).map(Answer::Organizations),
        Call::ListChanges { after, .. } => feed::page(*after, content).map(Answer::Changes),
        Call::CheckOrganization { .. } => Err(malformed("there is no organization check")),
    }
}

fn record(asked: &RequestId, content: &Element) -> Result<Record, DecodeError> {
    let record = schema::record(schema::required(content, LEAGUE, "record")?)?;
    if record.request_id == *asked {
        Ok(record)
    } else {
        Err(malformed("record.requestId is not the one that was asked for"))
    }
}

fn organizations(content: &Element) -> Result<OrganizationPage, DecodeError> {
    Ok(OrganizationPage {
        total: Reader::league(content).number("total")?,
        items: content
            .children_named(LEAGUE, "organization")
            .map(schema::organization)
            .collect::<Result<_, _>>()?,
    })
}

fn fault(call: &Call, at: &CallContext, fault: &Element) -> Result<Reply, DecodeError> {
    // `detail` and its siblings stand in no namespace (SOAP 1.1, 4.4); what is in it has the profile's.
    let details = schema::only(fault, "", "detail")?;
    let service = match details {
        Some(details) => schema::only(details, LEAGUE, "serviceFault")?,
        None => None,
    };
    let Some(service) = service else { return bare_fault(fault) };
    let read = Reader::league(service);
    let remark = Remark { code: code(read.word("code")?)?, message: Words::new(read.text("message")?) };
    let wait = read.optional_int("retryAfterSeconds")?;
    Ok(match codes::meaning(&remark.code, call.operation()) {
        Meaning::NotReceived => Reply::Answered(Answer::NotReceived),
        Meaning::CursorExpired => Reply::Answered(Answer::CursorExpired),
        Meaning::Refused(why) => Reply::Refused { why, remark },
        Meaning::Blocked(why) => Reply::Blocked { why, remark },
        Meaning::TryLater { maintenance } => {
            // An `xs:int` may be negative; that is no instant to wait for.
            let wait =
                wait.filter(|seconds| *seconds >= 0).map(|seconds| SignedDuration::from_secs(seconds.into()));
            let not_before = wait.and_then(|wait| at.now.checked_add(wait).ok());
            Reply::TryLater { not_before, maintenance, remark }
        }
        Meaning::Unclear => Reply::Unclear { remark },
    })
}

/// A fault of the SOAP stack itself: nobody says whether the service behind it did anything.
fn bare_fault(fault: &Element) -> Result<Reply, DecodeError> {
    let read = Reader::unqualified(fault);
    let qualified = read.word("faultcode")?.trim_ascii();
    let local = qualified.rsplit_once(':').map_or(qualified, |(_, local)| local);
    let message = Words::new(read.optional("faultstring")?.unwrap_or_default());
    Ok(Reply::Unclear { remark: Remark { code: code(local)?, message } })
}

/// A code is a word, not a place for text: it is shown and counted where a partner's text is not.
fn code(text: &str) -> Result<String, DecodeError> {
    let word = (1..=CODE_LIMIT).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if word { Ok(text.to_owned()) } else { Err(malformed("the fault's code is not a word")) }
}
