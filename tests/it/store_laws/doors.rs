//! Upstream's table, what is remembered of systems, and tokens.

use super::backend::Bench;
use super::samples::{GUANGDONG, NATIONAL, at, insert, request_id, sample};
use league_gateway::gate::{Health, Pause};
use league_gateway::store::{SystemRow, TokenRow};

async fn upstream_writes(bench: &Bench, number: i64) {
    bench
        .execute(&format!(
            "INSERT INTO intake (request_id, payload) VALUES ('BJ-{number}', '{{\"n\": {number}}}')"
        ))
        .await;
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

async fn waiting(bench: &Bench) -> Vec<String> {
    let rows = bench.read(async |tx| tx.intake(100).await).await;
    rows.into_iter().map(|row| text(&row.request_id)).collect()
}

pub(super) async fn intake_rows_come_in_order_and_leave_when_taken(bench: Bench) {
    for number in [3, 1, 2] {
        upstream_writes(&bench, number).await;
    }
    let rows = bench.read(async |tx| tx.intake(2).await).await;
    let seen: Vec<_> = rows.iter().map(|row| text(&row.request_id) + &text(&row.payload)).collect();
    assert_eq!(seen, ["BJ-3{\"n\": 3}", "BJ-1{\"n\": 1}"], "as upstream wrote them");
    assert!(!format!("{rows:?}").contains("\\\"n\\\""), "a payload is personal data");
    bench.write(async |tx| tx.intake_taken(rows[0].id).await).await;
    upstream_writes(&bench, 4).await;
    assert_eq!(waiting(&bench).await, ["BJ-1", "BJ-2", "BJ-4"]);
}

pub(super) async fn a_taken_row_comes_back_without_a_commit(bench: Bench) {
    upstream_writes(&bench, 1).await;
    let row = bench.read(async |tx| tx.intake(1).await).await.remove(0);
    let mut tx = bench.store.write("law").await.expect("it begins");
    insert(&mut tx, &sample(1)).await.expect("it is written");
    tx.intake_taken(row.id).await.expect("it is taken");
    drop(tx);
    assert_eq!(waiting(&bench).await, ["BJ-1"]);
    assert!(bench.read(async |tx| tx.transfer(&request_id(1)).await).await.is_none());
}

pub(super) async fn a_refused_row_moves_aside_sealed(bench: Bench) {
    upstream_writes(&bench, 1).await;
    upstream_writes(&bench, 2).await;
    let row = bench.read(async |tx| tx.intake(1).await).await.remove(0);
    bench.write(async |tx| tx.intake_refused(&row, "[\"unknown_province\"]", b"sealed", at(1)).await).await;
    assert_eq!(waiting(&bench).await, ["BJ-2"]);
    let kept = format!(
        "SELECT COUNT(*) FROM intake_refused WHERE request_id = 'BJ-1' AND problems = '[\"unknown_province\"]' \
         AND LENGTH(payload_sealed) = 6 AND refused_at = {}",
        at(1).as_millisecond()
    );
    assert_eq!(bench.number(&kept).await, 1);
}

/// PostgreSQL alone: SQLite knows no privileges.
pub(super) async fn upstream_may_insert_and_nothing_else(bench: Bench) {
    let schema = bench.database.name();
    bench
        .execute(&format!(
            "CREATE ROLE {schema}; GRANT USAGE ON SCHEMA {schema} TO {schema}; GRANT INSERT ON intake TO {schema}"
        ))
        .await;
    bench
        .execute(&format!(
            "SET ROLE {schema}; INSERT INTO intake (request_id, payload) VALUES ('BJ-1', '{{}}'), ('BJ-2', '{{}}')"
        ))
        .await;
    assert_eq!(waiting(&bench).await, ["BJ-1", "BJ-2"]);
    for table in ["intake", "transfers", "events"] {
        let reads = format!("SELECT has_table_privilege('{schema}', '{table}', 'SELECT')::int::bigint");
        assert_eq!(bench.number(&reads).await, 0, "{table}");
    }
}

pub(super) async fn a_systems_row_is_remembered(bench: Bench) {
    let row = async |system| bench.read(async |tx| tx.system(system).await).await;
    assert_eq!(row(&NATIONAL).await, SystemRow::default());
    let mut health = Health { resume_at: Some(at(9)), ..Health::default() };
    health.bucket.take(3, 50, at(1));
    let suspended = SystemRow {
        feed_cursor: 0,
        suspended: Some("credentials refused".into()),
        paused: Some(Pause {
            by: "王老师".into(), reason: "对账".into(), at: at(1), until: Some(at(2))
        }),
        credentials: Some(vec![0, 1, 255]),
        health,
    };
    let save = async |new: &SystemRow| bench.write(async |tx| tx.save_system(&NATIONAL, new).await).await;
    save(&suspended).await;
    assert_eq!(row(&NATIONAL).await, suspended);
    assert_eq!(row(&GUANGDONG).await, SystemRow::default());
    // Whoever changes it finds a row, and leaves the feed's cursor where it is.
    assert!(bench.write(async |tx| tx.move_feed_cursor(&NATIONAL, 0, 9_000_000_000).await).await);
    let found = bench.write(async |tx| tx.system(&NATIONAL).await).await;
    assert_eq!(found, SystemRow { feed_cursor: 9_000_000_000, ..suspended });
    save(&SystemRow::default()).await;
    assert_eq!(row(&NATIONAL).await, SystemRow { feed_cursor: 9_000_000_000, ..SystemRow::default() });
    assert_eq!(bench.write(async |tx| tx.system(&GUANGDONG).await).await, SystemRow::default());
}

pub(super) async fn a_damaged_health_is_fresh_and_a_damaged_pause_still_one(bench: Bench) {
    bench.write(async |tx| tx.save_system(&NATIONAL, &SystemRow::default()).await).await;
    let row = async || bench.read(async |tx| tx.system(&NATIONAL).await).await;
    for damaged in ["no JSON", "[]", "{\"resume_at\": \"soon\"}"] {
        bench.execute(&format!("UPDATE systems SET health = '{damaged}', paused = '{damaged}'")).await;
        let row = row().await;
        assert_eq!(row.health, Health::default(), "{damaged}");
        assert!(row.stopped(at(1)) && row.paused.is_some_and(|pause| pause.until.is_none()), "{damaged}");
    }
    let known = "{\"rests\": 2, \"from a newer one\": true}";
    bench.execute(&format!("UPDATE systems SET health = '{known}', paused = NULL")).await;
    assert_eq!((row().await.health.rests, row().await.stopped(at(1))), (2, false));
}

pub(super) async fn a_feeds_cursor_moves_from_where_it_was_seen(bench: Bench) {
    let shift = async |from, to| bench.write(async |tx| tx.move_feed_cursor(&NATIONAL, from, to).await).await;
    let cursor = async |system| bench.read(async |tx| tx.system(system).await).await.feed_cursor;
    assert!(!shift(1, 5).await, "a new one stands at 0");
    assert!(shift(0, 5).await);
    assert!(!shift(0, 7).await, "somebody else was faster");
    assert_eq!(cursor(&NATIONAL).await, 5);
    assert!(shift(5, 0).await, "a feed begins anew");
    assert_eq!((cursor(&NATIONAL).await, cursor(&GUANGDONG).await), (0, 0));
}

pub(super) async fn a_backlog_is_what_has_no_outcome(bench: Bench) {
    let backlog = async |most| bench.read(async |tx| tx.backlog(&NATIONAL, most).await).await;
    assert_eq!(backlog(9).await, 0);
    for n in 1..=4 {
        bench.put(&sample(n)).await;
    }
    bench.execute("UPDATE transfers SET state = 'submitted' WHERE request_id = 'BJ-1'").await;
    bench.execute("UPDATE transfers SET state = 'unconfirmed' WHERE request_id = 'BJ-2'").await;
    assert_eq!((backlog(9).await, backlog(2).await), (3, 2), "counted no further than asked");
}

pub(super) async fn a_tokens_name_and_hash_are_its_own(bench: Bench) {
    let new = async |name: &str, hash: &[u8]| {
        bench.write(async |tx| tx.insert_token(name, hash, "view operate", at(1)).await).await
    };
    assert!(new("upstream", b"hash 1").await);
    assert!(!new("upstream", b"hash 2").await, "the name is taken");
    assert!(!new("another", b"hash 1").await, "the hash is taken");
    assert!(new("another", b"hash 3").await);
    let find = async |hash: &[u8]| bench.read(async |tx| tx.token(hash).await).await;
    let expected = TokenRow {
        name: "upstream".into(),
        roles: "view operate".into(),
        created_at: at(1).as_millisecond(),
        revoked_at: None,
    };
    assert_eq!(find(b"hash 1").await, Some(expected));
    assert_eq!(find(b"hash 2").await, None);
    assert_eq!(find(b"").await, None);
    let names: Vec<_> =
        bench.read(async |tx| tx.tokens().await).await.into_iter().map(|token| token.name).collect();
    assert_eq!(names, ["upstream", "another"]);
}

pub(super) async fn a_revoked_token_opens_nothing(bench: Bench) {
    bench.write(async |tx| tx.insert_token("upstream", b"hash", "submit", at(1)).await).await;
    let revoke =
        async |name: &str, second| bench.write(async |tx| tx.revoke_token(name, at(second)).await).await;
    assert!(!revoke("nobody", 2).await);
    assert!(revoke("upstream", 2).await);
    assert!(!revoke("upstream", 3).await, "for good");
    assert_eq!(bench.read(async |tx| tx.token(b"hash").await).await, None);
    let listed = bench.read(async |tx| tx.tokens().await).await;
    assert_eq!(listed[0].revoked_at, Some(at(2).as_millisecond()));
    assert!(!bench.write(async |tx| tx.insert_token("upstream", b"new", "submit", at(4)).await).await);
}
