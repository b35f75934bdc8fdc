//! What an outcome means for the transfer. Pure but for the schedule's jitter: one table, read from top to bottom.

use crate::partner::{Outcome, Policy};
use crate::transfer::{Entry, Event, Facts, Following, LastError, State, advance, no_later_than, spoken};
use jiff::Timestamp;
use league_contract::{
    Answer, Operation, PartnerStatus, ProblemCode, Refusal, Remark, Reply, Transfer, Words,
};

/// What an outcome means.
#[derive(Debug, Clone)]
pub struct Consequence {
    /// What happens to the transfer; nothing for an exchange that brought nothing.
    pub event: Option<Event>,
    /// What comes along.
    pub facts: Facts,
    /// The partner's words for a status it reports, to be redacted.
    pub reported: Option<(PartnerStatus, Option<Words>)>,
}

/// Everything that decides what an outcome means.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// What was asked.
    pub operation: Operation,
    /// The transfer as it is now.
    pub entry: &'a Entry,
    /// Its document, for redaction.
    pub transfer: &'a Transfer,
    /// How the system is treated.
    pub policy: Policy,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When the outcome was known.
    pub now: Timestamp,
}

/// What an outcome means for the transfer.
#[must_use]
pub fn consequence(situation: Situation<'_>, outcome: &Outcome) -> Consequence {
    match outcome {
        Outcome::Reply(Reply::Answered(answer)) => answered(situation, answer),
        Outcome::Reply(Reply::Refused { why, remark }) => refused(situation, *why, remark),
        Outcome::Reply(Reply::TryLater { not_before, maintenance, remark }) => {
            later(situation, *not_before, *maintenance, said(situation, remark))
        }
        Outcome::Reply(Reply::Unclear { remark }) => unclear(situation, said(situation, remark)),
        // The system is suspended beside this: it is not the transfer's fault.
        Outcome::Reply(Reply::Blocked { remark, .. }) => {
            later(situation, None, true, said(situation, remark))
        }
        // Not sent is not the transfer's fault: an outage must not use up its attempts.
        Outcome::NotSent(text) => {
            later(situation, None, true, trouble(situation, "not_sent", "未能连接对方系统", text))
        }
        Outcome::NoAnswer(text) => {
            unclear(situation, trouble(situation, "no_answer", "对方系统没有给出可信的答复", text))
        }
    }
}

fn of(event: Option<Event>, facts: Facts) -> Consequence {
    Consequence { event, facts, reported: None }
}

fn answered(situation: Situation<'_>, answer: &Answer) -> Consequence {
    match answer {
        Answer::Receipt(receipt) => {
            let facts = Facts {
                receipt_no: Some(receipt.receipt_no.clone()),
                // A duplicate's answer is the first one, which may be stale: ask at once what has become of it.
                due_at: receipt.duplicate.then_some(situation.now),
                ..Facts::default()
            };
            Consequence {
                reported: Some((receipt.status, None)),
                ..of(Some(Event::Reported(receipt.status)), facts)
            }
        }
        Answer::Record(record) => {
            let facts = Facts {
                occurred_at: Some(record.updated_at),
                receipt_no: Some(record.receipt_no.clone()),
                check_in_by: record.check_in_by,
                account_created_at: record.account_created_at,
                ..Facts::default()
            };
            if let Some(error) = lapsed(situation, record.status, &facts) {
                return of(Some(Event::Lapsed), Facts { error: Some(error), ..facts });
            }
            let reported = Some((record.status, record.reason.clone()));
            Consequence { reported, ..of(Some(Event::Reported(record.status)), facts) }
        }
        // There is nothing to take back, and nothing to come: that is what was wished for.
        Answer::NotReceived if situation.operation == Operation::Withdraw => {
            of(Some(Event::Reported(PartnerStatus::Withdrawn)), Facts::default())
        }
        Answer::NotReceived => match situation.entry.state {
            State::Unconfirmed => {
                // Once it is sent again at once; a system that keeps losing what it is sent gets the schedule.
                let losing = situation.entry.tries > 1;
                let due_at = losing.then(|| again(situation, None));
                of(Some(Event::NotReceived), Facts { fruitless: true, due_at, ..Facts::default() })
            }
            // They had it, and now they don't: the table calls it a conflict, and time may mend it.
            State::Submitted
            | State::AwaitingCheckIn
            | State::Queued
            | State::Sending
            | State::Completed
            | State::Rejected
            | State::Returned
            | State::Overdue
            | State::Withdrawn
            | State::Failed => {
                let error = trouble(
                    situation,
                    "not_received",
                    "对方系统查无此申请，此前却已受理",
                    "it took this transfer, and now has no such request",
                );
                let due_at = Some(again(situation, None));
                let facts = Facts { error: Some(error), fruitless: true, due_at, ..Facts::default() };
                of(Some(Event::NotReceived), facts)
            }
        },
        Answer::Organization(_) | Answer::Organizations(_) | Answer::Changes(_) | Answer::CursorExpired => {
            unclear(
                situation,
                trouble(situation, "no_answer", "对方系统答非所问", "an answer to another question"),
            )
        }
    }
}

