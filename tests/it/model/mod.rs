//! The delivery protocol as a model that a checker explores to its last state.
//!
//! Tests try what somebody thought of. Here every order of every step is tried, for one transfer and two daemons
//! (more behind `--ignored`): claim, open, send, settle, crash, restart, rescue, query, withdrawal, an operator's
//! "again", callbacks early, late and after the fact, and a network that loses requests, loses answers, and delivers
//! when nobody waits any more.
//!
//! # What is the daemon's own
//!
//! A row moves by `transfer::advance` (so by the one transition table) and an outcome means what
//! `outbound::consequence` says: the model calls both. Written once more, and so to be kept beside the code, is what
//! stands around them: which commit proves which lease, what a rescue reads, what a claim's state asks for
//! (`delivery.rs` names the function at each step).
//!
//! # What is left out
//!
//! Time: what is due may be claimed now or never, a lease may end at any moment, no deadline passes. Texts,
//! milestones, several systems, holds, amendments, the organization check (it changes nothing at the partner; claim and
//! open are two commits here as with a check, which covers the one commit of a turn without). A turn's transaction moves
//! several rows; the rows are independent, so one at a time says the same. Rollbacks: a commit that fails is a step not
//! taken, but for the second one of a delivery, whose end may be unknown.
//!
//! # What holds, and what it needs
//!
//! | | needs |
//! |---|---|
//! | no submit goes out while the one before is unknown | nothing of the partner; signed refusals |
//! | one effective transfer | the profile's idempotency; *or* requests that keep to their time and a true query |
//! | no query: no second effect without an operator | no idempotency, no timing; signed refusals |
//! | `withdrawn` is withdrawn | requests that keep to their time |
//! | all other laws (`laws.rs`) | nothing |
//!
//! The three tests `*_is_needed` show by a counterexample that a need is real: they are limits of what any sender can
//! do without the partner's help. Each `Broken` daemon, and each broken feed, has a test that must find it out.

mod delivery;
mod explore;
mod feeds;
mod laws;
mod row;

use delivery::{Broken, Delivery, World};
use explore::{all, counterexample, stuck};
use feeds::{NOTHING_MISSED, NOTHING_SKIPPED, OurFeed, PartnersFeed};
use laws::{ASKED, BLIND, DOUBLED, KEPT, WITHDRAWN};
use league_contract::{Completion, PartnerStatus};
use league_gateway::transfer::State;
use row::Rules;

/// One transfer, two daemons, a partner that keeps its profile, and a network that keeps to its time.
fn base() -> Delivery {
    Delivery {
        rules: Rules::new(Completion::Approval),
        transfers: 1,
        daemons: 2,
        idempotent: true,
        query: true,
        late: false,
        unsigned_no: false,
        wishes: true,
        retries: 1,
        broken: None,
    }
}

/// A partner that makes of every submit that reaches it one more transfer.
fn naive() -> Delivery {
    Delivery { idempotent: false, wishes: false, ..base() }
}

/// Every transfer is where nothing more is to come and the partner agrees, or a person knows.
fn ended(world: &World) -> bool {
    world.rows.iter().zip(&world.books).all(|(row, book)| match row.state {
        State::Completed => book.status == Some(PartnerStatus::Approved),
        State::Withdrawn => book.status.is_none_or(|status| status == PartnerStatus::Withdrawn) || row.alarm,
        State::Failed | State::Returned => true,
        State::Queued
        | State::Sending
        | State::Unconfirmed
        | State::Submitted
        | State::AwaitingCheckIn
        | State::Rejected
        | State::Overdue => false,
    })
}

#[test]
fn every_law_holds() {
    all("one transfer, two daemons", base(), &[], 40_000);
}

#[test]
fn every_law_holds_where_check_in_completes() {
    all("check-in", Delivery { rules: Rules::new(Completion::CheckIn), retries: 0, ..base() }, &[], 15_000);
}

/// Nothing is lost: whatever has happened, there is a way to an end on which the partner agrees, or to a person.
#[test]
fn nothing_gets_stuck() {
    assert_eq!(stuck(&Delivery { retries: 0, ..base() }, ended), None);
    assert_eq!(stuck(&Delivery { query: false, retries: 0, ..naive() }, ended), None);
    assert_eq!(stuck(&PartnersFeed { cursor_first: false }, feeds::Read::is_done), None);
    assert_eq!(stuck(&OurFeed { unlocked: false }, feeds::Written::is_done), None);
}

/// Also where requests arrive after a rescue, a query and a resend, and a daemon sends with a lease that is over.
#[test]
fn an_idempotent_partner_makes_late_requests_harmless() {
    let late = Delivery { late: true, ..base() };
    all("late", Delivery { wishes: false, retries: 0, ..late }, &[], 15_000);
}

/// Its "blocked" is no answer to whether the submit was done.
#[test]
fn an_unsigned_refusal_is_no_evidence() {
    all("unsigned", Delivery { unsigned_no: true, retries: 0, daemons: 1, ..base() }, &[], 4_000);
}

#[test]
fn a_true_query_is_as_good_as_idempotency() {
    all("not idempotent", naive(), &[], 10_000);
}

