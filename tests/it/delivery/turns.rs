//! Turns: what many at once, a failure in the middle and a panic make of them, on both databases.

use crate::support::{SIDES, Setup, TestApp, in_time};
use jiff::Timestamp;
use league_contract::{
    Adapter, Call, CallContext, Callback, CallbackError, CallbackVerdict, Capabilities, DecodeError,
    EncodeError, PartnerStatus, Reply, System, WireRequest, WireResponse,
};
use league_gateway::outbound::{Desk, Driver};
use league_gateway::partner::{Link, Partner};
use league_gateway::transfer::{Cause, Event, Facts, advance};
use league_sandbox::{Fault, FaultKind, Rule, Step};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Fujian: nobody asks it for an organization before a submit, so what is claimed is sent. Forty are more than a handful.
const MANY: usize = 40;

/// A gateway on SQLite, or on PostgreSQL, with room for that many exchanges. No partner decides anything.
fn roomy(postgres: bool) -> Setup {
    let waiting = vec![Rule { steps: vec![Step::None], ..Rule::default() }];
    let setup = Setup::by_hand().rules(waiting).config(&format!("[systems.fujian]\nconcurrency = {MANY}\n"));
    if postgres { setup.on_postgres() } else { setup }
}

fn name(n: usize) -> String {
    format!("T-{n:02}")
}

async fn submit_many(test: &TestApp, count: usize) {
    for n in 0..count {
        test.submit(&SIDES[2].document(&name(n), n)).await;
    }
}

fn driver(test: &TestApp) -> Driver {
    test.app.driver(test.partner("fujian"))
}

/// Has the database refuse a kind of write of the gateway's, until it is told otherwise.
struct Refusal<'a> {
    test: &'a TestApp,
    postgres: bool,
    table: &'static str,
}

impl<'a> Refusal<'a> {
    async fn of(test: &'a TestApp, postgres: bool, table: &'static str, write: &str) -> Self {
        let sql = if postgres {
            format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'not now'; END $$; \
                 CREATE TRIGGER refusal BEFORE {write} EXECUTE FUNCTION refuse()"
            )
        } else {
            let write = write.replace("FOR EACH ROW", "");
            format!("CREATE TRIGGER refusal BEFORE {write} BEGIN SELECT RAISE(ABORT, 'not now'); END")
        };
        test.database.execute(&sql).await;
        Self { test, postgres, table }
    }

    async fn end(self) {
        let of = if self.postgres { format!(" ON {}", self.table) } else { String::new() };
        self.test.database.execute(&format!("DROP TRIGGER refusal{of}")).await;
    }
}

/// Works until a turn fails.
async fn until_it_fails(driver: &Driver, desk: &mut Desk) {
    let working = async {
        while driver.work(desk, true).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    in_time("a turn to fail", working).await;
}

/// Works, and no turn fails, until something is so.
async fn work_until(driver: &Driver, desk: &mut Desk, what: &str, is_so: impl AsyncFn() -> bool) {
    let working = async {
        while !is_so().await {
            driver.work(desk, true).await.expect("the turn is made");
            tokio::task::yield_now().await;
        }
    };
    in_time(what, working).await;
}

/// The exchange on record is this transfer's and no other's: what went out, and what came back.
async fn sent_once(test: &TestApp, request_id: &str) {
    let attempts = test.attempts(request_id).await;
    assert_eq!(attempts.len(), 1, "{request_id}: {attempts:?}");
    let one = &attempts[0];
    assert_eq!(
        (one.operation.as_str(), one.outcome.as_deref()),
        ("submit", Some("answered")),
        "{request_id}"
    );
    let open = |context: &'static str, sealed: &Option<Vec<u8>>| {
        let sealed = sealed.as_deref().expect("it is kept");
        let clear = test.app.sealer.open(context, request_id, sealed);
        String::from_utf8_lossy(&clear.expect("it is this transfer's")).into_owned()
    };
    let (request, response) = (open("request", &one.request_sealed), open("response", &one.response_sealed));
    assert!(request.contains(&format!(">{request_id}<")), "{request_id}: {request}");
    let line = test.at_partner(request_id).expect("it arrived");
    assert_eq!((line.submits, line.effective), (1, 1), "{request_id}");
    let receipt = test.stored(request_id).await.entry.receipt_no.expect("a receipt");
    assert!(response.contains(&receipt), "{request_id}: {response}");
    assert_eq!(test.states(request_id).await, ["queued", "sending", "awaiting_check_in"], "{request_id}");
}

