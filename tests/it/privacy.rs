//! Nothing personal, and no secret, is in a log line, an answer, a readable column, a `Debug`, or the bytes of the file.

use crate::support::{
    GUANGDONG_SECRET, Person, SIDES, SMART_LEAGUE_SECRET, Setup, TestApp, document, guangdong,
    guangdong_body, in_time, person, smart_league,
};
use league_contract::Call;
use league_sandbox::{Fault, FaultKind, Operation, Rule, Step};
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};
use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use tracing_subscriber::EnvFilter;

thread_local! {
    /// The log lines of this thread, once it listens. A test's runtime has its thread alone.
    static HEARD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        HEARD.with_borrow_mut(|heard| heard.iter_mut().for_each(|heard| heard.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Begins to hear what this thread logs. The subscriber is the process's: one of a thread alone would miss the places
/// that another thread was the first to pass.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let crates = ["gateway", "contract", "smart_league", "guangdong", "fujian", "xml"];
        let filter = crates.map(|name| format!("league_{name}=trace")).join(",");
        let subscriber = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_ansi(false);
        subscriber.with_writer(|| Lines).init();
    });
    HEARD.set(Some(Vec::new()));
}

fn heard() -> String {
    HEARD.with_borrow(|heard| String::from_utf8_lossy(heard.as_deref().unwrap_or_default()).into_owned())
}

/// What must never be seen: of people, of those whom they name, of secrets.
struct Clear(Vec<String>);

impl Clear {
    fn new(people: usize) -> Self {
        let mut all: Vec<String> = (0..people)
            .map(person)
            .flat_map(|Person { name, id_number, phone }| {
                // The initial password, and the birth date with what follows it.
                let (last, born) = (id_number[10..].to_owned(), id_number[6..17].to_owned());
                [name, id_number, phone, last, born]
            })
            .collect();
        all.extend(
            ["独孤求败", "13612345678", "仙林大道163号", "201811000001", "19491231002X"].map(str::to_owned),
        );
        all.extend(
            [
                "sandbox-smart-league-secret",
                "sandbox-guangdong-secret",
                "sandbox-fujian-password",
                "index-key-index",
                "test-key-test",
            ]
            .map(str::to_owned),
        );
        all.extend(["aW5kZXgta2V5", "dGVzdC1rZXkt"].map(str::to_owned));
        Self(all)
    }

    fn assert_none_in(&self, place: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for clear in &self.0 {
            if let Some(at) = text.find(clear.as_str()) {
                let from = text[..at].char_indices().rev().nth(60).map_or(0, |(index, _)| index);
                let around: String = text[from..].chars().take(160).collect();
                panic!("{place} shows {clear}: …{around}…");
            }
        }
    }
}

/// A document whose details name a third person.
fn with_contact(request_id: &str, n: usize, side: usize) -> Value {
    let mut document = SIDES[side].document(request_id, n);
    document["reason"] = json!("abroad");
    document["details"] = json!({"country": "法国", "purpose": "study", "until": "2027-09",
        "contact_name": "独孤求败", "contact_phone": "13612345678"});
    document
}

