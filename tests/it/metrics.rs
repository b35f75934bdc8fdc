//! What is measured, told, alerted on and drawn: one list of names for all four.

use crate::support::proxy::{Mood, Proxy};
use crate::support::{Client, Database, SIDES, address, base_config, in_time, program, signal};
use league_gateway::telemetry::{self, METRICS};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of our metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let found = text.match_indices("league_gateway_").map(|(at, _)| {
        let name: String = text[at..].chars().take_while(|c| part(*c)).collect();
        // A histogram's series have endings of their own.
        ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(&name)
            .to_owned()
    });
    found.collect()
}

fn known() -> BTreeSet<String> {
    METRICS.iter().map(|(name, _, _)| (*name).to_owned()).collect()
}

fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn what_is_counted_is_in_the_list_and_nothing_else() {
    let mut text = String::new();
    sources(&repository().join("src"), &mut text);
    let used = text
        .match_indices("!(\"league_gateway_")
        .map(|(at, _)| text[at + 3..].split('"').next().unwrap_or_default().to_owned());
    assert_eq!(used.collect::<BTreeSet<_>>(), known());
    // Prometheus's conventions: a counter says that it is a total, a time its unit.
    for (name, kind, help) in METRICS {
        assert_eq!(*kind == telemetry::Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(!help.is_empty() && !help.ends_with('.'), "{name}");
    }
}

#[test]
fn operators_are_told_of_every_metric() {
    let told: BTreeSet<String> = names(&read("docs/OPERATIONS.md"));
    assert_eq!(told, known());
}

#[test]
fn rules_and_dashboard_ask_for_what_there_is() {
    let known = known();
    for file in [
        "packaging/prometheus/league-gateway.rules.yml",
        "packaging/prometheus/league-gateway.rules.test.yml",
        "packaging/grafana/league-gateway.json",
    ] {
        let asked = names(&read(file));
        assert!(asked.len() > 5, "{file}");
        let unknown: Vec<_> = asked.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}");
    }
    let drawn = names(&read("packaging/grafana/league-gateway.json"));
    let missing: Vec<_> = known.difference(&drawn).collect();
    assert!(missing.is_empty(), "the dashboard shows no {missing:?}");
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("packaging/grafana/league-gateway.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().filter_map(|panel| panel["id"].as_i64()).collect();
    assert_eq!(ids.len(), panels.len(), "each has a number of its own");
}

/// In a process of its own: there is one recorder a process.
#[tokio::test]
async fn what_prometheus_reads_has_types_and_help_and_names_nobody() {
    let text = scrape().await;
    for (name, kind, help) in
        METRICS.iter().filter(|(name, _, _)| name.contains("build_info") || name.contains("leads"))
    {
        assert!(text.contains(&format!("# HELP {name} {help}")), "{name}: {text}");
        assert!(
            text.contains(&format!("# TYPE {name} {}", format!("{kind:?}").to_lowercase())),
            "{name}: {text}"
        );
    }
    for line in ["process_resident_memory_bytes", "process_start_time_seconds", "league_gateway_leads 1"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let routes: BTreeSet<_> =
        text.lines().filter_map(|line| line.split("route=\"").nth(1)?.split('"').next()).collect();
    assert!(routes.contains("other") && routes.contains("/v1/transfers/{request_id}"), "{routes:?}");
    assert!(!text.contains("NOBODY-KNOWS"), "a route is named, not what was asked for: {text}");
}

/// A database that is silent: whoever asks is told in time, and what whoever leads tells is not told any more.
#[tokio::test]
async fn a_daemon_that_is_cut_off_says_so_soon() {
    let database = Database::postgres().await;
    let options: sqlx::postgres::PgConnectOptions = database.url.parse().expect("a URL");
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let proxy = Proxy::to(server.clone()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gateway.toml");
    let url = database.url.replace(&server, &proxy.address.to_string());
    std::fs::write(&config, base_config(&nowhere(), &url)).expect("written");
    let document = folder.path().join("one.json");
    std::fs::write(&document, SIDES[0].document("A", 1).to_string()).expect("written");
    let run = async |arguments: &[&str]| {
        let mut command = program();
        command.arg("--config").arg(&config).args(arguments);
        let done = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends");
        let done = done.expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["db", "migrate"]).await;
    run(&["systems", "pause", "smart_league", "--reason", "核对"]).await;
    run(&["enqueue", &document.display().to_string()]).await;
    let mut command = program();
    command.arg("--config").arg(&config).arg("run");
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut daemon = command.spawn().expect("it starts");
    let stdout = daemon.stdout.take().expect("piped");
    let url = tokio::task::spawn_blocking(move || address(stdout)).await.expect("it ends");
    let client = Client::new(url.expect("it listens"), "");
    // A connection to the database would be waited for three times as long.
    let soon = async |path: &'static str| {
        let asked = tokio::time::timeout(Duration::from_secs(10), client.get(path));
        asked.await.unwrap_or_else(|_| panic!("{path} takes too long"))
    };
    let shows = async |line: &str| {
        let looking = async { while !soon("/metrics").await.text().contains(line) {} };
        in_time(line, looking).await;
    };
    shows("league_gateway_backlog{system=\"smart_league\"} 1").await;
    assert_eq!(soon("/readyz").await.status, 200);
    proxy.set(Mood::Silent);
    assert_eq!(soon("/readyz").await.text(), "not ready: the database does not answer\n");
    soon("/metrics").await;
    proxy.set(Mood::Gone);
    shows("league_gateway_leads 0").await;
    shows("league_gateway_backlog{system=\"smart_league\"} 0").await;
    assert_eq!(soon("/readyz").await.text(), "not ready: the database takes no writes\n");
    daemon.kill().expect("it is there");
    daemon.wait().expect("it ends");
}

fn nowhere() -> league_sandbox::Urls {
    let nowhere = "http://127.0.0.1:9".to_owned();
    league_sandbox::Urls { smart_league: nowhere.clone(), guangdong: nowhere.clone(), fujian: nowhere }
}

/// What is measured is for operators alone.
const OPERATORS: &str = "[http.operator]\nlisten = \"127.0.0.1:0\"\n";

async fn scrape() -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gateway.toml");
    let database = format!("sqlite://{}", folder.path().join("gateway.db").display());
    std::fs::write(&config, base_config(&nowhere(), &database) + OPERATORS).expect("written");
    let mut daemon = program()
        .arg("--config")
        .arg(&config)
        .arg("run")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(daemon.stdout.take().expect("piped")).lines();
    let mut url = || {
        let line = lines.next().expect("a line").expect("read");
        line.strip_prefix("listening on ").expect("an address").to_owned()
    };
    let (client, desk) = (Client::new(url(), ""), Client::new(url(), ""));
    assert_eq!(client.get("/metrics").await.status, 404);
    client.get("/v1/transfers/NOBODY-KNOWS").await;
    client.get("/no/such/route/NOBODY-KNOWS").await;
    let text = in_time("a daemon that leads", async {
        loop {
            let text = desk.get("/metrics").await.text();
            if text.contains("league_gateway_leads 1") {
                return text;
            }
        }
    })
    .await;
    signal(&daemon, "-TERM");
    assert!(daemon.wait().expect("it ends").success());
    text
}
