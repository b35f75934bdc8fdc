//! One simulated world: daemons on one SQLite file, partners, upstream, and nothing that happens by itself.

use super::network::{Line, Network};
use crate::support::{Database, Dice, SIDES, base_config, morning, organizations};
use axum::body::Bytes;
use jiff::SignedDuration;
use league_contract::{Method, RequestId, WireRequest, WireResponse};
use league_gateway::api::ApiState;
use league_gateway::app::{App, REGISTRATIONS};
use league_gateway::clock::Clock;
use league_gateway::inbound::Polled;
use league_gateway::outbound::{Desk, Driver};
use league_gateway::partner::Partner as System;
use league_gateway::settings;
use league_gateway::store::{FeedEvent, Stored};
use league_sandbox::{
    Fault, FaultKind, Faults, Pace, Partner, Push, Rule, Sandbox, SandboxConfig, Script, Step, http,
};
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// The steps that are told when a seed fails.
const TOLD: usize = 400;

pub(super) struct World {
    seed: u64,
    pub(super) dice: Dice,
    pub(super) clock: Clock,
    pub(super) network: Arc<Network>,
    pub(super) sandbox: Sandbox,
    pub(super) database: Database,
    /// By place; nothing where one was killed.
    pub(super) daemons: Vec<Option<Daemon>>,
    /// Runs that were killed: each sweep takes back what is left of them, as with a daemon's row in the database, which
    /// stays until nothing is.
    pub(super) dead: Vec<Arc<str>>,
    /// Upstream's keys, in order.
    pub(super) asked: Vec<RequestId>,
    pub(super) pushes: Vec<UnderWay>,
    /// Ids of events that the gateway said it has stored.
    pub(super) acknowledged: BTreeSet<String>,
    /// What upstream has read of the feed.
    pub(super) heard: Vec<FeedEvent>,
    /// How far the clock has moved, set or passed, in seconds.
    pub(super) moved: i64,
    pub(super) told: VecDeque<String>,
    runs: u64,
    more: String,
    folder: TempDir,
}

/// A daemon by hand: its parts, and what they hold.
pub(super) struct Daemon {
    pub(super) app: App,
    pub(super) api: Arc<ApiState>,
    pub(super) run: u64,
    pub(super) drivers: [Driver; 3],
    pub(super) desks: [Desk; 3],
    /// A look at Fujian's feed that waits for its answer.
    pub(super) reading: Option<JoinHandle<Polled>>,
}

impl Daemon {
    pub(super) fn system(&self, partner: Partner) -> &Arc<System> {
        system(&self.app, partner)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

fn system(app: &App, partner: Partner) -> &Arc<System> {
    app.partners.values().find(|one| one.system.as_str() == partner.as_str()).expect("it is configured")
}

/// A push that was sent.
pub(super) struct UnderWay {
    pub(super) push: Push,
    pub(super) partner: Partner,
    /// The partner hears what the gateway answers: it is the first copy, and in time.
    pub(super) heard: bool,
}

impl Drop for World {
    /// Tells what led to a failure, wherever it struck.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let told: Vec<_> = self.told.iter().map(String::as_str).collect();
            eprintln!("the last steps of seed {}:\n{}", self.seed, told.join("\n"));
        }
    }
}

impl World {
    /// A world with so many daemons, and their configuration over what the tests set.
    pub(super) async fn new(seed: u64, daemons: usize, template: &Path, more: &str) -> Self {
        let clock = Clock::manual(morning());
        let partners_clock = clock.clone();
        let waits = Rule { steps: vec![Step::None], ..Rule::default() };
        let config = SandboxConfig {
            organizations: organizations(),
            script: Script { rules: vec![waits] },
            pace: Pace::immediate(),
            clock: Arc::new(move || partners_clock.now()),
            ..SandboxConfig::default()
        };
        let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
        let folder = folder();
        let file = folder.path().join("gateway.db");
        std::fs::copy(template, &file).expect("a database");
        let mut world = Self {
            seed,
            dice: Dice::new(seed),
            clock,
            network: Arc::default(),
            sandbox,
            database: Database::sqlite(&file),
            daemons: Vec::new(),
            dead: Vec::new(),
            asked: Vec::new(),
            pushes: Vec::new(),
            acknowledged: BTreeSet::new(),
            heard: Vec::new(),
            moved: 0,
            told: VecDeque::new(),
            runs: 0,
            more: more.to_owned(),
            folder,
        };
        for at in 0..daemons {
            world.daemons.push(None);
            world.start(at).await;
        }
        world
    }

    /// Notes a step, for whoever reads why a seed failed.
    pub(super) fn tell(&mut self, step: impl FnOnce() -> String) {
        if self.told.len() == TOLD {
            self.told.pop_front();
        }
        self.told.push_back(step());
    }

