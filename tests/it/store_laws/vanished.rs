//! A database host that vanishes: connections stay open and say nothing more.

use super::backend::{Backend as _, Bench, Postgres};
use super::samples::at;
use crate::support::in_time;
use crate::support::proxy::{Mood, Proxy};
use league_gateway::store::Store;
use sqlx::postgres::PgConnectOptions;

async fn behind_a_proxy(bench: &Bench) -> (Proxy, Store) {
    let url = &bench.database.url;
    let options: PgConnectOptions = url.parse().expect("a URL");
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let proxy = Proxy::to(server.clone()).await;
    let store = Store::connect(&url.replace(&server, &proxy.address.to_string())).await.expect("it opens");
    (proxy, store)
}

#[tokio::test]
async fn a_daemon_learns_that_it_cannot_show_itself_and_begins_again() {
    let bench = Postgres::migrated().await;
    let (proxy, store) = behind_a_proxy(&bench).await;
    let mut presence = store.appear("a/1".into(), "a", at(0)).await.expect("it appears");
    proxy.set(Mood::Silent);
    let beat = in_time("a beat to end", presence.beat(&store, at(1))).await;
    beat.expect_err("nobody answers");
    assert!(!presence.leads().yes() && !store.takes_writes());
    // What became silent stays so: the others are new.
    proxy.set(Mood::Gone);
    proxy.set(Mood::Fair);
    let back = async { while presence.beat(&store, at(2)).await.is_err() {} };
    in_time("a beat on a new session", back).await;
}

#[tokio::test]
async fn dead_connections_give_their_places_back() {
    let bench = Postgres::migrated().await;
    let (proxy, store) = behind_a_proxy(&bench).await;
    let mut open = Vec::new();
    for _ in 0..9 {
        open.push(store.read("law").await.expect("it begins"));
    }
    proxy.set(Mood::Silent);
    drop(open);
    // What was swallowed leaves a connection silent for good: only new ones will do.
    let swallowing = async {
        while proxy.swallowed() < 9 {
            tokio::task::yield_now().await;
        }
    };
    in_time("every connection to fall silent", swallowing).await;
    proxy.set(Mood::Fair);
    in_time("a place in the pool", store.read("law")).await.expect("a new connection");
    in_time("the farewell", store.close()).await;
}

/// No answer is waited for without end.
#[tokio::test]
async fn closing_waits_for_nobody() {
    let bench = Postgres::migrated().await;
    let (proxy, store) = behind_a_proxy(&bench).await;
    let _open = store.read("law").await.expect("it begins");
    proxy.set(Mood::Silent);
    in_time("the farewell", store.close()).await;
}
