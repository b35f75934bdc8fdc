//! The commands of test engineers, as processes: recordings of simulated systems, drift, serving, scenarios.

use crate::support::{Person, SIDES, Setup, TestApp, address, person, program};
use jiff::SignedDuration;
use league_contract::{Call, CallContext, Nonce, Reply, RequestId};
use league_gateway::app::REGISTRATIONS;
use league_gateway::clock::Clock;
use league_gateway::transport::{Endpoint, Transport};
use league_replay::{Case, Expected, Kind, load};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Runs `fixtures …`, without holding up the partners that answer in this process.
async fn fixtures(test: Option<&TestApp>, arguments: &[&str]) -> Output {
    let mut command = program();
    for file in test.map(TestApp::config_files).into_iter().flatten() {
        command.arg("--config").arg(file);
    }
    command.arg("fixtures").args(arguments);
    tokio::task::spawn_blocking(move || command.output().expect("runs")).await.expect("it ends")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// A tree without a case.
fn tree() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["config.toml", "people.toml"] {
        fs::copy(shipped().join(file), folder.path().join(file)).expect("copied");
    }
    folder
}

/// Everything in a tree's cases.
fn written(root: &Path) -> Vec<u8> {
    let cases = load(root).expect("readable").cases.into_iter();
    let files =
        cases.flat_map(|case| ["case.toml", "request.http", "response.http"].map(|file| case.dir.join(file)));
    files.flat_map(|file| fs::read(file).expect("a whole case")).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What the outbox keeps of each system becomes cases: they pass, and nobody is in them.
#[tokio::test]
async fn exchanges_of_the_outbox_become_cases_without_the_people() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let tree = tree();
    let dir = tree.path().to_str().expect("UTF-8");
    for (n, side) in SIDES.iter().enumerate() {
        test.submit(&side.document(side.system, n)).await;
    }
    test.run_until_idle().await;
    let mut kept = 0;
    for side in &SIDES {
        for attempt in test.attempts(side.system).await {
            let (id, name) =
                (attempt.id.to_string(), format!("{}-{}", attempt.operation.replace('_', "-"), attempt.id));
            let output = fixtures(Some(&test), &["from-attempt", &id, "--name", &name, "--dir", dir]).await;
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            kept += 1;
        }
    }
    assert!(kept >= 4, "{kept}");
    let bytes = written(tree.path());
    for (n, side) in SIDES.iter().enumerate() {
        let Person { name, id_number, phone } = person(n);
        for value in [&name, &id_number, &phone, &id_number[10..].to_owned()] {
            assert!(!holds(&bytes, value), "{value} of {}", side.system);
        }
    }
    for secret in ["sandbox-smart-league-secret", "sandbox-guangdong-secret", "sandbox-fujian-password"] {
        assert!(!holds(&bytes, secret));
    }
    let output = fixtures(None, &["replay", "--exact", "--dir", dir]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    // That one tree has few codes is all that is wrong with it.
    let output = fixtures(None, &["lint", "--dir", dir]).await;
    let text = said(&output);
    assert!(!text.contains("leaking") && !text.contains("invalid") && text.contains("uncovered"), "{text}");
    let rows = test.app.store.read("test").await.expect("it answers").audit_rows(None, None, 100).await;
    let acts = rows.expect("readable").into_iter().filter(|row| row.act == "record_fixture").count();
    assert_eq!(acts, kept);

    let none = fixtures(Some(&test), &["from-attempt", "999999", "--name", "none", "--dir", dir]).await;
    assert_eq!(none.status.code(), Some(3), "{}", said(&none));
    let again = test.attempts("fujian").await.remove(0);
    let name = format!("{}-{}", again.operation, again.id);
    let output =
        fixtures(Some(&test), &["from-attempt", &again.id.to_string(), "--name", &name, "--dir", dir]).await;
    assert_eq!(output.status.code(), Some(4), "there already: {}", said(&output));
    test.finish().await;
}

#[tokio::test]
async fn a_call_is_recorded_through_the_daemons_transport() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let tree = tree();
    let dir = tree.path().to_str().expect("UTF-8");
    for side in &SIDES {
        let input = tree.path().join("query.toml");
        fs::write(&input, "[call]\noperation = \"query\"\nrequest_id = \"BJ-NOBODY\"\n").expect("written");
        let input = input.to_str().expect("UTF-8");
        let arguments =
            ["record", "--system", side.system, "--input", input, "--name", "query-nobody", "--dir", dir];
        let output = fixtures(Some(&test), &arguments).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    // A submit is only made if that is meant.
    let input = tree.path().join("submit.json");
    fs::write(&input, SIDES[2].document("RECORDED", 5).to_string()).expect("written");
    let input = input.to_str().expect("UTF-8");
    let arguments = ["record", "--system", "fujian", "--input", input, "--name", "submit-one", "--dir", dir];
    let output = fixtures(Some(&test), &arguments).await;
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(test.at_partner("RECORDED").is_none(), "nothing went out");
    let output = fixtures(Some(&test), &[arguments.as_slice(), &["--allow-changes"]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(test.at_partner("RECORDED").is_some());
    let Person { name, id_number, phone } = person(5);
    let bytes = written(tree.path());
    assert!([name, id_number, phone].iter().all(|value| !holds(&bytes, value)));
    let output = fixtures(None, &["replay", "--exact", "--dir", dir]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("4 / 4"), "{}", said(&output));
    test.finish().await;
}

/// The simulated systems answer in the form of the recordings; a recording of another form says so.
#[tokio::test]
async fn drift_compares_structure_and_not_values() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let urls = test.sandbox.urls();
    let shipped = shipped();
    let dir = shipped.to_str().expect("UTF-8");
    for (system, url) in
        [("smart_league", &urls.smart_league), ("guangdong", &urls.guangdong), ("fujian", &urls.fujian)]
    {
        let output =
            fixtures(Some(&test), &["drift", "--system", system, "--against", url, "--dir", dir]).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).contains("query: not received"), "{}", said(&output));
    }
    // A tree whose recording knows a field that the answers do not have.
    let tree = tree();
    let case = tree.path().join("fujian/search-found");
    fs::create_dir_all(&case).expect("made");
    for file in ["case.toml", "request.http", "response.http"] {
        let text = fs::read_to_string(shipped.join("fujian/search-found").join(file)).expect("readable");
        let text = text.replace("<f:total>", "<f:checked>true</f:checked><f:total>");
        fs::write(case.join(file), text.replace("keyword = \"", "keyword = \"厦门")).expect("written");
    }
    let text = fs::read_to_string(case.join("case.toml")).expect("readable");
    let keyword = text.lines().find(|line| line.starts_with("keyword")).expect("a search");
    fs::write(case.join("case.toml"), text.replace(keyword, "keyword = \"厦门\"")).expect("written");
    let dir = tree.path().to_str().expect("UTF-8");
    let output = fixtures(Some(&test), &["drift", "--against", &urls.fujian, "--dir", dir]).await;
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(said(&output).contains("checked: text → (absent)"), "{}", said(&output));
    test.finish_with_breaches().await;
}

