//! An outbox entry, and how an occurrence moves it: the first of the two functions that every path ends in.

use super::deadline::{deadline, no_later_than};
use super::{Event, State, Verdict, transition};
use jiff::{SignedDuration, Timestamp};
use league_contract::{Completion, Organization, PartnerStatus, ProvinceCode, RequestId, System};
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

/// Who holds a transfer, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub at: Timestamp,
    /// Names that may have been meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Organization>,
}

/// Facts beside the state, each with its time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestones {
    /// The gateway took it in.
    pub received_at: Option<Timestamp>,
    /// The partner had it.
    pub submitted_at: Option<Timestamp>,
    /// The receiving organization approved.
    pub approved_at: Option<Timestamp>,
    /// An account was made for the member.
    pub account_created_at: Option<Timestamp>,
    /// The member checked in.
    pub checked_in_at: Option<Timestamp>,
    /// Until when the member must check in.
    pub check_in_by: Option<Timestamp>,
    /// It is complete.
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
                entry.sent_name = None;
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
pub(crate) mod tests {
    use super::*;
    use league_contract::PartnerStatus::{Approved, CheckedIn, Pending, Rejected, Withdrawn};

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_719_799_200 + second).expect("in range")
    }

    pub(crate) fn entry(state: State) -> Entry {
        Entry {
            id: 1,
            request_id: RequestId::parse("BJ-1").expect("id"),
            system: System::named("smart_league"),
            state,
            province_code: ProvinceCode::parse("320000").expect("code"),
            destination_name: "共青团南京大学委员会".into(),
            sent_name: None,
            organization_id: None,
            receipt_no: None,
            attempts: 0,
            tries: 0,
            due_at: None,
            deadline_at: None,
            held: None,
            withdrawal: None,
            last_error: None,
            milestones: Milestones::default(),
            warnings: vec![],
            created_at: at(0),
            updated_at: at(0),
        }
    }

    pub(crate) fn following(completion: Completion) -> Following {
        Following {
            completion,
            reconcile_after: SignedDuration::from_hours(6),
            lapse_after: SignedDuration::from_hours(240),
        }
    }

    fn national(entry: &Entry, event: Option<Event>, facts: Facts, second: i64) -> Advance {
        advance(following(Completion::Approval), entry, event, facts, at(second))
    }

    #[test]
    fn approval_and_account_in_either_order_end_alike() {
        let approved =
            (Some(Event::Reported(Approved)), Facts { occurred_at: Some(at(5)), ..Facts::default() });
        let account = (None, Facts { account_created_at: Some(at(6)), ..Facts::default() });
        let run = |order: [&(Option<Event>, Facts); 2]| {
            order.iter().fold(entry(State::Submitted), |entry, (event, facts)| {
                national(&entry, *event, facts.clone(), 9).entry
            })
        };
        let one = run([&approved, &account]);
        assert_eq!(one, run([&account, &approved]));
        assert_eq!(one.state, State::Completed);
        assert_eq!(
            (one.milestones.approved_at, one.milestones.account_created_at),
            (Some(at(5)), Some(at(6)))
        );
        assert!(one.guidance().expect("guidance")[0].contains("开通账号"));
    }

    #[test]
    fn a_contradiction_changes_nothing_but_the_timeline() {
        let before = entry(State::Completed);
        let after = national(
            &before,
            Some(Event::Reported(Rejected)),
            Facts { receipt_no: Some("T9".into()), ..Facts::default() },
            9,
        );
        assert_eq!(after.verdict, Verdict::Conflict);
        assert_eq!(after.entry, before);
        assert!(matches!(after.lines[..], [Line::Conflict { .. }]));
    }

    #[test]
    fn a_contradiction_that_is_asked_for_again_is_noted_once() {
        let error = |code: &str| LastError {
            code: code.into(),
            zh: String::new(),
            en: String::new(),
            at: at(0),
            suggestions: vec![],
        };
        let facts = |second| Facts {
            fruitless: true,
            due_at: Some(at(second)),
            error: Some(error("not_received")),
            ..Facts::default()
        };
        // Other trouble before it must not hide it.
        let silent = Facts { fruitless: true, error: Some(error("no_answer")), ..Facts::default() };
        let before = national(&entry(State::Submitted), None, silent, 0).entry;
        let first = national(&before, Some(Event::NotReceived), facts(9), 1);
        assert_eq!((first.lines.len(), first.entry.tries, first.entry.due_at), (1, 2, Some(at(9))));
        let again = national(&first.entry, Some(Event::NotReceived), facts(19), 9);
        assert_eq!((again.lines.len(), again.entry.tries, again.entry.due_at), (0, 3, Some(at(19))));
    }

    /// Not the state alone: all that upstream reads is the same in whatever order the news comes.
    #[test]
    fn late_news_does_not_change_why_it_ended() {
        let why = LastError {
            code: "rejected".into(),
            zh: "材料不全".into(),
            en: String::new(),
            at: at(0),
            suggestions: vec![],
        };
        let rejected = Facts { error: Some(why), receipt_no: Some("GD1".into()), ..Facts::default() };
        let received =
            Facts { receipt_no: Some("GD1".into()), check_in_by: Some(at(99)), ..Facts::default() };
        let news = [
            (Event::Reported(PartnerStatus::AwaitingCheckIn), received),
            (Event::Reported(Rejected), rejected),
        ];
        let run = |order: [usize; 2]| {
            order.iter().fold(entry(State::Sending), |entry, which| {
                let (event, facts) = news[*which].clone();
                advance(following(Completion::CheckIn), &entry, Some(event), facts, at(5)).entry
            })
        };
        assert_eq!(run([0, 1]), run([1, 0]));
        assert_eq!(run([1, 0]).last_error.map(|error| error.zh).as_deref(), Some("材料不全"));
    }

    #[test]
    fn a_wish_to_withdraw_is_kept_when_the_data_is_refused() {
        let mut before = entry(State::Sending);
        before.withdrawal = Some(Withdrawal { reason: "改变计划".into(), at: at(1) });
        let after = national(&before, Some(Event::DataRefused), Facts::default(), 2);
        assert_eq!((after.entry.state, after.entry.withdrawal), (State::Withdrawn, None));
    }

    #[test]
    fn a_repeat_says_nothing_new() {
        let first = national(&entry(State::Submitted), Some(Event::Reported(Approved)), Facts::default(), 1);
        assert_eq!(first.lines.len(), 2, "milestone and state");
        let again = national(&first.entry, Some(Event::Reported(Approved)), Facts::default(), 2);
        assert_eq!((again.verdict, again.lines.len()), (Verdict::Stays, 0));
    }

    #[test]
    fn a_withdrawal_that_finds_nothing_at_the_partner_ends_here() {
        let mut before = entry(State::Unconfirmed);
        before.withdrawal = Some(Withdrawal { reason: "改变计划".into(), at: at(1) });
        let after = national(&before, Some(Event::NotReceived), Facts::default(), 2);
        assert_eq!((after.entry.state, after.entry.due_at), (State::Withdrawn, None));
        assert_eq!(after.lines.len(), 2);
    }

    #[test]
    fn a_withdrawal_waits_for_the_partner_once_it_has_the_transfer() {
        let mut before = entry(State::Sending);
        before.withdrawal = Some(Withdrawal { reason: "改变计划".into(), at: at(1) });
        let after = national(&before, Some(Event::Reported(Pending)), Facts::default(), 2);
        assert_eq!((after.entry.state, after.entry.due_at), (State::Submitted, Some(at(2))));
        let late = national(&after.entry, None, Facts { withdrawal_refused: true, ..Facts::default() }, 3);
        assert_eq!((late.entry.state, late.entry.withdrawal), (State::Submitted, None));
        let back = national(&after.entry, Some(Event::Reported(Withdrawn)), Facts::default(), 3);
        assert_eq!((back.entry.state, back.entry.withdrawal), (State::Withdrawn, None));
    }

    #[test]
    fn an_attempt_that_was_not_made_does_not_count() {
        let claimed = national(&entry(State::Queued), Some(Event::Claimed), Facts::default(), 1).entry;
        assert_eq!((claimed.state, claimed.attempts, claimed.due_at), (State::Sending, 1, None));
        let facts = Facts { uncounted: true, due_at: Some(at(9)), fruitless: true, ..Facts::default() };
        let back = national(&claimed, Some(Event::Released), facts, 2).entry;
        assert_eq!((back.attempts, back.tries, back.due_at), (0, 1, Some(at(9))));
    }

    #[test]
    fn silence_is_followed_by_a_query() {
        let after = national(&entry(State::Sending), Some(Event::Reported(Pending)), Facts::default(), 0);
        assert_eq!(after.entry.due_at, Some(at(6 * 3600)));
        let local = advance(
            following(Completion::CheckIn),
            &after.entry,
            Some(Event::Reported(CheckedIn)),
            Facts::default(),
            at(1),
        );
        assert_eq!((local.entry.state, local.entry.due_at), (State::Completed, None));
    }
}
