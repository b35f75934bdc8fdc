//! What is too large for a fixture, or differs in one place from a fixture that stands.

#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

use league_contract::{Adapter, CallbackError, DecodeError, MAX_BODY_BYTES, Reply, System, WireResponse};
use league_replay::{Case, Kind, load_system};
use league_smart_league::REGISTRATION;
use std::path::Path;
use std::sync::Arc;

fn case(name: &str) -> (Arc<dyn Adapter>, Case) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let system = System::named(REGISTRATION.system);
    let fixtures = load_system(&root, &system).expect("readable fixtures");
    let adapter = (REGISTRATION.build)(fixtures.configs[&system].clone()).expect("a valid configuration");
    let found = fixtures.cases.into_iter().find(|case| case.name == name).expect("the case stands");
    (adapter, found)
}

/// What becomes of a case whose answer is changed outside its signature.
fn decoded(name: &str, change: impl Fn(&mut WireResponse)) -> Result<Reply, DecodeError> {
    let (adapter, case) = case(name);
    let Kind::Exchange(exchange) = &case.kind else { panic!("an exchange") };
    let mut response = exchange.response.clone().expect("an answer");
    change(&mut response);
    adapter.decode(&exchange.call, &case.answer_context(), &response)
}

#[test]
fn a_body_over_1_mib_is_not_even_hashed() {
    let large = |response: &mut WireResponse| response.body.resize(MAX_BODY_BYTES + 1, b' ');
    assert!(matches!(decoded("smart-league/submit-accepted", large), Err(DecodeError::Malformed(_))));

    let (adapter, case) = case("callbacks/smart-league/approved");
    let Kind::Callback(push) = &case.kind else { panic!("a callback") };
    let mut request = push.request.clone();
    request.body.resize(MAX_BODY_BYTES + 1, b' ');
    let opened = adapter.open_callback(&request, case.now);
    assert!(matches!(opened, Err(CallbackError::Malformed(_))));
}

/// A 401 that is too large is still a 401.
#[test]
fn a_large_401_blocks() {
    let large = |response: &mut WireResponse| response.body.resize(MAX_BODY_BYTES + 1, b' ');
    assert!(matches!(decoded("smart-league/submit-bad-signature", large), Ok(Reply::Blocked { .. })));
}

#[test]
fn retry_after_is_read_or_left_alone_and_never_overflows() {
    let not_before = |text: &str| {
        let reply = decoded("smart-league/submit-busy", |response| {
            response.headers.retain(|(name, _)| name != "Retry-After");
            response.headers.push(("retry-after".to_owned(), text.to_owned()));
        });
        match reply {
            Ok(Reply::TryLater { not_before, .. }) => not_before.map(|at| at.to_string()),
            other => panic!("{text}: {other:?}"),
        }
    };
    for (text, expected) in [
        ("0", Some("2024-07-01T01:30:00.456Z")),
        (" 60 ", Some("2024-07-01T01:31:00.456Z")),
        ("4294967295", Some("2160-08-07T07:58:15.456Z")),
        ("Mon, 01 Jul 2024 02:00:00 GMT", Some("2024-07-01T02:00:00Z")),
        ("99999999999999999999", None),
        ("-1", None),
        ("1.5", None),
        ("Tue, 01 Jul 2024 02:00:00 GMT", None),
        ("", None),
    ] {
        assert_eq!(not_before(text).as_deref(), expected, "{text:?}");
    }
}