/// Lives through much of what can happen; gives every body that the API answered with.
async fn live(test: &TestApp) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let mut documents: Vec<Value> = Vec::new();
    for (n, side) in SIDES.iter().enumerate() {
        let Person { name, id_number, phone } = person(n * 5);
        // Partners quote what they refuse.
        let words = format!("{name}（{id_number}，{phone}）与独孤求败13612345678不符");
        documents.push(side.document(&format!("DONE-{n}"), n * 5 + 1));
        documents.push(with_contact(&format!("QUOTED-{n}"), n * 5, n));
        documents.push(with_contact(&format!("REFUSED-{n}"), n * 5 + 2, n));
        documents.push(side.document(&format!("LOST-{n}"), n * 5 + 3));
        documents.push(document(
            &format!("NOWHERE-{n}"),
            n * 5 + 4,
            side.province,
            "共青团并不存在大学委员会",
        ));
        for document in documents.drain(..) {
            bodies.push(test.client.post("/v1/transfers", &document).await.body);
            // Refusals, conflicts and quotes of the person's own data.
            let mut bad = document.clone();
            bad["member"]["phone"] = json!(format!("{phone}5"));
            bad["member"]["id_number"] = json!(format!("{}1", &id_number[..17]));
            bad["member"]["league_number"] = json!("201611000001");
            bodies.push(test.client.post("/v1/transfers", &bad).await.body);
            let mut other = document.clone();
            other["request_id"] = json!("AGAIN");
            bodies.push(test.client.post("/v1/transfers", &other).await.body);
        }
        test.run_until_idle().await;
        for _ in 0..3 {
            test.later(1).await;
        }
        test.sandbox.advance(&format!("QUOTED-{n}"), &Step::Reject(words)).await;
        test.run_until_idle().await;
    }
    // A wish to withdraw that names the person, held open while the partner does not answer.
    let Person { name, phone, .. } = person(1);
    let why = json!({"reason": format!("{name} {phone} 改变计划")});
    bodies.push(test.client.post("/v1/transfers/DONE-0/withdraw", &why).await.body);
    push(test, &mut bodies).await;
    insert(test).await;
    let list = test.client.get("/v1/events?limit=1000").await;
    let ids: Vec<String> = list.json()["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|one| one["request_id"].as_str().map(str::to_owned))
        .collect();
    bodies.push(list.body);
    for path in
        ["transfers?limit=1000", "transfers:export", "transfers:export?format=csv", "stats", "failures"]
    {
        bodies.push(test.client.get(&format!("/v1/operator/{path}")).await.body);
    }
    let theirs = json!({"id_number": person(1).id_number});
    bodies.push(test.client.post("/v1/operator/transfers:search", &theirs).await.body);
    for id in ids {
        bodies.push(test.client.get(&format!("/v1/transfers/{id}")).await.body);
    }
    bodies
}

/// Pushes: genuine, forged, unreadable, unmatched.
async fn push(test: &TestApp, bodies: &mut Vec<Vec<u8>>) {
    let now = test.app.clock.now();
    for (n, secret) in [SMART_LEAGUE_SECRET, "forged"].into_iter().enumerate() {
        let Person { name, id_number, .. } = person(1);
        for (at, data) in [json!({"username": id_number}), json!({"reason": name})].into_iter().enumerate() {
            let kind = if at == 0 { "ACCOUNT_CREATED" } else { "TRANSFER_REJECTED" };
            let body = json!({"eventId": format!("P-{at}"), "eventType": kind, "requestId": "UNKNOWN", "transferNo": "T",
                "occurredAt": now.as_millisecond(), "data": data})
            .to_string();
            let headers = smart_league(secret, now, &format!("{:032x}", n * 10 + at), body.as_bytes());
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            bodies.push(
                test.client.send("POST", "/callbacks/smart-league", &headers, body.into_bytes()).await.body,
            );
        }
        let secret = if n == 0 { GUANGDONG_SECRET } else { secret };
        for (at, kind) in ["REJECTED", "NONSENSE"].into_iter().enumerate() {
            let body =
                guangdong_body(&format!("G-{n}-{at}"), "UNKNOWN", kind, &format!("{name} {id_number}"));
            let message = guangdong(secret, now, &format!("S-{n}-{at}"), "", body.as_bytes());
            bodies.push(test.client.post_text("/callbacks/guangdong", message).await.body);
        }
    }
}

/// Upstream's door: a good row, and refused ones.
async fn insert(test: &TestApp) {
    let mut upstream = test.connection().await;
    let good = SIDES[0].document("ROW", 16).to_string();
    let mut bad = SIDES[0].document("ROW-BAD", 17);
    bad["member"]["id_number"] = json!(format!("{}1", &person(17).id_number[..17]));
    bad[person(17).id_number] = json!(person(17).name);
    for (id, payload) in
        [("ROW", good), ("ROW-BAD", bad.to_string()), ("ROW-WORSE", bad.to_string()[1..].to_owned())]
    {
        let query =
            sqlx::query("INSERT INTO intake (request_id, payload) VALUES ($1, $2)").bind(id).bind(payload);
        query.execute(&mut upstream).await.expect("upstream may insert");
    }
    upstream.close().await.expect("it closes");
    // As many as there are: the next look finds nothing, and empties the log.
    assert_eq!(test.app.intake.drain_table(3).await.expect("the table is read"), 3);
    let log = test.file().with_file_name("gateway.db-wal");
    let emptied = async {
        while std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            assert_eq!(test.app.intake.drain_table(3).await.expect("the table is read"), 0);
        }
    };
    in_time("the log to be emptied", emptied).await;
}

