//! What an older program stored is there after an upgrade.

use super::backend::{Backend, Bench, Postgres, Sqlite};
use super::samples::{GUANGDONG, NATIONAL, at, insert, request_id, sample};
use league_gateway::store::{Filter, Person, Sort};
use league_gateway::transfer::State;

const COLUMNS: &str = "request_id, system, state, province_code, destination_name, attempts, tries, due_at, milestones, \
    warnings, source_id, source_name, reason, initiator, masked_name, masked_id_number, masked_phone, person, \
    created_digest, document_digest, document_sealed, created_at, updated_at";

/// Two transfers of program version 2: one is open, one is over.
async fn fill(bench: &Bench) {
    for (number, state, byte) in [(1, "submitted", "51"), (2, "completed", "52")] {
        let blob = |text: &str| {
            if bench.database.url.starts_with("sqlite") {
                format!("x'{text}'")
            } else {
                format!("'\\x{text}'::bytea")
            }
        };
        let (person, digest, document) = (blob(byte), blob("00"), blob(&format!("d0{byte}")));
        bench
            .execute(&format!(
                "INSERT INTO transfers ({COLUMNS}) VALUES ('BJ-{number}', 'smart_league', '{state}', '320000', '名', 1, 0, 5, \
                 '{{}}', '[]', '1', '来源', 'other', 'member', '张*', '110***', '138***', {person}, {digest}, {digest}, {document}, 1, 1)"
            ))
            .await;
        bench
            .execute(&format!(
                "INSERT INTO events (transfer_id, request_id, kind, to_state, cause, at) \
                 VALUES ({number}, 'BJ-{number}', 'state_changed', '{state}', 'upstream', 1)"
            ))
            .await;
        bench
            .execute(&format!(
                "INSERT INTO attempts (transfer_id, system, operation, worker, started_at) \
                 VALUES ({number}, 'smart_league', 'submit', 'w', 1)"
            ))
            .await;
    }
    // Cursors that were given out are not given out again.
    for table in ["events", "attempts"] {
        let key = if table == "events" { "cursor" } else { "id" };
        bench.execute(&format!("DELETE FROM {table} WHERE {key} = 2")).await;
    }
}

async fn nothing_is_lost_by_an_upgrade<B: Backend>() {
    let bench = B::empty().await;
    bench.database.migrate_to(2).await;
    fill(&bench).await;
    bench.store.migrate().await.expect("it is brought up to date");

    let (open, over) = (bench.stored(1).await, bench.stored(2).await);
    assert_eq!((open.entry.state, over.entry.state), (State::Submitted, State::Completed));
    assert_eq!((open.entry.request_id, open.entry.system), (request_id(1), NATIONAL.clone()));
    assert_eq!((open.document_sealed, over.document_sealed), (vec![0xd0, 0x51], vec![0xd0, 0x52]));
    let of = async |person: &[u8]| bench.read(async |tx| tx.open_transfer_of(person).await).await;
    assert_eq!(of(&[0x51]).await.expect("it is open").entry.id, 1);
    assert!(of(&[0x52]).await.is_none(), "that one is over");
    assert_eq!(bench.database.miscounted().await, [""; 0]);
    let theirs =
        Filter { person: Some(Person(vec![0x52])), created_before: Some(at(0)), ..Filter::default() };
    let page = bench.read(async |tx| tx.list(&theirs, Sort::Newest, None, 9).await).await;
    assert_eq!(page.rows.iter().map(|row| row.entry.id).collect::<Vec<_>>(), [2]);
    assert_eq!(bench.read(async |tx| tx.timeline(1).await).await.len(), 1);
    assert_eq!(bench.read(async |tx| tx.attempts(1).await).await.len(), 1);

    let mut new = sample(3);
    new.entry.system = GUANGDONG.clone();
    let id = bench.write(async |tx| insert(tx, &new).await).await;
    assert_eq!(id, 3);
    let feed = bench.read(async |tx| tx.feed(0, 10).await).await;
    assert_eq!(feed.iter().map(|event| event.cursor).collect::<Vec<_>>(), [1, 3, 4]);
}

#[tokio::test]
async fn nothing_is_lost_on_sqlite() {
    nothing_is_lost_by_an_upgrade::<Sqlite>().await;
}

#[tokio::test]
async fn nothing_is_lost_on_postgres() {
    nothing_is_lost_by_an_upgrade::<Postgres>().await;
}
