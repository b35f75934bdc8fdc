//! Two daemons on one PostgreSQL, at the same moment: whoever loses a race does its work again, and nobody is told of it.

use crate::support::{SIDES, SMART_LEAGUE_SECRET, Setup, TestApp, document, in_time, smart_league, upstream};
use jiff::SignedDuration;
use league_contract::RequestId;
use league_gateway::app::{App, REGISTRATIONS};
use league_gateway::inbound::Polled;
use league_gateway::intake::{IntakeError, Taken};
use league_gateway::outbound::Desk;
use league_gateway::settings;
use league_gateway::store::{Abandoned, Claimant, Rescued};
use league_sandbox::{Rule, Step};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use tokio::sync::Notify;

/// A gateway, and a second one beside it on the same database. No partner decides anything.
async fn two() -> (TestApp, App) {
    let waiting = vec![Rule { steps: vec![Step::None], ..Rule::default() }];
    let test = Setup::by_hand().on_postgres().rules(waiting).start().await;
    let settings = settings::load(&test.config_files(), &REGISTRATIONS).expect("the configuration is right");
    let other = App::open(settings, test.app.clock.clone()).await.expect("the second opens");
    (test, other)
}

/// A transaction from outside that stands in the way of both.
struct Obstacle(PgConnection);

impl Obstacle {
    async fn put(test: &TestApp, what: &str) -> Self {
        let mut connection = PgConnection::connect(&test.database.url).await.expect("it opens");
        // Where it waits in a circle with the gateway, the server must end the gateway's transaction.
        let begin = format!("BEGIN; SET LOCAL deadlock_timeout = '1h'; {what}");
        raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await.expect("nobody has it");
        Self(connection)
    }

    /// Until so many transactions wait for it, or for each other.
    async fn holds(&self, test: &TestApp, transactions: i64) {
        let name = test.database.name();
        let waiting = format!(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = '{name}' AND wait_event_type = 'Lock'"
        );
        let waiting = async { while test.database.number(&waiting).await < transactions {} };
        in_time("the transactions to meet", waiting).await;
    }

    /// Asks for what one of those has that wait for this one. It is had only when that one was ended.
    async fn cross(&mut self, what: &str) {
        let crossing = raw_sql(AssertSqlSafe(what)).execute(&mut self.0);
        in_time("a transaction to be ended", crossing).await.expect("the gateway's is ended");
    }

    async fn remove(mut self) {
        raw_sql("ROLLBACK").execute(&mut self.0).await.expect("it ends");
        self.0.close().await.expect("it closes");
    }
}

/// Whoever looks may look, and nobody writes yet.
const NO_TRANSFER_IS_WRITTEN: &str = "LOCK TABLE transfers IN SHARE MODE";
/// Nobody commits anything that the event feed hears.
const NOTHING_IS_TOLD: &str = "SELECT pg_advisory_xact_lock(1, 'events'::regclass::oid::int)";
const TRANSFER_A: &str = "SELECT 1 FROM transfers WHERE request_id = 'A' FOR UPDATE";
/// No exchange's end is written yet.
const NO_EXCHANGE_ENDS: &str = "SELECT 1 FROM attempts FOR UPDATE";
const FUJIAN: &str = "SELECT 1 FROM systems WHERE system = 'fujian' FOR UPDATE";

/// How a document comes in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Door {
    Single,
    Batch,
    Table,
}

/// Brings a document to a door; says what became of it. The table's door does not say.
async fn bring(app: &App, door: Door, document: &Value) -> String {
    let word = |taken: Result<Taken, IntakeError>| match taken {
        Ok(Taken::Created(_)) => "created".to_owned(),
        Ok(Taken::Same(_)) => "same".to_owned(),
        Err(IntakeError::Refused(problems)) => problems[0].code.as_str().to_owned(),
        Err(error) => panic!("{door:?}: {error}: {:?}", std::error::Error::source(&error)),
    };
    match door {
        Door::Single => word(app.intake.create(document.clone()).await),
        Door::Batch => {
            let answered = app.intake.create_all(&[Ok(document.clone())]).await;
            let answered = answered.and_then(|mut all| all.remove(0).map_err(IntakeError::Refused));
            word(answered)
        }
        Door::Table => {
            assert_eq!(app.intake.drain_table(9).await.expect("the table is drained"), 1);
            "drained".to_owned()
        }
    }
}

/// Brings two documents to two doors of two daemons so that neither sees the other's before both write.
async fn race(both: (&TestApp, &App), doors: [Door; 2], documents: [&Value; 2]) -> [String; 2] {
    let (test, other) = both;
    if let Some(at) = doors.iter().position(|door| *door == Door::Table) {
        let (id, text) = (documents[at]["request_id"].as_str().expect("a text"), documents[at].to_string());
        let row = format!("INSERT INTO intake (request_id, payload) VALUES ('{id}', '{text}')");
        test.database.execute(&row).await;
    }
    let obstacle = Obstacle::put(test, NO_TRANSFER_IS_WRITTEN).await;
    let (one, another, ()) =
        tokio::join!(bring(&test.app, doors[0], documents[0]), bring(other, doors[1], documents[1]), async {
            obstacle.holds(test, 2).await;
            obstacle.remove().await;
        });
    let mut words = [one, another];
    words.sort();
    words
}

