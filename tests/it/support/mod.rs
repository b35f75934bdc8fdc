//! What the tests share: a gateway with real sockets and a real file, beside the simulated partners.

pub(crate) mod authority;
mod database;
mod dice;
mod http;
mod partners;
mod people;
mod process;
pub(crate) mod proxy;

pub(crate) use database::Database;
pub(crate) use dice::Dice;
pub(crate) use http::{Answer, Client};
pub(crate) use partners::{GUANGDONG_SECRET, SMART_LEAGUE_SECRET, guangdong, guangdong_body, smart_league};
pub(crate) use people::{Person, SIDES, Side, document, organizations, person};
pub(crate) use process::{address, program, program_in, signal};

use jiff::{SignedDuration, Timestamp};
use league_directory::import::{Import, Mode};
use league_gateway::access::{Role, create_token};
use league_gateway::app::{App, Daemon, Listening, REGISTRATIONS};
use league_gateway::clock::Clock;
use league_gateway::inbound::Polled;
use league_gateway::lifecycle::{Ended, Lifecycle};
use league_gateway::partner::Partner;
use league_gateway::seal::Sealer;
use league_gateway::store::{Attempt, CallbackRow, Stored, TimelineLine};
use league_gateway::{api, settings};
use league_sandbox::{Credentials, Fault, Faults, Pace, Report, Rule, Sandbox, SandboxConfig, Script, Urls};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// The failure net: nothing that goes well comes near it.
pub(crate) const NET: Duration = Duration::from_secs(30);

/// The instant at which a manual clock begins.
pub(crate) fn morning() -> Timestamp {
    "2026-07-01T01:30:00Z".parse().expect("a time")
}

/// Fails the test, with what was waited for, instead of hanging.
pub(crate) async fn in_time<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    match tokio::time::timeout(NET, waiting).await {
        Ok(done) => done,
        Err(_) => panic!("waited {NET:?} in vain for {what}"),
    }
}

/// Waits until a condition holds that nobody announces.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let looking = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    in_time(what, looking).await;
}

/// Later ones win.
const CONFIG_FILES: [&str; 2] = ["base.toml", "more.toml"];
/// The local directory of organizations.
const DIRECTORY: &str = "organizations.idx";

/// How a test begins.
pub(crate) struct Setup {
    clock: Clock,
    daemon: bool,
    script: Script,
    faults: Faults,
    config: String,
    credentials: Credentials,
    postgres: bool,
}

impl Setup {
    /// The daemon with all its tasks, on the machine's clock.
    pub(crate) fn daemon() -> Self {
        Self { clock: Clock::Wall, daemon: true, ..Self::by_hand() }
    }

    /// The HTTP face alone, on a clock that stands; the test drives the rest with [`TestApp::run_until_idle`].
    pub(crate) fn by_hand() -> Self {
        Self {
            clock: Clock::manual(morning()),
            daemon: false,
            script: Script::default(),
            faults: Faults::default(),
            config: String::new(),
            credentials: Credentials::default(),
            postgres: false,
        }
    }

    /// On PostgreSQL, in a schema of the test's own.
    pub(crate) fn on_postgres(self) -> Self {
        Self { postgres: true, ..self }
    }

    pub(crate) fn rules(mut self, rules: Vec<Rule>) -> Self {
        self.script = Script { rules };
        self
    }

    pub(crate) fn faults(mut self, faults: Vec<Fault>) -> Self {
        self.faults = Faults { seed: 1, faults };
        self
    }

    /// On the machine's clock, as other processes are.
    pub(crate) fn on_the_wall(mut self) -> Self {
        self.clock = Clock::Wall;
        self
    }

