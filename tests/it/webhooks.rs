//! Upstream's addresses are told of every event, signed, in order, until they have taken it.

use crate::support::{Database, SIDES, Setup, TestApp, in_time, program};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::SignedDuration;
use league_gateway::access::Role;
use league_gateway::app::{REGISTRATIONS, Reloaded};
use league_gateway::settings;
use league_gateway::webhook::{Round, Sender};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Two secrets of an address: both sign.
const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZA=="];

/// What an address does with a message.
type Answer = Box<dyn Fn(&Value) -> Response + Send + Sync>;

/// An address of upstream's that checks every signature.
struct Hook {
    url: String,
    seen: Arc<Seen>,
}

struct Seen {
    answer: Mutex<Answer>,
    /// Every message that came, with its name.
    all: Mutex<Vec<(String, Value)>>,
    /// Those that were taken.
    taken: Mutex<Vec<Value>>,
}

fn signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a prefix")).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

async fn take(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header);
    let expected = SECRETS.map(|secret| signature(secret, id, timestamp, &body)).join(" ");
    if signatures != expected {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let message: Value = serde_json::from_slice(&body).expect("JSON");
    seen.all.lock().expect("unpoisoned").push((id.to_owned(), message.clone()));
    let answer = (seen.answer.lock().expect("unpoisoned"))(&message);
    if answer.status().is_success() {
        seen.taken.lock().expect("unpoisoned").push(message);
    }
    answer
}

impl Hook {
    async fn start() -> Self {
        let seen = Arc::new(Seen {
            answer: Mutex::new(Box::new(|_| StatusCode::NO_CONTENT.into_response())),
            all: Mutex::default(),
            taken: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook?key=geheim", listener.local_addr().expect("an address"));
        let router = axum::Router::new().route("/hook", axum::routing::post(take)).with_state(seen.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, seen }
    }

    fn config(&self) -> String {
        format!("[webhooks.upstream]\nurl = \"{}\"\nsecrets = {SECRETS:?}\n", self.url)
    }

    /// What it does with messages from now on.
    fn answers(&self, answer: impl Fn(&Value) -> Response + Send + Sync + 'static) {
        *self.seen.answer.lock().expect("unpoisoned") = Box::new(answer);
    }

    fn answers_with(&self, status: u16) {
        self.answers(move |_| StatusCode::from_u16(status).expect("a status").into_response());
    }

    fn taken(&self) -> Vec<Value> {
        self.seen.taken.lock().expect("unpoisoned").clone()
    }

    fn names(&self) -> Vec<String> {
        self.seen.all.lock().expect("unpoisoned").iter().map(|(id, _)| id.clone()).collect()
    }

    fn cursors(&self) -> Vec<i64> {
        self.taken().iter().filter_map(|message| message["data"]["cursor"].as_i64()).collect()
    }
}

fn sender(test: &TestApp) -> Sender {
    test.app.webhook_senders().expect("addresses").swap_remove(0)
}

/// Tells until there is nothing to tell, or nothing may be told.
async fn tell(sender: &mut Sender) -> Round {
    in_time("everything to be told", async {
        loop {
            let round = sender.round().await.expect("the store answers");
            if round != Round::More {
                return round;
            }
        }
    })
    .await
}

async fn deliver(test: &TestApp, ids: &[&str]) {
    for (n, id) in ids.iter().enumerate() {
        test.submit(&SIDES[n % 3].document(id, n)).await;
    }
    test.run_until_idle().await;
    for id in ids {
        assert_eq!(test.get(id).await["state"], "completed");
    }
}

async fn feed(test: &TestApp) -> Vec<Value> {
    test.client.get("/v1/events?limit=1000").await.json()["events"].as_array().expect("events").clone()
}

async fn tells_every_event(setup: Setup) {
    let hook = Hook::start().await;
    let test = setup.config(&hook.config()).start().await;
    let mut sender = sender(&test);
    assert_eq!(tell(&mut sender).await, Round::UpToDate);
    deliver(&test, &["A", "B", "C", "D"]).await;
    assert_eq!(tell(&mut sender).await, Round::UpToDate);
    let (told, feed) = (hook.taken(), feed(&test).await);
    assert_eq!(told.len(), feed.len());
    // Of one transfer in order; each as the feed has it.
    let mut orders: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for message in told {
        assert_eq!(
            message["type"],
            format!("transfer.{}", message["data"]["type"].as_str().expect("a kind"))
        );
        assert_eq!(message["timestamp"], message["data"]["at"]);
        let id = message["data"]["request_id"].as_str().expect("a transfer's").to_owned();
        orders.entry(id).or_default().push(message["data"].clone());
    }
    for (id, events) in orders {
        let expected: Vec<_> = feed.iter().filter(|event| event["request_id"] == id).cloned().collect();
        assert_eq!(events, expected);
    }
    // Nothing twice: the names are different.
    let mut names = hook.names();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), feed.len());
    test.finish().await;
}

