//! What stands before each system: the operator's commands as real processes, beside partners with real sockets.

use crate::support::{SIDES, Setup, TestApp};
use league_gateway::gate::{Health, Sign};
use league_sandbox::{Credentials, Fault, FaultKind, Identity, Operation};
use serde_json::Value;
use std::process::{Command, Output};

/// Runs a command of the operator's on the test's own gateway: exit code, standard output as JSON lines, all that was
/// said to people.
async fn cli(test: &TestApp, arguments: &[&str]) -> (i32, Vec<Value>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_league-gateway"));
    command.env_clear().env("USER", "wang").args(["--lang", "en", "--json"]);
    for path in test.config_files() {
        command.arg("--config").arg(path);
    }
    command.arg("systems").args(arguments);
    let done = tokio::task::spawn_blocking(move || command.output());
    let Output { status, stdout, stderr } = done.await.expect("it ends").expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = text(&stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (status.code().expect("no signal"), lines, text(&stdout) + &text(&stderr))
}

/// The line of `systems list`.
async fn listed(test: &TestApp, system: &str) -> Value {
    let (code, lines, said) = cli(test, &["list"]).await;
    assert_eq!((code, lines.len()), (0, 3), "{said}");
    lines.into_iter().find(|line| line["system"] == system).expect("its line")
}

/// Changes what is remembered of a system's health.
async fn remember(test: &TestApp, system: &str, change: impl FnOnce(&mut Health)) {
    let system = &test.partner(system).system;
    let mut tx = test.app.store.write("test").await.expect("it begins");
    let mut row = tx.system(system).await.expect("its row");
    change(&mut row.health);
    tx.save_system(system, &row).await.expect("it is written");
    tx.commit().await.expect("it commits");
}

/// Opens a system's breaker, as ten failures in a row would.
async fn break_open(test: &TestApp, system: &str) {
    let (now, limits) = (test.app.clock.now(), test.partner(system).limits.clone());
    let again = |_| now + jiff::SignedDuration::from_mins(5);
    remember(test, system, |health| {
        for _ in 0..limits.breaker_failures {
            health.note(Sign::Failed, now, &limits, again);
        }
    })
    .await;
}

#[tokio::test]
async fn a_pause_has_an_author_a_reason_and_perhaps_an_end() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let ready = listed(&test, "fujian").await;
    assert_eq!(
        (&ready["state"], &ready["backlog"], &ready["by"]),
        (&"ready".into(), &0.into(), &Value::Null)
    );

    let (code, _, said) = cli(&test, &["pause", "fujian", "--reason", "对账", "--for", "2h"]).await;
    assert_eq!(code, 0, "{said}");
    test.submit(&SIDES[2].document("WAITS", 1)).await;
    let paused = listed(&test, "fujian").await;
    let shown = ["state", "reason", "by", "backlog"].map(|key| paused[key].clone());
    assert_eq!(shown, [Value::from("paused"), "对账".into(), "wang".into(), 1.into()]);
    let until: jiff::Timestamp = paused["until"].as_str().expect("an end").parse().expect("a time");
    let left = until.duration_since(test.app.clock.now());
    assert!(left.as_mins() <= 120 && left.as_mins() > 60, "{left}");
    assert!(paused["oldest_due"].is_string(), "{paused}");

    let by = ["pause", "fujian", "--reason", "x", "--by", "李", "--until", "2999-10-01 06:00"];
    assert_eq!(cli(&test, &by).await.0, 0);
    let paused = listed(&test, "fujian").await;
    assert_eq!((&paused["by"], &paused["until"]), (&"李".into(), &"2999-09-30T22:00:00Z".into()));
    for wrong in [
        ["pause", "fujian", "--reason", "x", "--until", "2020-01-01 00:00"].as_slice(),
        &["pause", "fujian", "--reason", "x", "--until", "soon"],
        &["pause", "fujian", "--reason", "x", "--for", "2 hours"],
        &["pause", "fujian", "--reason", "x", "--for", "2h", "--until", "2999-10-01 06:00"],
        &["pause", "fujian"],
        &["resume", "fujian"],
        &["pause", "fujian", "--reason", "x", "--by", " "],
        &["pause", "fujian", "--reason", "x", "--by", "\u{1b}[2J"],
    ] {
        assert_eq!(cli(&test, wrong).await.0, 2, "{wrong:?}");
    }
    assert_eq!(cli(&test, &["pause", "hunan", "--reason", "x"]).await.0, 3);

    let (code, _, said) = cli(&test, &["resume", "fujian", "--reason", "检修完毕"]).await;
    assert!(code == 0 && said.contains("resumed (x)"), "{said}");
    assert_eq!(listed(&test, "fujian").await["state"], "ready");
    let (_, _, said) = cli(&test, &["resume", "fujian", "--reason", "检修完毕"]).await;
    assert!(said.contains("running already"), "{said}");
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn a_probe_is_harmless_and_closes_the_breaker_of_a_system_that_answers() {
    let test = Setup::by_hand().on_the_wall().start().await;
    for side in &SIDES {
        break_open(&test, side.system).await;
        let open = listed(&test, side.system).await;
        assert_eq!((&open["state"], &open["failures"]), (&"breaker".into(), &10.into()));
        assert!(open["until"].is_string(), "{open}");
        let (code, lines, said) = cli(&test, &["probe", side.system]).await;
        assert_eq!(code, 0, "{said}");
        assert_eq!((&lines[0]["outcome"], &lines[0]["breaker"]), (&"answered".into(), &"closed".into()));
        let closed = listed(&test, side.system).await;
        assert_eq!((&closed["state"], &closed["failures"]), (&"ready".into(), &0.into()));
    }
    assert_eq!(test.count("transfers").await + test.count("attempts").await, 0);
    let report = test.finish().await;
    assert!(report.transfers.iter().all(|line| line.submits == 0), "{:?}", report.transfers);
}

#[tokio::test]
async fn a_probe_that_fails_is_said_and_remembered_and_resume_forgets() {
    let fault = Fault {
        kind: Some(FaultKind::Status500),
        operation: Some(Operation::Query),
        ..SIDES[1].fault(FaultKind::Status500, 9)
    };
    let test = Setup::by_hand().on_the_wall().faults(vec![fault]).start().await;
    let (code, lines, said) = cli(&test, &["probe", "guangdong"]).await;
    assert_eq!(
        (code, &lines[0]["outcome"], &lines[0]["breaker"]),
        (1, &"unclear".into(), &Value::Null),
        "{said}"
    );
    assert_eq!(listed(&test, "guangdong").await["failures"], 1, "one of ten");
    break_open(&test, "guangdong").await;
    assert_eq!(cli(&test, &["probe", "guangdong"]).await.0, 1);
    assert_eq!(listed(&test, "guangdong").await["state"], "breaker");

    let now = test.app.clock.now();
    let (until, limits) =
        (now + jiff::SignedDuration::from_mins(5), test.partner("guangdong").limits.clone());
    remember(&test, "guangdong", |health| health.begin_probe(now, until, &limits)).await;
    let (code, _, said) = cli(&test, &["probe", "guangdong"]).await;
    assert!(code == 4 && said.contains("a probe is under way"), "{said}");

    let (code, _, said) = cli(&test, &["resume", "guangdong", "--reason", "检修完毕"]).await;
    assert!(code == 0 && said.contains("resumed (probing)"), "{said}");
    assert_eq!(listed(&test, "guangdong").await["state"], "ready");
    test.finish().await;
}

#[tokio::test]
async fn a_probe_tells_refused_credentials_from_clocks_too_far_apart() {
    let stranger =
        Credentials { guangdong: Identity::new("BJGQT", "another secret"), ..Credentials::default() };
    let test = Setup::by_hand().on_the_wall().credentials(stranger).start().await;
    let (code, lines, said) = cli(&test, &["probe", "guangdong"]).await;
    assert_eq!(
        (code, &lines[0]["outcome"], &lines[0]["code"]),
        (1, &"blocked".into(), &"3001".into()),
        "{said}"
    );
    assert_eq!(listed(&test, "guangdong").await["state"], "suspended");
    test.finish_with_breaches().await;

    // The partners' clock stands on a morning; the other process goes by the machine's.
    let test = Setup::by_hand().start().await;
    let (code, lines, said) = cli(&test, &["probe", "fujian"]).await;
    assert_eq!((code, &lines[0]["breaker"]), (1, &"opened".into()), "{said}");
    assert_eq!(listed(&test, "fujian").await["state"], "clock_skew");
    test.finish_with_breaches().await;
}

#[tokio::test]
async fn maintenance_is_listed_with_its_end_and_paused_systems_stay_so() {
    let config = "[systems.guangdong]\nmaintenance = [\"2020-01-01 00:00-2999-01-01 00:00\"]\n";
    let test = Setup::by_hand().on_the_wall().config(config).start().await;
    let closed = listed(&test, "guangdong").await;
    assert_eq!((&closed["state"], &closed["until"]), (&"maintenance".into(), &"2998-12-31T16:00:00Z".into()));
    let (_, _, said) = cli(&test, &["resume", "guangdong", "--reason", "检修完毕"]).await;
    assert!(said.contains("maintenance is the configuration's"), "{said}");
    test.finish().await;
}
