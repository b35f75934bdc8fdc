//! What is shown of messages names nobody and holds no secret: over every fixture, and over random people whose partners
//! quote them in whatever dress.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use league_contract::document::read_canonical;
use league_contract::{Adapter, Call, CallContext, Nonce, Registration, Transfer};
use league_gateway::app::REGISTRATIONS;
use league_gateway::view::{Masking, MessageView, Persons};
use league_replay::{Fixtures, Kind, load, write_request, write_response};
use proptest::prelude::*;
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, LazyLock};

static FIXTURES: LazyLock<Fixtures> = LazyLock::new(|| {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).expect("the fixtures can be read")
});

fn registration(system: &str) -> Registration {
    REGISTRATIONS.into_iter().find(|one| one.system == system).expect("it is known")
}

fn adapter(system: &str) -> Arc<dyn Adapter> {
    let config =
        FIXTURES.configs.iter().find(|(name, _)| name.as_str() == system).expect("a configuration").1;
    (registration(system).build)(config.clone()).expect("the configuration is right")
}

/// What says something of a transfer's persons, in the form in which it is looked for.
fn personal(transfer: &Transfer) -> Vec<String> {
    let id_number = transfer.member.id_number.expose();
    let mut values = vec![
        transfer.member.name.expose().to_owned(),
        id_number.to_owned(),
        id_number[10..].to_owned(),
        id_number[6..14].to_owned(),
        transfer.member.phone.expose().to_owned(),
    ];
    values.extend(transfer.member.league_number.as_ref().map(|number| number.expose().to_owned()));
    for key in ["contact_name", "contact_phone", "school_address", "employer_address", "address", "text"] {
        values.extend(transfer.details.get(key).cloned());
    }
    values.retain(|value| value.chars().count() >= 2);
    values
}

fn bare(text: &str) -> String {
    let half = league_contract::text::half_width(text);
    half.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.' | '·' | '\u{200B}'))
        .collect::<String>()
        .to_uppercase()
}

#[track_caller]
fn assert_hidden(what: &str, shown: &MessageView, clear: &[String]) {
    let text = serde_json::to_string(shown).expect("JSON");
    let shown = bare(&text);
    for value in clear {
        assert!(!shown.contains(&bare(value)), "{what} shows {value}: {text}");
    }
}

/// The document of a submit.
fn submitted(call: &Call) -> Option<Transfer> {
    if let Call::Submit(transfer) = call { Some((**transfer).clone()) } else { None }
}

#[test]
fn no_fixture_shows_a_person_or_a_secret() {
    let of_case = |kind: &Kind| match kind {
        Kind::Exchange(exchange) => submitted(&exchange.call),
        Kind::Callback(_) => None,
    };
    let everybody: Vec<String> =
        FIXTURES.cases.iter().filter_map(|case| of_case(&case.kind)).flat_map(|one| personal(&one)).collect();
    let (mut shown, mut withheld) = (0, 0);
    for case in &FIXTURES.cases {
        let transfer = of_case(&case.kind);
        let persons = transfer.as_ref().map_or_else(Persons::unknown, Persons::of);
        let masking = Masking::new(Some(registration(case.system.as_str()).open_fields), persons);
        let (request, response) = match &case.kind {
            Kind::Exchange(exchange) => (exchange.request.as_ref(), exchange.response.as_ref()),
            Kind::Callback(push) => (Some(&push.request), push.response.as_ref()),
        };
        let views = request
            .map(|request| masking.request(&write_request(request)))
            .into_iter()
            .chain(response.map(|response| masking.response(&write_response(response))));
        for view in views {
            assert_hidden(&case.name, &view, &everybody);
            let text = serde_json::to_string(&view).expect("JSON");
            for secret in secrets(request.map(|one| &one.body[..]), request.map(|one| &one.headers[..])) {
                assert!(!text.contains(&secret), "{} shows {secret}: {text}", case.name);
            }
            shown += usize::from(view.body.is_some());
            withheld += usize::from(view.withheld.is_some());
        }
    }
    assert!(shown > 400 && withheld > 10, "{shown} bodies were shown, {withheld} could not be");
}

