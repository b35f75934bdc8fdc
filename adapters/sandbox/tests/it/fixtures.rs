//! Every request that the adapters are recorded to send is right in the partners' eyes.

use crate::support::{send, world};
use jiff::Timestamp;
use league_sandbox::{Credentials, Identity};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The identities that the cases were made with.
fn credentials() -> Credentials {
    let config: toml::Table =
        std::fs::read_to_string(root().join("config.toml")).expect("a file").parse().expect("TOML");
    let identity = |system: &str| {
        let of = &config[system];
        let list = of["secrets"].as_array().expect("a list").iter();
        let secrets = list.map(|secret| secret.as_str().expect("a text").to_owned()).collect();
        Identity { id: of["identity"].as_str().expect("a text").to_owned(), secrets }
    };
    let [smart_league, guangdong, fujian] = ["smart_league", "guangdong", "fujian"].map(identity);
    Credentials { smart_league, guangdong, fujian }
}

/// Sends one recorded request at its own time. What the sandbox finds wrong with it.
async fn judge(system: &str, case: &Path) -> Vec<String> {
    let description: toml::Table =
        std::fs::read_to_string(case.join("case.toml")).expect("a file").parse().expect("TOML");
    let Ok(request) = std::fs::read_to_string(case.join("request.http")) else { return Vec::new() };
    let now: Timestamp = description["now"].as_str().expect("a text").parse().expect("a time");
    let world = world(|config| config.credentials = credentials()).await;
    world.clock.store(now.as_millisecond(), Ordering::SeqCst);
    let (head, body) = request.split_once("\n\n").expect("a head");
    let mut lines = head.lines();
    let start: Vec<_> = lines.next().expect("a start").split(' ').collect();
    let headers = lines.map(|line| line.split_once(": ").expect("a header"));
    let headers = headers.map(|(name, value)| (name, value.to_owned())).collect();
    let urls = world.sandbox.urls();
    let base = match system {
        "smart-league" => urls.smart_league,
        "guangdong" => urls.guangdong,
        _ => urls.fujian,
    };
    send(&base, start[0], start[1], headers, body.as_bytes()).await.expect("answered");
    world.violations()
}

#[tokio::test]
async fn recorded_requests_break_no_rule() {
    let (mut count, mut wrong) = (0, Vec::new());
    for system in ["smart-league", "guangdong", "fujian"] {
        for entry in std::fs::read_dir(root().join(system)).expect("a folder") {
            let case = entry.expect("an entry").path();
            let found = judge(system, &case).await;
            wrong.extend(found.into_iter().map(|what| format!("{}: {what}", case.display())));
            count += 1;
        }
    }
    assert!(count > 0 && wrong.is_empty(), "{wrong:#?}");
}