async fn all_of_a_turn_go_out(postgres: bool) {
    let test = roomy(postgres).start().await;
    submit_many(&test, MANY).await;
    // Among the first handful; its key is not in the configuration.
    let damaged = name(3);
    let of_damaged = format!("WHERE transfer_id = (SELECT id FROM transfers WHERE request_id = '{damaged}')");
    let unknown_key = if postgres { "'\\x016b00'" } else { "x'016b00'" };
    let database = &test.database;
    database.execute(&format!("CREATE TABLE sound AS SELECT * FROM documents {of_damaged}")).await;
    database.execute(&format!("UPDATE documents SET document_sealed = {unknown_key} {of_damaged}")).await;

    assert_eq!(driver(&test).run_once().await.expect("the turn is made"), MANY, "in one turn");
    for n in (0..MANY).filter(|n| name(*n) != damaged) {
        sent_once(&test, &name(n)).await;
    }
    let shown = test.get(&damaged).await;
    assert_eq!((&shown["state"], &shown["attempts"]), (&"queued".into(), &0.into()), "{shown}");
    assert_eq!(shown["last_error"]["code"], "sealed", "{shown}");
    assert!(shown["next_attempt_at"].is_string(), "{shown}");
    assert!(test.at_partner(&damaged).is_none() && test.attempts(&damaged).await.is_empty());

    let mended = format!("(SELECT document_sealed FROM sound) {of_damaged}");
    database.execute(&format!("UPDATE documents SET document_sealed = {mended}")).await;
    test.later(1).await;
    assert_eq!(test.get(&damaged).await["state"], "awaiting_check_in");
    test.finish().await;
}

#[tokio::test]
async fn all_of_a_turn_go_out_but_the_one_that_cannot_be_opened() {
    all_of_a_turn_go_out(false).await;
}

#[tokio::test]
async fn all_of_a_turn_go_out_but_the_one_that_cannot_be_opened_on_postgres() {
    all_of_a_turn_go_out(true).await;
}

/// The claim comes before what ended is written: a failure of the latter takes both back.
async fn a_failed_settlement_claims_nothing(postgres: bool) {
    let test = roomy(postgres).start().await;
    let no_end = Refusal::of(&test, postgres, "attempts", "UPDATE ON attempts FOR EACH ROW").await;
    test.submit(&SIDES[2].document("FIRST", MANY)).await;
    let (driver, mut desk) = (driver(&test), Desk::default());
    until_it_fails(&driver, &mut desk).await;
    submit_many(&test, 20).await;
    for _ in 0..2 {
        driver.work(&mut desk, true).await.expect_err("the end of the first can't be written");
        assert_eq!(test.count("transfers WHERE lease_token IS NOT NULL").await, 1, "the first's alone");
        assert_eq!(test.count("attempts").await, 1);
        assert_eq!(test.count("transfers WHERE state = 'queued' AND attempts = 0").await, 20);
    }
    no_end.end().await;
    work_until(&driver, &mut desk, "all to be taken in", async || {
        test.count("transfers WHERE state = 'awaiting_check_in' AND lease_token IS NULL").await == 21
    })
    .await;
    for id in (0..20).map(name).chain(["FIRST".to_owned()]) {
        sent_once(&test, &id).await;
    }
    test.finish().await;
}

#[tokio::test]
async fn a_turn_that_cannot_settle_claims_nothing_and_loses_nothing() {
    a_failed_settlement_claims_nothing(false).await;
}

#[tokio::test]
async fn a_turn_that_cannot_settle_claims_nothing_and_loses_nothing_on_postgres() {
    a_failed_settlement_claims_nothing(true).await;
}

/// Fujian's adapter with a defect that one transfer meets.
struct Clumsy {
    adapter: Arc<dyn Adapter>,
    falls_over: String,
    mended: AtomicBool,
}

impl Adapter for Clumsy {
    fn system(&self) -> System {
        self.adapter.system()
    }

    fn capabilities(&self) -> Capabilities {
        self.adapter.capabilities()
    }

    fn encode(&self, call: &Call, at: &CallContext) -> Result<WireRequest, EncodeError> {
        let request = self.adapter.encode(call, at)?;
        let meets = String::from_utf8_lossy(&request.body).contains(&self.falls_over);
        assert!(!meets || self.mended.load(Ordering::Relaxed), "a defect");
        Ok(request)
    }

    fn decode(&self, call: &Call, at: &CallContext, response: &WireResponse) -> Result<Reply, DecodeError> {
        self.adapter.decode(call, at, response)
    }

