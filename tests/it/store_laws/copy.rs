//! A whole outbox copied into another database, in all four directions.

use super::audit;
use super::backend::{Backend, Bench, Postgres, Sqlite};
use super::samples::{NATIONAL, answered, at, open_attempt, remember, sample, submit};
use crate::support::Database;
use league_gateway::store::{CallbackVerdict, CopiedTable, NewCallback, StoreError};

/// Something in every table, and numbers given out beyond those that are left.
async fn fill(bench: &Bench) {
    for number in 1..=3 {
        let id = bench.put(&sample(number)).await;
        bench
            .write(async |tx| {
                let attempt = open_attempt(tx, &submit(id, 1)).await?;
                if number > 1 {
                    tx.close_attempts(&[(attempt, &answered(2))]).await?;
                }
                let event_id = format!("E-{number}");
                tx.insert_callbacks(&[NewCallback {
                    system: &NATIONAL,
                    event_id: &event_id,
                    request_id: "BJ-1",
                    event: "approved",
                    verdict: CallbackVerdict::Applied,
                    received_at: at(1),
                    event_sealed: &[0, 255, number as u8],
                    raw_sealed: b"",
                }])
                .await
            })
            .await;
    }
    bench
        .write(async |tx| {
            for number in 0..450 {
                remember(tx, &NATIONAL, &format!("{number}-随机"), at(1)).await?;
            }
            tx.insert_token("upstream", b"hash", "view", at(1)).await?;
            audit::add(tx, 1).await?;
            tx.begin_webhook("upstream").await?;
            tx.move_feed_cursor(&NATIONAL, 0, 7).await
        })
        .await;
    for statement in [
        "INSERT INTO intake (request_id, payload) VALUES ('A', '{}'), ('B', '{\"张\": \"三\"}'), ('C', '')",
        "INSERT INTO intake_refused (request_id, problems, payload_sealed, refused_at)
            SELECT request_id, '[]', document_digest, 1 FROM transfers",
        "INSERT INTO alarms (system, kind, detail_zh, detail_en, raised_at) VALUES ('', 'k', '中', 'e', 5)",
        "INSERT INTO daemons (instance, worker, session_key, started_at, seen_at) VALUES ('i', 'w', 0, 1, 2)",
        "DELETE FROM intake",
        "INSERT INTO attempts (transfer_id, system, operation, worker, started_at) VALUES (1, 'guangdong', 'query', 'w', 1)",
        "DELETE FROM attempts WHERE operation = 'query'",
        "DELETE FROM events WHERE cursor = (SELECT MAX(cursor) FROM events)",
    ] {
        bench.execute(statement).await;
    }
}

async fn copy(from: &Bench, to: &Bench) -> Result<Vec<CopiedTable>, StoreError> {
    from.store.copy_to(&to.store, true).await
}

async fn refused(from: &Bench, to: &Bench) -> String {
    let error = copy(from, to).await.expect_err("it can't be copied");
    assert!(matches!(error, StoreError::Copy(_) | StoreError::Schema(_)), "{error:?}");
    error.to_string()
}

/// What the gateway and upstream see of it.
async fn seen(bench: &Bench) -> String {
    let look = async |tx: &mut league_gateway::store::Tx| {
        let mut seen = format!("{:?} {:?}", tx.feed(0, 1000).await?, tx.tokens().await?);
        for id in 1..=3 {
            let stored = tx.transfer_by_id(id).await?.expect("it is there");
            let attempts = tx.attempts(id).await?;
            seen += &format!("{stored:?} {:?} {:?} {attempts:?}", stored.shown, stored.document_sealed);
        }
        let callbacks = tx.callbacks_of(&NATIONAL, "BJ-1").await?;
        let webhook = tx.webhook("upstream").await?;
        Ok(format!("{seen} {callbacks:?} {:?} {webhook:?}", tx.system(&NATIONAL).await?))
    };
    let audit = bench.store.verify_audit(&audit::sealer()).await.expect("it is read");
    assert_eq!((audit.rows, &audit.broken), (1, &None));
    format!("{} {audit:?}", bench.read(look).await)
}

async fn a_copy_is_the_original<From: Backend, To: Backend>() {
    let (from, to) = (From::migrated().await, To::migrated().await);
    fill(&from).await;
    let copied = copy(&from, &to).await.expect("it is copied");
    let tables: Vec<(&str, u64)> = copied.iter().map(|one| (one.table.as_str(), one.rows)).collect();
    let expected = [
        ("alarms", 1),
        ("arrivals", 1),
        ("attempts", 3),
        ("audit", 1),
        ("audit_end", 1),
        ("bulk_acts", 0),
        ("bulk_results", 0),
        ("callbacks", 3),
        ("counts", 2),
        ("daemons", 1),
        ("documents", 3),
        ("events", 5),
        ("intake", 0),
        ("intake_refused", 3),
        ("nonces", 450),
        ("open_people", 3),
        ("people", 3),
        ("systems", 1),
        ("tokens", 1),
        ("transfers", 3),
        ("webhooks", 1),
    ];
    assert_eq!(tables, expected, "all of them");
    assert_eq!(seen(&from).await, seen(&to).await);
    assert_eq!(to.number("SELECT COUNT(*) FROM nonces WHERE nonce LIKE '%-随机'").await, 450);

    // No number comes twice: neither one that is there nor one that was.
    to.execute("INSERT INTO intake (request_id, payload) VALUES ('D', '{}')").await;
    assert_eq!(to.number("SELECT id FROM intake").await, 4);
    assert_eq!(to.put(&sample(4)).await, 4);
    assert_eq!(to.write(async |tx| open_attempt(tx, &submit(4, 3)).await).await, 5);
    assert_eq!(to.number("SELECT MIN(cursor) FROM events WHERE transfer_id = 4").await, 7);
    assert!(to.write(async |tx| tx.insert_token("another", b"other", "view", at(1)).await).await);

    let text = refused(&from, &to).await;
    assert!(text.starts_with("the target is not empty") && text.contains("db migrate"), "{text}");
}

