//! Transfers: in, out, and found again.

use super::backend::Bench;
use super::samples::{GUANGDONG, NATIONAL, at, insert, request_id, sample};
use jiff::Timestamp;
use league_contract::{Organization, OrganizationKind, PartnerStatus, ProvinceCode, System};
use league_gateway::organization::suggestion::Suggestion;
use league_gateway::seal::SealedTransfer;
use league_gateway::store::{CallbackVerdict, NewCallback, NewTransfer, Shown, StoreError, Stored};
use league_gateway::transfer::{
    Advance, Cause, Entry, Event, Held, LastError, Milestones, State, Verdict, Withdrawal,
};
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

fn text() -> BoxedStrategy<String> {
    "\\PC{0,20}".boxed()
}

fn time() -> BoxedStrategy<Timestamp> {
    (0..4_102_444_800_000i64)
        .prop_map(|millis| Timestamp::from_millisecond(millis).expect("in range"))
        .boxed()
}

fn bytes() -> BoxedStrategy<Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..40).boxed()
}

fn last_errors() -> impl Strategy<Value = LastError> {
    let kind = prop::sample::select(vec![None, Some(OrganizationKind::Branch)]);
    let organization = (text(), text(), kind).prop_map(|(organization_id, full_name, kind)| Organization {
        organization_id,
        full_name,
        kind,
    });
    // What differs is whatever two texts make of it.
    let suggestion =
        (text(), organization, option::of(Just(ProvinceCode::parse("350000").expect("six digits"))))
            .prop_map(|(typed, organization, province_code)| Suggestion {
                province_code,
                ..Suggestion::of_system(&typed, organization)
            });
    (text(), text(), text(), time(), prop::collection::vec(suggestion, 0..3))
        .prop_map(|(code, zh, en, at, suggestions)| LastError { code, zh, en, at, suggestions })
}

fn milestones() -> impl Strategy<Value = Milestones> {
    prop::array::uniform7(option::of(time())).prop_map(
        |[
            received_at,
            submitted_at,
            approved_at,
            account_created_at,
            checked_in_at,
            check_in_by,
            completed_at,
        ]| {
            Milestones {
                received_at,
                submitted_at,
                approved_at,
                account_created_at,
                checked_in_at,
                check_in_by,
                completed_at,
            }
        },
    )
}

fn marks() -> impl Strategy<Value = (Option<Held>, Option<Withdrawal>, Option<LastError>, Vec<[String; 2]>)> {
    let held = (text(), text(), time()).prop_map(|(by, reason, at)| Held { by, reason, at });
    let withdrawal = (text(), time()).prop_map(|(reason, at)| Withdrawal { reason, at });
    let warnings = prop::collection::vec([text(), text()], 0..3);
    (option::of(held), option::of(withdrawal), option::of(last_errors()), warnings)
}

/// Any entry at all, possible or not: the store keeps what it is given.
fn transfers() -> impl Strategy<Value = NewTransfer> {
    let words = (text(), option::of(text()), option::of(text()), option::of(text()));
    let numbers = (any::<u32>(), any::<u32>(), option::of(time()), time(), time());
    let state = prop::sample::select(State::ALL.to_vec());
    let shown = prop::array::uniform6(text());
    let person = (bytes(), bytes(), bytes());
    let province =
        (0..=999_999u32).prop_map(|code| ProvinceCode::parse(&format!("{code:06}")).expect("code"));
    (words, numbers, state, milestones(), marks(), shown, person, province).prop_map(
        |(words, numbers, state, milestones, marks, shown, person, province_code)| {
            let (destination_name, sent_name, organization_id, receipt_no) = words;
            let (attempts, tries, due_at, created_at, updated_at) = numbers;
            let (held, withdrawal, last_error, warnings) = marks;
            let [name, id_number, phone, source_id, source_name, reason] = shown;
            let (index, digest, sealed) = person;
            NewTransfer {
                entry: Entry {
                    state,
                    province_code,
                    destination_name,
                    sent_name,
                    organization_id,
                    receipt_no,
                    attempts,
                    tries,
                    due_at,
                    held,
                    withdrawal,
                    last_error,
                    milestones,
                    warnings,
                    created_at,
                    updated_at,
                    ..sample(1).entry
                },
                shown: Shown { name, id_number, phone, source_id, source_name, reason },
                initiator: "secretary",
                person: SealedTransfer { index, digest, sealed },
            }
        },
    )
}

fn assert_same(found: &Stored, new: &NewTransfer) {
    assert_eq!(found.entry, new.entry);
    assert_eq!(found.shown, new.shown);
    assert_eq!(found.lease_token, None);
    assert_eq!(found.document_digest, new.person.digest);
    assert_eq!(found.document_sealed, new.person.sealed);
}

