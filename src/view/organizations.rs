//! Answers about organizations as they are shown to programs.

use crate::organization::check::{CheckAnswer, Finding, Source};
use crate::organization::search::SearchAnswer;
use crate::organization::suggestion::Suggestion;
use jiff::Timestamp;
use league_contract::Organization;
use serde::Serialize;
use utoipa::ToSchema;

/// The answer to a check of a full name.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckView {
    /// Which of the five.
    pub result: Finding,
    /// For people.
    pub message: String,
    /// For people.
    pub message_en: String,
    /// The system's id of it.
    pub organization_id: Option<String>,
    /// What it is called there.
    pub full_name: Option<String>,
    /// Which may have been meant, and in what their names differ from what was typed.
    pub suggestions: Vec<Suggestion>,
    /// When the list was imported that the suggestions come from; nothing where the system's own search found them.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub suggestions_as_of: Option<Timestamp>,
    /// Where the answer comes from.
    pub source: Source,
    /// When it was true: when the system said it, or when the directory's list was imported.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// How old it is.
    pub age_seconds: u64,
}

impl CheckView {
    /// Shows an answer as it is now.
    #[must_use]
    pub fn new(answer: CheckAnswer, now: Timestamp) -> Self {
        Self {
            result: answer.result,
            message: answer.message,
            message_en: answer.message_en,
            organization_id: answer.organization_id,
            full_name: answer.full_name,
            suggestions: answer.suggestions,
            suggestions_as_of: answer.suggestions_as_of,
            source: answer.source,
            as_of: answer.as_of,
            age_seconds: age(answer.as_of, now),
        }
    }
}

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchPage {
    /// How many there are in all.
    pub total: u64,
    /// Those of the page.
    pub items: Vec<Organization>,
    /// Where to go on; nothing at the end.
    pub next_offset: Option<u64>,
    /// Where the answer comes from.
    pub source: Source,
    /// When it was true: when the system said it, or when the directory's list was imported.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// How old it is.
    pub age_seconds: u64,
}

impl SearchPage {
    /// Shows what was found after `offset` others, as it is now.
    #[must_use]
    pub fn new(found: SearchAnswer, offset: u64, now: Timestamp) -> Self {
        let SearchAnswer { total, items, source, as_of } = found;
        let next = offset.saturating_add(items.len() as u64);
        let next_offset = (!items.is_empty() && next < total).then_some(next);
        Self { total, items, next_offset, source, as_of, age_seconds: age(as_of, now) }
    }
}

/// How long ago something was, in whole seconds.
fn age(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(at).as_secs()).unwrap_or_default()
}
