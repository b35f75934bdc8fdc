//! One transfer's whole story: what upstream asked, what was exchanged with systems, what they reported, what people did,
//! and what became of it, in order of time.

use super::message::{Masking, MessageView};
use super::persons::Persons;
use super::{CallbackView, TransferView};
use crate::partner::Partners;
use crate::routing::Routes;
use crate::seal::Sealer;
use crate::store::{Attempt, AuditRow, CallbackRow, StoreError, Stored, TimelineLine, Tx};
use crate::telemetry::TraceId;
use jiff::Timestamp;
use league_contract::{EventSource, OpenFields, Operation, RequestId, System, Transfer};
use serde::Serialize;
use utoipa::ToSchema;

/// More acts than anybody does to one transfer.
const MOST_ACTS: u32 = 1_000;

/// A transfer and its story.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StoryView {
    /// Under which the gateway's logs and traces tell of it.
    pub trace_id: String,
    /// How it stands.
    pub transfer: TransferView,
    /// What happened, oldest first.
    pub timeline: Vec<Moment>,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Moment {
    /// When; of an exchange, when it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// Upstream asked for something.
    Upstream {
        /// What.
        call: UpstreamCall,
    },
    /// Something was asked of a system.
    Exchange(ExchangeView),
    /// A system reported a status.
    Callback(CallbackView),
    /// Somebody did something.
    Act {
        /// Who: `token:NAME`, or `user:NAME` on the command line.
        author: String,
        /// From where.
        origin: String,
        /// What: `retry`, `hold`, `release`, `close`, `withdraw`, `reapply`, `unmask`.
        act: String,
        /// Why.
        reason: String,
        /// What came of it.
        outcome: String,
    },
    /// The state changed.
    StateChanged {
        /// Before; nothing at the beginning.
        from: Option<String>,
        /// After.
        to: String,
        /// Who or what brought it about.
        cause: String,
    },
    /// A fact beside the state.
    Milestone {
        /// Which.
        milestone: String,
        /// Who or what brought it about.
        cause: String,
    },
    /// What was reported contradicts what is known; it changed nothing.
    Conflict {
        /// The state that stands.
        state: Option<String>,
        /// In words.
        text: String,
        /// Who or what reported it.
        cause: String,
    },
    /// Something else worth knowing.
    Note {
        /// In words.
        text: String,
        /// Who or what brought it about.
        cause: String,
    },
}

/// What upstream asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamCall {
    /// To take the transfer in.
    Create,
    /// To mend it and send it again.
    Amend,
    /// To take it back.
    Withdraw,
}

/// An exchange with a system.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExchangeView {
    /// Its number within the transfer, from 1.
    pub number: usize,
    /// With whom.
    pub system: String,
    /// `check_organization`, `submit`, `query`, `withdraw`.
    pub operation: String,
    /// Which run of which daemon.
    pub worker: String,
    /// When it ended; nothing while it may be under way.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// How long it took.
    pub milliseconds: Option<i64>,
    /// `answered`, `refused`, `try_later`, `unclear`, `blocked`, `not_sent`, `lost`; nothing while it may be under way.
    pub outcome: Option<String>,
    /// The system's code.
    pub code: Option<String>,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<i64>,
    /// What went wrong, redacted.
    pub error: Option<String>,
}

/// An exchange with its messages, masked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExchangeMessages {
    /// The transfer that it was about.
    pub request_id: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// How it went.
    #[serde(flatten)]
    pub exchange: ExchangeView,
    /// What was sent; nothing where it is not kept.
    pub request: Option<MessageView>,
    /// What was answered; nothing where no answer came.
    pub response: Option<MessageView>,
}

/// All that is on record of a transfer.
#[derive(Debug)]
pub struct Records {
    /// As it stands.
    pub stored: Stored,
    timeline: Vec<TimelineLine>,
    attempts: Vec<Attempt>,
    callbacks: Vec<CallbackRow>,
    acts: Vec<AuditRow>,
}

