//! The fourth system's fixtures: what *they* say, signed by a hand of its own, as `fixtures/make_*.py` do it; what *we* say is
//! blessed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const SECRET: &[u8] = b"hebei-fixture-secret";
const NONCE: &str = "00112233445566778899aabbccddeeff";
const THEIRS: &str = "8f14e45fceea167a5a36dedd4bea2543";
const NOW: i64 = 1_719_797_400_000;

/// Where the transfers of the cases go.
pub(super) const DESTINATION: &str = "共青团河北大学委员会";

fn sign(before: &str, at: i64, nonce: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("any length is a key");
    mac.update([before, &at.to_string(), nonce, body].join("\n").as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a String takes it");
        out
    })
}

fn message(start: &str, before: &str, (at, nonce): (i64, &str), body: &str) -> String {
    let sign = sign(before, at, nonce, body);
    format!("{start}\nX-Time: {at}\nX-Nonce: {nonce}\nX-Sign: {sign}\n\n{body}")
}

fn answer(body: &str) -> String {
    message("HTTP/1.1 200", "200", (NOW, NONCE), body)
}

fn push(at: i64, body: &str) -> String {
    let before = "POST /callbacks/hebei";
    message(&format!("{before} HTTP/1.1"), before, (at, THEIRS), body)
}

const SUBMIT: &str = r#"
[call]
operation = "submit"
[call.transfer]
request_id = "HB-1"
initiator = "member"
reason = "education"
applied_at = "2024-07-01T01:30:00Z"
member = { name = "欧阳样例", id_number = "110199200005050015", phone = "16112345678", joined_on = "2016-05" }
source = { organization_id = "1", full_name = "来源团支部" }
destination = { province_code = "130000", full_name = "共青团河北大学委员会" }
details = { school_name = "河北大学", school_address = "保定市五四东路180号", stage = "graduate" }
"#;
const QUERY: &str = "[call]\noperation = \"query\"\nrequest_id = \"HB-1\"\n";
const SEARCH: &str = "[call]\noperation = \"search_organizations\"\nprovince_code = \"130000\"\nkeyword = \"河北大学\"\npage = 1\nsize = 20\n";

/// Writes the whole tree.
pub(super) fn write(root: &Path) {
    let config = "[hebei]\nbase_url = \"http://127.0.0.1:9104\"\nidentity = \"BJGQT\"\nsecrets = [\"hebei-fixture-secret\"]\nprofile = \"v1\"\n";
    fs::write(root.join("config.toml"), config).expect("written");
    for (name, codes, expect, response) in submits() {
        exchange(root, name, codes, SUBMIT, &expect, &response);
    }
    for (name, codes, expect, response) in queries() {
        exchange(root, name, codes, QUERY, &expect, &response);
    }
    for (name, codes, expect, response) in searches() {
        exchange(root, name, codes, SEARCH, &expect, &response);
    }
    pushes(root);
}

/// Name, codes, what is expected, and their answer.
type Line = (&'static str, &'static str, String, String);

fn exchange(root: &Path, name: &str, codes: &str, call: &str, expect: &str, response: &str) {
    case(&root.join("hebei").join(name), codes, &format!("{call}{expect}"), "response.http", response);
}

fn data(code: &str, data: &str) -> String {
    answer(&format!("{{\"code\":\"{code}\",\"data\":{data}}}"))
}

fn is(status: &str) -> String {
    data("OK", &format!("{{\"no\":\"HB7\",\"status\":\"{status}\",\"at\":1719799200000}}"))
}

fn no(code: &str) -> String {
    answer(&format!("{{\"code\":\"{code}\",\"text\":\"不行\"}}"))
}

fn error(word: &str) -> String {
    format!("[expect]\nerror = \"{word}\"\n")
}

fn forged(message: &str) -> String {
    message.replace("X-Sign: ", "X-Sign: 00")
}

