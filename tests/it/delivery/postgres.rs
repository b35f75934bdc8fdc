//! The daemon on PostgreSQL: the same work, and wake-ups that come from the database.

use crate::support::{SIDES, Setup, TestApp, in_time};

/// Polling alone would find nothing before the failure net does.
const NO_POLLING: &str = "[delivery]\npoll_interval = \"1h\"\n";

async fn upstream_inserts(test: &TestApp, request_id: &str, n: usize) {
    let document = SIDES[n % 3].document(request_id, n);
    let row = format!("INSERT INTO intake (request_id, payload) VALUES ('{request_id}', '{document}')");
    test.database.execute(&row).await;
}

/// Whether and when the daemon takes a row, upstream sees by its being gone.
async fn delivered(test: &TestApp, request_id: &str) {
    let taking = async {
        while test.count("intake").await > 0 {
            tokio::task::yield_now().await;
        }
    };
    in_time("the daemon to take the row", taking).await;
    test.wait_for_state(request_id, "completed").await;
}

#[tokio::test]
async fn transfers_come_to_their_end() {
    let test = Setup::daemon().on_postgres().start().await;
    for (n, side) in SIDES.iter().enumerate() {
        test.submit(&side.document(&format!("PG-{n}"), n)).await;
    }
    for n in 0..SIDES.len() {
        test.wait_for_state(&format!("PG-{n}"), "completed").await;
    }
    test.finish().await;
}

#[tokio::test]
async fn what_waits_is_found_after_a_restart() {
    let test = Setup::by_hand().on_postgres().start().await;
    for n in 0..6 {
        test.submit(&SIDES[n % 3].document(&format!("PG-{n}"), n)).await;
    }
    let test = test.restart("").await;
    test.run_until_idle().await;
    for n in 0..6 {
        assert_eq!(test.get(&format!("PG-{n}")).await["state"], "completed");
    }
    test.finish().await;
}

#[tokio::test]
async fn a_row_of_upstreams_wakes_the_daemon() {
    let test = Setup::daemon().on_postgres().config(NO_POLLING).start().await;
    for n in 0..6 {
        let id = format!("PG-{n}");
        upstream_inserts(&test, &id, n).await;
        delivered(&test, &id).await;
    }
    assert_eq!(test.count("intake").await, 0);
    test.finish().await;
}

/// As when the server is started anew: connections that were in use a moment ago are not proved before they are used again.
#[tokio::test]
async fn a_request_finds_another_connection_where_all_were_cut() {
    let test = Setup::by_hand().on_postgres().start().await;
    let name = test.database.name();
    let cut = format!(
        "SELECT COUNT(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity \
         WHERE application_name = '{name}' AND pid <> pg_backend_pid()"
    );
    for n in 0..6 {
        // As many connections as a daemon has, all of them fresh.
        let mut looks = Vec::new();
        for _ in 0..9 {
            looks.push(test.app.store.read("test").await.expect("it begins"));
        }
        for look in looks {
            look.undo().await;
        }
        assert!(test.database.number(&cut).await > 0);
        for id in [format!("PG-{n}-A"), format!("PG-{n}-B")] {
            test.submit(&SIDES[n % 3].document(&id, usize::from(id.ends_with('B')) * 50 + n)).await;
        }
    }
    assert_eq!(test.count("transfers").await, 12);
    test.run_until_idle().await;
    test.finish().await;
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_nothing_is_missed() {
    let test = Setup::daemon().on_postgres().config(NO_POLLING).start().await;
    let name = test.database.name();
    let cut = format!(
        "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE application_name = '{name}' AND query LIKE 'LISTEN %'"
    );
    let cutting = async {
        while test.database.number(&cut).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    in_time("the daemon to listen", cutting).await;
    for n in 0..3 {
        let id = format!("PG-{n}");
        upstream_inserts(&test, &id, n).await;
        delivered(&test, &id).await;
    }
    test.finish().await;
}
