//! Lists: what a page shows is what a look at every row would find.

use super::backend::Bench;
use super::samples::{GUANGDONG, NATIONAL, at, insert, request_id, sample};
use crate::support::Dice;
use jiff::Timestamp;
use league_contract::{ProvinceCode, System};
use league_gateway::store::{Cursor, Filter, Page, Person, STRETCH, Sort, Stored};
use league_gateway::transfer::{Advance, Cause, Held, LastError, Line, State, Verdict};

static FUJIAN: System = System::named("fujian");
const PROVINCES: [&str; 3] = ["320000", "440000", "350000"];
const REASONS: [&str; 2] = ["education", "work"];
const CODES: [&str; 3] = ["org_not_found", "E\"100", "E-1"];
const NAMES: [&str; 3] = ["共青团南京大学委员会", "共青团中山大学委员会", "共青团100%_大学委员会"];

/// A transfer as it was put in.
struct Put {
    stored: Stored,
    person: Vec<u8>,
    /// The place of the last line of its timeline.
    line: i64,
}

fn held(second: i64) -> Held {
    Held { by: "desk".into(), reason: "等".into(), at: at(second) }
}

fn number(dice: &mut Dice, end: u64) -> i64 {
    i64::try_from(dice.below(end)).expect("small")
}

/// Puts in a transfer about which everything is chance. Its time has nothing to do with its key.
async fn put_any(bench: &Bench, dice: &mut Dice, at_number: i64) {
    let mut new = sample(at_number);
    let state = *dice.pick(State::ALL);
    let person = if state.is_final() { number(dice, 4) } else { 100 + at_number };
    new.person.index = format!("person {person}").into_bytes();
    new.shown.reason = (*dice.pick(&REASONS)).to_owned();
    let entry = &mut new.entry;
    entry.request_id = request_id(if dice.percent(20) { 1000 + at_number } else { at_number });
    entry.system = dice.pick(&[NATIONAL.clone(), GUANGDONG.clone(), FUJIAN.clone()]).clone();
    entry.state = state;
    entry.province_code = ProvinceCode::parse(dice.pick::<&str>(&PROVINCES)).expect("a code");
    entry.destination_name = (*dice.pick(&NAMES)).to_owned();
    entry.created_at = at(number(dice, 100_000));
    entry.due_at = dice.percent(50).then(|| at(number(dice, 20)));
    let mut entry = new.entry.clone();
    entry.id = bench.write(async |tx| insert(tx, &new).await).await;
    entry.updated_at = at(number(dice, 100_000));
    entry.sent_name = dice.percent(20).then(|| (*dice.pick(&NAMES)).to_owned());
    entry.held = dice.percent(20).then(|| held(1));
    entry.last_error = dice.percent(50).then(|| LastError {
        code: (*dice.pick(&CODES)).to_owned(),
        zh: "中".into(),
        en: "en".into(),
        at: at(0),
        suggestions: vec![],
    });
    touch(bench, entry).await;
}

/// Writes an entry as it is, with a line in its timeline.
async fn touch(bench: &Bench, entry: league_gateway::transfer::Entry) {
    let at = entry.updated_at;
    let lines = vec![Line::Note { code: "law", text: "x".into() }];
    let step = Advance { entry, lines, verdict: Verdict::Stays };
    bench.write(async |tx| tx.save(&step, true, Cause::Clock, at).await).await;
}

async fn all(bench: &Bench) -> Vec<Put> {
    let ids: Vec<i64> = bench.database.column("SELECT id FROM transfers ORDER BY id").await;
    let mut all = Vec::new();
    for id in ids {
        let stored = bench.stored(id).await;
        let person =
            bench.database.column(&format!("SELECT person FROM transfers WHERE id = {id}")).await.remove(0);
        let line = bench.number(&format!("SELECT MAX(cursor) FROM events WHERE transfer_id = {id}")).await;
        all.push(Put { stored, person, line });
    }
    all
}

fn waits(put: &Put) -> bool {
    let entry = &put.stored.entry;
    entry.due_at.is_some() && entry.held.is_none() && put.stored.lease_token.is_none()
}