/// Signatures, digests and passwords of a message, by the places where the profiles have them.
fn secrets(body: Option<&[u8]>, headers: Option<&[(String, String)]>) -> Vec<String> {
    let mut found: Vec<String> = headers
        .unwrap_or_default()
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-signature"))
        .map(|(_, value)| value.clone())
        .collect();
    let text = String::from_utf8_lossy(body.unwrap_or_default()).into_owned();
    for mark in ["<Digest>", "PasswordDigest\">"] {
        found.extend(text.split(mark).skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned));
    }
    found.retain(|value| value.len() > 8);
    found
}

#[test]
fn what_helps_is_shown() {
    let case =
        FIXTURES.cases.iter().find(|case| case.name == "smart-league/submit-accepted").expect("a case");
    let Kind::Exchange(exchange) = &case.kind else { panic!("an exchange") };
    let Call::Submit(transfer) = &exchange.call else { panic!("a submit") };
    let fields = registration("smart_league").open_fields;
    let masking = Masking::new(Some(fields), Persons::of(transfer));
    let request = masking.request(&write_request(exchange.request.as_ref().expect("blessed")));
    assert_eq!(request.start.as_deref(), Some("POST /api/v2/transfer/in"));
    let value = |name: &str| {
        request.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
    };
    assert_eq!(
        (value("X-App-Id"), value("X-Signature"), value("X-Nonce")),
        (Some("BJGQT"), Some("***"), Some("***"))
    );
    let body: serde_json::Value =
        serde_json::from_str(request.body.as_deref().expect("a body")).expect("JSON");
    assert_eq!(body["requestId"], "BJ-2024-000001");
    assert_eq!(body["destination"], json!({"provinceCode": "320000", "orgFullName": "共青团南京大学委员会"}));
    assert_eq!(body["appliedAt"], 1_719_797_400_000_i64);
    assert_eq!(
        body["member"],
        json!({"name": "张*", "idNumber": "110***************", "phone": "138********", "gender": "***",
            "ethnicity": "***", "joinedOn": "***", "leagueNumber": "201*********"})
    );
    let quoted = masking.response(b"HTTP/1.1 400\n\n{\"code\":40001,\"msg\":\"\xE5\xBC\xA0\xE4\xB8\x89 11010519491231002X \xE6\x9C\x89\xE8\xAF\xAF\"}");
    assert!(
        quoted.body.as_deref().is_some_and(|body| body.contains("张* 110*************** 有误")),
        "{quoted:?}"
    );
    // Nobody knows whom a sentence about another transfer may name.
    let nobody = Masking::new(Some(fields), Persons::unknown());
    let body = nobody.body("{\"code\":0,\"msg\":\"你好\"}".as_bytes()).body.expect("a body");
    assert!(body.contains("\"code\": 0") && !body.contains("你好"), "{body}");
    // A page that a proxy put there can't be taken apart: its shape alone is told.
    let page = nobody.response(b"HTTP/1.1 502\nServer: nginx\n\n<html><body>Bad<br>Gateway</body></html>");
    assert_eq!((page.start.as_deref(), page.bytes, page.body), (Some("HTTP 502"), 40, None));
    assert!(page.withheld.is_some_and(|why| why.en.contains("not shown")));
}

/// Somebody random, in a document that every rule of form allows.
fn anybody() -> impl Strategy<Value = Transfer> {
    let name = proptest::collection::vec(proptest::char::range('\u{4e00}', '\u{9fa5}'), 2..5);
    let numbers = (0u32..1000, 1970u32..2010, 1u32..13, 1u32..29, 0u64..1_000_000_000);
    (name.clone(), name, numbers, 0u32..3).prop_map(|(name, contact, (serial, year, month, day, phone), reason)| {
        let body = format!("110105{year}{month:02}{day:02}{serial:03}");
        let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        let sum: u32 = body.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        let check = char::from(b"10X98765432"[sum as usize % 11]);
        let (name, contact): (String, String) = (name.into_iter().collect(), contact.into_iter().collect());
        let (reason, details) = match reason {
            0 => ("education", json!({"school_name": "南京大学", "school_address": format!("栖霞区{contact}路163号"), "stage": "graduate"})),
            1 => ("abroad", json!({"country": "法国", "purpose": "study", "until": "2027-09",
                "contact_name": contact, "contact_phone": format!("137{:08}", phone % 100_000_000)})),
            _ => ("other", json!({"text": format!("因照顾家人{contact}迁往外地居住生活")})),
        };
        read_canonical(&json!({
            "request_id": "BJ-2024-000001", "initiator": "member",
            "member": {"name": name, "id_number": format!("{body}{check}"), "phone": format!("13{phone:09}"),
                "joined_on": "2018-05", "league_number": format!("2018{:08}", u64::from(serial) * 7919 + 10_000_000), "ethnicity": "01"},
            "source": {"organization_id": "1", "full_name": "来源团支部"},
            "destination": {"province_code": "320000", "full_name": "共青团南京大学委员会"},
            "reason": reason, "details": details, "applied_at": "2024-07-01T09:30:00+08:00"
        }))
        .expect("a document")
    })
}