    fn open_callback(&self, request: &WireRequest, now: Timestamp) -> Result<Callback, CallbackError> {
        self.adapter.open_callback(request, now)
    }

    fn answer_callback(
        &self,
        request: &WireRequest,
        verdict: CallbackVerdict,
        at: &CallContext,
    ) -> WireResponse {
        self.adapter.answer_callback(request, verdict, at)
    }
}

/// Puts the defect in.
fn break_adapter(partner: &Partner, falls_over: &str) -> Arc<Clumsy> {
    let link = partner.link();
    let clumsy = Arc::new(Clumsy {
        adapter: link.adapter.clone(),
        falls_over: format!(">{falls_over}<"),
        mended: AtomicBool::new(false),
    });
    partner.relink(Link {
        adapter: clumsy.clone(),
        transport: link.transport.clone(),
        credentials: link.credentials.clone(),
        certificates: link.certificates.clone(),
    });
    clumsy
}

async fn a_panic_ends_its_turn(postgres: bool) {
    let test = roomy(postgres).start().await;
    submit_many(&test, 20).await;
    let clumsy = break_adapter(test.partner("fujian"), &name(3));
    for _ in 0..2 {
        driver(&test).run_once().await.expect_err("it is told, and goes on");
        assert_eq!(test.count("transfers WHERE state = 'queued' AND lease_token IS NULL").await, 20);
        assert_eq!(test.count("attempts").await, 0);
    }
    clumsy.mended.store(true, Ordering::Relaxed);
    let (driver, mut desk) = (driver(&test), Desk::default());
    work_until(&driver, &mut desk, "all to be taken in", async || {
        test.count("transfers WHERE state = 'awaiting_check_in' AND lease_token IS NULL").await == 20
    })
    .await;
    for n in 0..20 {
        sent_once(&test, &name(n)).await;
    }
    test.finish().await;
}

#[tokio::test]
async fn a_panic_in_a_handful_ends_its_turn_and_no_other() {
    a_panic_ends_its_turn(false).await;
}

#[tokio::test]
async fn a_panic_in_a_handful_ends_its_turn_and_no_other_on_postgres() {
    a_panic_ends_its_turn(true).await;
}

/// The clock stands, and the next look by the clock is an hour away: the settlement itself must wake the queue.
#[tokio::test]
async fn what_a_settlement_makes_due_begins_without_a_look_by_the_clock() {
    let waiting = vec![Rule { steps: vec![Step::None], ..Rule::default() }];
    let test = Setup::by_hand().rules(waiting).config("[delivery]\npoll_interval = \"1h\"\n").start().await;
    test.cut_callbacks();
    for (n, side) in SIDES.iter().enumerate() {
        let id = side.system;
        test.submit(&side.document(id, n)).await;
        // It has reached the partner by another way, and was decided there: the answer is a duplicate's, which is asked about.
        let stored = test.stored(id).await;
        let transfer = test.app.sealer.open_transfer(&stored.entry.request_id, &stored.document_sealed);
        let call = Call::Submit(Box::new(transfer.expect("the document opens")));
        test.partner(id).ask(call, &test.app.clock).await.expect("it can be said");
        assert!(test.sandbox.advance(id, &side.completes).await);

        let stop = CancellationToken::new();
        let driving = tokio::spawn(test.app.driver(test.partner(id)).run(stop.clone()));
        test.wait_for_state(id, "completed").await;
        stop.cancel();
        in_time("the driver to end", driving).await.expect("it ends by itself");
        let exchanges = test.exchanges(id).await;
        assert!(exchanges.ends_with(&["submit:answered".into(), "query:answered".into()]), "{exchanges:?}");
    }
    test.mend_callbacks();
    test.run_until_idle().await;
    test.finish_with_resubmits().await;
}

