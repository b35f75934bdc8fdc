//! The laws, held against a toy adapter that breaks them one by one: a law that nothing can break proves nothing.

#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

use jiff::Timestamp;
use league_contract::{
    Adapter, AdapterConfig, Answer, Call, CallContext, Callback, CallbackError, CallbackVerdict,
    Capabilities, Completion, ConfigError, DecodeError, EncodeError, EventKind, EventSource, Method, Nonce,
    Notary, NotaryError, OpenFields, Operation, OrganizationPage, PartnerStatus, Receipt, Record,
    Registration, Reply, RequestId, StatusEvent, System, WireRequest, WireResponse,
};
use league_replay::conformance::{Profile, check};
use league_replay::{bless, load, replay};
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const SOUND: u8 = 0;
const IGNORES_NONCE: u8 = 1;
const UNSTEADY: u8 = 2;
const BELIEVES_ALL: u8 = 3;
const PANICS_WHEN_CUT: u8 = 4;
const QUOTES_PERSONS: u8 = 5;
const FORGETS_TIME: u8 = 6;
const ENCODES_WHAT_IT_DENIES: u8 = 7;
const REFUSES_WHAT_IT_OFFERS: u8 = 8;
const ANSWERS_OTHERWISE: u8 = 9;
const VERIFIES_ALL: u8 = 10;
const SIGNS_OTHERS: u8 = 11;
const READS_ANOTHER_NONCE: u8 = 12;

struct Toy<const FLAW: u8>(AtomicU32);

/// The toy's signature: the sum of all bytes. It finds every single changed bit, and is cut off first.
fn sealed(text: &str) -> Vec<u8> {
    format!("{text}|{}", text.bytes().map(u32::from).sum::<u32>()).into_bytes()
}

fn opened<const FLAW: u8>(body: &[u8]) -> Option<String> {
    let (text, sum) = std::str::from_utf8(body).ok()?.rsplit_once('|')?;
    let holds = text.bytes().map(u32::from).sum::<u32>().to_string() == sum;
    (holds || FLAW == BELIEVES_ALL).then(|| text.to_owned())
}

impl<const FLAW: u8> Adapter for Toy<FLAW> {
    fn system(&self) -> System {
        System::named("toy")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            organization_check: false,
            search_page_limit: 10,
            search_keyword_least: 1,
            query: true,
            withdraw: false,
            events: EventSource::Push,
            completion: Completion::Approval,
        }
    }

    fn encode(&self, call: &Call, at: &CallContext) -> Result<WireRequest, EncodeError> {
        let operation = call.operation();
        let denied = matches!(operation, Operation::CheckOrganization | Operation::ListChanges)
            || (operation == Operation::Withdraw && FLAW != ENCODES_WHAT_IT_DENIES)
            || (operation == Operation::Query && FLAW == REFUSES_WHAT_IT_OFFERS);
        if denied {
            return Err(EncodeError::Unsupported { operation });
        }
        let nonce = if FLAW == IGNORES_NONCE { String::new() } else { at.nonce.to_hex() };
        let count = if FLAW == UNSTEADY { self.0.fetch_add(1, Ordering::Relaxed) } else { 0 };
        Ok(WireRequest {
            method: Method::Post,
            target: "/".to_owned(),
            headers: vec![("Nonce".to_owned(), nonce), ("Time".to_owned(), at.now.to_string())],
            body: sealed(&format!("{operation} {count}")),
        })
    }

    fn decode(&self, call: &Call, at: &CallContext, response: &WireResponse) -> Result<Reply, DecodeError> {
        assert!(FLAW != PANICS_WHEN_CUT || response.body.len() > 3);
        let text = opened::<FLAW>(&response.body).ok_or_else(|| {
            let quoted = if let Call::Submit(transfer) = call
                && FLAW == QUOTES_PERSONS
            {
                transfer.member.name.expose()
            } else {
                "the sum"
            };
            DecodeError::NotGenuine(quoted.to_owned())
        })?;
        Ok(Reply::Answered(match call {
            Call::Submit(_) => Answer::Receipt(Receipt {
                receipt_no: text,
                status: PartnerStatus::Pending,
                duplicate: false,
            }),
            Call::Query { request_id } => Answer::Record(Record {
                request_id: request_id.clone(),
                receipt_no: text,
                status: PartnerStatus::Pending,
                reason: None,
                check_in_by: None,
                account_created_at: None,
                updated_at: at.now,
            }),
            Call::CheckOrganization { .. }
            | Call::SearchOrganizations { .. }
            | Call::Withdraw { .. }
            | Call::ListChanges { .. } => {
                Answer::Organizations(OrganizationPage { total: 0, items: Vec::new() })
            }
        }))
    }

    fn open_callback(&self, request: &WireRequest, now: Timestamp) -> Result<Callback, CallbackError> {
        let text =
            opened::<FLAW>(&request.body).ok_or(CallbackError::Unauthenticated("the sum does not hold"))?;
        let (second, id) = text.split_once(' ').ok_or(CallbackError::Malformed("no space".to_owned()))?;
        let sent_at = second.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        let sent_at = sent_at.ok_or(CallbackError::Malformed("no time".to_owned()))?;
        let away = now.duration_since(sent_at).as_secs();
        if away.abs() > 300 && FLAW != FORGETS_TIME {
            return Err(CallbackError::Stale(away));
        }
        let event = StatusEvent {
            event_id: "1".to_owned(),
            request_id: RequestId::parse(id).ok_or(CallbackError::Malformed("no id".to_owned()))?,
            receipt_no: "R".to_owned(),
            kind: EventKind::Status(PartnerStatus::Approved),
            occurred_at: "2024-07-01T01:30:00Z".parse().expect("a time"),
            reason: None,
            check_in_by: None,
            organization_id: None,
        };
        Ok(Callback { replay_key: second.to_owned(), event })
    }

    fn answer_callback(&self, _: &WireRequest, verdict: CallbackVerdict, _: &CallContext) -> WireResponse {
        let stored = verdict == CallbackVerdict::Stored && FLAW != ANSWERS_OTHERWISE;
        WireResponse { status: if stored { 200 } else { 503 }, headers: Vec::new(), body: Vec::new() }
    }
}

