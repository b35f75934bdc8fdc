//! The commands by which operators keep a gateway: backup and restore, erasure, keys; as processes of their own.

use crate::support::{SIDES, SMART_LEAGUE_SECRET, Setup, TestApp, document, person, program, smart_league};
use jiff::SignedDuration;
use league_gateway::operator::Act;
use league_gateway::rotation::Rotation;
use league_gateway::seal::Sealer;
use league_gateway::store::{Author, Walk};
use league_sandbox::{Rule, Step};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs the program on a test's database, or on another one.
async fn run(test: &TestApp, database: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = program();
    for file in test.config_files() {
        command.arg("--config").arg(file);
    }
    command.args(arguments);
    if let Some(url) = database {
        command.env("LEAGUE_GATEWAY__DATABASE__URL", url);
    }
    tokio::task::spawn_blocking(move || command.output().expect("runs")).await.expect("it ends")
}

fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn refused(output: &Output, code: i32, word: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(word), "{said}");
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What an acknowledged transfer stands in is not written into a file that nobody will find, nor emptied by a look.
#[tokio::test]
async fn a_database_file_that_is_moved_away_takes_no_writes_until_it_is_back() {
    let test = Setup::by_hand().start().await;
    test.submit(&document("BJ-1", 1, "320000", "共青团南京大学委员会")).await;
    let now = test.app.clock.now();
    let mut presence = test.app.store.appear("a/1".into(), "a", now).await.expect("it appears");
    let (file, away) = (test.file(), test.file().with_file_name("away.db"));
    std::fs::rename(&file, &away).expect("it is moved");
    let error = presence.beat(&test.app.store, now).await.expect_err("it is gone");
    assert!(error.to_string().contains("put it back"), "{error}");
    let ready = test.client.get("/readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (503, "not ready: the database takes no writes\n"));
    let document = document("BJ-2", 2, "320000", "共青团南京大学委员会");
    assert_eq!(test.client.post("/v1/transfers", &document).await.status, 500);
    refused(&run(&test, None, &["outbox", "list"]).await, 2, "there is no database at");
    assert!(!exists(&file), "a look makes nothing");
    std::fs::rename(&away, &file).expect("it is put back");
    presence.beat(&test.app.store, now).await.expect("it is there");
    assert_eq!(test.client.post("/v1/transfers", &document).await.status, 201);
    assert_eq!(test.get("BJ-1").await["state"], "queued");
    test.run_until_idle().await;
    test.finish().await;
}

/// What waits in the intake table is clear text.
#[tokio::test]
async fn a_new_database_is_its_owners_alone() {
    let test = Setup::by_hand().start().await;
    let file = test.file().with_file_name("new.db");
    let url = format!("sqlite://{}", file.display());
    done(&run(&test, Some(&url), &["db", "migrate"]).await);
    assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    test.finish().await;
}

/// Beside a daemon that runs, and into a database that is not there yet.
#[tokio::test]
async fn a_backup_is_made_beside_the_daemon_and_restored_into_an_empty_database() {
    let test = Setup::daemon().start().await;
    test.submit(&document("BJ-1", 1, "320000", "共青团南京大学委员会")).await;
    test.wait_for_state("BJ-1", "completed").await;
    let file = test.file().with_file_name("backup.db");
    let name = file.display().to_string();
    let said = done(&run(&test, None, &["db", "backup", &name]).await);
    assert!(said.contains("1  transfers") && said.contains("found sound"), "{said}");
    refused(&run(&test, None, &["db", "backup", &name]).await, 4, "not written over");
    refused(&run(&test, None, &["db", "restore", &name]).await, 4, "another daemon runs");
    let other = format!("sqlite://{}", test.file().with_file_name("other.db").display());
    refused(&run(&test, Some(&other), &["db", "backup", "x.db"]).await, 2, "db migrate");
    refused(&run(&test, Some(&other), &["db", "restore", "no-such-file"]).await, 3, "no-such-file");
    let said = done(&run(&test, Some(&other), &["--json", "db", "restore", &name]).await);
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&report["doubtful"], &report["open"]), (&0.into(), &0.into()), "{report}");
    let said = done(&run(&test, Some(&other), &["outbox", "show", "BJ-1"]).await);
    assert!(said.contains("completed") && !said.contains(&person(1).name), "{said}");
    let said = done(&run(&test, Some(&other), &["audit", "list"]).await);
    assert!(said.contains("restore") && said.contains("database"), "{said}");
    done(&run(&test, Some(&other), &["audit", "verify"]).await);
    refused(&run(&test, Some(&other), &["db", "restore", &name]).await, 4, "not empty");
    assert!(!exists(Path::new("x.db")));
    test.finish().await;
}