/// Asked at the deadline or after it, and the partner still says that it is open: nobody reviewed it, or nobody checked
/// in, in time. An extension that the answer itself names counts.
fn lapsed(situation: Situation<'_>, status: PartnerStatus, facts: &Facts) -> Option<LastError> {
    let Situation { operation, entry, policy, asked_at, now, .. } = situation;
    if operation != Operation::Query || !matches!(entry.state, State::Submitted | State::AwaitingCheckIn) {
        return None;
    }
    let heard = advance(policy.following, entry, Some(Event::Reported(status)), facts.clone(), now).entry;
    passed(&heard, asked_at).map(|deadline| lapse(heard.state, deadline, now))
}

/// What becomes of a transfer that the partner has and can't be asked for: its clock alone lapses it.
pub(super) fn unasked(following: Following, entry: &Entry, now: Timestamp) -> (Option<Event>, Facts) {
    match passed(entry, now) {
        Some(deadline) => {
            let error = Some(lapse(entry.state, deadline, now));
            (Some(Event::Lapsed), Facts { error, ..Facts::default() })
        }
        None => {
            let pace = now.saturating_add(following.reconcile_after).unwrap_or(Timestamp::MAX);
            let due_at = Some(no_later_than(pace, entry.deadline_at, now));
            (None, Facts { due_at, ..Facts::default() })
        }
    }
}

fn passed(entry: &Entry, at: Timestamp) -> Option<Timestamp> {
    entry.deadline_at.filter(|deadline| *deadline <= at)
}

fn lapse(state: State, deadline: Timestamp, at: Timestamp) -> LastError {
    let by = spoken(deadline);
    let (zh, en) = if state == State::AwaitingCheckIn {
        (format!("已逾期：截至 {by} 未报到"), format!("lapsed: nobody checked in by {by}, Beijing time"))
    } else {
        (format!("已逾期：截至 {by} 无人审核"), format!("lapsed: nobody reviewed it by {by}, Beijing time"))
    };
    LastError { code: "overdue".to_owned(), zh, en, at, suggestions: vec![] }
}

fn refused(situation: Situation<'_>, why: Refusal, remark: &Remark) -> Consequence {
    let error = Some(said(situation, remark));
    match (situation.operation, why) {
        (Operation::Submit, Refusal::OrganizationNotFound) => {
            // The same words whether the check or the submit finds it out.
            let code = ProblemCode::OrgNotFound;
            let error = error.map(|said| LastError {
                code: code.as_str().to_owned(),
                zh: format!("{}（{}）", code.title_zh(), said.zh),
                en: format!("{} ({})", code.title_en(), said.en),
                ..said
            });
            of(Some(Event::DataRefused), Facts { error, ..Facts::default() })
        }
        (Operation::Submit, Refusal::InvalidData) => {
            of(Some(Event::DataRefused), Facts { error, ..Facts::default() })
        }
        (Operation::Submit, Refusal::Conflict | Refusal::TooLate) => {
            of(Some(Event::GivenUp), Facts { error, ..Facts::default() })
        }
        (
            Operation::Withdraw,
            Refusal::TooLate | Refusal::InvalidData | Refusal::Conflict | Refusal::OrganizationNotFound,
        ) => {
            // The current status stands: ask which it is.
            of(None, Facts { withdrawal_refused: true, due_at: Some(situation.now), ..Facts::default() })
        }
        (
            Operation::Query
            | Operation::CheckOrganization
            | Operation::SearchOrganizations
            | Operation::ListChanges,
            Refusal::OrganizationNotFound | Refusal::InvalidData | Refusal::Conflict | Refusal::TooLate,
        ) => of(
            None,
            Facts { error, fruitless: true, due_at: Some(again(situation, None)), ..Facts::default() },
        ),
    }
}

