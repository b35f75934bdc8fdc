//! Which daemons count as gone, and when.

use super::backend::{Backend as _, Bench, Postgres, Sqlite};
use super::samples::at;
use crate::support::in_time;
use league_gateway::store::{Presence, Store};

/// Another daemon of the database; a name ends where its run begins.
async fn daemon(bench: &Bench, instance: &str) -> (Store, Presence) {
    let store = bench.again().await;
    let worker = instance.split('/').next().unwrap_or_default();
    let presence = store.appear(instance.into(), worker, at(0)).await.expect("it appears");
    (store, presence)
}

/// All daemons' sessions end, as when the server restarts: those that hold a lock.
async fn every_session_falls(bench: &Bench) {
    let name = bench.database.name();
    let cut = format!(
        "SELECT COUNT(pg_terminate_backend(l.pid, 30000)) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND a.application_name = '{name}'"
    );
    bench.number(&cut).await;
}

#[tokio::test]
async fn a_daemon_that_takes_its_lock_back_in_time_is_not_gone() {
    let bench = Postgres::migrated().await;
    let (store, mut first) = daemon(&bench, "a/1").await;
    let (other_store, mut other) = daemon(&bench, "b/1").await;
    assert!(first.gone(&store, at(0)).await.expect("a look").is_empty());
    every_session_falls(&bench).await;
    first.beat(&store, at(1)).await.expect("a session that fell is begun again in the same beat");
    assert!(first.leads().yes());
    for second in [1, 2] {
        assert!(first.gone(&store, at(second)).await.expect("a look").is_empty(), "{second}");
    }
    other.beat(&other_store, at(2)).await.expect("it is back");
    for second in 3..9 {
        assert!(first.gone(&store, at(second)).await.expect("a look").is_empty(), "{second}");
    }
}

#[tokio::test]
async fn a_daemon_whose_lock_stays_free_is_gone_after_seconds() {
    let bench = Postgres::migrated().await;
    let (store, mut first) = daemon(&bench, "a/1").await;
    drop(daemon(&bench, "b/1").await);
    every_session_falls(&bench).await;
    first.beat(&store, at(1)).await.expect("it is back");
    for second in [1, 2] {
        assert!(first.gone(&store, at(second)).await.expect("a look").is_empty(), "{second}");
    }
    assert_eq!(first.gone(&store, at(3)).await.expect("a look"), ["b/1"]);
}

/// A clock that was set forward is no silence.
#[tokio::test]
async fn one_look_proves_nothing() {
    let bench = Postgres::migrated().await;
    let (store, mut first) = daemon(&bench, "a/1").await;
    let _living = daemon(&bench, "b/1").await;
    assert!(first.gone(&store, at(0)).await.expect("a look").is_empty());
    assert!(first.gone(&store, at(4000)).await.expect("a look").is_empty());
    assert_eq!(first.gone(&store, at(4001)).await.expect("a look"), ["b/1"], "silent all the same");
}

#[tokio::test]
async fn a_start_waits_for_no_earlier_run_of_its_own_name() {
    let bench = Postgres::migrated().await;
    drop((daemon(&bench, "a/1").await, daemon(&bench, "b/1").await));
    every_session_falls(&bench).await;
    let _living = daemon(&bench, "a/2").await;
    let (store, again) = daemon(&bench, "a/3").await;
    assert_eq!(again.earlier_runs(&store).await.expect("a look"), ["a/1"]);

    let bench = Sqlite::migrated().await;
    drop(daemon(&bench, "a/1").await);
    let (store, again) = daemon(&bench, "b/1").await;
    assert_eq!(again.earlier_runs(&store).await.expect("a look"), ["a/1"], "there is one daemon");
}

#[tokio::test]
async fn who_cannot_show_itself_claims_nothing() {
    let bench = Postgres::migrated().await;
    assert!(bench.store.may_claim(at(1000)), "where nobody looks");
    let (store, mut first) = daemon(&bench, "a/1").await;
    assert!(store.may_claim(at(4)));
    assert!(!store.may_claim(at(5)));
    first.beat(&store, at(6)).await.expect("it is back");
    assert!(store.may_claim(at(10)));
}

/// Stopped, or hung: its session lives, and nobody else could lead.
#[tokio::test]
async fn a_leader_that_stands_still_is_replaced() {
    let bench = Postgres::migrated().await;
    let (_still, still) = daemon(&bench, "a/1").await;
    let (store, mut other) = daemon(&bench, "b/1").await;
    let (third_store, mut third) = daemon(&bench, "c/1").await;
    assert!(still.leads().yes() && !other.leads().yes());
    for second in [0, 5, 14] {
        third.beat(&third_store, at(second)).await.expect("it lives");
        other.beat(&store, at(second)).await.expect("it lives");
        other.watch(&store, at(second)).await.expect("it looks");
        assert!(!other.leads().yes(), "{second}");
    }
    third.beat(&third_store, at(15)).await.expect("it lives");
    other.watch(&store, at(15)).await.expect("it looks");
    let leading = async {
        while !other.leads().yes() {
            other.beat(&store, at(16)).await.expect("it lives");
        }
    };
    in_time("another one to lead", leading).await;
    assert_eq!(other.gone(&store, at(16)).await.expect("a look"), ["a/1"]);
}
