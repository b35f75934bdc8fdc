//! A backup beside a daemon that works, and what becomes of it.

use super::backend::{Backend, Bench, Postgres, Sqlite};
use super::samples::{
    NATIONAL, at, claim, happen, insert, open_attempt, reported, request_id, sample, submit,
};
use crate::support::document;
use league_contract::{PartnerStatus, document::read_canonical};
use league_gateway::seal::Sealer;
use league_gateway::store::{Author, CopiedTable, Deed, NewTransfer, Restored, Store, StoreError};
use league_gateway::transfer::{Event, State};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

const KEY: &str = "k1:dGVzdC1rZXktdGVzdC1rZXktdGVzdC1rZXktdGVzdCE=";
const OTHER: &str = "k1:b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q=";
const INDEX: &str = "aW5kZXgta2V5LWluZGV4LWtleS1pbmRleC1rZXktaW4=";

fn sealer(key: &str, index: &str) -> Sealer {
    Sealer::new(&[Zeroizing::new(key.to_owned())], index).expect("keys")
}

/// Transfer `number`, with a document that opens.
fn sealed(number: i64) -> NewTransfer {
    let n = usize::try_from(number).expect("small");
    let text = document(&format!("BJ-{number}"), n, "320000", "共青团南京大学委员会");
    let transfer = read_canonical(&text).expect("valid");
    NewTransfer { person: sealer(KEY, INDEX).seal_transfer(&transfer).expect("sealed"), ..sample(number) }
}

/// One transfer a state: queued, sending with and without an exchange, unconfirmed, submitted, returned, completed.
async fn fill(bench: &Bench) {
    // The log begins under this file's keys.
    bench.execute("DELETE FROM audit_end").await;
    bench.write(async |tx| tx.begin_audit(&sealer(KEY, INDEX), false).await).await;
    for number in 1..=7 {
        bench.put(&sealed(number)).await;
    }
    bench
        .write(async |tx| {
            let leases = claim(tx, &NATIONAL, 7, 1).await?;
            for lease in leases.iter().filter(|lease| lease.entry().id != 3) {
                open_attempt(tx, &submit(lease.entry().id, 1)).await?;
            }
            for (id, event) in [
                (1, Event::Released),
                (4, Event::Lost),
                (5, reported(PartnerStatus::Pending)),
                (6, Event::DataRefused),
                (7, reported(PartnerStatus::Approved)),
            ] {
                happen(tx, id, event, 2).await?;
            }
            Ok(())
        })
        .await;
    let gone = "INSERT INTO attempts (transfer_id, system, operation, worker, started_at) VALUES (7, 'fujian', 'query', 'w', 1);
        DELETE FROM attempts WHERE operation = 'query'";
    bench.execute(gone).await;
}

async fn restore(to: &Store, file: &Path, key: &str, index: &str) -> Result<Restored, StoreError> {
    let author = Author { name: "user:a".into(), origin: "cli b".into() };
    let deed = Deed {
        author: &author,
        act: "restore",
        subject: "database".into(),
        reason: "",
        outcome: "",
        at: at(100),
    };
    to.restore(file, &sealer(key, index), deed).await
}

async fn back_up(bench: &Bench, file: &Path) -> Vec<CopiedTable> {
    bench.store.back_up(file).await.expect("it is written")
}

