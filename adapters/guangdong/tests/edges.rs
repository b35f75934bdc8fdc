//! What no fixture can show: values that the contract lets no transfer have, wrong configuration, and arbitrary bytes.
#![expect(clippy::expect_used, reason = "the helpers of a test may fail it")]

use league_contract::{
    Adapter, AdapterConfig, Call, CallContext, CallbackVerdict, DecodeError, EncodeError, Method, Nonce,
    ProvinceCode, RequestId, Secret, Transfer, WireRequest, WireResponse, document,
};
use league_guangdong::REGISTRATION;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

/// The field that is then at fault, and what is done to it.
type Change<T> = (&'static str, fn(&mut T));

fn config(base_url: &str) -> AdapterConfig {
    AdapterConfig {
        base_url: base_url.to_owned(),
        identity: "BJGQT".to_owned(),
        secrets: vec![Secret::new("fixture-secret-one".to_owned())],
    }
}

fn adapter() -> Arc<dyn Adapter> {
    (REGISTRATION.build)(config("http://127.0.0.1:9102")).expect("valid")
}

fn at() -> CallContext {
    CallContext { now: "2024-07-01T01:30:00Z".parse().expect("an instant"), nonce: Nonce([7; 16]) }
}

fn transfer() -> Transfer {
    document::read_canonical(&json!({"request_id": "BJ-1", "initiator": "member",
        "member": {"name": "张三", "id_number": "11010519491231002X", "phone": "13800138000", "joined_on": "2012-05"},
        "source": {"organization_id": "1", "full_name": "北京某团支部"},
        "destination": {"province_code": "440000", "full_name": "共青团中山大学委员会"},
        "reason": "residence", "details": {"address": "佛山市", "basis": "household"},
        "applied_at": "2024-07-01T09:30:00+08:00"}))
    .expect("valid")
}

#[test]
fn what_has_no_room_is_named() {
    let changes: [Change<Transfer>; 8] = [
        ("destination.full_name", |it| it.destination.full_name = "团".to_owned()),
        ("destination.full_name", |it| it.destination.full_name = "团".repeat(201)),
        ("source.full_name", |it| it.source.full_name = "a\u{1}b".to_owned()),
        ("source.organization_id", |it| it.source.organization_id.clear()),
        ("details.text", |it| drop(it.details.insert("text".to_owned(), "其他原因".to_owned()))),
        ("details.text", |it| it.reason = league_contract::reason::Reason::Other),
        ("details", |it| drop(it.details.insert("address".to_owned(), String::new()))),
        ("details", |it| it.details.extend((0..20).map(|n| (format!("k{n}"), "v".to_owned())))),
    ];
    for (expected, change) in changes {
        let mut transfer = transfer();
        change(&mut transfer);
        match adapter().encode(&Call::Submit(Box::new(transfer)), &at()) {
            Err(EncodeError::Inexpressible { field, .. }) => assert_eq!(field, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert!(adapter().encode(&Call::Submit(Box::new(transfer())), &at()).is_ok());
}

#[test]
fn the_path_prefix_is_kept_and_wrong_configuration_is_named() {
    let call = Call::Query { request_id: RequestId::parse("BJ-1").expect("a key") };
    let adapter = (REGISTRATION.build)(config("https://gd.example/league/")).expect("valid");
    assert_eq!(adapter.encode(&call, &at()).expect("a request").target, "/league/exchange");

    let changes: [Change<AdapterConfig>; 4] = [
        ("base_url", |it| it.base_url = "127.0.0.1:9102".to_owned()),
        ("app_key", |it| it.identity = " BJGQT".to_owned()),
        ("secrets", |it| it.secrets.clear()),
        ("secrets", |it| it.secrets.push(Secret::new(String::new()))),
    ];
    for (key, change) in changes {
        let mut config = config("http://127.0.0.1:9102");
        change(&mut config);
        assert_eq!((REGISTRATION.build)(config).err().map(|error| error.key), Some(key));
    }
}

#[test]
fn an_answer_to_a_call_that_does_not_exist_is_an_error() {
    let call = Call::CheckOrganization {
        province_code: ProvinceCode::parse("440000").expect("six digits"),
        full_name: "共青团中山大学委员会".to_owned(),
    };
    let response = WireResponse { status: 200, headers: Vec::new(), body: b"<Exchange/>".to_vec() };
    assert!(matches!(adapter().decode(&call, &at(), &response), Err(DecodeError::Malformed(_))));
}

#[test]
fn the_serial_of_an_answer_is_one_line_of_theirs_or_nothing() {
    let cases =
        [("SN-1", "SN-1"), (" SN-1 ", "SN-1"), ("a\nb", "0"), ("", "0"), ("a&amp;&lt;", "a&amp;&lt;")];
    for (sent, expected) in cases.into_iter().chain([("123456789012345678901234567890123", "0")]) {
        let body = format!(
            "<x:E xmlns:x='urn:gd-league:exchange:v1'><x:Head><x:SerialNo>{sent}</x:SerialNo></x:Head></x:E>"
        );
        let answer = answer(body.into_bytes(), CallbackVerdict::Unauthenticated);
        assert!(answer.contains(&format!("<SerialNo>{expected}</SerialNo>")), "{answer}");
    }
}

fn push(body: Vec<u8>) -> WireRequest {
    WireRequest { method: Method::Post, target: "/callbacks/guangdong".to_owned(), headers: Vec::new(), body }
}

fn answer(body: Vec<u8>, verdict: CallbackVerdict) -> String {
    String::from_utf8(adapter().answer_callback(&push(body), verdict, &at()).body).expect("UTF-8")
}

proptest! {
    #[test]
    fn no_bytes_panic_or_pass(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let call = Call::Query { request_id: RequestId::parse("BJ-1").expect("a key") };
        let response = WireResponse { status: 200, headers: Vec::new(), body: body.clone() };
        prop_assert!(adapter().decode(&call, &at(), &response).is_err());
        prop_assert!(adapter().open_callback(&push(body.clone()), at().now).is_err());
        prop_assert!(answer(body, CallbackVerdict::Malformed).ends_with("<Body/></Exchange>"));
    }
}
