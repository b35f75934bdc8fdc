//! A made-up fourth system (河北), as CONTRIBUTING leads to it: one pure adapter with a notary, and its registration.
//!
//! What is odd about it: JSON in both directions, each message with `X-Time` (milliseconds), `X-Nonce` and `X-Sign`, the hex of
//! HMAC-SHA256 over what stands before the body (`POST /in`, or the status), time, nonce and body, a line each. It knows
//! no check of names, no withdrawal, and pushes its events.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use league_contract::{
    Adapter, AdapterConfig, Answer, Blockage, CLOCK_WINDOW_SECONDS, Call, CallContext, Callback,
    CallbackError, CallbackVerdict, Capabilities, Completion, ConfigError, DecodeError, EncodeError,
    EventKind, EventSource, Method, Nonce, Notary, NotaryError, OpenFields, Organization, OrganizationPage,
    PartnerStatus, Receipt, Record, Refusal, Registration, Remark, Reply, RequestId, StatusEvent, System,
    WireRequest, WireResponse, Words,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::Arc;

/// The line of registration.
pub(super) const REGISTRATION: Registration = Registration {
    system: "hebei",
    name_zh: "河北",
    name_en: "Hebei",
    identity_key: "client",
    secrets_key: "secrets",
    secret_files_key: "secret_files",
    codes: &["OK", "AGAIN", "NONE", "BAD", "SIGN"],
    open_fields: OpenFields { plain: &["code"], words: &[] },
    build: |config| Ok(Arc::new(Hebei::new(config)?)),
    notary: |config| Ok(Arc::new(Hebei::new(config)?)),
};

struct Hebei {
    config: AdapterConfig,
}

#[derive(Deserialize)]
struct Envelope {
    code: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Pushed {
    event: String,
    id: RequestId,
    no: String,
    status: String,
    at: i64,
}

impl Hebei {
    fn new(config: AdapterConfig) -> Result<Self, ConfigError> {
        if config.secrets.is_empty() {
            return Err(ConfigError { key: "secrets", problem: "must hold a secret".into() });
        }
        Ok(Self { config })
    }

    fn mac(&self, before: &str, time: &str, nonce: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.config.secrets[0].expose()).expect("any length is a key");
        mac.update(format!("{before}\n{time}\n{nonce}\n").as_bytes());
        mac.update(body);
        mac
    }

    fn sign(
        &self,
        headers: &mut Vec<(String, String)>,
        before: &str,
        now: Timestamp,
        nonce: &str,
        body: &[u8],
    ) {
        let time = now.as_millisecond().to_string();
        let sign = hex::encode(self.mac(before, &time, nonce, body).finalize().into_bytes());
        let own = [("X-Time", time), ("X-Nonce", nonce.to_owned()), ("X-Sign", sign)];
        headers.retain(|(name, _)| own.iter().all(|(known, _)| !known.eq_ignore_ascii_case(name)));
        headers.extend(own.map(|(name, value)| (name.to_owned(), value)));
    }

    /// The nonce of a message that is genuine and in time; else how many seconds it is away, if it is genuine.
    fn verified<'a>(
        &self,
        before: &str,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<String, Option<i64>> {
        let (time, nonce) = (header("X-Time").ok_or(None)?, header("X-Nonce").ok_or(None)?);
        let sign = hex::decode(header("X-Sign").ok_or(None)?).map_err(|_| None)?;
        self.mac(before, time, nonce, body).verify_slice(&sign).map_err(|_| None)?;
        let sent: i64 = time.parse().map_err(|_| None)?;
        let away = now.as_millisecond().saturating_sub(sent) / 1000;
        if away.abs() > CLOCK_WINDOW_SECONDS { Err(Some(away)) } else { Ok(nonce.to_owned()) }
    }
}

fn before(request: &WireRequest) -> String {
    format!("{} {}", request.method.as_str(), request.target)
}

