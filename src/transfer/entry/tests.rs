use super::*;
use league_contract::PartnerStatus::{Approved, CheckedIn, Pending, Rejected, Withdrawn};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_719_799_200 + second).expect("in range")
}

pub(crate) fn entry(state: State) -> Entry {
    let request_id = RequestId::parse("BJ-1").expect("id");
    let code = ProvinceCode::parse("320000").expect("code");
    let name = "共青团南京大学委员会".to_owned();
    let received = Entry::received(request_id, System::named("smart_league"), code, name, at(0));
    Entry { id: 1, state, due_at: None, milestones: Milestones::default(), ..received }
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
    let approved = (Some(Event::Reported(Approved)), Facts { occurred_at: Some(at(5)), ..Facts::default() });
    let account = (None, Facts { account_created_at: Some(at(6)), ..Facts::default() });
    let run = |order: [&(Option<Event>, Facts); 2]| {
        order.iter().fold(entry(State::Submitted), |entry, (event, facts)| {
            national(&entry, *event, facts.clone(), 9).entry
        })
    };
    let one = run([&approved, &account]);
    assert_eq!(one, run([&account, &approved]));
    assert_eq!(one.state, State::Completed);
    assert_eq!((one.milestones.approved_at, one.milestones.account_created_at), (Some(at(5)), Some(at(6))));
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
    let received = Facts { receipt_no: Some("GD1".into()), check_in_by: Some(at(99)), ..Facts::default() };
    let news =
        [(Event::Reported(PartnerStatus::AwaitingCheckIn), received), (Event::Reported(Rejected), rejected)];
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

/// An earlier submit may have arrived: that this one did not go out says nothing about it.
#[test]
fn a_withdrawal_in_doubt_is_asked_about_first() {
    let mut before = entry(State::Sending);
    before.withdrawal = Some(Withdrawal { reason: "改变计划".into(), at: at(1) });
    let facts = |doubtful| Facts { doubtful, ..Facts::default() };
    let sure = national(&before, Some(Event::Released), facts(false), 2).entry;
    assert_eq!((sure.state, sure.withdrawal), (State::Withdrawn, None));
    let doubt = national(&before, Some(Event::Released), facts(true), 2).entry;
    assert_eq!((doubt.state, doubt.due_at), (State::Queued, Some(at(2))));
    assert!(doubt.withdrawal.is_some());
    let asked = Entry { state: State::Unconfirmed, ..doubt };
    assert_eq!(national(&asked, Some(Event::NotReceived), facts(true), 3).entry.state, State::Withdrawn);
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
