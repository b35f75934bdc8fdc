//! The national Smart League system (智慧团建), as a pure adapter. Profile: `docs/profiles/smart-league/`.
//!
//! What is odd about this system:
//!
//! - **Answers are signed**, with the nonce of the request, whatever their HTTP status. Nothing of an answer is read
//!   before its signature, nonce and time hold, with one exception: **HTTP 401**. When our secret is wrong here, no
//!   answer of theirs verifies either, and when our clock is wrong every answer of theirs looks stale. A 401 moves
//!   nobody, and its only consequence is that the system is suspended and an alarm raised; so it always is
//!   [`Blocked`](league_contract::Reply::Blocked). Which of the two it is, and their words, are believed only if the
//!   signature holds (the time need not: that is the point of 40102). A resend after a false 401 meets the same
//!   `requestId` and comes back as a duplicate.
//! - `Retry-After` stands outside the signature; it is read only beside an envelope whose signature holds.
//! - It alone answers whether an organization of a full name exists. *Exists* without an id means that several bear
//!   the name.
//! - It has room for the 12 digits of a member development number only. Shandong's 16 digits are not sent: the field
//!   is optional, and a made-up number would be worse than none.
//! - It makes accounts for members who have none, and pushes their user names. These are dropped here: the initial
//!   password follows from them.

mod callback;
mod codes;
mod config;
mod decode;
mod encode;
mod notary;
mod schema;
mod sign;

use config::Settings;
use jiff::Timestamp;
use league_contract::{
    Adapter, AdapterConfig, Call, CallContext, Callback, CallbackError, CallbackVerdict, Capabilities,
    Completion, ConfigError, DecodeError, EncodeError, EventSource, Registration, Reply, System, WireRequest,
    WireResponse,
};
use std::sync::Arc;

/// How the program comes by this adapter.
pub const REGISTRATION: Registration = Registration {
    system: "smart_league",
    name_zh: "智慧团建",
    name_en: "Smart League (national)",
    identity_key: config::IDENTITY_KEY,
    secrets_key: config::SECRETS_KEY,
    secret_files_key: "secret_files",
    codes: &codes::CODES,
    open_fields: schema::OPEN_FIELDS,
    build,
    notary: |config| Ok(Arc::new(SmartLeague { settings: Settings::read(&config)? })),
};

fn build(config: AdapterConfig) -> Result<Arc<dyn Adapter>, ConfigError> {
    Ok(Arc::new(SmartLeague { settings: Settings::read(&config)? }))
}

/// The adapter.
struct SmartLeague {
    settings: Settings,
}

impl Adapter for SmartLeague {
    fn system(&self) -> System {
        System::named(REGISTRATION.system)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            organization_check: true,
            search_page_limit: encode::SEARCH_PAGE_LIMIT,
            search_keyword_least: encode::SEARCH_KEYWORD_LEAST,
            query: true,
            withdraw: true,
            events: EventSource::Push,
            completion: Completion::Approval,
        }
    }

    fn encode(&self, call: &Call, at: &CallContext) -> Result<WireRequest, EncodeError> {
        encode::encode(&self.settings, call, at)
    }

    fn decode(&self, call: &Call, at: &CallContext, response: &WireResponse) -> Result<Reply, DecodeError> {
        decode::decode(&self.settings, call, at, response)
    }

    fn open_callback(&self, request: &WireRequest, now: Timestamp) -> Result<Callback, CallbackError> {
        callback::open(&self.settings, request, now)
    }

    fn answer_callback(
        &self,
        request: &WireRequest,
        verdict: CallbackVerdict,
        at: &CallContext,
    ) -> WireResponse {
        callback::answer(&self.settings, request, verdict, at)
    }
}
