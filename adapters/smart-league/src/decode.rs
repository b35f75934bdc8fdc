//! Answers as replies (profile, "Codes").

use crate::codes::{Meaning, meaning};
use crate::config::Settings;
use crate::schema::{Envelope, OrgExists, OrgPage, SubmitResult, Success, TransferStatus, read};
use crate::sign::{Opening, Signed};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use league_contract::{
    Answer, Blockage, Call, CallContext, DecodeError, MAX_BODY_BYTES, OrganizationCheck, Receipt, Record,
    Refusal, Remark, Reply, WireResponse, Words,
};
use serde::de::DeserializeOwned;

const UNAUTHORIZED: u16 = 401;

pub(crate) fn decode(
    settings: &Settings,
    call: &Call,
    at: &CallContext,
    response: &WireResponse,
) -> Result<Reply, DecodeError> {
    let signed = verify(settings, at, response);
    if response.status == UNAUTHORIZED {
        return Ok(unauthorized(signed.is_ok(), response));
    }
    if let Some(seconds) = signed?.stale_by() {
        return Err(DecodeError::NotGenuine(format!("X-Timestamp is {seconds} s from our clock")));
    }
    let envelope: Envelope = read(&response.body).map_err(DecodeError::Malformed)?;
    let found = meaning(response.status, envelope.code, call.operation());
    let found = found.ok_or_else(|| {
        let (status, code) = (response.status, envelope.code);
        DecodeError::UnknownCode(format!("HTTP {status} with code {code} to {}", call.operation()))
    })?;
    let remark = Remark { code: envelope.code.to_string(), message: Words::new(envelope.msg) };
    Ok(match found {
        Meaning::Success | Meaning::Duplicate => Reply::Answered(answer(call, found, &response.body)?),
        Meaning::NotReceived => Reply::Answered(Answer::NotReceived),
        Meaning::Refused(why) => refused(call, why, remark),
        Meaning::Blocked(why) => Reply::Blocked { why, remark },
        Meaning::Unclear => Reply::Unclear { remark },
        Meaning::Busy => {
            Reply::TryLater { not_before: retry_after(response, at.now), maintenance: false, remark }
        }
        Meaning::Maintenance => {
            Reply::TryLater { not_before: retry_after(response, at.now), maintenance: true, remark }
        }
    })
}

/// Whether the answer is theirs, and to this request. Its time is for the caller to judge.
fn verify(settings: &Settings, at: &CallContext, response: &WireResponse) -> Result<Signed, DecodeError> {
    if response.body.len() > MAX_BODY_BYTES {
        return Err(DecodeError::Malformed(format!("the body is over {MAX_BODY_BYTES} bytes")));
    }
    let status = response.status.to_string();
    let opening = Opening("RESPONSE", &status);
    Signed::verify(&settings.keys, opening, |name| response.header(name), &response.body, at.now)
        .and_then(|signed| {
            let ours = signed.nonce == at.nonce.to_hex();
            ours.then_some(signed).ok_or("X-Nonce is another request's")
        })
        .map_err(|problem| DecodeError::NotGenuine(problem.to_owned()))
}

/// HTTP 401 blocks, genuine or not: see the crate's documentation. What it says is believed if it is signed.
fn unauthorized(signed: bool, response: &WireResponse) -> Reply {
    let unverified = || Reply::Blocked {
        why: Blockage::Authentication,
        remark: Remark {
            code: UNAUTHORIZED.to_string(),
            message: Words::new("HTTP 401 without a signature that we can verify"),
        },
    };
    let envelope = signed.then(|| read::<Envelope>(&response.body).ok()).flatten();
    envelope.map_or_else(unverified, |Envelope { code, msg, .. }| Reply::Blocked {
        why: if code == 40102 { Blockage::ClockSkew } else { Blockage::Authentication },
        remark: Remark { code: code.to_string(), message: Words::new(msg) },
    })
}

/// A check for a province that they do not hold is a no to the question, not to the call.
fn refused(call: &Call, why: Refusal, remark: Remark) -> Reply {
    if matches!(call, Call::CheckOrganization { .. }) && why == Refusal::OrganizationNotFound {
        Reply::Answered(Answer::Organization(OrganizationCheck::NotFound))
    } else {
        Reply::Refused { why, remark }
    }
}

fn answer(call: &Call, found: Meaning, body: &[u8]) -> Result<Answer, DecodeError> {
    Ok(match call {
        Call::CheckOrganization { .. } => Answer::Organization(data::<OrgExists>(body)?.into()),
        Call::SearchOrganizations { .. } => Answer::Organizations(data::<OrgPage>(body)?.into()),
        Call::Submit(_) => {
            let receipt = Receipt::from(data::<SubmitResult>(body)?);
            let duplicate = receipt.duplicate || matches!(found, Meaning::Duplicate);
            Answer::Receipt(Receipt { duplicate, ..receipt })
        }
        Call::Query { request_id } | Call::Withdraw { request_id, .. } => {
            let record = Record::try_from(data::<TransferStatus>(body)?);
            let record = record.map_err(|problem| DecodeError::Malformed(problem.to_owned()))?;
            if record.request_id != *request_id {
                return Err(DecodeError::Malformed("requestId is not the one that was asked for".to_owned()));
            }
            Answer::Record(record)
        }
        // `encode` makes no such request, and the table of codes has no answer to it.
        Call::ListChanges { .. } => {
            return Err(DecodeError::Malformed("there is no change feed to answer".to_owned()));
        }
    })
}

fn data<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    read::<Success<T>>(body).map(|success| success.data).map_err(DecodeError::Malformed)
}

/// `Retry-After`, in seconds or as an HTTP date. What is neither is as if it were not there.
fn retry_after(response: &WireResponse, now: Timestamp) -> Option<Timestamp> {
    let text = response.header("Retry-After")?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => now.checked_add(SignedDuration::from_secs(seconds.into())).ok(),
        Err(_) => rfc2822::DateTimeParser::new().parse_timestamp(text).ok(),
    }
}
