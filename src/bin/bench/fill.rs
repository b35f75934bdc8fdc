//! Transfers of made-up people, and stores that are full of them.

use super::database::{Connection, Database};
use super::lab::{Lab, Setup};
use anyhow::Context as _;
use league_contract::identity::IdNumber;
use league_gateway::intake::IntakeError;
use serde_json::{Value, json};
use std::ops::Range;

/// One of the systems that the bench delivers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// No organization check: one exchange a transfer.
    Guangdong,
    /// A check and a submit.
    SmartLeague,
}

impl Side {
    pub(super) const ALL: [Self; 2] = [Self::Guangdong, Self::SmartLeague];

    pub(super) const fn system(self) -> &'static str {
        match self {
            Self::Guangdong => "guangdong",
            Self::SmartLeague => "smart_league",
        }
    }

    /// The sandbox's, known to all.
    pub(super) const fn secret(self) -> &'static str {
        match self {
            Self::Guangdong => "sandbox-guangdong-secret",
            Self::SmartLeague => "sandbox-smart-league-secret",
        }
    }

    const fn destination(self) -> (&'static str, &'static str) {
        match self {
            Self::Guangdong => ("440000", "共青团中山大学委员会"),
            Self::SmartLeague => ("320000", "共青团南京大学委员会"),
        }
    }
}

/// The key of the nth transfer of a series.
pub(super) fn request_id(series: &str, n: usize) -> String {
    format!("BENCH-{series}-{n}")
}

/// Somebody who does not exist; the first two million are all different.
fn id_number(n: usize) -> anyhow::Result<String> {
    let (day, month, year) = (n % 28 + 1, n / 28 % 12 + 1, n / 336 % 6 + 1998);
    let body = format!("110105{year}{month:02}{day:02}{:03}", n / 2016 % 1000);
    let checked = "0123456789X".chars().map(|check| format!("{body}{check}"));
    checked.into_iter().find(|number| IdNumber::parse(number).is_ok()).context("no check character fits")
}

/// The nth transfer of a series. Two of one number are of one person.
pub(super) fn document(side: Side, series: &str, n: usize) -> anyhow::Result<Value> {
    let (province, organization) = side.destination();
    Ok(json!({
        "request_id": request_id(series, n),
        "initiator": "member",
        "member": {"name": "欧阳若兰", "id_number": id_number(n)?, "phone": "13971000000",
                   "joined_on": "2018-05", "league_number": "201811000001", "ethnicity": "01"},
        "source": {"organization_id": "3421569", "full_name": "中国共产主义青年团北京信息科技大学委员会"},
        "destination": {"province_code": province, "full_name": organization},
        "reason": "education",
        "details": {"school_name": "某某大学", "school_address": "大学路 163 号", "stage": "graduate"},
        "applied_at": "2024-07-01T09:30:00+08:00",
    }))
}

/// Takes transfers in as the gateway does, many in a transaction. Makes the tables where there are none.
pub(super) async fn queue(
    lab: &Lab,
    database: &Database,
    side: Side,
    series: &str,
    numbers: Range<usize>,
) -> anyhow::Result<()> {
    let app = lab.app(&Setup::of(database, &[side])).await?;
    app.store.prepare(&app.sealer).await?;
    let all: Vec<usize> = numbers.collect();
    for chunk in all.chunks(2000) {
        let mut tx = app.store.write("bench").await?;
        for n in chunk {
            let taken = app.intake.take(&mut tx, &document(side, series, *n)?).await;
            taken.map_err(|error| match error {
                IntakeError::Refused(problems) => {
                    anyhow::anyhow!("a made-up transfer is refused: {problems:?}")
                }
                other @ (IntakeError::Store(_) | IntakeError::Seal(_)) => other.into(),
            })?;
        }
        tx.commit().await?;
    }
    app.store.close().await;
    Ok(())
}

/// A table that is multiplied: its key, and what refers to a transfer.
struct Table {
    name: &'static str,
    key: &'static str,
    reference: &'static str,
}

const TRANSFERS: Table = Table { name: "transfers", key: "id", reference: "id" };
const DOCUMENTS: Table = Table { name: "documents", key: "transfer_id", reference: "transfer_id" };
const EVENTS: Table = Table { name: "events", key: "cursor", reference: "transfer_id" };
const ATTEMPTS: Table = Table { name: "attempts", key: "id", reference: "transfer_id" };

