//! Status events as they are shown: in a list, and one with its message, masked.

use super::message::MessageView;
use super::story::{Opener, Records};
use crate::store::{CallbackRow, StoreError, Tx};
use jiff::Timestamp;
use league_contract::{RequestId, StatusEvent, UnreadableChange};
use serde::Serialize;
use utoipa::ToSchema;

/// A status event that a system reported.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CallbackView {
    /// Its number here.
    pub id: i64,
    /// Who reported it.
    pub system: String,
    /// The system's id of it.
    pub event_id: String,
    /// The transfer that it is about; `?` where that can't be read.
    pub request_id: String,
    /// What it says: `pending`, `awaiting_check_in`, `approved`, `checked_in`, `rejected`, `overdue`, `withdrawn`,
    /// `account_created`, `unreadable`.
    pub event: String,
    /// What became of it: `applied`, `unmatched`, `conflict`, `refused`.
    pub verdict: String,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// How often it came again.
    pub repeats: i64,
}

/// A status event with all that may be shown of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CallbackDetails {
    /// The event.
    #[serde(flatten)]
    pub callback: CallbackView,
    /// When it happened, by the system's clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub occurred_at: Option<Timestamp>,
    /// The system's number of the transfer.
    pub receipt_no: Option<String>,
    /// The system's words for it, redacted; `***` where nobody knows whom they may name.
    pub words: Option<String>,
    /// What is wrong with one that can't be read.
    pub problem: Option<String>,
    /// The message that it came in, masked; of a feed the whole page. Nothing where it is kept with another event of its page.
    pub message: Option<MessageView>,
}

impl From<&CallbackRow> for CallbackView {
    fn from(row: &CallbackRow) -> Self {
        Self {
            id: row.id,
            system: row.system.clone(),
            event_id: row.event_id.clone(),
            request_id: row.request_id.clone(),
            event: row.event.clone(),
            verdict: row.verdict.clone(),
            received_at: row.received_at,
            repeats: row.repeats,
        }
    }
}

impl CallbackDetails {
    /// The event of a key, if it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(tx: &mut Tx, id: i64, opener: Opener<'_>) -> Result<Option<Self>, StoreError> {
        let Some(row) = tx.callback(id).await? else { return Ok(None) };
        let message = tx.callback_message(id).await?.unwrap_or_default();
        let records = match RequestId::parse(&row.request_id) {
            Some(request_id) => Records::read(tx, &request_id).await?,
            None => None,
        };
        // Another system's transfer of that name is not what it is about.
        let records = records.filter(|records| records.stored.entry.system.as_str() == row.system);
        Ok(Some(Self::new(&row, &message, records.as_ref(), opener)))
    }

    /// Shows an event with the message that it came in, and what is on record of its transfer, if that is here.
    fn new(row: &CallbackRow, message: &[u8], records: Option<&Records>, opener: Opener<'_>) -> Self {
        let transfer = records.and_then(|records| records.transfer(opener));
        let masking = match records {
            Some(records) => records.masking(transfer.as_ref(), opener, &row.system),
            None => opener.of_nobody(&row.system),
        };
        let open = |context, sealed: &[u8]| opener.sealer.open(context, &row.event_id, sealed).ok();
        let clear = open("event", &row.event_sealed);
        let event = clear.as_deref().and_then(|clear| serde_json::from_slice::<StatusEvent>(clear).ok());
        let unreadable =
            clear.as_deref().and_then(|clear| serde_json::from_slice::<UnreadableChange>(clear).ok());
        let raw = open("raw_event", message).filter(|raw| !raw.is_empty());
        // A feed's page is about many, whom nobody knows here.
        let of_many = opener.of_nobody(&row.system);
        let of_message = if opener.is_fed_by(&row.system) { &of_many } else { &masking };
        Self {
            callback: row.into(),
            occurred_at: event.as_ref().map(|event| event.occurred_at),
            receipt_no: event.as_ref().map(|event| masking.plain(&event.receipt_no)),
            words: event
                .as_ref()
                .and_then(|event| event.reason.as_ref())
                .map(|words| masking.sentence(words.as_received())),
            problem: unreadable.map(|change| masking.plain(&change.problem)),
            message: raw.map(|raw| of_message.body(&raw)),
        }
    }
}
