//! Upstream: hands transfers over by every door, repeats itself until it has an answer, and follows the event feed
//! once, from its beginning, across all kills.

use super::database::Link;
use super::fleet::Fleet;
use super::people::{LIVES, Life};
use crate::support::Dice;
use crate::support::{Answer, Client, Database, SIDES};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// No answer within this is none: the daemon may be dead, or hang.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before a repeat.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Upstream {
    fleet: Arc<Fleet>,
    database: Arc<Database>,
    client: Client,
    dice: Mutex<Dice>,
    number: AtomicUsize,
    memory: Mutex<Memory>,
    /// Counts events; who waits for one subscribes.
    news: watch::Sender<usize>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What upstream knows.
#[derive(Default)]
pub(super) struct Memory {
    /// Every transfer that it handed over, with its state by the feed.
    pub(super) states: BTreeMap<String, Option<String>>,
    /// Every event of the feed, in the order of hearing.
    pub(super) heard: Vec<Value>,
    cursor: i64,
    /// Answers that must not be.
    pub(super) wrong: Vec<String>,
    pub(super) posted: u64,
    pub(super) inserted: u64,
    /// Calls without an answer, or with one that says come again.
    pub(super) repeated: u64,
}

impl Memory {
    pub(super) fn open(&self) -> usize {
        let ended = |(id, state): (&String, &Option<String>)| state.as_deref() == Some(Life::of(id).ends);
        self.states.len() - self.states.iter().filter(|one| ended(*one)).count()
    }
}

impl Upstream {
    pub(super) fn new(fleet: Arc<Fleet>, database: Arc<Database>, token: &str, dice: Dice) -> Arc<Self> {
        Arc::new(Self {
            fleet,
            database,
            client: Client::new(String::new(), token),
            dice: Mutex::new(dice),
            number: AtomicUsize::new(0),
            memory: Mutex::default(),
            news: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no panic under it")
    }

    fn dice(&self) -> Dice {
        self.dice.lock().expect("no panic under it").fork()
    }

    fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    /// Begins to follow the feed.
    pub(super) fn follow(self: &Arc<Self>) {
        let upstream = self.clone();
        self.spawn(async move { upstream.following().await });
    }

    /// Ends all that it does.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// One call to a daemon that listens; no answer is `None`.
    pub(super) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        let url = self.fleet.url(&mut self.dice())?;
        let client = self.client.with_url(url);
        let headers: &[_] = if body.is_some() { &[("content-type", "application/json")] } else { &[] };
        let body = body.map(Value::to_string).unwrap_or_default().into_bytes();
        tokio::time::timeout(PATIENCE, client.try_send(method, path, headers, body)).await.ok()?.ok()
    }

    /// The same call until it has an answer that is one.
    pub(super) async fn insist(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        loop {
            match self.call(method, path, body).await {
                Some(answer) if answer.status < 500 && answer.status != 429 => return answer,
                _ => {
                    self.memory().repeated += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Hands transfers over, one after the other, until told to stop; never more than `most` are open.
    pub(super) async fn load(self: Arc<Self>, most: usize, stop: CancellationToken) {
        let mut dice = self.dice();
        let mut link = None;
        while !stop.is_cancelled() {
            let mut news = self.news.subscribe();
            if self.memory().open() >= most {
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = news.changed() => changed.expect("the sender lives as long as self"),
                }
                continue;
            }
            self.hand_over(&mut dice, &mut link).await;
        }
    }

    /// One transfer, by a door that the dice choose.
    pub(super) async fn hand_over(&self, dice: &mut Dice, link: &mut Option<Link>) -> String {
        let n = self.number.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("{}-{n}", dice.pick(&LIVES).name);
        let document = dice.pick(&SIDES).document(&request_id, n);
        self.memory().states.insert(request_id.clone(), None);
        match dice.below(10) {
            0..=4 => self.post(&document).await,
            // A client that repeats itself, without waiting for the first answer.
            5 => {
                tokio::join!(self.post(&document), self.post(&document));
            }
            6 => {
                self.insert(link, &request_id, &document).await;
                self.post(&document).await;
            }
            _ => self.insert(link, &request_id, &document).await,
        }
        request_id
    }

    async fn post(&self, document: &Value) {
        let answer = self.insist("POST", "/v1/transfers", Some(document)).await;
        let mut memory = self.memory();
        memory.posted += 1;
        if !matches!(answer.status, 200 | 201) {
            memory.wrong.push(format!("{} was refused: {}", document["request_id"], answer.text()));
        }
    }

    async fn insert(&self, link: &mut Option<Link>, request_id: &str, document: &Value) {
        let payload = document.to_string();
        loop {
            let mut open = match link.take() {
                Some(open) => open,
                None => match Link::to(&self.database).await {
                    Ok(open) => open,
                    Err(_) => {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
            };
            if open.put_into_intake(request_id, &payload).await.is_ok() {
                *link = Some(open);
                self.memory().inserted += 1;
                return;
            }
            self.memory().repeated += 1;
        }
    }

    async fn following(self: Arc<Self>) {
        loop {
            let after = self.memory().cursor;
            let page = self.insist("GET", &format!("/v1/events?after={after}&limit=500&wait=2"), None).await;
            if page.status != 200 {
                self.memory().wrong.push(format!("the feed answered {}: {}", page.status, page.text()));
                return;
            }
            let page = page.json();
            let events = page["events"].as_array().cloned().unwrap_or_default();
            let count = events.len();
            for event in events {
                self.hear(event);
            }
            self.memory().cursor = page["next"].as_i64().expect("a cursor");
            self.news.send_modify(|heard| *heard += count);
        }
    }

    fn hear(self: &Arc<Self>, event: Value) {
        let mut memory = self.memory();
        let (id, to) = (event["request_id"].as_str(), event["to"].as_str());
        if let (Some(id), Some(to)) = (id, to) {
            if Life::of(id).withdrawn && matches!(to, "submitted" | "awaiting_check_in") {
                let (upstream, path) = (self.clone(), format!("/v1/transfers/{id}/withdraw"));
                self.spawn(async move { upstream.withdraw(&path).await });
            }
            memory.states.insert(id.to_owned(), Some(to.to_owned()));
        }
        memory.heard.push(event);
    }

    async fn withdraw(&self, path: &str) {
        let answer = self.insist("POST", path, Some(&json!({"reason": "改变去向"}))).await;
        // 409: a repeat of what was done before the daemon died.
        if !matches!(answer.status, 200 | 202 | 409) {
            self.memory().wrong.push(format!("{path} was refused: {}", answer.text()));
        }
    }

    /// Waits until every transfer has ended as it must; says which have not within `net`.
    pub(super) async fn until_all_ended(&self, net: Duration) -> Vec<String> {
        let mut news = self.news.subscribe();
        let waiting = async {
            while self.memory().open() > 0 {
                news.changed().await.expect("the sender lives as long as self");
            }
        };
        if tokio::time::timeout(net, waiting).await.is_ok() {
            return Vec::new();
        }
        let memory = self.memory();
        let stuck = memory.states.iter().filter(|(id, state)| state.as_deref() != Some(Life::of(id).ends));
        stuck.map(|(id, state)| format!("{id} is {state:?} instead of {}", Life::of(id).ends)).collect()
    }
}