/// A turn whose exchange raises an alarm: what it says of the transfer and of the system is told at once, or not at all.
async fn told_at_once(test: TestApp, postgres: bool, alarm: &str, line: &str) -> TestApp {
    let told = format!("SELECT COUNT(*) FROM events WHERE {line}");
    let raised = format!("SELECT COUNT(*) FROM events WHERE kind = 'alarm' AND alarm = '{alarm}'");
    let both = async || [test.database.number(&told).await, test.database.number(&raised).await];
    let condition = "INSERT ON events FOR EACH ROW WHEN (NEW.kind = 'alarm')";
    let no_alarm = Refusal::of(&test, postgres, "events", condition).await;
    let (driver, mut desk) = (driver(&test), Desk::default());
    until_it_fails(&driver, &mut desk).await;
    assert_eq!((both().await, test.count("alarms").await), ([0, 0], 0), "{alarm}: nothing of it");
    no_alarm.end().await;
    work_until(&driver, &mut desk, "the alarm", async || both().await != [0, 0]).await;
    assert_eq!((both().await, test.count("alarms").await), ([1, 1], 1), "{alarm}: all of it");
    if postgres {
        let commits = format!(
            "SELECT COUNT(DISTINCT xmin::text) FROM events WHERE ({line}) OR (kind = 'alarm' AND alarm = '{alarm}')"
        );
        assert_eq!(test.database.number(&commits).await, 1, "{alarm}: in one transaction");
    }
    let feed = test.client.get("/v1/events?limit=1000").await.json();
    let feed = feed["events"].as_array().expect("events").clone();
    let of_alarm: Vec<_> = feed.iter().filter(|event| event["alarm"] == alarm).collect();
    assert_eq!(of_alarm.len(), 1, "{feed:?}");
    assert_eq!((&of_alarm[0]["raised"], &of_alarm[0]["system"]), (&true.into(), &"fujian".into()));
    test
}

async fn refused_credentials_are_told_at_once(postgres: bool) {
    let refused = SIDES[2].fault(FaultKind::Authentication, 1);
    let test = roomy(postgres).faults(vec![refused]).start().await;
    submit_many(&test, 1).await;
    let back = "from_state = 'sending' AND to_state = 'queued'";
    let test = told_at_once(test, postgres, "suspended", back).await;
    let feed = test.client.get("/v1/events?limit=1000").await.json();
    let back = |event: &Value| {
        event["request_id"] == name(0) && event["to"] == "queued" && event["from"] == "sending"
    };
    assert!(feed["events"].as_array().is_some_and(|events| events.iter().any(back)), "{feed}");
    test.finish().await;
}

async fn a_contradiction_is_told_at_once(postgres: bool) {
    let test = roomy(postgres).start().await;
    submit_many(&test, 1).await;
    // As if it had been taken in; but they have never heard of it.
    let (partner, now) = (test.partner("fujian"), test.app.clock.now());
    let mut entry = test.stored(&name(0)).await.entry;
    let mut tx = test.app.store.write("test").await.expect("it begins");
    for event in [Event::Claimed, Event::Reported(PartnerStatus::AwaitingCheckIn)] {
        let facts = Facts { due_at: Some(now), ..Facts::default() };
        let step = advance(partner.policy.following, &entry, Some(event), facts, now);
        tx.save(&step, true, Cause::Delivery, now).await.expect("it is written");
        entry = step.entry;
    }
    tx.commit().await.expect("it commits");
    let test = told_at_once(test, postgres, "conflicts", "kind = 'conflict'").await;
    assert!(test.tells(&name(0), "conflict").await);
    assert_eq!(test.exchanges(&name(0)).await, ["query:answered"]);
    test.finish().await;
}

#[tokio::test]
async fn an_alarm_and_what_raised_it_are_one_commit() {
    refused_credentials_are_told_at_once(false).await;
    a_contradiction_is_told_at_once(false).await;
}

#[tokio::test]
async fn an_alarm_and_what_raised_it_are_one_commit_on_postgres() {
    refused_credentials_are_told_at_once(true).await;
    a_contradiction_is_told_at_once(true).await;
}

/// Whoever is not answered keeps one place, and no other's.
#[tokio::test]
async fn exchanges_that_hang_leave_the_other_places_free() {
    let hang = (0..3).map(|n| Fault { request_id: Some(name(n)), ..SIDES[2].fault(FaultKind::Hang, 1) });
    let test =
        Setup::by_hand().faults(hang.collect()).config("[systems.fujian]\nconcurrency = 4\n").start().await;
    submit_many(&test, 3).await;
    let (driver, mut desk) = (driver(&test), Desk::default());
    let arrived = |n: usize| test.at_partner(&name(n)).is_some();
    work_until(&driver, &mut desk, "three that hang", async || (0..3).all(arrived)).await;
    test.submit(&SIDES[2].document(&name(3), 3)).await;
    work_until(&driver, &mut desk, "the fourth place", async || arrived(3)).await;
    assert_eq!(
        test.count("attempts WHERE finished_at IS NULL").await,
        4,
        "none of them was given up meanwhile"
    );
    // As a process that is killed: the rest is what a rescue makes of it.
    drop(desk);
    let test = test.restart("").await;
    let rescued = test.app.sweeper().rescue_all().await.expect("they are taken back");
    assert_eq!(rescued.unconfirmed, 4);
    test.run_until_idle().await;
    test.finish().await;
}
