//! What is found on 25,000 organizations of `generator/generate.py`, for queries of `generator/queries.py` with a seed
//! that no weight was tuned on (its misses were read once, early). `BENCHMARKS.md` has the figures for 4.3 million.

use crate::support::Place;
use flate2::read::GzDecoder;
use league_directory::import::Mode;
use league_directory::{Directory, Found, Page};
use std::collections::{BTreeMap, BTreeSet};

const LIST: &[u8] = include_bytes!("../data/organizations.csv.gz");
const QUERIES: &[u8] = include_bytes!("../data/queries.csv.gz");

struct Query {
    group: String,
    variant: String,
    province: String,
    text: String,
    accept: Vec<String>,
    matches: u64,
}

fn queries() -> Vec<Query> {
    let mut reader = csv::Reader::from_reader(GzDecoder::new(QUERIES));
    let records = reader.records().map(|record| record.expect("a query"));
    let query = |record: csv::StringRecord| Query {
        group: record[0].to_owned(),
        variant: record[1].to_owned(),
        province: record[2].to_owned(),
        text: record[3].to_owned(),
        accept: record[4].split('|').map(str::to_owned).collect(),
        matches: record[5].parse().unwrap_or(0),
    };
    records.map(query).collect()
}

fn ids(found: Found) -> BTreeSet<String> {
    match found {
        Found::None => BTreeSet::new(),
        Found::One(one) => BTreeSet::from([one.id]),
        Found::Several(all) => all.into_iter().map(|one| one.id).collect(),
    }
}

fn checks(directory: &Directory, queries: &[Query]) {
    for query in queries.iter().filter(|query| query.group != "keyword") {
        let found = ids(directory.check(&query.province, &query.text));
        if query.group == "exact" || query.group == "same" {
            let accept: BTreeSet<String> = query.accept.iter().cloned().collect();
            assert!(!found.is_empty() && found.is_subset(&accept), "{}: {found:?}", query.text);
        } else {
            assert!(found.is_empty(), "{} {}: {found:?}", query.variant, query.text);
        }
    }
}

fn suggestions(directory: &Directory, queries: &[Query]) {
    let mut recall: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
    for query in queries.iter().filter(|query| query.group == "near") {
        let found = directory.suggest(&query.province, &query.text, 5);
        assert!(found.len() <= 5);
        let place = found.iter().position(|one| query.accept.contains(&one.organization.id));
        for counts in [query.variant.as_str(), "all"] {
            let counts = recall.entry(counts).or_default();
            counts[0] += f64::from(u8::from(place == Some(0)));
            counts[1] += f64::from(u8::from(place.is_some()));
            counts[2] += 1.0;
        }
    }
    for (kind, [first, five, asked]) in recall {
        let goals = if kind == "all" { [0.985, 0.998] } else { [0.93, 0.98] };
        let shares = [first / asked, five / asked];
        assert!(
            shares[0] >= goals[0] && shares[1] >= goals[1],
            "{kind}: {shares:?} of {asked}, goals {goals:?}"
        );
    }
    for query in queries.iter().filter(|query| query.group == "elsewhere") {
        let found = directory.suggest(&query.province, &query.text, 5);
        let offered = |id: &String| found.iter().any(|one| one.elsewhere && one.organization.id == *id);
        assert!(query.accept.iter().any(offered), "{} is elsewhere, and not offered", query.text);
    }
}

fn searches(directory: &Directory, queries: &[Query]) {
    for query in queries.iter().filter(|query| query.group == "keyword") {
        let hits = directory.search(Some(&query.province), &query.text, Page { offset: 0, limit: 20 });
        assert_eq!(hits.total, query.matches, "{} {}", query.province, query.text);
        assert_eq!(hits.items.len() as u64, hits.total.min(20));
    }
}

#[test]
fn what_is_asked_is_found() {
    let place = Place::new();
    let summary = place.import(Mode::Full, LIST).expect("an import");
    assert_eq!((summary.organizations, summary.refused, summary.duplicate), (25_000, 0, 0));
    let directory = place.open();
    assert_eq!(directory.facts().organizations, 25_000);
    let queries = queries();
    checks(&directory, &queries);
    suggestions(&directory, &queries);
    searches(&directory, &queries);

    // Every organization is found by its own name, in its province and in no other that lacks it.
    let all: Vec<_> = directory.all().collect();
    assert_eq!(all.len(), 25_000);
    for one in all.iter().step_by(7) {
        assert!(ids(directory.check(&one.province, &one.full_name)).contains(&one.id), "{one:?}");
    }
    for one in all.iter().step_by(1009) {
        assert_eq!(directory.organization(&one.province, &one.id).as_ref(), Some(one));
    }

    // The same list again changes nothing.
    let before = std::fs::read(&place.file).expect("the file");
    let again = place.import(Mode::Full, LIST).expect("an import");
    assert_eq!((again.unchanged, again.new, again.changed, again.gone), (25_000, 0, 0, 0));
    assert!(before == std::fs::read(&place.file).expect("the file"), "the same list made another file");
}