/// Copies every transfer with its timeline and its exchanges under new keys, until there are `total`. The copies of
/// queued ones are due after all others, and can't be opened: what is sealed is sealed for its key.
pub(super) async fn multiply(database: &Database, total: usize) -> anyhow::Result<()> {
    let mut db = database.connect_loose().await?;
    let total = i64::try_from(total)?;
    let mut round = 0;
    let mut there = db.number("SELECT COUNT(*) FROM transfers").await?;
    anyhow::ensure!(there > 0, "there is nothing to multiply");
    while there < total {
        round += 1;
        let step = db.number("SELECT MAX(id) FROM transfers").await?;
        let due = db.number("SELECT COALESCE(MAX(due_at), 0) + 1 FROM transfers").await?;
        let limit = total - there;
        let last = db
            .number(format!(
                "SELECT MAX(id) FROM (SELECT id FROM transfers ORDER BY id LIMIT {limit}) AS few"
            ))
            .await?;
        for table in [TRANSFERS, DOCUMENTS, EVENTS, ATTEMPTS] {
            copy(&mut db, database, &table, Shift { round, step, last, due }).await?;
        }
        there = db.number("SELECT COUNT(*) FROM transfers").await?;
    }
    number_anew(&mut db, database).await?;
    db.close().await
}

/// What the gateway keeps beside its transfers, of a store that was filled behind its back.
pub(super) async fn number_anew(db: &mut Connection, database: &Database) -> anyhow::Result<()> {
    for sql in [
        "INSERT INTO open_people (person, transfer_id) SELECT person, id FROM transfers \
         WHERE state NOT IN ('completed', 'rejected', 'overdue', 'withdrawn') ON CONFLICT DO NOTHING",
        "DELETE FROM people",
        "INSERT INTO people (person, transfer_id) SELECT person, id FROM transfers ORDER BY person, id",
        "DELETE FROM counts WHERE kind = 'standing'",
        "INSERT INTO counts (kind, since, system, what, number) \
         SELECT 'standing', 0, system, state, COUNT(*) FROM transfers GROUP BY system, state",
        "DELETE FROM arrivals",
        "INSERT INTO arrivals (hour, first_id, last_id) SELECT created_at / 3600000 * 3600000 AS hour, MIN(id), MAX(id) \
         FROM transfers GROUP BY created_at / 3600000 * 3600000",
    ] {
        db.execute(sql).await?;
    }
    if database.is_sqlite() {
        db.execute("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)").await?;
    } else {
        for Table { name, key, .. } in [TRANSFERS, EVENTS, ATTEMPTS] {
            let sql = format!(
                "SELECT COALESCE(setval(pg_get_serial_sequence('{name}', '{key}'), (SELECT MAX({key}) FROM {name})), 0)"
            );
            db.number(sql).await?;
        }
        db.execute("VACUUM ANALYZE").await?;
        db.execute("CHECKPOINT").await?;
    }
    Ok(())
}

/// Where copies go: transfers up to `last` again, `step` further, due at `due`; their names end in the `round`.
#[derive(Clone, Copy)]
struct Shift {
    round: u32,
    step: i64,
    last: i64,
    due: i64,
}

async fn copy(db: &mut Connection, database: &Database, table: &Table, shift: Shift) -> anyhow::Result<()> {
    let Table { name, key, reference } = table;
    let Shift { round, step, last, due } = shift;
    let columns = if database.is_sqlite() {
        format!("SELECT name FROM pragma_table_info('{name}')")
    } else {
        format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '{name}' ORDER BY ordinal_position"
        )
    };
    let columns = db.texts(columns).await?;
    let beyond = db.number(format!("SELECT COALESCE(MAX({key}), 0) FROM {name}")).await?;
    let somebody =
        if database.is_sqlite() { "randomblob(32)" } else { "sha256((random()::text || id)::bytea)" };
    let values: Vec<String> = columns
        .iter()
        .map(|column| match column.as_str() {
            column if column == *reference => format!("{column} + {step}"),
            column if column == *key => format!("{column} + {beyond}"),
            "request_id" => format!("request_id || '-{round}'"),
            "person" => somebody.to_owned(),
            "due_at" => format!("CASE WHEN due_at IS NULL THEN NULL ELSE {due} END"),
            column => column.to_owned(),
        })
        .collect();
    let (columns, values) = (columns.join(", "), values.join(", "));
    db.execute(format!(
        "INSERT INTO {name} ({columns}) SELECT {values} FROM {name} WHERE {reference} <= {last}"
    ))
    .await
}