/// What opens and masks what is on record.
#[derive(Clone, Copy)]
pub struct Opener<'a> {
    /// Opens.
    pub sealer: &'a Sealer,
    /// Which fields of whose messages are open.
    pub partners: &'a Partners,
}

impl Opener<'_> {
    fn fields(self, system: &str) -> Option<OpenFields> {
        let partner = System::parse(system).and_then(|system| self.partners.get(&system));
        partner.map(|partner| partner.registration.open_fields)
    }

    /// Whether a system's events come in pages, many in one message.
    #[must_use]
    pub fn is_fed_by(self, system: &str) -> bool {
        let partner = System::parse(system).and_then(|system| self.partners.get(&system));
        partner
            .is_none_or(|partner| !matches!(partner.link().adapter.capabilities().events, EventSource::Push))
    }

    /// The masking of a system's messages about nobody that we know.
    #[must_use]
    pub fn of_nobody(self, system: &str) -> Masking<'static> {
        Masking::new(self.fields(system), Persons::unknown())
    }
}

impl Records {
    /// All that is on record of a transfer, if it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(tx: &mut Tx, request_id: &RequestId) -> Result<Option<Self>, StoreError> {
        let Some(stored) = tx.transfer(request_id).await? else { return Ok(None) };
        let id = stored.entry.id;
        Ok(Some(Self {
            timeline: tx.timeline(id).await?,
            attempts: tx.attempts(id).await?,
            callbacks: tx.callbacks_about(request_id.as_str()).await?,
            acts: tx.audit_rows(Some(&format!("transfer:{request_id}")), None, MOST_ACTS).await?,
            stored,
        }))
    }

    /// The story.
    #[must_use]
    pub fn story(&self, routes: &Routes) -> StoryView {
        StoryView {
            trace_id: TraceId::of(&self.stored.entry.request_id).to_string(),
            transfer: TransferView::new(&self.stored, routes),
            timeline: self.moments(),
        }
    }

    fn moments(&self) -> Vec<Moment> {
        let upstream = self.timeline.iter().filter_map(upstream_call);
        let exchanges = self.attempts.iter().enumerate().map(|(at, attempt)| Moment {
            at: attempt.started_at,
            what: Happening::Exchange(exchange_view(at + 1, attempt)),
        });
        let callbacks = self
            .callbacks
            .iter()
            .map(|row| Moment { at: row.received_at, what: Happening::Callback(CallbackView::from(row)) });
        let acts = self.acts.iter().rev().map(|row| Moment {
            at: row.at,
            what: Happening::Act {
                author: row.author.clone(),
                origin: row.origin.clone(),
                act: row.act.clone(),
                reason: row.reason.clone(),
                outcome: row.outcome.clone(),
            },
        });
        let lines = self.timeline.iter().map(line);
        // At one instant a cause stands before what it brought about: sorting keeps this order.
        let mut moments: Vec<Moment> =
            upstream.chain(exchanges).chain(callbacks).chain(acts).chain(lines).collect();
        moments.sort_by_key(|moment| moment.at);
        moments
    }

    /// An exchange with its messages, by its number from 1.
    #[must_use]
    pub fn exchange(&self, number: usize, opener: Opener<'_>) -> Option<ExchangeMessages> {
        let attempt = self.attempts.get(number.checked_sub(1)?)?;
        let transfer = self.transfer(opener);
        let masking = self.masking(transfer.as_ref(), opener, &attempt.system);
        let owner = self.stored.entry.request_id.as_str();
        let open = |context: &'static str, sealed: &Option<Vec<u8>>| {
            let clear = sealed.as_deref().map(|sealed| opener.sealer.open(context, owner, sealed));
            clear.and_then(Result::ok)
        };
        let request = open("request", &attempt.request_sealed).map(|clear| masking.request(&clear));
        let response = open("response", &attempt.response_sealed).map(|clear| masking.response(&clear));
        Some(ExchangeMessages {
            request_id: owner.to_owned(),
            started_at: attempt.started_at,
            exchange: exchange_view(number, attempt),
            request,
            response,
        })
    }

    /// Every exchange with its messages.
    #[must_use]
    pub fn exchanges(&self, opener: Opener<'_>) -> Vec<ExchangeMessages> {
        (1..=self.attempts.len()).filter_map(|number| self.exchange(number, opener)).collect()
    }

    /// The document, if it opens.
    #[must_use]
    pub fn transfer(&self, opener: Opener<'_>) -> Option<Transfer> {
        let Stored { entry, document_sealed, .. } = &self.stored;
        opener.sealer.open_transfer(&entry.request_id, document_sealed).ok()
    }

    /// What masks a system's messages about this transfer. Where not everybody is known whom it ever named, nobody is.
    #[must_use]
    pub fn masking<'a>(
        &self,
        transfer: Option<&'a Transfer>,
        opener: Opener<'_>,
        system: &str,
    ) -> Masking<'a> {
        let persons = transfer.and_then(|transfer| self.persons(transfer, opener));
        Masking::new(opener.fields(system), persons.unwrap_or_else(Persons::unknown))
    }

    /// The persons of the document, and of what was sent before it was amended.
    fn persons<'a>(&self, transfer: &'a Transfer, opener: Opener<'_>) -> Option<Persons<'a>> {
        let mut persons = Persons::of(transfer);
        let submits = self.attempts.iter().filter(|attempt| attempt.operation == Operation::Submit.as_str());
        for submit in submits {
            let owner = self.stored.entry.request_id.as_str();
            let clear = opener.sealer.open("request", owner, submit.request_sealed.as_deref()?).ok()?;
            for hidden in opener.of_nobody(&submit.system).hidden(&clear) {
                persons.also(&hidden);
            }
        }
        Some(persons)
    }
}

