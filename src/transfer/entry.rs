//! An outbox entry, and how an occurrence moves it: the first of the two functions that every path ends in.

use super::deadline::{deadline, no_later_than};
use super::{Event, State, Verdict, transition};
use crate::organization::suggestion::Suggestion;
use jiff::{SignedDuration, Timestamp};
use league_contract::{Completion, PartnerStatus, ProvinceCode, RequestId, System};
use serde::{Deserialize, Serialize};

/// A transfer as the gateway keeps it, apart from its sealed document. Holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The store's key; 0 before it is stored.
    pub id: i64,
    /// Upstream's key.
    pub request_id: RequestId,
    /// Where it goes.
    pub system: System,
    /// Where it stands.
    pub state: State,
    /// The destination's province-level unit.
    pub province_code: ProvinceCode,
    /// The destination as it was typed.
    pub destination_name: String,
    /// The name that is sent, fixed with the first submit: a resend must be the same content.
    pub sent_name: Option<String>,
    /// The receiving organization's id at the partner.
    pub organization_id: Option<String>,
    /// The partner's number.
    pub receipt_no: Option<String>,
    /// Submits that count.
    pub attempts: u32,
    /// Exchanges in a row that brought nothing: what the backoff counts.
    pub tries: u32,
    /// When the gateway looks at it next: to send, to query, to withdraw. Nothing is due in a final state.
    pub due_at: Option<Timestamp>,
    /// Until when the partner waits for a review or for the member's check-in; nothing where nobody waits.
    pub deadline_at: Option<Timestamp>,
    /// An operator's stop.
    pub held: Option<Held>,
    /// Upstream wants it back, and the partner must be asked.
    pub withdrawal: Option<Withdrawal>,
    /// What went wrong last.
    pub last_error: Option<LastError>,
    /// Facts beside the state.
    pub milestones: Milestones,
    /// What people should look at, though nothing is refused: `[zh, en]` each.
    pub warnings: Vec<[String; 2]>,
    /// When it entered the outbox.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Entry {
    /// A transfer that has just come in: queued, and due at once.
    #[must_use]
    pub fn received(
        request_id: RequestId,
        system: System,
        province_code: ProvinceCode,
        destination_name: String,
        at: Timestamp,
    ) -> Self {
        Self {
            id: 0,
            request_id,
            system,
            state: State::Queued,
            province_code,
            destination_name,
            sent_name: None,
            organization_id: None,
            receipt_no: None,
            attempts: 0,
            tries: 0,
            due_at: Some(at),
            deadline_at: None,
            held: None,
            withdrawal: None,
            last_error: None,
            milestones: Milestones { received_at: Some(at), ..Milestones::default() },
            warnings: vec![],
            created_at: at,
            updated_at: at,
        }
    }
}

/// Who holds a transfer, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Held {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Upstream's wish to take a transfer back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Why, for the partner's file.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

/// What went wrong last, redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LastError {
    /// A problem code of ours or the partner's own code.
    pub code: String,
    /// For people.
    #[serde(rename = "detail")]
    pub zh: String,
    /// For people.
    #[serde(rename = "detail_en")]
    pub en: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Names that may have been meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Suggestion>,
}

/// Facts beside the state, each with its time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Milestones {
    /// The gateway took it in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub received_at: Option<Timestamp>,
    /// The partner had it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub submitted_at: Option<Timestamp>,
    /// The receiving organization approved.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub approved_at: Option<Timestamp>,
    /// An account was made for the member.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub account_created_at: Option<Timestamp>,
    /// The member checked in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checked_in_at: Option<Timestamp>,
    /// Until when the member must check in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub check_in_by: Option<Timestamp>,
    /// It is complete.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
}

/// A milestone that the event feed reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// 已接收
    Received,
    /// 已通过
    Approved,
    /// 已建账号
    AccountCreated,
    /// 已报到
    CheckedIn,
}

impl Milestone {
    /// The name in the store and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Approved => "approved",
            Self::AccountCreated => "account_created",
            Self::CheckedIn => "checked_in",
        }
    }
}

/// What came along with an event.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// When it happened there, by the partner's clock; else now.
    pub occurred_at: Option<Timestamp>,
    /// The partner's number.
    pub receipt_no: Option<String>,
    /// Until when the member must check in.
    pub check_in_by: Option<Timestamp>,
    /// When an account was made.
    pub account_created_at: Option<Timestamp>,
    /// The receiving organization's id.
    pub organization_id: Option<String>,
    /// What went wrong, redacted.
    pub error: Option<LastError>,
    /// When to look again; without it the state decides.
    pub due_at: Option<Timestamp>,
    /// This submit does not count as an attempt.
    pub uncounted: bool,
    /// The partner refused to give the transfer back.
    pub withdrawal_refused: bool,
    /// The exchange brought nothing: the backoff goes on.
    pub fruitless: bool,
    /// Under which name what was amended is sent, where that is not left to a check.
    pub sent_name: Option<String>,
    /// A submit of this transfer may have arrived without our knowing: back in the queue it is asked about, not called
    /// withdrawn.
    pub doubtful: bool,
}

