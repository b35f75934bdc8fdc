//! The partner's side of a conversation, played from fixtures.

use crate::case::{Case, Expected, Kind};
use crate::compare::{self, Difference};
use crate::examine::volatile;
use jiff::Timestamp;
use league_contract::{Adapter, Notary, Reply, WireRequest, WireResponse};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Answers requests from recorded cases of one system: what is asked must be what was recorded, but for times, nonces and
/// signatures; the answer is signed for whoever asks now.
pub struct Player {
    parts: Vec<Part>,
    notary: Arc<dyn Notary>,
}

struct Part {
    case: Case,
    volatile: BTreeSet<String>,
    /// Of several that fit, the lowest is played: one that answers, and as the profile says.
    rank: (bool, bool),
}

/// What comes of a request.
#[derive(Debug)]
pub enum Played {
    /// The answer.
    Answer {
        /// Which case is played.
        case: String,
        /// The answer, as it goes out.
        response: WireResponse,
    },
    /// The request is not signed as the fixtures' configuration wants it, or the answer can't be signed for it.
    Unsigned(String),
    /// No case has this request.
    Unknown {
        /// The case whose request is the most alike.
        nearest: Option<String>,
        /// What differs from it: `expected` is the recording's.
        differences: Vec<Difference>,
    },
}

impl Player {
    /// Prepares the exchanges among the cases; callbacks are not answers.
    #[must_use]
    pub fn new(cases: Vec<Case>, adapter: &dyn Adapter, notary: Arc<dyn Notary>) -> Self {
        let part = |case: Case| {
            let Kind::Exchange(exchange) = &case.kind else { return None };
            exchange.request.as_ref().zip(exchange.response.as_ref())?;
            let answers = matches!(exchange.expected, Expected::Reply(Reply::Answered(_)));
            let strict = case.tags.iter().all(|tag| tag != "lenient");
            Some(Part { volatile: volatile(&case, adapter), rank: (!answers, !strict), case })
        };
        Self { parts: cases.into_iter().filter_map(part).collect(), notary }
    }

    /// How many cases it can play.
    #[must_use]
    pub fn repertoire(&self) -> usize {
        self.parts.len()
    }

    /// Answers a request at `now`, from the cases that `among` lets pass.
    #[must_use]
    pub fn answer(&self, request: &WireRequest, now: Timestamp, among: impl Fn(&Case) -> bool) -> Played {
        if let Err(error) = self.notary.verify(request, now) {
            return Played::Unsigned(error.to_string());
        }
        let alike = self
            .parts
            .iter()
            .filter(|part| among(&part.case))
            .filter_map(|part| Some((part.differences(request)?, part)));
        let best = alike.min_by_key(|(differences, part)| (differences.len(), part.rank));
        match best {
            Some((differences, part)) if differences.is_empty() => self.play(part, request, now),
            Some((differences, part)) => {
                Played::Unknown { nearest: Some(part.case.name.clone()), differences }
            }
            None => Played::Unknown { nearest: None, differences: Vec::new() },
        }
    }

    fn play(&self, part: &Part, request: &WireRequest, now: Timestamp) -> Played {
        let Kind::Exchange(exchange) = &part.case.kind else {
            return Played::Unknown { nearest: None, differences: Vec::new() };
        };
        let response =
            exchange.response.clone().unwrap_or(WireResponse { status: 500, headers: vec![], body: vec![] });
        match self.notary.sign_answer(request, now, response) {
            Ok(response) => Played::Answer { case: part.case.name.clone(), response },
            Err(error) => Played::Unsigned(error.to_string()),
        }
    }
}

impl Part {
    /// What a request says otherwise than the recorded one. Of its headers those count that were recorded; the type of
    /// the body is known by the body.
    fn differences(&self, request: &WireRequest) -> Option<Vec<Difference>> {
        let Kind::Exchange(exchange) = &self.case.kind else { return None };
        let recorded = exchange.request.as_ref()?;
        let counts =
            |name: &str| !name.eq_ignore_ascii_case("Content-Type") && recorded.header(name).is_some();
        let kept = |message: &WireRequest| {
            let mut headers: Vec<(String, String)> = message
                .headers
                .iter()
                .filter(|(name, _)| counts(name))
                .map(|(name, value)| {
                    let written = recorded.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                    (written.map_or(name, |(known, _)| known).clone(), value.clone())
                })
                .collect();
            headers.sort();
            WireRequest { headers, ..message.clone() }
        };
        let mut found = compare::requests(&kept(recorded), &kept(request)).fields;
        found.retain(|one| !self.volatile.contains(&one.field));
        Some(found)
    }
}
