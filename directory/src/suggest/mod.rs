//! Which organizations were probably meant.

mod candidates;
mod cost;

use crate::directory::{Directory, Organization, organization};
use crate::facts::LONG;
use crate::name::fold::{self, SHORT_PREFIX};
use crate::name::level::{Levelled, Rank, pack, without_prefix};
use crate::name::place::Province;
use crate::name::{Difference, differences, place, university};
use crate::table::Table;
use candidates::Gather;
use cost::{Comparison, FAR, Typed};

/// How many names are compared letter by letter.
const COMPARED: usize = 40;
/// Up to here a name is probably what was meant.
const GOOD: u32 = 150;
/// How many bearers of a name in other provinces are looked at.
const MOST_ELSEWHERE: usize = 40;
/// How many readings of short forms are tried.
const READINGS: usize = 4;
/// How many sets of memory are kept for later.
const KEPT: usize = 8;
/// As many of the nearest names are compared exactly.
const EXACT: usize = 8;
/// A prefix or suffix in another form; where all else is equal, people write names as they are.
const STYLE: u32 = 6;
/// The least share of pairs that a suggestion has.
const LEAST_SHARE: f32 = 0.2;

/// An organization that may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Which one.
    pub organization: Organization,
    /// Where its name differs from what was typed.
    pub differences: Vec<Difference>,
    /// Whether it bears what was typed in another spelling ([`crate::name::alike`]). For ranking and for show; it decides nothing.
    pub equivalent: bool,
    /// Whether it bears exactly this name in another province.
    pub elsewhere: bool,
}

/// Memory that suggestions use again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    gather: Gather,
    comparison: Comparison,
    name: Levelled,
    /// The lowest costs so far, in order.
    lowest: Vec<u32>,
}

/// A row of the province, and how far it is.
#[derive(Debug, Clone, Copy)]
struct Near {
    cost: u32,
    row: u32,
    equivalent: bool,
}

impl Directory {
    /// Which organizations were probably meant by a name that no organization of the province bears, the likeliest
    /// first; among them those that bear exactly this name in another province.
    #[must_use]
    pub fn suggest(&self, province: &str, full_name: &str, limit: usize) -> Vec<Suggestion> {
        let key = fold::fold(full_name);
        if key.is_empty() || limit == 0 {
            return Vec::new();
        }
        let typed = Typed::new(&key, Province::of(province));
        let mut near = Vec::new();
        let table = self.table(province);
        if let Some(table) = &table {
            let mut scratch = self.scratch.lock().ok().and_then(|mut kept| kept.pop()).unwrap_or_default();
            near = self.near(table, full_name.trim(), &typed, &mut scratch);
            if let Ok(mut kept) = self.scratch.lock()
                && kept.len() < KEPT
            {
                kept.push(scratch);
            }
        }
        let mut elsewhere = self.elsewhere(province, &typed);
        let named = place::province_named(full_name);
        elsewhere.sort_by_key(|organization| Some(organization.province.as_str()) != named);
        elsewhere.truncate(limit.div_ceil(2));
        let meant = elsewhere.first().is_some_and(|first| Some(first.province.as_str()) == named);
        near.truncate(limit - elsewhere.len().min(limit));
        let good = if meant { 0 } else { near.iter().take_while(|near| near.cost <= GOOD).count() };
        let mut suggestions: Vec<Suggestion> = near
            .into_iter()
            .filter_map(|near| {
                let table = table.as_ref()?;
                let organization = organization(table, near.row, table.keys().seek(near.row)?)?;
                Some(suggestion(full_name, organization, near.equivalent, false))
            })
            .collect();
        let elsewhere =
            elsewhere.into_iter().map(|organization| suggestion(full_name, organization, true, true));
        let good = good.min(suggestions.len());
        suggestions.splice(good..good, elsewhere);
        suggestions
    }

    /// Rows of the province, the nearest first.
    fn near(&self, table: &Table<'_>, text: &str, typed: &Typed<'_>, scratch: &mut Scratch) -> Vec<Near> {
        let mut found = Vec::with_capacity(2 * COMPARED);
        scratch.lowest.clear();
        let here = Province::of(table.code);
        self.look_up(table, typed, scratch, &mut found);
        scratch.search(table, typed, &mut found);
        let readings = readings(table.code, here, typed.key);
        let readings: Vec<Typed<'_>> = readings.iter().map(|reading| Typed::new(reading, here)).collect();
        for reading in &readings {
            self.look_up(table, reading, scratch, &mut found);
            scratch.search(table, reading, &mut found);
        }
        if scratch.lowest.first().is_none_or(|lowest| *lowest > GOOD) {
            for reading in shortened(table.code, typed.key) {
                scratch.search(table, &Typed::new(&reading, here), &mut found);
            }
        }
        found.sort_unstable_by_key(|near| (near.row, near.cost));
        found.dedup_by_key(|near| near.row);
        found.sort_unstable_by_key(|near| (near.cost, near.row));
        found.truncate(EXACT);
        let mut keys = table.keys();
        for near in &mut found {
            if let (Some(name), Some(facts)) = (keys.seek(near.row), table.facts(near.row)) {
                near.cost += style(text, typed.key, name, facts.writing);
                near.cost += scratch.comparison.body(typed.key, name, 300).min(300) / 50;
            }
        }
        found.sort_unstable_by_key(|near| (near.cost, near.row));
        found
    }