/// A line of the timeline; the first two kinds are the event feed's too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The state changed; `from` is nothing at the beginning.
    StateChanged {
        /// Before.
        from: Option<State>,
        /// After.
        to: State,
    },
    /// A fact beside the state.
    Milestone(Milestone),
    /// What was reported contradicts what is known.
    Conflict {
        /// In which state.
        state: State,
        /// What came.
        event: Event,
    },
    /// Something else worth knowing: an operator's act, a refused withdrawal.
    Note {
        /// A word for programs.
        code: &'static str,
        /// A sentence for people, redacted.
        text: String,
    },
}

/// What an occurrence did to an entry.
#[derive(Debug, Clone)]
pub struct Advance {
    /// The entry after it.
    pub entry: Entry,
    /// What the timeline and the feed hear.
    pub lines: Vec<Line>,
    /// Whether it changed, stayed, or contradicted.
    pub verdict: Verdict,
}

/// What a system's profile and configuration say about following a transfer.
#[derive(Debug, Clone, Copy)]
pub struct Following {
    /// What completes a transfer.
    pub completion: Completion,
    /// An open transfer that heard nothing for so long is queried.
    pub reconcile_after: SignedDuration,
    /// A partner lets a request lapse that nobody reviewed for so long: natural days, where it is whole days.
    pub lapse_after: SignedDuration,
}

/// Moves an entry by what happened at `at`. `event` is `None` for a fact that is beside the state.
#[must_use]
pub fn advance(
    following: Following,
    before: &Entry,
    event: Option<Event>,
    facts: Facts,
    at: Timestamp,
) -> Advance {
    let mut entry = before.clone();
    let mut lines = Vec::new();
    let verdict = event.map_or(Verdict::Stays, |event| transition(following.completion, entry.state, event));
    // A contradiction changes nothing, its facts included.
    if let (Verdict::Conflict, Some(event)) = (verdict, event) {
        entry.due_at = facts.due_at.or(entry.due_at);
        entry.tries = entry.tries.saturating_add(u32::from(facts.fruitless));
        // A question that is asked again and again contradicts once.
        let code = |error: &Option<LastError>| error.as_ref().map(|error| error.code.clone());
        if !facts.fruitless || code(&facts.error) != code(&before.last_error) {
            lines.push(Line::Conflict { state: entry.state, event });
        }
        if facts.fruitless {
            entry.last_error = facts.error.or(entry.last_error);
        }
        return Advance { entry, lines, verdict };
    }
    record(&mut entry, event, &facts, at, &mut lines);
    let mut heard = matches!(event, Some(Event::Reported(_)));
    if let Verdict::To(next) = verdict {
        change(&mut entry, next, at, &mut lines);
        let unasked = next == State::Queued && facts.doubtful && event != Some(Event::NotReceived);
        if entry.withdrawal.is_some()
            && !unasked
            && let Verdict::To(back) = transition(following.completion, next, Event::WithdrawnHere)
        {
            // Nobody has it and upstream wants it back: there is nothing left to ask a partner for.
            change(&mut entry, back, at, &mut lines);
        }
        heard = true;
    }
    entry.tries = if facts.fruitless { entry.tries.saturating_add(1) } else { 0 };
    if facts.withdrawal_refused && entry.withdrawal.take().is_some() {
        let text =
            "对方系统已受理，不能撤回；以其当前状态为准 (too late to withdraw: the current status stands)";
        lines.push(Line::Note { code: "withdrawal_refused", text: text.to_owned() });
    }
    entry.deadline_at = deadline(following, &entry);
    let in_time = |due| no_later_than(due, entry.deadline_at, at);
    entry.due_at = match entry.state {
        State::Queued | State::Unconfirmed => facts.due_at.or(if heard { Some(at) } else { entry.due_at }),
        State::Submitted | State::AwaitingCheckIn if facts.due_at.is_some() => facts.due_at,
        State::Submitted | State::AwaitingCheckIn if entry.withdrawal.is_some() => Some(at),
        State::Submitted | State::AwaitingCheckIn if heard => {
            Some(in_time(at.saturating_add(following.reconcile_after).unwrap_or(Timestamp::MAX)))
        }
        State::Submitted | State::AwaitingCheckIn => entry.due_at.map(in_time),
        State::Sending
        | State::Completed
        | State::Rejected
        | State::Returned
        | State::Overdue
        | State::Withdrawn
        | State::Failed => None,
    };
    if entry.state.is_final() {
        entry.withdrawal = None;
    }
    entry.updated_at = if lines.is_empty() { entry.updated_at } else { at };
    Advance { entry, lines, verdict }
}

