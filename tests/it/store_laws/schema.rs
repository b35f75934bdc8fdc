//! The schema's version, the one daemon, and many hands at once.

use super::backend::{Bench, write};
use super::samples::{insert, request_id, sample};
use league_gateway::store::{SchemaState, StoreError};

async fn refused(bench: &Bench) -> String {
    let error = bench.store.require_current().await.expect_err("refused");
    assert!(matches!(error, StoreError::Schema(_)), "{error:?}");
    error.to_string()
}

/// The bench is migrated already: its tables go first.
pub(super) async fn an_empty_database_names_the_command(bench: Bench) {
    bench.store.require_current().await.expect("a migrated database is current");
    bench.execute("DROP TABLE _sqlx_migrations").await;
    assert_eq!(bench.store.schema().await.expect("it is readable"), SchemaState::Empty);
    let text = refused(&bench).await;
    assert!(text.contains("league-gateway db migrate"), "{text}");
}

pub(super) async fn an_older_schema_names_the_command(bench: Bench) {
    let newest = bench.number("SELECT MAX(version) FROM _sqlx_migrations").await;
    bench.execute(&format!("DELETE FROM _sqlx_migrations WHERE version = {newest}")).await;
    let state = bench.store.schema().await.expect("it is readable");
    assert!(matches!(state, SchemaState::Behind(version) if version < newest), "{state:?}");
    let text = refused(&bench).await;
    assert!(text.contains("older") && text.contains("league-gateway db migrate"), "{text}");
}

pub(super) async fn a_newer_schema_is_left_alone(bench: Bench) {
    bench.execute("UPDATE _sqlx_migrations SET version = version + 1000").await;
    let state = bench.store.schema().await.expect("it is readable");
    assert!(matches!(state, SchemaState::Ahead(version) if version > 1000), "{state:?}");
    let text = refused(&bench).await;
    assert!(text.contains("newer") && !text.contains("db migrate"), "{text}");
    let error = bench.store.migrate().await.expect_err("a newer schema is not brought back");
    assert!(matches!(error, StoreError::Schema(_)), "{error:?}");
}

pub(super) async fn migrating_twice_is_migrating_once(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench.store.migrate().await.expect("nothing to do");
    assert_eq!(bench.store.schema().await.expect("it is readable"), SchemaState::Current);
    assert_eq!(bench.stored(id).await.entry.request_id, request_id(1));
}

pub(super) async fn one_daemon_owns_the_database(bench: Bench) {
    let other = bench.again().await;
    let owner = bench.store.own().expect("nobody else is there");
    let error = other.own().expect_err("it is owned");
    assert!(matches!(error, StoreError::Owned(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("another daemon") && text.contains("outbox.db"), "{text}");
    // The command line works beside the daemon all the same.
    write(&other, async |tx| insert(tx, &sample(1)).await).await;
    drop(owner);
    let _second = other.own().expect("the first is gone");
    bench.store.own().expect_err("now it is the other's");
}

pub(super) async fn two_writers_both_succeed(bench: Bench) {
    let other = bench.again().await;
    let fill = async |store, numbers: std::ops::Range<i64>| {
        for number in numbers {
            // A look first, then a write: an upgrade from reader to writer half-way would fail here.
            write(store, async |tx| {
                assert!(tx.transfer(&request_id(number)).await?.is_none());
                tokio::task::yield_now().await;
                insert(tx, &sample(number)).await
            })
            .await;
        }
    };
    tokio::join!(fill(&bench.store, 0..25), fill(&other, 100..125), fill(&bench.store, 200..225));
    assert_eq!(bench.number("SELECT COUNT(*) FROM transfers").await, 75);
    let feed = bench.read(async |tx| tx.feed(0, 1000).await).await;
    assert_eq!(feed.len(), 150);
}

pub(super) async fn a_look_is_consistent(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    let mut look = bench.store.read("law").await.expect("it begins");
    assert_eq!(look.feed(0, 100).await.expect("it is readable").len(), 2);
    bench.put(&sample(2)).await;
    assert_eq!(look.feed(0, 100).await.expect("it is readable").len(), 2, "as when the look began");
    assert!(look.transfer(&request_id(2)).await.expect("it is readable").is_none());
    drop(look);
    assert_eq!(bench.read(async |tx| tx.feed(0, 100).await).await.len(), 4);

    // A look can't change anything.
    let mut look = bench.store.read("law").await.expect("it begins");
    insert(&mut look, &sample(3)).await.expect_err("reading only");
    drop(look);
    assert_eq!(bench.stored(id).await.entry.id, id);
}