/// Nothing compared is nothing known: an answer that nobody recorded is a finding, and so are credentials that they
/// refuse.
#[tokio::test]
async fn drift_is_not_green_where_nothing_was_compared() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let tree = tree();
    // All that this tree knows of a query is that it may fail.
    let query = tree.path().join("fujian/query-internal");
    fs::create_dir_all(&query).expect("made");
    for file in ["case.toml", "request.http", "response.http"] {
        fs::copy(shipped().join("fujian/query-internal").join(file), query.join(file)).expect("copied");
    }
    let dir = tree.path().to_str().expect("UTF-8");
    let against = &test.sandbox.urls().fujian;
    let output = fixtures(Some(&test), &["drift", "--against", against, "--dir", dir]).await;
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let says = "1 of 1 answers were compared with nothing: no recording has such an answer";
    assert!(said(&output).contains(says), "{}", said(&output));
    test.finish_with_breaches().await;

    let shipped = shipped();
    let dir = shipped.to_str().expect("UTF-8");
    let wrong = [
        ("smart_league", "secrets = [\"not-their-secret\"]"),
        ("guangdong", "secrets = [\"not-their-secret\"]"),
        ("fujian", "passwords = [\"not-their-password\"]"),
    ];
    let more = wrong.map(|(system, line)| format!("[systems.{system}]\n{line}\n")).concat();
    let test = Setup::by_hand().on_the_wall().config(&more).start().await;
    let urls = test.sandbox.urls();
    for (system, url) in
        [("smart_league", &urls.smart_league), ("guangdong", &urls.guangdong), ("fujian", &urls.fujian)]
    {
        let arguments = ["drift", "--system", system, "--against", url, "--dir", dir];
        let output = fixtures(Some(&test), &arguments).await;
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        let says = said(&output);
        assert!(
            says.contains("credentials refused") && says.contains(&format!("[systems.{system}]")),
            "{says}"
        );
    }
    test.finish_with_breaches().await;
}

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Another team's client is answered as if it had been recorded: signed for its nonce and its time.
#[tokio::test]
async fn a_system_is_served_from_its_fixtures() {
    let fixtures = load(&shipped()).expect("readable");
    for registration in REGISTRATIONS {
        let mut command = program();
        command
            .args(["fixtures", "serve", registration.system, "--listen", "127.0.0.1:0", "--dir"])
            .arg(shipped());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let stdout = child.stdout.take().expect("piped");
        let _served = Served(child);
        let url =
            tokio::task::spawn_blocking(move || address(stdout)).await.expect("it ends").expect("an address");
        let transport = Transport::new(&Endpoint {
            origin: url,
            timeout: Duration::from_secs(20),
            ca_file: None,
            client_identity: None,
            carrier: None,
        })
        .expect("a transport");
        let (_, config) = fixtures
            .configs
            .iter()
            .find(|(system, _)| system.as_str() == registration.system)
            .expect("configured");
        let adapter = (registration.build)(config.clone()).expect("built");
        let of_system = |case: &&Case| case.system.as_str() == registration.system;
        let mut answered = 0;
        for case in fixtures.cases.iter().filter(of_system) {
            let Kind::Exchange(exchange) = &case.kind else { continue };
            let Expected::Reply(Reply::Answered(_)) = &exchange.expected else { continue };
            let at = CallContext { now: Clock::Wall.now(), nonce: Nonce([9; 16]) };
            let mut request = adapter.encode(&exchange.call, &at).expect("encoded");
            request.headers.push(("X-Fixture".to_owned(), case.name.clone()));
            let response = transport.send(&request).await.expect("an answer");
            assert_eq!(response.header("X-Fixture"), Some(case.name.as_str()));
            let now = Clock::Wall.now();
            let reply = adapter.decode(&exchange.call, &CallContext { now, ..at }, &response);
            assert!(matches!(reply, Ok(Reply::Answered(_))), "{}: {reply:?}", case.name);
            answered += 1;
        }
        assert!(answered >= 5, "{answered}");
        // What nobody recorded names what comes nearest; what nobody signed is not looked at.
        let call = Call::Query { request_id: RequestId::parse("NEVER-RECORDED").expect("a request id") };
        let at = CallContext { now: Clock::Wall.now(), nonce: Nonce([8; 16]) };
        let request = adapter.encode(&call, &at).expect("encoded");
        let problem = transport.send(&request).await.expect("an answer");
        let body: Value = serde_json::from_slice(&problem.body).expect("a problem");
        assert_eq!((problem.status, body["differences"].as_array().map(Vec::len)), (404, Some(1)), "{body}");
        let name = format!("{}/query", registration.system.replace('_', "-"));
        assert!(body["nearest"].as_str().is_some_and(|nearest| nearest.starts_with(&name)), "{body}");
        // Two hours ago.
        let at = CallContext { now: at.now - SignedDuration::from_hours(2), ..at };
        let late = adapter.encode(&call, &at).expect("encoded");
        assert_eq!(transport.send(&late).await.expect("an answer").status, 401);
    }
}

