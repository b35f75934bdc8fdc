//! The trait that every external system's adapter implements, and how it is made.

use crate::{
    Call, CallContext, Callback, CallbackError, CallbackVerdict, DecodeError, EncodeError, Notary, Reply,
    Secret, System, WireRequest, WireResponse,
};
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;

/// One external system's profile, as pure functions. See the crate's documentation for the laws.
pub trait Adapter: Send + Sync {
    /// Which system.
    fn system(&self) -> System;

    /// What the profile offers.
    fn capabilities(&self) -> Capabilities;

    /// Puts a call into the system's words.
    ///
    /// # Errors
    /// [`EncodeError`] where the profile has no such operation or no room for a value.
    fn encode(&self, call: &Call, at: &CallContext) -> Result<WireRequest, EncodeError>;

    /// Reads the answer to `call`, which was encoded with the same nonce; `at.now` is the time of the answer.
    ///
    /// # Errors
    /// [`DecodeError`] where the answer is not genuine or not the profile's form.
    fn decode(&self, call: &Call, at: &CallContext, response: &WireResponse) -> Result<Reply, DecodeError>;

    /// Verifies and reads a pushed message: signature over the raw bytes, time window, then the content.
    ///
    /// # Errors
    /// [`CallbackError`]; a system without push refuses every message as `Unauthenticated`.
    fn open_callback(&self, request: &WireRequest, now: Timestamp) -> Result<Callback, CallbackError>;

    /// The system's own form of answer to a pushed message, signed.
    fn answer_callback(
        &self,
        request: &WireRequest,
        verdict: CallbackVerdict,
        at: &CallContext,
    ) -> WireResponse;
}

/// What a system offers, as data: delivery, the API's `/v1/routes` and `routes list` read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Capabilities {
    /// It answers 查询组织全称是否存在.
    pub organization_check: bool,
    /// The most organizations on a page of its list search.
    pub search_page_limit: u32,
    /// The fewest characters of a search's keyword.
    pub search_keyword_least: u32,
    /// A transfer can be asked for by its request id.
    pub query: bool,
    /// A transfer can be taken back.
    pub withdraw: bool,
    /// How its status events reach us.
    pub events: EventSource,
    /// What completes a transfer.
    pub completion: Completion,
}

/// How status events reach us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventSource {
    /// It pushes them, signed.
    Push,
    /// We poll its feed from a durable cursor.
    Feed {
        /// The most changes on a page.
        page_limit: u32,
    },
}

/// What completes a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Completion {
    /// The receiving organization's approval.
    Approval,
    /// The member's check-in there (报到).
    CheckIn,
}

/// How an adapter enters the program: one of these per crate, listed in one place.
#[derive(Clone, Copy)]
pub struct Registration {
    /// The system's name: the section `[systems.NAME]`.
    pub system: &'static str,
    /// Its name for people.
    pub name_zh: &'static str,
    /// Its name for people, in English.
    pub name_en: &'static str,
    /// The configuration key of our identity there: `app_id`.
    pub identity_key: &'static str,
    /// The configuration key of the secrets: `secrets` (files then stand under `secret_files`).
    pub secrets_key: &'static str,
    /// The configuration key of files that hold the secrets, one each.
    pub secret_files_key: &'static str,
    /// Every code of the profile's table. `league-replay` demands a fixture for each.
    pub codes: &'static [&'static str],
    /// What of its messages may be shown to people.
    pub open_fields: OpenFields,
    /// Makes the adapter.
    pub build: fn(AdapterConfig) -> Result<Arc<dyn Adapter>, ConfigError>,
    /// Makes what signs and verifies recordings.
    pub notary: fn(AdapterConfig) -> Result<Arc<dyn Notary>, ConfigError>,
}

/// The fields of a profile's messages whose values may be shown: JSON keys, local names of XML elements, `@` and the name
/// of an attribute, and headers. What stands in neither list is starred out, so what a profile adds later is, too.
#[derive(Debug, Clone, Copy)]
pub struct OpenFields {
    /// Numbers, times, codes, words of a list, names of organizations: nothing of a person, and no secret.
    pub plain: &'static [&'static str],
    /// Sentences, which may name a person: shown only where it is known whom.
    pub words: &'static [&'static str],
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.system)
    }
}

/// What an adapter needs to know.
#[derive(Debug, Clone)]
pub struct AdapterConfig {
    /// Scheme, host and optional path prefix, without a closing slash: `https://host/prefix`.
    pub base_url: String,
    /// Who we are there.
    pub identity: String,
    /// The first signs, all verify. Never empty.
    pub secrets: Vec<Secret>,
}

impl AdapterConfig {
    /// The path prefix of the base URL: `/prefix`, or nothing. A signature may cover it.
    #[must_use]
    pub fn base_path(&self) -> &str {
        let after_scheme =
            self.base_url.find("://").map_or(self.base_url.as_str(), |at| &self.base_url[at + 3..]);
        after_scheme.find('/').map_or("", |at| after_scheme[at..].trim_end_matches('/'))
    }
}

/// A value that the adapter can't work with: which key, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The key within the system's section: `base_url`.
    pub key: &'static str,
    /// What is wrong and what to write instead.
    pub problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_what_follows_the_host() {
        let config =
            |url: &str| AdapterConfig { base_url: url.into(), identity: String::new(), secrets: vec![] };
        assert_eq!(config("http://127.0.0.1:9101").base_path(), "");
        assert_eq!(config("http://127.0.0.1:9101/").base_path(), "");
        assert_eq!(config("https://h/a/b").base_path(), "/a/b");
    }
}