fn status(word: &str) -> Option<PartnerStatus> {
    match word {
        "WAITS" => Some(PartnerStatus::Pending),
        "YES" => Some(PartnerStatus::Approved),
        "NO" => Some(PartnerStatus::Rejected),
        _ => None,
    }
}

fn instant(data: &Value) -> Option<Timestamp> {
    Timestamp::from_millisecond(data["at"].as_i64()?).ok()
}

fn answer(call: &Call, data: &Value, duplicate: bool) -> Option<Answer> {
    let text = |name: &str| data[name].as_str().map(str::to_owned);
    let status = || status(data["status"].as_str()?);
    match call {
        Call::Submit(_) => {
            Some(Answer::Receipt(Receipt { receipt_no: text("no")?, status: status()?, duplicate }))
        }
        Call::Query { request_id } => Some(Answer::Record(Record {
            request_id: request_id.clone(),
            receipt_no: text("no")?,
            status: status()?,
            reason: text("why").map(Words::new),
            check_in_by: None,
            account_created_at: None,
            updated_at: instant(data)?,
        })),
        Call::SearchOrganizations { .. } => {
            let items: Option<Vec<Organization>> = data["items"]
                .as_array()?
                .iter()
                .map(|item| {
                    let field = |name: &str| item[name].as_str().map(str::to_owned);
                    Some(Organization {
                        organization_id: field("id")?,
                        full_name: field("name")?,
                        kind: None,
                    })
                })
                .collect();
            Some(Answer::Organizations(OrganizationPage { total: data["total"].as_u64()?, items: items? }))
        }
        Call::CheckOrganization { .. } | Call::Withdraw { .. } | Call::ListChanges { .. } => None,
    }
}

