//! What administrators look at, in a store of many transfers: pages of lists, counts, failures.

use super::database::{Connection, Database, Server};
use super::fill::{Side, number_anew, queue};
use super::lab::{Lab, Setup};
use super::report::{Goal, Report};
use super::watch;
use jiff::{SignedDuration, Timestamp};
use league_contract::{ProvinceCode, System};
use league_gateway::app::App;
use league_gateway::listing::StatsView;
use league_gateway::store::{Filter, Page, Person, Sort};
use league_gateway::transfer::State;

/// So many rows are written by a statement.
const PIECE: i64 = 100_000;
/// So often each kind of page is asked for, each time with other words where there are any.
const TIMES: i64 = 60;
/// The transfers came in over so many milliseconds.
const SPREAD: i64 = 2 * 365 * 86_400_000;

pub(super) async fn figures(lab: &Lab, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let rows = lab.rows;
    let database = server.create("lists").await?;
    let began = watch::start();
    fill(lab, &database, rows).await?;
    eprintln!("{}: {rows} transfers in {:.0} s", server.name(), began.elapsed().as_secs_f64());
    let app = lab.app(&Setup::of(&database, &[Side::Guangdong])).await?;
    let mut all = Vec::new();
    for (name, sort, filter) in kinds() {
        let mut took = Vec::new();
        for turn in 0..TIMES {
            let asked = filter(&Turn::of(turn, rows));
            let began = watch::start();
            let page = page(&app, &asked, sort).await?;
            took.push(began.elapsed().as_secs_f64() * 1000.0);
            anyhow::ensure!(page.unreadable.is_empty(), "{name}: rows of the bench's own can't be read");
        }
        all.extend_from_slice(&took);
        told(report, &format!("list page of 50, {name}"), &mut took, Goal::None);
    }
    told(
        report,
        &format!("list page with filters at {rows} transfers, all kinds"),
        &mut all,
        Goal::Most(50.0),
    );
    for name in ["counts and pace", "failure groups"] {
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let began = watch::start();
            if name == "failure groups" {
                app.store.read("bench").await?.failures().await?;
            } else {
                StatsView::of(&app.store, app.clock.now()).await?;
            }
            took.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        told(report, name, &mut took, Goal::None);
    }
    app.store.close().await;
    Ok(())
}

fn told(report: &mut Report, name: &str, took: &mut [f64], goal: Goal) {
    report.figure(&format!("{name}, p50"), watch::percentile(took, 0.5), "ms", Goal::None);
    report.figure(&format!("{name}, p95"), watch::percentile(took, 0.95), "ms", goal);
}

async fn page(app: &App, filter: &Filter, sort: Sort) -> anyhow::Result<Page> {
    let mut tx = app.store.read("bench").await?;
    Ok(tx.list(filter, sort, None, 50).await?)
}

/// What differs from one page of a kind to the next.
struct Turn {
    turn: i64,
    /// Somewhere among the transfers.
    number: i64,
    /// When that one came in.
    at: Timestamp,
}

impl Turn {
    fn of(turn: i64, rows: i64) -> Self {
        let number = 1 + (turn * 7_919 + 13) % rows;
        let at = Timestamp::from_millisecond(created_at(number, rows)).unwrap_or_default();
        Self { turn, number, at }
    }
}

/// When the nth transfer of so many came in, in milliseconds.
const fn created_at(number: i64, rows: i64) -> i64 {
    1_725_000_000_000 + number * (SPREAD / rows)
}

const CODES: [&str; 5] = ["org_not_found", "E-100", "E-200", "attempts_used_up", "conflict"];
const PROVINCES: [&str; 8] = ["320000", "440000", "350000", "330000", "310000", "510000", "650000", "540000"];

type Asking = fn(&Turn) -> Filter;

