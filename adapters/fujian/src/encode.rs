//! Calls as SOAP envelopes. The order of elements is the WSDL's.

use crate::codes;
use crate::config::Config;
use crate::schema::{self, FEED_LIMIT, LEAGUE, SEARCH_LIMIT, SOAP};
use crate::sign::Token;
use league_contract::identity::LeagueNumber;
use league_contract::reason::Reason;
use league_contract::{Call, CallContext, EncodeError, Method, Transfer, WireRequest, text};
use league_xml::Writer;

pub(crate) const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
pub(crate) const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const DIGEST: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";
const BASE64: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// The most characters of a withdrawal's reason and of a keyword.
const TEXT_LIMIT: usize = 200;

/// Puts a call into an envelope.
pub(crate) fn request(config: &Config, call: &Call, at: &CallContext) -> Result<WireRequest, EncodeError> {
    let operation = call.operation();
    let name = schema::operation_name(operation).ok_or(EncodeError::Unsupported { operation })?;
    let mut xml = Writer::new();
    xml.start("soap:Envelope", &[("xmlns:soap", SOAP)]);
    xml.start("soap:Header", &[]);
    security(&mut xml, config, at);
    xml.end();
    xml.start("soap:Body", &[]);
    // The prefix is bound here and not at the top, so that the content can be validated as it stands.
    xml.start(&format!("f:{name}"), &[("xmlns:f", LEAGUE)]);
    content(&mut xml, call)?;
    xml.end();
    xml.end();
    xml.end();
    Ok(WireRequest {
        method: Method::Post,
        target: config.target.clone(),
        headers: vec![
            ("Content-Type".to_owned(), "text/xml; charset=utf-8".to_owned()),
            ("SOAPAction".to_owned(), format!("\"{LEAGUE}/{name}\"")),
        ],
        body: xml.finish().into_bytes(),
    })
}

fn security(xml: &mut Writer, config: &Config, at: &CallContext) {
    let token = Token::new(&config.password, at);
    let attributes = [("xmlns:wsse", SECURITY), ("xmlns:wsu", UTILITY), ("soap:mustUnderstand", "1")];
    xml.start("wsse:Security", &attributes);
    xml.start("wsu:Timestamp", &[]);
    xml.leaf("wsu:Created", &token.created);
    xml.leaf("wsu:Expires", &token.expires);
    xml.end();
    xml.start("wsse:UsernameToken", &[]);
    xml.leaf("wsse:Username", &config.username);
    xml.leaf_with("wsse:Password", &[("Type", DIGEST)], &token.digest);
    xml.leaf_with("wsse:Nonce", &[("EncodingType", BASE64)], &token.nonce);
    xml.leaf("wsu:Created", &token.created);
    xml.end();
    xml.end();
}

fn content(xml: &mut Writer, call: &Call) -> Result<(), EncodeError> {
    match call {
        Call::Submit(transfer) => submit(xml, transfer)?,
        Call::Query { request_id } => xml.leaf("f:requestId", request_id.as_str()),
        Call::Withdraw { request_id, reason } => {
            xml.leaf("f:requestId", request_id.as_str());
            xml.leaf("f:reason", &bounded("reason", reason)?);
        }
        Call::SearchOrganizations { province_code, keyword, page, size } => {
            let first = page.checked_sub(1).ok_or_else(|| inexpressible("page", "pages begin at 1"))?;
            let size = limit("size", *size, SEARCH_LIMIT)?;
            xml.leaf("f:provinceCode", province_code.as_str());
            xml.leaf("f:keyword", &bounded("keyword", keyword)?);
            xml.leaf("f:offset", &(u64::from(first) * u64::from(size)).to_string());
            xml.leaf("f:limit", &size.to_string());
        }
        Call::ListChanges { after, limit: size } => {
            if *after < 0 {
                return Err(inexpressible("after", "a cursor is 0 or more"));
            }
            xml.leaf("f:after", &after.to_string());
            xml.leaf("f:limit", &limit("limit", *size, FEED_LIMIT)?.to_string());
        }
        Call::CheckOrganization { .. } => {
            return Err(EncodeError::Unsupported { operation: call.operation() });
        }
    }
    Ok(())
}

fn submit(xml: &mut Writer, transfer: &Transfer) -> Result<(), EncodeError> {
    let Transfer { request_id, initiator, member, source, destination, reason, details: _, applied_at } =
        transfer;
    xml.start("f:transfer", &[]);
    xml.leaf("f:requestId", request_id.as_str());
    xml.start("f:member", &[]);
    xml.leaf("f:name", member.name.expose());
    xml.leaf("f:idNumber", member.id_number.expose());
    xml.leaf("f:gender", codes::gender(member.id_number.gender()));
    xml.leaf("f:phone", member.phone.expose());
    xml.leaf("f:joinedOn", &member.joined_on.to_string());
    if let Some(number) = member.league_number.as_ref().map(LeagueNumber::expose) {
        xml.leaf("f:leagueNumber", number);
    }
    xml.end();
    xml.leaf("f:sourceOrgId", &source.organization_id);
    xml.leaf("f:sourceOrgName", &source.full_name);
    xml.leaf("f:provinceCode", destination.province_code.as_str());
    xml.leaf("f:destinationOrgName", &destination.full_name);
    xml.leaf("f:initiator", codes::initiator(*initiator));
    xml.leaf("f:reason", codes::reason(*reason));
    if *reason == Reason::Other {
        let text = transfer.reason_text();
        xml.leaf("f:reasonText", text.ok_or_else(|| inexpressible("details.text", "OTHER needs it"))?);
    }
    for (name, value) in transfer.form_details() {
        xml.leaf_with("f:detail", &[("name", name)], value);
    }
    xml.leaf("f:appliedAt", &schema::date_time(*applied_at));
    xml.end();
    Ok(())
}

/// Text that is not from the canonical document and so was not held to its rules: XML has no room for control
/// characters.
fn bounded(field: &'static str, input: &str) -> Result<String, EncodeError> {
    text::clean(input, 1, TEXT_LIMIT)
        .map_err(|_| inexpressible(field, &format!("must be 1 to {TEXT_LIMIT} printable characters")))
}

fn limit(field: &'static str, asked: u32, most: u32) -> Result<u32, EncodeError> {
    if (1..=most).contains(&asked) {
        Ok(asked)
    } else {
        Err(inexpressible(field, &format!("must be 1 to {most}")))
    }
}

fn inexpressible(field: &'static str, problem: &str) -> EncodeError {
    EncodeError::Inexpressible { field, problem: problem.to_owned() }
}
