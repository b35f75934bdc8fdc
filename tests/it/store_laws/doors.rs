//! Upstream's table, what is remembered of systems, and tokens.

use super::backend::Bench;
use super::samples::{GUANGDONG, NATIONAL, at, insert, request_id, sample};
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

pub(super) async fn a_systems_row_is_remembered(bench: Bench) {
    let row = async |system| bench.read(async |tx| tx.system(system).await).await;
    assert_eq!(row(&NATIONAL).await, SystemRow::default());
    let suspended = SystemRow {
        feed_cursor: 9_000_000_000,
        suspended: Some("credentials refused".into()),
        paused: Some("王老师".into()),
        credentials: Some(vec![0, 1, 255]),
    };
    let save = async |new: &SystemRow| bench.write(async |tx| tx.save_system(&NATIONAL, new).await).await;
    save(&suspended).await;
    assert_eq!(row(&NATIONAL).await, suspended);
    assert_eq!(row(&GUANGDONG).await, SystemRow::default());
    let lifted = SystemRow { feed_cursor: 3, ..SystemRow::default() };
    save(&lifted).await;
    assert_eq!(row(&NATIONAL).await, lifted);
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
