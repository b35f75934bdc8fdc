//! What is shown to programs and people: a transfer, masked, and answers about organizations.

mod callbacks;
mod document;
mod message;
mod organizations;
mod persons;
mod story;
mod systems;

pub use callbacks::{CallbackDetails, CallbackView};
pub use document::{
    AmendmentDocument, DestinationDocument, MemberDocument, ReasonBody, Sentence, SourceDocument,
    TransferDocument,
};
pub use message::{HeaderView, Masking, MessageView};
pub use organizations::{CheckView, SearchPage};
pub use persons::Persons;
pub use story::{
    ExchangeMessages, ExchangeView, Happening, Moment, Opener, Records, StoryView, UpstreamCall,
};
pub use systems::{LimitsView, ProbeView, SystemView, standing};

use crate::routing::Routes;
use crate::store::Stored;
use crate::transfer::{Held, LastError, Milestones, State};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A transfer as the upstream interface shows it (`view` role: masked).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TransferView {
    /// Upstream's key.
    pub request_id: String,
    /// Which external system it goes to.
    pub system: String,
    /// Where it stands.
    pub state: String,
    /// Who holds it and why, if an operator does.
    pub held: Option<Held>,
    /// The person, masked; empty once it was erased.
    pub member: MemberView,
    /// The personal data was erased, after its retention.
    pub erased: bool,
    /// From where.
    pub source: SourceView,
    /// To where.
    pub destination: DestinationView,
    /// Why.
    pub reason: String,
    /// The partner's number.
    pub receipt_no: Option<String>,
    /// Submits that count.
    pub attempts: u32,
    /// When the gateway sends or asks next; nothing where it waits for the partner.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<LastError>,
    /// What people should look at.
    pub warnings: Vec<Bilingual>,
    /// Facts beside the state.
    pub milestones: Milestones,
    /// What the member should do now.
    pub guidance: Option<Bilingual>,
    /// Upstream asked for it back and the partner has not answered yet.
    pub withdrawal_pending: bool,
    /// When it entered the outbox.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// The person, masked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MemberView {
    /// `张*`
    pub name: String,
    /// `110***************`
    pub id_number: String,
    /// `138********`
    pub phone: String,
}

/// From where.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceView {
    /// Its id in the Beijing system.
    pub organization_id: String,
    /// Its full name.
    pub full_name: String,
}

/// To where.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DestinationView {
    /// Six digits.
    pub province_code: String,
    /// The unit's name.
    pub province: String,
    /// The full name as it was typed.
    pub full_name: String,
    /// The name under which it was sent, where that is another spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_name: Option<String>,
    /// The partner's id, once known.
    pub organization_id: Option<String>,
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bilingual {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl From<[String; 2]> for Bilingual {
    fn from([zh, en]: [String; 2]) -> Self {
        Self { zh, en }
    }
}

impl TransferView {
    /// Shows a stored transfer.
    #[must_use]
    pub fn new(stored: &Stored, routes: &Routes) -> Self {
        let Stored { entry, shown, .. } = stored;
        let waits_for_us = matches!(entry.state, State::Queued | State::Unconfirmed);
        Self {
            request_id: entry.request_id.to_string(),
            system: entry.system.to_string(),
            state: entry.state.to_string(),
            held: entry.held.clone(),
            erased: stored.erased(),
            member: MemberView {
                name: shown.name.clone(),
                id_number: shown.id_number.clone(),
                phone: shown.phone.clone(),
            },
            source: SourceView {
                organization_id: shown.source_id.clone(),
                full_name: shown.source_name.clone(),
            },
            destination: DestinationView {
                province_code: entry.province_code.to_string(),
                province: routes.of(entry.province_code).map(|route| route.name.clone()).unwrap_or_default(),
                full_name: entry.destination_name.clone(),
                sent_name: entry.sent_name.clone().filter(|sent| *sent != entry.destination_name),
                organization_id: entry.organization_id.clone(),
            },
            reason: shown.reason.clone(),
            receipt_no: entry.receipt_no.clone(),
            attempts: entry.attempts,
            next_attempt_at: entry.due_at.filter(|_| waits_for_us),
            last_error: entry.last_error.clone(),
            warnings: entry.warnings.iter().cloned().map(Bilingual::from).collect(),
            milestones: entry.milestones.clone(),
            guidance: entry.guidance().map(Bilingual::from),
            withdrawal_pending: entry.withdrawal.is_some(),
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        }
    }
}