#[test]
fn without_a_query_nothing_goes_out_twice_without_an_operator() {
    let mute = || Delivery { query: false, ..naive() };
    all("no query", mute(), &[], 10_000);
    all("no query, late", Delivery { late: true, ..mute() }, &[], 10_000);
    all("no query, taken back", Delivery { wishes: true, retries: 0, ..mute() }, &[], 4_000);
}

/// What a partner said while a transfer was `failed` is on record as a conflict, and is not heard again after an
/// operator's "again". A query finds it out; where there is none, the operator who saw the conflict must.
#[test]
fn a_query_is_needed_to_hear_what_was_said_to_a_failed_transfer() {
    let left =
        stuck(&Delivery { query: false, ..naive() }, ended).expect("a transfer that hears nothing more");
    assert!(left.rows[0].state == State::Submitted && left.rows[0].alarm, "{left:?}");
    assert_eq!(stuck(&Delivery { idempotent: true, ..naive() }, ended), None);
}

#[test]
fn feeds_lose_nothing_and_repeat_nothing() {
    all("the partner's feed", PartnersFeed { cursor_first: false }, &[], 1_000);
    all("our feed", OurFeed { unlocked: false }, &[], 1_000);
}

#[test]
#[ignore = "minutes and gigabytes: for scripts/torture"]
fn every_law_holds_in_larger_sizes() {
    let late = || Delivery { late: true, ..base() };
    all("unsigned, two daemons", Delivery { unsigned_no: true, ..base() }, &[], 200_000);
    all("late, taken back", Delivery { retries: 0, ..late() }, &[WITHDRAWN], 70_000);
    assert_eq!(stuck(&Delivery { unsigned_no: true, ..base() }, ended), None);
    all("three daemons", Delivery { daemons: 3, retries: 0, ..base() }, &[], 100_000);
    all("two transfers", Delivery { transfers: 2, wishes: false, retries: 0, ..base() }, &[], 100_000);
}

/// The query said "not received", and then the request arrived: only the partner can tell a late one from a new one.
#[test]
fn idempotency_is_needed_where_requests_come_late() {
    counterexample("late", Delivery { late: true, ..naive() }, DOUBLED);
}

/// The same, for a transfer that upstream took back: the partner's next word is a conflict, and a person looks.
#[test]
fn punctual_requests_are_needed_for_withdrawn_to_last() {
    counterexample("late", Delivery { late: true, ..base() }, WITHDRAWN);
}

/// A "blocked" that somebody put in the place of the answer sends the submit again (ADR 0005).
#[test]
fn signed_refusals_are_needed_without_idempotency() {
    counterexample("unsigned", Delivery { unsigned_no: true, ..naive() }, DOUBLED);
    counterexample("unsigned", Delivery { unsigned_no: true, query: false, ..naive() }, DOUBLED);
}

/// A broken daemon breaks the discipline with any partner, and doubles with one that is not idempotent.
fn caught(broken: Broken) {
    let name = format!("{broken:?}");
    counterexample(&name, Delivery { broken: Some(broken), ..base() }, BLIND);
    counterexample(&name, Delivery { broken: Some(broken), ..naive() }, DOUBLED);
}

#[test]
fn no_fencing_at_the_settlement_is_caught() {
    caught(Broken::SettleUnfenced);
}

#[test]
fn no_fencing_at_the_opening_is_caught() {
    caught(Broken::OpenUnfenced);
}

#[test]
fn closing_anothers_attempt_is_caught() {
    // It takes three claims to send blindly, and more attempts than the model has to double.
    let broken = Some(Broken::AbandonUnfenced);
    counterexample("AbandonUnfenced", Delivery { broken, ..base() }, BLIND);
}

#[test]
fn a_resend_on_an_unknown_outcome_is_caught() {
    caught(Broken::ResendUnknown);
}

#[test]
fn an_attempt_noted_after_the_send_is_caught() {
    caught(Broken::AttemptAfterSend);
}

#[test]
fn a_rescue_that_sends_again_is_caught() {
    caught(Broken::RescueRequeues);
}

#[test]
fn a_callback_answered_before_its_commit_is_caught() {
    let broken = Some(Broken::CallbackAnsweredFirst);
    counterexample("answered first", Delivery { broken, ..base() }, KEPT);
}

/// As the gateway was before this model: a submit that did not go out took the wish to withdraw for fulfilled, though
/// the one before it may have arrived.
#[test]
fn a_withdrawal_in_doubt_without_a_question_is_caught() {
    let deaf = || {
        let mut model = base();
        model.rules.tells_doubt = false;
        model
    };
    counterexample("in doubt", deaf(), ASKED);
    counterexample("in doubt, unsigned", Delivery { unsigned_no: true, ..deaf() }, WITHDRAWN);
}

#[test]
fn a_cursor_before_its_events_is_caught() {
    counterexample("cursor first", PartnersFeed { cursor_first: true }, NOTHING_SKIPPED);
}

#[test]
fn cursors_that_show_out_of_order_are_caught() {
    counterexample("unlocked", OurFeed { unlocked: true }, NOTHING_MISSED);
}