/// The dresses in which a partner may quote a value.
const DRESSES: [fn(&str) -> String; 15] = [
    str::to_owned,
    |text| text.to_lowercase(),
    |text| text.chars().map(|c| format!("{c} ")).collect(),
    |text| text.chars().map(|c| format!("{c}-")).collect(),
    |text| {
        text.chars()
            .map(
                |c| if c.is_ascii_graphic() { char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c) } else { c },
            )
            .collect()
    },
    |text| text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
    |text| encoding_rs::GBK.encode(text).0.iter().map(|byte| format!("%{byte:02x}")).collect(),
    |text| STANDARD.encode(text),
    |text| STANDARD.encode(encoding_rs::GBK.encode(text).0),
    |text| URL_SAFE_NO_PAD.encode(format!("{{\"n\":\"{text}\"}}")),
    |text| hex::encode(text),
    |text| text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect(),
    |text| text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
    |text| text.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect(),
    |text| encoding_rs::GBK.decode(text.as_bytes()).0.into_owned(),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_request_shows_its_person(transfer in anybody()) {
        let context = CallContext { now: transfer.applied_at, nonce: Nonce([7; 16]) };
        for registration in REGISTRATIONS {
            let call = Call::Submit(Box::new(transfer.clone()));
            let request = adapter(registration.system).encode(&call, &context).expect("it can be said");
            let masking = Masking::new(Some(registration.open_fields), Persons::of(&transfer));
            let view = masking.request(&write_request(&request));
            prop_assert!(view.body.as_deref().is_some_and(|body| body.contains("共青团南京大学委员会")));
            assert_hidden(registration.system, &view, &personal(&transfer));
            // Without the document, too.
            let nobody = Masking::new(Some(registration.open_fields), Persons::unknown());
            assert_hidden(registration.system, &nobody.request(&write_request(&request)), &personal(&transfer));
        }
    }

    #[test]
    fn no_answer_shows_whom_it_quotes(transfer in anybody(), dress in 0..DRESSES.len(), tail in "[a-zA-Z0-9 ]{0,12}") {
        for value in personal(&transfer) {
            let dressed = DRESSES[dress](&value);
            let words = format!("数据有误 {dressed} {tail}");
            let json = json!({"code": 40001, "msg": words, "traceId": dressed, words.clone(): words, "orgFullName": words,
                "transferNo": format!("T {dressed}"), "data": {"reason": words, "unknown": [dressed, words]}});
            let escaped = words.replace('&', "&amp;");
            let guangdong = format!("<?xml version=\"1.0\" encoding=\"GB18030\"?><Exchange version=\"1.0\" note=\"{escaped}\">\
                <Head><Code>{escaped}</Code><Message>{escaped}</Message></Head><Body><Reason>{escaped}</Reason><Other>{escaped}</Other></Body></Exchange>");
            let fujian = format!("<Fault><faultcode>{escaped}</faultcode><faultstring>{escaped}</faultstring><detail><x>{escaped}</x></detail></Fault>");
            let bodies: [(&str, Vec<u8>); 3] = [
                ("smart_league", json.to_string().into_bytes()),
                ("guangdong", encoding_rs::GB18030.encode(&guangdong).0.into_owned()),
                ("fujian", fujian.into_bytes()),
            ];
            for (system, body) in bodies {
                let masking = Masking::new(Some(registration(system).open_fields), Persons::of(&transfer));
                let view = masking.response(&[&b"HTTP/1.1 400\nServer: x\nX-Other: y\n\n"[..], &body].concat());
                prop_assert!(view.body.is_some(), "{system}: {view:?}");
                assert_hidden(system, &view, std::slice::from_ref(&value));
                if dress != 1 {
                    let text = serde_json::to_string(&view).expect("JSON");
                    prop_assert!(!text.contains(&dressed), "{system} shows {dressed}: {text}");
                }
            }
        }
    }
}