    /// More configuration, over what the tests set.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config = toml.to_owned();
        self
    }

    pub(crate) fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    pub(crate) async fn start(self) -> TestApp {
        let clock = self.clock.clone();
        let config = SandboxConfig {
            credentials: self.credentials,
            organizations: organizations(),
            script: self.script,
            faults: self.faults,
            pace: Pace::immediate(),
            clock: Arc::new(move || clock.now()),
            ..SandboxConfig::default()
        };
        let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
        let folder = tempfile::tempdir().expect("a folder");
        let database = if self.postgres {
            Database::postgres().await
        } else {
            Database::sqlite(&folder.path().join("gateway.db"))
        };
        let test = TestApp::open(sandbox, (folder, database), self.clock, self.daemon, &self.config).await;
        test.mend_callbacks();
        test
    }
}

/// A gateway that runs, and the partners beside it. Every test ends with [`TestApp::finish`].
pub(crate) struct TestApp {
    pub(crate) app: App,
    /// Nothing after [`TestApp::stop`] has taken it.
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    pub(crate) database: Database,
    serving: Serving,
    folder: TempDir,
    deaf: AtomicBool,
    finished: bool,
}

enum Serving {
    Daemon(Daemon),
    Face(Lifecycle),
}

impl TestApp {
    async fn open(
        sandbox: Sandbox,
        (folder, database): (TempDir, Database),
        clock: Clock,
        daemon: bool,
        more: &str,
    ) -> Self {
        let files = CONFIG_FILES.map(|name| folder.path().join(name));
        let directory = folder.path().join(DIRECTORY).display().to_string();
        let base = base_config(&sandbox.urls(), &database.url)
            + &format!("[organizations]\ndirectory = \"{directory}\"\n");
        for (path, text) in files.iter().zip([base.as_str(), more]) {
            std::fs::write(path, text).expect("a file of the configuration");
        }
        let settings = settings::load(&files, &REGISTRATIONS).expect("the configuration is right");
        let app = App::open(settings, clock).await.expect("the gateway opens");
        let (serving, url) = if daemon {
            let daemon = app.start(None).await.expect("the daemon starts");
            let url = daemon.listening[0].url.clone();
            (Serving::Daemon(daemon), url)
        } else {
            app.store.prepare(&app.sealer).await.expect("the tables are made");
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("its address");
            let lifecycle = Lifecycle::new(app.stop.clone());
            let (router, stop) = (api::router(app.api(None), api::Faces::ALL), lifecycle.stop.clone());
            lifecycle.spawn(async move {
                axum::serve(listener, router)
                    .with_graceful_shutdown(stop.cancelled_owned())
                    .await
                    .expect("it serves");
            });
            (Serving::Face(lifecycle), format!("http://{address}"))
        };
        let name = format!("test-{url}");
        let roles = [Role::Submit, Role::View];
        let token =
            create_token(&app.store, &name, &roles, app.clock.now()).await.expect("the store answers");
        let client = Client::new(url, token.expect("a fresh name").as_str());
        Self {
            app,
            sandbox,
            client,
            database,
            serving,
            folder,
            deaf: AtomicBool::new(false),
            finished: false,
        }
    }

    /// Where a daemon listens.
    pub(crate) fn listening(&self) -> &[Listening] {
        match &self.serving {
            Serving::Daemon(daemon) => &daemon.listening,
            Serving::Face(_) => &[],
        }
    }

    /// A token with other roles.
    pub(crate) async fn client_with(&self, name: &str, roles: &[Role]) -> Client {
        let token = create_token(&self.app.store, name, roles, self.app.clock.now())
            .await
            .expect("the store answers");
        self.client.with_token(token.expect("a fresh name").as_str())
    }

    pub(crate) fn partner(&self, name: &str) -> &Arc<Partner> {
        let found = self.app.partners.iter().find(|(system, _)| system.as_str() == name);
        found.expect("the system is configured").1
    }