/// One of each side that has ended and one that has not; an event of nobody, and a refused row.
async fn filled(setup: Setup) -> TestApp {
    let waits = Rule { request_id: Some("OPEN*".into()), steps: vec![Step::None], ..Rule::default() };
    let test = setup.rules(vec![waits]).start().await;
    for (n, side) in SIDES.iter().enumerate() {
        test.submit(&side.document(&format!("DONE-{}", side.system), n)).await;
        test.submit(&side.document(&format!("OPEN-{}", side.system), 10 + n)).await;
    }
    test.run_until_idle().await;
    event(&test, "EV-NOBODY", "NOBODY").await;
    test.database.execute("INSERT INTO intake (request_id, payload) VALUES ('BAD', '{}')").await;
    assert_eq!(test.app.intake.drain_table(10).await.expect("it is read"), 1);
    let now = test.app.clock.now().as_millisecond();
    for (state, ended) in [("done", now.to_string()), ("paused", "NULL".to_owned())] {
        let act = format!(
            "INSERT INTO bulk_acts (act, filter, reason, author, origin, rate, state, done, refused, created_at, ended_at) \
             VALUES ('hold', '{{\"organization\":\"某人\"}}', '某人来电', 'user:a', 'cli', 20, '{state}', 3, 1, {now}, {ended})"
        );
        test.database.execute(&act).await;
    }
    test
}