/// What a filter means, said once more.
fn fits(filter: &Filter, put: &Put) -> bool {
    let (entry, shown) = (&put.stored.entry, &put.stored.shown);
    let or = |wanted: Option<bool>| wanted.unwrap_or(true);
    let has = |part: &String| {
        entry.destination_name.contains(part)
            || entry.sent_name.as_ref().is_some_and(|name| name.contains(part))
    };
    (filter.states.is_empty() || filter.states.contains(&entry.state))
        && or(filter.system.as_ref().map(|system| *system == entry.system))
        && or(filter.province_code.map(|code| code == entry.province_code))
        && or(filter.reason.as_ref().map(|reason| *reason == shown.reason))
        && or(filter
            .error
            .as_ref()
            .map(|code| entry.last_error.as_ref().is_some_and(|error| error.code == *code)))
        && or(filter.created_from.map(|at| entry.created_at >= at))
        && or(filter.created_before.map(|at| entry.created_at < at))
        && or(filter.updated_from.map(|at| entry.updated_at >= at))
        && or(filter.updated_before.map(|at| entry.updated_at < at))
        && or(filter.held.map(|held| held == entry.held.is_some()))
        && or(filter.due_by.map(|by| waits(put) && entry.due_at.is_some_and(|at| at <= by)))
        && or(filter.organization.as_ref().map(has))
        && or(filter.person.as_ref().map(|person| person.0 == put.person))
        && or(filter.request_id.as_ref().map(|prefix| entry.request_id.as_str().starts_with(prefix)))
}

fn any_filter(dice: &mut Dice) -> Filter {
    let mut filter = Filter::default();
    let time = |dice: &mut Dice| Some(at(number(dice, 100_000)));
    for _ in 0..dice.below(4) {
        match dice.below(14) {
            0 | 1 => filter.states = (0..=dice.below(3)).map(|_| *dice.pick(State::ALL)).collect(),
            2 => {
                filter.system =
                    Some(dice.pick(&[NATIONAL.clone(), GUANGDONG.clone(), FUJIAN.clone()]).clone())
            }
            3 => filter.province_code = ProvinceCode::parse(dice.pick::<&str>(&PROVINCES)),
            4 => filter.reason = Some((*dice.pick(&REASONS)).to_owned()),
            5 => filter.error = Some((*dice.pick(&CODES)).to_owned()),
            6 => filter.created_from = time(dice),
            7 => filter.created_before = time(dice),
            8 => filter.updated_from = time(dice),
            9 => filter.updated_before = time(dice),
            10 => filter.held = Some(dice.percent(50)),
            11 => filter.due_by = Some(at(number(dice, 20))),
            12 => {
                filter.organization =
                    Some((*dice.pick(&["大学", "南京", "100%_", "%", "_", "''"])).to_owned())
            }
            _ if dice.percent(50) => {
                filter.person = Some(Person(format!("person {}", dice.below(5)).into_bytes()))
            }
            _ => {
                filter.request_id = Some((*dice.pick(&["BJ-1", "BJ-10", "BJ-3", "BJ", "bj", "X"])).to_owned())
            }
        }
    }
    filter
}

/// All pages of a list, one after the other.
async fn pages(bench: &Bench, filter: &Filter, sort: Sort, limit: u32) -> Vec<Page> {
    let (mut pages, mut after): (Vec<Page>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = bench.read(async |tx| tx.list(filter, sort, after, limit).await).await;
        assert!(page.rows.len() <= limit as usize);
        // A cursor goes out as text.
        after = page.next.map(|cursor| Cursor::parse(&cursor.to_string()).expect("it is read"));
        pages.push(page);
        assert!(pages.len() < 1000, "it comes to an end: {filter:?} {sort:?}");
        if after.is_none() {
            return pages;
        }
    }
}

fn ids(pages: &[Page]) -> Vec<i64> {
    pages.iter().flat_map(|page| page.rows.iter().map(|row| row.entry.id)).collect()
}