    /// Starts a daemon: a new run under its old name.
    pub(super) async fn start(&mut self, at: usize) {
        let file = self.folder.path().join(format!("{at}.toml"));
        let more = format!("{}\n[delivery]\nworker_id = \"daemon-{at}\"\n", self.more);
        let base = self.folder.path().join("base.toml");
        std::fs::write(&base, base_config(&self.sandbox.urls(), &self.database.url)).expect("a file");
        std::fs::write(&file, more).expect("a file");
        let mut settings = settings::load(&[base, file], &REGISTRATIONS).expect("the configuration is right");
        self.runs += 1;
        for (name, settings) in &mut settings.systems {
            let side = SIDES.iter().find(|side| side.system == *name).expect("a system");
            let line = Line { network: self.network.clone(), run: self.runs, partner: side.partner };
            settings.endpoint.carrier = Some(Arc::new(line));
        }
        let app = App::open(settings, self.clock.clone()).await.expect("the gateway opens");
        let drivers = Partner::ALL.map(|partner| app.driver(system(&app, partner)));
        let api = app.api(None);
        let daemon = Daemon { app, api, run: self.runs, drivers, desks: Default::default(), reading: None };
        self.daemons[at] = Some(daemon);
    }

    /// Kills a daemon: all that it held in memory is gone. What it has sent may arrive.
    pub(super) async fn kill(&mut self, at: usize) {
        let Some(mut daemon) = self.daemons[at].take() else { return };
        daemon.desks = Default::default();
        self.dead.push(daemon.app.delivery().worker);
        let store = daemon.app.store.clone();
        drop(daemon);
        self.calm().await;
        // Only for the tests' sake: the next run finds a closed file.
        store.close().await;
    }

    /// The places of the daemons that live.
    pub(super) fn living(&self) -> Vec<usize> {
        (0..self.daemons.len()).filter(|at| self.daemons[*at].is_some()).collect()
    }

    pub(super) fn daemon(&mut self, at: usize) -> &mut Daemon {
        self.daemons[at].as_mut().expect("it lives")
    }

    /// Lets every task come to where it waits for the network: nothing here waits for anything else.
    pub(super) async fn calm(&self) {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    /// Time passes.
    pub(super) async fn pass(&mut self, by: SignedDuration) {
        self.clock.advance(by);
        self.moved += by.as_secs();
        self.network.pass(i64::try_from(by.as_millis()).expect("not so long"));
        if by >= SignedDuration::from_secs(5) {
            self.pushes.iter_mut().for_each(|push| push.heard = false);
        }
        self.calm().await;
    }

    /// Everybody's clock is set, forwards or backwards; no time passes.
    pub(super) fn set_clocks(&mut self, by: SignedDuration) {
        self.clock.advance(by);
        self.moved += by.as_secs();
        self.network.under_way().iter_mut().for_each(|message| message.stale = true);
        self.pushes.iter_mut().for_each(|push| push.heard = false);
    }

    /// One daemon looks after one system. Returns whether there may be more at once.
    pub(super) async fn work(&mut self, at: usize, side: usize) -> bool {
        let daemon = self.daemon(at);
        let (driver, desk) = (&daemon.drivers[side], &mut daemon.desks[side]);
        let more = driver.work(desk, true).await.expect("the turn is committed");
        self.calm().await;
        more
    }

    /// A transfer as it stands in the store.
    pub(super) async fn stored(&mut self, request_id: &RequestId) -> Stored {
        let mut tx = self.daemon(0).app.store.read("test").await.expect("the store answers");
        tx.transfer(request_id).await.expect("the row can be read").expect("the transfer is there")
    }

    /// What a partner answers under a fault.
    pub(super) async fn answer(
        &self,
        partner: Partner,
        request: &WireRequest,
        fault: Option<FaultKind>,
    ) -> Option<WireResponse> {
        let fault = fault.map(|kind| Fault { times: Some(1), retry_after: Some(30), ..Fault::of(kind) });
        self.sandbox.set_faults(Faults { seed: 1, faults: fault.into_iter().collect() });
        let answer = self.sandbox.answer(partner, to_http(request)).await;
        self.sandbox.pushes_idle().await;
        self.sandbox.set_faults(Faults::default());
        answer.map(from_http)
    }
}

/// A folder in memory, where the system has one: a seed is to cost no disk.
pub(super) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

fn to_http(wire: &WireRequest) -> http::Request<Bytes> {
    let method = match wire.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
    };
    let mut request = http::Request::builder().method(method).uri(&wire.target);
    for (name, value) in &wire.headers {
        request = request.header(name, value);
    }
    request.body(wire.body.clone().into()).expect("what the gateway sends is HTTP")
}

fn from_http(response: http::Response<Vec<u8>>) -> WireResponse {
    let (head, body) = response.into_parts();
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    WireResponse { status: head.status.as_u16(), headers: head.headers.iter().map(header).collect(), body }
}

/// A push as the gateway's door sees it.
pub(super) fn pushed(push: &Push) -> WireRequest {
    let headers = push.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    WireRequest { method: Method::Post, target: push.path.to_owned(), headers, body: push.body.clone() }
}

/// The gateway's answer to a push, on its way back.
pub(super) fn replied(wire: WireResponse) -> http::Response<Vec<u8>> {
    let mut response = http::Response::builder().status(wire.status);
    for (name, value) in &wire.headers {
        response = response.header(name, value);
    }
    response.body(wire.body).expect("what the gateway answers is HTTP")
}
