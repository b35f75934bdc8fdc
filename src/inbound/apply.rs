//! What a status event does to its transfer.

use crate::alarm::AlarmKind;
use crate::seal::{SealError, Sealer};
use crate::store::{CallbackVerdict, NewCallback, StoreError, Stored, Tx};
use crate::transfer::{Cause, Event, Facts, Following, LastError, Verdict, advance};
use jiff::Timestamp;
use league_contract::{EventKind, PartnerStatus, RequestId, StatusEvent, System, UnreadableChange, Words};

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
    /// The message's exact bytes.
    pub(super) raw: &'a [u8],
}

/// Keeps an event and applies it to its transfer, in the caller's transaction.
pub(super) async fn keep(
    tx: &mut Tx,
    sealer: &Sealer,
    arrival: Arrival<'_>,
    event: &StatusEvent,
) -> Result<CallbackVerdict, InboundError> {
    let Arrival { system, following, cause, at, raw } = arrival;
    let verdict = if tx.repeat_callback(system, &event.event_id).await? {
        CallbackVerdict::Duplicate
    } else {
        let verdict = match tx.transfer(&event.request_id).await {
            Ok(Some(stored)) if stored.entry.system == *system => {
                apply(tx, sealer, &stored, following, (event, cause, at)).await?
            }
            Ok(_) => CallbackVerdict::Unmatched,
            // A damaged transfer must not stop the events of the others.
            Err(error @ StoreError::BadRow { id, .. }) => {
                tx.hold_damaged(id, Some(system), &error, at).await?;
                CallbackVerdict::Refused
            }
            Err(error) => return Err(error.into()),
        };
        let clear = serde_json::to_vec(event).map_err(|_| SealError::Damaged("event"))?;
        tx.insert_callback(&NewCallback {
            system,
            event_id: &event.event_id,
            request_id: event.request_id.as_str(),
            event: word(event.kind),
            verdict,
            received_at: at,
            event_sealed: &sealer.seal("event", &event.event_id, &clear)?,
            raw_sealed: &sealer.seal("raw_event", &event.event_id, raw)?,
        })
        .await?;
        verdict
    };
    let (system, request_id, event) = (system.clone(), event.request_id.clone(), word(event.kind));
    tx.after_commit(move || {
        count(&system, verdict);
        if verdict == CallbackVerdict::Conflict {
            tracing::error!(%request_id, %system, event,
                "an event contradicts the transfer's state: it is kept, nothing was changed, somebody must look");
        } else {
            tracing::info!(%request_id, %system, event, verdict = verdict.as_str(), "status event");
        }
    });
    Ok(verdict)
}

/// Keeps a change that can't be read, with the page that it stood in, in the caller's transaction. It is about no
/// transfer that we could name: `?` is no request id.
pub(super) async fn set_aside(
    tx: &mut Tx,
    sealer: &Sealer,
    arrival: Arrival<'_>,
    change: &UnreadableChange,
) -> Result<CallbackVerdict, InboundError> {
    let Arrival { system, at, raw, .. } = arrival;
    let UnreadableChange { sequence, problem } = change.clone();
    let event_id = format!("unreadable-{sequence}");
    if tx.repeat_callback(system, &event_id).await? {
        let system = system.clone();
        tx.after_commit(move || count(&system, CallbackVerdict::Duplicate));
        return Ok(CallbackVerdict::Duplicate);
    }
    let clear = serde_json::to_vec(change).map_err(|_| SealError::Damaged("event"))?;
    tx.insert_callback(&NewCallback {
        system,
        event_id: &event_id,
        request_id: "?",
        event: "unreadable",
        verdict: CallbackVerdict::Refused,
        received_at: at,
        event_sealed: &sealer.seal("event", &event_id, &clear)?,
        raw_sealed: &sealer.seal("raw_event", &event_id, raw)?,
    })
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
        let bad = |problem: String| StoreError::BadRow {
            table: "callbacks",
            column: "event_sealed",
            id: row.id,
            problem,
        };
        let clear =
            sealer.open("event", &row.event_id, &row.event_sealed).map_err(|error| bad(error.to_string()))?;
        let event: StatusEvent = serde_json::from_slice(&clear).map_err(|error| bad(error.to_string()))?;
        let Some(stored) = tx.transfer_by_id(id).await? else { return Ok(()) };
        let applied = apply(tx, sealer, &stored, following, (&event, Cause::Callback, at)).await;
        let verdict = applied.map_err(|error| match error {
            InboundError::Store(error) => error,
            InboundError::Seal(error) => bad(error.to_string()),
        })?;
        tx.settle_callback(row.id, verdict).await?;
    }
    Ok(())
}

async fn apply(
    tx: &mut Tx,
    sealer: &Sealer,
    stored: &Stored,
    following: Following,
    (event, cause, at): (&StatusEvent, Cause, Timestamp),
) -> Result<CallbackVerdict, InboundError> {
    let (happened, account) = match event.kind {
        EventKind::Status(status) => (Some(Event::Reported(status)), None),
        EventKind::AccountCreated => (None, Some(event.occurred_at)),
    };
    let error = match event.kind {
        EventKind::Status(status) => {
            let words = event.reason.as_ref().and_then(|words| redacted(sealer, stored, words));
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
    let step = advance(following, &stored.entry, happened, facts, at);
    // Whoever is at work on it keeps the lease unless the state moved on without them.
    tx.save(&step, false, cause, at).await?;
    if step.verdict != Verdict::Conflict {
        return Ok(CallbackVerdict::Applied);
    }
    let entry = &stored.entry;
    let detail = contradiction(&entry.request_id);
    tx.raise_alarm(Some(&entry.system), AlarmKind::Conflicts, detail, at).await?;
    Ok(CallbackVerdict::Conflict)
}

/// What an alarm says of a contradiction: the first one's transfer; the others are found in the same way.
pub(crate) fn contradiction(request_id: &RequestId) -> [String; 2] {
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
fn redacted(sealer: &Sealer, stored: &Stored, words: &Words) -> Option<String> {
    let transfer = sealer.open_transfer(&stored.entry.request_id, &stored.document_sealed).ok()?;
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