pub(super) async fn a_list_is_what_a_look_at_every_row_finds(bench: Bench) {
    let mut dice = Dice::new(11);
    for number in 1..=60 {
        put_any(&bench, &mut dice, number).await;
    }
    for _ in 0..30 {
        let id = 1 + number(&mut dice, 60);
        let entry = bench.stored(id).await.entry;
        touch(&bench, entry).await;
    }
    let all = all(&bench).await;
    let (mut found, mut kinds) = (0, 0);
    for _ in 0..250 {
        let (filter, sort) = (any_filter(&mut dice), *dice.pick(&Sort::ALL));
        let mut wanted: Vec<&Put> = all.iter().filter(|put| fits(&filter, put)).collect();
        if sort == Sort::Due {
            wanted.retain(|put| waits(put));
        }
        wanted.sort_by_key(|put| {
            let entry = &put.stored.entry;
            match sort {
                Sort::Newest => (-entry.id, 0),
                Sort::Oldest => (entry.id, 0),
                Sort::Updated => (-put.line, 0),
                Sort::Due => (entry.due_at.map_or(0, Timestamp::as_millisecond), entry.id),
            }
        });
        let wanted: Vec<i64> = wanted.iter().map(|put| put.stored.entry.id).collect();
        let limit = u32::try_from(1 + dice.below(9)).expect("small");
        let pages = pages(&bench, &filter, sort, limit).await;
        assert_eq!(ids(&pages), wanted, "{filter:?} {sort:?}");
        // All that there is was looked at: a page is full, or the last.
        assert!(pages.iter().all(|page| page.searched_to.is_none()), "{filter:?} {sort:?}");
        found += wanted.len();
        kinds += usize::from(!wanted.is_empty());
    }
    assert!(found > 500 && kinds > 100, "the filters find something: {found}, {kinds}");
}

/// More transfers than a page looks at, with three that are looked for: at the beginning, at the end, and behind a gap.
async fn crowd(bench: &Bench) -> [i64; 3] {
    let needle = async |number: i64| {
        bench
            .put_with(number, |entry| {
                entry.province_code = ProvinceCode::parse("440000").expect("a code");
                entry.due_at = Some(at(1_000_000 * number));
            })
            .await
    };
    let first = needle(1).await;
    let model = bench.put(&sample(2)).await;
    let before = bench.stored(model).await.entry;
    touch(bench, league_gateway::transfer::Entry { held: Some(held(1)), ..before }).await;
    let rows = STRETCH * 2 + STRETCH / 4;
    let due = at(1_000_000).as_millisecond();
    bench
        .execute(&format!(
            "INSERT INTO transfers (request_id, system, state, province_code, destination_name, attempts, tries, due_at, held, \
             milestones, warnings, source_id, source_name, reason, initiator, masked_name, masked_id_number, masked_phone, person, \
             created_digest, document_digest, created_at, updated_at) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             SELECT 'F-' || i, system, state, province_code, destination_name, 0, 0, {due} + i, CASE WHEN i % 2 = 0 THEN held END, \
             milestones, warnings, source_id, source_name, reason, initiator, masked_name, masked_id_number, masked_phone, person, \
             created_digest, document_digest, created_at + i, updated_at FROM n, transfers WHERE id = {model}"
        ))
        .await;
    bench
        .execute(&format!(
            "INSERT INTO events (transfer_id, request_id, kind, cause, at) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {STRETCH}) \
             SELECT {model} + i, 'F-' || i, 'note', 'clock', i FROM n"
        ))
        .await;
    bench.execute("UPDATE arrivals SET last_id = (SELECT MAX(id) FROM transfers)").await;
    bench.write(async |tx| tx.recount().await).await;
    let second = needle(3).await;
    let third = needle(4).await;
    let far = 10 * third;
    for text in ["transfers SET id", "events SET transfer_id", "arrivals SET last_id"] {
        let column = text.split_once(" SET ").expect("a column").1;
        bench.execute(&format!("UPDATE {text} = {far} WHERE {column} = {third}")).await;
    }
    if bench.store.is_one_daemons() {
        bench.execute("ANALYZE").await;
    }
    [first, second, far]
}