    /// Rows of the province that are alike to what was typed, or would be but for what is often left out.
    fn look_up(&self, table: &Table<'_>, typed: &Typed<'_>, scratch: &mut Scratch, found: &mut Vec<Near>) {
        let mut keys = table.keys();
        for guess in guesses(Province::of(table.code), &typed.name) {
            for row in self.alike(guess.hash()).filter_map(|row| row.checked_sub(table.first_row)) {
                if row < table.rows
                    && let Some(name) = keys.seek(row)
                {
                    found.extend(scratch.compare(typed, name, row, 1.0));
                }
            }
        }
    }

    /// Who bears exactly this name in other provinces.
    fn elsewhere(&self, province: &str, typed: &Typed<'_>) -> Vec<Organization> {
        let bearer = |row| {
            let (table, row) = self.table_of(row)?;
            let mut keys = table.keys();
            let here = keys.seek(row)?;
            if table.code == province || here != typed.key { None } else { organization(&table, row, here) }
        };
        self.alike(typed.name.hash()).filter_map(bearer).take(MOST_ELSEWHERE).collect()
    }
}

impl Scratch {
    fn search(&mut self, table: &Table<'_>, typed: &Typed<'_>, found: &mut Vec<Near>) {
        let candidates = self.gather.candidates(table, typed.key, COMPARED);
        let gather = std::mem::take(&mut self.gather);
        for candidate in candidates.iter().take_while(|candidate| candidate.share >= LEAST_SHARE) {
            found.extend(self.compare(typed, gather.key(candidate), candidate.row, candidate.share));
        }
        self.gather = gather;
    }

    /// Compares what was typed with the key of a row, unless it is further away than many others.
    fn compare(&mut self, typed: &Typed<'_>, name: &[u16], row: u32, share: f32) -> Option<Near> {
        let bound = self.lowest.get(EXACT - 1).copied().unwrap_or(FAR);
        self.name.set(name);
        let equivalent = self.name.body == typed.name.body && self.name.rank == typed.name.rank;
        let cost = self.comparison.cost(typed, name, &self.name, bound);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20")]
        let lacking = ((1.0 - share).clamp(0.0, 1.0) * 20.0) as u32;
        let cost = cost + lacking;
        if cost >= FAR {
            return None;
        }
        let place = self.lowest.partition_point(|lower| *lower <= cost);
        if place < EXACT {
            self.lowest.insert(place, cost);
            self.lowest.truncate(EXACT);
        }
        Some(Near { cost, row, equivalent })
    }
}

/// What is looked up as it is, beside what was typed: with a suffix where none was typed, and with its places in order.
fn guesses(here: Option<&Province>, typed: &Levelled) -> Vec<Levelled> {
    let mut guesses = vec![typed.clone()];
    if let Some(body) = here.and_then(|here| here.in_order(&typed.body)) {
        guesses.push(Levelled { body, ..typed.clone() });
    }
    if typed.rank.is_none() {
        for at in 0..guesses.len() {
            for rank in [Rank::Committee, Rank::GeneralBranch, Rank::Branch, Rank::WorkCommittee] {
                let guess = Levelled { rank: Some(rank), ..guesses[at].clone() };
                guesses.push(guess);
            }
        }
    }
    guesses
}

/// How unlike two names are written.
fn style(text: &str, key: &[u16], name: &[u16], writing: u8) -> u32 {
    let ending = |key: &[u16]| pack(key).map(|(_, ending)| ending);
    let short = |key: &[u16]| key.starts_with(&SHORT_PREFIX);
    let prefix =
        short(key) == short(name) && (text.starts_with('中') == (writing & LONG != 0) || !short(key));
    u32::from(!prefix) * STYLE + u32::from(ending(key) != ending(name)) * STYLE
}

/// Other ways to read what was typed: the full names of universities for their short forms.
fn readings(code: &str, here: Option<&Province>, key: &[u16]) -> Vec<Vec<u16>> {
    let stem = without_prefix(key);
    let prefix: &[u16] = if stem.len() < key.len() { &SHORT_PREFIX } else { &[] };
    let (province, _) = here.map_or((0, 0), |here| here.lead(stem));
    let mut readings = Vec::new();
    for lead in if province > 0 { vec![0, province] } else { vec![0] } {
        let (before, rest) = stem.split_at(lead);
        for (length, full) in university::at_start(code, rest) {
            if readings.len() < READINGS && !rest.starts_with(full) {
                readings.push([prefix, before, full, &rest[length..]].concat());
            }
        }
    }
    readings
}

/// What was typed with a university's short forms for its full name.
fn shortened(code: &str, key: &[u16]) -> Vec<Vec<u16>> {
    let stem = without_prefix(key);
    let prefix: &[u16] = if stem.len() < key.len() { &SHORT_PREFIX } else { &[] };
    let Some((length, short_forms)) = university::short_forms(code, stem) else { return Vec::new() };
    short_forms.iter().take(READINGS).map(|short| [prefix, short, &stem[length..]].concat()).collect()
}

fn suggestion(typed: &str, organization: Organization, equivalent: bool, elsewhere: bool) -> Suggestion {
    let differences = differences(typed, &organization.full_name);
    Suggestion { organization, differences, equivalent, elsewhere }
}
