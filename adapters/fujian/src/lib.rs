//! Fujian's league system (福建), as a pure adapter. The profile is `docs/profiles/fujian`.
//!
//! # What is odd about this system
//!
//! - **SOAP 1.1, document/literal**, one endpoint for everything; the operation stands in `SOAPAction` and in the
//!   body's element. We read by namespace, never by prefix: prefixes are the partner's choice.
//! - **Answers are not signed.** They are trusted over TLS alone, so `config.rs` refuses plain `http` to anything but
//!   this machine. Of what can still be checked, everything is: the answer must be the asked operation's and, where it
//!   names a request, the asked request's.
//! - **No means HTTP 500**: every refusal is a `soap:Fault`. A fault with HTTP 200, or a response with HTTP 500, is no
//!   answer of this system.
//! - **No push**: status events are polled from a feed with a cursor, page by page (`feed.rs`).
//! - **No organization check** (转到福建的申请不可使用此功能), only a search by words.
//! - **Complete at check-in**: `ACCEPTED` says only that the member may now check in there, until a deadline.
//! - The WSDL has room for a member number of any length, so Shandong's sixteen digits are sent; it has none for the
//!   ethnicity, which stays here.
//! - `SHA-1` in the password digest is the profile's; TLS is what protects the exchange.

mod codes;
mod config;
mod decode;
mod encode;
mod feed;
mod notary;
mod schema;
mod sign;

use config::Config;
use jiff::Timestamp;
use league_contract::{
    Adapter, Call, CallContext, Callback, CallbackError, CallbackVerdict, Capabilities, Completion,
    DecodeError, EncodeError, EventSource, Registration, Reply, System, WireRequest, WireResponse,
};
use std::sync::Arc;

const NAME: &str = "fujian";

/// How the program comes to know this system.
pub const REGISTRATION: Registration = Registration {
    system: NAME,
    name_zh: "福建",
    name_en: "Fujian",
    identity_key: "username",
    secrets_key: "passwords",
    secret_files_key: "password_files",
    codes: &codes::CODES,
    open_fields: schema::OPEN_FIELDS,
    build: |config| Ok(Arc::new(Fujian { config: Config::try_from(config)? })),
    notary: |config| Ok(Arc::new(Fujian { config: Config::try_from(config)? })),
};

struct Fujian {
    config: Config,
}

impl Adapter for Fujian {
    fn system(&self) -> System {
        System::named(NAME)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            organization_check: false,
            search_page_limit: schema::SEARCH_LIMIT,
            search_keyword_least: 1,
            query: true,
            withdraw: true,
            events: EventSource::Feed { page_limit: schema::FEED_LIMIT },
            completion: Completion::CheckIn,
        }
    }

    fn encode(&self, call: &Call, at: &CallContext) -> Result<WireRequest, EncodeError> {
        encode::request(&self.config, call, at)
    }

    fn decode(&self, call: &Call, at: &CallContext, response: &WireResponse) -> Result<Reply, DecodeError> {
        decode::reply(call, at, response)
    }

    fn open_callback(&self, _: &WireRequest, _: Timestamp) -> Result<Callback, CallbackError> {
        Err(CallbackError::Unauthenticated("this system does not push"))
    }

    fn answer_callback(&self, _: &WireRequest, _: CallbackVerdict, _: &CallContext) -> WireResponse {
        WireResponse { status: 404, headers: Vec::new(), body: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use league_contract::{AdapterConfig, Method, Nonce, Secret};

    #[test]
    fn nothing_is_pushed_here() {
        let config = AdapterConfig {
            base_url: "https://fujian.example".into(),
            identity: "BJGQT".into(),
            secrets: vec![Secret::new("one".into())],
        };
        let adapter = (REGISTRATION.build)(config).expect("built");
        let target = "/callbacks/fujian".to_owned();
        let request = WireRequest { method: Method::Post, target, headers: vec![], body: b"{}".to_vec() };
        let at = CallContext { now: Timestamp::UNIX_EPOCH, nonce: Nonce([0; 16]) };
        assert_eq!(
            adapter.open_callback(&request, at.now),
            Err(CallbackError::Unauthenticated("this system does not push"))
        );
        let answer = adapter.answer_callback(&request, CallbackVerdict::Unauthenticated, &at);
        assert_eq!((answer.status, answer.body.len()), (404, 0));
    }
}
