//! A backup is older than the partners: after a restore nobody is moved twice, and nothing is sent before it was asked about.

use crate::support::{SIDES, Setup, TestApp};
use league_gateway::store::{Author, Deed, Store};
use league_sandbox::{Rule, Step};

/// Puts the backup into the database's place, while nothing runs.
async fn restore(test: &mut TestApp, postgres: bool) {
    test.stop().await;
    if postgres {
        let name = test.database.name();
        test.database.execute(&format!("DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}")).await;
    } else {
        std::fs::rename(test.file(), test.file().with_extension("lost")).expect("it is moved");
    }
    let store = Store::connect(&test.database.url).await.expect("it opens");
    store.migrate().await.expect("the tables are made");
    let author = Author { name: "user:test".into(), origin: "cli".into() };
    let deed = Deed {
        author: &author,
        act: "restore",
        subject: "database".into(),
        reason: "",
        outcome: "",
        at: test.app.clock.now(),
    };
    store.restore(&backup(test), &test.app.sealer, deed).await.expect("it is restored");
    store.close().await;
}

fn backup(test: &TestApp) -> std::path::PathBuf {
    test.file().with_extension("backup")
}

async fn what_was_sent_since_is_not_sent_again(setup: Setup, postgres: bool) {
    let waits = Rule { request_id: Some("OPEN*".into()), steps: vec![Step::None], ..Rule::default() };
    let mut test = setup.rules(vec![waits]).start().await;
    let sides = SIDES.iter().enumerate();
    for (n, side) in sides.clone() {
        test.submit(&side.document(&format!("OPEN-{}", side.system), n)).await;
    }
    test.run_until_idle().await;
    for (n, side) in sides.clone() {
        test.submit(&side.document(&format!("SENT-{}", side.system), 10 + n)).await;
        test.submit(&side.document(&format!("HELD-{}", side.system), 20 + n)).await;
    }
    test.app.store.back_up(&backup(&test)).await.expect("it is written");
    // One of each was sent since, and one was not: its partner never heard of it.
    test.database.execute("UPDATE transfers SET held = '{\"by\":\"a\",\"reason\":\"b\",\"at\":\"2026-07-01T00:00:00Z\"}' WHERE request_id LIKE 'HELD%'").await;
    test.run_until_idle().await;
    for side in &SIDES {
        assert_eq!(test.get(&format!("SENT-{}", side.system)).await["state"], "completed");
    }
    let cursor = test.database.number("SELECT MAX(cursor) FROM events").await;

    restore(&mut test, postgres).await;
    let test = test.restart("").await;
    for side in &SIDES {
        for name in ["SENT", "HELD"] {
            assert_eq!(test.get(&format!("{name}-{}", side.system)).await["state"], "unconfirmed");
        }
    }
    test.run_until_idle().await;
    for side in &SIDES {
        let [sent, held, open] = ["SENT", "HELD", "OPEN"].map(|name| format!("{name}-{}", side.system));
        for id in [&sent, &held] {
            assert_eq!(test.get(id).await["state"], "completed", "{id}");
        }
        assert_eq!(test.get(&open).await["state"], side.waits);
        let asked = test.exchanges(&sent).await;
        assert!(asked.iter().all(|one| one.starts_with("query")), "{asked:?}");
        assert!(test.exchanges(&held).await[0].starts_with("query"), "asked before it is sent");
        for id in [&sent, &held, &open] {
            let line = test.at_partner(id).expect("they have it");
            assert_eq!((line.submits, line.effective), (1, 1), "{id}");
        }
    }
    let page = test.client.get(&format!("/v1/events?after={cursor}&limit=1000")).await.json();
    let told =
        |id: &str| page["events"].as_array().is_some_and(|all| all.iter().any(|one| one["request_id"] == id));
    assert!(told("SENT-fujian") && told("HELD-guangdong"), "upstream reads on where it was: {page}");
    test.finish().await;
}

#[tokio::test]
async fn on_sqlite() {
    what_was_sent_since_is_not_sent_again(Setup::by_hand(), false).await;
}

#[tokio::test]
async fn on_postgres() {
    what_was_sent_since_is_not_sent_again(Setup::by_hand().on_postgres(), true).await;
}
