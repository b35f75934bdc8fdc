//! The audit log: a chain in which nothing can be changed, taken out or put elsewhere unseen.

use super::backend::Bench;
use super::samples::at;
use league_gateway::seal::Sealer;
use league_gateway::store::{Author, Deed, Store, StoreError, Tx, Verified, despite_races};
use zeroize::Zeroizing;

pub(super) fn sealer() -> Sealer {
    let key = "dGVzdC1rZXktdGVzdC1rZXktdGVzdC1rZXktdGVzdCE=";
    Sealer::new(&[Zeroizing::new(format!("k1:{key}"))], key).expect("keys")
}

fn author() -> Author {
    Author { name: "user:王芳".into(), origin: "cli desk-7".into() }
}

pub(super) async fn add(tx: &mut Tx, n: i64) -> Result<(), StoreError> {
    let author = author();
    let deed = Deed {
        author: &author,
        act: "hold",
        subject: format!("transfer:BJ-{}", n % 2),
        reason: "等材料",
        outcome: "held",
        at: at(n),
    };
    tx.audit(&sealer(), deed).await
}

async fn filled(bench: &Bench) {
    for n in 1..=5 {
        bench.write(async |tx| add(tx, n).await).await;
    }
}

async fn verified(bench: &Bench) -> Verified {
    bench.store.verify_audit(&sealer()).await.expect("it is read")
}

/// The row at which the chain breaks, and how.
async fn broken(bench: &Bench) -> Option<(i64, &'static str)> {
    verified(bench).await.broken.map(|broken| (broken.row, broken.how))
}

/// A vandal's statement, who has got rid of what keeps slips away.
async fn vandalize(bench: &Bench, sql: &str) {
    let drops: &[&str] = if bench.database.url.starts_with("sqlite") {
        &[
            "DROP TRIGGER audit_is_not_changed",
            "DROP TRIGGER audit_is_not_removed",
            "DROP TRIGGER audit_begins_at_one",
        ]
    } else {
        &[
            "DROP TRIGGER audit_is_not_changed ON audit",
            "ALTER TABLE audit DROP CONSTRAINT audit_begins_at_one",
        ]
    };
    for drop in drops {
        bench.execute(drop).await;
    }
    bench.execute(sql).await;
}

pub(super) async fn rows_follow_each_other_and_are_sound(bench: Bench) {
    assert_eq!((verified(&bench).await.rows, broken(&bench).await), (0, None), "nothing was done yet");
    filled(&bench).await;
    assert_eq!((verified(&bench).await.rows, broken(&bench).await), (5, None));
    let rows = bench.read(async |tx| tx.audit_rows(None, None, 2).await).await;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [5, 4]);
    let row = &rows[0];
    assert_eq!((row.at, row.author.as_str(), row.origin.as_str()), (at(5), "user:王芳", "cli desk-7"));
    assert_eq!((row.act.as_str(), row.reason.as_str(), row.outcome.as_str()), ("hold", "等材料", "held"));
    let older = bench.read(async |tx| tx.audit_rows(None, Some(4), 10).await).await;
    assert_eq!(older.iter().map(|row| row.id).collect::<Vec<_>>(), [3, 2, 1]);
    let of_one = bench.read(async |tx| tx.audit_rows(Some("transfer:BJ-0"), None, 10).await).await;
    assert_eq!(of_one.iter().map(|row| row.id).collect::<Vec<_>>(), [4, 2]);
    // Under another key nothing is sound.
    let other = "aW5kZXgta2V5LWluZGV4LWtleS1pbmRleC1rZXktaW4=";
    let other = Sealer::new(&[Zeroizing::new(format!("k1:{other}"))], other).expect("keys");
    let found = bench.store.verify_audit(&other).await.expect("it is read");
    assert_eq!((found.rows, found.broken.map(|broken| broken.how)), (0, Some("changed")));
}

pub(super) async fn a_changed_row_is_found(bench: Bench) {
    filled(&bench).await;
    vandalize(&bench, "UPDATE audit SET reason = '另有原因' WHERE id = 3").await;
    assert_eq!(broken(&bench).await, Some((3, "changed")));
    assert_eq!(verified(&bench).await.rows, 2);
}

pub(super) async fn a_row_taken_out_is_found(bench: Bench) {
    filled(&bench).await;
    vandalize(&bench, "DELETE FROM audit WHERE id = 2").await;
    assert_eq!(broken(&bench).await, Some((2, "missing")));
    // Closing the gap does not hide it.
    for id in 3..=5 {
        bench.execute(&format!("UPDATE audit SET id = {} WHERE id = {id}", id - 1)).await;
    }
    assert_eq!(broken(&bench).await, Some((2, "changed")));
}

pub(super) async fn rows_that_changed_places_are_found(bench: Bench) {
    filled(&bench).await;
    vandalize(&bench, "UPDATE audit SET id = 99 WHERE id = 2").await;
    bench.execute("UPDATE audit SET id = 2 WHERE id = 3").await;
    bench.execute("UPDATE audit SET id = 3 WHERE id = 99").await;
    assert_eq!(broken(&bench).await, Some((2, "changed")));
}

pub(super) async fn an_end_taken_off_is_found(bench: Bench) {
    filled(&bench).await;
    vandalize(&bench, "DELETE FROM audit WHERE id = 5").await;
    assert_eq!(broken(&bench).await, Some((5, "end_missing")));
    // Saying that it ended there takes the key.
    bench.execute("UPDATE audit_end SET rows = 4").await;
    assert_eq!(broken(&bench).await, Some((5, "end_changed")));
    bench.execute("DELETE FROM audit_end").await;
    assert_eq!(broken(&bench).await, Some((5, "end_changed")));
}

