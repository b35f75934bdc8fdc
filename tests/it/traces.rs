//! Everything that happens to one transfer is found under one id: in the log, in the story, at upstream, at a collector.

use crate::support::{SIDES, Setup, address, base_config, program, signal, until};
use axum::body::Bytes;
use axum::extract::State;
use league_gateway::access::Role;
use league_gateway::operator::Act;
use league_gateway::telemetry::{Exporter, TraceId};
use league_gateway::transport::Endpoint;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A collector that keeps what it is sent.
#[derive(Default)]
struct Collector {
    requests: Mutex<Vec<ExportTraceServiceRequest>>,
}

async fn take(State(collector): State<Arc<Collector>>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).expect("what OTLP has");
    collector.requests.lock().expect("unpoisoned").push(request);
}

/// A server for every request: its address.
async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    url
}

impl Collector {
    async fn start() -> (Arc<Self>, String) {
        let collector = Arc::new(Self::default());
        let router = axum::Router::new().route("/base/v1/traces", axum::routing::post(take));
        let url = serve(router.with_state(collector.clone())).await;
        (collector, url)
    }

    /// The spans of one transfer.
    fn spans(&self, request_id: &str) -> Vec<Span> {
        let trace = TraceId::of(request_id).number().to_be_bytes();
        let requests = self.requests.lock().expect("unpoisoned");
        let spans = requests.iter().flat_map(|request| &request.resource_spans);
        let spans = spans.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
        spans.filter(|span| span.trace_id == trace).cloned().collect()
    }

