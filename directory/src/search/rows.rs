//! Sets of rows as runs, and the rows that have all words.

use super::plan::{Way, Word, find};
use crate::name::sound;
use crate::postings::{Runs, pair};
use crate::table::Table;

/// Runs of rows that do not touch, in ascending order.
pub(super) type Rows = Vec<(u32, u32)>;

/// What reading one name costs, in bytes of runs.
const NAME: usize = 64;

/// What the names must have that is found without reading them.
#[derive(Default)]
struct Needed<'a> {
    lists: Vec<Runs<'a>>,
    sets: Vec<Rows>,
    /// Whether names must be read to be sure.
    unsure: bool,
}

/// The rows of a province whose names have all words.
pub(super) fn rows(table: &Table<'_>, words: &[Word]) -> Rows {
    let mut needed = Needed::default();
    for word in words {
        match word.0.as_slice() {
            [way] => needed.way(table, way),
            ways => {
                let mut all = Rows::new();
                for way in ways {
                    let mut one = Needed::default();
                    one.way(table, way);
                    let (found, skipped) = one.intersect(table.rows);
                    needed.unsure |= one.unsure || skipped;
                    all.extend(found);
                }
                needed.sets.push(union(all));
            }
        }
    }
    let (mut found, skipped) = needed.intersect(table.rows);
    if needed.unsure || skipped {
        found = read(table, words, &found);
    }
    found
}

impl<'a> Needed<'a> {
    fn way(&mut self, table: &Table<'a>, way: &Way) {
        match way {
            Way::Texts(texts) => texts.iter().for_each(|text| self.text(table, text)),
            Way::Initials(letters) => self.initials(table, letters),
        }
    }

    fn text(&mut self, table: &Table<'a>, text: &[u16]) {
        if let [unit] = text {
            let lists = table.postings.between(pair(*unit, 0), pair(*unit, u16::MAX));
            self.sets.push(union(lists.flatten().collect()));
        }
        self.unsure |= text.len() > 2;
        self.lists.extend(text.windows(2).map(|two| table.postings.of(pair(two[0], two[1]))));
    }

    /// Initials have no index: the pairs that may be read so are looked for among all of the province.
    fn initials(&mut self, table: &Table<'a>, letters: &[u32]) {
        let mut sets: Vec<Rows> = vec![Rows::new(); letters.len() - 1];
        for (pair, runs) in table.postings.all() {
            let (first, second) = (heard(pair >> 16), heard(pair & 0xFFFF));
            if first == 0 || second == 0 {
                continue;
            }
            for (two, set) in letters.windows(2).zip(&mut sets) {
                if first >> two[0] & 1 == 1 && second >> two[1] & 1 == 1 {
                    set.extend(runs);
                }
            }
        }
        self.unsure |= letters.len() > 2;
        self.sets.extend(sets.into_iter().map(union));
    }

    /// The rows that have all that is needed, and whether a list was left unread since reading names is cheaper.
    fn intersect(&mut self, rows: u32) -> (Rows, bool) {
        self.lists.sort_unstable_by_key(|list| list.rows);
        self.sets.sort_unstable_by_key(Vec::len);
        let mut found: Option<Rows> = None;
        for set in &self.sets {
            found = Some(match found {
                None => set.clone(),
                Some(before) => intersection(&before, set.iter().copied()),
            });
        }
        let mut skipped = false;
        for list in &self.lists {
            let Some(before) = found else {
                found = Some(list.map(|(start, end)| (start.min(rows), end.min(rows))).collect());
                continue;
            };
            let names = count(&before);
            if list.rows > 0 && (names as usize).saturating_mul(NAME) < list.bytes() {
                skipped = true;
                found = Some(before);
            } else {
                found = Some(intersection(&before, *list));
            }
        }
        (found.unwrap_or_default(), skipped)
    }
}

/// The rows whose names have all words.
fn read(table: &Table<'_>, words: &[Word], rows: &[(u32, u32)]) -> Rows {
    let mut keys = table.keys();
    let mut found: Rows = Vec::new();
    let mut single = Single::of(words);
    for row in rows.iter().flat_map(|&(start, end)| start..end) {
        if keys.go(row).is_none() {
            break;
        }
        let has = match &mut single {
            Some(texts) => {
                texts.iter_mut().for_each(|text| text.common = text.common.min(keys.shared));
                texts.iter().all(Single::still) || {
                    let key = keys.expand();
                    texts.iter_mut().all(|text| text.is_in(key))
                }
            }
            None => {
                let key = keys.expand();
                words.iter().all(|word| word.is_in(key))
            }
        };
        if has {
            match found.last_mut() {
                Some((_, end)) if *end == row => *end = row + 1,
                _ => found.push((row, row + 1)),
            }
        }
    }
    found
}

/// A text that is looked for in one name after the other: what two share is not read twice.
struct Single<'a> {
    text: &'a [u16],
    /// Where it ends in the name it was looked for last.
    end: Option<usize>,
    /// How much of that name is known to be without it.
    seen: usize,
    /// How much the name now shares with that one.
    common: usize,
}

impl<'a> Single<'a> {
    /// The texts, where no word can be had in several ways.
    fn of(words: &'a [Word]) -> Option<Vec<Self>> {
        let mut all = Vec::new();
        for word in words {
            let [Way::Texts(texts)] = word.0.as_slice() else { return None };
            all.extend(texts.iter().map(|text| Self { text, end: None, seen: 0, common: 0 }));
        }
        Some(all)
    }

    /// Whether the text is in what the name shares with the one it was found in.
    fn still(&self) -> bool {
        self.end.is_some_and(|end| end <= self.common)
    }

    fn is_in(&mut self, key: &[u16]) -> bool {
        if self.still() {
            return true;
        }
        let common = std::mem::replace(&mut self.common, usize::MAX);
        let known = self.seen.min(common).saturating_sub(self.text.len() - 1).min(key.len());
        self.end = find(&key[known..], self.text).map(|end| end + known);
        self.seen = self.end.map_or(key.len(), |end| end - 1);
        self.end.is_some()
    }
}

/// The letters that half of a pair may be read as.
fn heard(unit: u32) -> u32 {
    u16::try_from(unit).map_or(0, sound::initials)
}

/// How many rows there are.
pub(super) fn count(rows: &[(u32, u32)]) -> u64 {
    rows.iter().map(|(start, end)| u64::from(end - start)).sum()
}

fn union(mut all: Rows) -> Rows {
    all.sort_unstable();
    all.dedup_by(|later, kept| {
        let touch = later.0 <= kept.1;
        if touch {
            kept.1 = kept.1.max(later.1);
        }
        touch
    });
    all
}

fn intersection(left: &[(u32, u32)], right: impl Iterator<Item = (u32, u32)>) -> Rows {
    let mut both = Vec::new();
    let mut left = left.iter().copied().peekable();
    for (start, end) in right {
        while left.next_if(|run| run.1 <= start).is_some() {}
        while let Some(&run) = left.peek() {
            if run.0 >= end {
                break;
            }
            both.push((run.0.max(start), run.1.min(end)));
            if run.1 > end {
                break;
            }
            left.next();
        }
        if left.peek().is_none() {
            break;
        }
    }
    both
}