/// Kinds of pages: easy ones, those that an index leads to, and those that nothing leads to.
fn kinds() -> [(&'static str, Sort, Asking); 14] {
    [
        ("everything, newest first", Sort::Newest, |_| Filter::default()),
        ("one rare state", Sort::Newest, |_| Filter { states: vec![State::Failed], ..Filter::default() }),
        ("what failed, oldest first", Sort::Oldest, |_| Filter {
            states: vec![State::Failed, State::Returned],
            ..Filter::default()
        }),
        ("state and error code", Sort::Newest, |turn| Filter {
            states: vec![State::Failed],
            error: Some(CODES[cell(turn.turn, CODES.len())].to_owned()),
            ..Filter::default()
        }),
        ("system and province", Sort::Newest, |turn| Filter {
            system: Some(System::named("guangdong")),
            province_code: ProvinceCode::parse(PROVINCES[cell(turn.turn, PROVINCES.len())]),
            ..Filter::default()
        }),
        ("a day and a province", Sort::Newest, |turn| Filter {
            created_from: Some(turn.at),
            created_before: turn.at.checked_add(SignedDuration::from_hours(24)).ok(),
            province_code: ProvinceCode::parse(PROVINCES[cell(turn.turn, PROVINCES.len())]),
            ..Filter::default()
        }),
        ("older than a day, with a state", Sort::Newest, |turn| Filter {
            created_before: Some(turn.at),
            states: vec![State::Submitted],
            ..Filter::default()
        }),
        ("a name that nobody has", Sort::Newest, |turn| Filter {
            organization: Some(format!("没有{}这样的名称", turn.turn)),
            ..Filter::default()
        }),
        ("a state and a name that nobody has", Sort::Newest, |turn| Filter {
            states: vec![State::Failed, State::Returned, State::Submitted],
            organization: Some(format!("没有{}这样的名称", turn.turn)),
            ..Filter::default()
        }),
        ("a person", Sort::Newest, |turn| Filter {
            person: Some(Person(format!("person {}", turn.number).into_bytes())),
            ..Filter::default()
        }),
        ("the beginning of a request id", Sort::Newest, |turn| Filter {
            request_id: Some(format!("L-{}", turn.number)),
            ..Filter::default()
        }),
        ("due, first first", Sort::Due, |_| Filter::default()),
        ("changed last first, with a state", Sort::Updated, |_| Filter {
            states: vec![State::Submitted],
            ..Filter::default()
        }),
        ("changed last first, and a name that nobody has", Sort::Updated, |turn| Filter {
            organization: Some(format!("没有{}这样的名称", turn.turn)),
            ..Filter::default()
        }),
    ]
}

fn cell(turn: i64, length: usize) -> usize {
    usize::try_from(turn).unwrap_or_default() % length
}

/// A transfer that was really taken in, again and again in other places and states.
async fn fill(lab: &Lab, database: &Database, rows: i64) -> anyhow::Result<()> {
    queue(lab, database, Side::Guangdong, "MODEL", 0..1).await?;
    let mut db = database.connect_loose().await?;
    let first = db.number("SELECT MAX(id) FROM transfers").await?;
    let mut from = 1;
    while from <= rows {
        let to = (from + PIECE - 1).min(rows);
        write(&mut db, database, (first, from, to, rows)).await?;
        from = to + 1;
    }
    number_anew(&mut db, database).await?;
    db.close().await
}

async fn write(
    db: &mut Connection,
    database: &Database,
    (model, from, to, rows): (i64, i64, i64, i64),
) -> anyhow::Result<()> {
    let numbers = format!(
        "WITH RECURSIVE n (i) AS (SELECT CAST({from} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {to})"
    );
    let person =
        if database.is_sqlite() { "CAST('person ' || i AS BLOB)" } else { "('person ' || i)::bytea" };
    let begun = created_at(0, rows);
    let pace = SPREAD / rows;
    // States and places have nothing to do with each other.
    let state = "CASE WHEN i % 1000 < 960 THEN 'completed' WHEN i % 1000 < 978 THEN 'rejected' WHEN i % 1000 < 982 THEN 'overdue' \
        WHEN i % 1000 < 985 THEN 'withdrawn' WHEN i % 1000 < 990 THEN 'submitted' WHEN i % 1000 < 994 THEN 'awaiting_check_in' \
        WHEN i % 1000 < 996 THEN 'returned' WHEN i % 1000 < 998 THEN 'failed' ELSE 'queued' END";
    let system = "CASE WHEN i % 7 < 5 THEN 'smart_league' WHEN i % 7 < 6 THEN 'guangdong' ELSE 'fujian' END";
    let choice = |what: &str, words: &[&str]| {
        let cases: Vec<String> =
            words.iter().enumerate().map(|(at, word)| format!("WHEN {at} THEN '{word}'")).collect();
        format!("CASE {what} % {} {} END", words.len(), cases.join(" "))
    };
    let (province, code) = (choice("(i / 11)", &PROVINCES), choice("(i / 13)", &CODES));
    let columns = "source_id, source_name, initiator, masked_name, masked_id_number, masked_phone, created_digest, document_digest, \
        milestones, warnings";
    db.execute(format!(
        "INSERT INTO transfers (id, request_id, system, state, province_code, destination_name, attempts, tries, due_at, last_error, \
         reason, person, created_at, updated_at, {columns}) {numbers} \
         SELECT {model} + i, 'L-' || i, {system}, {state}, {province}, destination_name || i % 1000, 1, 0, \
         CASE WHEN i % 1000 >= 998 OR i % 1000 BETWEEN 985 AND 993 THEN {begun} + i * {pace} END, \
         CASE WHEN i % 1000 BETWEEN 994 AND 997 THEN '{{\"code\":\"' || {code} || '\",\"detail\":\"中\",\"detail_en\":\"en\",\"at\":\"2026-01-01T00:00:00Z\"}}' END, \
         CASE WHEN i % 3 = 0 THEN 'work' ELSE reason END, {person}, {begun} + i * {pace}, {begun} + i * {pace} + 1, {columns} \
         FROM n, transfers WHERE id = {model}"
    ))
    .await?;
    db.execute(format!(
        "INSERT INTO documents (transfer_id, document_sealed) {numbers} \
         SELECT {model} + i, document_sealed FROM n, documents WHERE transfer_id = {model}"
    ))
    .await?;
    // Who came in comes to its end later, among others.
    db.execute(format!(
        "INSERT INTO events (transfer_id, request_id, kind, from_state, to_state, cause, at) {numbers}, \
         l (line) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) \
         SELECT {model} + i, 'L-' || i, 'state_changed', 'queued', {state}, 'delivery', {begun} + i * {pace} + line FROM l, n ORDER BY line, i"
    ))
    .await
}