fn change(entry: &mut Entry, to: State, at: Timestamp, lines: &mut Vec<Line>) {
    lines.push(Line::StateChanged { from: Some(entry.state), to });
    if to == State::Completed {
        entry.milestones.completed_at.get_or_insert(at);
        entry.last_error = None;
    }
    entry.state = to;
}

/// Writes down what came along: the first word on a milestone stands.
fn record(entry: &mut Entry, event: Option<Event>, facts: &Facts, at: Timestamp, lines: &mut Vec<Line>) {
    let when = facts.occurred_at.unwrap_or(at);
    let marks = &mut entry.milestones;
    let mut reach = |slot: &mut Option<Timestamp>, when: Timestamp, milestone: Milestone| {
        if slot.is_none() {
            *slot = Some(when);
            lines.push(Line::Milestone(milestone));
        }
    };
    match event {
        Some(Event::Reported(status)) => {
            marks.submitted_at.get_or_insert(at);
            // What went wrong on the way is over once the partner has it; the attempts keep it. Why it ended stays.
            if !entry.state.is_final() {
                entry.last_error = None;
            }
            match status {
                PartnerStatus::Approved => reach(&mut marks.approved_at, when, Milestone::Approved),
                PartnerStatus::CheckedIn => reach(&mut marks.checked_in_at, when, Milestone::CheckedIn),
                PartnerStatus::Pending
                | PartnerStatus::AwaitingCheckIn
                | PartnerStatus::Rejected
                | PartnerStatus::Overdue
                | PartnerStatus::Withdrawn => {}
            }
        }
        Some(Event::Claimed) => entry.attempts = entry.attempts.saturating_add(1),
        Some(Event::Retried | Event::Amended) => {
            // A fresh start: a refused submit binds no key, so the name may be chosen anew.
            entry.attempts = 0;
            entry.last_error = None;
            if event == Some(Event::Amended) {
                entry.sent_name.clone_from(&facts.sent_name);
                entry.organization_id = None;
            }
        }
        Some(
            Event::Released
            | Event::Lost
            | Event::NotReceived
            | Event::DataRefused
            | Event::GivenUp
            | Event::WithdrawnHere
            | Event::Closed
            | Event::Lapsed,
        )
        | None => {}
    }
    if let Some(created) = facts.account_created_at {
        reach(&mut marks.account_created_at, created, Milestone::AccountCreated);
    }
    if facts.uncounted {
        entry.attempts = entry.attempts.saturating_sub(1);
    }
    // A final state has heard the last word: what comes late only fills what is missing.
    let late = entry.state.is_final();
    settle(&mut marks.check_in_by, facts.check_in_by, late);
    settle(&mut entry.receipt_no, facts.receipt_no.clone(), late);
    settle(&mut entry.organization_id, facts.organization_id.clone(), late);
    if facts.error.is_some() && !(late && entry.last_error.is_some()) {
        entry.last_error.clone_from(&facts.error);
    }
}

fn settle<T>(slot: &mut Option<T>, news: Option<T>, late: bool) {
    if news.is_some() && !(late && slot.is_some()) {
        *slot = news;
    }
}

impl Entry {
    /// The sentence that tells the member what to do now, in Chinese and English, without any value of the person.
    #[must_use]
    pub fn guidance(&self) -> Option<[String; 2]> {
        let say = |zh: &str, en: &str| Some([zh.to_owned(), en.to_owned()]);
        if self.withdrawal.is_some() && self.held.is_some() {
            return say(
                "已收到撤回请求；管理员挂起了该申请，放行后再请求对方撤回。",
                "It is wanted back, and an operator holds it: the partner is asked once it is released.",
            );
        }
        match self.state {
            State::Completed if self.milestones.account_created_at.is_some() => say(
                "转接已完成，对方系统已为您开通账号：用户名为本人身份证号码，初始密码为身份证号码后八位，请登录后立即修改密码。",
                "The transfer is complete and an account was made for you: the user name is your ID number, the initial password its last eight characters. Log in and change it at once.",
            ),
            State::Completed => say("转接已完成。", "The transfer is complete."),
            State::AwaitingCheckIn => {
                let by = self.milestones.check_in_by.map(|at| {
                    let day = at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).date();
                    (format!("请于 {day} 前"), format!(" by {day}"))
                });
                let (zh, en) = by.unwrap_or_else(|| ("请尽快".to_owned(), String::new()));
                Some([
                    format!("{zh}到接收团组织报到，逾期将被退回。"),
                    format!("Check in at the receiving organization{en}, or the transfer lapses."),
                ])
            }
            State::Returned => say(
                "申请信息有误，请修改后重新提交。",
                "The data is at fault: amend the request and send it again.",
            ),
            State::Rejected => {
                say("接收团组织未通过申请，请与其联系。", "The receiving organization refused: contact it.")
            }
            State::Overdue => say("申请已逾期，请重新发起。", "The request has lapsed: start a new one."),
            State::Queued
            | State::Sending
            | State::Unconfirmed
            | State::Submitted
            | State::Withdrawn
            | State::Failed => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
