//! What a status event does to its transfer.

use crate::alarm::AlarmKind;
use crate::seal::{SealError, Sealer};
use crate::store::{CallbackRow, CallbackVerdict, NewCallback, Save, StoreError, Stored, Tx};
use crate::telemetry::{Role, Span, TraceId, record};
use crate::transfer::{Advance, Cause, Entry, Event, Facts, Following, LastError, Verdict, advance};
use jiff::Timestamp;
use league_contract::{EventKind, PartnerStatus, RequestId, StatusEvent, System, UnreadableChange, Words};
use std::collections::HashSet;

/// Why an event could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum InboundError {
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sealer's.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// How an event came.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) system: &'a System,
    pub(super) following: Following,
    pub(super) cause: Cause,
    pub(super) at: Timestamp,
}

/// What is kept of an event.
#[derive(Clone)]
pub(super) struct Sealed {
    /// What was decoded of it.
    event: Vec<u8>,
    /// The message's exact bytes.
    raw: Vec<u8>,
}

impl Sealed {
    pub(super) fn new(sealer: &Sealer, event: &StatusEvent, raw: &[u8]) -> Result<Self, SealError> {
        let clear = serde_json::to_vec(event).map_err(|_| SealError::Damaged("event"))?;
        Ok(Self {
            event: sealer.seal("event", &event.event_id, &clear)?,
            raw: sealer.seal("raw_event", &event.event_id, raw)?,
        })
    }
}

/// An event that came.
#[derive(Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) arrival: Arrival<'a>,
    pub(super) event: &'a StatusEvent,
    pub(super) sealed: &'a Sealed,
}