/// It was not done, and may be tried again. A submit goes back to the queue; after too many that count, to a person.
fn later(situation: Situation<'_>, floor: Option<Timestamp>, free: bool, error: LastError) -> Consequence {
    let submit = situation.operation == Operation::Submit;
    if submit && !free && situation.entry.attempts >= situation.policy.max_attempts {
        return of(Some(Event::GivenUp), Facts { error: Some(error), ..Facts::default() });
    }
    let facts = Facts {
        error: Some(error),
        fruitless: true,
        uncounted: submit && free,
        due_at: Some(again(situation, floor)),
        ..Facts::default()
    };
    of(submit.then_some(Event::Released), facts)
}

/// It may have been done. Nothing is sent again before a query has answered.
fn unclear(situation: Situation<'_>, error: LastError) -> Consequence {
    let submit = situation.operation == Operation::Submit;
    let facts = Facts {
        error: Some(error),
        fruitless: true,
        due_at: Some(again(situation, None)),
        ..Facts::default()
    };
    of(submit.then_some(Event::Lost), facts)
}

fn again(situation: Situation<'_>, floor: Option<Timestamp>) -> Timestamp {
    situation.policy.schedule.next(situation.entry.tries.saturating_add(1), situation.now, floor)
}

/// The partner's own code and words, with the persons of this transfer starred out.
fn said(situation: Situation<'_>, remark: &Remark) -> LastError {
    let words = situation.transfer.redact(remark.message.as_received());
    let text = if words.is_empty() { remark.code.clone() } else { format!("{} {words}", remark.code) };
    LastError {
        code: remark.code.clone(),
        zh: text.clone(),
        en: text,
        at: situation.now,
        suggestions: vec![],
    }
}

