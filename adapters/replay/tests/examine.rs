//! Fields of this repository's own fixtures, judged one by one: the same, verified, different.

#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

use jiff::SignedDuration;
use league_contract::{Adapter, CallContext, Nonce, Notary, Registration, System, WireRequest};
use league_replay::{Case, Examined, Kind, examine, load_system, replay};
use std::path::Path;
use std::sync::Arc;

struct Profile {
    adapter: Arc<dyn Adapter>,
    notary: Arc<dyn Notary>,
    cases: Vec<Case>,
}

fn profile(registration: &Registration) -> Profile {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let system = System::named(registration.system);
    let fixtures = load_system(&root, &system).expect("readable");
    let config = fixtures.configs[&system].clone();
    Profile {
        adapter: (registration.build)(config.clone()).expect("built"),
        notary: (registration.notary)(config).expect("built"),
        cases: fixtures.cases,
    }
}

impl Profile {
    fn case(&self, name: &str) -> Case {
        self.cases.iter().find(|case| case.name == name).expect("the case stands").clone()
    }

    fn examine(&self, case: &Case) -> Examined {
        examine(case, self.adapter.as_ref(), self.notary.as_ref())
    }

    /// What is made of the case with another request on record.
    fn with_request(&self, case: &Case, change: impl FnOnce(WireRequest) -> WireRequest) -> Examined {
        let mut case = case.clone();
        let Kind::Exchange(exchange) = &mut case.kind else { panic!("an exchange") };
        exchange.request = exchange.request.take().map(change);
        self.examine(&case)
    }
}

fn edited(request: &WireRequest, from: &str, to: &str) -> WireRequest {
    let text = String::from_utf8(request.body.clone()).expect("UTF-8");
    assert!(text.contains(from), "{from}");
    WireRequest { body: text.replace(from, to).into_bytes(), ..request.clone() }
}

#[test]
fn volatile_fields_are_found_and_verified() {
    let head = "request.body/Exchange/Head";
    let token = "request.body/Envelope/Header/Security";
    for (registration, case, verified) in [
        (
            league_smart_league::REGISTRATION,
            "smart-league/submit-accepted",
            ["X-Nonce", "X-Signature", "X-Timestamp"].map(|name| format!("request.header.{name}")).to_vec(),
        ),
        (
            league_guangdong::REGISTRATION,
            "guangdong/query-received",
            ["Digest", "SerialNo", "Timestamp"].map(|name| format!("{head}/{name}")).to_vec(),
        ),
        (
            league_fujian::REGISTRATION,
            "fujian/submit-accepted",
            [
                "Timestamp/Created",
                "Timestamp/Expires",
                "UsernameToken/Created",
                "UsernameToken/Nonce",
                "UsernameToken/Password",
            ]
            .map(|name| format!("{token}/{name}"))
            .to_vec(),
        ),
    ] {
        let profile = profile(&registration);
        let examined = profile.examine(&profile.case(case));
        assert!(examined.passes(true), "{examined:?}");
        assert_eq!(examined.verified, verified);
        for case in &profile.cases {
            assert!(profile.examine(case).passes(true), "{}", case.name);
        }
    }
}

/// A request that went out at another moment, with another nonce, is verified and no difference; what replays byte for
/// byte says otherwise.
#[test]
fn a_request_of_another_moment_is_verified() {
    for (registration, name) in [
        (league_smart_league::REGISTRATION, "smart-league/submit-accepted"),
        (league_guangdong::REGISTRATION, "guangdong/query-received"),
        (league_fujian::REGISTRATION, "fujian/submit-accepted"),
    ] {
        let profile = profile(&registration);
        let case = profile.case(name);
        let sent = |seconds: i64| {
            let now = case.now + SignedDuration::from_secs(seconds);
            profile.with_request(&case, |_| {
                let Kind::Exchange(exchange) = &case.kind else { panic!("an exchange") };
                let at = CallContext { now, nonce: Nonce([7; 16]) };
                profile.adapter.encode(&exchange.call, &at).expect("encoded")
            })
        };
        let examined = sent(120);
        assert_eq!(examined.differences, [], "{name}");
        assert!(examined.verified.len() >= 3, "{examined:?}");
        // Outside the window the same fields differ.
        let late = sent(1200);
        assert_eq!(late.differences.len(), examined.verified.len() + 1, "{late:?}");
        assert!(late.differences[0].actual.contains("window"), "{late:?}");
        assert_eq!(late.verified, Vec::<String>::new());
    }
}