/// Weeks pass, and the test takes a second.
#[tokio::test]
async fn the_shipped_scenarios_end_as_they_say() {
    let files: Vec<String> = fs::read_dir(shipped().join("scenarios"))
        .expect("readable")
        .map(|entry| entry.expect("an entry").path().to_str().expect("UTF-8").to_owned())
        .collect();
    assert!(files.len() >= 5);
    let shipped = shipped();
    let dir = shipped.to_str().expect("UTF-8");
    let mut arguments = vec!["scenario", "--dir", dir];
    arguments.extend(files.iter().map(String::as_str));
    let output = fixtures(None, &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.toml");
    for (from, to, says) in [
        ("expect = \"completed\"", "expect = \"rejected\"", "9d 1h: it is completed, not rejected"),
        (
            "\"smart-league/check-exists\"",
            "\"smart-league/check-not-found\"",
            "no case on stage has this request",
        ),
        (
            "[\"milestone approved\", \"completed\"]",
            "[\"completed\"]",
            "9d 1h: upstream is told [milestone approved, completed], not [completed]",
        ),
        ("[\"milestone account_created\"]", "[]", "9d: upstream is told [milestone account_created], not []"),
    ] {
        let text =
            fs::read_to_string(shipped.join("scenarios/approved-on-the-ninth-day.toml")).expect("readable");
        assert!(text.contains(from));
        fs::write(&file, text.replace(from, to)).expect("written");
        let output = fixtures(None, &["scenario", file.to_str().expect("UTF-8"), "--dir", dir]).await;
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(said(&output).contains(says), "{}", said(&output));
    }
}

/// A report for a build server, whatever the language of the terminal.
#[tokio::test]
async fn replay_reports_as_junit() {
    let folder = tempfile::tempdir().expect("a folder");
    let (report, shipped) = (folder.path().join("report.xml"), shipped());
    let (file, dir) = (report.to_str().expect("UTF-8"), shipped.to_str().expect("UTF-8"));
    let arguments = ["replay", "--dir", dir, "--tag", "submit", "--format", "junit", "--output", file];
    let output = fixtures(None, &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = fs::read_to_string(&report).expect("written");
    assert!(text.starts_with("<?xml") && text.contains("<testsuite name=\"smart_league\""), "{text}");
    assert!(text.contains("failures=\"0\"") && !text.contains("<failure"));
}
