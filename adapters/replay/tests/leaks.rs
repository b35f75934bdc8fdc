//! Whoever is in a call is in no recording of it, however a partner writes them.

#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

use base64::{Engine, prelude::BASE64_STANDARD};
use encoding_rs::GBK;
use league_contract::{Call, document};
use league_replay::{Disguise, People, Personal, leaks};
use serde_json::json;

const NAME: &str = "李雷";
const ID_NUMBER: &str = "320102199508172342";
const PHONE: &str = "13755667788";

fn disguise() -> Disguise {
    let transfer = document::read_canonical(&json!({
        "request_id": "R", "initiator": "member",
        "member": {"name": NAME, "id_number": ID_NUMBER, "phone": PHONE, "joined_on": "2012-05"},
        "source": {"organization_id": "1", "full_name": "来源团支部"},
        "destination": {"province_code": "320000", "full_name": "共青团南京大学委员会"},
        "reason": "other", "details": {"text": "因家庭原因迁往外地居住生活"}, "applied_at": "2024-07-01T09:30:00+08:00"
    }));
    let mut disguise = Disguise::new([5; 32]);
    disguise.call(&Call::Submit(Box::new(transfer.expect("a transfer")))).expect("replaced");
    disguise
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// A number in its parts, with something between them.
fn parted(parts: [&str; 3], between: &str) -> String {
    parts.join(between)
}

/// Hex with something between the bytes.
fn hex_pairs(text: &str, between: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between)
}

fn dates_and_digits() -> impl Iterator<Item = String> {
    let dates = [
        "1995-8-17",
        "1995/8/17",
        "1995.8.17",
        "1995_8_17",
        "生于1995年8月17号",
        "1995年08月17号",
        "1995年8月17",
        "1995 8 17",
        "17.08.1995",
        "17/08/1995",
        "17-8-1995",
    ];
    let digits = ["①③⑦⑤⑤⑥⑥⑦⑦⑧⑧", "¹³⁷⁵⁵⁶⁶⁷⁷⁸⁸", "❶❸❼❺❺❻❻❼❼❽❽", "⒈⒊⒎⒌⒌⒍⒍⒎⒎⒏⒏"];
    dates.into_iter().chain(digits).map(str::to_owned)
}

fn ways_to_write_them() -> Vec<String> {
    let (id, phone) = (["320102", "19950817", "2342"], ["137", "5566", "7788"]);
    let spaces = [
        "\n", "\r\n  ", "\t", "  ", "\u{a0}", "\u{200b}", "\u{feff}", "/", ",", "_", "–", " - ", "\\n",
        "&#10;",
    ];
    let mut ways: Vec<String> =
        spaces.iter().flat_map(|between| [parted(id, between), parted(phone, between)]).collect();
    let whole = format!("{NAME}{ID_NUMBER}");
    ways.extend(
        ["李 雷", "李　雷", "李\u{a0}雷", "李·雷", "李\u{200b}雷", "(137)55667788", "（137）5566 7788"]
            .map(str::to_owned),
    );
    ways.extend(
        ["137:5566:7788", "١٣٧٥٥٦٦٧٧٨٨", "1995-08-17", "19950817", "1995年8月17日", "1995/08/17"]
            .map(str::to_owned),
    );
    ways.extend([ID_NUMBER[..17].to_owned(), ID_NUMBER[..14].to_owned(), format!("0{PHONE}")]);
    ways.extend([format!("{ID_NUMBER}{PHONE}"), format!("{PHONE}{ID_NUMBER}")]);
    ways.extend([
        base64(NAME),
        format!("name={}", base64(NAME)),
        base64(GBK.encode(NAME).0),
        base64(&whole),
        base64(base64(&whole)),
    ]);
    ways.extend([
        hex::encode(&whole),
        hex::encode_upper(GBK.encode(NAME).0),
        hex::encode(PHONE),
        format!("a{}", hex::encode(PHONE)),
    ]);
    ways.extend(dates_and_digits());
    ways.extend([
        hex_pairs(ID_NUMBER, " "),
        hex_pairs(ID_NUMBER, ":"),
        hex_pairs(PHONE, "-"),
        hex_pairs(NAME, " "),
        hex_pairs(NAME, ":").to_uppercase(),
    ]);
    ways.extend(
        ["李</b><b>雷", "<b>李</b>雷", "李&lt;b&gt;雷&lt;/b&gt;", "李<br/>雷", "\u{f9e1}雷"]
            .map(str::to_owned),
    );
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        ways.extend([
            base64(utf16(&whole, bytes)),
            base64(utf16(NAME, bytes)),
            hex::encode(utf16(PHONE, bytes)),
        ]);
    }
    ways
}

/// Replaced or found: never kept.
#[test]
fn whoever_is_in_the_call_is_not_kept_however_they_are_written() {
    for way in ways_to_write_them() {
        for message in
            [way.clone(), format!("<m>证件号码：{way}。</m>"), format!("{{\"msg\":\"x {way} 1\"}}")]
        {
            let mut disguise = disguise();
            let other = disguise.bytes(message.as_bytes());
            let found = leaks(&other, &People::default(), &disguise.known());
            assert!(other != message.as_bytes() || !found.is_empty(), "{message:?}");
            let real = leaks(message.as_bytes(), &People::default(), &disguise.known());
            assert!(!real.is_empty(), "{message:?}");
        }
    }
}

/// Numbers of people whom nobody knows, as `fixtures lint` looks for them.
#[test]
fn numbers_of_anybody_are_found_however_they_are_written() {
    let glued = [format!("{ID_NUMBER}{PHONE}"), format!("{PHONE}11010519491231002X")];
    for way in [
        "320102\t19950817\t2342",
        "320102  19950817  2342",
        "320102/19950817/2342",
        "(137)55667788",
        "137–5566–7788",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(glued)
    .chain([base64(utf16(ID_NUMBER, u16::to_le_bytes)), hex::encode(PHONE), "13７5566٧٧88".to_owned()])
    .chain(["①③⑦⑤⑤⑥⑥⑦⑦⑧⑧".to_owned(), format!("{PHONE}²"), hex_pairs(ID_NUMBER, ":")])
    {
        let found = leaks(format!("# {way} #").as_bytes(), &People::default(), &[]);
        assert!(found.iter().any(|leak| matches!(leak.what, Personal::IdNumber | Personal::Phone)), "{way}");
    }
    for innocent in [
        "2024-07-01 18:30:00.123+08:00",
        "18:30:00.12345+08:00, 18:30:00",
        "172.16.10.12:80",
        "[13, 5, 5, 6, 67, 7, 88]",
        "2024/07/01, 2024/07/02, 2024/07/03",
        "1995-08-17",
        "a1375566778b0112233445566778899c",
    ] {
        assert_eq!(leaks(innocent.as_bytes(), &People::default(), &[]), [].into(), "{innocent}");
    }
}

/// What can't be looked through to its end is not called clean.
#[test]
fn more_than_is_looked_through_is_a_finding() {
    let text: String = (0..5000u32).map(|n| base64(format!("nobody at all {n}")) + " ").collect();
    let found = leaks(text.as_bytes(), &People::default(), &[]);
    assert!(found.iter().any(|leak| leak.what == Personal::Unread), "{found:?}");
}