fn trouble(situation: Situation<'_>, code: &str, zh: &str, text: &str) -> LastError {
    let text = situation.transfer.redact(text);
    LastError {
        code: code.to_owned(),
        zh: format!("{zh}：{text}"),
        en: text,
        at: situation.now,
        suggestions: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Schedule;
    use crate::transfer::{Verdict, transition};
    use jiff::SignedDuration;
    use league_contract::{Blockage, Completion, Receipt, document};
    use std::time::Duration;

    fn transfer() -> Transfer {
        document::read_canonical(&serde_json::json!({
            "request_id": "BJ-1", "initiator": "member",
            "member": {"name": "张三", "id_number": "11010519491231002X", "phone": "13800138000", "joined_on": "2012-05"},
            "source": {"organization_id": "1", "full_name": "来源团支部"},
            "destination": {"province_code": "320000", "full_name": "共青团南京大学委员会"},
            "reason": "other", "details": {"text": "因家庭原因迁往外地居住"}, "applied_at": "2024-07-01T09:30:00+08:00"
        }))
        .expect("valid")
    }

    fn policy() -> Policy {
        Policy {
            following: Following {
                completion: Completion::Approval,
                reconcile_after: SignedDuration::from_hours(6),
                lapse_after: SignedDuration::from_hours(240),
            },
            schedule: Schedule { initial: Duration::from_secs(1), max: Duration::from_secs(600) },
            max_attempts: 3,
            concurrency: 1,
            feed_interval: SignedDuration::from_secs(30),
            watch: crate::partner::Watch {
                backlog_limit: SignedDuration::from_hours(1),
                lapse_warning: SignedDuration::from_hours(48),
            },
        }
    }

    fn meaning(operation: Operation, state: State, attempts: u32, outcome: &Outcome) -> Consequence {
        let mut entry = crate::transfer::tests::entry(state);
        entry.attempts = attempts;
        let transfer = transfer();
        let situation = Situation {
            operation,
            entry: &entry,
            transfer: &transfer,
            policy: policy(),
            asked_at: crate::transfer::tests::at(0),
            now: crate::transfer::tests::at(0),
        };
        consequence(situation, outcome)
    }

    fn remark() -> Remark {
        Remark { code: "40001".into(), message: Words::new("张三的证件号 11010519491231002X 有误") }
    }

    #[test]
    fn a_submits_outcome_decides_as_the_design_says() {
        let receipt = |duplicate| {
            Outcome::Reply(Reply::Answered(Answer::Receipt(Receipt {
                receipt_no: "T1".into(),
                status: PartnerStatus::Pending,
                duplicate,
            })))
        };
        let refusal = |why| Outcome::Reply(Reply::Refused { why, remark: remark() });
        let busy =
            |maintenance| Outcome::Reply(Reply::TryLater { not_before: None, maintenance, remark: remark() });
        for (outcome, attempts, event, uncounted) in [
            (receipt(false), 1, Event::Reported(PartnerStatus::Pending), false),
            (receipt(true), 1, Event::Reported(PartnerStatus::Pending), false),
            (refusal(Refusal::OrganizationNotFound), 1, Event::DataRefused, false),
            (refusal(Refusal::InvalidData), 1, Event::DataRefused, false),
            (refusal(Refusal::Conflict), 1, Event::GivenUp, false),
            (busy(false), 1, Event::Released, false),
            (busy(false), 3, Event::GivenUp, false),
            (busy(true), 3, Event::Released, true),
            (Outcome::NotSent("refused".into()), 3, Event::Released, true),
            (Outcome::NoAnswer("timed out".into()), 1, Event::Lost, false),
            (Outcome::NoAnswer("timed out".into()), 9, Event::Lost, false),
            (Outcome::Reply(Reply::Unclear { remark: remark() }), 1, Event::Lost, false),
            (
                Outcome::Reply(Reply::Blocked { why: Blockage::Authentication, remark: remark() }),
                1,
                Event::Released,
                true,
            ),
        ] {
            let meant = meaning(Operation::Submit, State::Sending, attempts, &outcome);
            assert_eq!((meant.event, meant.facts.uncounted), (Some(event), uncounted), "{outcome:?}");
            assert!(matches!(transition(Completion::Approval, State::Sending, event), Verdict::To(_)));
        }
    }

    #[test]
    fn a_duplicate_is_queried_at_once_because_its_answer_may_be_stale() {
        let receipt = Receipt { receipt_no: "T1".into(), status: PartnerStatus::Pending, duplicate: true };
        let meant = meaning(
            Operation::Submit,
            State::Sending,
            1,
            &Outcome::Reply(Reply::Answered(Answer::Receipt(receipt))),
        );
        assert_eq!(meant.facts.due_at, Some(crate::transfer::tests::at(0)));
    }

    #[test]
    fn a_question_without_an_answer_changes_no_state() {
        for operation in [Operation::Query, Operation::Withdraw] {
            for outcome in [
                Outcome::NotSent("refused".into()),
                Outcome::NoAnswer("timed out".into()),
                Outcome::Reply(Reply::Unclear { remark: remark() }),
                Outcome::Reply(Reply::TryLater { not_before: None, maintenance: false, remark: remark() }),
            ] {
                let meant = meaning(operation, State::Unconfirmed, 9, &outcome);
                assert_eq!(meant.event, None, "{operation} {outcome:?}");
                assert!(meant.facts.due_at.is_some(), "it is asked again");
            }
        }
    }

    #[test]
    fn only_a_query_that_finds_nothing_makes_a_resend_safe() {
        let gone = Outcome::Reply(Reply::Answered(Answer::NotReceived));
        assert_eq!(meaning(Operation::Query, State::Unconfirmed, 1, &gone).event, Some(Event::NotReceived));
        let had_it = meaning(Operation::Query, State::Submitted, 1, &gone);
        assert_eq!(
            transition(Completion::Approval, State::Submitted, had_it.event.expect("event")),
            Verdict::Conflict
        );
    }

    /// What a query brings that was asked at one second and answered at another, of a transfer whose deadline is at 100.
    fn asked(
        state: State,
        status: PartnerStatus,
        check_in_by: Option<i64>,
        seconds: (i64, i64),
    ) -> Consequence {
        use crate::transfer::tests::{at, entry};
        let mut entry = entry(state);
        entry.deadline_at = Some(at(100));
        entry.milestones.submitted_at = Some(at(97));
        entry.milestones.check_in_by = (state == State::AwaitingCheckIn).then(|| at(100));
        let transfer = transfer();
        let mut policy = policy();
        policy.following.lapse_after = SignedDuration::from_secs(3);
        if state == State::AwaitingCheckIn {
            policy.following.completion = Completion::CheckIn;
        }
        let (asked_at, now) = (at(seconds.0), at(seconds.1));
        let situation = Situation {
            operation: Operation::Query,
            entry: &entry,
            transfer: &transfer,
            policy,
            asked_at,
            now,
        };
        let record = league_contract::Record {
            request_id: entry.request_id.clone(),
            receipt_no: "T1".into(),
            status,
            reason: None,
            check_in_by: check_in_by.map(at),
            account_created_at: None,
            updated_at: at(97),
        };
        consequence(situation, &Outcome::Reply(Reply::Answered(Answer::Record(record))))
    }

    #[test]
    fn what_is_still_open_at_its_deadline_lapses() {
        use PartnerStatus::{Approved, AwaitingCheckIn, CheckedIn, Overdue, Pending, Rejected};
        use State::{AwaitingCheckIn as Waiting, Submitted, Unconfirmed};
        let reported = Event::Reported;
        for (state, status, check_in_by, seconds, event) in [
            (Submitted, Pending, None, (100, 101), Event::Lapsed),
            (Submitted, Pending, None, (500, 500), Event::Lapsed),
            (Submitted, Pending, None, (98, 99), reported(Pending)),
            // The answer may be older than the deadline: it is asked once more.
            (Submitted, Pending, None, (99, 101), reported(Pending)),
            (Submitted, Approved, None, (500, 500), reported(Approved)),
            (Submitted, Rejected, None, (500, 500), reported(Rejected)),
            (Submitted, Overdue, None, (500, 500), reported(Overdue)),
            (Waiting, AwaitingCheckIn, None, (100, 100), Event::Lapsed),
            (Waiting, AwaitingCheckIn, Some(900), (100, 100), reported(AwaitingCheckIn)),
            (Waiting, CheckedIn, None, (500, 500), reported(CheckedIn)),
            // Nobody knew that the partner had it: only now its time begins.
            (Unconfirmed, Pending, None, (500, 500), reported(Pending)),
        ] {
            let meant = asked(state, status, check_in_by, seconds);
            assert_eq!(meant.event, Some(event), "{state} {status:?} {seconds:?}");
            let error = meant.facts.error.map(|error| error.code);
            assert_eq!(error.as_deref(), (event == Event::Lapsed).then_some("overdue"));
        }
        assert!(
            asked(Waiting, AwaitingCheckIn, None, (100, 100))
                .facts
                .error
                .expect("words")
                .zh
                .contains("未报到")
        );
    }

    #[test]
    fn without_the_partners_word_nothing_lapses() {
        use crate::transfer::tests::{at, entry};
        let mut entry = entry(State::Submitted);
        entry.deadline_at = Some(at(100));
        let transfer = transfer();
        let silent = [
            Outcome::NotSent("refused".into()),
            Outcome::NoAnswer("timed out".into()),
            Outcome::Reply(Reply::Unclear { remark: remark() }),
            Outcome::Reply(Reply::TryLater { not_before: None, maintenance: true, remark: remark() }),
            Outcome::Reply(Reply::Blocked { why: Blockage::Authentication, remark: remark() }),
        ];
        for outcome in silent {
            let (operation, entry, transfer, policy) = (Operation::Query, &entry, &transfer, policy());
            let situation = Situation { operation, entry, transfer, policy, asked_at: at(500), now: at(500) };
            let meant = consequence(situation, &outcome);
            assert_eq!(meant.event, None, "{outcome:?}");
            assert!(meant.facts.due_at.is_some_and(|due| due > at(500)), "it is asked again: {outcome:?}");
        }
    }

    #[test]
    fn where_nobody_can_be_asked_the_clock_alone_decides() {
        use crate::transfer::tests::{at, entry};
        let mut entry = entry(State::Submitted);
        entry.deadline_at = Some(at(100));
        let following = policy().following;
        let (event, facts) = unasked(following, &entry, at(99));
        assert_eq!((event, facts.due_at), (None, Some(at(100))));
        let (event, facts) = unasked(following, &entry, at(100));
        assert_eq!(event, Some(Event::Lapsed));
        assert_eq!(advance(following, &entry, event, facts, at(100)).entry.state, State::Overdue);
        entry.deadline_at = None;
        assert_eq!(unasked(following, &entry, at(0)).1.due_at, Some(at(6 * 3600)));
    }

    #[test]
    fn a_partners_words_lose_their_persons() {
        let outcome = Outcome::Reply(Reply::Refused { why: Refusal::InvalidData, remark: remark() });
        let error = meaning(Operation::Submit, State::Sending, 1, &outcome).facts.error.expect("error");
        assert_eq!(error.zh, "40001 张*的证件号 110*************** 有误");
    }
}