    /// What all spans say of the program that sent them.
    fn resource(&self) -> BTreeMap<String, String> {
        let requests = self.requests.lock().expect("unpoisoned");
        let resource = requests[0].resource_spans[0].resource.clone().expect("a resource");
        texts(&resource.attributes)
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |one: &KeyValue| {
        let Any::StringValue(text) = one.value.clone()?.value? else { return None };
        Some((one.key.clone(), text))
    };
    attributes.iter().filter_map(text).collect()
}

/// There is one exporter a process, and this is the only test that starts one in the tests' own.
#[tokio::test]
async fn a_transfer_is_one_trace_from_upstream_to_upstream() {
    let (collector, url) = Collector::start().await;
    let parents: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = parents.clone();
    let hook = axum::Router::new().fallback(move |headers: axum::http::HeaderMap| {
        let parent = headers.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or_default();
        heard.lock().expect("unpoisoned").push(parent.to_owned());
        std::future::ready(())
    });
    let config = format!(
        "[webhooks.up]\nurl = \"{}\"\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\n",
        serve(hook).await
    );
    let test = Setup::by_hand().config(&config).start().await;
    let endpoint = Endpoint {
        origin: url,
        timeout: Duration::from_secs(10),
        ca_file: None,
        client_identity: None,
        carrier: None,
    };
    let exporter = Exporter::start(&endpoint, "/base/v1/traces", "test-1").expect("the first one");
    let mut sender = test.app.webhook_senders().expect("addresses").swap_remove(0);
    sender.round().await.expect("it begins");
    // It checks the name first, and tells what became of the transfer.
    test.submit(&SIDES[0].document("TRACE-1", 1)).await;
    let operator = test.client_with("desk", &[Role::Operate]).await;
    for (act, reason) in [(Act::Hold, "看一看"), (Act::Release, "好了")] {
        let path = format!("/v1/operator/transfers/TRACE-1/{}", act.as_str());
        assert_eq!(operator.post(&path, &json!({"reason": reason})).await.status, 200);
    }
    test.run_until_idle().await;
    assert_eq!(test.get("TRACE-1").await["state"], "completed");
    sender.round().await.expect("it tells");
    exporter.stop().await;

    let spans = collector.spans("TRACE-1");
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for span in &spans {
        *names.entry(&span.name).or_default() += 1;
    }
    for (name, at_least) in [
        ("transfer received", 1),
        ("check_organization", 1),
        ("submit", 1),
        ("status event", 1),
        ("operator's act", 2),
        ("tell upstream", 3),
    ] {
        assert!(names.get(name).is_some_and(|count| *count >= at_least), "{name}: {names:?}");
    }
    let root = TraceId::of("TRACE-1").root().to_be_bytes();
    for span in &spans {
        let is_root = span.name == "transfer received";
        assert_eq!(is_root, span.span_id == root, "{span:?}");
        assert_eq!(span.parent_span_id, if is_root { Vec::new() } else { root.to_vec() }, "{span:?}");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
    }
    let submit = spans.iter().find(|span| span.name == "submit").expect("its span");
    let said = texts(&submit.attributes);
    assert_eq!(said["league.system"], "smart_league");
    assert_eq!(said["league.outcome"], "answered");
    assert_eq!(said["http.response.status_code"], "200");
    assert_eq!(collector.resource()["service.instance.id"], "test-1");
    let person = crate::support::person(1);
    assert!(!format!("{spans:?}").contains(&person.name), "a trace names nobody");
    let expected = TraceId::of("TRACE-1").parent_header();
    assert!(parents.lock().expect("unpoisoned").iter().all(|parent| *parent == expected), "{expected}");
    let story =
        test.client_with("look", &[Role::View]).await.get("/v1/operator/transfers/TRACE-1/timeline").await;
    assert_eq!(story.json()["trace_id"], TraceId::of("TRACE-1").to_string());
    test.finish().await;
}

/// The whole process: what it logs of a transfer carries the id, and the last spans go out before it ends.
#[tokio::test]
async fn a_daemon_exports_traces_and_logs_their_ids() {
    let (collector, url) = Collector::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gateway.toml");
    let nowhere = "http://127.0.0.1:9".to_owned();
    let urls =
        league_sandbox::Urls { smart_league: nowhere.clone(), guangdong: nowhere.clone(), fujian: nowhere };
    let database = format!("sqlite://{}", folder.path().join("gateway.db").display());
    let more = format!("[telemetry]\notlp_url = \"{url}/base/\"\n");
    std::fs::write(&config, base_config(&urls, &database) + &more).expect("written");
    let log = folder.path().join("log");
    let run = |arguments: &[&str]| {
        let mut command = program();
        command.arg("--config").arg(&config).args(arguments);
        command
    };
    let mut daemon = run(&["run", "--log-format", "json"])
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).expect("a log"))
        .spawn()
        .expect("it starts");
    address(daemon.stdout.take().expect("piped")).expect("it listens");
    let document = folder.path().join("one.json");
    std::fs::write(&document, SIDES[1].document("TRACE-2", 2).to_string()).expect("written");
    let taken = run(&["enqueue"]).arg(&document).output().expect("runs");
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&log).expect("a log");
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["fields"]["request_id"] == "TRACE-2").collect()
    };
    until("an exchange to fail", || lines().iter().any(|line| line["fields"]["outcome"] == "not_sent")).await;
    signal(&daemon, "-TERM");
    let ended = tokio::task::spawn_blocking(move || daemon.wait()).await.expect("it ends");
    assert!(ended.expect("it ends").success());
    for line in lines() {
        assert_eq!(line["fields"]["trace_id"], TraceId::of("TRACE-2").to_string(), "{line}");
    }
    let spans = collector.spans("TRACE-2");
    let failed = spans.iter().find(|span| span.status.as_ref().is_some_and(|status| status.code == 2));
    let failed = failed.expect("the exchange that failed");
    assert!(failed.status.as_ref().expect("said").message.contains("Connection refused"), "{failed:?}");
    let shown = run(&["outbox", "show", "TRACE-2"]).output().expect("runs");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&TraceId::of("TRACE-2").to_string()), "{shown}");
}

#[test]
fn a_collectors_address_is_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gateway.toml");
    for (written, problem) in [
        ("otlp_url = \"127.0.0.1:4318\"", "telemetry.otlp_url"),
        ("otlp_url = \"http://127.0.0.1:4318\"\nca_file = \"/no/such/file\"", "telemetry.ca_file"),
        ("otlp_ulr = \"http://127.0.0.1:4318\"", "telemetry.otlp_ulr"),
    ] {
        std::fs::write(&config, format!("[telemetry]\n{written}\n")).expect("written");
        let checked =
            program().arg("--config").arg(&config).args(["config", "check"]).output().expect("runs");
        assert_eq!(checked.status.code(), Some(2));
        let said = String::from_utf8_lossy(&checked.stderr) + String::from_utf8_lossy(&checked.stdout);
        assert!(said.contains(problem), "{said}");
    }
}