/// The text of an element `…/Parent/Name` of a message without comments; of a header, its value.
fn value(request: &mut WireRequest, field: &str, change: impl FnOnce(&str) -> String) {
    if let Some(name) = field.strip_prefix("request.header.") {
        let header = request.headers.iter_mut().find(|(known, _)| known == name).expect("it stands");
        header.1 = change(&header.1);
        return;
    }
    let body = String::from_utf8(request.body.clone()).expect("UTF-8");
    let mut path = field.rsplit('/');
    let (name, parent) = (path.next().expect("a name"), path.next().expect("its parent"));
    let from = body.find(&format!("{parent}>")).expect("the parent stands");
    let from = from + body[from..].find(name).expect("the element stands");
    let from = from + body[from..].find('>').expect("it opens") + 1;
    let to = from + body[from..].find('<').expect("it closes");
    request.body = [&body[..from], &change(&body[from..to]), &body[to..]].concat().into_bytes();
}

/// A field that is called verified is one of which a change is seen, whichever it is: another moment's value, or one
/// that is long past or to come.
#[test]
fn each_verified_field_is_held_by_something() {
    for registration in
        [league_smart_league::REGISTRATION, league_guangdong::REGISTRATION, league_fujian::REGISTRATION]
    {
        let profile = profile(&registration);
        let mut changed = 0;
        for case in &profile.cases {
            let Kind::Exchange(exchange) = &case.kind else { continue };
            let Some(request) =
                exchange.request.as_ref().filter(|one| std::str::from_utf8(&one.body).is_ok())
            else {
                continue;
            };
            for field in profile.examine(case).verified {
                for seconds in [-60, 60, 86_400, 315_360_000] {
                    let now = case.now + SignedDuration::from_secs(seconds);
                    let at = CallContext { now, nonce: Nonce([seconds.to_le_bytes()[0]; 16]) };
                    let mut other = profile.adapter.encode(&exchange.call, &at).expect("encoded");
                    let mut strange = String::new();
                    value(&mut other, &field, |text| {
                        strange = text.to_owned();
                        String::new()
                    });
                    let mut edited = request.clone();
                    value(&mut edited, &field, |text| {
                        assert_ne!(text, strange, "{field} is not volatile");
                        strange.clone()
                    });
                    let examined = profile.with_request(case, |_| edited);
                    assert!(!examined.passes(false), "{}: {field} of another moment passes", case.name);
                    changed += 1;
                }
            }
        }
        assert!(changed >= 100, "{}: {changed}", registration.system);
    }
}

/// Whoever changes a field and does not sign anew is found twice: by the field, and by the signature.
#[test]
fn a_changed_request_differs() {
    let profile = profile(&league_smart_league::REGISTRATION);
    let case = profile.case("smart-league/submit-accepted");
    let examined =
        profile.with_request(&case, |request| edited(&request, "\"gender\":\"2\"", "\"gender\":\"1\""));
    let fields: Vec<&str> = examined.differences.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["request (signature)", "request.body.member.gender"]);
    assert_eq!(examined.verified, Vec::<String>::new());
}

/// Prefixes are no difference. Where the signature covers the bytes, that they were signed so is asked for.
#[test]
fn other_bytes_that_say_the_same_pass_unless_exactness_is_asked_for() {
    let fujian = profile(&league_fujian::REGISTRATION);
    let case = fujian.case("fujian/submit-accepted");
    let renamed = |request: WireRequest| {
        let other = edited(&request, "<f:", "<lg:");
        edited(&edited(&other, "</f:", "</lg:"), "xmlns:f=", "xmlns:lg=")
    };
    let examined = fujian.with_request(&case, renamed);
    assert!(examined.passes(false) && !examined.passes(true), "{examined:?}");
    assert_eq!(examined.restyled.len(), 1);
    assert!(
        !replay(
            &{
                let mut case = case.clone();
                let Kind::Exchange(exchange) = &mut case.kind else { panic!("an exchange") };
                exchange.request = exchange.request.take().map(renamed);
                case
            },
            fujian.adapter.as_ref()
        )
        .is_empty()
    );

    let national = profile(&league_smart_league::REGISTRATION);
    let case = national.case("smart-league/submit-accepted");
    let examined = national.with_request(&case, |request| edited(&request, "\":\"", "\": \""));
    assert_eq!(examined.differences.len(), 1, "not signed over these bytes: {examined:?}");
}
