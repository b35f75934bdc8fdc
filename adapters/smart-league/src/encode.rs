//! Calls as requests (profile, "Operations").

use crate::config::Settings;
use crate::schema::{OrgExistsRequest, TransferIn, WithdrawRequest, write};
use crate::sign::{self, Opening};
use league_contract::document::FULL_NAME_LIMIT;
use league_contract::reason::DETAIL_LIMIT;
use league_contract::{
    Call, CallContext, EncodeError, Method, Operation, ProvinceCode, Transfer, WireRequest,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The most organizations on a page.
pub(crate) const SEARCH_PAGE_LIMIT: u32 = 50;
/// The fewest characters of a keyword.
pub(crate) const SEARCH_KEYWORD_LEAST: u32 = 2;
const SEARCH_KEYWORD_LIMIT: usize = 100;
const WITHDRAW_REASON_LIMIT: usize = 200;

/// All but the unreserved characters of RFC 3986: what is signed must be what every server understands alike.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn encode(settings: &Settings, call: &Call, at: &CallContext) -> Result<WireRequest, EncodeError> {
    let (method, path, body) = match call {
        Call::CheckOrganization { province_code, full_name } => {
            length("full_name", full_name, 2, FULL_NAME_LIMIT)?;
            let request =
                OrgExistsRequest { province_code: province_code.as_str(), org_full_name: full_name };
            (Method::Post, "/api/v2/org/exists".to_owned(), write(&request))
        }
        Call::SearchOrganizations { province_code, keyword, page, size } => {
            (Method::Get, search(*province_code, keyword, *page, *size)?, Vec::new())
        }
        Call::Submit(transfer) => (Method::Post, "/api/v2/transfer/in".to_owned(), submit(transfer)?),
        // A request id holds unreserved characters only.
        Call::Query { request_id } => (Method::Get, format!("/api/v2/transfer/in/{request_id}"), Vec::new()),
        Call::Withdraw { request_id, reason } => {
            length("reason", reason, 0, WITHDRAW_REASON_LIMIT)?;
            let path = format!("/api/v2/transfer/in/{request_id}/withdraw");
            (Method::Post, path, write(&WithdrawRequest { reason }))
        }
        Call::ListChanges { .. } => {
            return Err(EncodeError::Unsupported { operation: Operation::ListChanges });
        }
    };
    let target = format!("{}{path}", settings.base_path);
    let mut headers = Vec::with_capacity(5);
    if method == Method::Post {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    let opening = Opening(method.as_str(), &target);
    headers.extend(sign::headers(&settings.keys, opening, at, &at.nonce.to_hex(), &body));
    Ok(WireRequest { method, target, headers, body })
}

fn search(province_code: ProvinceCode, keyword: &str, page: u32, size: u32) -> Result<String, EncodeError> {
    length("keyword", keyword, SEARCH_KEYWORD_LEAST as usize, SEARCH_KEYWORD_LIMIT)?;
    if page == 0 {
        return Err(inexpressible("page", "pages count from 1"));
    }
    if !(1..=SEARCH_PAGE_LIMIT).contains(&size) {
        return Err(inexpressible("size", format!("a page has 1 to {SEARCH_PAGE_LIMIT} organizations")));
    }
    let keyword = utf8_percent_encode(keyword, ESCAPED);
    Ok(format!("/api/v2/org/search?provinceCode={province_code}&keyword={keyword}&page={page}&size={size}"))
}

fn submit(transfer: &Transfer) -> Result<Vec<u8>, EncodeError> {
    length("destination.full_name", &transfer.destination.full_name, 2, FULL_NAME_LIMIT)?;
    length("details.text", transfer.reason_text().unwrap_or_default(), 0, DETAIL_LIMIT)?;
    if transfer.applied_at.as_millisecond() < 0 {
        return Err(inexpressible("applied_at", "a time before 1970 has no room"));
    }
    Ok(write(&TransferIn::from(transfer)))
}

/// The contract's bounds, in characters.
fn length(field: &'static str, text: &str, least: usize, most: usize) -> Result<(), EncodeError> {
    let holds = (least..=most).contains(&text.chars().count());
    holds.then_some(()).ok_or_else(|| inexpressible(field, format!("must have {least} to {most} characters")))
}

fn inexpressible(field: &'static str, problem: impl Into<String>) -> EncodeError {
    EncodeError::Inexpressible { field, problem: problem.into() }
}
