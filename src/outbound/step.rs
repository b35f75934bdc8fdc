//! What a claimed transfer's state asks for next. Decided from what is known; nothing is done here.

use super::settle::unasked;
use crate::partner::Partner;
use crate::seal::SealError;
use crate::transfer::{Entry, Event, Facts, LastError, State};
use jiff::Timestamp;
use league_contract::{Call, EncodeError, ProblemCode, Transfer};

/// What to do with a transfer.
#[derive(Debug)]
pub(super) enum Step {
    /// Ask whether the organization exists; the submit comes after it.
    Check,
    /// Make this call.
    Call(Call),
    /// Nothing goes out: this is what becomes of it.
    End(Box<End>),
}

/// What becomes of a transfer without an exchange.
#[derive(Debug)]
pub(super) struct End {
    /// What happens to it.
    pub(super) event: Option<Event>,
    /// What comes along.
    pub(super) facts: Facts,
}

/// What the transfer's state asks for. `spelling` is how the local directory writes the organization's name, if it knows it.
pub(super) fn step(
    partner: &Partner,
    entry: &Entry,
    transfer: &Transfer,
    spelling: impl FnOnce() -> Option<String>,
    now: Timestamp,
) -> Step {
    let request_id = entry.request_id.clone();
    let capabilities = partner.capabilities();
    match entry.state {
        // Taken back while it was queued, after a submit that may have arrived: ask before it is called withdrawn.
        State::Sending if entry.withdrawal.is_some() => Step::End(Box::new(End {
            event: Some(Event::Lost),
            facts: Facts { uncounted: true, due_at: Some(now), ..Facts::default() },
        })),
        // Counted at the claim, so that one whose sends get lost, or end the process, runs out too.
        State::Sending if entry.attempts > partner.policy.max_attempts => {
            Step::End(Box::new(attempts_used_up(partner.policy.max_attempts, now)))
        }
        State::Sending if entry.sent_name.is_none() && capabilities.organization_check => Step::Check,
        State::Sending => {
            let name = entry.sent_name.clone().or_else(spelling);
            Step::Call(submit(transfer, name.as_deref()))
        }
        State::Unconfirmed if !capabilities.query => Step::End(Box::new(no_query(now))),
        State::Submitted | State::AwaitingCheckIn if entry.withdrawal.is_some() => {
            let reason = entry.withdrawal.as_ref().map(|wish| wish.reason.clone()).unwrap_or_default();
            Step::Call(Call::Withdraw { request_id, reason })
        }
        State::Submitted | State::AwaitingCheckIn if !capabilities.query => {
            let (event, facts) = unasked(partner.policy.following, entry, now);
            Step::End(Box::new(End { event, facts }))
        }
        State::Unconfirmed | State::Submitted | State::AwaitingCheckIn => {
            Step::Call(Call::Query { request_id })
        }
        // Not work: the claim takes no such state.
        State::Queued
        | State::Completed
        | State::Rejected
        | State::Returned
        | State::Overdue
        | State::Withdrawn
        | State::Failed => Step::End(Box::new(End { event: None, facts: Facts::default() })),
    }
}

/// The submit, under the name that is sent.
pub(super) fn submit(transfer: &Transfer, name: Option<&str>) -> Call {
    let mut sent = transfer.clone();
    if let Some(name) = name {
        name.clone_into(&mut sent.destination.full_name);
    }
    Call::Submit(Box::new(sent))
}

fn said(code: &str, zh: String, en: String, at: Timestamp) -> Option<LastError> {
    Some(LastError { code: code.to_owned(), zh, en, at, suggestions: vec![] })
}

/// A person decides. Nothing went out this time.
fn give_up(error: Option<LastError>) -> End {
    End { event: Some(Event::GivenUp), facts: Facts { error, uncounted: true, ..Facts::default() } }
}

fn attempts_used_up(attempts: u32, now: Timestamp) -> End {
    give_up(said(
        "attempts_used_up",
        format!("已尝试 {attempts} 次仍未送达，请人工处理"),
        format!("tried {attempts} times without success: somebody must find out why"),
        now,
    ))
}

/// The outcome is unknown and can't be asked for.
fn no_query(now: Timestamp) -> End {
    give_up(said(
        "no_query",
        "发送结果未知，且对方系统不支持查询，请人工核实后处理".into(),
        "the outcome is unknown and this system can't be queried: find out by other means".into(),
        now,
    ))
}

/// Our own data does not fit the partner's form. A withdrawal that can't be said is given up; the transfer goes on.
pub(super) fn inexpressible(state: State, transfer: &Transfer, error: &EncodeError, now: Timestamp) -> End {
    let text = transfer.redact(&error.to_string());
    let error = said("inexpressible", format!("对方系统的格式容不下此内容：{text}"), text, now);
    if state == State::Sending {
        return End {
            event: Some(Event::DataRefused),
            facts: Facts { error, uncounted: true, ..Facts::default() },
        };
    }
    let facts =
        Facts { error, withdrawal_refused: true, fruitless: true, due_at: Some(now), ..Facts::default() };
    End { event: None, facts }
}

/// Its document can't be opened: it is put back for later, and mends itself once the key is back in the configuration.
pub(super) fn unreadable(partner: &Partner, entry: &Entry, why: &SealError, now: Timestamp) -> End {
    let sending = entry.state == State::Sending;
    let text = why.to_string();
    let facts = Facts {
        uncounted: sending,
        fruitless: true,
        due_at: Some(partner.policy.schedule.next(entry.tries.saturating_add(1), now, None)),
        error: said("sealed", format!("无法打开已加密的申请内容：{text}"), text, now),
        ..Facts::default()
    };
    End { event: sending.then_some(Event::Released), facts }
}

/// The organization is not there, or the name says too little: no submit.
pub(super) fn send_back(answer: &crate::organization::check::CheckAnswer, now: Timestamp) -> End {
    let code = if answer.result == crate::organization::check::Finding::Ambiguous {
        ProblemCode::OrgAmbiguous
    } else {
        ProblemCode::OrgNotFound
    };
    let error = LastError {
        code: code.as_str().to_owned(),
        zh: answer.message.clone(),
        en: answer.message_en.clone(),
        at: now,
        suggestions: answer.suggestions.clone(),
    };
    End {
        event: Some(Event::DataRefused),
        facts: Facts { error: Some(error), uncounted: true, ..Facts::default() },
    }
}