pub(super) async fn an_end_taken_off_is_found_after_the_next_acts(bench: Bench) {
    filled(&bench).await;
    vandalize(&bench, "DELETE FROM audit WHERE id > 2").await;
    for n in 6..=8 {
        bench.write(async |tx| add(tx, n).await).await;
        assert_eq!(broken(&bench).await, Some((3, "missing")));
    }
    let rows = bench.read(async |tx| tx.audit_rows(None, None, 9).await).await;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [9, 8, 7, 2, 1], "the gap stays");
    assert_eq!(bench.number("SELECT COUNT(*) FROM alarms WHERE kind = 'audit'").await, 1, "told once");
}

pub(super) async fn a_log_that_was_emptied_is_found(bench: Bench) {
    filled(&bench).await;
    vandalize(&bench, "DELETE FROM audit").await;
    assert_eq!(broken(&bench).await, Some((1, "end_missing")));
    bench.execute("DELETE FROM audit_end").await;
    assert_eq!(broken(&bench).await, Some((1, "end_changed")));
    // A database that is current gets no new beginning, nor does the next act make one.
    bench.store.prepare(&sealer()).await.expect("nothing to do");
    assert_eq!(broken(&bench).await, Some((1, "end_changed")));
    for n in 6..=7 {
        bench.write(async |tx| add(tx, n).await).await;
        assert_eq!(broken(&bench).await, Some((1, "missing")));
    }
}

pub(super) async fn a_row_put_in_is_found(bench: Bench) {
    filled(&bench).await;
    let forged = |id: i64| {
        format!(
            "INSERT INTO audit SELECT {id}, at, 'user:boss', origin, 'close', 'transfer:A', 'forged', 'closed', hash \
             FROM audit WHERE id = 1"
        )
    };
    for id in [0, -7] {
        let refused = bench.database.try_execute(&forged(id)).await.expect_err("the database refuses");
        assert!(refused.to_string().contains("audit"), "{refused}");
    }
    vandalize(&bench, &forged(0)).await;
    assert_eq!(broken(&bench).await, Some((0, "inserted")));
    bench.execute("DELETE FROM audit WHERE id = 0").await;
    assert_eq!(broken(&bench).await, None);
    bench.execute(&forged(6)).await;
    assert_eq!(broken(&bench).await, Some((6, "changed")));
    bench.write(async |tx| add(tx, 7).await).await;
    assert_eq!(broken(&bench).await, Some((6, "changed")), "the next act does not cover it");
}

/// As a database that was made before the log's beginning was marked, brought up to date.
async fn an_older_log(bench: &Bench) {
    bench.execute("DELETE FROM audit_end").await;
    let version = if bench.database.url.starts_with("sqlite") {
        "DROP TRIGGER audit_begins_at_one"
    } else {
        "ALTER TABLE audit DROP CONSTRAINT audit_begins_at_one"
    };
    bench.execute(version).await;
    bench.execute("DELETE FROM _sqlx_migrations WHERE version >= 10").await;
    bench.store.prepare(&sealer()).await.expect("it is brought up to date");
}

pub(super) async fn an_older_log_gets_its_beginning_with_the_schema(bench: Bench) {
    an_older_log(&bench).await;
    assert_eq!(broken(&bench).await, None);
    filled(&bench).await;
    assert_eq!((verified(&bench).await.rows, broken(&bench).await), (5, None));
}

/// Whoever empties a log, and has the schema brought up to date, has not made it whole: a token's row should be there.
pub(super) async fn an_emptied_log_gets_no_beginning_with_the_schema(bench: Bench) {
    let hash = if bench.store.is_one_daemons() { "X'78'" } else { "'x'" };
    let row = format!("('upstream', {hash}, 'submit', 1)");
    bench.execute(&format!("INSERT INTO tokens (name, hash, roles, created_at) VALUES {row}")).await;
    an_older_log(&bench).await;
    assert_eq!(broken(&bench).await, Some((1, "end_changed")));
}

pub(super) async fn a_row_is_not_changed_or_removed_by_a_slip(bench: Bench) {
    filled(&bench).await;
    for sql in ["UPDATE audit SET reason = ''", "DELETE FROM audit"] {
        let refused = bench.database.try_execute(sql).await.expect_err("the database refuses");
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    assert_eq!((verified(&bench).await.rows, broken(&bench).await), (5, None));
}

pub(super) async fn what_is_not_committed_stands_nowhere(bench: Bench) {
    filled(&bench).await;
    let mut tx = bench.store.write("test").await.expect("a transaction");
    add(&mut tx, 6).await.expect("added");
    drop(tx);
    assert_eq!((verified(&bench).await.rows, broken(&bench).await), (5, None));
    bench.write(async |tx| add(tx, 7).await).await;
    assert_eq!((verified(&bench).await.rows, broken(&bench).await), (6, None));
}

pub(super) async fn two_who_add_at_once_make_one_chain(bench: Bench) {
    let other = bench.again().await;
    let adding = async |store: &Store| {
        for n in 0..20 {
            despite_races(async || {
                let mut tx = store.write("test").await?;
                add(&mut tx, n).await?;
                tx.commit().await
            })
            .await
            .expect("added");
        }
    };
    tokio::join!(adding(&bench.store), adding(&other));
    assert_eq!((verified(&bench).await.rows, broken(&bench).await), (40, None));
}