/// Keeps events and applies them to their transfers, in the caller's transaction.
pub(super) async fn keep_all(
    tx: &mut Tx,
    sealer: &Sealer,
    arrived: &[Arrived<'_>],
) -> Result<(), StoreError> {
    let mut rest = arrived.to_vec();
    while !rest.is_empty() {
        // One of each transfer at a time: the next one meets what it did.
        let (mut transfers, mut events) = (HashSet::new(), HashSet::new());
        let (first, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|one| {
            let event_id = (one.arrival.system, one.event.event_id.as_str());
            transfers.insert(&one.event.request_id) && events.insert(event_id)
        });
        keep_first(tx, sealer, &first).await?;
        rest = later;
    }
    Ok(())
}

/// Keeps events of which no two are about the same transfer.
async fn keep_first(tx: &mut Tx, sealer: &Sealer, arrived: &[Arrived<'_>]) -> Result<(), StoreError> {
    let mut ids: Vec<_> =
        arrived.iter().map(|one| (one.arrival.system, one.event.event_id.as_str())).collect();
    // In one order everywhere, so that no two transactions wait for each other.
    ids.sort_unstable();
    let repeated = tx.repeat_callbacks(&ids).await?;
    let came_before = |one: &Arrived<'_>| {
        repeated.contains(&(one.arrival.system.as_str().to_owned(), one.event.event_id.clone()))
    };
    let (before, fresh): (Vec<Arrived<'_>>, Vec<_>) = arrived.iter().partition(|one| came_before(one));
    let Some(at) = arrived.first().map(|one| one.arrival.at) else { return Ok(()) };
    let names: Vec<&str> = fresh.iter().map(|one| one.event.request_id.as_str()).collect();
    let known = tx.known_all(&names, at).await?;
    let (mut saves, mut kept) = (Vec::new(), Vec::with_capacity(fresh.len()));
    for one in &fresh {
        let Arrived { arrival, event, sealed } = one;
        let verdict = match known.get(event.request_id.as_str()) {
            Some(Some(known)) if known.entry.system == *arrival.system => {
                let save = moved(sealer, (&known.entry, &known.document_sealed), *arrival, event);
                let verdict = verdict_of(&save.step);
                saves.push(save);
                verdict
            }
            Some(Some(_)) | None => CallbackVerdict::Unmatched,
            // A damaged transfer must not stop the events of the others.
            Some(None) => CallbackVerdict::Refused,
        };
        // Whoever was erased stays so: that it came is kept, not what it said.
        let erased = matches!(known.get(event.request_id.as_str()),
            Some(Some(known)) if known.document_sealed.is_empty());
        let (event_sealed, raw_sealed): (&[u8], &[u8]) =
            if erased { (&[], &[]) } else { (&sealed.event, &sealed.raw) };
        kept.push(NewCallback {
            system: arrival.system,
            event_id: &event.event_id,
            request_id: event.request_id.as_str(),
            event: word(event.kind),
            verdict,
            received_at: arrival.at,
            event_sealed,
            raw_sealed,
        });
    }
    tx.save_all(&saves).await?;
    for save in saves.iter().filter(|save| save.step.verdict == Verdict::Conflict) {
        alarm(tx, &save.step.entry, save.at).await?;
    }
    tx.insert_callbacks(&kept).await?;
    for one in before {
        tell(tx, one, CallbackVerdict::Duplicate);
    }
    for (one, kept) in fresh.into_iter().zip(kept) {
        tell(tx, one, kept.verdict);
    }
    Ok(())
}

fn tell(tx: &mut Tx, one: Arrived<'_>, verdict: CallbackVerdict) {
    let (system, request_id, event) =
        (one.arrival.system.clone(), one.event.request_id.clone(), word(one.event.kind));
    let at = one.arrival.at;
    tx.after_commit(move || {
        count(&system, verdict);
        let trace_id = TraceId::of(&request_id);
        if verdict == CallbackVerdict::Conflict {
            tracing::error!(%request_id, %trace_id, %system, event,
                "an event contradicts the transfer's state: it is kept, nothing was changed, somebody must look");
        } else {
            tracing::info!(%request_id, %trace_id, %system, event, verdict = verdict.as_str(), "status event");
        }
        record(|| Span {
            request_id: request_id.to_string(),
            name: "status event",
            role: Role::Consumer,
            began: at,
            ended: at,
            fields: vec![
                ("league.system", system.to_string()),
                ("league.event", event.to_owned()),
                ("league.verdict", verdict.as_str().to_owned()),
            ],
            failed: (verdict == CallbackVerdict::Conflict).then(|| "contradicts the state".to_owned()),
        });
    });
}

/// Keeps a change that can't be read, with the page that it stood in, in the caller's transaction. It is about no
/// transfer that we could name: `?` is no request id.
pub(super) async fn set_aside(
    tx: &mut Tx,
    sealer: &Sealer,
    (system, at): (&System, Timestamp),
    raw: &[u8],
    change: &UnreadableChange,
) -> Result<CallbackVerdict, InboundError> {
    let UnreadableChange { sequence, problem } = change.clone();
    let event_id = format!("unreadable-{sequence}");
    if !tx.repeat_callbacks(&[(system, &event_id)]).await?.is_empty() {
        let system = system.clone();
        tx.after_commit(move || count(&system, CallbackVerdict::Duplicate));
        return Ok(CallbackVerdict::Duplicate);
    }
    let clear = serde_json::to_vec(change).map_err(|_| SealError::Damaged("event"))?;
    tx.insert_callbacks(&[NewCallback {
        system,
        event_id: &event_id,
        request_id: "?",
        event: "unreadable",
        verdict: CallbackVerdict::Refused,
        received_at: at,
        event_sealed: &sealer.seal("event", &event_id, &clear)?,
        raw_sealed: &sealer.seal("raw_event", &event_id, raw)?,
    }])
    .await?;
    let detail = [
        format!("变更日志第 {sequence} 条无法读取，已原样保存并跳过"),
        format!("change {sequence} of the feed can't be read: it is kept, and the feed goes on without it"),
    ];
    tx.raise_alarm(Some(system), AlarmKind::SetAside, detail, at).await?;
    let system = system.clone();
    tx.after_commit(move || {
        count(&system, CallbackVerdict::Refused);
        tracing::error!(%system, sequence, problem,
            "a change of the feed can't be read: it is kept, the feed goes on without it, somebody must look");
    });
    Ok(CallbackVerdict::Refused)
}

fn count(system: &System, verdict: CallbackVerdict) {
    metrics::counter!("league_gateway_events_total", "system" => system.to_string(), "verdict" => verdict.as_str())
        .increment(1);
}

/// Applies the events that came before their transfer did.
///
/// # Errors
/// [`StoreError`]; an event that can't be opened any more counts as a bad row.
pub async fn apply_waiting(
    tx: &mut Tx,
    sealer: &Sealer,
    following: Following,
    id: i64,
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(stored) = tx.transfer_by_id(id).await? else { return Ok(()) };
    let waiting = tx.callbacks_of(&stored.entry.system, stored.entry.request_id.as_str()).await?;
    for row in waiting.into_iter().filter(|row| row.verdict == CallbackVerdict::Unmatched.as_str()) {
        let event = opened(sealer, &row)?;
        let Some(stored) = tx.transfer_by_id(id).await? else { return Ok(()) };
        let arrival = Arrival { system: &stored.entry.system, following, cause: Cause::Callback, at };
        let save = moved(sealer, (&stored.entry, &stored.document_sealed), arrival, &event);
        settle(tx, row.id, &save).await?;
    }
    Ok(())
}

/// Applies an event again that came before, as if it came now. Where it contradicts the transfer still, nothing is written.
///
/// # Errors
/// [`StoreError`]; an event that can't be opened any more counts as a bad row.
pub(crate) async fn apply_again(
    tx: &mut Tx,
    sealer: &Sealer,
    following: Following,
    (row, stored): (&CallbackRow, &Stored),
    at: Timestamp,
) -> Result<Advance, StoreError> {
    let event = opened(sealer, row)?;
    let arrival = Arrival { system: &stored.entry.system, following, cause: Cause::Operator, at };
    let save = moved(sealer, (&stored.entry, &stored.document_sealed), arrival, &event);
    if save.step.verdict != Verdict::Conflict {
        settle(tx, row.id, &save).await?;
    }
    Ok(save.step)
}

/// The event of a row.
fn opened(sealer: &Sealer, row: &CallbackRow) -> Result<StatusEvent, StoreError> {
    let bad = |problem: String| StoreError::BadRow {
        table: "callbacks",
        column: "event_sealed",
        id: row.id,
        problem,
    };
    let clear =
        sealer.open("event", &row.event_id, &row.event_sealed).map_err(|error| bad(error.to_string()))?;
    serde_json::from_slice(&clear).map_err(|error| bad(error.to_string()))
}

/// Writes what a kept event came to.
async fn settle(tx: &mut Tx, row: i64, save: &Save) -> Result<(), StoreError> {
    tx.save_all(std::slice::from_ref(save)).await?;
    if save.step.verdict == Verdict::Conflict {
        alarm(tx, &save.step.entry, save.at).await?;
    }
    tx.settle_callback(row, verdict_of(&save.step)).await
}

/// What an event does to its transfer.
fn moved(
    sealer: &Sealer,
    (entry, document_sealed): (&Entry, &[u8]),
    arrival: Arrival<'_>,
    event: &StatusEvent,
) -> Save {
    let Arrival { following, cause, at, .. } = arrival;
    let (happened, account) = match event.kind {
        EventKind::Status(status) => (Some(Event::Reported(status)), None),
        EventKind::AccountCreated => (None, Some(event.occurred_at)),
    };
    let error = match event.kind {
        EventKind::Status(status) => {
            let words =
                event.reason.as_ref().and_then(|words| redacted(sealer, (entry, document_sealed), words));
            ended_badly(status, words.as_deref(), at)
        }
        EventKind::AccountCreated => None,
    };
    let facts = Facts {
        occurred_at: Some(event.occurred_at),
        receipt_no: Some(event.receipt_no.clone()),
        check_in_by: event.check_in_by,
        account_created_at: account,
        organization_id: event.organization_id.clone(),
        error,
        ..Facts::default()
    };
    Save::beside(advance(following, entry, happened, facts, at), cause, at)
}

fn verdict_of(step: &Advance) -> CallbackVerdict {
    match step.verdict {
        Verdict::Conflict => CallbackVerdict::Conflict,
        Verdict::To(_) | Verdict::Stays => CallbackVerdict::Applied,
    }
}

/// What somebody said contradicts what is known of a transfer.
pub(crate) async fn alarm(tx: &mut Tx, entry: &Entry, at: Timestamp) -> Result<(), StoreError> {
    let detail = contradiction(&entry.request_id);
    tx.raise_alarm(Some(&entry.system), AlarmKind::Conflicts, detail, at).await?;
    Ok(())
}

/// What an alarm says of a contradiction: the first one's transfer; the others are found in the same way.
fn contradiction(request_id: &RequestId) -> [String; 2] {
    [
        format!(
            "{request_id} 的状态与对方系统后来的说法矛盾，以先到者为准；请用 outbox show 查看并向对方核实"
        ),
        format!(
            "{request_id}: what the partner says now contradicts what it said before, which stands; see `outbox show`, ask the partner"
        ),
    ]
}

/// Why a transfer ended badly, for people; `words` are the partner's, redacted.
pub(crate) fn ended_badly(status: PartnerStatus, words: Option<&str>, at: Timestamp) -> Option<LastError> {
    let (code, zh, en) = match status {
        PartnerStatus::Rejected => ("rejected", "接收团组织未通过", "refused by the receiving organization"),
        PartnerStatus::Overdue => ("overdue", "已逾期", "lapsed"),
        PartnerStatus::Pending
        | PartnerStatus::AwaitingCheckIn
        | PartnerStatus::Approved
        | PartnerStatus::CheckedIn
        | PartnerStatus::Withdrawn => return None,
    };
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    Some(LastError {
        code: code.to_owned(),
        zh: format!("{zh}{words}"),
        en: format!("{en}{words}"),
        at,
        suggestions: vec![],
    })
}

/// A partner's words with the persons of this transfer starred out. Without the document nobody knows whom they may
/// name: the fact goes on, the words stay sealed.
fn redacted(sealer: &Sealer, (entry, document_sealed): (&Entry, &[u8]), words: &Words) -> Option<String> {
    let transfer = sealer.open_transfer(&entry.request_id, document_sealed).ok()?;
    Some(transfer.redact(words.as_received()))
}

fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::AccountCreated => "account_created",
        EventKind::Status(PartnerStatus::Pending) => "pending",
        EventKind::Status(PartnerStatus::AwaitingCheckIn) => "awaiting_check_in",
        EventKind::Status(PartnerStatus::Approved) => "approved",
        EventKind::Status(PartnerStatus::CheckedIn) => "checked_in",
        EventKind::Status(PartnerStatus::Rejected) => "rejected",
        EventKind::Status(PartnerStatus::Overdue) => "overdue",
        EventKind::Status(PartnerStatus::Withdrawn) => "withdrawn",
    }
}