/// An event of the national system.
async fn event(test: &TestApp, event_id: &str, request_id: &str) {
    let nonce = format!("{:032x}", event_id.len());
    let body = json!({"eventId": event_id, "eventType": "TRANSFER_APPROVED", "requestId": request_id, "transferNo": "T-1",
        "occurredAt": 1_782_869_400_000_i64, "data": {}});
    let body = body.to_string().into_bytes();
    let now = test.app.clock.now();
    let headers = smart_league(SMART_LEAGUE_SECRET, now, &nonce, &body);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = test.client.send("POST", "/callbacks/smart-league", &headers, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn personal_data_is_erased_after_its_time(setup: Setup) {
    let test = filled(setup).await;
    let mut upkeep = test.app.upkeep();
    let year = SignedDuration::from_hours(365 * 24);
    test.app.clock.advance(year);
    upkeep.look(test.app.clock.now()).await.expect("it looks");
    assert_eq!(test.count("documents").await, 6, "not yet");
    assert_eq!(test.count("audit").await, 0, "nothing was done");
    test.app.clock.advance(year);
    let old = test.app.retention().count(test.app.clock.now()).await.expect("it counts");
    assert_eq!((old.transfers, old.events, old.refused_rows, old.bulk_acts), (0, 0, 0, 0), "to the second");
    test.app.clock.advance(SignedDuration::from_secs(60));
    let now = test.app.clock.now();
    let old = test.app.retention().count(now).await.expect("it counts");
    assert_eq!((old.transfers, old.events, old.refused_rows, old.bulk_acts), (3, 1, 1, 1));
    let mut next_day = test.app.upkeep();
    next_day.look(now).await.expect("it looks");

    assert_eq!(test.count("documents").await, 3, "what is open keeps its own");
    assert_eq!(test.count("callbacks WHERE verdict = 'unmatched'").await, 0);
    assert_eq!(test.count("intake_refused").await, 0);
    assert_eq!(test.count("bulk_acts WHERE reason = '' AND filter = '{}' AND done = 3").await, 1);
    assert_eq!(test.count("bulk_acts WHERE reason = '某人来电'").await, 1, "what has not ended goes on");
    let left =
        "FROM attempts WHERE (length(request_sealed) > 0 OR length(response_sealed) > 0) AND transfer_id";
    let of = |what: &str| {
        format!("SELECT COUNT(*) {left} IN (SELECT id FROM transfers WHERE request_id LIKE '{what}%')")
    };
    assert_eq!(test.database.number(&of("DONE")).await, 0);
    assert!(test.database.number(&of("OPEN")).await > 0);
    assert_eq!(test.count("callbacks WHERE request_id LIKE 'DONE%' AND length(raw_sealed) > 0").await, 0);
    assert!(test.count("callbacks WHERE request_id LIKE 'DONE%'").await > 0, "that they came stays known");
    for (n, side) in SIDES.iter().enumerate() {
        let (ended, open) = (format!("DONE-{}", side.system), format!("OPEN-{}", side.system));
        let shown = test.get(&ended).await;
        assert_eq!((&shown["state"], &shown["erased"]), (&json!("completed"), &json!(true)));
        assert_eq!(shown["member"], json!({"name": "", "id_number": "", "phone": ""}));
        assert!(shown["milestones"]["completed_at"].is_string() && shown["attempts"] == 1, "{shown}");
        assert!(test.states(&ended).await.contains(&"completed".to_owned()), "its timeline stays");
        let shown = test.get(&open).await;
        assert_eq!((&shown["erased"], &shown["member"]["phone"]), (&json!(false), &json!("139********")));
        // The same once more is known, and so is another under its name.
        let again = side.document(&ended, n);
        assert_eq!(test.client.post("/v1/transfers", &again).await.status, 200);
        let other = side.document(&ended, 30 + n);
        test.client.post("/v1/transfers", &other).await.problem(409, "request_id_conflict");
        let author = Author { name: "user:test".into(), origin: "test".into() };
        let id = test.stored(&ended).await.entry.request_id;
        let refused = test.app.operator().act(&id, Act::Retry, "why", &author).await.expect_err("it is over");
        assert!(refused.to_string().contains("refused"), "{refused}");
    }
    // A late word about it is kept out of what is final, and stops nothing.
    event(&test, "EV-LATE", "DONE-smart_league").await;
    let late = "callbacks WHERE event_id = 'EV-LATE'";
    assert_eq!(
        (
            test.count(late).await,
            test.count("callbacks WHERE length(raw_sealed) > 0 AND event_id = 'EV-LATE'").await
        ),
        (1, 0)
    );
    // Whoever was moved may move again.
    test.submit(&SIDES[0].document("AGAIN", 0)).await;
    let rows = test.count("audit").await;
    assert_eq!(rows, 1, "one step was enough");
    next_day.look(now).await.expect("it looks");
    assert_eq!(test.count("audit").await, rows, "once a day");
    let audit = test.app.store.verify_audit(&test.app.sealer).await.expect("it can be read");
    assert_eq!(audit.broken, None);
    test.finish().await;
}

#[tokio::test]
async fn personal_data_is_erased_on_sqlite() {
    personal_data_is_erased_after_its_time(Setup::by_hand()).await;
}

#[tokio::test]
async fn personal_data_is_erased_on_postgres() {
    personal_data_is_erased_after_its_time(Setup::by_hand().on_postgres()).await;
}

#[tokio::test]
async fn prune_says_what_it_would_do_and_does_it_beside_the_daemon() {
    let test = Setup::daemon().start().await;
    test.submit(&document("BJ-1", 1, "320000", "共青团南京大学委员会")).await;
    test.wait_for_state("BJ-1", "completed").await;
    let said = done(&run(&test, None, &["db", "prune", "--reason", "按期清除"]).await);
    assert!(said.contains(": 0 transfers"), "younger than the retention: {said}");
    let arguments = ["--json", "db", "prune", "--older-than", "1ms", "--dry-run"];
    let said: serde_json::Value =
        serde_json::from_str(&done(&run(&test, None, &arguments).await)).expect("JSON");
    assert_eq!((&said["transfers"], &said["dry_run"]), (&json!(1), &json!(true)), "{said}");
    assert_eq!(test.count("documents").await, 1, "nothing was changed");
    let said = done(&run(&test, None, &["db", "prune", "--older-than", "1ms", "--reason", "按期清除"]).await);
    assert!(said.contains(": 1 transfers"), "{said}");
    let said = done(&run(&test, None, &["outbox", "show", "BJ-1"]).await);
    assert!(said.contains("was erased") && said.contains("completed"), "{said}");
    let said = done(&run(&test, None, &["audit", "list"]).await);
    assert!(said.contains("prune") && said.contains("按期清除"), "{said}");
    refused(&run(&test, None, &["db", "prune"]).await, 2, "--reason");
    refused(&run(&test, None, &["db", "prune", "--older-than", "soon", "--dry-run"]).await, 2, "30m");
    test.finish().await;
}

const OLD_KEY: &str = "k1:dGVzdC1rZXktdGVzdC1rZXktdGVzdC1rZXktdGVzdCE=";
const NEW_KEY: &str = "k2:b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q=";

/// How many sealed values are under a key.
async fn under(rotation: &Rotation, key: &str) -> u64 {
    let (mut count, mut next) = (0, Some(Walk::default()));
    while let Some(walk) = next {
        let seen = rotation.look(walk).await.expect("it looks");
        count += seen.found.get(key).copied().unwrap_or_default();
        next = seen.next;
    }
    count
}

async fn everything_is_sealed_anew(setup: Setup) {
    let test = filled(setup).await;
    let rotation = test.app.rotation();
    let all = under(&rotation, "k1").await;
    assert!(all > 20, "documents, exchanges, events, a refused row: {all}");
    let keys = format!("[privacy]\nkeys = [\"{NEW_KEY}\", \"{OLD_KEY}\"]\n");
    let test = test.restart(&keys).await;
    // The first step of a run that is stopped then.
    let rotation = test.app.rotation();
    let first = rotation.step(Walk::default()).await.expect("a step");
    assert_eq!(first.resealed, 6, "the documents");
    assert_eq!((under(&rotation, "k1").await, under(&rotation, "k2").await), (all - 6, 6));
    // The daemon that leads does what is left over.
    let mut upkeep = test.app.upkeep();
    for _ in 0..2 {
        upkeep.look(test.app.clock.now()).await.expect("it looks");
    }
    assert_eq!((under(&rotation, "k1").await, under(&rotation, "k2").await), (0, all));
    let again = rotation.step(Walk::default()).await.expect("a step");
    assert_eq!((again.resealed, again.damaged), (0, 0), "what is done is passed over");
    // The old key may go: everything opens, and what is open goes on.
    let test = test.restart(&format!("[privacy]\nkeys = [\"{NEW_KEY}\"]\n")).await;
    for side in &SIDES {
        let stored = test.stored(&format!("OPEN-{}", side.system)).await;
        let opened = test.app.sealer.open_transfer(&stored.entry.request_id, &stored.document_sealed);
        assert_eq!(opened.expect("it opens").request_id, stored.entry.request_id);
        let done = format!("DONE-{}", side.system);
        for attempt in test.attempts(&done).await {
            for (context, sealed) in
                [("request", attempt.request_sealed), ("response", attempt.response_sealed)]
            {
                test.app.sealer.open(context, &done, &sealed.expect("it is kept")).expect("it opens");
            }
        }
        for row in test.callbacks(side.system, &done).await {
            test.app.sealer.open("event", &row.event_id, &row.event_sealed).expect("it opens");
        }
    }
    let refused: Vec<Vec<u8>> = test.database.column("SELECT payload_sealed FROM intake_refused").await;
    assert_eq!(
        test.app.sealer.open("intake_refused", "BAD", &refused[0]).expect("it opens").as_slice(),
        b"{}"
    );
    // Events that waited are applied from what was sealed anew.
    test.submit(&SIDES[0].document("NOBODY", 20)).await;
    test.later(7 * 3600).await;
    assert_eq!(test.get("NOBODY").await["state"], "completed");
    test.finish().await;
}

#[tokio::test]
async fn everything_is_sealed_anew_on_sqlite() {
    everything_is_sealed_anew(Setup::by_hand()).await;
}

#[tokio::test]
async fn everything_is_sealed_anew_on_postgres() {
    everything_is_sealed_anew(Setup::by_hand().on_postgres()).await;
}

/// What somebody wrote between the look and the write is theirs.
#[tokio::test]
async fn a_value_that_changed_meanwhile_is_not_written_over() {
    for setup in [Setup::by_hand(), Setup::by_hand().on_postgres()] {
        let test = setup.start().await;
        test.submit(&SIDES[0].document("BJ-1", 1)).await;
        let walk = Walk::default();
        let mut tx = test.app.store.write("test").await.expect("it begins");
        let mut values = tx.sealed_values(walk, &[1]).await.expect("it is read");
        values[0].sealed.push(0);
        let stale = values.remove(0);
        let put = tx.reseal(walk, &[(stale, b"other".to_vec())]).await.expect("it is tried");
        assert_eq!(put, 0);
        drop(tx);
        test.run_until_idle().await;
        assert_eq!(test.get("BJ-1").await["state"], "completed");
        test.finish().await;
    }
}

/// However few values there are.
#[tokio::test]
async fn a_key_that_is_missing_is_an_alarm_until_it_is_back() {
    let test = Setup::by_hand().start().await;
    test.submit(&document("BJ-1", 1, "320000", "共青团南京大学委员会")).await;
    let open = async |test: &TestApp| {
        let mut upkeep = test.app.upkeep();
        for _ in 0..10 {
            upkeep.look(test.app.clock.now()).await.expect("it looks");
        }
        let alarms = test.app.store.read("test").await.expect("it begins").alarms(true, 10).await;
        alarms.expect("they are read").into_iter().map(|alarm| alarm.kind).collect::<Vec<_>>()
    };
    assert!(open(&test).await.is_empty());
    let test = test.restart(&format!("[privacy]\nkeys = [\"{NEW_KEY}\"]\n")).await;
    assert_eq!(open(&test).await, ["keys"]);
    let test = test.restart(&format!("[privacy]\nkeys = [\"{NEW_KEY}\", \"{OLD_KEY}\"]\n")).await;
    assert!(open(&test).await.is_empty());
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn keys_are_counted_and_rotated_beside_the_daemon() {
    let test = Setup::daemon().start().await;
    test.submit(&document("BJ-1", 1, "320000", "共青团南京大学委员会")).await;
    test.wait_for_state("BJ-1", "completed").await;
    let with = async |keys: &str, arguments: &[&str]| {
        let more = test.config_files()[1].clone();
        std::fs::write(more, format!("[privacy]\nkeys = [{keys}]\n")).expect("it is written");
        run(&test, None, arguments).await
    };
    let both = format!("\"{NEW_KEY}\", \"{OLD_KEY}\"");
    let said = done(&with(&both, &["keys", "status"]).await);
    assert!(said.contains("k1") && said.contains("keys rotate"), "{said}");
    let new = format!("\"{NEW_KEY}\"");
    refused(&with(&new, &["keys", "status"]).await, 1, "not among privacy.keys");
    let said: serde_json::Value =
        serde_json::from_str(&done(&with(&both, &["--json", "keys", "rotate"]).await)).expect("JSON");
    assert!(said["resealed"].as_u64().is_some_and(|count| count > 4), "{said}");
    let said = done(&with(&both, &["keys", "status"]).await);
    assert!(said.contains("may be taken out"), "{said}");
    done(&with(&new, &["keys", "status"]).await);
    let said = done(&with(&new, &["audit", "list", "--subject", "key:k2"]).await);
    assert!(said.contains("begun") && said.contains("ended"), "{said}");
    assert_eq!(Sealer::key_of(b"\x02k2rest"), Some("k2"));
    test.finish().await;
}