const DOORS: [[Door; 2]; 5] = [
    [Door::Single, Door::Single],
    [Door::Single, Door::Batch],
    [Door::Batch, Door::Batch],
    [Door::Single, Door::Table],
    [Door::Batch, Door::Table],
];

#[tokio::test]
async fn the_same_document_by_two_doors_at_once_is_taken_once() {
    let (test, other) = two().await;
    for (n, doors) in DOORS.into_iter().cycle().take(25).enumerate() {
        let document = SIDES[n % 3].document(&format!("R-{n}"), n);
        let words = race((&test, &other), doors, [&document, &document]).await;
        match doors[1] {
            Door::Table => assert!(
                words == ["created", "drained"] || words == ["drained", "same"],
                "{doors:?}: {words:?}"
            ),
            Door::Single | Door::Batch => assert_eq!(words, ["created", "same"], "{doors:?}"),
        }
        assert_eq!(test.states(&format!("R-{n}")).await, ["queued"]);
    }
    assert_eq!((test.count("transfers").await, test.count("intake_refused").await), (25, 0));
    test.finish().await;
}

#[tokio::test]
async fn two_requests_of_one_person_at_once_are_one_and_a_refusal() {
    let (test, other) = two().await;
    for (n, doors) in DOORS.into_iter().filter(|doors| doors[1] != Door::Table).enumerate() {
        let [one, another] = ["ONE", "TWO"].map(|id| SIDES[n % 3].document(&format!("{id}-{n}"), n));
        let words = race((&test, &other), doors, [&one, &another]).await;
        assert_eq!(words, ["created", "open_transfer_exists"], "{doors:?}");
    }
    assert_eq!(test.count("transfers").await, 3);
    test.finish().await;
}

#[tokio::test]
async fn two_contents_under_one_key_at_once_are_one_and_a_refusal() {
    let (test, other) = two().await;
    for (n, doors) in DOORS.into_iter().filter(|doors| doors[1] != Door::Table).enumerate() {
        let [one, another] = [n, n + 50].map(|person| SIDES[n % 3].document(&format!("R-{n}"), person));
        let words = race((&test, &other), doors, [&one, &another]).await;
        assert_eq!(words, ["created", "request_id_conflict"], "{doors:?}");
    }
    assert_eq!(test.count("transfers").await, 3);
    test.finish().await;
}

#[tokio::test]
async fn a_page_of_the_feed_is_stored_once_beside_a_turn() {
    let test = Setup::by_hand().on_postgres().start().await;
    let settings = settings::load(&test.config_files(), &REGISTRATIONS).expect("the configuration is right");
    let other = App::open(settings, test.app.clock.clone()).await.expect("the second opens");
    test.submit(&SIDES[2].document("A", 1)).await;
    test.deliver().await;
    let (feed, driver) = (test.app.feed(test.partner("fujian")), other.driver(test.partner("fujian")));
    let mut obstacle = Obstacle::put(&test, TRANSFER_A).await;
    let page_waits = Notify::new();
    let turning = async {
        page_waits.notified().await;
        driver.run_once().await
    };
    let (polled, turned, ()) = tokio::join!(feed.poll(), turning, async {
        obstacle.holds(&test, 1).await;
        page_waits.notify_one();
        obstacle.holds(&test, 2).await;
        obstacle.cross(FUJIAN).await;
        obstacle.remove().await;
    });
    assert_eq!(polled.expect("the page is stored"), Polled::UpToDate);
    turned.expect("the turn is made");
    let rows = test.callbacks("fujian", "A").await;
    assert!(!rows.is_empty() && rows.iter().all(|row| row.repeats == 0), "{rows:?}");
    test.run_until_idle().await;
    assert_eq!(test.get("A").await["state"], "completed");
    test.finish().await;
}