#[tokio::test]
async fn an_address_is_told_every_event_once() {
    tells_every_event(Setup::by_hand()).await;
}

#[tokio::test]
async fn an_address_is_told_every_event_once_on_postgres() {
    tells_every_event(Setup::by_hand().on_postgres()).await;
}

#[tokio::test]
async fn a_new_address_is_told_of_what_happens_from_then_on() {
    let hook = Hook::start().await;
    let test = Setup::by_hand().config(&hook.config()).start().await;
    deliver(&test, &["BEFORE"]).await;
    let mut sender = sender(&test);
    tell(&mut sender).await;
    deliver(&test, &["AFTER"]).await;
    tell(&mut sender).await;
    assert!(!hook.taken().is_empty());
    assert!(hook.taken().iter().all(|message| message["data"]["request_id"] == "AFTER"));
    test.finish().await;
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_under_the_same_name() {
    let hook = Hook::start().await;
    let test = Setup::by_hand().config(&hook.config()).start().await;
    let mut sender = sender(&test);
    tell(&mut sender).await;
    deliver(&test, &["A"]).await;
    let events = feed(&test).await.len();
    hook.answers_with(500);
    let Round::Waits(until) = tell(&mut sender).await else { panic!("it waits") };
    assert!(until > test.app.clock.now());
    assert_eq!((hook.names().len(), hook.taken().len()), (1, 0));
    // Not before its time, and then one at a time.
    assert_eq!(tell(&mut sender).await, Round::Waits(until));
    assert_eq!(hook.names().len(), 1);
    for _ in 0..3 {
        test.app.clock.advance(SignedDuration::from_hours(2));
        assert!(matches!(tell(&mut sender).await, Round::Waits(_)));
    }
    let names = hook.names();
    assert_eq!(names.len(), 4);
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    let view = test.client.get("/v1/operator/webhooks").await.json();
    assert_eq!(
        (&view[0]["state"], &view[0]["failures"], &view[0]["last_error"]),
        (&json!("waiting"), &json!(4), &json!("HTTP 500"))
    );
    assert_eq!(view[0]["behind"], events);
    // A restart goes on where it stood.
    hook.answers_with(204);
    test.app.clock.advance(SignedDuration::from_hours(2));
    let mut sender = self::sender(&test);
    assert_eq!(tell(&mut sender).await, Round::UpToDate);
    assert_eq!(hook.taken().len(), events);
    let view = test.client.get("/v1/operator/webhooks").await.json();
    assert_eq!(
        (&view[0]["state"], &view[0]["last_error"], &view[0]["behind"]),
        (&json!("ready"), &Value::Null, &json!(0))
    );
    test.finish().await;
}

/// What was taken behind one that was not is not told twice, and the one is not lost.
#[tokio::test]
async fn one_transfers_trouble_does_not_repeat_the_others() {
    let hook = Hook::start().await;
    let test = Setup::by_hand().config(&hook.config()).start().await;
    let mut sender = sender(&test);
    tell(&mut sender).await;
    deliver(&test, &["A", "B", "C"]).await;
    hook.answers(|message| match message["data"]["request_id"] == "B" {
        true => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        false => StatusCode::OK.into_response(),
    });
    assert!(matches!(tell(&mut sender).await, Round::Waits(_)));
    hook.answers_with(200);
    test.app.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(tell(&mut sender).await, Round::UpToDate);
    let mut cursors = hook.cursors();
    cursors.sort_unstable();
    let expected: Vec<i64> = feed(&test).await.iter().filter_map(|event| event["cursor"].as_i64()).collect();
    assert_eq!(cursors, expected, "each once");
    test.finish().await;
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let hook = Hook::start().await;
    let test = Setup::by_hand().config(&hook.config()).start().await;
    let mut sender = sender(&test);
    tell(&mut sender).await;
    test.submit(&SIDES[0].document("A", 1)).await;
    hook.answers(|_| (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7200")]).into_response());
    let later = test.app.clock.now() + SignedDuration::from_hours(2);
    assert_eq!(tell(&mut sender).await, Round::Waits(later));
    hook.answers_with(200);
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn an_address_that_fails_again_and_again_is_an_alarm_until_it_is_well() {
    let hook = Hook::start().await;
    let test = Setup::by_hand().config(&hook.config()).start().await;
    let mut sender = sender(&test);
    tell(&mut sender).await;
    deliver(&test, &["A"]).await;
    hook.answers_with(404);
    for _ in 0..7 {
        tell(&mut sender).await;
        test.app.clock.advance(SignedDuration::from_hours(2));
    }
    let alarm = test.count("alarms WHERE kind = 'webhook' AND system = ''").await;
    assert_eq!(alarm, 1, "one for all the failures");
    assert_eq!(test.count("alarms WHERE kind = 'webhook' AND cleared_at IS NOT NULL").await, 0);
    hook.answers_with(200);
    tell(&mut sender).await;
    assert_eq!(test.count("alarms WHERE kind = 'webhook' AND cleared_at IS NOT NULL").await, 1);
    // It hears of its own alarm, too.
    let kinds: Vec<_> = hook.taken().iter().map(|message| message["type"].clone()).collect();
    assert!(kinds.contains(&json!("system.alarm")), "{kinds:?}");
    test.finish().await;
}

#[tokio::test]
async fn an_address_that_is_gone_is_not_sent_to_until_an_operator_says_so() {
    let hook = Hook::start().await;
    let test = Setup::by_hand().config(&hook.config()).start().await;
    let (viewer, desk) = (test.client.clone(), test.client_with("desk", &[Role::Operate]).await);
    let act = |client: crate::support::Client, act: &'static str, reason: &'static str| async move {
        client.post(&format!("/v1/operator/webhooks/{act}"), &json!({"reason": reason})).await
    };
    let mut sender = sender(&test);
    tell(&mut sender).await;
    act(desk.clone(), "upstream/resume", "试试").await.problem(409, "not_allowed_in_state");
    deliver(&test, &["A"]).await;
    hook.answers_with(410);
    assert_eq!(tell(&mut sender).await, Round::Disabled);
    test.app.clock.advance(SignedDuration::from_hours(100));
    assert_eq!(tell(&mut sender).await, Round::Disabled);
    assert_eq!(hook.names().len(), 1);
    assert_eq!(test.count("alarms WHERE kind = 'webhook' AND cleared_at IS NULL").await, 1);
    hook.answers_with(200);
    act(viewer.clone(), "upstream/resume", "地址已恢复").await.problem(403, "forbidden");
    act(desk.clone(), "upstream/resume", "").await.problem(422, "field_invalid");
    act(desk.clone(), "elsewhere/resume", "地址已恢复").await.problem(404, "not_found");
    act(desk.clone(), "upstream/explode", "地址已恢复").await.problem(404, "not_found");
    viewer.post("/v1/operator/webhooks/upstream/test", &json!({})).await.problem(403, "forbidden");
    desk.post("/v1/operator/webhooks/elsewhere/test", &json!({})).await.problem(404, "not_found");
    let tested = desk.post("/v1/operator/webhooks/upstream/test", &json!({})).await;
    assert_eq!(tested.json()["taken"], true, "{}", tested.text());
    hook.answers_with(500);
    let tested = desk.post("/v1/operator/webhooks/upstream/test", &json!({})).await.json();
    assert!(
        tested["taken"] == false && tested["why"].as_str().is_some_and(|why| why.contains("500")),
        "{tested}"
    );
    hook.answers_with(200);
    assert_eq!(act(desk, "upstream/resume", "13810000002 说地址已恢复").await.status, 200);
    let reasons = test.database.column::<String>("SELECT reason FROM audit").await;
    assert_eq!(reasons, ["138******** 说地址已恢复"]);
    assert_eq!(test.count("alarms WHERE kind = 'webhook' AND cleared_at IS NULL").await, 0);
    assert_eq!(tell(&mut sender).await, Round::UpToDate);
    assert!(hook.taken().len() >= feed(&test).await.len());
    assert_eq!(test.count("audit WHERE act = 'resume_webhook' AND subject = 'webhook:upstream'").await, 1);
    test.finish().await;
}

#[tokio::test]
async fn one_event_that_is_never_taken_can_be_stepped_over() {
    let hook = Hook::start().await;
    let test = Setup::by_hand().config(&hook.config()).start().await;
    let desk = test.client_with("desk", &[Role::Operate]).await;
    let mut sender = sender(&test);
    tell(&mut sender).await;
    deliver(&test, &["A"]).await;
    let poison = feed(&test).await[1]["cursor"].clone();
    let at = poison.clone();
    hook.answers(move |message| match message["data"]["cursor"] == at {
        true => StatusCode::BAD_REQUEST.into_response(),
        false => StatusCode::OK.into_response(),
    });
    assert!(matches!(tell(&mut sender).await, Round::Waits(_)));
    let told = desk.post("/v1/operator/webhooks/upstream/skip", &json!({"reason": "对方无法处理"})).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert!(told.json()["did"]["en"].as_str().is_some_and(|text| text.contains(&poison.to_string())));
    assert_eq!(tell(&mut sender).await, Round::UpToDate);
    let expected: Vec<i64> = feed(&test).await.iter().filter_map(|event| event["cursor"].as_i64()).collect();
    let expected: Vec<i64> = expected.into_iter().filter(|cursor| poison != json!(cursor)).collect();
    assert_eq!(hook.cursors(), expected);
    test.finish().await;
}

#[tokio::test]
async fn an_address_is_told_of_the_kinds_that_it_asked_for() {
    let hook = Hook::start().await;
    let config = hook.config() + "events = [\"milestone\"]\n";
    let test = Setup::by_hand().config(&config).start().await;
    let mut sender = sender(&test);
    tell(&mut sender).await;
    deliver(&test, &["A", "B"]).await;
    assert_eq!(tell(&mut sender).await, Round::UpToDate);
    let milestones = feed(&test).await.iter().filter(|event| event["type"] == "milestone").count();
    assert_eq!(hook.taken().len(), milestones);
    assert!(hook.taken().iter().all(|message| message["type"] == "transfer.milestone"));
    test.finish().await;
}

/// A secret that both sides change: each at its own time, and nothing is refused.
#[tokio::test]
async fn a_secret_is_changed_while_the_daemon_runs() {
    let hook = Hook::start().await;
    let old = hook.config().replace(&format!("{SECRETS:?}"), &format!("[{:?}]", SECRETS[1]));
    let test = Setup::by_hand().config(&old).start().await;
    let mut sender = sender(&test);
    tell(&mut sender).await;
    deliver(&test, &["A"]).await;
    assert!(matches!(tell(&mut sender).await, Round::Waits(_)), "it wants both signatures");
    let [_, more] = test.config_files();
    let text = std::fs::read_to_string(&more)
        .expect("read")
        .replace(&format!("[{:?}]", SECRETS[1]), &format!("{SECRETS:?}"));
    std::fs::write(&more, text).expect("written");
    let new = settings::load(&test.config_files(), &REGISTRATIONS).expect("the configuration is right");
    let done = test.app.reload(&new).await.expect("it is taken over");
    assert_eq!(done, [Reloaded::WebhookSecrets("upstream".to_owned())]);
    assert_eq!(test.app.reload(&new).await.expect("it is taken over"), [], "they are the same now");
    let text = std::fs::read_to_string(&more)
        .expect("read")
        .replace("/hook?", "/other?")
        .replace(SECRETS[0], SECRETS[1]);
    std::fs::write(&more, text).expect("written");
    let other = settings::load(&test.config_files(), &REGISTRATIONS).expect("the configuration is right");
    let done = test.app.reload(&other).await.expect("it is taken over");
    assert_eq!(
        done,
        [Reloaded::NeedsRestart("webhooks.upstream.url".to_owned())],
        "its secrets wait for that"
    );
    test.later(10).await;
    assert_eq!(tell(&mut sender).await, Round::UpToDate);
    assert_eq!(hook.taken().len(), feed(&test).await.len());
    test.finish().await;
}

/// Two that lead for a moment tell some events twice, and lose none.
#[tokio::test]
async fn two_that_tell_at_once_lose_nothing() {
    let hook = Hook::start().await;
    let test = Setup::by_hand().config(&hook.config()).start().await;
    let (mut one, mut two) = (sender(&test), sender(&test));
    tell(&mut one).await;
    deliver(&test, &["A", "B", "C", "D", "E"]).await;
    let (first, second) = tokio::join!(tell(&mut one), tell(&mut two));
    assert_eq!((first, second), (Round::UpToDate, Round::UpToDate));
    let mut cursors = hook.cursors();
    cursors.sort_unstable();
    cursors.dedup();
    assert_eq!(cursors.len(), feed(&test).await.len());
    test.finish().await;
}

// The command line blocks a thread while the address answers.
#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_tells_by_itself_and_the_command_line_shows_it() {
    let hook = Hook::start().await;
    let test = Setup::daemon().config(&hook.config()).start().await;
    let known = async {
        // The address begins where the feed stands when the daemon sees it first.
        while test.client.get("/v1/operator/webhooks").await.json()[0]["state"] != "ready" {}
    };
    in_time("the address to be known", known).await;
    test.submit(&SIDES[0].document("A", 1)).await;
    test.wait_for_state("A", "completed").await;
    crate::support::until("the last change to be told", || {
        hook.taken().iter().any(|message| message["data"]["to"] == "completed")
    })
    .await;
    let run = |arguments: &[&str]| {
        let mut command = program();
        for file in test.config_files() {
            command.arg("--config").arg(file);
        }
        command.args(arguments).output().expect("runs")
    };
    let listed = run(&["--json", "webhooks", "list"]);
    let view: Value = serde_json::from_slice(&listed.stdout).expect("a line");
    assert_eq!((&view["name"], &view["state"]), (&json!("upstream"), &json!("ready")), "{view}");
    assert!(!view.to_string().contains("geheim"), "the path may hold a secret: {view}");
    let tested = run(&["webhooks", "test", "upstream"]);
    assert_eq!(tested.status.code(), Some(0), "{}", String::from_utf8_lossy(&tested.stderr));
    assert!(hook.taken().iter().any(|message| message["type"] == "test"));
    assert_eq!(run(&["webhooks", "test", "nobody"]).status.code(), Some(3));
    assert_eq!(run(&["webhooks", "skip", "upstream", "--reason", "无"]).status.code(), Some(4));
    hook.answers_with(500);
    let failed = run(&["webhooks", "test", "upstream"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("HTTP 500"));
    hook.answers_with(200);
    test.finish().await;
}

#[test]
fn what_is_wrong_with_an_address_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    let database = Database::sqlite(&folder.path().join("gateway.db"));
    let urls = league_sandbox::Urls {
        smart_league: "http://127.0.0.1:9".into(),
        guangdong: "http://127.0.0.1:9".into(),
        fujian: "http://127.0.0.1:9".into(),
    };
    let wrong = "[webhooks.one]\nurl = \"ftp://a\"\nsecrets = [\"whsec_short\"]\nevents = [\"everything\"]\n\
                 [webhooks.two]\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\nurl = \"https://a.example.org/x\"\nevnts = []\n\
                 [webhooks.Three]\nurl = \"https://a.example.org\"\n";
    std::fs::write(&file, crate::support::base_config(&urls, &database.url) + wrong).expect("written");
    let output = program().arg("--config").arg(&file).args(["config", "check"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in [
        "webhooks.one.url: must be an http or https URL",
        "webhooks.one.secrets: must be whsec_",
        "webhooks.one.events: must be a list of state_changed, milestone, alarm",
        "webhooks.two.evnts: is not a key of the gateway; did you mean webhooks.two.events?",
        "webhooks.Three: the name has",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("whsec_short"), "{told}");
}
