//! A fourth province, from its profile to a transfer that is completed: one folder, one line of registration, and data. What is
//! proved is that nothing else of the program has to learn of it.

mod adapter;
mod cases;

use adapter::REGISTRATION;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;
use league_contract::{CallContext, Nonce, Registration, RequestId, System, WireRequest, WireResponse};
use league_gateway::app::{App, REGISTRATIONS};
use league_gateway::clock::Clock;
use league_gateway::settings::{Variables, load_from};
use league_gateway::transport::{Carrier, SendError};
use league_replay::conformance::{Profile, check};
use league_replay::{Case, Kind, Played, Player, bless, lint, load_system};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The three of the program, and the line.
fn registrations() -> Vec<Registration> {
    [REGISTRATIONS.as_slice(), &[REGISTRATION]].concat()
}

/// The fixtures, blessed.
fn fixtures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    cases::write(folder.path());
    let fixtures = load_system(folder.path(), &system()).expect("readable");
    let adapter = (REGISTRATION.build)(fixtures.configs[&system()].clone()).expect("built");
    for case in &fixtures.cases {
        assert_eq!(bless(case, adapter.as_ref()).expect("blessed").len(), 1);
    }
    folder
}

fn system() -> System {
    System::named(REGISTRATION.system)
}

#[test]
fn its_fixtures_are_green_and_it_keeps_the_laws() {
    let folder = fixtures();
    check(&Profile { registration: &REGISTRATION, fixtures_root: folder.path(), signed_answers: true });
    let found = lint(folder.path(), &registrations(), Timestamp::UNIX_EPOCH).expect("readable");
    assert_eq!(found, []);
}

/// The partner, played from the fixtures.
struct Partner {
    player: Player,
    clock: Clock,
}

impl std::fmt::Debug for Partner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Partner")
    }
}

impl Carrier for Partner {
    fn carry(&self, request: WireRequest) -> BoxFuture<'static, Result<WireResponse, SendError>> {
        let played = self.player.answer(&request, self.clock.now(), |_| true);
        let Played::Answer { response, .. } = played else { panic!("{played:?}") };
        ready(Ok(response)).boxed()
    }
}

/// Data: its section of the configuration, and its province.
fn configure(folder: &Path) -> [std::path::PathBuf; 1] {
    let routes = folder.join("routes.toml");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/routes.toml");
    let text = fs::read_to_string(shipped).expect("readable");
    let (before, hebei) = text.split_once("code = \"130000\"").expect("Hebei has a route");
    let hebei = hebei.replacen("system = \"smart_league\"", "system = \"hebei\"", 1);
    fs::write(&routes, format!("{before}code = \"130000\"{hebei}")).expect("written");
    let others =
        ["smart_league", "guangdong", "fujian"].map(|name| format!("[systems.{name}]\nenabled = false\n"));
    let file = folder.join("gateway.toml");
    let at = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        r#"
[database]
url = "sqlite://{}"
[routing]
file = "{}"
[organizations]
directory = "{}"
[privacy]
keys = ["k1:dGVzdC1rZXktdGVzdC1rZXktdGVzdC1rZXktdGVzdCE="]
index_key = "aW5kZXgta2V5LWluZGV4LWtleS1pbmRleC1rZXktaW4="
{}
[systems.hebei]
enabled = true
base_url = "http://127.0.0.1:9104"
client = "BJGQT"
secrets = ["hebei-fixture-secret"]
concurrency = 4
rate_per_second = 50
timeout = "10s"
max_attempts = 12
backoff_initial = "1s"
backoff_max = "10m"
breaker_failures = 10
reconcile_after = "6h"
lapse_after = "10d"
backlog_limit = "1h"
lapse_warning = "2d"
maintenance = []
"#,
        at("gateway.db"),
        routes.display(),
        at("organizations.idx"),
        others.concat(),
    );
    fs::write(&file, text).expect("written");
    [file]
}

#[tokio::test]
async fn a_transfer_goes_there_and_is_completed_by_its_push() {
    let tree = fixtures();
    let folder = tempfile::tempdir().expect("a folder");
    let mut fixtures = load_system(tree.path(), &system()).expect("readable");
    let config = fixtures.configs.remove(&system()).expect("configured");
    let adapter = (REGISTRATION.build)(config.clone()).expect("built");
    let notary = (REGISTRATION.notary)(config).expect("built");
    let clock = Clock::manual("2024-07-01T01:30:00Z".parse().expect("a time"));
    let player = Player::new(fixtures.cases.clone(), adapter.as_ref(), notary.clone());
    let mut settings =
        load_from(&configure(folder.path()), Variables::new(), &registrations()).expect("it is right");
    let endpoint = &mut settings.systems.get_mut("hebei").expect("configured").endpoint;
    endpoint.carrier = Some(Arc::new(Partner { player, clock: clock.clone() }));
    let app = App::open(settings, clock).await.expect("it opens");
    app.store.prepare(&app.sealer).await.expect("the tables are made");

    app.intake.create(document()).await.expect("it is taken in");
    let partner = app.partners[&system()].clone();
    while app.driver(&partner).run_once().await.expect("it works") > 0 {}
    assert_eq!(state(&app).await, "submitted");

    let case =
        fixtures.cases.iter().find(|case: &&Case| case.name == "callbacks/hebei/yes").expect("it stands");
    let Kind::Callback(push) = &case.kind else { panic!("a callback") };
    let at = CallContext { now: app.clock.now(), nonce: Nonce([5; 16]) };
    let message = notary.sign_push(push.request.clone(), &at).expect("signed");
    let answer = app.api(None).receiver.receive(&partner, message).await;
    assert_eq!(answer.status, 200);
    assert_eq!(state(&app).await, "completed");
    app.store.close().await;
}

async fn state(app: &App) -> String {
    let id = RequestId::parse("HB-1").expect("a request id");
    let mut tx = app.store.read("test").await.expect("it answers");
    let stored = tx.transfer(&id).await.expect("readable").expect("it is there");
    stored.entry.state.as_str().to_owned()
}

fn document() -> serde_json::Value {
    json!({
        "request_id": "HB-1", "initiator": "member",
        "member": {"name": "欧阳样例", "id_number": "110199200005050015", "phone": "16112345678", "joined_on": "2016-05"},
        "source": {"organization_id": "1", "full_name": "来源团支部"},
        "destination": {"province_code": "130000", "full_name": cases::DESTINATION},
        "reason": "education",
        "details": {"school_name": "河北大学", "school_address": "保定市五四东路180号", "stage": "graduate"},
        "applied_at": "2024-07-01T09:30:00+08:00",
    })
}