/// Every text of every table but what waits in the intake.
async fn readable_columns(test: &TestApp) -> Vec<(String, String)> {
    let mut connection = test.connection().await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'")
            .fetch_all(&mut connection)
            .await
            .expect("tables");
    let mut texts = Vec::new();
    for table in tables {
        let query = sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"));
        for row in sqlx::query(query).fetch_all(&mut connection).await.expect("rows") {
            for column in 0..row.len() {
                if let Ok(Some(text)) = row.try_get_unchecked::<Option<String>, _>(column) {
                    texts.push((format!("{table}, column {column}"), text));
                }
            }
        }
    }
    connection.close().await.expect("it closes");
    texts
}

fn setup() -> Setup {
    let mut faults = Vec::new();
    for (n, side) in SIDES.iter().enumerate() {
        let of = |id: &str, kind| Fault { request_id: Some(format!("{id}-{n}")), ..side.fault(kind, 1) };
        faults.push(of("REFUSED", FaultKind::DataRefused));
        faults.push(of("LOST", FaultKind::Garbage));
        faults.push(Fault { operation: Some(Operation::Query), ..of("LOST", FaultKind::DropBefore) });
        faults.push(Fault {
            operation: Some(Operation::Withdraw),
            times: None,
            ..of("DONE", FaultKind::Status500)
        });
    }
    Setup::by_hand().rules(vec![Rule { steps: vec![Step::None], ..Rule::default() }]).faults(faults)
}

#[tokio::test]
async fn nothing_personal_is_seen_anywhere() {
    listen();
    let clear = Clear::new(18);
    let mut test = setup().start().await;
    let bodies = live(&test).await;

    assert!(bodies.len() > 100, "{}", bodies.len());
    for body in &bodies {
        clear.assert_none_in("an answer of the API", body);
    }
    let logged = heard();
    assert!(
        logged.contains("transfer received") && logged.contains("status event"),
        "the log was heard: {logged}"
    );
    clear.assert_none_in("the log", logged.as_bytes());

    let texts = readable_columns(&test).await;
    assert!(texts.iter().any(|(_, text)| text.contains("接收团组织未通过")), "the columns were read");
    for (place, text) in &texts {
        clear.assert_none_in(place, text.as_bytes());
    }

    // While the daemon runs, its log beside the file holds nothing either.
    let beside = |ending: &str| test.file().with_file_name(format!("gateway.db{ending}"));
    let seen = |ending: &str| std::fs::read(beside(ending)).unwrap_or_default();
    assert!(seen("-wal").len() + seen("").len() > 50_000);
    let (wal, file) = (seen("-wal"), seen(""));
    clear.assert_none_in("the file", &file);
    clear.assert_none_in("the file's log", &wal);
    test.stop().await;
    for ending in ["", "-wal", "-shm", "-journal"] {
        clear.assert_none_in(
            &format!("the closed file{ending}"),
            &std::fs::read(beside_of(&test, ending)).unwrap_or_default(),
        );
    }
    test.finish().await;
}

fn beside_of(test: &TestApp, ending: &str) -> std::path::PathBuf {
    test.file().with_file_name(format!("gateway.db{ending}"))
}

#[tokio::test]
async fn nothing_personal_is_in_debug_or_errors() {
    let clear = Clear::new(18);
    let test = setup().start().await;
    let document = with_contact("DEBUG", 3, 0);
    test.submit(&document).await;
    let stored = test.stored("DEBUG").await;
    let transfer =
        test.app.sealer.open_transfer(&stored.entry.request_id, &stored.document_sealed).expect("it opens");
    let call = Call::Submit(Box::new(transfer.clone()));
    let partner = test.partner("smart_league");
    let prepared = partner.prepare(call.clone(), &test.app.clock).expect("it can be said");
    let shown = format!(
        "{stored:?} {transfer:?} {call:?} {prepared:?} {:?} {:#?}",
        test.app.settings(),
        test.app.settings()
    );
    clear.assert_none_in("Debug", shown.as_bytes());
    let exchange = partner.send(prepared, &test.app.clock).await;
    clear.assert_none_in("Debug of an exchange", format!("{exchange:?}").as_bytes());
    let mut bad = document.clone();
    bad["member"]["name"] = json!(format!("{}\u{0}", person(3).name));
    let refused = test.app.intake.read(&bad).expect_err("it is refused");
    clear.assert_none_in("a refusal", format!("{refused:?}").as_bytes());
    test.run_until_idle().await;
    test.finish_with_resubmits().await;
}