impl<const FLAW: u8> Notary for Toy<FLAW> {
    fn verify(&self, request: &WireRequest, now: Timestamp) -> Result<(), NotaryError> {
        let time: Option<Timestamp> = request.header("Time").and_then(|time| time.parse().ok());
        let fresh = time.is_some_and(|time| time == now);
        let holds = (fresh && opened::<SOUND>(&request.body).is_some()) || FLAW == VERIFIES_ALL;
        if holds { Ok(()) } else { Err("the sum or the time does not hold".into()) }
    }

    fn moment(&self, request: &WireRequest) -> Result<CallContext, NotaryError> {
        let now = request.header("Time").and_then(|time| time.parse().ok()).ok_or("no time")?;
        let nonce = request.header("Nonce").and_then(|nonce| u128::from_str_radix(nonce, 16).ok());
        let nonce = nonce.ok_or("no nonce")?.to_be_bytes();
        Ok(CallContext { now, nonce: Nonce(if FLAW == READS_ANOTHER_NONCE { [0; 16] } else { nonce }) })
    }

    fn sign_answer(
        &self,
        _: &WireRequest,
        _: Timestamp,
        answer: WireResponse,
    ) -> Result<WireResponse, NotaryError> {
        let text = String::from_utf8_lossy(&answer.body).rsplit_once('|').map(|(text, _)| text.to_owned());
        let text = text.ok_or("no sum")?;
        let body = if FLAW == SIGNS_OTHERS { sealed(&format!("{text}!")) } else { sealed(&text) };
        Ok(WireResponse { body, ..answer })
    }

    fn sign_push(&self, message: WireRequest, at: &CallContext) -> Result<WireRequest, NotaryError> {
        let text = opened::<BELIEVES_ALL>(&message.body).ok_or("no sum")?;
        let (_, id) = text.split_once(' ').ok_or("no space")?;
        Ok(WireRequest { body: sealed(&format!("{} {id}", at.now.as_second())), ..message })
    }
}

fn build<const FLAW: u8>(_: AdapterConfig) -> Result<Arc<dyn Adapter>, ConfigError> {
    Ok(Arc::new(Toy::<FLAW>(AtomicU32::new(0))))
}

const fn registration<const FLAW: u8>(codes: &'static [&'static str]) -> Registration {
    Registration {
        system: "toy",
        name_zh: "玩具",
        name_en: "Toy",
        identity_key: "id",
        secrets_key: "secrets",
        secret_files_key: "secret_files",
        codes,
        open_fields: OpenFields { plain: &[], words: &[] },
        build: build::<FLAW>,
        notary: |_| Ok(Arc::new(Toy::<FLAW>(AtomicU32::new(0)))),
    }
}

const TRANSFER: &str = r#"
[call]
operation = "submit"
[call.transfer]
request_id = "BJ-1"
initiator = "member"
reason = "other"
applied_at = "2024-07-01T01:30:00Z"
member = { name = "张三", id_number = "11010519491231002X", phone = "13800138000", joined_on = "2016-05" }
source = { organization_id = "1", full_name = "某某团支部" }
destination = { province_code = "320000", full_name = "某某团委" }
details = { text = "随军家属安置，组织关系一并转出" }
"#;
const RECEIPT: &str =
    "[expect.reply.answered]\nreceipt = { receipt_no = \"R\", status = \"pending\", duplicate = false }\n";
const QUERY: &str = "[call]\noperation = \"query\"\nrequest_id = \"BJ-1\"\n";
const RECORD: &str = "[expect.reply.answered]\nrecord = { request_id = \"BJ-1\", receipt_no = \"R\", status = \"pending\", updated_at = \"2024-07-01T01:30:00Z\" }\n";
const SEARCH: &str = "[call]\noperation = \"search_organizations\"\nprovince_code = \"320000\"\nkeyword = \"南京\"\npage = 1\nsize = 10\n";
const PAGE: &str = "[expect.reply.answered]\norganizations = { total = 0, items = [] }\n";
const EVENT: &str = "[expect]\nverdict = \"stored\"\nreplay_key = \"1719797400\"\n[expect.event]\nevent_id = \"1\"\nrequest_id = \"BJ-1\"\nreceipt_no = \"R\"\noccurred_at = \"2024-07-01T01:30:00Z\"\nkind = { status = \"approved\" }\n";

