//! Rows that the gateway can't have written.

use super::backend::Bench;
use super::samples::{FOLLOWING, NATIONAL, answered, at, open_attempt, request_id, sample, submit};
use league_contract::RequestId;
use league_gateway::store::{Abandoned, CallbackVerdict, NewCallback, StoreError};
use std::fmt::Debug;

/// Beyond the years that a timestamp can hold.
const NO_TIME: &str = "9223372036854775807";

fn assert_names<T: Debug>(found: Result<T, StoreError>, (table, column, id): (&str, &str, i64)) {
    let error = found.expect_err(&format!("{table}.{column} is damaged"));
    let StoreError::BadRow { table: named, column: of, id: row, .. } = &error else {
        panic!("{table}.{column}: {error:?}")
    };
    assert_eq!((*named, *of, *row), (table, column, id));
    let text = error.to_string();
    assert!(text.starts_with(&format!("table {table}, column {column}, row {id}: ")), "{text}");
}

pub(super) async fn a_damaged_transfer_names_table_column_and_row(bench: Bench) {
    bench.put(&sample(1)).await;
    let id = bench.put(&sample(2)).await;
    for (column, value) in [
        ("request_id", "'不行 '"),
        ("system", "'Smart League'"),
        ("state", "'lost'"),
        ("province_code", "'32'"),
        ("attempts", "-1"),
        ("tries", "4294967296"),
        ("due_at", NO_TIME),
        ("created_at", NO_TIME),
        ("updated_at", NO_TIME),
        ("held", "'{'"),
        ("withdrawal", "'[]'"),
        ("last_error", "'{}'"),
        ("milestones", "''"),
        ("warnings", "'[[1]]'"),
    ] {
        bench.execute("CREATE TABLE sound AS SELECT * FROM transfers").await;
        bench.execute(&format!("UPDATE transfers SET {column} = {value} WHERE id = {id}")).await;
        let found = bench.try_read(async |tx| tx.transfer_by_id(id).await).await;
        assert_names(found, ("transfers", column, id));
        assert!(bench.try_read(async |tx| tx.transfer_by_id(1).await).await.is_ok(), "the others are sound");
        let mend = format!(
            "UPDATE transfers SET {column} = (SELECT {column} FROM sound WHERE id = {id}) WHERE id = {id}"
        );
        bench.execute(&mend).await;
        bench.execute("DROP TABLE sound").await;
    }
    bench.stored(id).await;
}

pub(super) async fn a_damaged_row_beside_a_transfer_is_named(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench
        .write(async |tx| {
            let attempt = open_attempt(tx, &submit(id, 1)).await?;
            tx.close_attempts(&[(attempt, &answered(2))]).await?;
            tx.insert_callbacks(&[NewCallback {
                system: &NATIONAL,
                event_id: "E-1",
                request_id: "BJ-1",
                event: "approved",
                verdict: CallbackVerdict::Applied,
                received_at: at(1),
                event_sealed: b"",
                raw_sealed: b"",
            }])
            .await
        })
        .await;
    bench.execute(&format!("UPDATE events SET at = {NO_TIME} WHERE cursor = 2")).await;
    assert_names(bench.try_read(async |tx| tx.timeline(id).await).await, ("events", "at", 2));
    assert_names(bench.try_read(async |tx| tx.feed(0, 10).await).await, ("events", "at", 2));
    bench.execute(&format!("UPDATE attempts SET finished_at = {NO_TIME}")).await;
    let attempts = async || bench.try_read(async |tx| tx.attempts(id).await).await;
    assert_names(attempts().await, ("attempts", "finished_at", 1));
    bench.execute(&format!("UPDATE attempts SET started_at = {NO_TIME}")).await;
    assert_names(attempts().await, ("attempts", "started_at", 1));
    bench.execute(&format!("UPDATE callbacks SET received_at = {NO_TIME}")).await;
    let callbacks = bench.try_read(async |tx| tx.callbacks_of(&NATIONAL, "BJ-1").await).await;
    assert_names(callbacks, ("callbacks", "received_at", 1));
}

/// What stands in a damaged column may be anything, a person's name too.
pub(super) async fn a_damaged_value_is_not_repeated(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    for column in [
        "state",
        "system",
        "province_code",
        "request_id",
        "held",
        "withdrawal",
        "last_error",
        "milestones",
        "warnings",
    ] {
        let value = if matches!(column, "state" | "system" | "province_code" | "request_id") {
            "张三 "
        } else {
            "\"张三\""
        };
        bench.execute(&format!("UPDATE transfers SET {column} = '{value}' WHERE id = {id}")).await;
    }
    for _ in 0..9 {
        let error = bench.try_read(async |tx| tx.transfer_by_id(id).await).await.expect_err("damaged");
        assert!(!format!("{error} {error:?}").contains('张'), "{error:?}");
        let StoreError::BadRow { column, .. } = error else { panic!("{error:?}") };
        let sound = match column {
            "state" => "'queued'",
            "system" => "'smart_league'",
            "province_code" => "'320000'",
            "request_id" => "'BJ-1'",
            "milestones" => "'{}'",
            "warnings" => "'[]'",
            _ => "NULL",
        };
        bench.execute(&format!("UPDATE transfers SET {column} = {sound} WHERE id = {id}")).await;
    }
    bench.stored(id).await;
}

pub(super) async fn a_damaged_transfer_stops_nothing_but_itself(bench: Bench) {
    let bad = bench.put(&sample(1)).await;
    let good = bench.put(&sample(2)).await;
    bench.execute(&format!("UPDATE transfers SET milestones = 'no JSON' WHERE id = {bad}")).await;
    let leases = bench.claim(10, 5).await;
    assert_eq!(leases.iter().map(|lease| lease.entry().id).collect::<Vec<_>>(), [good]);
    assert!(bench.claim(10, 6).await.is_empty(), "set aside, not met again");
    // Likewise where it was leased when its daemon died.
    bench.execute(&format!("UPDATE transfers SET warnings = '{{' WHERE id = {good}")).await;
    let other = bench.put(&sample(3)).await;
    bench.claim(10, 7).await;
    bench
        .write(async |tx| tx.rescue(&NATIONAL, FOLLOWING, Abandoned::Before(at(1000)), at(1000)).await)
        .await;
    assert_eq!(bench.stored(other).await.lease_token, None);
    bench.execute(&format!("UPDATE transfers SET milestones = '{{}}' WHERE id = {bad}")).await;
    let held = bench.stored(bad).await.entry.held.expect("held");
    assert!(held.reason.starts_with("table transfers, column milestones, row "), "{}", held.reason);
}

pub(super) async fn a_damaged_transfer_is_set_aside_when_it_is_looked_up(bench: Bench) {
    let (good, bad) = (bench.put(&sample(1)).await, bench.put(&sample(2)).await);
    bench.execute(&format!("UPDATE transfers SET milestones = 'x' WHERE id = {bad}")).await;
    let (one, two, none) = (request_id(1), request_id(2), request_id(3));
    let names = [one.as_str(), two.as_str(), none.as_str()];
    let known = bench.write(async |tx| tx.known_all(&names, at(5)).await).await;
    let found =
        |id: &RequestId| known.get(id.as_str()).map(|known| known.as_ref().map(|known| known.entry.id));
    assert_eq!([found(&one), found(&two), found(&none)], [Some(Some(good)), Some(None), None]);
    bench.execute(&format!("UPDATE transfers SET milestones = '{{}}' WHERE id = {bad}")).await;
    assert!(bench.stored(bad).await.entry.held.is_some(), "somebody must look");
}