    /// Posts a document that must be taken.
    pub(crate) async fn submit(&self, document: &Value) {
        let answer = self.client.post("/v1/transfers", document).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    /// A transfer as the API shows it.
    pub(crate) async fn get(&self, request_id: &str) -> Value {
        let answer = self.client.get(&format!("/v1/transfers/{request_id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits by the event feed until a transfer is in a state, and shows it.
    pub(crate) async fn wait_for_state(&self, request_id: &str, state: &str) -> Value {
        let waiting = async {
            let mut after = 0;
            loop {
                // The cursor is taken before the look, so that nothing falls between the two.
                let shown = self.get(request_id).await;
                if shown["state"] == state {
                    return shown;
                }
                let page =
                    self.client.get(&format!("/v1/events?after={after}&wait=20&limit=1000")).await.json();
                after = page["next"].as_i64().expect("a cursor");
            }
        };
        match tokio::time::timeout(NET, waiting).await {
            Ok(shown) => shown,
            Err(_) => panic!("{request_id} is not {state} but {}", self.get(request_id).await),
        }
    }

    /// Does all work that is due, until nothing is: for clocks that stand.
    pub(crate) async fn run_until_idle(&self) {
        let working = async {
            loop {
                let cursor = self.feed_cursor().await;
                let mut worked = false;
                for partner in self.app.partners.values() {
                    worked |= self.app.driver(partner).run_once().await.expect("the claim works") > 0;
                    while self.app.feed(partner).poll().await.expect("the page is stored") == Polled::More {
                        worked = true;
                    }
                }
                self.sandbox.pushes_idle().await;
                // What was published while we looked is read once more before it counts as quiet.
                for partner in self.app.partners.values() {
                    self.app.feed(partner).poll().await.expect("the page is stored");
                }
                worked |= cursor != self.feed_cursor().await;
                if !worked {
                    return;
                }
            }
        };
        in_time("all work to be done", working).await;
    }

    /// Sends what is due until nothing is, and listens to nobody: no feed is read.
    pub(crate) async fn deliver(&self) {
        for partner in self.app.partners.values() {
            while self.app.driver(partner).run_once().await.expect("the claim works") > 0 {}
        }
    }

    /// From now on no push reaches the gateway.
    pub(crate) fn cut_callbacks(&self) {
        self.deaf.store(true, Ordering::Relaxed);
        self.sandbox.set_gateway("http://127.0.0.1:9");
    }

    /// Pushes reach it again, those that were lost included.
    pub(crate) fn mend_callbacks(&self) {
        self.deaf.store(false, Ordering::Relaxed);
        self.sandbox.set_gateway(&self.client.url);
    }

    async fn feed_cursor(&self) -> i64 {
        let mut tx = self.app.store.read("test").await.expect("the store answers");
        let fujian = &self.partner("fujian").system;
        tx.system(fujian).await.expect("its row").feed_cursor
    }

    /// Moves a clock that stands, and does what is due then.
    pub(crate) async fn later(&self, seconds: i64) {
        self.app.clock.advance(SignedDuration::from_secs(seconds));
        self.run_until_idle().await;
    }

    pub(crate) async fn stored(&self, request_id: &str) -> Stored {
        let request_id = league_contract::RequestId::parse(request_id).expect("a request id");
        let mut tx = self.app.store.read("test").await.expect("the store answers");
        tx.transfer(&request_id).await.expect("the row can be read").expect("the transfer is there")
    }

    pub(crate) async fn timeline(&self, request_id: &str) -> Vec<TimelineLine> {
        let id = self.stored(request_id).await.entry.id;
        let mut tx = self.app.store.read("test").await.expect("the store answers");
        tx.timeline(id).await.expect("the timeline can be read")
    }

    /// The states that a transfer went through.
    pub(crate) async fn states(&self, request_id: &str) -> Vec<String> {
        self.timeline(request_id).await.into_iter().filter_map(|line| line.event.to).collect()
    }

    /// Whether a line of that kind is in the timeline.
    pub(crate) async fn tells(&self, request_id: &str, kind: &str) -> bool {
        self.timeline(request_id).await.iter().any(|line| line.event.kind == kind)
    }

    pub(crate) async fn attempts(&self, request_id: &str) -> Vec<Attempt> {
        let id = self.stored(request_id).await.entry.id;
        let mut tx = self.app.store.read("test").await.expect("the store answers");
        tx.attempts(id).await.expect("the attempts can be read")
    }

    /// Operations and outcomes of all exchanges of a transfer, in order: `submit:answered`.
    pub(crate) async fn exchanges(&self, request_id: &str) -> Vec<String> {
        let attempts = self.attempts(request_id).await.into_iter();
        attempts.map(|one| format!("{}:{}", one.operation, one.outcome.unwrap_or_default())).collect()
    }

    pub(crate) async fn callbacks(&self, system: &str, request_id: &str) -> Vec<CallbackRow> {
        let system = self.partner(system).system.clone();
        let mut tx = self.app.store.read("test").await.expect("the store answers");
        tx.callbacks_of(&system, request_id).await.expect("the callbacks can be read")
    }

    /// What another process of the same gateway is configured with.
    pub(crate) fn config_files(&self) -> [PathBuf; 2] {
        CONFIG_FILES.map(|name| self.folder.path().join(name))
    }

    /// The local directory's file.
    pub(crate) fn directory(&self) -> PathBuf {
        self.folder.path().join(DIRECTORY)
    }

    /// Puts lists into the local directory, and has them served.
    pub(crate) fn import(&self, rows: &str) {
        import(&self.directory(), rows, self.app.clock.now());
        self.app.organizations.directory.look();
    }

    /// SQLite's file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.db")
    }

    /// Another program's connection to SQLite's file, as upstream has one.
    pub(crate) async fn connection(&self) -> SqliteConnection {
        SqliteConnection::connect(&self.database.url).await.expect("the file opens")
    }

    /// How many rows a table has; `what` may go on with a WHERE.
    pub(crate) async fn count(&self, what: &'static str) -> i64 {
        self.database.number(&format!("SELECT COUNT(*) FROM {what}")).await
    }

    /// The line of a transfer in the partners' report.
    pub(crate) fn at_partner(&self, request_id: &str) -> Option<league_sandbox::TransferReport> {
        self.sandbox.report().transfer(request_id).cloned()
    }

    /// Stops softly, and opens the same file anew, as a restart of the process does. Cut callbacks stay cut.
    pub(crate) async fn restart(mut self, more: &str) -> Self {
        let daemon = matches!(self.serving, Serving::Daemon(_));
        assert_eq!(self.stop().await, Ended::Clean);
        self.finished = true;
        let (place, clock) = ((self.folder_taken(), self.database.clone()), self.app.clock.clone());
        let sandbox = self.sandbox_taken().await;
        let test = Self::open(sandbox, place, clock, daemon, more).await;
        if self.deaf.load(Ordering::Relaxed) {
            test.cut_callbacks();
        } else {
            test.mend_callbacks();
        }
        test
    }

    fn folder_taken(&mut self) -> TempDir {
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"))
    }

    async fn sandbox_taken(&mut self) -> Sandbox {
        let other = Sandbox::start(SandboxConfig::default()).await.expect("the sandbox starts");
        std::mem::replace(&mut self.sandbox, other)
    }

    /// Stops softly, as SIGTERM does, and closes the file.
    pub(crate) async fn stop(&mut self) -> Ended {
        let lifecycle = match &self.serving {
            Serving::Daemon(daemon) => daemon.lifecycle.clone(),
            Serving::Face(lifecycle) => lifecycle.clone(),
        };
        let ended = lifecycle.finish(NET).await;
        self.app.store.close().await;
        self.serving = Serving::Face(Lifecycle::new(CancellationToken::new()));
        ended
    }

    /// Ends a test: stops, and asserts what must hold after everything. Returns the partners' report.
    pub(crate) async fn finish(self) -> Report {
        let report = self.finish_with_breaches().await;
        assert_eq!(report.violations, [], "the profiles were kept");
        for line in &report.transfers {
            assert_eq!(line.resubmits, 0, "{} was sent again without need", line.request_id);
        }
        report
    }

    /// Like [`TestApp::finish`], for tests that send a transfer themselves beside the gateway.
    pub(crate) async fn finish_with_resubmits(self) -> Report {
        let report = self.finish_with_breaches().await;
        assert_eq!(report.violations, [], "the profiles were kept");
        assert!(report.transfers.iter().any(|line| line.resubmits > 0), "else finish() does");
        report
    }

    /// Like [`TestApp::finish`], for tests that send wrong signatures or secrets on purpose.
    pub(crate) async fn finish_with_breaches(mut self) -> Report {
        assert_eq!(self.stop().await, Ended::Clean);
        assert_eq!(self.count("transfers WHERE lease_token IS NOT NULL").await, 0, "nothing is leased");
        assert_eq!(self.count("attempts WHERE finished_at IS NULL").await, 0, "no exchange is open");
        assert_eq!(self.database.miscounted().await, [""; 0], "the counts that are kept are right");
        let report = self.sandbox.report();
        for line in &report.transfers {
            assert!(line.effective <= 1, "{} moved somebody twice", line.request_id);
            assert_eq!(line.blind_submits, 0, "{} was sent again without a query", line.request_id);
        }
        self.finished = true;
        report
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if !self.finished && !std::thread::panicking() {
            panic!("a test ends with finish(): it asserts that nothing is leased and nothing open");
        }
    }
}

/// Puts lists into a local directory: rows of province, id, full name and kind.
pub(crate) fn import(path: &Path, rows: &str, at: Timestamp) {
    let import = Import {
        mode: Mode::Full,
        out: path,
        allow_removal: false,
        imported_at: at.as_millisecond(),
        known_province: None,
    };
    let csv = format!("province_code,org_id,full_name,kind\n{rows}");
    let summary = import.run(csv.as_bytes(), &mut |_| ()).expect("it is imported");
    assert_eq!(summary.refused, 0, "{summary:?}");
}

/// A configuration that suits the sandbox, on a free port.
pub(crate) fn base_config(urls: &Urls, database: &str) -> String {
    let system = |name: &str, url: &str, more: &str| {
        format!(
            "[systems.{name}]\nbase_url = \"{url}\"\ntimeout = \"5s\"\nrate_per_second = 100000\nbackoff_initial = \"10ms\"\nbackoff_max = \"40ms\"\n{more}\n"
        )
    };
    [
        "[http]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://gateway.test\"\nrate_per_second = 100000\n"
            .to_owned(),
        format!("[database]\nurl = \"{database}\"\n"),
        system("smart_league", &urls.smart_league, "secrets = [\"sandbox-smart-league-secret\"]"),
        system("guangdong", &urls.guangdong, "secrets = [\"sandbox-guangdong-secret\"]"),
        system("fujian", &urls.fujian, "passwords = [\"sandbox-fujian-password\"]\nfeed_interval = \"10ms\""),
        "[delivery]\npoll_interval = \"20ms\"\nworker_id = \"test\"\n".to_owned(),
        format!("[privacy]\nkeys = [\"{PRIVACY_KEY}\"]\nindex_key = \"{INDEX_KEY}\"\n"),
    ]
    .concat()
}

const PRIVACY_KEY: &str = "k1:dGVzdC1rZXktdGVzdC1rZXktdGVzdC1rZXktdGVzdCE=";
const INDEX_KEY: &str = "aW5kZXgta2V5LWluZGV4LWtleS1pbmRleC1rZXktaW4=";

/// The sealer of the tests' configuration.
pub(crate) fn sealer() -> Sealer {
    Sealer::new(&[Zeroizing::new(PRIVACY_KEY.to_owned())], INDEX_KEY).expect("keys")
}

/// Upstream, where a test calls for it what the interface calls.
pub(crate) fn upstream() -> league_gateway::store::Author {
    league_gateway::store::Author { name: "token:upstream".into(), origin: "http 127.0.0.1".into() }
}