/// Pushes a refusal of transfer A as the national system does.
async fn push(test: &TestApp) {
    let event = json!({"eventId": "E-1", "eventType": "TRANSFER_REJECTED", "requestId": "A", "transferNo": "T-1",
        "occurredAt": 1_782_869_400_000_i64, "data": {"reason": "信息有误"}});
    let body = event.to_string();
    let headers = smart_league(SMART_LEAGUE_SECRET, test.app.clock.now(), &"1".repeat(32), body.as_bytes());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let client = test.client.with_token("");
    let answer = client.send("POST", "/callbacks/smart-league", &headers, body.into_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Does something to transfer A at one daemon while another stores a status event about it; its transaction is ended
/// once. Whoever is first, both get an answer.
async fn beside_a_push<T>(test: &TestApp, work: impl Future<Output = Result<T, IntakeError>>) {
    let mut obstacle = Obstacle::put(test, NOTHING_IS_TOLD).await;
    let first = Notify::new();
    let pushing = async {
        first.notified().await;
        push(test).await;
    };
    let (done, (), ()) = tokio::join!(work, pushing, async {
        obstacle.holds(test, 1).await;
        first.notify_one();
        obstacle.holds(test, 2).await;
        obstacle.cross(TRANSFER_A).await;
        obstacle.remove().await;
    });
    if let Err(error) = done {
        let IntakeError::Refused(problems) = error else { panic!("{error}") };
        assert_eq!(problems[0].code.as_str(), "not_allowed_in_state");
    }
    assert_eq!(test.callbacks("smart_league", "A").await.len(), 1);
}

#[tokio::test]
async fn an_amendment_and_a_withdrawal_are_made_beside_a_push() {
    let request_id = RequestId::parse("A").expect("a request id");
    for amends in [true, false] {
        let (test, other) = two().await;
        let organization =
            if amends { "共青团并不存在大学委员会" } else { SIDES[0].organization };
        test.submit(&document("A", 1, "320000", organization)).await;
        test.run_until_idle().await;
        let changes = json!({"destination": {"full_name": SIDES[0].organization}});
        beside_a_push(&test, async {
            match amends {
                true => other.intake.amend(&request_id, &changes, &upstream()).await,
                false => other.intake.withdraw(&request_id, "不再转出", &upstream()).await,
            }
        })
        .await;
        test.finish().await;
    }
}

/// Changes transfer A while a turn settles its submit: the turn knows it as it was before, so the change must wait for its commit.
async fn beside_a_settlement<T>(test: &TestApp, change: impl Future<Output = T>) -> T {
    let (driver, mut desk) = (test.app.driver(test.partner("smart_league")), Desk::default());
    while test.count("attempts WHERE operation = 'submit'").await == 0 {
        driver.work(&mut desk, true).await.expect("the turn is made");
    }
    let obstacle = Obstacle::put(test, NO_EXCHANGE_ENDS).await;
    let settling = async {
        while test.count("transfers WHERE state = 'sending'").await > 0 {
            driver.work(&mut desk, true).await.expect("the turn is made");
            tokio::task::yield_now().await;
        }
    };
    let changing = async {
        obstacle.holds(test, 1).await;
        let mut change = std::pin::pin!(change);
        tokio::select! {
            _ = &mut change => panic!("it waits for the turn"),
            () = obstacle.holds(test, 2) => {}
        }
        obstacle.remove().await;
        change.await
    };
    in_time("both to be made", async { tokio::join!(settling, changing).1 }).await
}

#[tokio::test]
async fn a_push_waits_for_the_turn_that_settles_its_transfer() {
    let (test, _other) = two().await;
    test.submit(&SIDES[0].document("A", 1)).await;
    beside_a_settlement(&test, push(&test)).await;
    assert_eq!(test.states("A").await, ["queued", "sending", "submitted", "rejected"]);
    test.finish().await;
}

#[tokio::test]
async fn a_withdrawal_waits_for_the_turn_that_settles_its_transfer() {
    let (test, other) = two().await;
    test.submit(&SIDES[0].document("A", 1)).await;
    let request_id = RequestId::parse("A").expect("a request id");
    let withdrawn =
        beside_a_settlement(&test, other.intake.withdraw(&request_id, "不再转出", &upstream())).await;
    withdrawn.expect("it is wished for");
    test.run_until_idle().await;
    assert_eq!(test.states("A").await, ["queued", "sending", "submitted", "withdrawn"]);
    test.finish().await;
}

#[tokio::test]
async fn abandoned_work_is_taken_back_beside_others() {
    let (test, other) = two().await;
    test.submit(&SIDES[0].document("A", 1)).await;
    let partner = test.partner("smart_league");
    let now = test.app.clock.now();
    let claimant = Claimant { worker: "gone", now, until: now + SignedDuration::from_secs(1) };
    let mut tx = test.app.store.write("test").await.expect("it begins");
    let leases = tx.claim(&partner.system, partner.policy.following, 9, claimant).await.expect("it claims");
    assert_eq!(leases.len(), 1);
    tx.save_all(&[&leases[0].save]).await.expect("it is written");
    tx.commit().await.expect("it commits");
    test.app.clock.advance(SignedDuration::from_secs(2));
    let mut obstacle = Obstacle::put(&test, NOTHING_IS_TOLD).await;
    let sweeper = other.sweeper();
    let (rescued, ()) = tokio::join!(sweeper.rescue(Abandoned::Before(test.app.clock.now())), async {
        obstacle.holds(&test, 1).await;
        obstacle.cross(TRANSFER_A).await;
        obstacle.remove().await;
    });
    assert_eq!(rescued.expect("it is taken back"), Rescued { queued: 1, ..Rescued::default() });
    test.finish().await;
}