/// Every page looks at a stretch, says how far it came, and goes on from there.
pub(super) async fn a_page_looks_at_a_stretch_and_goes_on(bench: Bench) {
    let [first, second, third] = crowd(&bench).await;
    let filter = Filter { province_code: ProvinceCode::parse("440000"), ..Filter::default() };
    let held_elsewhere =
        Filter { held: Some(true), organization: Some("没有这样的名称".into()), ..Filter::default() };
    for (filter, sort, wanted, most) in [
        (&filter, Sort::Newest, vec![third, second, first], 4),
        (&filter, Sort::Oldest, vec![first, second, third], 4),
        (&filter, Sort::Updated, vec![third, second, first], 9),
        (&filter, Sort::Due, vec![first, second, third], 10),
        (&held_elsewhere, Sort::Newest, vec![], 10),
        (&held_elsewhere, Sort::Oldest, vec![], 10),
    ] {
        let pages = pages(&bench, filter, sort, 10).await;
        assert_eq!(ids(&pages), wanted, "{filter:?} {sort:?}");
        assert_eq!(pages.len(), most, "{filter:?} {sort:?}");
        let (last, others) = pages.split_last().expect("a page");
        assert!(last.searched_to.is_none(), "the last one has come to the end");
        assert!(others.iter().all(|page| page.searched_to.is_some()), "the others say how far: {sort:?}");
    }
    // What an index leads to needs no stretches.
    let led = |filter: Filter| Filter { organization: Some("大学".into()), ..filter };
    for filter in [
        led(Filter { request_id: Some("BJ-".into()), ..filter.clone() }),
        led(Filter { person: Some(Person(b"person 1".to_vec())), ..Filter::default() }),
        led(Filter { created_from: Some(at(90_000)), ..filter.clone() }),
    ] {
        let pages = pages(&bench, &filter, Sort::Newest, 10).await;
        assert_eq!(pages.len(), 1, "{filter:?}");
    }
}

pub(super) async fn a_damaged_row_is_left_out_of_a_list(bench: Bench) {
    for number in 1..=3 {
        bench.put(&sample(number)).await;
    }
    bench.execute("UPDATE transfers SET milestones = 'none' WHERE id = 2").await;
    let page = bench.read(async |tx| tx.list(&Filter::default(), Sort::Newest, None, 2).await).await;
    assert_eq!((page.rows.len(), page.unreadable.len()), (1, 1));
    assert_eq!((page.unreadable[0].id, &page.unreadable[0].request_id), (2, &Some(request_id(2))));
    let page = bench.read(async |tx| tx.list(&Filter::default(), Sort::Newest, page.next, 2).await).await;
    assert_eq!((page.rows.len(), page.unreadable.len(), page.next), (1, 0, None));
}

pub(super) async fn whom_an_amendment_names_is_found(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    bench.write(async |tx| tx.replace_document(&sample(2), id).await).await;
    for (person, found) in [("person 1", 0), ("person 2", 1)] {
        let filter = Filter { person: Some(Person(person.as_bytes().to_vec())), ..Filter::default() };
        let page = bench.read(async |tx| tx.list(&filter, Sort::Newest, None, 9).await).await;
        assert_eq!(page.rows.len(), found, "{person}");
    }
}

pub(super) async fn failures_are_grouped_by_system_and_cause(bench: Bench) {
    let fail = async |number: i64, state: State, code: Option<&str>| {
        let id = bench.put_with(number, |entry| entry.state = state).await;
        let mut entry = bench.stored(id).await.entry;
        entry.updated_at = at(number);
        entry.last_error = code.map(|code| LastError {
            code: code.into(),
            zh: "未查询到该组织".into(),
            en: "not found".into(),
            at: at(0),
            suggestions: vec![],
        });
        touch(&bench, entry).await;
    };
    for number in 1..=3 {
        fail(number, State::Returned, Some("org_not_found")).await;
    }
    fail(4, State::Failed, Some("E-1")).await;
    fail(5, State::Failed, None).await;
    fail(6, State::Completed, Some("E-1")).await;
    let failures = bench.read(async |tx| tx.failures().await).await;
    assert!(!failures.at_least);
    let [first, others @ ..] = failures.groups.as_slice() else { panic!("{failures:?}") };
    assert_eq!(
        (first.system.as_str(), first.state, first.code.as_str(), first.number),
        ("smart_league", State::Returned, "org_not_found", 3)
    );
    assert_eq!((first.oldest, first.newest, &first.sample), (at(1), at(3), &request_id(3)));
    assert_eq!(first.problem.as_ref().map(|problem| problem.zh.as_str()), Some("未查询到该组织"));
    let others: Vec<(State, &str, i64)> =
        others.iter().map(|group| (group.state, group.code.as_str(), group.number)).collect();
    assert_eq!(others.len(), 2, "{others:?}");
    assert!(others.contains(&(State::Failed, "E-1", 1)) && others.contains(&(State::Failed, "", 1)));
}