pub(super) async fn a_transfer_comes_back_as_it_went_in(bench: Bench) {
    let mut runner = TestRunner::deterministic();
    let mut tx = bench.store.write("law").await.expect("it begins");
    for number in 1..=150 {
        let mut new = transfers().new_tree(&mut runner).expect("a case").current();
        new.entry.request_id = request_id(number);
        // One open transfer per person is another law.
        new.person.index.extend(number.to_le_bytes());
        let id = insert(&mut tx, &new).await.expect("it is taken in");
        new.entry.id = id;

        let taken = tx.transfer_by_id(id).await.expect("it is readable").expect("it is there");
        assert_eq!(taken.entry.milestones, new.entry.milestones);
        assert_eq!(taken.entry.updated_at, new.entry.created_at);
        assert_eq!((taken.entry.attempts, taken.entry.tries), (0, 0));

        let step = Advance { entry: new.entry.clone(), lines: vec![], verdict: Verdict::Stays };
        tx.save(&step, true, Cause::Delivery, at(0)).await.expect("it is written");
        let by_key = tx.transfer_by_id(id).await.expect("it is readable").expect("it is there");
        assert_same(&by_key, &new);
        assert_eq!(by_key.created_digest, new.person.digest);
        let by_request = tx.transfer(&new.entry.request_id).await.expect("it is readable");
        assert_same(&by_request.expect("it is there"), &new);
        let by_person = tx.open_transfer_of(&new.person.index).await.expect("it is readable");
        assert_eq!(by_person.is_some(), !new.entry.state.is_final(), "{:?}", new.entry.state);
    }
    tx.commit().await.expect("it commits");
    assert_eq!(bench.number("SELECT COUNT(*) FROM transfers WHERE initiator = 'secretary'").await, 150);
}

pub(super) async fn a_request_id_twice_fails_whole(bench: Bench) {
    bench.put(&sample(1)).await;
    let mut again = sample(1);
    again.person.index = b"somebody else".to_vec();

    let mut tx = bench.store.write("law").await.expect("it begins");
    insert(&mut tx, &sample(2)).await.expect("this one is new");
    let error = insert(&mut tx, &again).await.expect_err("the id is taken");
    assert!(matches!(error, StoreError::Database { action: "taking in a transfer", .. }), "{error:?}");
    drop(tx);

    assert!(bench.read(async |tx| tx.transfer(&request_id(2)).await).await.is_none());
    assert_eq!(bench.number("SELECT COUNT(*) FROM events").await, 2, "those of the first");
}

/// Holds the list of final states in the schema against [`State::is_final`].
pub(super) async fn one_open_transfer_per_person(bench: Bench) {
    for (place, state) in State::ALL.iter().enumerate() {
        let place = i64::try_from(place).expect("small");
        let mut first = sample(place * 2);
        first.entry.state = *state;
        let mut second = sample(place * 2 + 1);
        second.entry.system = GUANGDONG.clone();
        second.person.index.clone_from(&first.person.index);
        bench.put(&first).await;

        let mut tx = bench.store.write("law").await.expect("it begins");
        let inserted = insert(&mut tx, &second).await;
        assert_eq!(inserted.is_ok(), state.is_final(), "a second transfer beside one that is {state}");
        let open = match inserted {
            Ok(_) => {
                tx.commit().await.expect("it commits");
                &second
            }
            Err(_) => {
                drop(tx);
                &first
            }
        };
        let found = bench.read(async |tx| tx.open_transfer_of(&first.person.index).await).await;
        assert_eq!(found.expect("one is open").entry.request_id, open.entry.request_id);
    }
}

pub(super) async fn whoever_has_ended_may_move_again(bench: Bench) {
    let first = sample(1);
    let id = bench.put(&first).await;
    let open = async |number: i64| {
        bench.number(&format!("SELECT COUNT(*) FROM open_people WHERE transfer_id = {number}")).await
    };
    assert_eq!(open(id).await, 1);
    bench
        .write(async |tx| super::samples::happen(tx, id, Event::Reported(PartnerStatus::Pending), 1).await)
        .await;
    assert_eq!(open(id).await, 1, "it is open yet");
    bench
        .write(async |tx| super::samples::happen(tx, id, Event::Reported(PartnerStatus::Approved), 2).await)
        .await;
    assert_eq!((bench.stored(id).await.entry.state, open(id).await), (State::Completed, 0));
    let mut second = sample(2);
    second.person.index.clone_from(&first.person.index);
    let again = bench.put(&second).await;
    assert_eq!(open(again).await, 1);
    // What is said of the first one once more does not end the second.
    bench
        .write(async |tx| super::samples::happen(tx, id, Event::Reported(PartnerStatus::Approved), 3).await)
        .await;
    assert_eq!(open(again).await, 1);
}