fn submits() -> [Line; 7] {
    let receipt = |duplicate: bool| {
        format!(
            "[expect.reply.answered.receipt]\nreceipt_no = \"HB7\"\nstatus = \"pending\"\nduplicate = {duplicate}\n"
        )
    };
    let remark = |kind: &str, why: &str, code: &str| {
        format!(
            "[expect.reply.{kind}]\nwhy = \"{why}\"\nremark = {{ code = \"{code}\", message = \"不行\" }}\n"
        )
    };
    [
        ("submit-accepted", "\"OK\"", receipt(false), is("WAITS")),
        ("submit-again", "\"AGAIN\"", receipt(true), data("AGAIN", "{\"no\":\"HB7\",\"status\":\"WAITS\"}")),
        ("submit-bad", "\"BAD\"", remark("refused", "invalid_data", "BAD"), no("BAD")),
        ("submit-sign", "\"SIGN\"", remark("blocked", "authentication", "SIGN"), no("SIGN")),
        ("submit-unknown-code", "", error("unknown_code"), no("ELSE")),
        ("submit-forged", "", error("not_genuine"), forged(&is("WAITS"))),
        ("submit-no-json", "", error("malformed"), answer("<html>")),
    ]
}

fn queries() -> [Line; 5] {
    let record = |status: &str| {
        format!(
            "[expect.reply.answered.record]\nrequest_id = \"HB-1\"\nreceipt_no = \"HB7\"\nstatus = \"{status}\"\nupdated_at = \"2024-07-01T02:00:00Z\"\n"
        )
    };
    [
        ("query-waits", "", record("pending"), is("WAITS")),
        ("query-yes", "", record("approved"), is("YES")),
        ("query-no", "", record("rejected"), is("NO")),
        ("query-none", "\"NONE\"", "[expect.reply]\nanswered = \"not_received\"\n".to_owned(), no("NONE")),
        ("query-no-status", "", error("malformed"), data("OK", "{\"no\":\"HB7\"}")),
    ]
}

fn searches() -> [Line; 2] {
    let page = |total: u32, items: &str| {
        format!("[expect.reply.answered.organizations]\ntotal = {total}\nitems = [{items}]\n")
    };
    let found = format!("{{ organization_id = \"1\", full_name = \"{DESTINATION}\" }}");
    let item = format!("{{\"total\":1,\"items\":[{{\"id\":\"1\",\"name\":\"{DESTINATION}\"}}]}}");
    [
        ("search-found", "", page(1, &found), data("OK", &item)),
        ("search-nothing", "", page(0, ""), data("OK", "{\"total\":0,\"items\":[]}")),
    ]
}

fn pushes(root: &Path) {
    let event = |status: &str| {
        format!(
            "[expect]\nverdict = \"stored\"\nreplay_key = \"{THEIRS}\"\n[expect.event]\nevent_id = \"E1\"\nrequest_id = \"HB-1\"\nreceipt_no = \"HB7\"\noccurred_at = \"2024-07-01T01:29:00Z\"\nkind = {{ status = \"{status}\" }}\n"
        )
    };
    let refused = |error: &str| format!("[expect]\nverdict = \"{error}\"\nerror = \"{error}\"\n");
    let says = |status: &str| {
        format!(
            "{{\"event\":\"E1\",\"id\":\"HB-1\",\"no\":\"HB7\",\"status\":\"{status}\",\"at\":1719797340000}}"
        )
    };
    for (name, expect, request) in [
        ("yes", event("approved"), push(NOW, &says("YES"))),
        ("no", event("rejected"), push(NOW, &says("NO"))),
        ("stale", refused("stale"), push(NOW - 301_000, &says("YES"))),
        ("forged", refused("unauthenticated"), forged(&push(NOW, &says("YES")))),
        ("no-json", refused("malformed"), push(NOW, "<html>")),
    ] {
        case(&root.join("callbacks/hebei").join(name), "", &expect, "request.http", &request);
    }
}

fn case(dir: &Path, codes: &str, rest: &str, file: &str, message: &str) {
    let head = format!(
        "title = \"t\"\ntitle_zh = \"题\"\ncodes = [{codes}]\nnow = \"2024-07-01T01:30:00Z\"\nnonce = \"{NONCE}\"\n"
    );
    fs::create_dir_all(dir).expect("made");
    fs::write(dir.join("case.toml"), format!("{head}{rest}")).expect("written");
    fs::write(dir.join(file), message).expect("written");
}
