//! Guangdong's league system (广东), as a pure adapter. The profile is `docs/profiles/guangdong`.
//!
//! What is odd about it:
//!
//! - One endpoint, `POST {base}/exchange`, takes every call; the `Service` in the head says which it is.
//! - The digest covers the head's values and the **bytes** of `Body` as they were sent, in the document's own encoding,
//!   which for their messages may be UTF-8, GBK or GB 18030. No canonical form exists: [`league_xml::Element::span`]
//!   gives the bytes.
//! - HTTP is 200 for every code; any other status is a broken answer. `Message` is outside the digest: it is shown,
//!   and nothing is decided by it.
//! - There is no check of a full name. `TransferIn.Submit` answers 2001 for a name that it does not know.
//! - A transfer is complete when the member has checked in locally (报到); until then it is `RECEIVED`.
//! - Times are wall-clock times of Asia/Shanghai, to the second. What `applied_at` has beyond that is cut off, the
//!   same at every resend.
//! - It has no room for the member's ethnicity, nor for a member number of 16 digits: both stay here.
//! - **3001 and 3002 block the system even where their digest does not hold for us.** They say that their secret or
//!   clock is not ours, and then neither their digest nor their time can hold. They must still repeat our service
//!   and serial number, and one whose digest holds for *another* code was changed on the way and is refused. Whoever
//!   stands between could so suspend the system, which cutting the line does as well; no transfer is changed by it,
//!   and a submit that was taken in all the same is answered 1001 when it comes again.

mod callback;
mod codes;
mod config;
mod decode;
mod encode;
mod notary;
mod schema;
mod sign;

use jiff::Timestamp;
use league_contract::{
    Adapter, AdapterConfig, Call, CallContext, Callback, CallbackError, CallbackVerdict, Capabilities,
    Completion, ConfigError, DecodeError, EncodeError, EventSource, Registration, Reply, System, WireRequest,
    WireResponse,
};
use std::sync::Arc;

/// How this adapter enters the program.
pub const REGISTRATION: Registration = Registration {
    system: "guangdong",
    name_zh: "广东",
    name_en: "Guangdong",
    identity_key: "app_key",
    secrets_key: "secrets",
    secret_files_key: "secret_files",
    codes: &codes::CODES,
    open_fields: schema::OPEN_FIELDS,
    build,
    notary: |config| Ok(Arc::new(Guangdong::new(config)?)),
};

fn build(config: AdapterConfig) -> Result<Arc<dyn Adapter>, ConfigError> {
    Ok(Arc::new(Guangdong::new(config)?))
}

struct Guangdong {
    config: AdapterConfig,
    stamps: schema::Stamps,
}

impl Guangdong {
    fn new(config: AdapterConfig) -> Result<Self, ConfigError> {
        config::check(&config)?;
        Ok(Self { stamps: schema::Stamps::new()?, config })
    }
}

impl Adapter for Guangdong {
    fn system(&self) -> System {
        System::named(REGISTRATION.system)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            organization_check: false,
            search_page_limit: encode::PAGE_LIMIT,
            search_keyword_least: 1,
            query: true,
            withdraw: true,
            events: EventSource::Push,
            completion: Completion::CheckIn,
        }
    }

    fn encode(&self, call: &Call, at: &CallContext) -> Result<WireRequest, EncodeError> {
        encode::request(self, call, at)
    }

    fn decode(&self, call: &Call, at: &CallContext, response: &WireResponse) -> Result<Reply, DecodeError> {
        decode::reply(self, call, at, response)
    }

    fn open_callback(&self, request: &WireRequest, now: Timestamp) -> Result<Callback, CallbackError> {
        callback::open(self, request, now)
    }

    fn answer_callback(
        &self,
        request: &WireRequest,
        verdict: CallbackVerdict,
        at: &CallContext,
    ) -> WireResponse {
        callback::answer(self, request, verdict, at)
    }
}