fn write(root: &Path, name: &str, rest: &str, file: &str, message: &[u8]) {
    let head = "title = \"t\"\ntitle_zh = \"题\"\ncodes = [\"OK\"]\nnow = \"2024-07-01T01:30:00Z\"\nnonce = \"00112233445566778899aabbccddeeff\"\n";
    let dir = root.join(name);
    fs::create_dir_all(&dir).expect("created");
    fs::write(dir.join("case.toml"), format!("{head}{rest}")).expect("written");
    fs::write(dir.join(file), message).expect("written");
}

/// Sixteen cases, blessed with the sound toy.
fn fixtures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let config = "[toy]\nbase_url = \"http://h\"\nidentity = \"i\"\nsecrets = [\"s\"]\n";
    fs::write(root.join("config.toml"), config).expect("written");
    let response = [b"HTTP/1.1 200\n\n".as_slice(), &sealed("R")].concat();
    for at in 0..5 {
        write(root, &format!("toy/submit-{at}"), &format!("{TRANSFER}{RECEIPT}"), "response.http", &response);
        write(root, &format!("toy/query-{at}"), &format!("{QUERY}{RECORD}"), "response.http", &response);
        write(root, &format!("toy/search-{at}"), &format!("{SEARCH}{PAGE}"), "response.http", &response);
    }
    let request = [b"POST / HTTP/1.1\n\n".as_slice(), &sealed("1719797400 BJ-1")].concat();
    write(root, "callbacks/toy/approved", EVENT, "request.http", &request);
    let toy = Toy::<SOUND>(AtomicU32::new(0));
    for case in load(root).expect("readable").cases {
        let found = replay(&case, &toy);
        assert_eq!(found.len(), 1, "only its blessing is missing: {found:?}");
        assert_eq!(bless(&case, &toy).expect("blessed").len(), 1);
    }
    folder
}

/// What the check says of an adapter.
fn verdict(registration: Registration, root: &Path) -> String {
    let root = root.to_owned();
    let run = move || {
        check(&Profile { registration: &registration, fixtures_root: &root, signed_answers: true });
    };
    let panic = catch_unwind(run).err();
    panic.map(|text| text.downcast_ref::<String>().cloned().unwrap_or_default()).unwrap_or_default()
}

#[test]
fn a_sound_adapter_passes() {
    assert_eq!(verdict(registration::<SOUND>(&["OK"]), fixtures().path()), "");
}

#[test]
fn every_flaw_is_found_and_named() {
    let folder = fixtures();
    let root = folder.path();
    for (registration, says) in [
        (registration::<IGNORES_NONCE>(&["OK"]), "toy/query-0: another nonce gives the same request"),
        (registration::<UNSTEADY>(&["OK"]), "toy/query-0: encoding twice gives different requests"),
        (registration::<BELIEVES_ALL>(&["OK"]), "it still reads, but as another reply"),
        (registration::<BELIEVES_ALL>(&["OK"]), "it still opens, but as another message"),
        (registration::<PANICS_WHEN_CUT>(&["OK"]), "response body, cut to 0 bytes: it panics"),
        (registration::<QUOTES_PERSONS>(&["OK"]), "`张三` is in an error or Debug text"),
        (
            registration::<FORGETS_TIME>(&["OK"]),
            "callbacks/toy/approved: -601 s from its time it must be stale",
        ),
        (registration::<ENCODES_WHAT_IT_DENIES>(&["OK"]), "withdraw is not offered, but not refused"),
        (registration::<REFUSES_WHAT_IT_OFFERS>(&["OK"]), "query is offered, but refused"),
        (registration::<VERIFIES_ALL>(&["OK"]), "the notary verifies a request of which a byte was changed"),
        (registration::<READS_ANOTHER_NONCE>(&["OK"]), "the notary reads another moment out of the request"),
        (registration::<SIGNS_OTHERS>(&["OK"]), "signed anew, the answer is another reply"),
        (registration::<ANSWERS_OTHERWISE>(&["OK"]), "response.status\n  expected: 200\n  actual:   503"),
        (registration::<SOUND>(&["OK", "KO"]), "no case shows the code KO"),
        (registration::<SOUND>(&[]), "the profile has no code OK"),
    ] {
        let text = verdict(registration, root);
        assert!(text.contains(says), "{says:?} is not in {text:?}");
    }
}

#[test]
fn missing_cases_are_found() {
    let folder = fixtures();
    for at in 0..5 {
        fs::remove_dir_all(folder.path().join(format!("toy/search-{at}"))).expect("removed");
    }
    let text = verdict(registration::<SOUND>(&["OK"]), folder.path());
    assert!(text.contains("there are 11 cases, at least 15 are needed"), "{text}");
    assert!(text.contains("no case shows search_organizations answered"), "{text}");
}