impl Adapter for Hebei {
    fn system(&self) -> System {
        System::named(REGISTRATION.system)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            organization_check: false,
            search_page_limit: 20,
            search_keyword_least: 1,
            query: true,
            withdraw: false,
            events: EventSource::Push,
            completion: Completion::Approval,
        }
    }

    fn encode(&self, call: &Call, at: &CallContext) -> Result<WireRequest, EncodeError> {
        let (target, body) = match call {
            Call::Submit(transfer) => {
                let member = &transfer.member;
                let body = json!({
                    "id": transfer.request_id, "name": member.name.expose(), "number": member.id_number.expose(),
                    "phone": member.phone.expose(), "to": transfer.destination.full_name, "why": transfer.reason.word(),
                    "from": transfer.source.full_name, "details": transfer.details, "at": transfer.applied_at.as_millisecond(),
                });
                ("/in", body)
            }
            Call::Query { request_id } => ("/what", json!({"id": request_id})),
            Call::SearchOrganizations { keyword, page, size, .. } => {
                ("/orgs", json!({"words": keyword, "page": page, "size": size}))
            }
            Call::CheckOrganization { .. } | Call::Withdraw { .. } | Call::ListChanges { .. } => {
                return Err(EncodeError::Unsupported { operation: call.operation() });
            }
        };
        let target = format!("{}{target}", self.config.base_path());
        let (mut headers, body) =
            (vec![("X-Client".to_owned(), self.config.identity.clone())], body.to_string());
        self.sign(&mut headers, &format!("POST {target}"), at.now, &at.nonce.to_hex(), body.as_bytes());
        Ok(WireRequest { method: Method::Post, target, headers, body: body.into_bytes() })
    }

    fn decode(&self, call: &Call, at: &CallContext, response: &WireResponse) -> Result<Reply, DecodeError> {
        let before = response.status.to_string();
        let nonce = self.verified(&before, |name| response.header(name), &response.body, at.now);
        if nonce.ok().as_ref() != Some(&at.nonce.to_hex()) {
            return Err(DecodeError::NotGenuine("X-Sign, X-Time or X-Nonce does not hold".to_owned()));
        }
        let malformed = |_| DecodeError::Malformed("not the profile's JSON".to_owned());
        let envelope: Envelope = serde_json::from_slice(&response.body).map_err(malformed)?;
        let remark = Remark { code: envelope.code.clone(), message: Words::new(envelope.text) };
        let answered = |duplicate| {
            let answer = answer(call, &envelope.data, duplicate);
            answer
                .map(Reply::Answered)
                .ok_or_else(|| DecodeError::Malformed("data is not the call's".to_owned()))
        };
        match envelope.code.as_str() {
            "OK" => answered(false),
            "AGAIN" => answered(true),
            "NONE" => Ok(Reply::Answered(Answer::NotReceived)),
            "BAD" => Ok(Reply::Refused { why: Refusal::InvalidData, remark }),
            "SIGN" => Ok(Reply::Blocked { why: Blockage::Authentication, remark }),
            _ => Err(DecodeError::UnknownCode(format!("to {}", call.operation()))),
        }
    }

    fn open_callback(&self, request: &WireRequest, now: Timestamp) -> Result<Callback, CallbackError> {
        let nonce = self.verified(&before(request), |name| request.header(name), &request.body, now);
        let replay_key = nonce.map_err(|away| match away {
            Some(away) => CallbackError::Stale(away),
            None => CallbackError::Unauthenticated("X-Sign does not hold"),
        })?;
        let malformed = |what: &str| CallbackError::Malformed(what.to_owned());
        let pushed: Pushed =
            serde_json::from_slice(&request.body).map_err(|_| malformed("not the profile's JSON"))?;
        let event = StatusEvent {
            event_id: pushed.event,
            request_id: pushed.id,
            receipt_no: pushed.no,
            kind: EventKind::Status(status(&pushed.status).ok_or_else(|| malformed("status"))?),
            occurred_at: Timestamp::from_millisecond(pushed.at).map_err(|_| malformed("at"))?,
            reason: None,
            check_in_by: None,
            organization_id: None,
        };
        Ok(Callback { replay_key, event })
    }

    fn answer_callback(&self, _: &WireRequest, verdict: CallbackVerdict, at: &CallContext) -> WireResponse {
        let status = match verdict {
            CallbackVerdict::Stored => 200,
            CallbackVerdict::Unauthenticated | CallbackVerdict::Stale | CallbackVerdict::Replayed => 401,
            CallbackVerdict::Malformed | CallbackVerdict::TooLarge => 400,
            CallbackVerdict::Unavailable => 503,
        };
        let mut headers = Vec::new();
        self.sign(&mut headers, &status.to_string(), at.now, &at.nonce.to_hex(), b"");
        WireResponse { status, headers, body: Vec::new() }
    }
}

impl Notary for Hebei {
    fn verify(&self, request: &WireRequest, now: Timestamp) -> Result<(), NotaryError> {
        let verified = self.verified(&before(request), |name| request.header(name), &request.body, now);
        verified.map(drop).map_err(|_| "X-Sign or X-Time does not hold".into())
    }

    fn moment(&self, request: &WireRequest) -> Result<CallContext, NotaryError> {
        let time = request.header("X-Time").and_then(|time| time.parse().ok());
        let now = time.and_then(|time| Timestamp::from_millisecond(time).ok()).ok_or("X-Time is no time")?;
        let nonce = request.header("X-Nonce").and_then(|nonce| hex::decode(nonce).ok()?.try_into().ok());
        Ok(CallContext { now, nonce: Nonce(nonce.ok_or("X-Nonce is not 32 hex digits")?) })
    }

    fn sign_answer(
        &self,
        request: &WireRequest,
        now: Timestamp,
        mut answer: WireResponse,
    ) -> Result<WireResponse, NotaryError> {
        let nonce = request.header("X-Nonce").ok_or("X-Nonce is missing")?;
        self.sign(&mut answer.headers, &answer.status.to_string(), now, nonce, &answer.body);
        Ok(answer)
    }

    fn sign_push(&self, mut message: WireRequest, at: &CallContext) -> Result<WireRequest, NotaryError> {
        let before = before(&message);
        self.sign(&mut message.headers, &before, at.now, &at.nonce.to_hex(), &message.body);
        Ok(message)
    }
}