async fn a_damaged_copy_is_caught<From: Backend, To: Backend>(trigger: &str) {
    let (from, to) = (From::migrated().await, To::migrated().await);
    fill(&from).await;
    to.execute(trigger).await;
    assert_eq!(refused(&from, &to).await, "table attempts did not arrive as it was sent: nothing was copied");
    for table in ["alarms", "transfers", "attempts", "events"] {
        assert_eq!(to.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
}

macro_rules! directions {
    ($($name:ident: $from:ty => $to:ty;)+) => {$(
        #[tokio::test]
        async fn $name() {
            a_copy_is_the_original::<$from, $to>().await;
        }
    )+};
}

directions! {
    sqlite_to_sqlite: Sqlite => Sqlite;
    sqlite_to_postgres: Sqlite => Postgres;
    postgres_to_sqlite: Postgres => Sqlite;
    postgres_to_postgres: Postgres => Postgres;
}

/// One byte of one row.
#[tokio::test]
async fn damage_on_the_way_to_postgres_is_caught() {
    let trigger = "CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.response_sealed = '\\x00'; RETURN NEW; END $$;
        CREATE TRIGGER damage BEFORE INSERT ON attempts FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION damage()";
    a_damaged_copy_is_caught::<Sqlite, Postgres>(trigger).await;
}

#[tokio::test]
async fn damage_on_the_way_to_sqlite_is_caught() {
    let trigger = "CREATE TRIGGER damage AFTER INSERT ON attempts WHEN NEW.id = 2 BEGIN
        UPDATE attempts SET response_sealed = x'00' WHERE id = 2; END";
    a_damaged_copy_is_caught::<Postgres, Sqlite>(trigger).await;
}

/// Sessions of daemons that stand still in a transaction are ended after 10 s: a copy's may.
#[tokio::test]
async fn a_source_waits_for_a_slow_target() {
    let (from, to) = (Postgres::migrated().await, Postgres::migrated().await);
    fill(&from).await;
    to.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(10.5); RETURN NEW; END'; \
         CREATE TRIGGER slow BEFORE INSERT ON attempts FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    )
    .await;
    copy(&from, &to).await.expect("it waits");
}

#[tokio::test]
async fn what_postgres_cannot_hold_is_named() {
    let (from, to) = (Sqlite::migrated().await, Postgres::migrated().await);
    fill(&from).await;
    from.execute("UPDATE attempts SET error = 'a' || char(0) WHERE id = 2").await;
    let text = refused(&from, &to).await;
    assert!(text.starts_with("table attempts, column error, row 2: "), "{text}");
    assert_eq!(to.number("SELECT COUNT(*) FROM transfers").await, 0);
}

#[tokio::test]
async fn both_schemas_must_be_this_programs() {
    let (from, to) = (Sqlite::migrated().await, Postgres::empty().await);
    let text = refused(&from, &to).await;
    assert!(text.starts_with("the target: ") && text.contains("db migrate"), "{text}");
    let text = refused(&to, &from).await;
    assert!(text.starts_with("the source: "), "{text}");
}

/// What it does during the copy would be lost.
#[tokio::test]
async fn a_daemon_at_work_is_in_the_way() {
    let (from, to) = (Sqlite::migrated().await, Sqlite::migrated().await);
    let owner = from.again().await.own().expect("nobody else is there");
    let error = copy(&from, &to).await.expect_err("it is in the way");
    assert!(matches!(error, StoreError::Owned(_)), "{error:?}");
    drop(owner);
    copy(&from, &to).await.expect("it is gone");

    let (from, to) = (Postgres::migrated().await, Sqlite::migrated().await);
    let daemon = from.again().await;
    let presence = daemon.appear("gateway-1/1".into(), "gateway-1", at(0)).await.expect("it begins");
    let text = refused(&from, &to).await;
    assert!(text.starts_with("daemons at work on it: 1."), "{text}");
    presence.leave(&daemon).await.expect("it leaves");
    copy(&from, &to).await.expect("it is gone");
}

/// The same database under two names is no target: it is not empty.
#[tokio::test]
async fn a_database_is_not_copied_into_itself() {
    let bench = Postgres::migrated().await;
    fill(&bench).await;
    let Database { url, .. } = &bench.database;
    let same = league_gateway::store::Store::connect(url).await.expect("it opens");
    let error = bench.store.copy_to(&same, true).await.expect_err("it is there");
    assert!(matches!(error, StoreError::Copy(_)), "{error:?}");
}