fn exchange_view(number: usize, attempt: &Attempt) -> ExchangeView {
    let took = attempt.finished_at.map(|end| end.duration_since(attempt.started_at).as_millis());
    ExchangeView {
        number,
        system: attempt.system.clone(),
        operation: attempt.operation.clone(),
        worker: attempt.worker.clone(),
        finished_at: attempt.finished_at,
        milliseconds: took.and_then(|took| i64::try_from(took).ok()),
        outcome: attempt.outcome.clone(),
        code: attempt.code.clone(),
        http_status: attempt.http_status,
        error: attempt.error.clone(),
    }
}

/// What upstream asked stands in the timeline by what it brought about.
fn upstream_call(line: &TimelineLine) -> Option<Moment> {
    let event = &line.event;
    if event.cause != crate::transfer::Cause::Upstream.as_str() {
        return None;
    }
    let call = match (event.kind.as_str(), event.from.as_deref(), event.to.as_deref()) {
        ("state_changed", None, Some(_)) => UpstreamCall::Create,
        ("state_changed", Some(_), Some("withdrawn")) => UpstreamCall::Withdraw,
        ("state_changed", Some("returned"), Some(_)) => UpstreamCall::Amend,
        ("note", ..)
            if line.detail.as_deref().is_some_and(|text| text.starts_with("withdrawal_requested")) =>
        {
            UpstreamCall::Withdraw
        }
        _ => return None,
    };
    Some(Moment { at: event.at, what: Happening::Upstream { call } })
}

fn line(line: &TimelineLine) -> Moment {
    let event = &line.event;
    let cause = event.cause.clone();
    let text = line.detail.clone().unwrap_or_default();
    let what = match (event.kind.as_str(), &event.to, &event.milestone) {
        ("state_changed", Some(to), _) => {
            Happening::StateChanged { from: event.from.clone(), to: to.clone(), cause }
        }
        ("milestone", _, Some(milestone)) => Happening::Milestone { milestone: milestone.clone(), cause },
        ("conflict", ..) => Happening::Conflict { state: event.from.clone(), text, cause },
        _ => Happening::Note { text, cause },
    };
    Moment { at: event.at, what }
}