pub(super) async fn an_amended_document_takes_the_place_of_the_old(bench: Bench) {
    let first = sample(1);
    let id = bench.put(&first).await;
    let mut amended = sample(2);
    amended.entry.system = GUANGDONG.clone();
    amended.entry.province_code = ProvinceCode::parse("440000").expect("code");
    amended.entry.destination_name = "共青团中山大学委员会".into();
    amended.entry.warnings = vec![["名称".into(), "name".into()]];
    amended.shown = Shown {
        name: "李*".into(),
        id_number: "440***************".into(),
        phone: "139********".into(),
        reason: "work".into(),
        ..first.shown.clone()
    };
    bench.write(async |tx| tx.replace_document(&amended, id).await).await;

    let found = bench.stored(id).await;
    assert_eq!(found.entry.request_id, first.entry.request_id, "upstream's key stays");
    assert_eq!(found.entry.system, GUANGDONG.clone());
    assert_eq!(found.entry.province_code, amended.entry.province_code);
    assert_eq!(found.entry.destination_name, amended.entry.destination_name);
    assert_eq!(found.entry.warnings, amended.entry.warnings);
    assert_eq!(found.shown, amended.shown);
    assert_eq!(found.created_digest, first.person.digest, "what created it is still known");
    assert_eq!(found.document_digest, amended.person.digest);
    assert_eq!(found.document_sealed, amended.person.sealed);
    let of = async |person: &[u8]| {
        bench.read(async |tx| tx.open_transfer_of(person).await).await.map(|stored| stored.entry.id)
    };
    assert_eq!((of(&first.person.index).await, of(&amended.person.index).await), (None, Some(id)));
}

pub(super) async fn what_was_taken_in_is_known_without_a_look(bench: Bench) {
    let mut new = sample(1);
    new.entry.warnings = vec![["名称".into(), "name".into()]];
    let id = bench.put(&new).await;
    let (read, known) = (bench.stored(id).await, Stored::new(id, new));
    assert_eq!(read.entry, known.entry);
    assert_eq!(read.shown, known.shown);
    assert_eq!(read.lease_token, known.lease_token);
    assert_eq!(
        (read.created_digest, read.document_digest, read.document_sealed),
        (known.created_digest, known.document_digest, known.document_sealed)
    );
}

pub(super) async fn a_transfer_that_was_waited_for_says_so(bench: Bench) {
    let inserted = async |number: i64| {
        let new = sample(number);
        let lines = super::samples::beginning(new.entry.state);
        bench.write(async |tx| tx.insert_transfer(&new, &lines, Cause::Upstream).await).await
    };
    let event = |number: i64, system: &'static System, verdict| NewCallback {
        system,
        event_id: "E",
        request_id: if number == 1 { "BJ-1" } else { "BJ-2" },
        event: "pending",
        verdict,
        received_at: at(0),
        event_sealed: b"sealed",
        raw_sealed: b"sealed",
    };
    bench
        .write(async |tx| tx.insert_callbacks(&[event(1, &NATIONAL, CallbackVerdict::Unmatched)]).await)
        .await;
    // Another system's is not about it, and what was settled does not wait.
    bench
        .write(async |tx| tx.insert_callbacks(&[event(2, &GUANGDONG, CallbackVerdict::Unmatched)]).await)
        .await;
    let refused = NewCallback { event_id: "F", ..event(2, &NATIONAL, CallbackVerdict::Refused) };
    bench.write(async |tx| tx.insert_callbacks(std::slice::from_ref(&refused)).await).await;
    assert_eq!(sample(1).entry.system, NATIONAL);
    assert!(inserted(1).await.awaited);
    assert!(!inserted(2).await.awaited);
}

pub(super) async fn what_is_in_the_way_is_found_in_one_look(bench: Bench) {
    let found = async |request: i64, person: &[u8]| {
        let id = request_id(request);
        let found = bench.write(async |tx| tx.in_the_way(&id, person).await).await;
        found.map(|stored| stored.entry.request_id)
    };
    let (first, second) = (sample(1), sample(2));
    let (one, two) = (&first.person.index, &second.person.index);
    assert_eq!(found(1, one).await, None);
    let id = bench.put(&first).await;
    bench.put(&second).await;
    assert_eq!(found(1, one).await, Some(request_id(1)), "the same again");
    assert_eq!(found(3, one).await, Some(request_id(1)), "the person's open one");
    assert_eq!(found(1, two).await, Some(request_id(1)), "the request's own comes before the person's");
    assert_eq!(found(3, b"nobody").await, None);
    bench
        .write(async |tx| super::samples::happen(tx, id, Event::Reported(PartnerStatus::Approved), 1).await)
        .await;
    assert_eq!(found(3, one).await, None, "it has ended");
    assert_eq!(found(1, one).await, Some(request_id(1)), "its key is taken for good");
}
