//! Asks a directory what a file of queries with known answers says, and keeps count.

use crate::measure::Times;
use league_directory::name::place::province_named;
use league_directory::{Directory, Found, Page};
use std::collections::BTreeMap;
use std::path::Path;

/// One query and its truth.
#[derive(Debug)]
pub(crate) struct Query {
    group: String,
    variant: String,
    province: String,
    text: String,
    exists: bool,
    accept: Vec<String>,
    matches: Option<u64>,
    meant: String,
}

/// How often the organization meant was first, among the first five, and asked for.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Recall {
    pub(crate) first: u32,
    pub(crate) five: u32,
    pub(crate) asked: u32,
}

/// What was found out.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) check: Times,
    pub(crate) wrong: Vec<String>,
    pub(crate) near: Times,
    pub(crate) recall: BTreeMap<String, Recall>,
    pub(crate) missed: Vec<String>,
    pub(crate) search: Times,
    pub(crate) totals_wrong: Vec<String>,
    pub(crate) absent: Times,
    pub(crate) elsewhere_first: u32,
    pub(crate) elsewhere: u32,
    pub(crate) places: [u32; 3],
}

/// Reads queries.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Query>> {
    let mut reader = csv::Reader::from_path(path)?;
    let mut queries = Vec::new();
    for record in reader.records() {
        let record = record?;
        let field = |at: usize| record.get(at).unwrap_or_default().to_owned();
        queries.push(Query {
            group: field(1),
            variant: field(2),
            province: field(3),
            text: field(4),
            exists: &record[5] == "exists",
            accept: field(7).split('|').map(str::to_owned).collect(),
            matches: record[8].parse().ok(),
            meant: field(9),
        });
    }
    Ok(queries)
}

/// Asks all of them: once to warm up, once to measure.
pub(crate) fn ask(directory: &Directory, queries: &[Query]) -> Report {
    let mut warm = Report::default();
    let mut report = Report::default();
    for report in [&mut warm, &mut report] {
        for query in queries.iter().filter(|query| query.group != "keyword") {
            report.check(directory, query);
        }
        for query in queries.iter().filter(|query| query.group == "near") {
            report.suggest(directory, query);
        }
        for query in queries.iter().filter(|query| query.group == "absent" || query.group == "elsewhere") {
            report.suggest_other(directory, query);
        }
        for query in queries.iter().filter(|query| query.group == "keyword") {
            report.search(directory, query);
        }
    }
    report
}

impl Report {
    fn check(&mut self, directory: &Directory, query: &Query) {
        let found = self.check.of(|| directory.check(&query.province, &query.text));
        let ids: Vec<String> = match found {
            Found::None => Vec::new(),
            Found::One(one) => vec![one.id],
            Found::Several(all) => all.into_iter().map(|one| one.id).collect(),
        };
        let right = if query.exists {
            !ids.is_empty() && ids.iter().all(|id| query.accept.contains(id))
        } else {
            ids.is_empty()
        };
        if !right {
            self.wrong.push(format!("{} {} {} -> {ids:?}", query.variant, query.province, query.text));
        }
        if query.group == "exact" {
            let named = province_named(&query.text);
            let which = named.map_or(2, |code| usize::from(code != query.province));
            self.places[which] += 1;
            if which == 1 {
                self.missed.push(format!("place {named:?} {} {}", query.province, query.text));
            }
        }
    }

    fn suggest(&mut self, directory: &Directory, query: &Query) {
        let found = self.near.of(|| directory.suggest(&query.province, &query.text, 5));
        let place = found.iter().position(|suggestion| query.accept.contains(&suggestion.organization.id));
        let recall = self.recall.entry(query.variant.clone()).or_default();
        recall.asked += 1;
        recall.first += u32::from(place == Some(0));
        recall.five += u32::from(place.is_some());
        if place != Some(0) {
            let first = found.first().map_or("", |first| first.organization.full_name.as_str());
            let place = place.map_or("-".to_owned(), |place| (place + 1).to_string());
            self.missed.push(format!(
                "{} {place} {}\n    typed {}\n    meant {}\n    first {first}",
                query.variant, query.province, query.text, query.meant
            ));
        }
    }

    fn suggest_other(&mut self, directory: &Directory, query: &Query) {
        let found = self.absent.of(|| directory.suggest(&query.province, &query.text, 5));
        if query.group == "elsewhere" {
            self.elsewhere += 1;
            let offered = found
                .iter()
                .any(|suggestion| suggestion.elsewhere && query.accept.contains(&suggestion.organization.id));
            self.elsewhere_first += u32::from(offered);
        }
    }

    fn search(&mut self, directory: &Directory, query: &Query) {
        let page = Page { offset: 0, limit: 20 };
        let hits = self.search.of(|| directory.search(Some(&query.province), &query.text, page));
        if query.matches.is_some_and(|matches| matches != hits.total) {
            self.totals_wrong
                .push(format!("{} {}: {} of {:?}", query.province, query.text, hits.total, query.matches));
        }
    }

    /// Recall over all kinds of mistake.
    pub(crate) fn overall(&self) -> Recall {
        self.recall.values().fold(Recall::default(), |sum, one| Recall {
            first: sum.first + one.first,
            five: sum.five + one.five,
            asked: sum.asked + one.asked,
        })
    }
}

impl Recall {
    pub(crate) fn shares(self) -> (f64, f64) {
        let asked = f64::from(self.asked.max(1));
        (f64::from(self.first) / asked, f64::from(self.five) / asked)
    }
}