async fn a_backup_becomes_a_database_again<From: Backend, To: Backend>() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("50% 备份?.db");
    let (from, to) = (From::migrated().await, To::migrated().await);
    fill(&from).await;
    // As a daemon does that works on.
    let busy = from.again().await;
    let _owner = busy.own().expect("nobody else has it");
    let cursor = from.number("SELECT MAX(cursor) FROM events").await;
    let mut at_work = busy.write("at work").await.expect("it begins");
    insert(&mut at_work, &sealed(8)).await.expect("it is taken in");
    let tables = back_up(&from, &file).await;
    assert!(tables.contains(&CopiedTable { table: "transfers".into(), rows: 7 }), "{tables:?}");
    at_work.commit().await.expect("nothing was in its way");
    let mode = file.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its owner's alone");
    let names: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(names.len(), 1, "nothing beside it: {names:?}");
    let error = from.store.back_up(&file).await.expect_err("it is there").to_string();
    assert!(error.contains("not written over"), "{error}");

    let restored = restore(&to.store, &file, KEY, INDEX).await.expect("it is restored");
    assert_eq!((restored.doubtful, restored.open, restored.left), (3, 2, 1), "{restored:?}");
    for (id, state, due) in [
        (1, State::Unconfirmed, true),
        (2, State::Unconfirmed, true),
        (3, State::Unconfirmed, true),
        (4, State::Unconfirmed, true),
        (5, State::Submitted, true),
        (6, State::Returned, false),
        (7, State::Completed, false),
    ] {
        let (before, stored) = (from.stored(id).await, to.stored(id).await);
        assert_eq!(stored.entry.state, state, "{id}");
        assert_eq!(stored.entry.due_at, due.then(|| at(100)), "{id}");
        assert_eq!(stored.lease_token, None, "{id}");
        assert_eq!(stored.document_sealed, before.document_sealed, "{id}");
        assert_eq!(stored.entry.attempts, before.entry.attempts, "{id}: a doubt is no attempt");
    }
    assert_eq!(to.number("SELECT COUNT(*) FROM attempts WHERE finished_at IS NULL").await, 0);
    // No key comes twice, also not one whose exchange is gone.
    let last = from.number("SELECT MAX(id) FROM attempts").await;
    let next = to.write(async |tx| open_attempt(tx, &submit(7, 101)).await).await;
    assert_eq!(next, last + 2, "one was given out and is gone");
    // What upstream has seen since the backup must not hide what comes now.
    let first = to.read(async |tx| tx.feed(cursor, 1).await).await;
    assert!(first[0].cursor > cursor + 500_000_000, "{first:?}");
    let audit = to.store.verify_audit(&sealer(KEY, INDEX)).await.expect("it is read");
    assert_eq!((audit.rows, audit.broken), (1, None));
    let error = restore(&to.store, &file, KEY, INDEX).await.expect_err("it is not empty");
    assert!(matches!(error, StoreError::Copy(_)), "{error:?}");
}

macro_rules! directions {
    ($($name:ident: $from:ty => $to:ty;)+) => {$(
        #[tokio::test]
        async fn $name() {
            a_backup_becomes_a_database_again::<$from, $to>().await;
        }
    )+};
}

directions! {
    sqlite_to_sqlite: Sqlite => Sqlite;
    sqlite_to_postgres: Sqlite => Postgres;
    postgres_to_sqlite: Postgres => Sqlite;
    postgres_to_postgres: Postgres => Postgres;
}

#[tokio::test]
async fn a_backup_under_other_keys_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.db");
    let (from, to) = (Sqlite::migrated().await, Sqlite::migrated().await);
    fill(&from).await;
    back_up(&from, &file).await;
    let other_index = OTHER.trim_start_matches("k1:");
    for (key, index, word) in [(OTHER, INDEX, "keys"), (KEY, other_index, "index_key")] {
        let error = restore(&to.store, &file, key, index).await.expect_err("other keys").to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(to.number("SELECT COUNT(*) FROM transfers").await, 0, "nothing was changed");
    }
}

#[tokio::test]
async fn a_damaged_backup_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.db");
    let (from, to) = (Sqlite::migrated().await, Sqlite::migrated().await);
    fill(&from).await;
    back_up(&from, &file).await;
    let mut bytes = std::fs::read(&file).expect("it can be read");
    // The page of an index: rows would still be found without it.
    let page = bytes.len() / 2 / 4096 * 4096;
    bytes[page..page + 4096].fill(0);
    std::fs::write(&file, bytes).expect("it can be written");
    let error = restore(&to.store, &file, KEY, INDEX).await.expect_err("it is damaged");
    assert!(matches!(error, StoreError::Backup { .. } | StoreError::Database { .. }), "{error:?}");
    assert_eq!(to.number("SELECT COUNT(*) FROM transfers").await, 0);
    std::fs::write(
        &file,
        b"no database at all, but long enough to be read as the head of one ................",
    )
    .expect("it can be written");
    assert!(restore(&to.store, &file, KEY, INDEX).await.is_err());
}

/// The target's daemon would go on with what it knows.
#[tokio::test]
async fn nothing_is_restored_under_a_daemon() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.db");
    let from = Sqlite::migrated().await;
    fill(&from).await;
    back_up(&from, &file).await;
    let to = Sqlite::migrated().await;
    let owner = to.again().await.own().expect("nobody else has it");
    let error = restore(&to.store, &file, KEY, INDEX).await.expect_err("a daemon runs");
    assert!(matches!(error, StoreError::Owned(_)), "{error:?}");
    drop(owner);
    let to = Postgres::migrated().await;
    let daemon = to.again().await;
    let presence = daemon.appear("gateway-1/1".into(), "gateway-1", at(0)).await.expect("it begins");
    let error = restore(&to.store, &file, KEY, INDEX).await.expect_err("a daemon runs");
    assert!(matches!(error, StoreError::Copy(_)), "{error:?}");
    presence.leave(&daemon).await.expect("it leaves");
    restore(&to.store, &file, KEY, INDEX).await.expect("it is gone");
    assert_eq!(to.stored(1).await.entry.request_id, request_id(1));
}
